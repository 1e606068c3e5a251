"""What a person may write as a fault: one object that matches and does one thing.

Lengths of time are simulated (compressed by the speed), except on the wire, where the clients' own timeouts are real:
`delay`, `latency.seconds`, `timeout.hold` and `retry_after` are real seconds.
"""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from drs_simulator.durations import LONGEST, Seconds


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_list)]
"""One name or a list; shell patterns (`db*`) are fine."""


class Fault(BaseModel):
    """The keys that every fault may have. Everything given must hold; what is not given matches all."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    id: str | None = None
    """Chosen by the simulator where it is not given."""
    service: str | None = None
    operation: Names | None = None
    account: str | None = None
    region: str | None = None
    servers: Names | None = None
    hostname: Names | None = None
    job: str | None = None
    tags: dict[str, str] | None = None
    action: str | None = None
    """Name of a launch action, an SSM document or a Lambda function."""
    count: int | None = Field(default=None, ge=1)
    """How often it strikes. For a condition that lasts (replication, contention): on how many servers."""
    probability: float | None = Field(default=None, ge=0, le=1)
    delay: Seconds = 0.0
    """Real seconds that pass before the effect on a call shows."""
    after: Seconds = 0.0
    """Simulated time from adding the fault until it begins."""
    lasts: Seconds | None = Field(default=None, alias="for")
    """Simulated time for which it goes on once it has begun."""


class Throttle(Fault):
    """Too many requests."""

    do: Literal["throttle"]
    retry_after: float | None = Field(default=None, ge=0, le=LONGEST, allow_inf_nan=False)


class ServerError(Fault):
    """The service fails."""

    do: Literal["server_error"]
    status: int = Field(default=500, ge=500, le=599)
    retry_after: float | None = Field(default=None, ge=0, le=LONGEST, allow_inf_nan=False)


class AccessDeniedFault(Fault):
    """The caller may not."""

    do: Literal["access_denied"]


class ExpiredToken(Fault):
    """The caller's credentials have expired."""

    do: Literal["expired_token"]


class Latency(Fault):
    """The answer comes late."""

    do: Literal["latency"]
    seconds: Seconds = 1.0


class Timeout(Fault):
    """No answer comes, and in the end the connection closes."""

    do: Literal["timeout"]
    hold: Seconds = 75.0
    """Real seconds until the connection is closed without an answer."""
    commit: bool = False


class Outage(Fault):
    """The service is down in a Region."""

    do: Literal["outage"]
    how: Literal["error", "drop"] = "error"


class CommitThenDrop(Fault):
    """The service does it, and the caller never hears."""

    do: Literal["commit_then_drop"]


class Garbled(Fault):
    """The service does it, and something between it and the caller spoils the answer."""

    do: Literal["garbled"]
    how: Literal["page", "half"] = "page"
    """A proxy's page instead of the answer, both with 200; or its first half."""


class FailAt(Fault):
    """A launch fails at an event."""

    do: Literal["fail_at"]
    event: Literal[
        "CLEANUP_START", "CLEANUP_END", "SNAPSHOT_START", "SNAPSHOT_END", "USING_PREVIOUS_SNAPSHOT",
        "CONVERSION_START", "CONVERSION_END", "LAUNCH_START", "LAUNCH_END",
    ]  # fmt: skip
    error: str = "An unexpected error occurred"


class FailSilently(Fault):
    """A launch fails within a second and says nothing."""

    do: Literal["fail_silently"]


class Stuck(Fault):
    """A launch stands still."""

    do: Literal["stuck"]
    event: str | None = None
    """The event that never comes; without it the very next one."""


class Slow(Fault):
    """A launch takes longer."""

    do: Literal["slow"]
    factor: float = Field(default=3.0, gt=0)


class LaunchedStopped(Fault):
    """A launched instance stands still."""

    do: Literal["launched_stopped"]


class TerminatedBehindDrs(Fault):
    """An instance is terminated in EC2, and DRS was not asked."""

    do: Literal["terminated_behind_drs"]
    later: Seconds = 0.0
    """Simulated time from a launch's LAUNCH_END until its instance goes."""
    protection_holds: bool = True
    """Whether termination protection keeps the instance; false: who ends it has switched that off, or is EC2 itself."""


class StopsByItself(Fault):
    """An instance that was started, by a launch or in EC2, stops, and nobody has asked it to."""

    do: Literal["stops_by_itself"]
    later: Seconds = 0.0
    """Simulated time from its start; 0: EC2 accepts the start, and the instance never runs."""
    reason: str = "Client.InstanceInitiatedShutdown"
    """EC2's code of why; without capacity it is ``Server.InsufficientInstanceCapacity``."""


class LaunchesNothing(Fault):
    """DRS says LAUNCHED, and there is no instance: neither EC2 nor DRS has ever one."""

    do: Literal["launches_nothing"]


class DeletedJob(Fault):
    """Somebody deletes a job in DRS once it has ended."""

    do: Literal["deleted_job"]
    later: Seconds = 0.0
    """Simulated time from the end of the job."""


class StrippedTags(Fault):
    """Somebody takes tags away that a launch, or whoever has started it, has set."""

    do: Literal["stripped_tags"]
    of: frozenset[Literal["job", "source_server", "recovery_instance", "instance", "volumes", "interfaces"]] = Field(
        default=frozenset({"job", "source_server", "recovery_instance", "instance", "volumes", "interfaces"}),
        min_length=1,
    )
    """From what: all that there is of a launch. ``instance``, ``volumes`` and ``interfaces`` are EC2's."""
    keys: Names = ("*",)
    """Which tags; those of AWS itself (``aws:``) stay."""
    later: Seconds = 0.0
    """Simulated time from the beginning of the job."""


