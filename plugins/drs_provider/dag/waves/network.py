"""The tasks that give a drill a network of its own: prepared beside the other checks, removed after the clean-up."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowSkipException

from drs_provider.dag.run_reader import preflight_result
from drs_provider.exceptions import NotIsolated, RunRefused
from drs_provider.operators.drill_network import DrsPrepareDrillNetworkOperator, DrsRemoveDrillNetworkOperator
from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import VpcNetwork, has_network
from drs_provider.rules.run.keys import NETWORK
from drs_provider.rules.run.names import PREPARE_NETWORK_TASK
from drs_provider.rules.run.request import is_drill
from drs_provider.rules.run.roster import Target, targets_of
from drs_provider.rules.run.timing import lifetime_of

_ON_INSTANCES = ("ssm_command",)
_IN_DRILLS = ("drill", "always")

PROOF_LASTS = timedelta(minutes=15)
"""A wave that starts later than this after the last proof is proven anew before it launches."""


class PrepareNetwork(DrsPrepareDrillNetworkOperator):
    """Prepare the drill networks of a run in one account and Region, for the servers that preflight has found."""

    template_fields: Sequence[str] = ()  # nothing to render: servers and places come from preflight

    def __init__(self, *, plan: str, target: Target, **kwargs: Any) -> None:
        super().__init__(
            aws_conn_id=target.aws_conn_id, region_name=target.region or None, source_server_ids=(), **kwargs
        )
        self.plan, self.target = plan, target

    def prepare(self, context: Context) -> None:
        """Take the servers of the chosen waves."""
        if not is_drill(context["params"]["mode"]):
            raise AirflowSkipException("a recovery launches into production")
        found = preflight_result(context, self.plan)
        servers = servers_to_place(found, self.target)
        if not servers:
            raise AirflowSkipException(f"no server of the chosen waves is in {self.target}")
        self.source_server_ids = [server["server_id"] for server in servers]
        self.placements = {one["server_id"]: one["placement"] for one in servers if _is_known(one.get("placement"))}


class RemoveNetwork(DrsRemoveDrillNetworkOperator):
    """Remove what a run made for its drill networks in one account and Region; a recovery has none."""

    template_fields: Sequence[str] = ()

    def __init__(self, *, target: Target, prepare_task_id: str, **kwargs: Any) -> None:
        super().__init__(aws_conn_id=target.aws_conn_id, region_name=target.region or None, **kwargs)
        self.prepare_task_id = prepare_task_id

    def prepare(self, context: Context) -> None:
        """Take the networks that were prepared; without them what carries the run's tags is removed all the same."""
        if not is_drill(context["params"]["mode"]):
            raise AirflowSkipException("a recovery has no drill network")
        self.network = context["ti"].xcom_pull(task_ids=self.prepare_task_id, key=NETWORK)


def network_of(context: Context, number: int = 1) -> Mapping[str, Any]:
    """Return what ``preflight.network`` prepared for the account and Region of this number, counted from 1.

    :raises RunRefused: there is none, or it leads out: a task that was marked as successful has prepared nothing
    """
    task = _numbered(PREPARE_NETWORK_TASK, number)
    found: Mapping[str, Any] | None = context["ti"].xcom_pull(task_ids=task, key=NETWORK)
    if not found or not all(one["proof"]["isolated"] for one in found["networks"]):
        raise RunRefused(
            f"{task} has not prepared an isolated network in this run (a task that is marked as successful prepares "
            f"nothing): nothing is launched. Clear {task} to prepare it"
        )
    return found


def ensure_still_isolated(network: Mapping[str, Any], aws: Mapping[str, Any], *, now: datetime | None = None) -> None:
    """Prove networks anew where the last proof is older than ``PROOF_LASTS``; for what is about to launch into them.

    :param aws: the arguments of the hook of their account and Region
    :raises NotIsolated: there is a way out now
    """
    proven = datetime.fromisoformat(network["checked_at"])
    if (now or datetime.now(UTC)) < proven + PROOF_LASTS:
        return
    from drs_provider.hooks.drill_network import DrillNetworkHook
    from drs_provider.services.drill_network import leaks_of, prove_again

    proofs = prove_again(DrillNetworkHook(**aws), network)
    if leaks := leaks_of({"networks": [{"vpc_id": one["vpc_id"], "proof": one} for one in proofs]}):
        raise NotIsolated(leaks)


def servers_to_place(preflight: Mapping[str, Any], target: Target) -> list[dict[str, Any]]:
    """Return the servers of the chosen waves that preflight found in one account and Region."""
    return [
        server
        for wave in preflight["waves"].values()
        if wave["selected"]
        for part in wave["targets"]
        if (part["aws_conn_id"], part["region"]) == (target.aws_conn_id, target.region)
        for server in part["servers"]
    ]


def prepare_tasks(runnable: RunnablePlan) -> list[PrepareNetwork]:
    """Build the tasks of ``preflight`` in the current DAG, one for each account and Region; none if shared."""
    plan = runnable.plan
    if not has_network(plan):
        return []
    return [
        PrepareNetwork(
            task_id=_numbered("network", number),
            task_display_name="Network" if number == 1 else f"Network ({target.region})",
            plan=plan.name,
            target=target,
            network=plan.drill.network.vpc if isinstance(plan.drill.network, VpcNetwork) else plan.drill.network,
            endpoints=needs_endpoints(runnable),
            lives_for=lifetime_of(plan),
        )
        for number, target in enumerate(targets_of(list(runnable.groups.values())), start=1)
    ]


def remove_tasks(runnable: RunnablePlan) -> list[Any]:
    """Build the teardowns of ``finish`` in the current DAG, one for each account and Region; none if shared."""
    if not has_network(runnable.plan):
        return []
    return [
        RemoveNetwork(
            task_id=_numbered("remove_network", number),
            task_display_name="Remove network" if number == 1 else f"Remove network ({target.region})",
            target=target,
            prepare_task_id=_numbered(PREPARE_NETWORK_TASK, number),
            retries=3,
        ).as_teardown()
        for number, target in enumerate(targets_of(list(runnable.groups.values())), start=1)
    ]


def needs_endpoints(runnable: RunnablePlan) -> bool:
    """Whether a drill runs anything on its instances: steps with SSM, or DRS launch actions."""
    plan = runnable.plan
    steps = [*plan.before, *plan.after, *(step for wave in plan.waves for step in (*wave.before, *wave.after))]
    settings = [one for group in runnable.groups.values() for one in (group.launch, group.drill_launch)]
    settings += [member.launch for group in runnable.groups.values() for member in group.servers]
    return any(step.kind in _ON_INSTANCES and step.when in _IN_DRILLS for step in steps) or any(
        one.actions for one in settings if one is not None
    )


def _is_known(placement: Mapping[str, Any] | None) -> bool:
    return bool(placement) and any((placement or {}).get(key) for key in ("subnet_id", "vpc_id"))


def _numbered(task_id: str, number: int) -> str:
    return task_id if number == 1 else f"{task_id}_{number}"
