"""When a task of a run may start, by its trigger rule and the states of the tasks before it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

Say = Literal["wait", "run", "skipped", "upstream_failed"]


@dataclass(frozen=True)
class Before:
    """The tasks directly before another: how many there are, and how many have ended in which way."""

    total: int
    good: int
    bad: int
    skipped: int

    @property
    def is_over(self) -> bool:
        """Whether all have ended."""
        return self.good + self.bad + self.skipped == self.total

    def once_over(self, said: Say) -> Say:
        """Say this when all have ended, and wait until then."""
        return said if self.is_over else "wait"


def _all_success(before: Before) -> Say:
    return "upstream_failed" if before.bad else "skipped" if before.skipped else before.once_over("run")


def _none_failed(before: Before) -> Say:
    return "upstream_failed" if before.bad else before.once_over("run")


def _none_failed_min_one_success(before: Before) -> Say:
    return "upstream_failed" if before.bad else before.once_over("run" if before.good else "skipped")


def _one_success(before: Before) -> Say:
    return "run" if before.good else before.once_over("upstream_failed" if before.bad else "skipped")


def _one_failed(before: Before) -> Say:
    return "run" if before.bad else before.once_over("skipped")


def _one_done(before: Before) -> Say:
    return "run" if before.good or before.bad else before.once_over("skipped")


def _all_failed(before: Before) -> Say:
    return "skipped" if before.good or before.skipped else before.once_over("run")


def _all_skipped(before: Before) -> Say:
    return "skipped" if before.good or before.bad else before.once_over("run")


def _none_skipped(before: Before) -> Say:
    return "skipped" if before.skipped else before.once_over("run")


def _all_done_min_one_success(before: Before) -> Say:
    return before.once_over("run" if before.good else "upstream_failed" if before.bad else "skipped")


def _all_done(before: Before) -> Say:
    return before.once_over("run")


RULES: Mapping[str, Callable[[Before], Say]] = {
    "all_success": _all_success,
    "all_done": _all_done,
    "all_done_setup_success": _all_done,
    "all_done_min_one_success": _all_done_min_one_success,
    "all_failed": _all_failed,
    "all_skipped": _all_skipped,
    "none_failed": _none_failed,
    "none_failed_min_one_success": _none_failed_min_one_success,
    "none_skipped": _none_skipped,
    "one_success": _one_success,
    "one_failed": _one_failed,
    "one_done": _one_done,
    "always": lambda _: "run",
}
"""The trigger rules of Airflow 3.3; plans have no setup tasks, so a teardown waits for all to be dbefore."""


def say(rule: str, states: Collection[str | None]) -> Say:
    """Tell what becomes of a task: it waits, runs, or ends without running.

    As Airflow's own, a rule that can no longer be met ends the task as soon as that is known.

    :param states: of the tasks directly before it; everything that is not the state of an ended task counts as going on
    """
    if not states:
        return "run"
    bad = sum(state in {"failed", "upstream_failed"} for state in states)
    good, skipped = (sum(state == wanted for state in states) for wanted in ("success", "skipped"))
    return RULES[rule](Before(len(states), good, bad, skipped))
