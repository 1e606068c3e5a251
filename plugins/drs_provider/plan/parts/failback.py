"""The way back, and the way there that is planned: what a plan says of failbacks and migrations."""

from datetime import timedelta
from typing import Literal

from drs_provider.plan.fields import Dollars, Duration, LongerThanZero, PlanPart, Region, Text
from drs_provider.plan.parts.launch_settings import LaunchSettings
from drs_provider.plan.parts.network import Network
from drs_provider.plan.parts.people import Approval, People


class FailbackOrigin(PlanPart):
    """Where servers come from, and go back to."""

    region: Region | None = None
    """The origin Region; left out, the one that DRS names for each server."""
    aws_conn_id: Text | None = None
    """The Airflow connection for the origin; left out, the group's own."""


class FailbackCleanUp(PlanPart):
    """Who must agree before the recovered instances are destroyed."""

    approvers: People
    """Airflow users, any of whom may agree."""


class FailbackDrill(PlanPart):
    """How the failback is rehearsed, in the origin Region."""

    network: Network = "isolated"
    """Where its instances live: isolated, shared, or a standing drill network of the origin."""
    keep_for: Duration = timedelta(0)
    """How long its instances live before they are cleaned up."""
    max_cost: Dollars | None = None
    """US dollars; a failback drill whose estimate is higher is refused."""


class Failback(PlanPart):
    """How servers go back to where they came from. A plan that has it gets the DAG ``drs.<name>.failback``."""

    origin: FailbackOrigin = FailbackOrigin()
    """Where they go back to; a group may have an origin of its own."""
    order: Literal["same", "reversed"] = "same"
    """The order of the waves on the way back."""
    max_lag: LongerThanZero | None = None
    """Above this replication lag the cut-over asks people; left out, the plan's rpo."""
    approval: Approval | None = None
    """Who must agree to the cut-over."""
    clean_up: FailbackCleanUp | None = None
    """Who must agree to the destruction of the recovered instances; left out, any one user who may answer."""
    drill: FailbackDrill = FailbackDrill()
    """How the failback is rehearsed."""
    launch: LaunchSettings = LaunchSettings()
    """Settings applied to every server before it is launched in the origin Region."""


class Migration(PlanPart):
    """A recovery that is planned: the sources are there, and nothing that they wrote is lost."""

    stop_sources: Approval | None = None
    """EC2 sources are stopped once these people have agreed to every instance by name; left out, they run on."""
    max_lag: LongerThanZero | None = None
    """A migration is refused above this replication lag; left out, the plan's rpo."""
    sync_timeout: LongerThanZero = timedelta(hours=1)
    """How long it waits for recovery points that hold everything that the sources wrote."""
