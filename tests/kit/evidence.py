"""Runs as the report task would collect them, realistic to the second."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from drs_provider.report.evidence import (
    CleanupEvidence,
    JobEvent,
    JobEvidence,
    Objectives,
    PreflightEvidence,
    RunEvidence,
    RunFacts,
    ServerEvidence,
    TaskError,
    TerminatedInstance,
    WaveEvidence,
)
from drs_provider.rules.run.handover import PreflightFinding
from drs_provider.rules.run.state.vocabulary import ServerStatus

START = datetime(2026, 11, 22, 5, 0, 0, tzinfo=UTC)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def at(count: float) -> datetime:
    """An instant so many seconds after the run's start."""
    return START + seconds(count)


def some_facts(**changes: Any) -> RunFacts:
    facts: dict[str, Any] = {
        "dag_id": "drs.web-shop",
        "run_id": "scheduled__2026-11-22T05:00:00+00:00",
        "mode": "drill",
        "plan": "web-shop",
        "title": "Web shop",
        "description": "Three tiers and their monitoring",
        "owner": "retail-platform",
        "plan_digest": "9f2c51e0a7b84d63c1e5f90b6a2d7384e6f1c0b95d8a3724f60e1b2c3d4a5f67",
        "plan_path": "plans/web-shop.yaml",
        "triggered_by": "maria",
        "run_type": "manual",
        "queued_at": at(-4),
        "started_at": START,
        "reason": "Quarterly drill",
        "params": {"mode": "drill", "point_in_time": "latest", "waves": [], "exclude_servers": []},
        "airflow_url": "http://localhost:8080/dags/drs.web-shop/runs/scheduled__2026-11-22T05:00:00+00:00",
    }
    return RunFacts(**(facts | changes))


def launch_events(job_at: float, rng: random.Random) -> tuple[JobEvent, ...]:
    """A launch as the real service was measured, with jitter."""
    conversion = 52 + rng.uniform(-6, 6)
    converted = conversion + 180 * rng.uniform(0.85, 1.15)
    launched = converted + 290 * rng.uniform(0.85, 1.15)
    marks = [
        ("SNAPSHOT_START", 0.4),
        ("SNAPSHOT_END", 0.6 + rng.uniform(0, 2)),
        ("CONVERSION_START", conversion),
        ("CONVERSION_END", converted),
        ("LAUNCH_START", converted + 0.5),
        ("LAUNCH_END", launched),
    ]
    return tuple(JobEvent(at=at(job_at + after), event=event) for event, after in marks)


def a_launched_server(wave: str, number: int, job_at: float, job_id: str, **changes: Any) -> ServerEvidence:
    rng = random.Random(f"{wave}{number}")
    facts: dict[str, Any] = {
        "server_id": f"s-0{wave[:3]}{number:0{13}d}",
        "hostname": f"{wave[:3]}{number}",
        "group": f"shop-{wave}",
        "region": "us-west-2",
        "status": "launched",
        "instance_id": f"i-0{number:04x}{rng.getrandbits(48):012x}",
        "instance_state": "RUNNING",
        "point_in_time": at(job_at - rng.uniform(2, 140)),
        "job_id": job_id,
        "events": launch_events(job_at, rng),
    }
    return ServerEvidence(**(facts | changes))


def a_failed_server(wave: str, number: int, job_at: float, job_id: str, **changes: Any) -> ServerEvidence:
    """Failed in EC2, after its conversion."""
    launched = a_launched_server(wave, number, job_at, job_id)
    last = launched.events[-1]
    failed = JobEvent(at=launched.events[-2].at + seconds(3), event="LAUNCH_FAILED")
    facts: dict[str, Any] = {
        "status": ServerStatus.FAILED,
        "instance_id": None,
        "instance_state": None,
        "point_in_time": None,
        "reason": "InsufficientInstanceCapacity: We currently do not have sufficient r6i.xlarge capacity in us-west-2a",
        "events": (*launched.events[:-1], failed) if last else (),
    }
    return launched.model_copy(update=facts | changes)


