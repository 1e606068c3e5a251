"""What a protection group and a recovery plan consist of, as frozen models whose attributes are the YAML names."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic.annotated_handlers import GetJsonSchemaHandler
from pydantic_core import CoreSchema

from drs_provider.plan.fields import (
    SERVER_ID_PATTERN,
    Address,
    Count,
    Dollars,
    Duration,
    Flag,
    InstanceType,
    Json,
    Label,
    Like,
    Line,
    LongerThanZero,
    Name,
    OneOrMore,
    Ordinal,
    PlanPart,
    Region,
    Schedule,
    SecurityGroupId,
    ServerId,
    Share,
    ShareField,
    SubnetId,
    Text,
    Timezone,
    TopicArn,
    VpcId,
)
from drs_provider.plan.step_kinds import AnyStep
from drs_provider.plan.steps import Step

Event = Literal["started", "paused", "wave_failed", "wave_completed", "completed", "failed", "rto_at_risk", "clean_up"]


EVENTS: tuple[Event, ...] = (
    "started",
    "paused",
    "wave_failed",
    "wave_completed",
    "completed",
    "failed",
    "rto_at_risk",
    "clean_up",
)


DEFAULT_EVENTS: tuple[Event, ...] = tuple(event for event in EVENTS if event != "wave_completed")
"""All but the one that says nothing new: a run that goes well tells of its start and of its end."""


EmailAddress = Annotated[str, Like(r"^[^@\s<>,;\"]+@[^@\s<>,;\"]+$", "an email address such as ops@example.org")]


Events = Annotated[tuple[Event, ...], Field(min_length=1)]


class SnsNotification(PlanPart):
    """Tells an SNS topic."""

    kind: Literal["sns"]
    topic_arn: TopicArn
    """The topic."""
    aws_conn_id: Text = "aws_default"
    """The Airflow connection."""
    on: Events = DEFAULT_EVENTS
    """What is told."""


class WebhookNotification(PlanPart):
    """Tells an HTTP endpoint."""

    kind: Literal["webhook"]
    http_conn_id: Text
    """The Airflow HTTP connection, which holds the address and the secret."""
    on: Events = DEFAULT_EVENTS
    """What is told."""


class EmailNotification(PlanPart):
    """Writes mails."""

    kind: Literal["email"]
    to: tuple[EmailAddress, ...] = ()
    """Addresses that all get the same mail."""
    people: Mapping[Text, EmailAddress] = Field(default_factory=dict)
    """Addresses of Airflow users, each with a mail of its own."""
    smtp_conn_id: Text = "smtp_default"
    """The Airflow connection: server, login, sender."""
    on: Events = DEFAULT_EVENTS
    """What is told."""


Notification = Annotated[SnsNotification | WebhookNotification | EmailNotification, Field(discriminator="kind")]


class Fallback(PlanPart):
    """What is tried, in order, when EC2 has no capacity for the first choice."""

    instance_types: tuple[InstanceType, ...] = ()
    """Instance types to try next."""
    subnet_ids: tuple[SubnetId, ...] = ()
    """Subnets, and so Availability Zones, to try next."""


class LaunchAction(PlanPart):
    """A DRS post-launch action: an SSM document that DRS runs on the launched instance."""

    code: Text
    """The SSM document, for example AWS-RunShellScript."""
    name: Text
    """What the action is called in DRS."""
    optional: Flag = False
    """Whether the launch counts as good when the action fails."""
    parameters: Json = Field(default_factory=dict)
    """The document's parameters: the name of an SSM parameter for each, or {dynamic: NAME}; DRS takes no values."""


class LaunchSettings(PlanPart):
    """Settings applied to a source server before it is launched; what is left out is left alone."""

    instance_type: InstanceType | None = None
    """EC2 instance type, for example m6i.large."""
    subnet_id: SubnetId | None = None
    """Subnet of the recovery instance."""
    security_group_ids: Annotated[tuple[SecurityGroupId, ...], Field(min_length=1)] | None = None
    """Security groups of the recovery instance."""
    instance_profile: Text | None = None
    """IAM instance profile, by name."""
    private_ip: Address | None = None
    """A fixed private IPv4 address; only where one server is meant."""
    right_sizing: Literal["none", "basic", "in_aws"] | None = None
    """How DRS chooses the instance type by itself."""
    copy_private_ip: Flag | None = None
    """Give the instance the private address of its source server."""
    copy_tags: Flag | None = None
    """Copy the source server's tags to the instance."""
    os_byol: Flag | None = None
    """Bring your own operating-system licence."""
    disposition: Literal["started", "stopped"] | None = None
    """Whether the instance is running or stopped after the launch."""
    recovery_mode: Literal["optimal", "fast"] | None = None
    """fast skips the conversion where the agent allows it."""
    protect: Flag | None = None
    """EC2 termination protection after a real recovery; on where nothing is said."""
    fallback: Fallback | None = None
    """What to try when capacity is missing."""
    actions: tuple[LaunchAction, ...] | None = None
    """DRS post-launch actions, in order; left out, those that there are stay."""


