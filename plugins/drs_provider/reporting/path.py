"""Which chain of waves decided how long the run took, and where it stood still."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from drs_provider.reporting.result import CriticalPath, DeadTime, WaveReport

Interval = tuple[datetime, datetime]


def critical_path_of(waves: Sequence[WaveReport], run_started_at: datetime) -> CriticalPath:
    """Follow the run back from the wave that ended last, each time to the upstream wave that ended last.

    Waves without a recorded start and end take no part: they were not launched, or their jobs never ended.
    """
    ended = {wave.name: wave for wave in waves if wave.started_at and wave.ended_at}
    names = _chain(ended)
    if not names:
        return CriticalPath()
    on_path = [wave for wave in waves if wave.name in names]
    intervals = [
        (job.created_at, job.ended_at) for wave in on_path for job in wave.jobs if job.created_at and job.ended_at
    ]
    elapsed = (max(end for _, end in intervals) - run_started_at).total_seconds()
    jobs = covered(intervals)
    overhead = max(0.0, elapsed - jobs)
    return CriticalPath(
        waves=names,
        elapsed_seconds=elapsed,
        jobs_seconds=jobs,
        overhead_seconds=overhead,
        overhead_share=overhead / elapsed if elapsed > 0 else None,
    )


def _chain(ended: Mapping[str, WaveReport]) -> tuple[str, ...]:
    chain: list[str] = []
    candidates = list(ended)
    while candidates:
        last = max(candidates, key=lambda name: (ended[name].ended_at, name))
        chain.insert(0, last)
        candidates = [name for name in ended[last].depends_on if name in ended and name not in chain]
    return tuple(chain)


def dead_times_of(waves: Sequence[WaveReport]) -> tuple[DeadTime, ...]:
    """Measure the gap before every wave that waited for another one, where both ends of it were recorded.

    A wave that adopted a job older than the end of the wave above stood still for no time: zero, not less.
    """
    by_name = {wave.name: wave for wave in waves}
    found = []
    for wave in waves:
        upstream = [by_name[name] for name in wave.depends_on if name in by_name and by_name[name].jobs]
        ended = [(above.ended_at, above.name) for above in upstream if above.ended_at]
        if wave.started_at is None or not upstream or len(ended) != len(upstream):
            continue
        last_end, last_name = max(ended)
        seconds = max(0.0, (wave.started_at - last_end).total_seconds())
        found.append(
            DeadTime(wave=wave.name, after=last_name, seconds=seconds, from_at=last_end, to_at=wave.started_at)
        )
    return tuple(found)


def covered(intervals: Iterable[Interval]) -> float:
    """Seconds that at least one of the intervals covers; overlaps count once."""
    total, reached = 0.0, None
    for start, end in sorted(intervals):
        begin = start if reached is None else max(start, reached)
        if end > begin:
            total += (end - begin).total_seconds()
        reached = end if reached is None else max(end, reached)
    return total