def a_job(wave: str, number: int, job_at: float, servers: Iterable[ServerEvidence], **changes: Any) -> JobEvidence:
    held = list(servers)
    ends = [event.at for server in held for event in server.events]
    facts: dict[str, Any] = {
        "job_id": job_id_of(wave, number),
        "region": "us-west-2",
        "aws_conn_id": "aws_default",
        "created_at": at(job_at),
        "ended_at": max(ends) + seconds(2) if ends else at(job_at + 1),
        "servers": tuple(server.server_id for server in held),
        "console_url": f"https://us-west-2.console.aws.amazon.com/drs/home#/jobs/{job_id_of(wave, number)}",
    }
    return JobEvidence(**(facts | changes))


def job_id_of(wave: str, number: int) -> str:
    return f"drsjob-{wave[:4]:0<4}{number:013d}"


def a_wave(
    name: str, count: int, job_at: float, *, depends_on: Iterable[str] = (), failed: Iterable[int] = (), **changes: Any
) -> WaveEvidence:
    """A wave of one job; the servers with a number in ``failed`` were not launched."""
    broken = set(failed)
    job_id = job_id_of(name, 1)
    servers = tuple(
        (a_failed_server if number in broken else a_launched_server)(name, number, job_at, job_id)
        for number in range(1, count + 1)
    )
    facts: dict[str, Any] = {
        "name": name,
        "depends_on": tuple(depends_on),
        "groups": (f"shop-{name}",),
        "timeout": "2h",
        "state": "failed" if broken else "launched",
        "jobs": (a_job(name, 1, job_at, servers),),
        "servers": servers,
    }
    return WaveEvidence(**(facts | changes))


def an_unstarted_wave(name: str, count: int, *, depends_on: Iterable[str] = (), **changes: Any) -> WaveEvidence:
    servers = tuple(
        ServerEvidence(
            server_id=f"s-0{name[:3]}{number:013d}",
            hostname=f"{name[:3]}{number}",
            group=f"shop-{name}",
            region="us-west-2",
        )
        for number in range(1, count + 1)
    )
    facts: dict[str, Any] = {
        "name": name,
        "depends_on": tuple(depends_on),
        "groups": (f"shop-{name}",),
        "timeout": "2h",
        "servers": servers,
    }
    return WaveEvidence(**(facts | changes))


def end_of(wave: WaveEvidence) -> float:
    """Seconds from the run's start to the end of the wave's last job."""
    return max(((job.ended_at - START).total_seconds() for job in wave.jobs if job.ended_at), default=0.0)


def a_preflight(**changes: Any) -> PreflightEvidence:
    facts: dict[str, Any] = {
        "passed": True,
        "checked_at": at(6),
        "findings": (
            PreflightFinding(
                severity="warning",
                server_id="s-0app0000000000017",
                hostname="app17",
                what="replication lag is 4m 10s, near the limit of 5m",
                next_step="look at the replication of this server before the next drill",
            ),
        ),
        "quotas": {"concurrent jobs": 20, "servers per job": 100, "servers in all jobs": 500},
    }
    return PreflightEvidence(**(facts | changes))


def a_clean_cleanup(waves: Iterable[WaveEvidence]) -> CleanupEvidence:
    terminated = tuple(
        TerminatedInstance(
            instance_id=server.instance_id,
            server_id=server.server_id,
            hostname=server.hostname,
            region=server.region,
        )
        for wave in waves
        for server in wave.servers
        if server.instance_id
    )
    return CleanupEvidence(state="completed" if terminated else "nothing_to_do", terminated=terminated)


