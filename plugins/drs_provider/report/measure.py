"""From evidence to report: every figure of a run, computed once and in one place."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from drs_provider.formatting import duration, plural, some
from drs_provider.report.critical_path import critical_path_of, dead_times_of, prediction_of
from drs_provider.report.evidence import (
    CleanupEvidence,
    DrillFacts,
    JobEvent,
    JobEvidence,
    Quiesced,
    RunEvidence,
    ServerEvidence,
    WaveEvidence,
)
from drs_provider.report.failures import failures_of, not_started_waves
from drs_provider.report.result import (
    CleanupReport,
    Counts,
    ObjectiveOutcome,
    ObjectiveResult,
    ObjectiveResults,
    Phases,
    RunReport,
    ServerReport,
    WaveReport,
)
from drs_provider.report.server_status import NOT_THERE, UNTRIED
from drs_provider.report.steps import reported
from drs_provider.report.time_shares import time_shares
from drs_provider.report.timeline import timeline_of
from drs_provider.report.verdict import cause_that_counts, judge
from drs_provider.rules.run.handover import Cost, CostPart
from drs_provider.rules.run.state.vocabulary import ServerStatus, StepStatus, WaveStatus

_UNDONE: Final = (StepStatus.FAILED, StepStatus.NOT_STARTED, StepStatus.WAITING, StepStatus.RUNNING)


@dataclass(frozen=True)
class AfterWaves:
    """The plan's own steps after its waves: when each ended, in seconds from the run's start, and what is not done."""

    seconds: tuple[float, ...] = ()
    undone: tuple[str, ...] = ()


NOTHING_AFTER: Final = AfterWaves()


def measure(evidence: RunEvidence) -> RunReport:
    """Measure a run and judge it. Pure: the same evidence gives the same report, byte for byte.

    Nothing that was not recorded becomes a number: it stays ``None``, which readers show as "not measured".
    """
    waves = tuple(_wave(wave, evidence.run.started_at) for wave in evidence.waves)
    path = critical_path_of(waves, evidence.run.started_at, evidence.waits)
    waves = tuple(wave.model_copy(update={"on_critical_path": wave.name in path.waves}) for wave in waves)
    objectives = ObjectiveResults(
        rto=judge_rto(evidence.objectives.rto, waves, _after_waves(evidence)),
        rpo=judge_rpo(evidence.objectives.rpo, waves, quiesces=evidence.run.purpose.quiesces),
    )
    verdict, why = judge(evidence, objectives)
    report = RunReport(
        run=evidence.run,
        finished_at=evidence.finished_at,
        elapsed_seconds=max(0.0, (evidence.finished_at - evidence.run.started_at).total_seconds()),
        verdict=verdict,
        verdict_reason=why,
        first_cause=cause_that_counts(evidence, verdict),
        objectives=objectives,
        prediction=prediction_of(evidence, waves, objectives.rto),
        counts=_counts(waves),
        failures=failures_of(evidence),
        not_started=not_started_waves(evidence),
        errors=evidence.errors,
        waves=waves,
        time_shares=time_shares(evidence),
        critical_path=path,
        dead_times=dead_times_of(waves, evidence.waits),
        waits=evidence.waits,
        orders=evidence.orders,
        edited=evidence.edited,
        outside=evidence.outside,
        steps=reported(evidence.steps),
        notifications=evidence.notifications,
        cleanup=_cleanup(evidence.cleanup),
        networks=evidence.networks,
        preflight=evidence.preflight,
        commit=evidence.commit,
        next_steps=evidence.next_steps,
        home=evidence.home,
        drill=with_measured_cost(evidence.drill, waves, evidence.finished_at),
    )
    return report.model_copy(update={"timeline": timeline_of(evidence, report)})


def _wave(wave: WaveEvidence, run_started_at: datetime) -> WaveReport:
    servers = tuple(_server(server, wave, run_started_at) for server in wave.servers)
    started_at = min((job.created_at for job in wave.jobs if job.created_at), default=None)
    ends = [job.ended_at for job in wave.jobs]
    ended_at = max((end for end in ends if end), default=None) if all(ends) else None
    expected = [server for server in servers if server.status != ServerStatus.EXCLUDED]
    return WaveReport(
        name=wave.name,
        depends_on=wave.depends_on,
        groups=wave.groups,
        tolerate_failures=wave.tolerate_failures,
        state=wave.state,
        state_reason=wave.state_reason,
        started_at=started_at,
        ended_at=ended_at,
        duration_seconds=_seconds(started_at, ended_at),
        ready_at=wave.ready_at,
        boots=wave.boots,
        quiesced=wave.quiesced,
        rto_seconds=_service_seconds(wave, expected, run_started_at),
        last_launched_seconds=worst([server.rto_seconds for server in expected]),
        rpo_seconds=worst([server.rpo_seconds for server in expected]),
        jobs=wave.jobs,
        servers=servers,
        steps=reported(wave.steps),
    )


def _service_seconds(wave: WaveEvidence, expected: Sequence[ServerReport], run_started_at: datetime) -> float | None:
    """Time until a wave's service is there: its last server launched and as ready as the plan asks for, steps done."""
    launched = worst([server.rto_seconds for server in expected])
    if not wave.state.is_done or (expected and launched is None):
        return None
    ends = [wave.ready_at, *(step.ended_at for step in wave.steps if step.attempts)]
    figures = [_seconds(run_started_at, end) for end in ends if end]
    return max((figure for figure in (launched, *figures) if figure is not None), default=None)


