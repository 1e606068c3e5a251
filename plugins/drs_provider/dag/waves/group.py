"""A wave as a task group: start its jobs, watch them, show every server."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TaskGroup, TriggerRule

from drs_provider.dag.docs import tooltip
from drs_provider.dag.steps.registry import asked_before, wave_steps
from drs_provider.dag.waves.settings import ApplyWaveSettings
from drs_provider.dag.waves.start import ServerOutcome, StartWave
from drs_provider.dag.waves.tagging import TagInstances
from drs_provider.dag.waves.watch import WatchWave
from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import LaunchSettings, ProtectionGroup, Wave, has_network
from drs_provider.rules.run.approvals import policy_of
from drs_provider.rules.run.names import DELAY, LAUNCH_SETTINGS, PAUSE, TAG_INSTANCES
from drs_provider.rules.run.roster import Target, target_of, targets_of
from drs_provider.rules.run.timing import lifetime_of

if TYPE_CHECKING:
    pass


_CHAIN = 100
"""Priority of the tasks that the next wave waits for; the tasks that only show something have 1."""


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
    from drs_provider.dag.people.ask import AskBeforeWave, WaitBeforeWave

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
        settings_task_id=f"{wave.name}.{_numbered(LAUNCH_SETTINGS, number)}"
        if has_settings(runnable, wave, target)
        else "",
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
        task_id=_numbered(LAUNCH_SETTINGS, number),
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
