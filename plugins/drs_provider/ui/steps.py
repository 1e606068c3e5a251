"""The steps of a run as its board shows them: what goes on, what came of them, what is still to come."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from drs_provider.ui.read_model import RunData

STEP_KEY = "step"
"""XCom key of what a step did."""
BEFORE_WAVES, AFTER_WAVES = "before_waves", "after_waves"
"""Task groups of the plan's own steps."""
START = "start_recovery"

StepNow = Literal["waiting", "running", "asks", "succeeded", "failed", "tolerated", "skipped", "not_started", "by_hand"]

KINDS = {
    "RunSsmCommand": "ssm_command",
    "RunSsmAutomation": "ssm_automation",
    "InvokeFunction": "lambda",
    "AskHttp": "http",
    "AskTcp": "tcp",
    "SayByWebhook": "webhook",
    "AskPeople": "approval",
    "LetTimePass": "wait",
    "RunOtherDag": "dag",
}
"""The kind of a step by the class of its task, for steps that have left nothing yet."""

_STEP = re.compile(r"[a-z0-9][a-z0-9-]*")
_NO_STEPS = frozenset({"servers", "delay", "pause", "notifications"})
"""Tasks beside the steps of a wave; other tasks have an underscore in their name, which steps have not."""
_BEGUN = frozenset({"running", "deferred", "up_for_retry", "up_for_reschedule", "restarting"})
_LONGEST = 400


class BoardStep(BaseModel):
    """One step; ``summary`` is what it said of itself, in one line."""

    name: str
    task: str
    kind: str | None = None
    state: StepNow
    summary: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


def plan_steps(run: RunData, group: str) -> list[BoardStep]:
    """Return the plan's own steps of one side, in their order."""
    return [_step(run, task) for task in _in_order(run.upstream, _step_tasks(run, group))]


def wave_steps(run: RunData, wave: str) -> tuple[list[BoardStep], list[BoardStep]]:
    """Return a wave's steps before and after its launch; those of a wave that launches nothing are all after."""
    tasks = _in_order(run.upstream, _step_tasks(run, wave))
    above = _ancestors(run.upstream, f"{wave}.{START}")
    before = [_step(run, task) for task in tasks if task in above]
    return before, [_step(run, task) for task in tasks if task not in above]


def unfinished(steps: Iterable[BoardStep]) -> bool:
    """Tell whether something of them is still to come or goes on."""
    return any(step.state in ("waiting", "running", "asks") for step in steps)


def begun(steps: Iterable[BoardStep]) -> bool:
    """Tell whether the first of them has begun."""
    return any(step.state not in ("waiting", "not_started") for step in steps)


def _step_tasks(run: RunData, group: str) -> list[str]:
    known = {*run.upstream, *run.tasks}
    return sorted(task for task in known if task.startswith(f"{group}.") and _is_step(task.removeprefix(f"{group}.")))


def _is_step(name: str) -> bool:
    return bool(_STEP.fullmatch(name)) and name not in _NO_STEPS


def _in_order(upstream: Mapping[str, frozenset[str]], tasks: Sequence[str]) -> list[str]:
    """Order tasks of a chain; all of them stand one after the other, with other tasks of the wave in between."""
    depth = {task: len(_ancestors(upstream, task)) for task in tasks}
    return sorted(tasks, key=lambda task: (depth[task], task))


def _ancestors(upstream: Mapping[str, frozenset[str]], task: str) -> set[str]:
    found: set[str] = set()
    todo = [task]
    while todo:
        new = upstream.get(todo.pop(), frozenset()) - found
        found |= new
        todo += new
    return found


def _step(run: RunData, task: str) -> BoardStep:
    left = run.left.get((task, STEP_KEY))
    said: Mapping[str, Any] = left if isinstance(left, Mapping) else {}
    now = run.tasks.get(task)
    state = _state(run, now.state if now else None, said)
    words = " ".join(str(said.get("summary") or "").split())
    return BoardStep(
        name=task.rpartition(".")[2],
        task=task,
        kind=str(said["kind"]) if said.get("kind") else KINDS.get(run.classes.get(task, "")),
        state=state,
        summary=(words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…") or None,
        started_at=now.started_at if now and state not in ("waiting", "not_started", "skipped") else None,
        ended_at=now.ended_at if now and state in ("succeeded", "failed", "tolerated", "by_hand") else None,
    )


def _state(run: RunData, state: str | None, said: Mapping[str, Any]) -> StepNow:
    outcome = said.get("state")
    ended: dict[str | None, StepNow] = {
        "awaiting_input": "asks",
        **dict.fromkeys(_BEGUN, "running"),
        "success": "succeeded" if outcome == "succeeded" else "by_hand",
        "skipped": "tolerated" if outcome == "failed" else "skipped",
        "failed": "failed",
        "upstream_failed": "not_started",
        "removed": "not_started",
    }
    return ended.get(state, "not_started" if run.state in ("success", "failed") else "waiting")