def _after_waves(evidence: RunEvidence) -> AfterWaves:
    after = [step for step in evidence.steps if step.side == "after"]
    ends = (_seconds(evidence.run.started_at, step.ended_at) for step in after if step.attempts)
    return AfterWaves(
        seconds=tuple(end for end in ends if end is not None),
        undone=tuple(step.name for step in after if step.state in _UNDONE),
    )


def _server(server: ServerEvidence, wave: WaveEvidence, run_started_at: datetime) -> ServerReport:
    job = _job_of(server, wave)
    created_at = job.created_at if job else None
    is_there = server.status == ServerStatus.LAUNCHED
    at = (launched_at(server.events) or (job.ended_at if job else None)) if is_there else None
    return ServerReport(
        server_id=server.server_id,
        hostname=server.hostname or server.server_id,
        group=server.group,
        region=server.region or (job.region if job else ""),
        critical=server.critical,
        status=server.status,
        instance_id=server.instance_id,
        instance_state=server.instance_state,
        point_in_time=server.point_in_time,
        point=server.point,
        job_id=job.job_id if job else server.job_id,
        reason=server.reason,
        actions=server.actions,
        launched_at=at,
        rto_seconds=_seconds(run_started_at, at),
        rpo_seconds=_rpo_seconds(server, created_at, wave.quiesced) if is_there else None,
        phases=split(server.events, created_at),
        order=server.order,
        settings_changed=server.settings_changed,
        tries=server.tries,
        protected=server.protected,
        not_protected=server.not_protected,
        differences=server.differences,
        synced=server.synced,
        not_synced=server.not_synced,
        way_home=server.way_home,
        source_stopped=server.source_stopped,
        on_the_way=server.on_the_way,
    )


def _job_of(server: ServerEvidence, wave: WaveEvidence) -> JobEvidence | None:
    """Find the job that launched the server: the one it names, else the wave's last one that held it."""
    named = [job for job in wave.jobs if job.job_id == server.job_id]
    holding = [job for job in wave.jobs if server.server_id in job.servers]
    if named:
        return named[0]
    return max(holding, key=lambda job: job.created_at.timestamp() if job.created_at else 0.0, default=None)


def _rpo_seconds(server: ServerEvidence, created_at: datetime | None, quiesced: Quiesced | None) -> float | None:
    """Age of the launched data when its job was created: age of the point in time, plus the replication lag in it.

    A snapshot taken for the launch itself may be a moment younger than the job; only the lag is lost then. A server
    that was pinned holds the data of its point: the lag, which has grown since the source broke, is not in it.

    In a migration whose writes had stopped, what counts is what was written before: nothing is lost from the recovery
    point on that was seen to hold all of it. Where something may have been written since, it is as everywhere.
    """
    if quiesced is not None and server.synced is not None and not quiesced.doubts:
        at = server.point.at if server.point else server.point_in_time
        return None if at is None else max(0.0, (server.synced.at - at).total_seconds())
    age = _seconds(server.point_in_time, created_at)
    lag = server.lag.total_seconds() if server.lag and server.point is None else 0.0
    return None if age is None else age + lag


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None:
        return None
    return max(0.0, (end - start).total_seconds())


def _counts(waves: tuple[WaveReport, ...]) -> Counts:
    counts = Counter(server.status for wave in waves for server in wave.servers)
    return Counts(
        waves=len(waves),
        servers=counts.total(),
        launched=counts[ServerStatus.LAUNCHED],
        failed=sum(counts[status] for status in NOT_THERE),
        not_started=sum(counts[status] for status in UNTRIED - {ServerStatus.EXCLUDED}),
        excluded=counts[ServerStatus.EXCLUDED],
        ready=counts[ServerStatus.READY],
    )


def _cleanup(cleanup: CleanupEvidence) -> CleanupReport:
    next_step = ""
    if cleanup.left:
        next_step = "clear the clean-up task to try again; what is left costs money until it is gone"
    return CleanupReport(
        state=cleanup.state,
        terminated=cleanup.terminated,
        left=cleanup.left,
        reason=cleanup.reason,
        next_step=next_step,
    )


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


