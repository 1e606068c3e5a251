"""A wave as a task group: start its jobs, watch them; what runs ahead of waves or beside them, in groups of its own.

The state of a group in Airflow is that of all its tasks, and its bar in the Gantt chart spans them all. A wave's group
has its chain only, so that both are the wave's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict

from airflow.sdk import TaskGroup, TriggerRule

from drs_provider.dag.docs import tooltip as tooltip_of
from drs_provider.dag.steps.tasks import wave_steps
from drs_provider.dag.waves.job_tags import TagInstances
from drs_provider.dag.waves.settings import ApplyWaveSettings
from drs_provider.dag.waves.start import ServerOutcome, StartWave
from drs_provider.dag.waves.watch import WatchWave
from drs_provider.operators.recovery import DrsStartRecoveryOperator
from drs_provider.rules.run.names import ASIDE_GROUP, PREPARATION_GROUP, name_in_group
from drs_provider.rules.run.shape import AskedBefore, RunShape, WaveShape, WaveTarget


class Weight(TypedDict):
    """What Airflow's queues go by."""

    priority_weight: int
    weight_rule: str


CHAIN: Weight = {"priority_weight": 100, "weight_rule": "absolute"}
"""Priority of the tasks that the next wave waits for."""
_ASIDE: Weight = {"priority_weight": 1, "weight_rule": "absolute"}
"""Priority of the tasks that only show or mark something."""


_SETTINGS = "Launch settings of every wave, applied as soon as preflight has passed"
_PREPARED = "What is done ahead of the waves: launch settings, and in a migration the last sync"
_LAUNCHED = "What is done ahead of the waves: launch settings, and launches of instances that stay stopped"


@dataclass(frozen=True)
class LaunchTasks:
    """The tasks of a wave that launch and watch: what stands beside the wave shows what they did."""

    wave: WaveShape
    starts: tuple[StartWave, ...]
    watch: WatchWave | None


@dataclass(frozen=True)
class LaunchKinds:
    """Which tasks launch a wave and see it through; for a DAG that launches under conditions of its own."""

    start: type[StartWave] = StartWave
    start_title: str = "Start recovery"
    watch: type[WatchWave] = WatchWave
    watch_title: str = "Recovery job"


def preparation_group(shape: RunShape) -> None:
    """Build what prepares the waves ahead of them, in a group of its own; nothing is wired yet."""
    ahead = [wave for wave in shape.waves if wave.ahead_tasks]
    if not (ahead or has_settings(shape)):
        return
    with preparation(_PREPARED if ahead else _LAUNCHED if shape.has_launch_ahead else _SETTINGS):
        settings_tasks(shape)
        _launches_ahead(shape)
        for wave in ahead:
            _last_sync(shape, wave, name_of=str)


def preparation(tooltip: str) -> TaskGroup:
    """Begin the group of what prepares the waves ahead of them."""
    return TaskGroup(PREPARATION_GROUP, group_display_name="Preparation", tooltip=tooltip, prefix_group_id=False)


def has_settings(shape: RunShape) -> bool:
    """Tell whether launch settings are applied ahead of some wave."""
    return any(place.settings_task for wave in shape.waves for place in wave.targets)


def settings_tasks(shape: RunShape) -> None:
    """Build what applies launch settings ahead of the waves, in the current group."""
    for wave in shape.waves:
        for place in wave.targets:
            if place.settings_task:
                _apply(shape, wave, place, place.settings_task)


def _launches_ahead(shape: RunShape) -> None:
    """Build what launches servers before their waves' turns, in the current group."""
    if not shape.has_launch_ahead:
        return
    from drs_provider.dag.waves.launch_ahead import LaunchAhead

    for wave in shape.waves:
        for place in wave.targets:
            if place.ahead_task:
                LaunchAhead(
                    task_id=place.ahead_task,
                    task_display_name=place.titled(f"{wave_title(wave)}: launch ahead"),
                    plan=shape.plan.name,
                    digest=shape.digest,
                    wave=wave.name,
                    target=place.target,
                    policy=shape.policy,
                    approval_task_ids=shape.approval_tasks,
                    asked_before=[AskedBefore(step.task_id) for step in shape.before if step.step.ASKS_PEOPLE],
                    settings_task_id=place.settings_task or "",
                    network=place.network,
                    lifetime=shape.lifetime,
                    trigger_rule=TriggerRule.NONE_FAILED,
                    **CHAIN,
                )
            if place.relaunch_task and place.ahead_task:
                _relaunch(shape, wave, place)


