"""Which chain of waves decided how long the run took, where it stood still, and what was foretold of it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from drs_provider.report.evidence import RunEvidence, WaitEvidence
from drs_provider.report.result import CriticalPath, DeadTime, ObjectiveResult, PredictionReport, WaveReport
from drs_provider.rules.run.timing import critical_path

Interval = tuple[datetime, datetime]


def critical_path_of(
    waves: Sequence[WaveReport], run_started_at: datetime, waits: Sequence[WaitEvidence] = ()
) -> CriticalPath:
    """Find the chain of dependent waves that ended last, by measured times.

    Time that the plan itself let pass before these waves (``waits``) is no overhead.
    Waves without a recorded start and end take no part: they were not launched, or their jobs never ended.
    """
    ended = {wave.name: wave for wave in waves if wave.started_at and _ended_at(wave)}
    names = _chain(ended, run_started_at)
    if not names:
        return CriticalPath()
    on_path = [wave for wave in waves if wave.name in names]
    intervals = [
        (job.created_at, job.ended_at) for wave in on_path for job in wave.jobs if job.created_at and job.ended_at
    ]
    boots = [(wave.boots.began_at, wave.boots.ended_at) for wave in on_path if wave.boots]
    last_end = max(end for _, end in (*intervals, *boots))
    elapsed = (last_end - run_started_at).total_seconds()
    jobs, busy = covered(intervals), covered([*intervals, *boots])
    meant = [wait for wait in waits if wait.wave is None or wait.wave in names]
    steps = _cut([span for wave in on_path for span in _steps(wave)], run_started_at, last_end)
    waited = covered([*intervals, *boots, *steps, *_clipped(meant, run_started_at, last_end)]) - busy
    overhead = max(0.0, elapsed - busy - waited)
    return CriticalPath(
        waves=names,
        elapsed_seconds=elapsed,
        jobs_seconds=jobs,
        boots_seconds=busy - jobs,
        overhead_seconds=overhead,
        overhead_share=overhead / elapsed if elapsed > 0 else None,
        waited_seconds=waited,
    )


def _chain(ended: Mapping[str, WaveReport], run_started_at: datetime) -> tuple[str, ...]:
    """Weigh every wave with the time that it added after the waves above it: its dead time counts with its jobs."""
    above = {name: [other for other in wave.depends_on if other in ended] for name, wave in ended.items()}
    ends = {name: at for name, wave in ended.items() if (at := _ended_at(wave))}
    added = {name: ends[name] - max((ends[other] for other in above[name]), default=run_started_at) for name in ended}
    return critical_path(above, added)


def dead_times_of(waves: Sequence[WaveReport], waits: Sequence[WaitEvidence] = ()) -> tuple[DeadTime, ...]:
    """Measure the gap before every wave that waited for another one, where both ends of it were recorded.

    What the plan itself let pass in it (``waits``) is told apart.
    A wave that adopted a job older than the end of the wave above stood still for no time: zero, not less.
    """
    by_name = {wave.name: wave for wave in waves}
    found = []
    for wave in waves:
        upstream = [by_name[name] for name in wave.depends_on if name in by_name and by_name[name].jobs]
        ended = [(at, above.name) for above in upstream if (at := _ended_at(above))]
        began = _began_at(wave)
        if began is None or not upstream or len(ended) != len(upstream):
            continue
        last_end, last_name = max(ended)
        gap = max(0.0, (began - last_end).total_seconds())
        steps = [span for other in (*upstream, wave) for span in _steps(other)]
        meant = _clipped([wait for wait in waits if wait.wave == wave.name], last_end, began)
        waited = covered([*meant, *_cut(steps, last_end, began)])
        found.append(
            DeadTime(
                wave=wave.name,
                after=last_name,
                seconds=max(0.0, gap - waited),
                from_at=last_end,
                to_at=began,
                waited_seconds=waited,
            )
        )
    return tuple(found)


def _began_at(wave: WaveReport) -> datetime | None:
    """Return when the wave's turn had come: its first job, or its first start of what was launched ahead of it."""
    return wave.boots.began_at if wave.boots else wave.started_at


def _ended_at(wave: WaveReport) -> datetime | None:
    """Return when the last of its jobs had ended, and the last of its boots."""
    if wave.boots and wave.ended_at:
        return max(wave.ended_at, wave.boots.ended_at)
    return wave.ended_at


def _clipped(waits: Sequence[WaitEvidence], begin: datetime, end: datetime) -> list[Interval]:
    return _cut([(wait.began_at, wait.ended_at) for wait in waits if wait.ended_at], begin, end)


def _steps(wave: WaveReport) -> list[Interval]:
    """Return when a wave's steps ran: time that the plan itself asks for."""
    return [
        (step.started_at, step.ended_at) for step in wave.steps if step.started_at and step.ended_at and step.attempts
    ]


def _cut(spans: Sequence[Interval], begin: datetime, end: datetime) -> list[Interval]:
    found = ((max(start, begin), min(stop, end)) for start, stop in spans)
    return [(start, stop) for start, stop in found if stop > start]


def covered(intervals: Iterable[Interval]) -> float:
    """Seconds that at least one of the intervals covers; overlaps count once."""
    total, reached = 0.0, None
    for start, end in sorted(intervals):
        begin = start if reached is None else max(start, reached)
        if end > begin:
            total += (end - begin).total_seconds()
        reached = end if reached is None else max(end, reached)
    return total


def prediction_of(
    evidence: RunEvidence, waves: tuple[WaveReport, ...], rto: ObjectiveResult
) -> PredictionReport | None:
    """Compare the recovery time with what was foretold; None: nothing was.

    Both count from the first launch: how long checks and people took before it was not foretold.
    """
    foretold = evidence.predicted
    if foretold is None:
        return None
    is_ahead = foretold.launch == "ahead" and evidence.launched_ahead
    begun = min((wave.started_at for wave in waves if wave.started_at), default=None)
    measured = None
    if begun is not None and rto.measured_seconds is not None:
        there = evidence.run.started_at + timedelta(seconds=rto.measured_seconds)
        measured = max(0.0, (there - begun).total_seconds())
    return PredictionReport(
        launch="ahead" if is_ahead else "in_waves",
        predicted_seconds=foretold.seconds if is_ahead else foretold.in_waves_seconds,
        in_waves_seconds=foretold.in_waves_seconds,
        measured_seconds=measured,
    )
