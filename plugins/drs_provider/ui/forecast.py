"""How long a run is likely to take still, and in which phase of DRS a job is likely to be: from an earlier run.

AWS is not asked: nobody polls DRS because somebody looks at a page. What the log of a job said, as the task that waits
for it has left it, comes before an estimate (``rules.launch.phases``).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from drs_provider.report.result import RunReport, ServerReport, WaveReport
from drs_provider.rules.run.handover import LaunchedJob, PreflightResult
from drs_provider.rules.run.launch_times.loads import among, loads_of_run
from drs_provider.rules.run.launch_times.timetable import Known, KnownJob, Servers, WaveLoad, timetable
from drs_provider.rules.run.state import (
    LeftDocuments,
    RunSnapshot,
    RunState,
    StepStatus,
    WaveState,
    WaveStatus,
)
from drs_provider.rules.run.state.task_states import TaskPhase

Marks = tuple[float, float]
"""Seconds from a job's creation until its servers are converted from snapshots, and until they are launched."""

_USUAL_MARKS: Final[Marks] = (52.0, 232.0)
"""Of the one real trace that is public: see ``rules.run.timing.JOB_DURATION``."""
_NOT_BEGUN: Final = (WaveStatus.WAITING, WaveStatus.DELAYED, WaveStatus.WAITING_FOR_ANSWER)
_TROUBLED: Final = (WaveStatus.FAILED, WaveStatus.CANCELLED, WaveStatus.NOT_STARTED, WaveStatus.UNPROVEN)


@dataclass(frozen=True)
class Forecast:
    """What an earlier run took that launched in the same way.

    :param source: which run that was, for people
    :param waves: seconds from the beginning of a wave until its service was there; of one that was launched ahead from
        its turn, or from when its servers were launched, if that came later
    :param jobs: seconds of a wave's longest job
    :param marks: by wave, when its jobs began to convert, and to launch
    """

    source: str = "one recovery job of about 9 minutes for each wave"
    waves: Mapping[str, float] = field(default_factory=dict)
    jobs: Mapping[str, float] = field(default_factory=dict)
    marks: Mapping[str, Marks] = field(default_factory=dict)

    def load(self, wave: WaveLoad) -> WaveLoad:
        """Give what a wave takes, as the earlier run has it."""
        rest = timedelta(seconds=self.waves[wave.name]) if wave.name in self.waves else None
        job = timedelta(seconds=self.jobs[wave.name]) if wave.name in self.jobs else wave.job
        return replace(wave, rest=rest, job=job)

    def phase(self, name: str, elapsed: timedelta) -> str:
        """Say what DRS is likely to do with the servers of a wave so long after the creation of their job."""
        converting, launching = self.marks.get(name, _USUAL_MARKS)
        if elapsed.total_seconds() < converting:
            return "taking snapshots"
        return "converting" if elapsed.total_seconds() < launching else "launching instances"


@dataclass(frozen=True)
class Forecasts:
    """What earlier runs of a plan took, by how they were launched."""

    in_waves: Forecast = Forecast()
    ahead: Forecast = Forecast("one recovery job of about 9 minutes for all waves, and the boots of each")

    def of(self, *, is_ahead: bool) -> Forecast:
        """Give the one that holds for a run."""
        return self.ahead if is_ahead else self.in_waves


USUAL: Final = Forecasts()
"""What is said of a plan that has no report yet."""


def forecasts_from(reports: Iterable[RunReport]) -> Forecasts:
    """Take the figures of the newest run of each way to launch that launched every server of its waves.

    :param reports: the newest first
    """
    found: dict[bool, Forecast] = {}
    for report in reports:
        is_ahead = report.prediction is not None and report.prediction.launch == "ahead"
        if is_ahead in found or not report.counts.launched or report.counts.failed or report.counts.not_started:
            continue
        took = _took_ahead if is_ahead else _took
        found[is_ahead] = Forecast(
            f"the {report.run.mode} of {report.run.started_at:%Y-%m-%d %H:%M} UTC",
            {wave.name: seconds for wave in report.waves if (seconds := took(wave, report.waves)) is not None},
            {wave.name: max(lengths) for wave in report.waves if (lengths := [*_job_lengths(wave)])},
            {wave.name: marks for wave in report.waves if (marks := _marks(wave.servers))},
        )
    return Forecasts(found.get(False, USUAL.in_waves), found.get(True, USUAL.ahead))