def _relaunch(shape: RunShape, wave: WaveShape, place: WaveTarget) -> None:
    """Build what launches again before a wave's turn; no wave waits for it, so it is last in every queue."""
    from drs_provider.dag.waves.relaunch_ahead import RelaunchAhead

    RelaunchAhead(
        task_id=str(place.relaunch_task),
        task_display_name=place.titled(f"{wave_title(wave)}: launch again ahead"),
        plan=shape.plan.name,
        wave=wave.name,
        digest=shape.digest,
        retries_of_failed=wave.wave.retry_failed,
        networks={str(place.target): place.network},
        settings_task_ids={str(place.ahead_task): place.settings_task or ""},
        start_task_ids=[str(place.ahead_task)],
        turn_task_ids=wave.start_tasks,
        timeout=wave.wave.timeout,
        trigger_rule=TriggerRule.NONE_FAILED,
        **_ASIDE,
    )


def aside_group(shape: RunShape, launches: Sequence[LaunchTasks]) -> None:
    """Build what marks and shows beside the waves, in a group of its own; nothing is wired yet."""
    with aside():
        aside_tasks(shape, launches)


def aside() -> TaskGroup:
    """Begin the group of what marks and shows beside the waves."""
    return TaskGroup(
        ASIDE_GROUP,
        group_display_name="Beside the waves",
        tooltip="One square for each server, tags of instances, notifications: no wave waits for them",
        prefix_group_id=False,
    )


def aside_tasks(shape: RunShape, launches: Sequence[LaunchTasks], *, squares: str = "servers") -> None:
    """Build what marks and shows beside the waves, in the current group.

    :param squares: what the squares show, for people
    """
    for launch in launches:
        wave = launch.wave
        for place, start in zip(wave.targets, launch.starts, strict=True):
            if launch.watch:
                server_squares(wave, place, start, launch.watch.task_id, title=squares)
        if wave.tag_instances_task:
            _tag(shape, wave, wave.tag_instances_task)


def wave_group(shape: RunShape, wave: WaveShape) -> LaunchTasks:
    """Build the tasks of a wave in the current DAG, in a group of their own; nothing is wired yet."""
    with TaskGroup(group_id=wave.name, group_display_name=wave_title(wave), tooltip=tooltip_of(wave)):
        wave_opening(shape, wave)
        wave_steps(shape, wave, wave.before)
        if not wave.ahead_tasks:
            _last_sync(shape, wave, name_of=name_in_group)
        _stop_sources(shape, wave)
        launch = launch_tasks(shape, wave, LaunchKinds())
        wave_steps(shape, wave, wave.after)
    return launch


def launch_tasks(shape: RunShape, wave: WaveShape, kinds: LaunchKinds) -> LaunchTasks:
    """Build the tasks of a wave that launch and watch, in the current group; nothing is wired yet."""
    starts = tuple(_start(shape, wave, place, kinds) for place in wave.targets)
    watch = _watch(shape, wave, wave.watch_task, kinds) if wave.watch_task else None
    return LaunchTasks(wave, starts, watch)


def wave_opening(shape: RunShape, wave: WaveShape) -> None:
    """Build what the plan lets stand first in a wave: the delay, then the question.

    In this order, so that nothing more waits once somebody has answered.
    """
    if not (wave.delay_task or wave.pause_task):
        return
    from drs_provider.dag.people.ask import AskBeforeWave, WaitBeforeWave

    if wave.delay_task:
        WaitBeforeWave(
            task_id=name_in_group(wave.delay_task),
            task_display_name="Delay",
            plan=shape.plan.name,
            wave=wave.name,
            delay=wave.wave.delay_before,
            steps_only=not wave.has_servers,
            trigger_rule=TriggerRule.NONE_FAILED,
            **CHAIN,
        )
    if wave.pause_task and wave.wave.pause_before:
        AskBeforeWave(
            task_id=name_in_group(wave.pause_task),
            task_display_name="Pause",
            plan=shape.plan.name,
            wave=wave.name,
            pause=wave.wave.pause_before,
            steps_only=not wave.has_servers,
            trigger_rule=TriggerRule.NONE_FAILED,
            **CHAIN,
        )


def _last_sync(shape: RunShape, wave: WaveShape, *, name_of: Callable[[str], str]) -> None:
    """Build what a planned migration does before the launch; other runs skip it."""
    if wave.sync_task is None:
        return
    from drs_provider.dag.waves.final_sync import AwaitFinalSync

    quiesces = {task: name_in_group(task) for task in shape.quiesce_tasks_of(wave)}
    AwaitFinalSync(
        task_id=name_of(wave.sync_task),
        task_display_name=f"{wave_title(wave)}: last sync" if wave.ahead_tasks else "Last sync",
        plan=shape.plan.name,
        digest=shape.digest,
        wave=wave.name,
        quiesce_task_ids=quiesces,
        within=shape.plan.migration.sync_timeout,
        trigger_rule=TriggerRule.NONE_FAILED,
        **CHAIN,
    )


