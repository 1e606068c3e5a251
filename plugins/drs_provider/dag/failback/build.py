"""One DAG from the way back of one plan. Reads nothing, asks nobody, and gives the same DAG every time."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, TaskGroup, TriggerRule

from drs_provider.airflow_internals.dag_parts import ParamsDict
from drs_provider.airflow_internals.task_groups import list_in_order
from drs_provider.dag.docs import failback_documentation, tooltip
from drs_provider.dag.failback.check import CheckFailback
from drs_provider.dag.failback.cut_over.group import (
    approval_tasks,
    end_tasks,
    last_syncs_ahead,
    launch_tasks,
    squares,
)
from drs_provider.dag.failback.cut_over.start import StartBack
from drs_provider.dag.failback.cut_over.still_launchable import StillLaunchable
from drs_provider.dag.failback.drill.build import DrillTasks
from drs_provider.dag.failback.form import failback_form
from drs_provider.dag.failback.reverse import ReverseWave
from drs_provider.dag.finish.group import SayVerdict, WriteReport
from drs_provider.dag.plan_dag import CRASHES, RUNS_AT_ONCE, PlanDag, remember_failure
from drs_provider.dag.steps.tasks import plan_steps
from drs_provider.dag.waves.group import aside, preparation
from drs_provider.plan.loader import RunnablePlan
from drs_provider.rules.failback.shape import FailbackShape, compile_failback
from drs_provider.rules.run import names
from drs_provider.rules.run.shape import WaveShape


def build_failback_dag(runnable: RunnablePlan, folder: Path, start: datetime, *, notice: str = "") -> DAG | None:
    """Build the DAG of a plan's way back: preflight, a task group per wave, finish; None: the plan has none.

    :param folder: the plans folder
    :param start: Airflow wants a start date
    :param notice: Markdown that people see before anything else
    """
    shape = compile_failback(runnable)
    if shape is None or shape.drill is None:
        return None
    plan, drill = shape.plan, DrillTasks(shape.drill)
    dag = PlanDag(
        dag_id=shape.dag_id,
        dag_display_name=shape.title,
        description=f"Takes what {names.dag_id_of(plan.name)} has recovered back to where it came from",
        doc_md=failback_documentation(shape, notice),
        schedule=None,
        start_date=start,
        catchup=False,
        max_active_runs=RUNS_AT_ONCE,
        allowed_run_types=["manual"],  # type: ignore[list-item]  # its enum is private to the SDK
        tags=sorted({"drs", *plan.tags}),
        render_template_as_native_obj=True,
        auto_register=False,
        default_args={
            "owner": plan.owner or "airflow",
            "retries": CRASHES,
            "retry_delay": timedelta(seconds=10),
            "on_failure_callback": remember_failure,
        },
    )
    with dag:
        _preflight_group(shape, folder, drill)
        plan_steps(shape, "before", look_first=StillLaunchable.of(plan.name, shape.waves, shape.quiesce_tasks))
        _preparation_group(shape, drill)
        starts = {wave.name: _wave_group(shape, wave, drill) for wave in shape.waves}
        plan_steps(shape, "after")
        _aside_group(shape, starts, drill)
        _finish_group(shape, drill)
    for task in dag.tasks:
        if know := getattr(task, "know", None):  # a question: what it says depends on the whole plan
            know(shape)
    if plan.notify:
        from drs_provider.dag.notifications.tasks import add_notifications

        add_notifications(dag, shape)
    _wire(dag, shape)
    dag.params = ParamsDict(failback_form(shape, notice))
    return dag


def _preflight_group(shape: FailbackShape, folder: Path, drill: DrillTasks) -> None:
    with TaskGroup(
        names.PREFLIGHT_GROUP,
        group_display_name="Preflight",
        tooltip="Nothing is called before this has passed",
    ):
        CheckFailback(task_id=names.CHECK, task_display_name="Check", shape=shape, plans_folder=folder)
        approval_tasks(shape)
        drill.in_preflight()


def _preparation_group(shape: FailbackShape, drill: DrillTasks) -> None:
    if not (shape.syncs_ahead or drill.prepares):
        return
    with preparation("What is done ahead of the waves: the last sync of a failback, the launch settings of its drill"):
        drill.before_the_waves()
        last_syncs_ahead(shape)


def _wave_group(shape: FailbackShape, wave: WaveShape, drill: DrillTasks) -> tuple[StartBack, ...]:
    with TaskGroup(
        group_id=wave.name,
        group_display_name=wave.name.replace("-", " ").capitalize(),
        tooltip=tooltip(wave),
    ):
        for way in wave.ways_back:
            ReverseWave(
                task_id=names.name_in_group(way.reverse_task),
                task_display_name=way.titled("Reverse replication"),
                plan=shape.plan.name,
                digest=shape.digest,
                wave=wave.name,
                way=way,
            )
        starts = launch_tasks(shape, wave)
        if wave.has_servers:
            drill.in_wave(wave.name)
        return starts


def _aside_group(shape: FailbackShape, starts: Mapping[str, tuple[StartBack, ...]], drill: DrillTasks) -> None:
    with aside():
        for wave in shape.waves:
            if wave.watch_task:
                squares(wave, starts[wave.name], wave.watch_task)
        drill.beside_the_waves()


def _finish_group(shape: FailbackShape, drill: DrillTasks) -> None:
    with TaskGroup(
        names.FINISH_GROUP,
        group_display_name="Finish",
        tooltip="Protect again and remove what was recovered, or clean up a drill; report and verdict",
    ):
        end_tasks(shape)
        drill.in_finish()
        WriteReport(
            task_id=names.name_in_group(names.REPORT_TASK), task_display_name="Report", runnable=shape.runnable
        ).as_teardown()
        SayVerdict(
            task_id=names.name_in_group(names.VERDICT_TASK),
            task_display_name="Verdict",
            report_task_id=names.REPORT_TASK,
            trigger_rule=TriggerRule.ALL_DONE,
        )


def _wire(dag: DAG, shape: FailbackShape) -> None:
    """Let every task wait for what the shape says, and list the groups in the order of the shape."""
    for task_id, above in shape.upstream.items():
        task = dag.get_task(task_id)
        if missing := sorted(above - task.upstream_task_ids):
            task.set_upstream([dag.get_task(other) for other in missing])
    list_in_order(group for group in dag.task_group.children.values() if isinstance(group, TaskGroup))
