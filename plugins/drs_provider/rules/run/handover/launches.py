"""What the launches of a wave leave: their jobs, what was pinned, what failed before, what is remembered meanwhile."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final

from pydantic import BeforeValidator, Field, JsonValue

from drs_provider.rules.launch.next_launch import Try
from drs_provider.rules.launch.recovery_points import Point
from drs_provider.rules.run.connection import AwsArguments, aws_in
from drs_provider.rules.run.handover.document import Document, Flag, Instant, OptionalInstant, Part, StoredIn
from drs_provider.rules.run.handover.instance_starts import InstanceStart

Region = Annotated[str, BeforeValidator(lambda region: region or "")]
"""A Region's name; empty: the connection's."""


class LaunchedJob(Part):
    """A DRS job and the servers that it launches.

    ``adopted``: found by its tags instead of started. ``attempt`` rises when failed servers are launched again.
    """

    job_id: str
    servers: tuple[str, ...]
    created_at: OptionalInstant = None
    attempt: int = 1
    adopted: Flag = False


class FollowedJob(LaunchedJob):
    """A job that a wave started after its first ones, with its account and Region."""

    aws_conn_id: str | None
    region: str


class Launch(Document):
    """What a start task launched in one account and Region; also what ``DrsStartRecoveryOperator`` returns.

    ``tags``: those of its jobs beside the identifying ones. ``points``: what servers were pinned to, by server id.
    """

    KEY: ClassVar[str] = "launch"
    TITLE: ClassVar[str] = "the record of a launch"

    jobs: tuple[LaunchedJob, ...]
    aws_conn_id: str | None = None
    region: Region = ""
    started_at: OptionalInstant = None
    attempt: int = 1
    tags: dict[str, str] = Field(default_factory=dict)
    points: dict[str, Point] = Field(default_factory=dict)

    @property
    def job_ids(self) -> tuple[str, ...]:
        """The ids of its jobs."""
        return tuple(job.job_id for job in self.jobs)

    @property
    def servers(self) -> tuple[str, ...]:
        """The ids of the servers that its jobs hold, each once."""
        return tuple(dict.fromkeys(server for job in self.jobs for server in job.servers))

    def aws(self, own: AwsArguments) -> AwsArguments:
        """Return the arguments of a hook of its account and Region; a task's own where it names none."""
        return aws_in(own, self.aws_conn_id, self.region)


class LaterLaunches(Document):
    """The launches of a wave after its start: for its boot order, and of failed servers."""

    KEY: ClassVar[str] = "later"
    TITLE: ClassVar[str] = "the record of a wave's later launches"
    VERSION: ClassVar[int] = 2

    launches: tuple[Launch, ...] = ()

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"launches": body}


class SquareServer(Part):
    """A server that shares a square of Airflow's grid with others."""

    server_id: str
    hostname: str


class MappedServer(Document):
    """One item of the list that a start task returns: a square of Airflow's grid, with its server.

    ``others`` of a big wave share it.
    """

    KEY: ClassVar[str] = "return_value"
    TITLE: ClassVar[str] = "the server that a mapped task shows"

    server_id: str
    hostname: str
    others: tuple[SquareServer, ...] = ()

    @property
    def hostnames(self) -> dict[str, str]:
        """The hostnames of its servers by id."""
        others = {server.server_id: server.hostname for server in self.others}
        return {self.server_id: self.hostname} | others

    @property
    def label(self) -> str:
        """What the square is called: ``app1``, or ``app1 … app63 (63 servers)``."""
        if not self.others:
            return self.hostname
        return f"{self.hostname} … {self.others[-1].hostname} ({len(self.others) + 1} servers)"


class Tries(Document):
    """What failed before and how the next launch differs, by server id.

    It lies in XCom for the report, and under the same key in the task state store; ``base`` is there the attempt that
    the wave's start handed over.
    """

    KEY: ClassVar[str] = "tries"
    TITLE: ClassVar[str] = "the record of earlier tries"
    VERSION: ClassVar[int] = 2

    base: int | None = None
    servers: dict[str, tuple[Try, ...]] = Field(default_factory=dict)

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return body if isinstance(body, Mapping) and "base" in body else {"servers": body}


class Difference(Part):
    """One thing about an instance that is not what its launch settings asked for."""

    field: str
    wanted: JsonValue = None
    found: JsonValue = None


PLACES: Final = ("subnet_id", "security_group_ids", "private_ip", "interfaces")
"""Launch settings that say where an instance is."""


class InstanceCheck(Part):
    """A server's recovery instance after its launch. ``instance_id`` None: it has no live one.

    ``protected``: EC2 termination protection was switched on; ``not_protected`` says why that was refused.
    """

    instance_id: str | None = None
    is_drill: Flag | None = None
    protected: Flag = False
    not_protected: str | None = None
    differences: tuple[Difference, ...] = ()

    @property
    def is_astray(self) -> bool:
        """Whether it is a drill's and elsewhere than it was asked to be, perhaps in production."""
        return self.is_drill is True and any(difference.field in PLACES for difference in self.differences)


