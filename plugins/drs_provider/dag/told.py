"""What was told to whom in a run, as its report lists it."""

from collections.abc import Callable, Mapping
from typing import Any

TOLD = "told"
"""XCom key of what a task told to whom: a list of the records of ``notify/sending.py``."""

TASK = "notifications"
"""Name of the task that tells, in every group that has one."""

TOLD_OF_RTO = ("told_rto_80", "told_rto_100")
"""The same of the two alerts of the RTO, which are no tasks: they leave it under the preflight task."""

_PREFLIGHT = "preflight.check"

Pull = Callable[[str, str], Any]
"""Gives what a task (by id) left under a key."""


def is_teller(task_id: str) -> bool:
    """Tell whether a task does nothing but tell people."""
    return task_id.endswith(f".{TASK}")


def notifications_of(pull: Pull, states: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Collect every record that any task of the run left, oldest first."""
    found = [record for task in states if ".servers" not in task for record in pull(task, TOLD) or ()]
    found += [record for key in TOLD_OF_RTO for record in pull(_PREFLIGHT, key) or ()]
    return sorted(found, key=lambda one: str(one["at"]))
