"""What became of every server of a launch, put together from jobs, their logs and the recovery instances."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from drs_provider.formatting import parse_instant
from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.jobs import (
    LAUNCHED_STATUS,
    UNSEEN_FOR,
    LaunchJob,
    Running,
    ServerTimeline,
    failure_reason,
    read_job,
    read_job_log,
)
from drs_provider.rules.servers import is_live
from drs_provider.rules.settings.launch_actions import read_runs, still_running

MOST_EVENTS = 40
"""Events kept per server in a result; a launch has about ten."""


@dataclass(frozen=True)
class ServerResult:
    """What became of one source server: ``status`` is ``launched``, ``failed`` or ``unknown``; ``reason`` says why.

    ``unknown``: neither DRS's job nor an instance says what became of it; it counts as a failure, and is never launched
    again by itself.

    ``actions``: its DRS launch actions, as ``rules.settings.launch_actions.read_runs`` gives them.
    """

    server_id: str
    hostname: str
    critical: bool
    status: Literal["launched", "failed", "unknown"]
    instance_id: str | None = None
    instance_state: str | None = None
    point_in_time: str | None = None
    job_id: str | None = None
    reason: str | None = None
    events: tuple[Mapping[str, str], ...] = ()
    actions: tuple[Answer, ...] = ()

    @property
    def failed_actions(self) -> tuple[str, ...]:
        """The DRS launch actions of a launched server that have failed: they are optional, the server counts."""
        return tuple(str(action["name"]) for action in self.actions if action["status"] == "FAILED")

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON, with at most :data:`MOST_EVENTS` events (the first and the last ones)."""
        half = MOST_EVENTS // 2
        events = self.events if len(self.events) <= MOST_EVENTS else (*self.events[:half], *self.events[-half:])
        return {
            **asdict(self),
            "events": [dict(event) for event in events],
            "actions": [dict(action) for action in self.actions],
        }


Ready = Literal["launched", "running", "status_checks"]
InstanceState = Literal["ready", "pending", "broken"]
"""What a launched instance is to whom waits for it: there, on its way, or not to be expected."""

_STARTING = frozenset({"PENDING"})


@dataclass(frozen=True)
class LaunchMember:
    """A server of the launch: what a person calls it, and whether its failure counts."""

    server_id: str
    hostname: str
    critical: bool = True


@dataclass(frozen=True)
class Evidence:
    """Everything that AWS said about a launch.

    ``jobs`` and ``logs`` by job id, without those that DRS has forgotten (somebody deleted them): what those launched
    is told by the instances alone. ``instances`` as DescribeRecoveryInstances gave them; ``stopped_on_purpose`` are
    servers whose launch disposition is STOPPED; ``unhealthy`` maps EC2 instance ids to what their status checks say.
    ``hidden`` maps instances that job logs name and DRS does not show to EC2's word for their state, as far as EC2 has
    them.
    """

    jobs: Mapping[str, Answer]
    logs: Mapping[str, Iterable[Answer]]
    instances: Sequence[Answer]
    stopped_on_purpose: Collection[str] = ()
    unhealthy: Mapping[str, str] = field(default_factory=dict)
    hidden: Mapping[str, str] = field(default_factory=dict)

    def instance(self, job_id: str, server_id: str) -> Answer | None:
        """Return the recovery instance that this job launched for this server.

        Matched by the instance's own ``jobID``: a finished job's ``recoveryInstanceID`` is absent in real answers.
        """
        found = (i for i in self.instances if i.get("jobID") == job_id and i.get("sourceServerID") == server_id)
        return next(found, None)


def instance_state(
    instance: Answer | None, *, ready: Ready, stopped_on_purpose: bool, unhealthy: bool
) -> InstanceState:
    """Say whether a launched server's instance is what the wave waits for, may still become it, or will not."""
    if instance is None:
        return "pending"
    if ready == "launched":
        return "ready" if is_live(instance) else "broken"
    state = instance.get("ec2InstanceState")
    if state == "STOPPED" and stopped_on_purpose:
        return "ready"
    if state == "RUNNING":
        return "pending" if ready == "status_checks" and unhealthy else "ready"
    return "pending" if state in _STARTING else "broken"


