"""One DAG from one plan. Reads no file but the plans, asks no network, and gives the same DAG every time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import DAG, TaskGroup, TriggerRule, get_parsing_context

from drs_provider import configuration
from drs_provider.airflow_internals.dag_parts import ParamsDict
from drs_provider.airflow_internals.task_groups import list_in_order
from drs_provider.dag.docs import broken_notice, documentation
from drs_provider.dag.finish.group import finish_group
from drs_provider.dag.import_errors import report_problems
from drs_provider.dag.plan_dag import CRASHES, RUNS_AT_ONCE, PlanDag, remember_failure
from drs_provider.dag.preflight_check import CheckPlan
from drs_provider.dag.steps.tasks import plan_steps
from drs_provider.dag.trigger_form import trigger_form
from drs_provider.dag.waves.group import aside_group, preparation_group, wave_group
from drs_provider.dag.waves.network import network_tasks
from drs_provider.plan.loader import Library, RunnablePlan, read_alone, read_folder
from drs_provider.plan.model import RecoveryPlan
from drs_provider.plan.snapshot import drawn_text
from drs_provider.rules.purpose import STARTERS
from drs_provider.rules.run import names
from drs_provider.rules.run.shape import RunShape, compile_shape

if TYPE_CHECKING:
    from airflow.sdk import CronTriggerTimetable

_START = datetime(2026, 1, 1, tzinfo=UTC)
"""Airflow wants a start date; a drill that was missed before today is never caught up."""


def plans_folder(*, beside: Path) -> Path:
    """The folder of plans, as configured; by default ``plans`` beside the folder of the DAG file."""
    return configuration.plans_folder() or beside.resolve().parents[1] / "plans"


def dags_of_folder(folder: Path, *, dag_file: Path) -> Iterator[DAG]:
    """Every plan's DAG; when Airflow wants one task of one DAG, only that plan is read.

    Each broken file becomes an import error of its own. A plan with problems has no DAG, unless a run has kept it: then
    that is built, for runs to go on with, and nothing begins from it.
    """
    only = get_parsing_context().dag_id
    if only == names.SWEEPER_DAG:
        yield _sweeper(folder)
        return
    if only is not None:
        if plan := names.plan_of(only):
            yield from _dag_of_plan(folder, plan)
        elif (plan := names.plan_checked_by(only)) and (runnable := _read_one(folder, plan)):
            yield from _check_dag(runnable)
        elif plan := names.plan_failed_back_by(only):
            yield from _failback_dag_alone(folder, plan)
        return
    library = read_folder(folder)
    report_problems(library.problems, dag_file)
    # Airflow stops scheduling a run whose DAG is gone: another file must not do that to it. Preflight lets none begin.
    for _, runnable in sorted({**library.plans, **library.contested}.items()):
        yield build_dag(runnable, folder)
        yield from _check_dag(runnable)
        yield from _failback_dag(runnable, folder)
    yield from _kept_dags(folder, library)
    yield _sweeper(folder)


def _dag_of_plan(folder: Path, name: str) -> Iterator[DAG]:
    runnable = read_alone(folder, name)
    if runnable is not None:
        yield build_dag(runnable, folder)
        return
    library = read_folder(folder)
    if runnable := library.plans.get(name) or library.contested.get(name):
        yield build_dag(runnable, folder)
        return
    yield from _kept_dags(folder, library, only=name)


def _read_one(folder: Path, name: str) -> RunnablePlan | None:
    if runnable := read_alone(folder, name):
        return runnable
    library = read_folder(folder)
    return library.plans.get(name) or library.contested.get(name)


def _check_dag(runnable: RunnablePlan) -> Iterator[DAG]:
    """The DAG that starts the plan's checks, where the plan schedules some."""
    if runnable.plan.check is None:
        return
    from drs_provider.dag.check_schedule import build_check_dag

    if dag := build_check_dag(runnable.plan, _START):
        yield dag


def _failback_dag(runnable: RunnablePlan, folder: Path, *, notice: str = "") -> Iterator[DAG]:
    """The DAG of the plan's way back, where the plan has one."""
    if runnable.plan.failback is None:
        return
    from drs_provider.dag.failback.build import build_failback_dag

    if dag := build_failback_dag(runnable, folder, _START, notice=notice):
        yield dag


def _failback_dag_alone(folder: Path, name: str) -> Iterator[DAG]:
    """The same for one task of it: also where the plan's file has problems by now, and a run has kept the plan."""
    if runnable := _read_one(folder, name):
        yield from _failback_dag(runnable, folder)
        return
    for dag in _kept_dags(folder, read_folder(folder), only=name):
        if dag.dag_id == names.failback_dag_of(name):
            yield dag


