"""What Airflow's word for the state of a task means to a run."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class TaskPhase(StrEnum):
    """How far one task is. Every word of Airflow has one; a word that is not known is taken as under way."""

    WAITING = "waiting"
    """Nothing has happened: no state yet, ``scheduled``, ``queued``."""
    UNDER_WAY = "under_way"
    """A worker or a trigger has it, or Airflow will try it again."""
    ASKS = "asks"
    """It waits for the answer of a person."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOT_STARTED = "not_started"
    """It never will be: something before it failed, or it is gone from the DAG."""


_PHASES: Final[dict[str | None, TaskPhase]] = {
    None: TaskPhase.WAITING,
    "none": TaskPhase.WAITING,
    "scheduled": TaskPhase.WAITING,
    "queued": TaskPhase.WAITING,
    "awaiting_input": TaskPhase.ASKS,
    "success": TaskPhase.SUCCEEDED,
    "failed": TaskPhase.FAILED,
    "skipped": TaskPhase.SKIPPED,
    "upstream_failed": TaskPhase.NOT_STARTED,
    "removed": TaskPhase.NOT_STARTED,
}

RUN_IS_OVER: Final = frozenset({"success", "failed"})
"""Airflow's states of a run that has ended."""

_NOT_SENT: Final = frozenset({None, "none", "scheduled", "upstream_failed", "removed", "awaiting_input"})
_QUEUED: Final = "queued"


@dataclass(frozen=True)
class TaskSnapshot:
    """One task of a run at one moment; ``state`` is Airflow's word, None before anything happened."""

    state: str | None
    started_at: datetime | None = None
    ended_at: datetime | None = None


NOTHING_YET: Final = TaskSnapshot(None)
"""A task that Airflow does not know in this run yet."""


def phase_of(state: str | None, *, is_asked: bool = False) -> TaskPhase:
    """Say what Airflow's word means.

    :param is_asked: whether a question of this task is open; Airflow may show such a task as deferred
    """
    phase = _PHASES.get(state, TaskPhase.UNDER_WAY)
    return TaskPhase.ASKS if is_asked and phase is TaskPhase.UNDER_WAY else phase


def is_active(state: str | None) -> bool:
    """Tell whether a task has been sent to a worker and has not ended; one that waits for a person has not been."""
    return state == _QUEUED or phase_of(state) is TaskPhase.UNDER_WAY


def was_sent(state: str | None) -> bool:
    """Tell whether a task has ever been sent to a worker in its present try."""
    return state not in _NOT_SENT
