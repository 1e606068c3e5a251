"""From evidence to report: every figure of a run, computed once and in one place."""

from collections import Counter
from datetime import datetime

from drs_provider.reporting.consequences import failures_of, not_started_waves
from drs_provider.reporting.drill_cost import with_measured_cost
from drs_provider.reporting.evidence import (
    CleanupEvidence,
    JobEvidence,
    RunEvidence,
    ServerEvidence,
    WaveEvidence,
)
from drs_provider.reporting.objectives import judge_rpo, judge_rto, worst
from drs_provider.reporting.path import critical_path_of, dead_times_of
from drs_provider.reporting.phases import launched_at, split
from drs_provider.reporting.result import (
    CleanupReport,
    Counts,
    ObjectiveResults,
    RunReport,
    ServerReport,
    WaveReport,
)
from drs_provider.reporting.standing import standing_of
from drs_provider.reporting.steps import reported
from drs_provider.reporting.story import timeline_of
from drs_provider.reporting.verdict import judge


def measure(evidence: RunEvidence) -> RunReport:
    """Measure a run and judge it. Pure: the same evidence gives the same report, byte for byte.

    Nothing that was not recorded becomes a number: it stays ``None``, which readers show as "not measured".
    """
    waves = tuple(_wave(wave, evidence.run.started_at) for wave in evidence.waves)
    path = critical_path_of(waves, evidence.run.started_at, evidence.waits)
    waves = tuple(wave.model_copy(update={"on_critical_path": wave.name in path.waves}) for wave in waves)
    objectives = ObjectiveResults(
        rto=judge_rto(evidence.objectives.rto, waves), rpo=judge_rpo(evidence.objectives.rpo, waves)
    )
    verdict, why = judge(evidence, objectives)
    report = RunReport(
        run=evidence.run,
        finished_at=evidence.finished_at,
        elapsed_seconds=max(0.0, (evidence.finished_at - evidence.run.started_at).total_seconds()),
        verdict=verdict,
        verdict_reason=why,
        objectives=objectives,
        counts=_counts(waves),
        failures=failures_of(evidence),
        not_started=not_started_waves(evidence),
        errors=evidence.errors,
        waves=waves,
        critical_path=path,
        dead_times=dead_times_of(waves, evidence.waits),
        waits=evidence.waits,
        steps=reported(evidence.steps),
        notifications=evidence.notifications,
        cleanup=_cleanup(evidence.cleanup),
        networks=evidence.networks,
        preflight=evidence.preflight,
        drill=with_measured_cost(evidence.drill, waves, evidence.finished_at),
    )
    return report.model_copy(update={"timeline": timeline_of(evidence, report)})


def _wave(wave: WaveEvidence, run_started_at: datetime) -> WaveReport:
    servers = tuple(_server(server, wave, run_started_at) for server in wave.servers)
    started_at = min((job.created_at for job in wave.jobs if job.created_at), default=None)
    ends = [job.ended_at for job in wave.jobs]
    ended_at = max((end for end in ends if end), default=None) if all(ends) else None
    expected = [server for server in servers if server.status != "EXCLUDED"]
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
        rto_seconds=worst([server.rto_seconds for server in expected]),
        rpo_seconds=worst([server.rpo_seconds for server in expected]),
        jobs=wave.jobs,
        servers=servers,
        steps=reported(wave.steps),
    )


def _server(server: ServerEvidence, wave: WaveEvidence, run_started_at: datetime) -> ServerReport:
    job = _job_of(server, wave)
    created_at = job.created_at if job else None
    is_there = standing_of(server) == "launched"
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
        launched_at=at,
        rto_seconds=_seconds(run_started_at, at),
        rpo_seconds=_rpo_seconds(server, created_at) if is_there else None,
        phases=split(server.events, created_at),
        order=server.order,
        settings_changed=server.settings_changed,
        tries=server.tries,
        protected=server.protected,
        not_protected=server.not_protected,
        differences=server.differences,
    )


def _job_of(server: ServerEvidence, wave: WaveEvidence) -> JobEvidence | None:
    """Find the job that launched the server: the one it names, else the wave's last one that held it."""
    named = [job for job in wave.jobs if job.job_id == server.job_id]
    holding = [job for job in wave.jobs if server.server_id in job.servers]
    if named:
        return named[0]
    return max(holding, key=lambda job: job.created_at.timestamp() if job.created_at else 0.0, default=None)


def _rpo_seconds(server: ServerEvidence, created_at: datetime | None) -> float | None:
    """Age of the launched data when its job was created: age of the point in time, plus the replication lag in it.

    A snapshot taken for the launch itself may be a moment younger than the job; only the lag is lost then. A server
    that was pinned holds the data of its point: the lag, which has grown since the source broke, is not in it.
    """
    age = _seconds(server.point_in_time, created_at)
    lag = server.lag.total_seconds() if server.lag and server.point is None else 0.0
    return None if age is None else age + lag


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None:
        return None
    return max(0.0, (end - start).total_seconds())


def _counts(waves: tuple[WaveReport, ...]) -> Counts:
    standings = Counter(standing_of(server) for wave in waves for server in wave.servers)
    return Counts(
        waves=len(waves),
        servers=standings.total(),
        launched=standings["launched"],
        failed=standings["failed"],
        not_started=standings["not_started"],
        excluded=standings["excluded"],
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
