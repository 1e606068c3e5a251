"""Where a server's time in DRS went, read from the job log."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from drs_provider.reporting.evidence import JobEvent
from drs_provider.reporting.result import Phases

LAUNCHED_EVENT = "LAUNCH_END"
"""Emitted by the service for every launched server although botocore's enum of events lacks it."""

_STARTS = {
    "snapshot": "SNAPSHOT_START",
    "conversion": "CONVERSION_START",
    "launch": "LAUNCH_START",
}
_ENDS = {
    "snapshot": {"SNAPSHOT_END", "SNAPSHOT_FAIL", "USING_PREVIOUS_SNAPSHOT", "USING_PREVIOUS_SNAPSHOT_FAILED"},
    "conversion": {"CONVERSION_END", "CONVERSION_FAIL"},
    "launch": {LAUNCHED_EVENT, "LAUNCH_FAILED"},
}


def split(events: Sequence[JobEvent], job_created_at: datetime | None) -> Phases:
    """Seconds of each phase; ``None`` for a phase whose start or end was never logged.

    A server that was launched again has every event more than once: the last complete pair counts. What lies
    between the job's creation and the last logged end, and belongs to no phase, is waiting inside DRS.
    """
    ordered = sorted(events, key=lambda event: event.at)
    if job_created_at is not None:
        ordered = [event for event in ordered if event.at >= job_created_at]
    pairs = {phase: _last_pair(ordered, phase) for phase in _STARTS}
    measured = {phase: (end - start).total_seconds() for phase, pair in pairs.items() if pair for start, end in [pair]}
    ends = [pair[1] for pair in pairs.values() if pair]
    waiting = None
    if job_created_at is not None and ends:
        waiting = max(0.0, (max(ends) - job_created_at).total_seconds() - sum(measured.values()))
    return Phases(
        snapshot_seconds=measured.get("snapshot"),
        conversion_seconds=measured.get("conversion"),
        launch_seconds=measured.get("launch"),
        waiting_seconds=waiting,
    )


def launched_at(events: Iterable[JobEvent]) -> datetime | None:
    """Return when DRS said that the server was launched: its last LAUNCH_END, if there is one."""
    return max((event.at for event in events if event.event == LAUNCHED_EVENT), default=None)


def _last_pair(ordered: Sequence[JobEvent], phase: str) -> tuple[datetime, datetime] | None:
    start: datetime | None = None
    pair: tuple[datetime, datetime] | None = None
    for event in ordered:
        if event.event == _STARTS[phase]:
            start = event.at
        elif event.event in _ENDS[phase] and start is not None:
            pair = (start, event.at)
    return pair
