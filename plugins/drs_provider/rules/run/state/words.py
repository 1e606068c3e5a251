"""How every state is shown to people: its sign, its words and its tone; on the page, by the command line, in the demo.

The words are those of ``vocabulary``, with spaces. Sign and words carry the meaning; a colour only repeats it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from drs_provider.rules.run.state.vocabulary import (
    CleanupStatus,
    CommitStatus,
    PreflightStatus,
    RunStatus,
    ServerStatus,
    StepStatus,
    WaveStatus,
    Word,
)

_Looks = Mapping[Word, tuple[str, "Tone"]]

Status = RunStatus | PreflightStatus | WaveStatus | ServerStatus | StepStatus | CleanupStatus | CommitStatus


class Tone(StrEnum):
    """What a colour says."""

    NEUTRAL = ""
    BUSY = "busy"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True)
class Shown:
    """How a state is shown."""

    sign: str
    words: str
    tone: Tone


_WAITING: Final = ("○", Tone.NEUTRAL)
_BUSY: Final = ("…", Tone.BUSY)
_ASKS: Final = ("?", Tone.WARN)
_GOOD: Final = ("✓", Tone.GOOD)
_MIXED: Final = ("!", Tone.WARN)
_BAD: Final = ("✕", Tone.BAD)
_LEFT_OUT: Final = ("⊖", Tone.NEUTRAL)
_NOT_STARTED: Final = ("-", Tone.NEUTRAL)

_RUNS: Final[_Looks] = {
    RunStatus.QUEUED: _WAITING,
    RunStatus.CHECKING: _BUSY,
    RunStatus.RUNNING: _BUSY,
    RunStatus.WAITING_FOR_ANSWER: _ASKS,
    RunStatus.CLEANING_UP: _BUSY,
    RunStatus.ROLLING_BACK: _BUSY,
    RunStatus.REPORTING: _BUSY,
    RunStatus.PASSED: _GOOD,
    RunStatus.COMPLETED: _GOOD,
    RunStatus.COMPLETED_WITH_EXCEPTIONS: _MIXED,
    RunStatus.FAILED: _BAD,
    RunStatus.REFUSED: ("⊘", Tone.BAD),
    RunStatus.CANCELLED: ("■", Tone.BAD),
    RunStatus.SUPERSEDED: ("⇄", Tone.BAD),
    RunStatus.CHECKED: _GOOD,
    RunStatus.UNKNOWN: ("!", Tone.BAD),
}
_PREFLIGHT: Final[_Looks] = {
    PreflightStatus.WAITING: _WAITING,
    PreflightStatus.RUNNING: _BUSY,
    PreflightStatus.WAITING_FOR_ANSWER: _ASKS,
    PreflightStatus.PASSED: _GOOD,
    PreflightStatus.REFUSED: ("⊘", Tone.BAD),
    PreflightStatus.UNPROVEN: _MIXED,
    PreflightStatus.NOT_STARTED: _NOT_STARTED,
}
_WAVES: Final[_Looks] = {
    WaveStatus.WAITING: _WAITING,
    WaveStatus.DELAYED: _WAITING,
    WaveStatus.WAITING_FOR_ANSWER: _ASKS,
    WaveStatus.PREPARING: _BUSY,
    WaveStatus.LAUNCHING: _BUSY,
    WaveStatus.COPYING: _BUSY,
    WaveStatus.RUNNING_STEPS: _BUSY,
    WaveStatus.LAUNCHED: _GOOD,
    WaveStatus.READY: _GOOD,
    WaveStatus.COMPLETED: _GOOD,
    WaveStatus.COMPLETED_WITH_EXCEPTIONS: _MIXED,
    WaveStatus.FAILED: _BAD,
    WaveStatus.CANCELLED: ("■", Tone.BAD),
    WaveStatus.SKIPPED: _LEFT_OUT,
    WaveStatus.NOT_STARTED: _NOT_STARTED,
    WaveStatus.UNPROVEN: _MIXED,
}
_SERVERS: Final[_Looks] = {
    ServerStatus.WAITING: _WAITING,
    ServerStatus.LAUNCHING: _BUSY,
    ServerStatus.PREPARED: ("◐", Tone.NEUTRAL),
    ServerStatus.LAUNCHED: _GOOD,
    ServerStatus.COPYING: _BUSY,
    ServerStatus.READY: _GOOD,
    ServerStatus.STUCK: _BAD,
    ServerStatus.FAILED: _BAD,
    ServerStatus.NOT_STARTED: _NOT_STARTED,
    ServerStatus.SKIPPED: _LEFT_OUT,
    ServerStatus.EXCLUDED: _LEFT_OUT,
    ServerStatus.UNKNOWN: _MIXED,
}
_STEPS: Final[_Looks] = {
    StepStatus.WAITING: _WAITING,
    StepStatus.RUNNING: _BUSY,
    StepStatus.WAITING_FOR_ANSWER: _ASKS,
    StepStatus.SUCCEEDED: _GOOD,
    StepStatus.FAILED: _BAD,
    StepStatus.TOLERATED: _MIXED,
    StepStatus.SKIPPED: _LEFT_OUT,
    StepStatus.NOT_STARTED: _NOT_STARTED,
    StepStatus.UNPROVEN: _MIXED,
}
_CLEANUP: Final[_Looks] = {
    CleanupStatus.WAITING: _WAITING,
    CleanupStatus.KEPT: _ASKS,
    CleanupStatus.RUNNING: _BUSY,
    CleanupStatus.COMPLETED: _GOOD,
    CleanupStatus.NOTHING_TO_DO: _GOOD,
    CleanupStatus.INCOMPLETE: _BAD,
    CleanupStatus.NOT_RUN: _NOT_STARTED,
    CleanupStatus.UNPROVEN: _MIXED,
}
_COMMITS: Final[_Looks] = {
    CommitStatus.WAITING: _ASKS,
    CommitStatus.COMMITTED: _GOOD,
    CommitStatus.ROLLING_BACK: _BUSY,
    CommitStatus.ROLLED_BACK: ("↩", Tone.WARN),
    CommitStatus.INCOMPLETE: _BAD,
    CommitStatus.UNDECIDED: _MIXED,
}

_TABLES: Final[Mapping[type[Word], _Looks]] = {
    RunStatus: _RUNS,
    PreflightStatus: _PREFLIGHT,
    WaveStatus: _WAVES,
    ServerStatus: _SERVERS,
    StepStatus: _STEPS,
    CleanupStatus: _CLEANUP,
    CommitStatus: _COMMITS,
}


def words(status: Status) -> str:
    """Word a state, in lower case: ``waiting for an answer``."""
    return status.words


def shown(status: Status) -> Shown:
    """Say how a state is shown."""
    sign, tone = _TABLES[type(status)][status]
    return Shown(sign, status.words, tone)


def all_shown(statuses: type[Word]) -> dict[str, Shown]:
    """Say of all states of one kind how they are shown, by their word in JSON."""
    return {status.value: Shown(sign, status.words, tone) for status, (sign, tone) in _TABLES[statuses].items()}