def assemble(
    jobs: Iterable[LaunchJob],
    members: Mapping[str, LaunchMember],
    evidence: Evidence,
    *,
    ready: Ready,
    now: datetime | None = None,
) -> tuple[tuple[ServerResult, ...], tuple[str, ...]]:
    """Return the result of every server of the launch, and which launched ones are not ready yet.

    A server that is not ready yet stands in the results as failed, with that as its reason: true once nobody waits
    any longer.

    :param jobs: the jobs of the launch, with the servers whose outcome each decides
    :param now: the present instant; a launched instance that DRS does not show long after its job is gone. None: it is
        awaited
    """
    results: list[ServerResult] = []
    pending: list[str] = []
    for job in jobs:
        job_id = job.job_id
        described = evidence.jobs.get(job_id)
        participating = {s["sourceServerID"]: s for s in (described or {}).get("participatingServers", ())}
        timelines = read_job_log(evidence.logs.get(job_id, ()))
        for server_id in job.servers:
            member = members.get(server_id, LaunchMember(server_id, server_id))
            part, timeline = participating.get(server_id), timelines.get(server_id)
            of_server = _OfServer(member, job_id, part, timeline, described)
            result, state = _result(of_server, evidence, ready, is_old=_is_old(described or {}, now))
            results.append(result)
            if state == "pending":
                pending.append(server_id)
    return tuple(results), tuple(pending)


@dataclass(frozen=True)
class _OfServer:
    member: LaunchMember
    job_id: str
    participating: Answer | None
    timeline: ServerTimeline | None
    job: Answer | None
    """None: DRS does not know the job any more."""


def _is_old(job: Answer, now: datetime | None) -> bool:
    """Whether a job has ended so long ago that DRS shows what it launched, if it is there."""
    ended = job.get("endDateTime")
    return bool(now and ended and now - parse_instant(str(ended)) >= UNSEEN_FOR)


def _result(server: _OfServer, evidence: Evidence, ready: Ready, *, is_old: bool) -> tuple[ServerResult, InstanceState]:
    member, job_id, participating, timeline = server.member, server.job_id, server.participating, server.timeline
    instance = evidence.instance(job_id, member.server_id)
    instance_id = (instance or {}).get("ec2InstanceID") or (timeline.target_instance if timeline else None)
    state: InstanceState
    hidden = evidence.hidden.get(str(instance_id)) if instance is None else None
    unknown = _why_unknown(server, instance) or (_why_hidden(str(instance_id), hidden) if is_old and hidden else "")
    is_launched = (participating or {}).get("launchStatus") == LAUNCHED_STATUS
    if not unknown and is_old and is_launched and not instance_id:
        unknown = _NOT_NAMED
    if unknown:
        state, reason = "broken", unknown
    elif server.job is not None and not is_launched:
        state, reason = "broken", failure_reason(timeline, participating)
    else:
        checks = evidence.unhealthy.get(str(instance_id), "")
        stopped = member.server_id in evidence.stopped_on_purpose
        state = instance_state(instance, ready=ready, stopped_on_purpose=stopped, unhealthy=bool(checks))
        if instance is None and is_old:
            state = "broken"
        reason = "" if state == "ready" else _not_ready(instance, instance_id, checks, is_old=is_old)
        if state == "ready" and (running := still_running(participating)):
            state, reason = "pending", f"its launch actions have not ended: {', '.join(running)}"
    result = ServerResult(
        member.server_id,
        member.hostname,
        member.critical,
        "launched" if state == "ready" else "unknown" if unknown else "failed",
        instance_id=instance_id,
        instance_state=(instance or {}).get("ec2InstanceState") or (hidden.upper() if hidden else None),
        point_in_time=(instance or {}).get("pointInTimeSnapshotDateTime"),
        job_id=job_id,
        reason=reason or None,
        events=tuple({"at": e.at.isoformat(), "event": e.event} for e in timeline.events) if timeline else (),
        actions=read_runs(participating),
    )
    return result, state


