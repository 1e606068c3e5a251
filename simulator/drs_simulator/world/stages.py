"""How a launch goes, stage by stage: tables of the measured spacing, and the pure functions over them.

Measured on the real service (two drills of 2 small Linux servers, us-west-2, `drs-api.md` 2.1): offsets from JOB_START
0.4 s SNAPSHOT_START, 0.6 s SNAPSHOT_END, 52 s CONVERSION_START, 226-250 s CONVERSION_END, +0.5 s LAUNCH_START,
529-537 s LAUNCH_END, +2 s JOB_END. Windows boots in up to 20 minutes instead of 5 (documented).
"""

from dataclasses import dataclass, replace
from random import Random

JOB_START_AFTER = 0.36
"""Simulated seconds between creationDateTime and JOB_START."""

JOB_END_AFTER = 2.4
"""Simulated seconds between the last server's end and JOB_END (measured: 2.1 and 2.8)."""

END_IS_NOTED_BEFORE = 0.026
"""Simulated seconds by which a job's endDateTime lies before its JOB_END line (measured: 0.026 and 0.027)."""

SERVERS_APART = 0.026
"""Simulated seconds by which each server of a job lags behind the one before it (measured: 0.025 to 0.032)."""

SNAPSHOT_UNREACHABLE = 600.0
"""How long DRS tries to take an on-demand snapshot of a source that it cannot reach."""

SILENT_FAILURE_AFTER = 0.4
"""Simulated seconds between SNAPSHOT_END and JOB_END of a launch that fails without a word."""


@dataclass(frozen=True)
class Stage:
    """What happens `after` simulated seconds from the stage before; a hidden stage leaves no job log line."""

    event: str
    after: float
    is_hidden: bool = False


CLEANUP = (Stage("CLEANUP_START", 0.2), Stage("CLEANUP_END", 35.0))
SNAPSHOT = (Stage("SNAPSHOT_START", 0.4), Stage("SNAPSHOT_END", 0.2))
CONVERSION = (Stage("CONVERSION_START", 51.4), Stage("CONVERSION_END", 186.0))
LAUNCH = (Stage("LAUNCH_START", 0.5), Stage("INSTANCE_PENDING", 235.0, is_hidden=True), Stage("LAUNCH_END", 59.5))
WINDOWS_CONVERSION = (Stage("CONVERSION_START", 51.4), Stage("CONVERSION_END", 320.0))
WINDOWS_LAUNCH = (
    Stage("LAUNCH_START", 0.5),
    Stage("INSTANCE_PENDING", 420.0, is_hidden=True),
    Stage("LAUNCH_END", 110.0),
)
TERMINATION = (Stage("CLEANUP_START", 0.2), Stage("CLEANUP_END", 55.0))
EXTENDED_WAIT = (Stage("CONVERTED_SNAPSHOT", 240.0, is_hidden=True),)

FAILURE_OF = {
    "CLEANUP_START": "CLEANUP_FAIL",
    "CLEANUP_END": "CLEANUP_FAIL",
    "SNAPSHOT_START": "SNAPSHOT_FAIL",
    "SNAPSHOT_END": "SNAPSHOT_FAIL",
    "USING_PREVIOUS_SNAPSHOT": "USING_PREVIOUS_SNAPSHOT_FAILED",
    "CONVERSION_START": "CONVERSION_FAIL",
    "CONVERSION_END": "CONVERSION_FAIL",
    "LAUNCH_START": "LAUNCH_FAILED",
    "INSTANCE_PENDING": "LAUNCH_FAILED",
    "LAUNCH_END": "LAUNCH_FAILED",
}
"""The event that tells of a failure at this stage."""


@dataclass(frozen=True)
class LaunchKind:
    """What decides the stages of one server's launch."""

    os: str = "linux"
    is_fast: bool = False
    is_source_reachable: bool = True
    has_pinned_snapshot: bool = False
    has_previous_instance: bool = False
    is_extended: bool = False


def launch_stages(kind: LaunchKind) -> tuple[Stage, ...]:
    """Return the stages of a launch that goes well, in order."""
    windows = kind.os == "windows"
    stages: tuple[Stage, ...] = CLEANUP if kind.has_previous_instance else ()
    stages += SNAPSHOT if kind.is_source_reachable or kind.has_pinned_snapshot else _unreachable_snapshot()
    if kind.is_extended:
        stages += EXTENDED_WAIT
    elif not kind.is_fast:
        stages += WINDOWS_CONVERSION if windows else CONVERSION
    return stages + (WINDOWS_LAUNCH if windows else LAUNCH)


def _unreachable_snapshot() -> tuple[Stage, ...]:
    start, _ = SNAPSHOT
    return (start, Stage("SNAPSHOT_FAIL", SNAPSHOT_UNREACHABLE), Stage("USING_PREVIOUS_SNAPSHOT", 0.2))


def stretched(stages: tuple[Stage, ...], factor: float) -> tuple[Stage, ...]:
    """Return the stages, every wait multiplied."""
    return tuple(replace(stage, after=stage.after * factor) for stage in stages)


def delayed(stages: tuple[Stage, ...], position: int) -> tuple[Stage, ...]:
    """Return the stages of a job's server at this position: DRS takes the servers of a job one after the other."""
    return tuple(
        replace(stage, after=stage.after + position * SERVERS_APART) if number == 0 else stage
        for number, stage in enumerate(stages)
    )


def varied(stages: tuple[Stage, ...], random: Random, jitter: float) -> tuple[Stage, ...]:
    """Return the stages of one server, which differs from the others of its job in how long its instance takes.

    Servers of one job were measured to go through snapshot and conversion in step, within a tenth of a second.
    """
    return tuple(
        replace(stage, after=stage.after * (1 + random.uniform(-jitter, jitter) / 7))
        if stage.event == "INSTANCE_PENDING"
        else stage
        for stage in stages
    )


def job_factor(random: Random, jitter: float) -> float:
    """Return how much longer or shorter than measured a job's stages take: 1 ± jitter.

    What one server's instance may add (`varied`) keeps inside the same bounds.
    """
    return 1 + random.uniform(-jitter, jitter) * 6 / 7
