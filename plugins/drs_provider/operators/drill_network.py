"""Drill networks for any DAG: prepare one that cannot reach production, and remove it when the drill is over."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Context
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.exceptions import NotIsolated, RunRefused
from drs_provider.formatting import parse_instant
from drs_provider.operators.base import AWS_FIELDS, DrsOperator, failing_for_good
from drs_provider.operators.installation import installation_of
from drs_provider.operators.task_memory import task_memory
from drs_provider.operators.template_values import rendered_bool, rendered_ids, rendered_mapping
from drs_provider.services.signed import leave, pull_believed, sealed

if TYPE_CHECKING:
    from drs_provider.hooks.drill_network import DrillNetworkHook
    from drs_provider.rules.run.handover import PreparedNetworks


LOOK_AGAIN_AFTER = timedelta(seconds=5)
MOST_PAUSE = timedelta(minutes=1)

_FORMS = "write isolated, or the id of a standing drill network (vpc-…)"


class _DrillNetworkOperator(DrsOperator):
    """What both have in common: the hook that makes and removes, and whose run it is that they work for."""

    installation: str | None = None

    def own_installation(self, context: Context) -> str:
        """Return the id of the Airflow that the run is of: what a task before this one has worked under, else its own.

        Whatever is set since: what was made under a name is found by that name only.
        """
        from drs_provider.rules.run.handover import RunInstallation

        if self.installation is None:
            upstream = (context["dag"].get_task(task) for task in sorted(self.get_flat_relative_ids(upstream=True)))
            others = [task.task_id for task in upstream if isinstance(task, _DrillNetworkOperator)]
            before = pull_believed(context["ti"], others, RunInstallation)
            self.installation = before[0].id if before else installation_of(context)
            leave(context["ti"], RunInstallation(id=self.installation))
        return self.installation

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

    Returns that result, a ``PreparedNetworks`` as JSON (``rules.run.handover``): ``{"kind", "region", "checked_at",
    "networks": [{"production_vpc", "vpc_id", "subnets", "security_groups", "default", "cidrs", "proof", …}]}``.
    ``rules.isolation.drill_placement.in_drill_network`` gives the launch settings that put a server there.

    :param source_server_ids: the servers of the drill (templated)
    :param placements: where servers would land, by id, as ``{"subnet_id", "security_group_ids", "vpc_id",
        "availability_zone"}``; those without one are looked up in their launch templates (templated)
    :param network: ``isolated``, or the id of a standing drill network (templated)
    :param endpoints: whether an isolated network gets private endpoints for SSM and CloudWatch Logs; they cost money
    :param lives_for: after this time a sweeper may remove what was made
    :param continue_run: key of another run (the tag ``drs-orchestrator:run``) whose networks this one goes on with:
        they are completed, and live as long as this run's would (templated)
    """

    template_fields: Sequence[str] = (*AWS_FIELDS, "source_server_ids", "placements", "network", "continue_run")
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
        continue_run: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.continue_run = continue_run
        self.source_server_ids = source_server_ids
        self.placements = placements
        self.network = network
        self.endpoints = endpoints
        self.lives_for = lives_for

    def execute(self, context: Context) -> dict[str, JsonValue]:
        """Prepare and prove; fail if there is a way out."""
        from drs_provider.services.drill.network import describe

        with failing_for_good():
            self.prepare(context)
            if self.network != "isolated" and not str(self.network).startswith("vpc-"):
                raise RunRefused(f"network is {self.network!r}; nothing was called: {_FORMS}")
            rendered_bool("endpoints", self.endpoints)
            found = self._prepared(context)
            leave(context["ti"], found)
            for line in describe(found):
                self.log.info("%s", line)
            if found.leaks:
                raise NotIsolated(found.leaks)
            return sealed(context["ti"], found)

    def _prepared(self, context: Context) -> "PreparedNetworks":
        from drs_provider.hooks.launch_settings import LaunchSettingsHook
        from drs_provider.rules.isolation.drill_placement import KnownPlacement
        from drs_provider.rules.launch.tags import drill_tags, taken_over
        from drs_provider.services.drill.network import NetworkPreparation, placements_of

        servers = rendered_ids("source_server_ids", self.source_server_ids)
        given = rendered_mapping("placements", self.placements)
        unknown = [server for server in servers if not given.get(server)]
        places = placements_of(LaunchSettingsHook(**self.aws), unknown) if unknown else {}
        places |= {server: KnownPlacement.from_json(given[server]) for server in servers if server not in places}
        dag_run = context["dag_run"]
        tags = drill_tags(
            dag_id=dag_run.dag_id,
            run_id=dag_run.run_id,
            expires=_now() + self.lives_for,
            installation=self.own_installation(context),
        )
        preparation = NetworkPreparation(
            self.networks,
            network=self.network,
            tags=taken_over(tags, self.continue_run),
            endpoints=self.endpoints,
            is_continued=bool(self.continue_run),
        )
        return preparation.prepare({server: places[server] for server in servers}, now=_now)


