"""The tasks that give a drill a network of its own: prepared beside the other checks, removed after the clean-up."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from drs_provider import clock
from drs_provider.dag.left_alone import skip_where_left_alone
from drs_provider.dag.run_reader import (
    installation_of_run,
    preflight_result,
    purpose_of_run,
    skip_where_nothing_is_launched,
)
from drs_provider.dag.target_region import settle_region
from drs_provider.dag.task_times import LeavesTimes
from drs_provider.dag.waves.job_tags import continued_run
from drs_provider.exceptions import HandoverUnreadable
from drs_provider.operators.drill_network import DrsPrepareDrillNetworkOperator, DrsRemoveDrillNetworkOperator
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.plan.model import VpcNetwork
from drs_provider.rules.run.names import PREPARE_NETWORK_TASK, name_in_group, numbered
from drs_provider.rules.run.roster import Target
from drs_provider.services.signed import pull

if TYPE_CHECKING:
    from drs_provider.hooks.drill_network import DrillNetworkHook
    from drs_provider.rules.run.handover import PreparedNetworks
    from drs_provider.rules.run.shape import PlanTarget, RunShape


class PrepareNetwork(LeavesTimes, DrsPrepareDrillNetworkOperator):
    """Prepare the drill networks of a run in one account and Region, for the servers that preflight has found."""

    template_fields: Sequence[str] = ()  # nothing to render: servers and places come from preflight

    def __init__(self, *, plan: str, target: Target, **kwargs: Any) -> None:
        super().__init__(
            aws_conn_id=target.aws_conn_id, region_name=target.region or None, source_server_ids=(), **kwargs
        )
        self.plan, self.target = plan, target

    def prepare(self, context: Context) -> None:
        """Take the servers of the chosen waves."""
        skip_where_nothing_is_launched(context)
        if not purpose_of_run(context).uses_drill_network:
            raise AirflowSkipException("a recovery launches into production")
        preflight = preflight_result(context, self.plan)
        servers = preflight.servers(self.target)
        if not servers:
            raise AirflowSkipException(f"no server of the chosen waves is in {self.target}")
        settle_region(self, context, self.target)
        self.continue_run, self.installation = preflight.continue_run, preflight.installation
        self.source_server_ids = [server.server_id for server in servers]
        self.placements = {
            server.server_id: server.placement.model_dump(mode="json")
            for server in servers
            if server.placement.is_known
        }


class RemoveNetwork(LeavesTimes, DrsRemoveDrillNetworkOperator):
    """Remove what a run made for its drill networks in one account and Region; a recovery has none."""

    template_fields: Sequence[str] = ()

    def __init__(self, *, place: "PlanTarget", digest: str, prepare_task_id: str, **kwargs: Any) -> None:
        target = place.target
        super().__init__(aws_conn_id=target.aws_conn_id, region_name=target.region or None, **kwargs)
        self.place, self.digest, self.prepare_task_id = place, digest, prepare_task_id

    def prepare(self, context: Context) -> None:
        """Take the networks that were prepared; without them what carries the run's tags is removed all the same."""
        from drs_provider.rules.run.handover import PreparedNetworks

        skip_where_nothing_is_launched(context)
        if not purpose_of_run(context).uses_drill_network:
            raise AirflowSkipException("a recovery has no drill network")
        skip_where_left_alone(context, self.place, self.digest)
        settle_region(self, context, self.place.target)
        try:
            prepared = pull(context["ti"], self.prepare_task_id, PreparedNetworks)
        except HandoverUnreadable as error:
            self.log.warning("%s. What carries the tags of this run is removed all the same", error)
            prepared = None
        self.network = prepared.to_json() if prepared else None
        self.continue_run, self.installation = continued_run(context), installation_of_run(context)


def network_tasks(shape: "RunShape") -> None:
    """Build what prepares the networks of a plan's drills, in the current group."""
    network = shape.plan.drill.network
    for place in shape.targets:
        if place.prepare_network_task:
            PrepareNetwork(
                task_id=name_in_group(place.prepare_network_task),
                task_display_name=place.titled("Network"),
                plan=shape.plan.name,
                target=place.target,
                network=network.vpc if isinstance(network, VpcNetwork) else network,
                endpoints=shape.needs_endpoints,
                lives_for=shape.lifetime,
            )


def network_of(context: Context, number: int = 1) -> "PreparedNetworks":
    """Return what ``preflight.network`` prepared for the account and Region of this number, counted from 1.

    :raises RunRefused: there is none, or it leads out
    """
    from drs_provider.rules.run.handover import PreparedNetworks
    from drs_provider.services.drill.network import ensure_prepared

    task = numbered(PREPARE_NETWORK_TASK, number)
    found = pull_newest(context, task, PreparedNetworks)
    return ensure_prepared(found, task)


def ensure_still_isolated(prepared: "PreparedNetworks", aws: Mapping[str, Any], *, now: datetime | None = None) -> None:
    """Prove networks anew before a launch into them where their last proof is old.

    :param aws: the arguments of the hook of their account and Region
    :raises NotIsolated: there is a way out now
    """
    from drs_provider.services.drill import network as drill_network

    def hook() -> "DrillNetworkHook":
        from drs_provider.hooks.drill_network import DrillNetworkHook

        return DrillNetworkHook(**aws)

    drill_network.ensure_still_isolated(hook, prepared, now=now or clock.now())