@dataclass(frozen=True)
class RunSoFar:
    """How far a run is, as far as its end depends on it.

    :param preflight: what preflight has found; None: nothing yet
    :param ahead: by wave, the jobs that have launched its servers before its turn
    :param left_to_turn: waves of which nothing is launched ahead any more although preflight said so
    """

    state: RunState
    preflight: PreflightResult | None = None
    ahead: Mapping[str, Sequence[LaunchedJob]] = field(default_factory=dict)
    left_to_turn: Collection[str] = ()

    @property
    def is_ahead(self) -> bool:
        """Whether servers are launched ahead of their waves' turns."""
        waves = self.preflight.chosen_waves.items() if self.preflight else ()
        return any(server.ahead for name, wave in waves if name not in self.left_to_turn for server in wave.servers)


def run_so_far(state: RunState, snapshot: RunSnapshot, left: LeftDocuments) -> RunSoFar:
    """Look how far a run is."""
    ahead: dict[str, Sequence[LaunchedJob]] = {}
    in_turn = []
    for wave in snapshot.outline.waves:
        ahead[wave.name] = tuple(left.jobs(wave.before_turn, None).values())
        phases = {snapshot.phase(task) for task in wave.aheads}
        if not ahead[wave.name] and not phases & {TaskPhase.WAITING, TaskPhase.UNDER_WAY, TaskPhase.ASKS}:
            in_turn.append(wave.name)
    return RunSoFar(state, left.preflight(), ahead, in_turn)


def expected_end(run: RunSoFar, forecasts: Forecasts, now: datetime) -> datetime | None:
    """Say when the service is likely to be there; None: something is in the way, or nothing is left to wait for.

    What people take to answer is not in it.
    """
    state = run.state
    if state.is_over or any(wave.status in _TROUBLED for wave in state.waves):
        return None
    to_come = any(step.status.is_to_come for step in state.after)
    if not to_come and all(wave.status.is_over for wave in state.waves):
        return None
    jobs = [job for found in run.ahead.values() for job in found]
    known = [wave.started_at for wave in state.waves] + [wave.ended_at for wave in state.waves]
    base = min([now, *(at for at in (*known, *(job.created_at for job in jobs)) if at)])
    waves = [wave for wave in state.waves if wave.status is not WaveStatus.SKIPPED]
    found = timetable(
        _loads(run, waves, forecasts.of(is_ahead=run.is_ahead)),
        quotas=run.preflight.quotas if run.preflight else {},
        known=_known(run, waves, base, now),
    )
    return base + found.total if found.ends else None


def expected_lengths(run: RunSoFar, forecasts: Forecasts) -> dict[str, timedelta]:
    """Say how long every wave is likely to take from its turn to its end, without the people who are asked in it."""
    waves = [wave for wave in run.state.waves if wave.status is not WaveStatus.SKIPPED]
    quotas = run.preflight.quotas if run.preflight else {}
    expected = timetable(_loads(run, waves, forecasts.of(is_ahead=run.is_ahead)), quotas=quotas)
    return {wave.name: expected.length(wave.name) for wave in waves}


def _loads(run: RunSoFar, waves: Sequence[WaveState], forecast: Forecast) -> list[WaveLoad]:
    above = among({wave.name: wave.depends_on for wave in run.state.waves}, [wave.name for wave in waves])
    found = run.preflight.chosen_waves if run.preflight else {}
    planned = {load.name: load for load in loads_of_run({name: found[name] for name in above if name in found}, above)}
    loads = [planned.get(wave.name) or _unplanned(wave) for wave in waves]
    return [
        forecast.load(replace(load.in_turn() if load.name in run.left_to_turn else load, depends_on=above[load.name]))
        for load in loads
    ]


