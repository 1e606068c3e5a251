"""A wave as a task group: start its jobs, watch them, show every server."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TaskGroup, TriggerRule
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from drs_provider.dag.agreeing import ensure_people_agreed
from drs_provider.dag.conducting import LAUNCH, WatchWave
from drs_provider.dag.describing import shortened, tooltip
from drs_provider.dag.drill_network import ensure_still_isolated, has_network, network_of
from drs_provider.dag.launch_settings import APPLY, ApplyWaveSettings, ensure_in_force, in_this_run
from drs_provider.dag.marking import TAG_INSTANCES, TagInstances
from drs_provider.dag.obeying import cancelled_start, obey_before_a_start
from drs_provider.dag.preflight import preflight_result
from drs_provider.dag.step_tasks.place import AskedBefore, ensure_steps_approved
from drs_provider.dag.steps import asked_before, wave_steps
from drs_provider.dag.yielding import ensure_not_taken_over
from drs_provider.errors import PlanChanged
from drs_provider.graph.approvals import ANSWER, Policy, ensure_answered, policy_of
from drs_provider.graph.lifetime import lifetime_of
from drs_provider.graph.request import is_drill, read_as_of
from drs_provider.graph.roster import Target, target_of, targets_of
from drs_provider.operators.recovery import DrsStartRecoveryOperator
from drs_provider.plan.model import LaunchSettings, Pause, ProtectionGroup, Wave
from drs_provider.plan.reading import RunnablePlan

if TYPE_CHECKING:
    from drs_provider.aws.launch_settings import LaunchSettingsHook

DELAY, PAUSE = "delay", "pause"
"""Names of the tasks before a wave's start, where the plan has them."""

_CHAIN = 100
"""Priority of the tasks that the next wave waits for; the tasks that only show something have 1."""


