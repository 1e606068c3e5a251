"""How long a run is likely to take still, and in which phase of DRS a job is likely to be: from an earlier run.

AWS is not asked: nobody polls DRS because somebody looks at a page. What the log of a job said, as the task that waits
for it has left it, comes before an estimate (``rules.launch.phases``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from drs_provider.report.result import RunReport, ServerReport, WaveReport
from drs_provider.rules.run.state import RunState, StepStatus, WaveState, WaveStatus
from drs_provider.rules.run.timing import JOB_DURATION

Marks = tuple[float, float]
"""Seconds from a job's creation until its servers are converted from snapshots, and until they are launched."""

_USUAL_MARKS: Final[Marks] = (52.0, 232.0)
"""Of the one real trace that is public: see ``rules.run.timing.JOB_DURATION``."""
_NOT_BEGUN: Final = (WaveStatus.WAITING, WaveStatus.DELAYED, WaveStatus.WAITING_FOR_ANSWER)
_TROUBLED: Final = (WaveStatus.FAILED, WaveStatus.CANCELLED, WaveStatus.NOT_STARTED, WaveStatus.UNPROVEN)


@dataclass(frozen=True)
class Forecast:
    """What an earlier run took.

    :param source: which run that was, for people
    :param waves: seconds from the beginning of a wave until its service was there
    :param marks: by wave, when its jobs began to convert, and to launch
    """

    source: str = "one recovery job of about 9 minutes for each wave"
    waves: Mapping[str, float] = field(default_factory=dict)
    marks: Mapping[str, Marks] = field(default_factory=dict)

    def wave(self, name: str) -> timedelta:
        """Say how long a wave is likely to take."""
        return timedelta(seconds=self.waves[name]) if name in self.waves else JOB_DURATION

    def phase(self, name: str, elapsed: timedelta) -> str:
        """Say what DRS is likely to do with the servers of a wave so long after the creation of their job."""
        converting, launching = self.marks.get(name, _USUAL_MARKS)
        if elapsed.total_seconds() < converting:
            return "taking snapshots"
        return "converting" if elapsed.total_seconds() < launching else "launching instances"


USUAL: Final = Forecast()
"""What is said of a plan that has no report yet."""


def forecast_from(reports: Iterable[RunReport]) -> Forecast:
    """Take the figures of the newest run that launched every server of its waves.

    :param reports: the newest first
    """
    for report in reports:
        waves = {wave.name: seconds for wave in report.waves if (seconds := _took(wave)) is not None}
        if report.counts.launched and not report.counts.failed and not report.counts.not_started:
            marks = {wave.name: found for wave in report.waves if (found := _marks(wave.servers))}
            return Forecast(f"the {report.run.mode} of {report.run.started_at:%Y-%m-%d %H:%M} UTC", waves, marks)
    return USUAL


def expected_end(state: RunState, forecast: Forecast, now: datetime) -> datetime | None:
    """Say when the service is likely to be there; None: something is in the way, or nothing is left to wait for.

    What people take to answer is not in it.
    """
    if state.is_over or any(wave.status in _TROUBLED for wave in state.waves):
        return None
    ends: dict[str, datetime] = {}
    for wave in state.waves:
        ends[wave.name] = _end(wave, ends, forecast, now)
    to_come = any(step.status.is_to_come for step in state.after)
    is_left = any(not wave.status.is_over for wave in state.waves) or to_come
    return max(ends.values(), default=None) if is_left else None


def service_there_at(state: RunState) -> datetime | None:
    """Say when everything was launched and every step done; None: it is not so, or nobody recorded when."""
    waves = [wave for wave in state.waves if wave.status is not WaveStatus.SKIPPED]
    if not waves or not all(wave.status.is_done for wave in waves):
        return None
    if any(step.status.is_to_come or step.status is StepStatus.FAILED for step in state.after):
        return None
    ends = [wave.ended_at for wave in waves] + [step.ended_at for step in state.after]
    return max((end for end in ends if end), default=None)


def _end(wave: WaveState, ends: Mapping[str, datetime], forecast: Forecast, now: datetime) -> datetime:
    above = max((ends[name] for name in wave.depends_on if name in ends), default=now)
    if wave.status.is_over:
        return wave.ended_at or above
    is_held = wave.status in _NOT_BEGUN and not wave.jobs
    begun = max(above, now) if is_held or wave.started_at is None else wave.started_at
    return max(now, begun + forecast.wave(wave.name))


def _took(wave: WaveReport) -> float | None:
    ends = [wave.ready_at, wave.ended_at, *(step.ended_at for step in wave.steps if step.attempts)]
    begins = [wave.started_at, *(step.started_at for step in wave.steps if step.attempts)]
    begun, over = min((at for at in begins if at), default=None), max((at for at in ends if at), default=None)
    return max(0.0, (over - begun).total_seconds()) if begun and over else None


def _marks(servers: Iterable[ServerReport]) -> Marks | None:
    """Give the medians over the servers whose phases were logged."""
    found = [
        (converting, converting + phases.conversion_seconds)
        for server in servers
        if (phases := server.phases).conversion_seconds is not None
        for converting in [(phases.snapshot_seconds or 0.0) + (phases.waiting_seconds or 0.0)]
    ]
    return (median(mark for mark, _ in found), median(mark for _, mark in found)) if found else None
