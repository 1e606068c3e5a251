"""The geometry of the picture of waves over time: percentages and pixels, no drawing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from drs_provider.formatting import clock_words, duration, plural
from drs_provider.report.result import DeadTime, RunReport, WaveReport
from drs_provider.rules.run.state.vocabulary import ServerStatus, WaveStatus

_ROW, _LANE, _LABEL, _AXIS = 14, 12, 20, 22
"""Pixels: gap between rows, height of one job's lane, of a wave's label, of the time axis."""

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_MOST_TICKS = 6


@dataclass(frozen=True)
class Bar:
    """One job, or one gap. ``left`` and ``width`` are per cent of the drawing, ``top`` is pixels."""

    left: float
    width: float
    top: int
    title: str
    is_open: bool = False


@dataclass(frozen=True)
class GanttRow:
    """One wave: its name on a line of its own, its jobs below it."""

    name: str
    state: WaveStatus
    is_critical: bool
    label_at: int
    note: str
    bars: tuple[Bar, ...]
    gap: Bar | None


@dataclass(frozen=True)
class Tick:
    """One mark of the time axis, in time since the run started."""

    left: float
    label: str


@dataclass(frozen=True)
class Gantt:
    """Everything that the template draws; no rows when nothing was launched."""

    height: int
    rows: tuple[GanttRow, ...]
    ticks: tuple[Tick, ...]


class _Scale:
    """Turns an instant into per cent of the drawing's width."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self.start, self.end = start, max(end, start + timedelta(seconds=1))
        self.seconds = (self.end - start).total_seconds()

    def at(self, instant: datetime) -> float:
        share = (instant - self.start).total_seconds() / self.seconds
        return round(min(max(share, 0.0), 1.0) * 100, 3)


def draw(report: RunReport) -> Gantt:
    """Lay out every wave that has a job. The axis runs from the run's start to the end of its last job or boot."""
    jobs = [job for wave in report.waves for job in wave.jobs if job.created_at]
    if not jobs:
        return Gantt(height=0, rows=(), ticks=())
    boots = [wave.boots.ended_at for wave in report.waves if wave.boots]
    scale = _Scale(report.run.started_at, max([*(job.ended_at or report.finished_at for job in jobs), *boots]))
    dead = {gap.wave: gap for gap in report.dead_times}
    rows, top = [], _AXIS
    for wave in report.waves:
        if wave.started_at is None:
            continue
        row, lanes = _row(wave, dead.get(wave.name), scale, top, report.finished_at)
        rows.append(row)
        top += _LABEL + lanes * _LANE + _ROW
    return Gantt(height=top, rows=tuple(rows), ticks=_ticks(scale.seconds))


def _row(
    wave: WaveReport, dead: DeadTime | None, scale: _Scale, top: int, finished_at: datetime
) -> tuple[GanttRow, int]:
    lanes: list[datetime] = []
    bars = []
    for job in sorted((job for job in wave.jobs if job.created_at), key=lambda job: (job.created_at, job.job_id)):
        end = job.ended_at or finished_at
        lane = _free_lane(lanes, job.created_at or end, end)
        left = scale.at(job.created_at or end)
        ending = clock_words(job.ended_at) if job.ended_at else "no end recorded"
        title = f"{job.job_id}: {plural(len(job.servers), 'server')}, {clock_words(job.created_at)} to {ending}"
        width = max(scale.at(end) - left, 0.3)
        bars.append(Bar(left, round(width, 3), top + _LABEL + lane * _LANE, title, is_open=job.ended_at is None))
    if wave.boots:
        left = scale.at(wave.boots.began_at)
        width = max(scale.at(wave.boots.ended_at) - left, 0.3)
        lane = _free_lane(lanes, wave.boots.began_at, wave.boots.ended_at)
        title = f"boots, {clock_words(wave.boots.began_at)} to {clock_words(wave.boots.ended_at)}"
        bars.append(Bar(left, round(width, 3), top + _LABEL + lane * _LANE, title))
    gap = None
    if dead is not None and dead.seconds > 0:
        left = scale.at(dead.from_at)
        first = "start" if wave.boots else "job"
        title = f"{duration(dead.seconds)} from the end of {dead.after} to the first {first} of {wave.name}"
        gap = Bar(left, round(max(scale.at(dead.to_at) - left, 0.4), 3), top + _LABEL, title)
    launched = sum(server.status == ServerStatus.LAUNCHED for server in wave.servers)
    note = f"{launched} of {plural(len(wave.servers), 'server')} · {duration(wave.duration_seconds)}"
    if dead is not None:
        note += f" · dead time before it {duration(dead.seconds)}"
    row = GanttRow(wave.name, wave.state, wave.on_critical_path, top + _LABEL - 6, note, tuple(bars), gap)
    return row, max(len(lanes), 1)


def _free_lane(lanes: list[datetime], start: datetime, end: datetime) -> int:
    """Return the first lane whose last job has ended, so that jobs side by side do not cover each other."""
    for number, busy_until in enumerate(lanes):
        if busy_until <= start:
            lanes[number] = end
            return number
    lanes.append(end)
    return len(lanes) - 1


def _ticks(seconds: float, steps: Sequence[int] = _STEPS) -> tuple[Tick, ...]:
    step = next((step for step in steps if seconds / step <= _MOST_TICKS), None) or int(seconds / _MOST_TICKS)
    count = int(seconds / step)
    return tuple(
        Tick(round(number * step / seconds * 100, 3), "start" if number == 0 else duration(number * step))
        for number in range(count + 1)
    )