class Impaired(Fault):
    """EC2's status checks of an instance fail."""

    do: Literal["impaired"]


class NoCapacity(Fault):
    """EC2 has no instance of a type in a zone."""

    do: Literal["no_capacity"]
    instance_type: str | None = None
    zone: str | None = None


class Stall(Fault):
    """Replication stalls."""

    do: Literal["stall"]
    error: str = "AGENT_NOT_SEEN"


class StalledCopy(Fault):
    """An initial copy or a rescan stands still; afterwards it goes on where it stood."""

    do: Literal["stalled_copy"]
    at: float = Field(default=0.5, ge=0, lt=1)
    """Share of the bytes at which it stops."""
    error: str = "NOT_CONVERGING"


class AgentNotSeen(Fault):
    """The agent of a recovery instance never reports: it cannot be reversed, and what replicates it stalls."""

    do: Literal["agent_not_seen"]


class WrongProfile(Fault):
    """An instance has no usable instance profile: its agent is never seen, and nothing is launched into it."""

    do: Literal["wrong_profile"]


class DeletedTemplate(Fault):
    """The EC2 launch templates of servers are deleted; they do not come back with the fault's end."""

    do: Literal["deleted_template"]


class Lag(Fault):
    """Replication lags behind."""

    do: Literal["lag"]
    lag: Seconds = 600.0
    growing: bool = True


class Disconnect(Fault):
    """The source is gone."""

    do: Literal["disconnect"]


class Rescan(Fault):
    """The disks are read again."""

    do: Literal["rescan"]
    lasts: Seconds | None = Field(default=1800.0, alias="for")


class SnapshotExpired(Fault):
    """The recovery points taken so far are gone."""

    do: Literal["snapshot_expired"]


class ForeignJob(Fault):
    """Somebody else's job holds servers."""

    do: Literal["foreign_job"]


class NativePlan(Fault):
    """A native Recovery Plan holds servers."""

    do: Literal["native_plan"]


class QuotaUsed(Fault):
    """Somebody else uses up a quota."""

    do: Literal["quota_used"]
    jobs: int = Field(default=0, ge=0)
    """How many of the concurrent jobs somebody else runs."""
    in_jobs: int = Field(default=0, ge=0)
    """How many servers are in them."""
    replicating: int = Field(default=0, ge=0)
    """How many servers somebody else replicates into the Region."""


class InvisibleFor(Fault):
    """A new job or instance is not described for a while."""

    do: Literal["invisible_for"]
    seconds: Seconds = 30.0
    """Simulated time for which a new job or recovery instance is not described."""


class NotShown(Fault):
    """DescribeRecoveryInstances leaves out an instance that it has shown before, in so many of its answers."""

    do: Literal["not_shown"]


class Omits(Fault):
    """DescribeRecoveryInstances leaves out members of an instance, in so many of its answers."""

    do: Literal["omits"]
    members: frozenset[Literal["isDrill", "jobID", "ec2InstanceState", "tags", "pointInTimeSnapshotDateTime"]] = Field(
        min_length=1
    )


class StaleReads(Fault):
    """DescribeJobs shows the past, in every answer or, with ``count`` or ``probability``, in some."""

    do: Literal["stale_reads"]
    age: Seconds = 60.0
    """Simulated age of what DescribeJobs says of an unfinished job."""


class PageSize(Fault):
    """Pages are tiny."""

    do: Literal["page_size"]
    items: int = Field(default=1, ge=1)


class Fail(Fault):
    """A launch action, an SSM command or a Lambda function fails."""

    do: Literal["fail"]
    error: str = "the action ended with exit code 1"


class Hang(Fault):
    """A launch action, an SSM command or a Lambda function hangs."""

    do: Literal["hang"]


class AgentMissing(Fault):
    """The SSM agent of an instance is never found."""

    do: Literal["agent_missing"]


AnyFault = (
    Throttle
    | ServerError
    | AccessDeniedFault
    | ExpiredToken
    | Latency
    | Timeout
    | Outage
    | CommitThenDrop
    | Garbled
    | FailAt
    | FailSilently
    | Stuck
    | Slow
    | LaunchedStopped
    | TerminatedBehindDrs
    | StopsByItself
    | LaunchesNothing
    | DeletedJob
    | StrippedTags
    | Impaired
    | NoCapacity
    | Stall
    | StalledCopy
    | AgentNotSeen
    | WrongProfile
    | DeletedTemplate
    | Lag
    | Disconnect
    | Rescan
    | SnapshotExpired
    | ForeignJob
    | NativePlan
    | QuotaUsed
    | InvisibleFor
    | NotShown
    | Omits
    | StaleReads
    | PageSize
    | Fail
    | Hang
    | AgentMissing
)

KINDS: dict[str, type[Fault]] = {get_args(kind.model_fields["do"].annotation)[0]: kind for kind in get_args(AnyFault)}
"""Every `do`, with its class."""

API = frozenset(
    {
        "throttle",
        "server_error",
        "access_denied",
        "expired_token",
        "latency",
        "timeout",
        "outage",
        "commit_then_drop",
        "garbled",
    }
)
"""Faults of the API itself: for every service, decided before the call is served."""

FAULTS: TypeAdapter[list[AnyFault]] = TypeAdapter(list[Annotated[AnyFault, Field(discriminator="do")]])