# The whole language can be imported from here; its two biggest families have files of their own.
__all__ = [
    "EVENTS",
    "NETWORK_FORMS",
    "AnyStep",
    "Approval",
    "Drill",
    "EmailNotification",
    "Fallback",
    "LaunchAction",
    "LaunchSettings",
    "Member",
    "Network",
    "Notification",
    "Pause",
    "ProtectionGroup",
    "Recovery",
    "RecoveryPlan",
    "Selection",
    "SnsNotification",
    "Step",
    "TagFilter",
    "VpcNetwork",
    "Wave",
    "WebhookNotification",
]


class Member(PlanPart):
    """A source server that a group names."""

    id: ServerId
    """DRS's id of the source server."""
    order: Ordinal = 1
    """Boot order inside the group: lower first, equal together."""
    critical: Flag = True
    """Whether the wave fails when this server fails."""
    launch: LaunchSettings = LaunchSettings()
    """Launch settings of this server, laid over those of the group."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "pattern": SERVER_ID_PATTERN}, handler(schema)]}


def _long_form(written: object) -> object:
    return {"id": written} if isinstance(written, str) else written


TagValues = Mapping[Text, OneOrMore]


class TagFilter(PlanPart):
    """Tags that a source server must have: all keys, and any of a key's values; ``*`` stands for anything."""

    tags: Annotated[TagValues, Field(min_length=1)]
    """Tag keys, each with a value or a list of values."""


class Selection(TagFilter):
    """Members found by tag, afresh whenever a run starts."""

    not_: Annotated[TagFilter | None, Field(alias="not")] = None
    """Servers that match this are left out."""


class ProtectionGroup(PlanPart):
    """Source servers that are recovered together."""

    kind: Literal["ProtectionGroup"]
    name: Name
    """What plans call the group; unique over all files."""
    description: Text | None = None
    """One sentence for people."""
    region: Region | None = None
    """The recovery Region, where DRS keeps these source servers; left out, the Region of the connection."""
    aws_conn_id: Text = "aws_default"
    """The Airflow connection: account, role, external id, endpoint."""
    servers: tuple[Annotated[Member, BeforeValidator(_long_form)], ...] = ()
    """Members by id."""
    select: Selection | None = None
    """Members by tag."""
    launch: LaunchSettings = LaunchSettings()
    """Settings applied to every member before it is launched."""
    drill_launch: LaunchSettings = LaunchSettings()
    """Laid over ``launch`` in a drill."""


class VpcNetwork(PlanPart):
    """A network that stands ready for drills."""

    vpc: VpcId
    """Its id."""


NETWORK_FORMS = ("network_word", "network_vpc")
"""How pydantic marks the two forms of a network in the locations of its errors."""


def _network_form(written: Any) -> str:
    return NETWORK_FORMS[isinstance(written, (dict, VpcNetwork))]


Network = Annotated[
    Annotated[Literal["isolated", "shared"], Tag(NETWORK_FORMS[0])] | Annotated[VpcNetwork, Tag(NETWORK_FORMS[1])],
    Discriminator(_network_form),
]


class Drill(PlanPart):
    """How the plan is rehearsed."""

    schedule: Schedule | None = None
    """A cron expression or one of Airflow's presets. Only drills are ever scheduled."""
    timezone: Timezone = "UTC"
    """The time zone of the schedule."""
    network: Network = "isolated"
    """Where drill instances live: isolated, shared, or a standing drill network."""
    keep_for: Duration = timedelta(0)
    """How long drill instances live before they are cleaned up."""
    max_lag: LongerThanZero | None = None
    """A drill is refused above this replication lag; left out, the plan's rpo."""
    max_cost: Dollars | None = None
    """US dollars; a drill whose estimate is higher is refused."""
    valid_for: LongerThanZero | None = None
    """How long a passed drill keeps the plan verified."""


