"""The tasks of a failback in the DAG of a plan's way back; nothing is wired here."""

from airflow.sdk import TriggerRule

from drs_provider.dag.failback.cut_over.agreement import CutOverAgreement
from drs_provider.dag.failback.cut_over.at_rest import AssertRest
from drs_provider.dag.failback.cut_over.last_sync import AwaitLastSyncBack
from drs_provider.dag.failback.cut_over.protect_again import ProtectAgain
from drs_provider.dag.failback.cut_over.remove import RemoveRecovered
from drs_provider.dag.failback.cut_over.start import StartBack
from drs_provider.dag.failback.cut_over.still_launchable import StillLaunchable
from drs_provider.dag.failback.cut_over.stop_clients import StopClients
from drs_provider.dag.failback.cut_over.stop_originals import StopOriginals
from drs_provider.dag.failback.cut_over.watch import WatchBack
from drs_provider.dag.steps.tasks import wave_steps
from drs_provider.dag.waves.group import CHAIN, server_squares, wave_opening, wave_title
from drs_provider.rules.failback.shape import FailbackShape
from drs_provider.rules.run import names
from drs_provider.rules.run.approvals import clean_up_policy_of
from drs_provider.rules.run.shape import WaveShape


def approval_tasks(shape: FailbackShape) -> None:
    """Build what asks before production goes back."""
    if shape.policy is None:
        return
    from drs_provider.dag.failback.cut_over.people import AskCutOver

    for number, task_id in enumerate(shape.approval_tasks, start=1):
        AskCutOver(
            task_id=names.name_in_group(task_id),
            task_display_name=f"Approval {number} of {shape.policy.required}",
            plan=shape.plan.name,
            policy=shape.policy,
            number=number,
            task_ids=shape.approval_tasks,
        )


def last_syncs_ahead(shape: FailbackShape) -> None:
    """Build the last syncs that run beside earlier waves, for all writes are stopped before all waves."""
    for wave in shape.waves:
        if wave.ahead_tasks and wave.sync_task:
            _last_sync(shape, wave, wave.sync_task, f"{wave_title(wave)}: last sync")


def launch_tasks(shape: FailbackShape, wave: WaveShape) -> tuple[StartBack, ...]:
    """Build what brings a wave back, in its group: all but what runs ahead of it or beside it."""
    wave_opening(shape, wave)
    still_launchable = StillLaunchable.of(shape.plan.name, [wave], shape.quiesce_tasks_of(wave))
    wave_steps(shape, wave, wave.before, look_first=still_launchable)
    agreement = CutOverAgreement.of(shape, wave)
    stops_writes = bool(shape.quiesce_tasks_of(wave))
    if wave.sync_task and not wave.ahead_tasks:
        _last_sync(shape, wave, names.name_in_group(wave.sync_task), "Last sync")
    if wave.sync_task and wave.stop_task:
        StopOriginals(
            task_id=names.name_in_group(wave.stop_task),
            task_display_name="Stop originals",
            plan=shape.plan.name,
            digest=shape.digest,
            wave=wave.name,
            ways=wave.ways_back,
            sync_task_id=wave.sync_task,
            agreement=agreement,
            start_task_ids=wave.start_tasks,
            stops_writes=stops_writes,
            trigger_rule=TriggerRule.NONE_FAILED,
            **CHAIN,
        )
    starts = tuple(
        StartBack(
            task_id=names.name_in_group(target.start_task),
            task_display_name=way.titled("Start failback"),
            plan=shape.plan.name,
            digest=shape.digest,
            wave=wave.name,
            way=way,
            agreement=agreement,
            sync_task_id=wave.sync_task or "",
            stops_writes=stops_writes,
            trigger_rule=TriggerRule.NONE_FAILED,
            **CHAIN,
        )
        for way, target in zip(wave.ways_back, wave.targets, strict=True)
    )
    if wave.watch_task:
        _watch(shape, wave, wave.watch_task)
    wave_steps(shape, wave, wave.after)
    return starts


def squares(wave: WaveShape, starts: tuple[StartBack, ...], watch: str) -> None:
    """Build what shows the servers of a wave.

    :param watch: id of the task that knows what became of them
    """
    for place, start in zip(wave.targets, starts, strict=True):
        server_squares(wave, place, start, watch)


def end_tasks(shape: FailbackShape) -> None:
    """Build what ends a failback: protected again, people agree, everything removed, at rest."""
    if shape.plan.failback is None:
        return
    from drs_provider.dag.failback.cut_over.people import AskCleanUp

    policy, homes = clean_up_policy_of(shape.plan.failback), shape.ways_home
    for home in homes:
        ProtectAgain(
            task_id=names.name_in_group(home.protect_task),
            task_display_name=home.way.titled("Protect again"),
            plan=shape.plan.name,
            digest=shape.digest,
            home=home,
            watch_task_ids=shape.watch_tasks,
            trigger_rule=TriggerRule.NONE_FAILED,
        )
    AskCleanUp(
        task_id=names.name_in_group(names.AGREE_TASK),
        task_display_name="Agree to the clean-up",
        plan=shape.plan.name,
        digest=shape.digest,
        policy=policy,
        homes=homes,
        sync_task_ids=[wave.sync_task for wave in shape.waves if wave.sync_task],
        trigger_rule=TriggerRule.NONE_FAILED,
    )
    for home in homes:
        RemoveRecovered(
            task_id=names.name_in_group(home.remove_task),
            task_display_name=home.way.titled("Remove what was recovered"),
            plan=shape.plan.name,
            digest=shape.digest,
            home=home,
            policy=policy,
            agree_task_id=names.AGREE_TASK,
            trigger_rule=TriggerRule.NONE_FAILED,
        )
        AssertRest(
            task_id=names.name_in_group(home.rest_task),
            task_display_name=home.way.titled("At rest"),
            plan=shape.plan.name,
            digest=shape.digest,
            home=home,
            trigger_rule=TriggerRule.NONE_FAILED,
        )
        StopClients(
            task_id=names.name_in_group(home.stop_task),
            task_display_name=home.way.titled("End failbacks after a cancel"),
            plan=shape.plan.name,
            digest=shape.digest,
            home=home,
            start_task_ids=[task for wave in shape.waves if wave.wave.name in home.waves for task in wave.start_tasks],
            trigger_rule=TriggerRule.ALL_DONE,
        )


def _last_sync(shape: FailbackShape, wave: WaveShape, task_id: str, title: str) -> None:
    AwaitLastSyncBack(
        task_id=task_id,
        task_display_name=title,
        plan=shape.plan.name,
        digest=shape.digest,
        wave=wave.name,
        ways=wave.ways_back,
        quiesce_task_ids={task: names.name_in_group(task) for task in shape.quiesce_tasks_of(wave)},
        within=shape.plan.migration.sync_timeout,
        trigger_rule=TriggerRule.NONE_FAILED,
        **CHAIN,
    )


def _watch(shape: FailbackShape, wave: WaveShape, task_id: str) -> None:
    WatchBack(
        task_id=names.name_in_group(task_id),
        task_display_name="Recovery job",
        plan=shape.plan.name,
        digest=shape.digest,
        wave=wave.name,
        ways=wave.ways_back,
        targets=wave.targets,
        timeout=wave.wave.timeout,
        ready=wave.wave.ready,
        tolerate=str(wave.wave.tolerate_failures),
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        **CHAIN,
    )
