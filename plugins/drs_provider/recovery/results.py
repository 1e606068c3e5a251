"""What became of every server of a launch, put together from jobs, their logs and the recovery instances."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from drs_provider.recovery.jobs import LAUNCHED_STATUS, ServerTimeline, failure_reason, read_job_log
from drs_provider.recovery.launch_actions import read_runs, still_running
from drs_provider.recovery.readiness import is_live
from drs_provider.recovery.verdict import ServerResult

Ready = Literal["launched", "running", "status_checks"]
Standing = Literal["ready", "pending", "broken"]

_STARTING = frozenset({"PENDING"})


@dataclass(frozen=True)
class Member:
    """A server of the launch: what a person calls it, and whether its failure counts."""

    server_id: str
    hostname: str
    critical: bool = True


@dataclass(frozen=True)
class Evidence:
    """Everything that AWS said about a launch.

    ``jobs`` and ``logs`` by job id; ``instances`` as DescribeRecoveryInstances gave them; ``stopped_on_purpose`` are
    servers whose launch disposition is STOPPED; ``unhealthy`` maps EC2 instance ids to what their status checks say.
    """

    jobs: Mapping[str, Mapping[str, Any]]
    logs: Mapping[str, Iterable[Mapping[str, Any]]]
    instances: Sequence[Mapping[str, Any]]
    stopped_on_purpose: Collection[str] = ()
    unhealthy: Mapping[str, str] = field(default_factory=dict)

    def instance(self, job_id: str, server_id: str) -> Mapping[str, Any] | None:
        """Return the recovery instance that this job launched for this server.

        Matched by the instance's own ``jobID``: a finished job's ``recoveryInstanceID`` is absent in real answers.
        """
        found = (i for i in self.instances if i.get("jobID") == job_id and i.get("sourceServerID") == server_id)
        return next(found, None)


def standing(
    instance: Mapping[str, Any] | None, *, ready: Ready, stopped_on_purpose: bool, unhealthy: bool
) -> Standing:
    """Say whether a launched server's instance is what the wave waits for, may still become it, or will not."""
    if ready == "launched":
        return "ready" if instance is None or is_live(instance) else "broken"
    if instance is None:
        return "pending"
    state = instance.get("ec2InstanceState")
    if state == "STOPPED" and stopped_on_purpose:
        return "ready"
    if state == "RUNNING":
        return "pending" if ready == "status_checks" and unhealthy else "ready"
    return "pending" if state in _STARTING else "broken"


def assemble(
    launch: Iterable[Mapping[str, Any]], members: Mapping[str, Member], evidence: Evidence, *, ready: Ready
) -> tuple[tuple[ServerResult, ...], tuple[str, ...]]:
    """Return the result of every server of the launch, and which launched ones are not ready yet.

    A server that is not ready yet stands in the results as failed, with that as its reason: true once nobody waits
    any longer.

    :param launch: the ``jobs`` of what the start operator returned: ``job_id`` and ``servers`` of each
    """
    results: list[ServerResult] = []
    pending: list[str] = []
    for share in launch:
        job_id = share["job_id"]
        participating = {s["sourceServerID"]: s for s in evidence.jobs[job_id].get("participatingServers", ())}
        timelines = read_job_log(evidence.logs.get(job_id, ()))
        for server_id in share["servers"]:
            member = members.get(server_id, Member(server_id, server_id))
            of_server = _OfServer(member, job_id, participating.get(server_id), timelines.get(server_id))
            one = _result(of_server, evidence, ready)
            results.append(one[0])
            if one[1] == "pending":
                pending.append(server_id)
    return tuple(results), tuple(pending)


@dataclass(frozen=True)
class _OfServer:
    member: Member
    job_id: str
    participating: Mapping[str, Any] | None
    timeline: ServerTimeline | None


def _result(server: _OfServer, evidence: Evidence, ready: Ready) -> tuple[ServerResult, Standing]:
    member, job_id, participating, timeline = server.member, server.job_id, server.participating, server.timeline
    instance = evidence.instance(job_id, member.server_id)
    instance_id = (instance or {}).get("ec2InstanceID") or (timeline.target_instance if timeline else None)
    where: Standing
    if (participating or {}).get("launchStatus") != LAUNCHED_STATUS:
        where, reason = "broken", failure_reason(timeline, participating)
    else:
        checks = evidence.unhealthy.get(str(instance_id), "")
        stopped = member.server_id in evidence.stopped_on_purpose
        where = standing(instance, ready=ready, stopped_on_purpose=stopped, unhealthy=bool(checks))
        reason = "" if where == "ready" else _not_ready(instance, checks)
        if where == "ready" and (running := still_running(participating)):
            where, reason = "pending", f"its launch actions have not ended: {', '.join(running)}"
    result = ServerResult(
        member.server_id,
        member.hostname,
        member.critical,
        "launched" if where == "ready" else "failed",
        instance_id=instance_id,
        instance_state=(instance or {}).get("ec2InstanceState"),
        point_in_time=(instance or {}).get("pointInTimeSnapshotDateTime"),
        job_id=job_id,
        reason=reason or None,
        events=tuple({"at": e.at.isoformat(), "event": e.event} for e in timeline.events) if timeline else (),
        actions=read_runs(participating),
    )
    return result, where


def _not_ready(instance: Mapping[str, Any] | None, checks: str) -> str:
    if instance is None:
        return "DRS launched it, but shows no recovery instance of this job"
    name, state = instance.get("ec2InstanceID"), instance.get("ec2InstanceState")
    if state == "RUNNING":
        return f"its instance {name} runs, but EC2's status checks say: {checks}"
    return f"DRS launched it, but its instance {name} is {state}"
