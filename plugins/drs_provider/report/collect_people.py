"""What a run waited for on purpose: approvals, pauses, delays, as its report tells them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drs_provider.rules.run.approvals import ANSWER, APPROVE, CONTINUE, REJECT, STOP
from drs_provider.rules.run.keys import ASKED, TOLD, TOLD_OF_RTO, WAITED
from drs_provider.rules.run.names import DELAY, PAUSE

_OUTCOMES = {APPROVE: "approved", REJECT: "rejected", CONTINUE: "continued", STOP: "stopped"}

Pull = Callable[[str, str], Any]
"""Gives what a task (by id) left under a key."""


def waits_of(pull: Pull, states: Mapping[str, str | None], waves: Sequence[str]) -> list[dict[str, Any]]:
    """Collect every question that was asked and every delay that began, in the order of the plan."""
    approvals = sorted(task for task in states if task.startswith("preflight.approval"))
    found = [_question(pull, states, task, "approval", None) for task in approvals]
    for wave in waves:
        found.append(_delay(pull, states, f"{wave}.{DELAY}", wave))
        found.append(_question(pull, states, f"{wave}.{PAUSE}", "pause", wave))
    return [one for one in found if one]


def ended_by_a_person(waits: Sequence[Mapping[str, Any]]) -> str | None:
    """Say who ended the run by an answer, if anybody did."""
    for one in waits:
        if one["outcome"] == "rejected":
            return f"{one['by']} rejected the recovery"
        if one["outcome"] == "stopped":
            return f"{one['by']} stopped the run before wave {one['wave']}"
    return None


def _question(
    pull: Pull, states: Mapping[str, str | None], task: str, kind: str, wave: str | None
) -> dict[str, Any] | None:
    asked = pull(task, ASKED) if task in states else None
    if not asked:
        return None
    answer = pull(task, ANSWER) or {}
    outcome = _OUTCOMES.get(answer.get("chosen", ""), "expired" if answer.get("expired") else "unanswered")
    return {
        "kind": kind,
        "task": task,
        "wave": wave,
        "began_at": asked["at"],
        "ended_at": answer.get("at"),
        "by": answer.get("by"),
        "comment": answer.get("comment"),
        "outcome": outcome,
    }


def _delay(pull: Pull, states: Mapping[str, str | None], task: str, wave: str) -> dict[str, Any] | None:
    waited = pull(task, WAITED) if task in states else None
    if not waited:
        return None
    is_over = states.get(task) == "success"
    return {
        "kind": "delay",
        "task": task,
        "wave": wave,
        "began_at": waited["at"],
        "ended_at": waited["until"] if is_over else None,
        "by": None,
        "outcome": "over" if is_over else "unanswered",
    }


_PREFLIGHT = "preflight.check"


"""Gives what a task (by id) left under a key."""


def notifications_of(pull: Pull, states: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Collect every record that any task of the run left, oldest first."""
    found = [record for task in states if ".servers" not in task for record in pull(task, TOLD) or ()]
    found += [record for key in TOLD_OF_RTO for record in pull(_PREFLIGHT, key) or ()]
    return sorted(found, key=lambda one: str(one["at"]))
