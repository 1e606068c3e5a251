"""What a protection group and a recovery plan consist of, as frozen models whose attributes are the YAML names."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.annotated_handlers import GetJsonSchemaHandler
from pydantic_core import CoreSchema

from drs_provider.plan.fields import (
    SERVER_ID_PATTERN,
    Count,
    Dollars,
    Duration,
    Flag,
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
    ServerId,
    Share,
    ShareField,
    Text,
    Timezone,
    TopicArn,
)
from drs_provider.plan.parts.failback import (
    Failback,
    FailbackCleanUp,
    FailbackDrill,
    FailbackOrigin,
    Migration,
)
from drs_provider.plan.parts.launch_settings import Fallback, LaunchAction, LaunchSettings
from drs_provider.plan.parts.network import NETWORK_FORMS, Network, VpcNetwork
from drs_provider.plan.parts.people import Approval, Commit, Pause
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


LaunchTime = Literal["in_waves", "ahead"]
"""When servers are launched: in their wave's turn, or stopped and ahead of all waves, which only start them then."""


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


# The whole language can be imported from here; its biggest families have files of their own.
__all__ = [
    "EVENTS",
    "NETWORK_FORMS",
    "AnyStep",
    "Approval",
    "Commit",
    "Drill",
    "EmailNotification",
    "Failback",
    "FailbackCleanUp",
    "FailbackDrill",
    "FailbackOrigin",
    "Fallback",
    "LaunchAction",
    "LaunchSettings",
    "Member",
    "Migration",
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
    failback_launch: LaunchSettings = LaunchSettings()
    """Launch settings of this server in its origin Region, laid over those of the group."""

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
    origin: FailbackOrigin | None = None
    """Where these servers go back to, laid over the origin of a plan's failback."""
    failback_launch: LaunchSettings = LaunchSettings()
    """Settings in the origin Region, laid over the launch settings of a plan's failback."""


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


class Recovery(PlanPart):
    """What holds for a real recovery only."""

    approval: Approval | None = None
    """Who must agree first."""
    max_lag: LongerThanZero | None = None
    """Above this lag the run asks a person; it never refuses by itself."""
    commit: Commit | None = None
    """The question at its end: commit or roll back; left out, there is none."""


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
    launch: LaunchTime | None = None
    """in_waves or ahead, for this wave alone; left out, what the plan says."""
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
    migration: Migration = Migration()
    """What holds for a planned migration only."""
    failback: Failback | None = None
    """The way back; left out, the plan has none."""
    notify: tuple[Notification, ...] = ()
    """Who is told what."""
    launch: LaunchTime = "in_waves"
    """ahead: all servers are launched at once, stopped, and the waves say when their instances start."""
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


def waves_above(depends_on: Mapping[str, Sequence[str]], wave: str) -> set[str]:
    """Give the waves that a wave waits for, and all that those wait for; a circle has an end."""
    reached: set[str] = set()
    todo = list(depends_on[wave])
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += depends_on.get(name, ())
    return reached


def failback_dependencies(plan: RecoveryPlan) -> dict[str, tuple[str, ...]]:
    """Give every wave's dependencies on the way back, in the order in which a reader expects the waves.

    Reversed, a wave waits for those that wait for it on the way there.
    """
    there = wave_dependencies(plan)
    if plan.failback is None or plan.failback.order == "same":
        return there
    back = tuple(reversed(there))
    return {name: tuple(other for other in back if name in there[other]) for name in back}


def origin_of_group(plan: RecoveryPlan, group: ProtectionGroup) -> FailbackOrigin:
    """Give where the servers of a group go back to: the group's own words over the plan's.

    ``aws_conn_id`` is always there; ``region`` None: the one that DRS names for each server.
    """
    of_plan = plan.failback.origin if plan.failback else FailbackOrigin()
    own = group.origin or FailbackOrigin()
    return FailbackOrigin(
        region=own.region or of_plan.region, aws_conn_id=own.aws_conn_id or of_plan.aws_conn_id or group.aws_conn_id
    )


def stops_writes(owner: RecoveryPlan | Wave) -> bool:
    """Whether a step that stands before a plan's waves, or before the launch of a wave, stops writes in a migration."""
    return any(step.when == "migration" for step in owner.before)


def has_migrations(plan: RecoveryPlan) -> bool:
    """Whether a plan says how its writes are stopped: no other can be migrated without a loss."""
    return stops_writes(plan) or any(stops_writes(wave) for wave in plan.waves)


def is_launched_ahead(plan: RecoveryPlan, wave: Wave) -> bool:
    """Whether a wave's servers are launched stopped ahead of all waves: by its own word, or else by the plan's."""
    return bool(wave.groups) and (wave.launch or plan.launch) == "ahead"


SHARED = "shared"


def has_network(plan: RecoveryPlan) -> bool:
    """Whether drills of a plan get a network of their own."""
    return plan.drill.network != SHARED