def _stop_sources(shape: RunShape, wave: WaveShape) -> None:
    """Build what stops the sources of a planned migration right before the launch; other runs skip it."""
    if wave.sync_task is None or wave.stop_task is None or shape.stop_policy is None:
        return
    from drs_provider.dag.waves.stop_sources import StopWaveSources

    StopWaveSources(
        task_id=name_in_group(wave.stop_task),
        task_display_name="Stop sources",
        plan=shape.plan.name,
        digest=shape.digest,
        wave=wave.name,
        sync_task_id=wave.sync_task,
        policy=shape.policy,
        approval_task_ids=shape.approval_tasks,
        stop_policy=shape.stop_policy,
        stop_approval_task_ids=shape.stop_approval_tasks,
        pause=wave.wave.pause_before,
        pause_task_id=wave.pause_task or "",
        asked_before=wave.asked_before,
        trigger_rule=TriggerRule.NONE_FAILED,
        **CHAIN,
    )


def _apply(shape: RunShape, wave: WaveShape, place: WaveTarget, task_id: str) -> None:
    ApplyWaveSettings(
        task_id=task_id,
        task_display_name=place.titled(f"{wave_title(wave)}: launch settings"),
        plan=shape.plan.name,
        digest=shape.digest,
        wave=wave.name,
        target=place.target,
        policy=shape.policy,
        approval_task_ids=shape.approval_tasks,
        network=place.network,
        lifetime=shape.lifetime,
        trigger_rule=TriggerRule.NONE_FAILED,
    )


def _start(shape: RunShape, wave: WaveShape, place: WaveTarget, kinds: LaunchKinds) -> StartWave:
    start = kinds.start(
        task_id=name_in_group(place.start_task),
        task_display_name=place.titled(kinds.start_title),
        plan=shape.plan.name,
        digest=shape.digest,
        wave=wave.name,
        target=place.target,
        policy=shape.policy,
        approval_task_ids=shape.approval_tasks,
        pause=wave.wave.pause_before,
        pause_task_id=wave.pause_task or "",
        settings_task_id=place.settings_task or "",
        sync_task_id=wave.sync_task or "",
        stop_task_id=wave.stop_task or "",
        network=place.network,
        lifetime=shape.lifetime,
        trigger_rule=TriggerRule.NONE_FAILED,
        **CHAIN,
    )
    start.asked_before = wave.asked_before
    start.ahead_task_id, start.relaunch_task_id = place.ahead_task or "", place.relaunch_task or ""
    return start


def _watch(shape: RunShape, wave: WaveShape, task_id: str, kinds: LaunchKinds) -> WatchWave:
    return kinds.watch(
        task_id=name_in_group(task_id),
        task_display_name=kinds.watch_title,
        plan=shape.plan.name,
        wave=wave.name,
        digest=shape.digest,
        retries_of_failed=wave.wave.retry_failed,
        networks={str(target): number for target, number in shape.networks.items()},
        settings_task_ids={place.start_task: place.settings_task or "" for place in wave.targets},
        start_task_ids=wave.start_tasks,
        relaunches={p.relaunch_task: p.ahead_task for p in wave.targets if p.relaunch_task and p.ahead_task},
        timeout=wave.wave.timeout,
        ready=wave.wave.ready,
        tolerate=str(wave.wave.tolerate_failures),
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        **CHAIN,
    )


def wave_title(wave: WaveShape) -> str:
    """Give the name of a wave as people read it."""
    return wave.name.replace("-", " ").capitalize()


def server_squares(
    wave: WaveShape, place: WaveTarget, start: DrsStartRecoveryOperator, watch: str, *, title: str = "servers"
) -> None:
    """A few small tasks, one at a time and last in every queue: what people look at must not slow a wave."""
    ServerOutcome.partial(
        task_id=place.servers_task,
        task_display_name=place.titled(f"{wave_title(wave)}: {title}"),
        watch_task_id=watch,
        map_index_template="{{ server_name }}",
        trigger_rule=TriggerRule.ALL_DONE,
        max_active_tis_per_dagrun=1,
        **_ASIDE,
    ).expand(server=start.output)


def _tag(shape: RunShape, wave: WaveShape, task_id: str) -> None:
    TagInstances(
        task_id=task_id,
        task_display_name=f"{wave_title(wave)}: tag instances",
        plan=shape.plan.name,
        wave=wave.name,
        targets=[place.target for place in wave.targets],
        lifetime=shape.lifetime,
        trigger_rule=TriggerRule.ALL_DONE,
        **_ASIDE,
    )