class StartWave(DrsStartRecoveryOperator):
    """Start the jobs of one wave in one account and Region, for the servers that preflight found.

    Refuses when the plan on disk is no longer the plan that the run was started with. Returns the wave's servers, a
    list, so that the tasks that show them can be mapped over it; the jobs travel under the key ``launch``.
    """

    template_fields: Sequence[str] = ()  # nothing to render: everything comes from preflight
    asked_before: Sequence[AskedBefore] = ()

    def __init__(
        self,
        *,
        plan: str,
        digest: str,
        wave: str,
        target: Target,
        policy: Policy | None = None,
        approval_task_ids: Sequence[str] = (),
        pause: Pause | None = None,
        pause_task_id: str = "",
        settings_task_id: str = "",
        network: int = 0,
        lifetime: timedelta = timedelta(days=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            source_server_ids=(),
            is_drill=True,
            aws_conn_id=target.aws_conn_id,
            region_name=target.region or None,
            launch_name=wave,
            **kwargs,
        )
        self.plan, self.digest, self.wave, self.target = plan, digest, wave, target
        self.policy, self.approval_task_ids = policy, tuple(approval_task_ids)
        self.pause, self.pause_task_id = pause, pause_task_id
        self.settings_task_id, self.network, self.lifetime = settings_task_id, network, lifetime
        self.servers: list[dict[str, Any]] = []

    @cached_property
    def hook(self) -> "LaunchSettingsHook":
        """The hook of this wave's account and Region, made when first asked for."""
        from drs_provider.aws.launch_settings import LaunchSettingsHook

        return LaunchSettingsHook(**self.aws)

    def execute(self, context: Context) -> Any:
        """Start the wave, unless a person has cancelled the run or left this wave out while the run went on.

        The order is read when the wave's turn comes: marking this task beforehand would let the waves after it, and
        the clean-up, start beside waves that still run. A start that died on the way is finished all the same: its
        job may exist, and must be watched.
        """
        obey_before_a_start(context)
        return super().execute(context)

    def resume_start(self, context: Context, event: Any, *, waiting_since: str | None = None) -> Any:
        """Go on after a wait, unless a person has ordered otherwise while nothing of the wave was started."""
        obey_before_a_start(context)
        return super().resume_start(context, event, waiting_since=waiting_since)

    def why_ended(self, context: Context) -> str | None:
        """Start no further job of the wave once the run is cancelled; those that exist are handed on and watched."""
        return cancelled_start(context)

    def prepare(self, context: Context) -> None:
        """Take mode, quotas and servers from preflight, on every leg of the task."""
        from drs_provider.recovery.boot_order import stages
        from drs_provider.recovery.lifetime import life_tags

        preflight = preflight_result(context, self.plan)
        if preflight["digest"] != self.digest:
            raise PlanChanged(self.plan, preflight["digest"], self.digest)
        self.mode, self.as_of = preflight["mode"], read_as_of(preflight["point_in_time"])
        self.is_drill = is_drill(self.mode)
        self.quotas = preflight["quotas"][str(self.target)]
        self.replace_live_instances = preflight["replace_live_instances"]
        self.continue_run = preflight.get("continue_run")
        wave = preflight["waves"][self.wave]
        if not wave["selected"]:
            raise AirflowSkipException(f"wave {self.wave} was not chosen for this run")
        self.servers = servers_of(wave, self.target)
        if not self.servers:
            raise AirflowSkipException(f"wave {self.wave} has no server left to launch in {self.target}")
        self._ensure_agreed(context, preflight)
        if self.is_drill:
            ensure_not_taken_over(context, preflight, self.hook)
        self.tags = life_tags(self.mode, now=datetime.now(UTC), lifetime=self.lifetime)
        # The others of a boot order are launched by the task that watches these.
        first = stages(server for part in wave["targets"] for server in part["servers"])[0]
        self.source_server_ids = [one["server_id"] for one in self.servers if one["server_id"] in first]

    def _ensure_agreed(self, context: Context, preflight: Mapping[str, Any]) -> None:
        """Look for the recorded answers of those who were asked: "Mark success" on their tasks records nothing."""
        ensure_people_agreed(context, preflight, self.policy, self.approval_task_ids)
        if self.pause is not None:
            answer = context["ti"].xcom_pull(task_ids=self.pause_task_id, key=ANSWER)
            ensure_answered(self.pause, self.pause_task_id, answer)
        ensure_steps_approved(context, self.asked_before)

    def finish(self, context: Context, launch: dict[str, Any]) -> list[dict[str, Any]]:
        """Hand the jobs to the task that watches them, and the servers to the tasks that show them."""
        from drs_provider.dag.pinning import POINTS

        names = shortened(tuple(server["hostname"] for server in self.servers))
        self.log.info(
            "wave %s: %d jobs launch %d of %d servers: %s",
            self.wave,
            len(launch["jobs"]),
            sum(len(job["servers"]) for job in launch["jobs"]),
            len(self.servers),
            names,
        )
        points: Any = context["task_state_store"].get(POINTS) or {}
        context["ti"].xcom_push(key=LAUNCH, value={**launch, "tags": dict(self.tags or {}), "points": points})
        return self.servers

    def points_of(self, context: Context, servers: Sequence[str]) -> Mapping[str, str]:
        """Look again at what the launch will use: settings may have changed, points age out, a source may have gone."""
        from drs_provider.dag.pinning import Pinning

        names = {one["server_id"]: one["hostname"] for one in self.servers}
        if self.network and self.is_drill is True:
            ensure_still_isolated(network_of(context, self.network), self.aws)
        if self.settings_task_id:
            known = {one["server_id"]: one for one in self.servers}
            wanted = {one: server["settings"] for one, server in known.items()}
            settings = in_this_run(context, wanted, known, mode=self.mode, network=self.network)
            ensure_in_force(context, self.settings_task_id, self.hook, servers, settings, mode=self.mode)
        return Pinning(self.mode, self.as_of, names, context["task_state_store"]).points(self.hook, servers)


class ServerOutcome(BaseOperator):
    """Show what became of one server, as one square in Airflow. Nothing waits for it."""

    ui_color = "#e8f0f8"
    ui_fgcolor = "#1b2a3a"

    def __init__(self, *, server: Mapping[str, Any], watch_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.server, self.watch_task_id = server, watch_task_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Succeed for a launched server, fail for a failed one, skip for one whose failure the wave tolerates."""
        names: Any = context  # what map_index_template finds
        names["server_name"] = self.server["hostname"]
        results = context["ti"].xcom_pull(task_ids=self.watch_task_id, key="servers") or ()
        result = next((one for one in results if one["server_id"] == self.server["server_id"]), None)
        if result is None:
            raise AirflowFailException(f"{self.server['hostname']}: the wave's job left no result for it")
        if result["status"] == "launched":
            self.log.info("%s: launched as %s", self.server["hostname"], result["instance_id"])
            return dict(result)
        why = f"{self.server['hostname']}: {result['reason'] or result['status']}"
        if context["ti"].xcom_pull(task_ids=self.watch_task_id):
            raise AirflowSkipException(f"{why} (the wave tolerates it)")
        raise AirflowFailException(why)


def servers_of(wave: Mapping[str, Any], target: Target) -> list[dict[str, Any]]:
    """The servers that preflight found for one wave in one account and Region."""
    return [
        server
        for part in wave["targets"]
        if (part["aws_conn_id"], part["region"]) == (target.aws_conn_id, target.region)
        for server in part["servers"]
    ]


@dataclass(frozen=True)
class WaveTasks:
    """The tasks of a wave that others are wired to.

    ``ahead``: run as soon as preflight has passed, beside earlier waves. ``firsts``: wait for earlier waves; the starts
    themselves, or what the plan lets stand before them. ``starts``: launch. ``chain``: everything from the first of
    them to what later waves wait for, without what only shows something.
    """

    ahead: list[BaseOperator]
    firsts: list[BaseOperator]
    starts: list[BaseOperator]
    chain: list[BaseOperator]

    @property
    def last(self) -> BaseOperator:
        """What later waves wait for."""
        return self.chain[-1]

    @property
    def is_long(self) -> bool:
        """Whether the wave is more than one start and the task that watches it."""
        return len(self.chain) > len(self.starts[:1]) + 1


def wave_group(
    runnable: RunnablePlan, wave: Wave, depends_on: tuple[str, ...], approval_task_ids: Sequence[str] = ()
) -> WaveTasks:
    """Build a wave's task group in the current DAG."""
    plan = runnable.plan
    with TaskGroup(
        group_id=wave.name,
        group_display_name=wave.name.replace("-", " ").capitalize(),
        tooltip=tooltip(wave, runnable.groups, depends_on),
    ):
        targets = targets_of([runnable.groups[name] for name in wave.groups])
        starts = [
            _start(runnable, wave, target, number, approval_task_ids) for number, target in enumerate(targets, start=1)
        ]
        ids: dict[str, Any] = {
            "approval_task_ids": approval_task_ids,
            "start_task_ids": [start.task_id for start in starts],
            "pause_task_id": f"{wave.name}.{PAUSE}" if wave.pause_before else "",
        }
        first, steps = _before(plan.name, wave), wave_steps(runnable, wave, "before", **ids)
        watches = [_watch(runnable, wave, starts)] if starts else []
        after = wave_steps(runnable, wave, "after", **ids)
        ahead: list[BaseOperator] = []
        for number, (start, target) in enumerate(zip(starts, targets, strict=True), start=1):
            start.asked_before = asked_before(plan, wave, "after")
            if start.settings_task_id:
                apply = _apply(runnable, wave, target, number, approval_task_ids)
                apply >> start
                ahead.append(apply)
        if watches:
            watches[0] >> TagInstances(
                task_id=TAG_INSTANCES,
                task_display_name="Tag instances",
                plan=plan.name,
                wave=wave.name,
                targets=targets,
                lifetime=lifetime_of(plan),
                trigger_rule=TriggerRule.ALL_DONE,
                priority_weight=1,
                weight_rule="absolute",
            )
    for above, below in itertools.pairwise([*first, *steps[:1]]):
        above >> below
    before = [*first, *steps]
    if before:
        before[-1] >> (starts or after[:1])
    if watches and after:
        watches[0] >> after[0]
    chain: list[BaseOperator] = [*before, *starts, *watches, *after]
    return WaveTasks(ahead, before[:1] or list(starts) or after[:1], list(starts), chain)


def _watch(runnable: RunnablePlan, wave: Wave, starts: Sequence["StartWave"]) -> WatchWave:
    """Build what follows the starts of a wave: the task that watches, and those that show."""
    watch = WatchWave(
        task_id="recovery_job",
        task_display_name="Recovery job",
        plan=runnable.plan.name,
        wave=wave.name,
        digest=runnable.digest,
        retries_of_failed=wave.retry_failed,
        networks=networks_of_plan(runnable),
        settings_task_ids={start.task_id: start.settings_task_id for start in starts},
        start_task_ids=[start.task_id for start in starts],
        timeout=wave.timeout,
        ready=wave.ready,
        tolerate=str(wave.tolerate_failures),
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        priority_weight=_CHAIN,
        weight_rule="absolute",
    )
    for number, start in enumerate(starts, start=1):
        start >> watch >> _shown(start, watch, number)
    return watch


def _before(plan: str, wave: Wave) -> list[BaseOperator]:
    """Build what the plan lets stand first in a wave: the delay, then the question.

    In this order, so that nothing more waits once somebody has answered.
    """
    if not wave.delay_before and wave.pause_before is None:
        return []
    from drs_provider.dag.asking import AskBeforeWave, WaitBeforeWave

    chain: list[BaseOperator] = []
    common: dict[str, Any] = {"plan": plan, "wave": wave.name, "trigger_rule": TriggerRule.NONE_FAILED}
    common |= {"priority_weight": _CHAIN, "weight_rule": "absolute", "steps_only": not wave.groups}
    if wave.delay_before:
        chain.append(WaitBeforeWave(task_id=DELAY, task_display_name="Delay", delay=wave.delay_before, **common))
    if wave.pause_before is not None:
        chain.append(AskBeforeWave(task_id=PAUSE, task_display_name="Pause", pause=wave.pause_before, **common))
    return chain


def _start(
    runnable: RunnablePlan, wave: Wave, target: Target, number: int, approval_task_ids: Sequence[str]
) -> StartWave:
    several = number > 1
    return StartWave(
        task_id=_numbered("start_recovery", number),
        task_display_name=f"Start recovery ({target.region})" if several else "Start recovery",
        plan=runnable.plan.name,
        digest=runnable.digest,
        wave=wave.name,
        target=target,
        policy=policy_of(runnable.plan.recovery),
        approval_task_ids=approval_task_ids,
        pause=wave.pause_before,
        pause_task_id=f"{wave.name}.{PAUSE}" if wave.pause_before else "",
        settings_task_id=f"{wave.name}.{_numbered(APPLY, number)}" if has_settings(runnable, wave, target) else "",
        network=networks_of_plan(runnable).get(str(target), 0),
        lifetime=lifetime_of(runnable.plan),
        trigger_rule=TriggerRule.NONE_FAILED,
        priority_weight=_CHAIN,
        weight_rule="absolute",
    )


def _apply(
    runnable: RunnablePlan, wave: Wave, target: Target, number: int, approval_task_ids: Sequence[str]
) -> ApplyWaveSettings:
    return ApplyWaveSettings(
        task_id=_numbered(APPLY, number),
        task_display_name="Launch settings" if number == 1 else f"Launch settings ({target.region})",
        plan=runnable.plan.name,
        digest=runnable.digest,
        wave=wave.name,
        target=target,
        policy=policy_of(runnable.plan.recovery),
        approval_task_ids=approval_task_ids,
        network=networks_of_plan(runnable).get(str(target), 0),
        lifetime=lifetime_of(runnable.plan),
        trigger_rule=TriggerRule.NONE_FAILED,
    )


def networks_of_plan(runnable: RunnablePlan) -> dict[str, int]:
    """Return the number of the drill network of every account and Region; none where drills share production's."""
    if not has_network(runnable.plan):
        return {}
    targets = targets_of(list(runnable.groups.values()))
    return {str(target): number for number, target in enumerate(targets, start=1)}


def has_settings(runnable: RunnablePlan, wave: Wave, target: Target) -> bool:
    """Tell whether launch settings of a wave's servers in one account and Region may have to be changed."""
    groups = [runnable.groups[name] for name in wave.groups if target_of(runnable.groups[name]) == target]
    settings = [one for group in groups for one in (group.launch, group.drill_launch, *_of_members(group))]
    return has_network(runnable.plan) or any(one != LaunchSettings() for one in settings)


def _of_members(group: ProtectionGroup) -> list[LaunchSettings]:
    return [member.launch for member in group.servers]


def _shown(start: StartWave, watch: WatchWave, number: int) -> Any:
    """One small task per server, one at a time and last in every queue: what people look at must not slow a wave."""
    return ServerOutcome.partial(
        task_id=_numbered("servers", number),
        task_display_name="Servers",
        watch_task_id=watch.task_id,
        map_index_template="{{ server_name }}",
        trigger_rule=TriggerRule.ALL_DONE,
        max_active_tis_per_dagrun=1,
        priority_weight=1,
        weight_rule="absolute",
    ).expand(server=start.output)


def _numbered(task_id: str, number: int) -> str:
    return task_id if number == 1 else f"{task_id}_{number}"
