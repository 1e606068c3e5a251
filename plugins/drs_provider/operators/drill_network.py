"""Drill networks for any DAG: prepare one that cannot reach production, and remove it when the drill is over."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Context
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from drs_provider.exceptions import DrillNetworkLeft, NotIsolated, RunRefused
from drs_provider.formatting import parse_instant
from drs_provider.operators.base import AWS_FIELDS, DrsOperator, failing_for_good
from drs_provider.operators.template_values import rendered_bool, rendered_ids, rendered_mapping
from drs_provider.rules.launch.tags import drill_tags, run_key
from drs_provider.rules.run.keys import NETWORK, REMOVED

if TYPE_CHECKING:
    from drs_provider.hooks.drill_network import DrillNetworkHook


LOOK_AGAIN_AFTER = timedelta(seconds=5)
MOST_PAUSE = timedelta(minutes=1)

_FORMS = "write isolated, or the id of a standing drill network (vpc-…)"


class _DrillNetworkOperator(DrsOperator):
    """What both have in common: the hook that makes and removes."""

    @cached_property
    def networks(self) -> "DrillNetworkHook":
        """The hook of this task's account and Region, made when first asked for."""
        from drs_provider.hooks.drill_network import DrillNetworkHook

        return DrillNetworkHook(**self.aws)