def judge_rto(
    target: timedelta | None, waves: Sequence[WaveReport], after_waves: AfterWaves = NOTHING_AFTER
) -> ObjectiveResult:
    """Recovery time: run start to the moment the service is there.

    That is when the last wave's servers are launched and as ready as the plan asks for, and all steps are done, those
    of the plan after its waves too.
    """
    servers = [server for wave in waves for server in wave.servers]
    launched = [server.rto_seconds for server in servers]
    last = worst(launched)
    if last is None:
        return _judge("RTO", target, servers, launched)
    undone = [f"wave {wave.name}" for wave in waves if not wave.state.is_done and wave.state != WaveStatus.SKIPPED]
    undone += [f"step {name}" for name in after_waves.undone]
    ends = [wave.rto_seconds for wave in waves if wave.rto_seconds is not None]
    ends += after_waves.seconds
    found = _judge("RTO", target, servers, [*launched, None] if undone else [*launched, *ends])
    if found.outcome == "not_measured":
        why = f"every server is launched, and the service is not there: {some(undone)} not done"
        found = found.model_copy(update={"why": why})
    return found.model_copy(update={"last_launched_seconds": last})


def judge_rpo(target: timedelta | None, waves: Sequence[WaveReport], *, quiesces: bool = False) -> ObjectiveResult:
    """Recovery point: the oldest data, as job creation minus the point in time that was launched.

    :param quiesces: it was a migration: the data that was written before its writes stopped and is not there
    """
    servers = [server for wave in waves for server in wave.servers]
    found = _judge("RPO", target, servers, [server.rpo_seconds for server in servers])
    if not quiesces or found.measured_seconds is None:
        return found
    doubts = list(dict.fromkeys(doubt for wave in waves if wave.quiesced for doubt in wave.quiesced.doubts))
    if doubts:
        why = f"{found.why}; that nothing was written any more is not proven: {'; '.join(doubts)}"
    elif found.measured_seconds == 0:
        why = "0 s, proven: every server holds a recovery point that was made after its writes had stopped"
    else:
        why = f"{found.why}; a server was launched from an older recovery point than its last write"
    return found.model_copy(update={"why": why})


def worst(seconds: Iterable[float | None]) -> float | None:
    """Return the largest figure, or ``None`` when there is none or any of them was not measured."""
    figures = list(seconds)
    known = [figure for figure in figures if figure is not None]
    return max(known) if known and len(known) == len(figures) else None


def _judge(
    name: str, target: timedelta | None, servers: Sequence[ServerReport], figures: Sequence[float | None]
) -> ObjectiveResult:
    target_seconds = target.total_seconds() if target is not None else None
    measured = worst(figures)
    partial = max((figure for figure in figures if figure is not None), default=None)
    outcome, why = _outcome(name, target_seconds, servers, measured, partial)
    return ObjectiveResult(
        target_seconds=target_seconds, measured_seconds=measured, partial_seconds=partial, outcome=outcome, why=why
    )


def _outcome(
    name: str,
    target: float | None,
    servers: Sequence[ServerReport],
    measured: float | None,
    partial: float | None,
) -> tuple[ObjectiveOutcome, str]:
    if target is None:
        return "no_objective", f"the plan sets no {name}"
    if partial is not None and partial > target:
        return "missed", f"{duration(partial)} is over the objective of {duration(target)}"
    if measured is not None:
        return "met", f"{duration(measured)} is within the objective of {duration(target)}"
    absent = [server.hostname for server in servers if server.status != ServerStatus.LAUNCHED]
    if all(server.status in UNTRIED for server in servers):
        return "not_measured", "nothing was launched"
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        return "not_measured", f"{len(absent)} of {plural(len(servers), 'server')} {verb} not there: {some(absent)}"
    return "not_measured", f"nothing was recorded to measure the {name} of every server with"


_HOUR = 3600.0


def with_measured_cost(drill: DrillFacts, waves: Iterable[WaveReport], ended_at: datetime) -> DrillFacts:
    """Add the measured cost where preflight priced the servers: launched until the clean-up was over, by wave.

    :param ended_at: when the clean-up was over; what is left then costs more, and nobody knows how much
    """
    if drill.estimated is None or not drill.hourly:
        return drill
    parts = []
    for wave in waves:
        lived = [(server.server_id, server.launched_at) for server in wave.servers if server.launched_at]
        dollars = sum(
            drill.hourly.get(server, 0.0) * max(0.0, (ended_at - launched).total_seconds()) / _HOUR
            for server, launched in lived
        )
        if lived:
            parts.append(CostPart(what=f"wave {wave.name}: {len(lived)} servers", dollars=round(dollars, 4)))
    parts.sort(key=lambda part: (-part.dollars, part.what))
    measured = Cost(
        dollars=round(sum(part.dollars for part in parts), 4),
        is_certain=drill.estimated.is_certain,
        prices_of=drill.estimated.prices_of,
        parts=tuple(parts),
    )
    return drill.model_copy(update={"measured": measured})
