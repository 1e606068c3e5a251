"""Where a step stands in its plan, and what has to hold before it may do anything."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from airflow.sdk import Context

from drs_provider.dag.people.agreement import ensure_people_agreed
from drs_provider.dag.run_reader import order_of, preflight_result, skip_where_nothing_is_launched
from drs_provider.exceptions import DrsProviderError, PlanChanged, RunRefused
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.plan.model import Pause, Step
from drs_provider.rules.purpose import ALL_PURPOSES, purpose_of
from drs_provider.rules.run.approvals import Policy, ensure_answered
from drs_provider.rules.run.roster import Target
from drs_provider.rules.run.shape import AskedBefore, Side
from drs_provider.services.signed import leave, pull

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import PreflightResult, RecordedAnswer, ServerBack, ServerResults
    from drs_provider.rules.run.placeholders import KnownServer


IN_DATA_CENTRE: Final = "it runs in its data centre, where AWS has no instance of it"


class NotNow(DrsProviderError):
    """The step has nothing to do in this run; the task is skipped, and what follows goes on."""


LookFirst = Callable[[Context, "PreflightResult"], None]
"""Looks whether a step may begin; raises RunRefused where it may not."""


@dataclass(frozen=True)
class StepPlace:
    """A step's surroundings. ``wave`` is None for the plan's own steps.

    :param watch_task_ids: the tasks that know the servers of the waves, by wave; steps-only waves have none
    :param targets: accounts and Regions, those of the wave first
    :param drill_network: whether drills of the plan have a network of their own
    :param asked_before: approval steps whose recorded answers this step relies on
    :param look_first: refuses the step right before it begins; None: nothing more is looked at
    """

    plan: str
    title: str
    digest: str
    wave: str | None
    side: Side
    watch_task_ids: Mapping[str, str]
    start_task_ids: Sequence[str] = ()
    targets: Sequence[Target] = ()
    policy: Policy | None = None
    approval_task_ids: Sequence[str] = ()
    pause: Pause | None = None
    pause_task_id: str = ""
    asked_before: Sequence[AskedBefore] = field(default=())
    drill_network: bool = False
    look_first: "LookFirst | None" = None

    @property
    def launches(self) -> bool:
        """Whether its wave launches anything."""
        return self.wave in self.watch_task_ids

    def has_own_network(self, mode: str) -> bool:
        """Tell whether the servers of a run of this mode are in a drill network of their own."""
        return self.drill_network and purpose_of(mode, ALL_PURPOSES).uses_drill_network

    def enter(self, context: Context, step: Step) -> "PreflightResult":
        """Return what preflight left. Raises RunRefused where nothing may be done, NotNow where nothing is to do.

        :raises AirflowSkipException: the run launches nothing, so no step of it does anything, whoever has cleared it
        """
        skip_where_nothing_is_launched(context)
        order = order_of(context)
        if order:
            leave(context["ti"], order)
            raise RunRefused(order.message) if order.is_cancellation else NotNow(order.message)
        preflight = preflight_result(context, self.plan)
        if preflight.digest != self.digest:
            raise PlanChanged(self.plan, preflight.digest, self.digest)
        self._take_part(context, preflight)
        if not preflight.purpose.takes_step(step):
            raise NotNow(f"this run is a {preflight.mode}, and the step is for a {step.when}")
        self._ensure_agreed(context, preflight)
        return preflight

    def _take_part(self, context: Context, preflight: "PreflightResult") -> None:
        if self.wave is None:
            return
        if not preflight.wave(self.wave).selected:
            raise NotNow(f"wave {self.wave} was not chosen for this run")
        if not self.launches:
            return
        if not preflight.servers_of(self.wave):
            raise NotNow(f"wave {self.wave} has no server left to launch")
        if self.side == "after":
            self._ensure_launched(context, self.watch_task_ids[self.wave])

    def _ensure_launched(self, context: Context, watch: str) -> None:
        from drs_provider.rules.run.handover import RunOrder

        ti = context["ti"]
        orders = (pull(ti, task, RunOrder) for task in self.start_task_ids)
        order, has_servers = next(filter(None, orders), None), _has_servers(context, watch)
        if order and not (order.passes_over and has_servers):
            raise NotNow(order.message)
        if not has_servers:
            raise RunRefused(
                f"wave {self.wave} has not launched anything that is recorded (a task that is marked as successful "
                f"launches nothing): clear {watch} with everything downstream"
            )

    def _ensure_agreed(self, context: Context, preflight: "PreflightResult") -> None:
        """Look for the recorded answers of those who were asked, as the task that starts a wave does."""
        ensure_people_agreed(context, preflight, self.policy, self.approval_task_ids)
        if self.pause is not None:
            ensure_answered(self.pause, self.pause_task_id, _answer(context, self.pause_task_id))
        ensure_steps_approved(context, self.asked_before)

    def servers(self, context: Context, preflight: "PreflightResult") -> "list[KnownServer]":
        """Return every server of the run, with the recovery instance of those that are launched by now."""
        return [server for wave in preflight.waves for server in self._servers_of(context, preflight, wave)]

    def _servers_of(self, context: Context, preflight: "PreflightResult", wave: str) -> "Iterator[KnownServer]":
        from drs_provider.rules.run.placeholders import KnownServer

        part, watch = preflight.waves[wave], self.watch_task_ids.get(wave)
        found = _results(context, watch) if watch and part.selected else None
        by_id = {server.server_id: server for server in found.servers} if found else {}
        for target in part.targets:
            for server in target.servers:
                result = by_id.get(server.server_id)
                launched = result if result and result.status == "launched" else None
                known = KnownServer(
                    server.server_id,
                    server.hostname,
                    wave,
                    target.aws_conn_id,
                    target.region,
                    launched.instance_id if launched else None,
                    None if launched or result is None else result.reason or str(result.status),
                )
                if server.back is None:
                    yield known
                elif launched and server.back.from_data_centre:
                    yield replace(known, instance_id=None, reason=IN_DATA_CENTRE)
                else:
                    yield _on_its_way_back(known, server.back)


def _on_its_way_back(server: "KnownServer", back: "ServerBack") -> "KnownServer":
    """Say where production runs in a failback: where it was recovered, until it is launched in its origin."""
    if server.instance_id is not None:
        return replace(server, aws_conn_id=back.aws_conn_id, region=back.region)
    return server if server.reason else replace(server, instance_id=back.recovered or None)


def ensure_steps_approved(context: Context, asked: Sequence[AskedBefore]) -> None:
    """Raise RunRefused unless every approval step that was to be asked before has itself left its answers."""
    from drs_provider.rules.run.handover import StepResult

    for step in asked:
        if step.launched_by and not _has_servers(context, step.launched_by):
            continue
        left = pull_newest(context, step.task_id, StepResult)
        if left is not None and left.state == "failed" and not left.goes_on:
            raise RunRefused(
                f"{step.task_id} ended without an agreement: {left.summary} (a task that is marked as successful "
                f"approves nothing). Nothing was done; clear {step.task_id} with everything downstream to ask again"
            )
        if left is None:
            raise RunRefused(
                f"{step.task_id} has left no answer (a task that is marked as successful approves nothing). Nothing "
                f"was done; clear {step.task_id} with everything downstream to ask"
            )


def _answer(context: Context, task_id: str) -> "RecordedAnswer | None":
    from drs_provider.rules.run.handover import RecordedAnswer

    return pull_newest(context, task_id, RecordedAnswer)


def _results(context: Context, watch: str) -> "ServerResults | None":
    from drs_provider.rules.run.handover import ServerResults

    return pull_newest(context, watch, ServerResults)


def _has_servers(context: Context, watch: str) -> bool:
    found = _results(context, watch)
    return bool(found and found.servers)