class InstanceChecks(Document):
    """By server id, what its instance is like; also what ``DrsProtectRecoveryInstancesOperator`` returns."""

    KEY: ClassVar[str] = "instances"
    TITLE: ClassVar[str] = "the record of the launched instances"
    VERSION: ClassVar[int] = 2

    servers: dict[str, InstanceCheck] = Field(default_factory=dict)

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"servers": body}


class FollowedJobs(Document):
    """Jobs of a wave after its first ones, while it still goes on; the board reads them."""

    KEY: ClassVar[str] = "drs_followed"
    TITLE: ClassVar[str] = "the list of a wave's later jobs"
    VERSION: ClassVar[int] = 2
    PLACE: ClassVar[StoredIn] = "task_state_store"

    jobs: tuple[FollowedJob, ...] = ()

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"jobs": body}


class WaveDeadline(Document):
    """Until when a wave's launches may take, all rounds together. Time in which it waits for room is added.

    A cleared task has more ``max_tries``, and begins anew.
    """

    KEY: ClassVar[str] = "drs_wave_deadline"
    TITLE: ClassVar[str] = "the deadline of a wave"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    max_tries: int | None
    at: Instant


class WaitingSince(Document):
    """Since when a wave waits for room to launch more; None: it does not wait."""

    KEY: ClassVar[str] = "drs_waiting_since"
    TITLE: ClassVar[str] = "the beginning of a wait for capacity"
    VERSION: ClassVar[int] = 2
    PLACE: ClassVar[StoredIn] = "task_state_store"

    since: OptionalInstant = None

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"since": body}


class HeldSince(Document):
    """Since when a native recovery plan's execution has kept servers from being started; None: none does."""

    KEY: ClassVar[str] = "drs_held_since"
    TITLE: ClassVar[str] = "the beginning of a wait for a native recovery plan"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    since: OptionalInstant = None


class PinnedPoints(Document):
    """Which recovery points a wave's servers were pinned to, by server id; kept before they are launched."""

    KEY: ClassVar[str] = "drs_points"
    TITLE: ClassVar[str] = "the pinned recovery points"
    VERSION: ClassVar[int] = 2
    PLACE: ClassVar[StoredIn] = "task_state_store"

    points: dict[str, Point] = Field(default_factory=dict)

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"points": body}


class LaunchAttempt(Document):
    """Which attempt of a launch this is. ``handed_over``: the task's ``max_tries`` when its jobs were returned."""

    KEY: ClassVar[str] = "drs_launch"
    TITLE: ClassVar[str] = "the number of the launch attempt"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    attempt: int
    handed_over: int | None = None


class RunInstallation(Document):
    """The id of the Airflow that a run is of, as it was when the run began: what is named by it is found by it.

    ``id`` empty: the run began before runs had one, or this Airflow could keep none.
    """

    KEY: ClassVar[str] = "drs_installation"
    TITLE: ClassVar[str] = "the record of the installation"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    id: str


class LaunchIntent(Part):
    """A job that is about to be started: its tags, its servers, and when."""

    tags: dict[str, str]
    servers: tuple[str, ...]
    at: Instant


class LaunchIntents(Document):
    """What was about to be started and is not known to exist; for every server the last of it."""

    KEY: ClassVar[str] = "drs_intent"
    TITLE: ClassVar[str] = "the list of intended launches"
    VERSION: ClassVar[int] = 2
    PLACE: ClassVar[StoredIn] = "task_state_store"

    intents: tuple[LaunchIntent, ...] = ()

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"intents": [body] if isinstance(body, Mapping) else body}


class HandedOver(Document):
    """What a task has started of waves after it, for their own tasks.

    :ivar launches: what was launched, by the task that starts the wave
    :ivar intents: what was about to be launched, and may be, by the same
    :ivar starts: the starts of instances, by the task that watches the wave and by instance id
    """

    KEY: ClassVar[str] = "handed_over"
    TITLE: ClassVar[str] = "the record of what was started of the next waves"

    launches: dict[str, Launch] = Field(default_factory=dict)
    intents: dict[str, tuple[LaunchIntent, ...]] = Field(default_factory=dict)
    starts: dict[str, dict[str, tuple[InstanceStart, ...]]] = Field(default_factory=dict)


class StartedJob(Part):
    """A job that was started: DRS may not show it for a while."""

    job_id: str
    created_at: OptionalInstant = None
    tags: dict[str, str] = Field(default_factory=dict)
    servers: tuple[str, ...] = ()


class StartedJobs(Document):
    """The jobs that a launch has started or adopted, as they were then."""

    KEY: ClassVar[str] = "drs_jobs"
    TITLE: ClassVar[str] = "the list of started jobs"
    VERSION: ClassVar[int] = 2
    PLACE: ClassVar[StoredIn] = "task_state_store"

    jobs: tuple[StartedJob, ...] = ()

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"jobs": [_started(job) for job in body]} if isinstance(body, list | tuple) else body


def _started(job: object) -> object:
    """Read a job in the shape in which DRS describes it."""
    if not isinstance(job, Mapping):
        return job
    servers = job.get("participatingServers") or ()
    return {
        "job_id": job.get("jobID"),
        "created_at": job.get("creationDateTime"),
        "tags": job.get("tags") or {},
        "servers": [server.get("sourceServerID") if isinstance(server, Mapping) else server for server in servers],
    }