class DrsPrepareDrillNetworkOperator(_DrillNetworkOperator):
    """Prepare networks for a drill that cannot reach anything outside, and prove it.

    For every VPC that the servers would be recovered to: with ``isolated`` a copy is made (the same ranges, the subnets
    that are used, their security groups without rules for anything outside, and no way out); else the standing drill
    network is used as it is, with copies of the security groups in it. Everything that is made carries the tags of the
    run, so it is made once however often the task runs, and found by :class:`DrsRemoveDrillNetworkOperator`.

    The proof looks at all that EC2, Route 53 and VPC Lattice say about the network. One way out, and the task fails
    with NotIsolated, which names them all. The result lies in XCom under ``network``, also then.

    Returns that result: ``{"kind", "region", "checked_at", "networks": [{"production_vpc", "vpc_id", "subnets",
    "security_groups", "default", "cidrs", "proof", …}]}``; ``recovery.drill_network.in_drill_network`` reads it.

    :param source_server_ids: the servers of the drill (templated)
    :param placements: where servers would land, by id, as ``{"subnet_id", "security_group_ids", "vpc_id",
        "availability_zone"}``; those without one are looked up in their launch templates (templated)
    :param network: ``isolated``, or the id of a standing drill network (templated)
    :param endpoints: whether an isolated network gets private endpoints for SSM and CloudWatch Logs; they cost money
    :param lives_for: after this time a sweeper may remove what was made
    """

    template_fields: Sequence[str] = (*AWS_FIELDS, "source_server_ids", "placements", "network")
    template_fields_renderers = {"source_server_ids": "json", "placements": "json"}  # noqa: RUF012  (Airflow's form)
    ui_color = "#d9ead3"
    ui_fgcolor = "#1d3317"

    def __init__(
        self,
        *,
        source_server_ids: Sequence[str] | str,
        placements: Mapping[str, Mapping[str, Any]] | str | None = None,
        network: str = "isolated",
        endpoints: bool = False,
        lives_for: timedelta = timedelta(days=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source_server_ids = source_server_ids
        self.placements = placements
        self.network = network
        self.endpoints = endpoints
        self.lives_for = lives_for

    def execute(self, context: Context) -> dict[str, Any]:
        """Prepare and prove; fail if there is a way out."""
        with failing_for_good():
            self.prepare(context)
            if self.network != "isolated" and not str(self.network).startswith("vpc-"):
                raise RunRefused(f"network is {self.network!r}; nothing was called: {_FORMS}")
            rendered_bool("endpoints", self.endpoints)
            found = self._prepared(context)
            context["ti"].xcom_push(key=NETWORK, value=found)
            self._say(found)
            from drs_provider.services.drill_network import leaks_of

            if leaks := leaks_of(found):
                raise NotIsolated(leaks)
            return found

    def _prepared(self, context: Context) -> dict[str, Any]:
        from drs_provider.hooks.launch_settings import LaunchSettingsHook
        from drs_provider.services.drill_network import Preparing, placements_of

        servers = rendered_ids("source_server_ids", self.source_server_ids)
        given = rendered_mapping("placements", self.placements)
        unknown = [one for one in servers if not given.get(one)]
        looked_up = placements_of(LaunchSettingsHook(**self.aws), unknown) if unknown else {}
        dag_run = context["dag_run"]
        tags = drill_tags(dag_id=dag_run.dag_id, run_id=dag_run.run_id, expires=datetime.now(UTC) + self.lives_for)
        preparing = Preparing(self.networks, network=self.network, tags=tags, endpoints=self.endpoints)
        return preparing.prepare({one: given.get(one) or looked_up[one] for one in servers})

    def _say(self, found: Mapping[str, Any]) -> None:
        for one in found["networks"]:
            proof = one["proof"]
            looked = sum(proof["looked_at"].values())
            verdict = "isolated" if proof["isolated"] else f"{len(proof['leaks'])} ways out"
            self.log.info(
                "%s stands for %s: %s, by %d answers of %d kinds",
                one["vpc_id"], one["production_vpc"], verdict, looked, len(proof["looked_at"]),
            )  # fmt: skip
            for note in (*one["notes"], *proof["notes"]):
                self.log.info("  %s", note)


class DrsRemoveDrillNetworkOperator(_DrillNetworkOperator):
    """Remove everything that a run made for its drill networks, and see that it is gone.

    Before the first removal the networks are proven once more: one that was opened while the drill ran fails the task
    with NotIsolated in the end, however well the removal went. It looks at what is there, so it may run any number of
    times. What is in use (instances that still shut down, endpoints that EC2 deletes) is waited for, deferred, and
    fails with DrillNetworkLeft after ``max_wait``, which says what holds it. Made to be a teardown.

    Returns ``{"removed": [id], "left": {id: why}, "proofs": [proof]}``.

    :param network: what :class:`DrsPrepareDrillNetworkOperator` returned; None: only remove (templated)
    :param max_wait: how long to go on before what is left is reported
    """

    template_fields: Sequence[str] = (*AWS_FIELDS, "network")
    template_fields_renderers = {"network": "json"}  # noqa: RUF012  (Airflow's own form)
    ui_color = "#c9a6a6"
    ui_fgcolor = "#1c1917"

    def __init__(
        self,
        *,
        network: Mapping[str, Any] | str | None = None,
        max_wait: timedelta = timedelta(minutes=30),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.network = network
        self.max_wait = max_wait

    def execute(self, context: Context) -> dict[str, Any]:
        """Prove once more, then remove."""
        with failing_for_good():
            self.prepare(context)
            self._prove_again(context)
            return self._go_on(context, began=datetime.now(UTC), looks=0)

    def resume_removal(
        self, context: Context, _event: Any = None, *, began: str | None = None, looks: int = 0
    ) -> dict[str, Any]:
        """Look again after a wait."""
        with failing_for_good():
            self.prepare(context)
            return self._go_on(context, began=parse_instant(began) if began else datetime.now(UTC), looks=looks)

    def _prove_again(self, context: Context) -> None:
        """Look before anything is removed; a later try of the task finds a part of the network gone."""
        store: Any = context["task_state_store"]
        network = rendered_mapping("network", self.network)
        if not network or store.get("proofs") is not None:
            return
        from drs_provider.services.drill_network import prove_again

        proofs = prove_again(self.networks, network)
        for proof in proofs:
            if proof["changed"]:
                self.log.warning("%s has changed since it was proven: %s", proof["vpc_id"], ", ".join(proof["changed"]))
        store.set("proofs", proofs, retention=NEVER_EXPIRE)

    def _go_on(self, context: Context, *, began: datetime, looks: int) -> dict[str, Any]:
        store: Any = context["task_state_store"]
        gone, left = self._removed(context)
        removed = [*(store.get("removed") or []), *gone]
        store.set("removed", removed, retention=NEVER_EXPIRE)
        proofs = store.get("proofs") or []
        result = {"removed": removed, "left": left, "proofs": proofs}
        context["ti"].xcom_push(key=REMOVED, value=result)
        for name, why in left.items():
            self.log.info("%s is still there: %s", name, why)
        if left and datetime.now(UTC) < began + self.max_wait:
            self._wait(began=began, looks=looks + 1)
        if left:
            raise DrillNetworkLeft(left)
        self.log.info("%d parts were removed; nothing of the run is left", len(removed))
        opened = {one["vpc_id"]: _ways(one) for one in proofs if not one["isolated"]}
        if opened:
            raise NotIsolated(opened, launched=True)
        return result

    def _removed(self, context: Context) -> tuple[list[str], dict[str, str]]:
        """Remove as long as it gets less: what holds a VPC goes in the round before."""
        dag_run = context["dag_run"]
        run = run_key(dag_run.dag_id, dag_run.run_id)
        gone: list[str] = []
        while True:
            removed, left = self.networks.remove(run)
            gone += removed
            if not left or not removed:
                return gone, left

    def _wait(self, *, began: datetime, looks: int) -> NoReturn:
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        moment = datetime.now(UTC) + min(LOOK_AGAIN_AFTER * looks, MOST_PAUSE)
        kwargs = {"began": began.isoformat(), "looks": looks}
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name=self.resume_removal.__name__, kwargs=kwargs)


def _ways(proof: Mapping[str, Any]) -> list[str]:
    return [f"{one['path']}: {one['what']}. {one['next_step']}" for one in proof["leaks"]]