def _why_unknown(server: _OfServer, instance: Answer | None) -> str:
    """Say why nobody knows what became of a launch; empty: DRS says it, or an instance of its job shows it."""
    if server.job is None and instance is None:
        return (
            f"DRS no longer knows {server.job_id}, which was to launch it, and shows no recovery instance of that job: "
            "look in EC2 before you launch it again"
        )
    if server.job is not None and isinstance(read_job(server.job), Running):
        status = (server.participating or {}).get("launchStatus", "PENDING")
        return f"{server.job_id} still runs and says {status}: nobody waits for it any longer"
    return ""


def _why_hidden(name: str, state: str) -> str:
    """Say why nobody knows what became of a launch whose instance DRS does not show: EC2 has it."""
    return f"DRS does not show its instance {name}, which EC2 calls {state}: look in EC2 before you launch it again"


_NOT_NAMED: Final = (
    "DRS says that it is launched, and neither shows an instance of this job nor names one in its log: look in EC2 "
    "before you launch it again"
)


def _not_ready(instance: Answer | None, named: str | None, checks: str, *, is_old: bool) -> str:
    if instance is None and is_old:
        return f"DRS launched it, but its instance {named} is gone: it was terminated since"
    if instance is None:
        return "DRS launched it, but shows no recovery instance of this job"
    name, state = instance.get("ec2InstanceID"), instance.get("ec2InstanceState")
    if state == "RUNNING":
        return f"its instance {name} runs, but EC2's status checks say: {checks}"
    return f"DRS launched it, but its instance {name} is {state}"


Verdict = Literal["launched", "completed_with_exceptions", "failed"]

Allows = Callable[[int, int], bool]
"""``allows(failed, total)`` of the critical servers: whether so many failures are tolerated."""


def judge(servers: Sequence[ServerResult], *, allows: Allows) -> Verdict:
    """Say how a launch ended.

    Only critical servers count against the tolerance; but any failed server, critical or not, makes it at best
    ``completed_with_exceptions``: success is never said of a failure. So does a failed launch action.
    """
    failed = [server for server in servers if server.status != "launched"]
    if not failed:
        return "completed_with_exceptions" if any(server.failed_actions for server in servers) else "launched"
    critical = sum(server.critical for server in servers)
    failed_critical = sum(server.critical for server in failed)
    if failed_critical and not allows(failed_critical, critical):
        return "failed"
    return "completed_with_exceptions"


def tolerance(share: str | int) -> Allows:
    """Read a share as plans write it: a whole number (``2``) or a percentage of the critical servers (``10%``).

    A percentage is compared exactly, without rounding: 10% of 15 servers allows one failure. Raises ValueError.
    """
    text = str(share).strip()
    number = text.removesuffix("%")
    if isinstance(share, bool) or not (number.isascii() and number.isdecimal()):
        raise ValueError(f"{share!r} is no share: write a whole number, or a percentage as '10%'")
    amount = int(number)
    if not text.endswith("%"):
        return lambda failed, _total: failed <= amount
    if amount > 100:  # noqa: PLR2004  (per cent)
        raise ValueError(f"{share!r} is more than all servers")
    return lambda failed, total: failed * 100 <= total * amount


def table(servers: Sequence[ServerResult]) -> str:
    """Draw the outcomes as a table of plain text for a task's log, failed servers first."""
    rows = [("SERVER", "OUTCOME", "INSTANCE", "STATE", "POINT IN TIME", "REASON")]
    for server in sorted(servers, key=lambda server: (server.status == "launched", server.hostname)):
        name = server.hostname if server.critical else f"{server.hostname} (not critical)"
        outcome = server.status if server.status == "launched" else server.status.upper()
        failed = ", ".join(server.failed_actions)
        reason = server.reason or (f"launch actions failed: {failed}" if failed else None)
        cells = (server.instance_id, server.instance_state, server.point_in_time, reason)
        rows.append((name, outcome, *(cell or "-" for cell in cells)))  # type: ignore[arg-type]  # six cells
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join([*map(str.ljust, row[:5], widths), row[5]]).rstrip() for row in rows)
