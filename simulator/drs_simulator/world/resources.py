"""The things of the simulated world, as plain data: source servers, jobs, recovery instances, networks, Regions.

Times named `…_s` are simulated seconds; timestamps are kept as the text that goes over the wire.
"""

from dataclasses import dataclass, field
from typing import Any

from drs_simulator.faults.engine import ServerFacts
from drs_simulator.fleet.model import RegionSpec, ServerSpec
from drs_simulator.ids import arn
from drs_simulator.world.replication import Replication
from drs_simulator.world.stages import Stage

Key = tuple[str, str]
"""Account and Region."""


@dataclass
class SourceServer:
    """A server that DRS protects, in its recovery account and Region."""

    id: str
    account: str
    region: str
    spec: ServerSpec
    replication: Replication
    tags: dict[str, str]
    added: str
    launch: dict[str, Any]
    """Its LaunchConfiguration, without sourceServerID."""
    replication_settings: dict[str, object]
    direction: str = "FAILOVER"
    is_disconnected: bool = False
    instance_id: str | None = None
    """Its present recovery instance."""
    last_launch: dict[str, object] | None = None
    last_launch_result: str = "NOT_STARTED"
    hints_instance_id: str | None = None
    reversed_arn: str | None = None
    staging_arn: str | None = None
    network_id: str | None = None
    actions: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Account and Region."""
        return self.account, self.region

    @property
    def arn(self) -> str:
        """The ARN."""
        return arn("drs", self.region, self.account, "source-server", self.id)

    @property
    def facts(self) -> ServerFacts:
        """It, as faults see it."""
        return ServerFacts(self.id, self.spec.hostname, self.tags)


@dataclass
class Participant:
    """One server (or network) in a job."""

    id: str
    stages: tuple[Stage, ...] = ()
    position: int = 0
    status: str = "PENDING"
    history: list[tuple[float, str]] = field(default_factory=list)
    factor: float = 1.0
    snapshot_s: float | None = None
    """Pinned point in time."""
    instance_id: str | None = None
    is_over: bool = False
    is_silent: bool = False
    held_by: str | None = None
    """Id of the fault that holds it."""
    actions: dict[str, Any] | None = None
    """Its launchActionsStatus."""
    landed: dict[str, str] | None = None
    """Where and as what its instance was launched: ``subnet_id``, ``instance_type``."""


@dataclass
class Job:
    """A DRS job."""

    id: str
    account: str
    region: str
    type: str
    initiated_by: str
    created: str
    created_s: float
    tags: dict[str, str]
    participants: dict[str, Participant]
    status: str = "PENDING"
    ended: str | None = None
    history: list[tuple[float, str]] = field(default_factory=list)
    log: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    is_network_job: bool = False
    visible_from_s: float = 0.0
    instances_invisible_s: float = 0.0
    held_by: str | None = None
    plan_step: str | None = None
    """ARN of the native plan execution step that started it."""
    tags_given: dict[str, str] = field(default_factory=dict)
    """The tags that it was started with, whatever has become of them."""

    @property
    def key(self) -> Key:
        """Account and Region."""
        return self.account, self.region

    @property
    def arn(self) -> str:
        """The ARN."""
        return arn("drs", self.region, self.account, "job", self.id)

    @property
    def is_drill(self) -> bool:
        """Whether it launches drill instances."""
        return self.initiated_by == "START_DRILL"


@dataclass
class FailbackClient:
    """A machine in a data centre that a person has booted from the failback client."""

    id: str
    replication: Replication
    to_original: bool
    lost_s: float | None = None
    """Simulated second since which it is not seen."""
    is_over: bool = False
    """Whether it was converted and runs what was copied."""


@dataclass
class RecoveryInstance:
    """What DRS knows of an instance that it launched."""

    id: str
    account: str
    region: str
    server_id: str
    job_id: str
    is_drill: bool
    point_in_time: str
    launched_s: float
    visible_from_s: float
    tags: dict[str, str]
    origin_zone: str | None
    is_from_failback: bool = False
    is_disconnected: bool = False
    terminated_s: float | None = None
    failback_state: str = "FAILBACK_NOT_STARTED"
    failback_began: str | None = None
    failback_job: str | None = None
    failback_launch_type: str | None = None
    reverse_server: tuple[str, str, str] | None = None
    """Account, Region and id of the server that replicates it back."""
    was_reversed: bool = False
    has_booted: bool = True
    """False: DRS has launched it stopped, and nobody has started it yet."""
    client: "FailbackClient | None" = None
    """Who copies it to a machine in a data centre."""
    failback_settings: dict[str, object] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The ARN."""
        return arn("drs", self.region, self.account, "recovery-instance", self.id)


@dataclass
class SourceNetwork:
    """A VPC that DRS protects."""

    id: str
    account: str
    region: str
    vpc: str
    origin_account: str
    origin_region: str
    tags: dict[str, str]
    began_s: float | None = None
    """Simulated second at which its replication began; None: stopped."""
    stack: str | None = None
    launched_vpc: str | None = None
    last_recovery: dict[str, object] | None = None

    @property
    def arn(self) -> str:
        """The ARN."""
        return arn("drs", self.region, self.account, "source-network", self.id)


@dataclass
class Plan:
    """A native Recovery Plan."""

    arn: str
    name: str
    description: str | None
    created: str
    updated: str
    tags: dict[str, str]
    steps: list[dict[str, Any]] = field(default_factory=list)
    """RecoveryPlanStep without stepOrder: the position is the order."""
    token: str | None = None


@dataclass
class Execution:
    """A run of a native Recovery Plan."""

    arn: str
    plan_arn: str
    mode: str
    status: str
    started: str
    tags: dict[str, str]
    steps: list[dict[str, Any]]
    """RecoveryPlanExecutionStep each."""
    snapshots: dict[str, str] = field(default_factory=dict)
    completed: str | None = None
    error: dict[str, str] | None = None
    token: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether it will not go on by itself."""
        return self.status in {"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"}


@dataclass
class Region:
    """Everything that DRS has in one account and Region."""

    account: str
    name: str
    spec: RegionSpec
    initialized: bool = True
    has_default_vpc: bool = True
    subnets: dict[str, str] = field(default_factory=dict)
    """Subnet id by the name in the fleet file."""
    servers: dict[str, SourceServer] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    unfinished: dict[str, Job] = field(default_factory=dict)
    busy: dict[str, str] = field(default_factory=dict)
    """Job id by the source server (or network) that it holds."""
    instances: dict[str, RecoveryInstance] = field(default_factory=dict)
    networks: dict[str, SourceNetwork] = field(default_factory=dict)
    launch_templates: dict[str, dict[str, object]] = field(default_factory=dict)
    template_actions: dict[str, dict[str, dict[str, object]]] = field(default_factory=dict)
    replication_templates: dict[str, dict[str, Any]] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)
    plan_held: dict[str, str] = field(default_factory=dict)
    """Execution ARN by source server."""
    deleted_jobs: dict[str, Job] = field(default_factory=dict)
    """What DRS does not know any more: the control plane still tells it."""
    behind_drs: list[dict[str, object]] = field(default_factory=list)
    """What faults have done that DRS does not tell, oldest first: ``at``, ``what``, ``id``, and ``servers``."""
    starts: list[dict[str, object]] = field(default_factory=list)
    """Starts in EC2 of what DRS has launched, oldest first: ``at``, ``id``, ``server``, ``first_boot``, ``ran``."""

    @property
    def key(self) -> Key:
        """Account and Region."""
        return self.account, self.name