def _unplanned(wave: WaveState) -> WaveLoad:
    """Give what a wave takes of which preflight has said nothing: one job."""
    stages: tuple[Mapping[str, Servers], ...] = ({"": Servers(in_turn=1)},) if wave.has_servers else ()
    return WaveLoad(wave.name, wave.depends_on, stages)


def _known(run: RunSoFar, waves: Sequence[WaveState], base: datetime, now: datetime) -> Known:
    place_of = {
        server.server_id: place
        for wave in (run.preflight.chosen_waves.values() if run.preflight and any(run.ahead.values()) else ())
        for part in wave.targets
        for place in [str(part.target)]
        for server in part.servers
    }
    return Known(
        now - base,
        turns={wave.name: wave.started_at - base for wave in waves if wave.started_at and not _is_held(wave)},
        ends={wave.name: (wave.ended_at or now) - base for wave in waves if wave.status.is_over},
        jobs=[
            KnownJob(wave, place_of.get(job.servers[0], ""), len(job.servers), job.created_at - base)
            for wave, jobs in run.ahead.items()
            for job in jobs
            if job.created_at and job.servers
        ],
    )


def _is_held(wave: WaveState) -> bool:
    return wave.status in _NOT_BEGUN and not wave.jobs


def service_there_at(state: RunState) -> datetime | None:
    """Say when everything was launched and every step done; None: it is not so, or nobody recorded when."""
    waves = [wave for wave in state.waves if wave.status is not WaveStatus.SKIPPED]
    if not waves or not all(wave.status.is_done for wave in waves):
        return None
    if any(step.status.is_to_come or step.status is StepStatus.FAILED for step in state.after):
        return None
    ends = [wave.ended_at for wave in waves] + [step.ended_at for step in state.after]
    return max((end for end in ends if end), default=None)


def _took(wave: WaveReport, _: Sequence[WaveReport]) -> float | None:
    begins = [wave.started_at, *(step.started_at for step in wave.steps if step.attempts)]
    begun, over = min((at for at in begins if at), default=None), _ended(wave)
    return max(0.0, (over - begun).total_seconds()) if begun and over else None


def _took_ahead(wave: WaveReport, waves: Sequence[WaveReport]) -> float | None:
    """Say how long a wave took from its turn, or from when what was launched ahead of it was there."""
    ends = {other.name: _ended(other) for other in waves}
    over = ends[wave.name]
    begins = [wave.ended_at, *(ends.get(above) for above in wave.depends_on)]
    if over is None or None in begins:
        return None
    turn = max((at for at in begins[1:] if at), default=None)
    if turn is not None and wave.started_at is not None and wave.started_at >= turn:
        return _took(wave, waves)  # the plan launches this one in its turn
    return max(0.0, (over - max(at for at in begins if at)).total_seconds())


def _ended(wave: WaveReport) -> datetime | None:
    ends = [wave.ready_at, wave.ended_at, *(step.ended_at for step in wave.steps if step.attempts)]
    return max((at for at in ends if at), default=None)


def _job_lengths(wave: WaveReport) -> Iterator[float]:
    for job in wave.jobs:
        if job.created_at and job.ended_at:
            yield (job.ended_at - job.created_at).total_seconds()


def _marks(servers: Iterable[ServerReport]) -> Marks | None:
    """Give the medians over the servers whose phases were logged."""
    found = [
        (converting, converting + phases.conversion_seconds)
        for server in servers
        if (phases := server.phases).conversion_seconds is not None
        for converting in [(phases.snapshot_seconds or 0.0) + (phases.waiting_seconds or 0.0)]
    ]
    return (median(mark for mark, _ in found), median(mark for _, mark in found)) if found else None