def a_run(waves: Iterable[WaveEvidence], **changes: Any) -> RunEvidence:
    """A drill of these waves that ended well unless the changes say otherwise."""
    held = tuple(waves)
    ends = [end_of(wave) for wave in held if wave.jobs]
    facts: dict[str, Any] = {
        "run": some_facts(),
        "objectives": Objectives(rto=timedelta(minutes=45), rpo=timedelta(minutes=5)),
        "preflight": a_preflight(),
        "waves": held,
        "cleanup": a_clean_cleanup(held),
        "finished_at": at(max(ends, default=10) + 95),
    }
    return RunEvidence(**(facts | changes))


def a_passed_drill(scale: int = 1) -> RunEvidence:
    """The web shop's 100 servers (times ``scale``), all launched."""
    database = a_wave("database", 10 * scale, 9.4)
    application = a_wave("application", 30 * scale, end_of(database) + 2.6, depends_on=["database"])
    web = a_wave("web", 50 * scale, end_of(application) + 2.2, depends_on=["application"])
    monitoring = a_wave("monitoring", 10 * scale, end_of(database) + 3.1, depends_on=["database"])
    return a_run([database, application, web, monitoring])


def a_drill_with_a_failed_database() -> RunEvidence:
    """One database server found no capacity; the tiers above it were never launched."""
    database = a_wave("database", 10, 9.4, failed=[3])
    waves = [
        database,
        an_unstarted_wave("application", 30, depends_on=["database"]),
        an_unstarted_wave("web", 50, depends_on=["application"]),
        an_unstarted_wave("monitoring", 10, depends_on=["database"]),
    ]
    message = "wave database: 1 server failed:\n  - dat3: InsufficientInstanceCapacity"
    return a_run(waves, errors=(TaskError(task="database.recovery_job", message=message),))


def a_refused_drill() -> RunEvidence:
    """Two servers do not replicate; nothing was launched."""
    findings = (
        PreflightFinding(
            severity="refusal",
            server_id="s-0dat0000000000002",
            hostname="dat2",
            what="replication is STALLED since 2026-11-21 23:10 UTC",
            next_step="repair the replication agent on dat2, or exclude the server from the drill",
        ),
        PreflightFinding(
            severity="refusal",
            server_id="s-0web0000000000041",
            hostname="web41",
            what="a live recovery instance i-0abc1234567890def exists; a launch would terminate it",
            next_step="exclude web41, or trigger with replace_live_instances",
        ),
    )
    waves = [
        an_unstarted_wave("database", 10),
        an_unstarted_wave("application", 30, depends_on=["database"]),
        an_unstarted_wave("web", 50, depends_on=["application"]),
    ]
    return a_run(waves, preflight=a_preflight(passed=False, findings=findings), finished_at=at(12))


def a_drill_with_exceptions() -> RunEvidence:
    """Two web servers failed, and the wave tolerates it."""
    database, application, web, monitoring = a_passed_drill().waves
    web = a_wave(
        "web",
        50,
        end_of(application) + 2.2,
        depends_on=["application"],
        failed=[7, 31],
        state="completed_with_exceptions",
        state_reason="2 of 50 servers failed, 10% are tolerated",
        tolerate_failures="10%",
    )
    silent = web.servers[30].model_copy(update={"reason": None, "critical": False})
    web = web.model_copy(update={"servers": (*web.servers[:30], silent, *web.servers[31:])})
    return a_run([database, application, web, monitoring])


def a_drill_with_leftovers() -> RunEvidence:
    """Everything was launched, and one instance would not go away."""
    passed = a_passed_drill()
    gone = passed.cleanup.terminated
    cleanup = CleanupEvidence(
        state="incomplete",
        terminated=gone[1:],
        left={gone[0].instance_id: "UnauthorizedOperation: not authorized to perform ec2:TerminateInstances"},
        reason="1 instance could not be terminated",
    )
    error = TaskError(task="finish.clean_up", message="1 drill instance is still there")
    return passed.model_copy(update={"cleanup": cleanup, "errors": (error,)})