def _kept_dags(folder: Path, library: Library, *, only: str | None = None) -> Iterator[DAG]:
    """The DAGs of plans that nobody can read any more, as the newest run of each began with it."""
    if not library.problems:
        return
    from drs_provider.dag.plan_store import kept_plans
    from drs_provider.plan.snapshot import problems_in_the_way

    for kept in kept_plans(folder, library, only=only):
        notice = broken_notice(problems_in_the_way(library, kept.runnable), kept.run_id)
        yield build_dag(kept.runnable, folder, notice=notice)
        yield from _failback_dag(kept.runnable, folder, notice=notice)


def _sweeper(folder: Path) -> DAG:
    from drs_provider.dag.finish.sweeper import build_sweeper

    return build_sweeper(folder, _START)


def build_dag(runnable: RunnablePlan, folder: Path, *, notice: str = "") -> DAG:
    """Build the DAG of a plan: preflight, a task group per wave in dependency order, finish.

    ``notice`` is Markdown that people see before anything else about the plan.
    """
    shape = compile_shape(runnable)
    plan = shape.plan
    dag = PlanDag(
        dag_id=shape.dag_id,
        dag_display_name=shape.title,
        description=plan.description or None,
        doc_md=documentation(shape, notice),
        schedule=_schedule(plan),
        start_date=_START,
        catchup=False,
        max_active_runs=RUNS_AT_ONCE,
        allowed_run_types=list(STARTERS),  # type: ignore[arg-type]  # its enum is private to the SDK
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
        _preflight_group(shape, folder)
        if shape.prepares_after_steps:  # groups stand in the order of their edges
            plan_steps(shape, "before")
            preparation_group(shape)
        else:
            preparation_group(shape)
            plan_steps(shape, "before")
        launches = [wave_group(shape, wave) for wave in shape.waves]
        plan_steps(shape, "after")
        aside_group(shape, launches)
        finish_group(shape)
    for task in dag.tasks:
        if know := getattr(task, "know", None):  # a question: what it says depends on the whole plan
            know(shape)
    if plan.notify:
        from drs_provider.dag.notifications.tasks import add_notifications

        add_notifications(dag, shape)
    _wire(dag, shape)
    if plan.rto:
        from drs_provider.dag.notifications.deadline import deadline_alerts

        dag.deadline = deadline_alerts(plan)
    # Only now: Airflow copies the form that a DAG has into every task that is added to it, two thirds of its size.
    dag.params = ParamsDict(trigger_form(shape, notice))
    return dag


def _wire(dag: DAG, shape: RunShape) -> None:
    """Let every task wait for what the shape says, and list the groups in the order of the shape."""
    for task_id, above in shape.upstream.items():
        task = dag.get_task(task_id)
        if missing := sorted(above - task.upstream_task_ids):
            task.set_upstream([dag.get_task(other) for other in missing])
    list_in_order(group for group in dag.task_group.children.values() if isinstance(group, TaskGroup))


def _preflight_group(shape: RunShape, folder: Path) -> None:
    """Build the group before the waves: the checks, the networks of a drill, the approvals of a recovery."""
    with TaskGroup(
        names.PREFLIGHT_GROUP,
        group_display_name="Preflight",
        tooltip="Nothing is launched before this has passed",
    ):
        CheckPlan(
            task_id=names.CHECK,
            task_display_name="Check",
            shape=shape,
            plans_folder=folder,
            doc_json=drawn_text(shape.runnable, folder),
        )
        network_tasks(shape)
        _approvals(shape)
        _stop_approvals(shape)


def _approvals(shape: RunShape) -> None:
    if shape.policy is None:
        return
    from drs_provider.dag.people.ask import AskApproval

    for number, task_id in enumerate(shape.approval_tasks, start=1):
        AskApproval(
            task_id=names.name_in_group(task_id),
            task_display_name=f"Approval {number} of {shape.policy.required}",
            plan=shape.plan.name,
            policy=shape.policy,
            number=number,
            task_ids=shape.approval_tasks,
        )


def _stop_approvals(shape: RunShape) -> None:
    if shape.stop_policy is None:
        return
    from drs_provider.dag.people.ask_stop import AskStop

    for number, task_id in enumerate(shape.stop_approval_tasks, start=1):
        AskStop(
            task_id=names.name_in_group(task_id),
            task_display_name=f"Approval {number} of {shape.stop_policy.required} to stop the sources",
            plan=shape.plan.name,
            policy=shape.stop_policy,
            number=number,
            task_ids=shape.stop_approval_tasks,
            trigger_rule=TriggerRule.NONE_FAILED,
        )


def _schedule(plan: RecoveryPlan) -> "CronTriggerTimetable | None":
    if plan.drill is None or plan.drill.schedule is None:
        return None
    from airflow.sdk import CronTriggerTimetable

    return CronTriggerTimetable(plan.drill.schedule, timezone=plan.drill.timezone or "UTC")