class DrsRemoveDrillNetworkOperator(_DrillNetworkOperator):
    """Remove everything that a run made for its drill networks, and see that it is gone.

    Before the first removal the networks are proven once more: one that was opened while the drill ran fails the task
    with NotIsolated in the end, however well the removal went. It looks at what is there, so it may run any number of
    times. What is in use (instances that still shut down, endpoints that EC2 deletes) is waited for, deferred, and
    fails with DrillNetworkLeft after ``max_wait``, which says what holds it. Made to be a teardown.

    Returns a ``RemovedNetworks`` as JSON (``rules.run.handover``): ``{"removed": [id], "left": {id: why}, "proofs":
    [proof]}``.

    :param network: what :class:`DrsPrepareDrillNetworkOperator` returned; None: only remove (templated)
    :param max_wait: how long to go on before what is left is reported
    :param continue_run: key of another run that this one goes on with: its networks go as well (templated)
    """

    template_fields: Sequence[str] = (*AWS_FIELDS, "network", "continue_run")
    template_fields_renderers = {"network": "json"}  # noqa: RUF012  (Airflow's own form)
    ui_color = "#c9a6a6"
    ui_fgcolor = "#1c1917"

    def __init__(
        self,
        *,
        network: Mapping[str, Any] | str | None = None,
        max_wait: timedelta = timedelta(minutes=30),
        continue_run: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.continue_run = continue_run
        self.network = network
        self.max_wait = max_wait

    def execute(self, context: Context) -> dict[str, JsonValue]:
        """Prove once more, then remove."""
        from drs_provider.rules.run.handover import PreparedNetworks
        from drs_provider.services.drill.network import prove_before_removal

        with failing_for_good():
            self.prepare(context)
            given = rendered_mapping("network", self.network)
            prepared = PreparedNetworks.from_json(given) if given else None
            prove_before_removal(self.networks, prepared, task_memory(context))
            return self._go_on(context, began=_now(), looks=0)

    def resume_removal(
        self, context: Context, event: object = None, *, began: str | None = None, looks: int = 0
    ) -> dict[str, JsonValue]:
        """Look again after a wait."""
        with failing_for_good():
            self.prepare(context)
            return self._go_on(context, began=parse_instant(began) if began else _now(), looks=looks)

    def _go_on(self, context: Context, *, began: datetime, looks: int) -> dict[str, JsonValue]:
        from drs_provider.rules.launch.tags import run_key
        from drs_provider.services.drill.network import ensure_removed, remove_networks

        dag_run = context["dag_run"]
        own = run_key(dag_run.dag_id, dag_run.run_id, self.own_installation(context))
        runs = [own, *([self.continue_run] if self.continue_run else [])]
        result = remove_networks(self.networks, runs, task_memory(context))
        leave(context["ti"], result)
        if result.left and _now() < began + self.max_wait:
            self._wait(began=began, looks=looks + 1)
        ensure_removed(result)
        return sealed(context["ti"], result)

    def _wait(self, *, began: datetime, looks: int) -> NoReturn:
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        moment = _now() + min(LOOK_AGAIN_AFTER * looks, MOST_PAUSE)
        kwargs = {"began": began.isoformat(), "looks": looks}
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name=self.resume_removal.__name__, kwargs=kwargs)


def _now() -> datetime:
    return clock.now()
