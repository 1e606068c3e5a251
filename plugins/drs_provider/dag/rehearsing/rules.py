"""When a task of a run may start, by its trigger rule and the states of the tasks before it."""

from collections.abc import Collection
from typing import Literal

ENDED = frozenset({"success", "failed", "skipped", "upstream_failed"})
_BAD = frozenset({"failed", "upstream_failed"})

Say = Literal["wait", "run", "skipped", "upstream_failed"]

RULES = frozenset(
    {
        "all_success",
        "all_done",
        "all_done_setup_success",
        "none_failed",
        "none_failed_min_one_success",
        "one_success",
        "one_failed",
        "one_done",
        "all_failed",
        "all_skipped",
        "all_done_min_one_success",
        "none_skipped",
        "always",
    }
)
"""The trigger rules of Airflow 3.3."""


def say(rule: str, states: Collection[str | None]) -> Say:  # noqa: PLR0911 - one line per rule
    """Tell what becomes of a task: it waits, runs, or ends without running.

    As Airflow's own: a rule that no longer can be met ends the task as soon as that is known.

    :param states: of the tasks directly before it; None: not ended
    """
    if not states or rule == "always":
        return "run"
    ended = [one for one in states if one in ENDED]
    bad, skipped = [one for one in ended if one in _BAD], [one for one in ended if one == "skipped"]
    good, is_over = [one for one in ended if one == "success"], len(ended) == len(states)
    match rule:
        case "all_success":
            if bad or skipped:
                return "upstream_failed" if bad else "skipped"
            return "run" if is_over else "wait"
        case "none_failed" | "none_failed_min_one_success":
            if bad:
                return "upstream_failed"
            if is_over and rule == "none_failed_min_one_success" and not good:
                return "skipped"
            return "run" if is_over else "wait"
        case "one_success" | "one_failed":
            if good if rule == "one_success" else bad:
                return "run"
            if not is_over:
                return "wait"
            return "upstream_failed" if rule == "one_success" and bad else "skipped"
        case "one_done":
            return "run" if good or bad else "skipped" if is_over else "wait"
        case "all_failed" | "all_skipped":
            wanted = bad if rule == "all_failed" else skipped
            return "skipped" if len(wanted) < len(ended) else "run" if is_over else "wait"
        case "none_skipped":
            return "skipped" if skipped else "run" if is_over else "wait"
        case "all_done_min_one_success":
            if not is_over:
                return "wait"
            return "run" if good else "upstream_failed" if bad else "skipped"
        case _:
            return "run" if is_over else "wait"
