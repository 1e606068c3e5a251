"""Where the time of a run went: every moment of it counted once, for what went on then."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, get_args

from drs_provider.report.evidence import RunEvidence, StepEvidence, WaveEvidence
from drs_provider.report.result import TimeKind, TimeShare

Span = tuple[TimeKind, datetime, datetime]

_PEOPLE: Final = "approval"
"""The kind of step that asks people."""
_REST: Final[TimeKind] = "orchestration"

_RANKS: Final[tuple[TimeKind, ...]] = (
    "jobs",
    "boots",
    "readiness",
    "steps",
    "network",
    "settings",
    "preflight",
    "clean_up",
    "approvals",
    "people",
    "delays",
)
"""Of what goes on side by side the first counts: while something is done, nobody waits for people."""


def time_shares(evidence: RunEvidence) -> tuple[TimeShare, ...]:
    """Part the time from a run's start to its report by what went on; the parts sum to the whole.

    What nobody recorded counts as ``orchestration``: Airflow's own time, and the gaps between tasks.
    """
    start, end = evidence.run.started_at, evidence.finished_at
    if end <= start:
        return ()
    spans = [(kind, max(begun, start), min(over, end)) for kind, begun, over in _spans(evidence)]
    shares = _parted([span for span in spans if span[1] < span[2]], start, end)
    kinds: Sequence[TimeKind] = get_args(TimeKind)
    return tuple(TimeShare(kind=kind, seconds=shares[kind].total_seconds()) for kind in kinds if kind in shares)


def _parted(spans: Iterable[Span], start: datetime, end: datetime) -> dict[TimeKind, timedelta]:
    """Walk over the instants at which something begins or ends, and count what is first among what goes on."""
    changes: list[tuple[datetime, int, TimeKind]] = []
    for kind, begun, over in spans:
        changes += [(begun, 1, kind), (over, -1, kind)]
    going: dict[TimeKind, int] = dict.fromkeys(_RANKS, 0)
    shares: dict[TimeKind, timedelta] = {}
    reached = start
    for at, change, kind in sorted(changes, key=lambda entry: entry[0]):
        _count(shares, going, at - reached)
        reached = at
        going[kind] += change
    _count(shares, going, end - reached)
    return shares


def _count(shares: dict[TimeKind, timedelta], going: dict[TimeKind, int], length: timedelta) -> None:
    if length:
        kind = next((kind for kind, count in going.items() if count), _REST)
        shares[kind] = shares.get(kind, timedelta(0)) + length


def _spans(evidence: RunEvidence) -> Iterator[Span]:
    yield from ((activity.kind, activity.began_at, activity.ended_at) for activity in evidence.activities)
    for wait in evidence.waits:
        kinds: dict[str, TimeKind] = {"approval": "approvals", "pause": "people", "delay": "delays", "commit": "people"}
        yield kinds[wait.kind], wait.began_at, wait.ended_at or evidence.finished_at
    if (kept := evidence.drill.kept) and kept.began_at:
        yield "people", kept.began_at, kept.ended_at or evidence.finished_at
    for wave in evidence.waves:
        yield from _of_wave(wave)
    for step in (*evidence.steps, *(step for wave in evidence.waves for step in wave.steps)):
        yield from _of_step(step)


def _of_wave(wave: WaveEvidence) -> Iterator[Span]:
    """Give its jobs, and the wait until their servers are ready; a job without a recorded end ends with its wave.

    What was launched ahead waits for its turn then, and boots in it: only that is the wave's.
    """
    ends = []
    for job in wave.jobs:
        ended = job.ended_at or wave.ready_at
        if job.created_at and ended:
            yield "jobs", job.created_at, ended
            ends.append(ended)
    if wave.boots:
        yield "boots", wave.boots.began_at, wave.boots.ended_at
    elif wave.ready_at and ends:
        yield "readiness", max(ends), wave.ready_at


def _of_step(step: StepEvidence) -> Iterator[Span]:
    if step.started_at and step.ended_at and step.attempts:
        yield "people" if step.kind == _PEOPLE else "steps", step.started_at, step.ended_at
