"""When a task of a run may start, by its trigger rule and the states of the tasks before it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

Say = Literal["wait", "run", "skipped", "upstream_failed"]


@dataclass(frozen=True)
class Before:
    """The tasks directly before one: how many there are, and how many have ended in which way."""

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


def _all_success(one: Before) -> Say:
    return "upstream_failed" if one.bad else "skipped" if one.skipped else one.once_over("run")


def _none_failed(one: Before) -> Say:
    return "upstream_failed" if one.bad else one.once_over("run")


def _none_failed_min_one_success(one: Before) -> Say:
    return "upstream_failed" if one.bad else one.once_over("run" if one.good else "skipped")


def _one_success(one: Before) -> Say:
    return "run" if one.good else one.once_over("upstream_failed" if one.bad else "skipped")


def _one_failed(one: Before) -> Say:
    return "run" if one.bad else one.once_over("skipped")


def _one_done(one: Before) -> Say:
    return "run" if one.good or one.bad else one.once_over("skipped")


def _all_failed(one: Before) -> Say:
    return "skipped" if one.good or one.skipped else one.once_over("run")


def _all_skipped(one: Before) -> Say:
    return "skipped" if one.good or one.bad else one.once_over("run")


def _none_skipped(one: Before) -> Say:
    return "skipped" if one.skipped else one.once_over("run")


def _all_done_min_one_success(one: Before) -> Say:
    return one.once_over("run" if one.good else "upstream_failed" if one.bad else "skipped")


def _all_done(one: Before) -> Say:
    return one.once_over("run")


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
"""The trigger rules of Airflow 3.3; plans have no setup tasks, so a teardown waits for all to be done."""


def say(rule: str, states: Collection[str | None]) -> Say:
    """Tell what becomes of a task: it waits, runs, or ends without running.

    As Airflow's own, a rule that can no longer be met ends the task as soon as that is known.

    :param states: of the tasks directly before it; everything that is not the state of an ended task counts as going on
    """
    if not states:
        return "run"
    bad = sum(one in {"failed", "upstream_failed"} for one in states)
    good, skipped = (sum(one == wanted for one in states) for wanted in ("success", "skipped"))
    return RULES[rule](Before(len(states), good, bad, skipped))