class Approval(PlanPart):
    """Who must agree before a real recovery."""

    required: Ordinal = 1
    """How many must agree."""
    approvers: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Airflow users who may agree."""
    timeout: LongerThanZero = timedelta(minutes=30)
    """How long the run waits for them."""


class Recovery(PlanPart):
    """What holds for a real recovery only."""

    approval: Approval | None = None
    """Who must agree first."""
    max_lag: LongerThanZero | None = None
    """Above this lag the run asks a person; it never refuses by itself."""


class Pause(PlanPart):
    """A question to people before a wave."""

    message: Text
    """What is asked."""
    approvers: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Airflow users who may answer."""
    timeout: LongerThanZero = timedelta(hours=2)
    """How long the run waits for an answer."""
    on_timeout: Literal["fail", "continue"] = "fail"
    """What happens when nobody answers."""


class Wave(PlanPart):
    """Groups that are recovered together, and the steps around that."""

    name: Name
    """The wave's name, unique in the plan; also the name of its task group."""
    groups: tuple[Name, ...] = ()
    """The protection groups of the wave."""
    depends_on: tuple[Name, ...] | None = None
    """Waves that must be done first; left out, the wave above; an empty list, none."""
    tolerate_failures: ShareField = Share(0)
    """The share of the wave's critical servers that may fail."""
    retry_failed: Count = 0
    """How often failed servers are launched again."""
    timeout: LongerThanZero = timedelta(hours=2)
    """How long the wave's recovery jobs may take, all of them together."""
    ready: Literal["launched", "running", "status_checks"] = "running"
    """When a server counts as recovered."""
    delay_before: Duration = timedelta(0)
    """How long the wave waits after the waves it depends on."""
    pause_before: Pause | None = None
    """A question to people before the wave."""
    before: tuple[AnyStep, ...] = ()
    """Steps before the launch."""
    after: tuple[AnyStep, ...] = ()
    """Steps after the launch."""


class ScheduledCheck(PlanPart):
    """When it is looked whether a drill could be run."""

    schedule: Schedule
    """A cron expression or one of Airflow's presets."""
    timezone: Timezone = "UTC"
    """The time zone of the schedule."""


class RecoveryPlan(PlanPart):
    """Waves of protection groups, in the order in which they depend on each other."""

    kind: Literal["RecoveryPlan"]
    name: Name
    """The plan's name; its DAG is ``drs.<name>``."""
    title: Line | None = None
    """What the UI shows; left out, the name."""
    description: Text | None = None
    """What the plan is for."""
    owner: Line | None = None
    """The team that owns the plan."""
    tags: tuple[Label, ...] = ()
    """Tags of the DAG."""
    rto: LongerThanZero | None = None
    """Recovery time objective, measured against in every run."""
    rpo: LongerThanZero | None = None
    """Recovery point objective, measured against in every run."""
    drill: Drill = Drill()
    """How the plan is rehearsed."""
    check: ScheduledCheck | None = None
    """When checks are run by schedule: everything that a drill needs is looked at, and nothing is launched."""
    recovery: Recovery = Recovery()
    """What holds for a real recovery only."""
    notify: tuple[Notification, ...] = ()
    """Who is told what."""
    waves: Annotated[tuple[Wave, ...], Field(min_length=1)]
    """The waves; their order matters only where ``depends_on`` is left out."""
    before: tuple[AnyStep, ...] = ()
    """Steps before all waves."""
    after: tuple[AnyStep, ...] = ()
    """Steps after all waves."""


def wave_dependencies(plan: RecoveryPlan) -> dict[str, tuple[str, ...]]:
    """Give every wave's dependencies, in the plan's order; ``depends_on`` left out means the wave above."""
    names = [wave.name for wave in plan.waves]
    above: list[tuple[str, ...]] = [(), *((name,) for name in names[:-1])]
    return {
        wave.name: default if wave.depends_on is None else wave.depends_on
        for wave, default in zip(plan.waves, above, strict=True)
    }


SHARED = "shared"


def has_network(plan: RecoveryPlan) -> bool:
    """Whether drills of a plan get a network of their own."""
    return plan.drill.network != SHARED
