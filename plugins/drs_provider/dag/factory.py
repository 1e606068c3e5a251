"""One DAG from one plan. Reads no file but the plans, asks no network, and gives the same DAG every time."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, BaseOperator, TaskGroup, get_parsing_context
from airflow.sdk.definitions.param import ParamsDict

from drs_provider.dag.docs import broken_notice, documentation
from drs_provider.dag.finish.group import finish_group
from drs_provider.dag.import_errors import report_problems
from drs_provider.dag.plan_dag import CRASHES, PlanDag, remember_failure
from drs_provider.dag.preflight_check import CheckPlan
from drs_provider.dag.steps.registry import plan_steps
from drs_provider.dag.trigger_form import trigger_form
from drs_provider.dag.waves.group import wave_group
from drs_provider.dag.waves.network import prepare_tasks
from drs_provider.dag.waves.settings import ApplyWaveSettings
from drs_provider.plan.loader import Library, RunnablePlan, read_alone, read_folder
from drs_provider.plan.model import RecoveryPlan, wave_dependencies
from drs_provider.rules.run.approvals import policy_of
from drs_provider.rules.run.names import SWEEPER_DAG, TAG_INSTANCES

if TYPE_CHECKING:
    from airflow.sdk import CronTriggerTimetable

PREFIX = "drs."
RUNS_AT_ONCE = 4
"""A recovery must never queue behind a drill that is kept for people. That drills do not overlap is for preflight."""

_START = datetime(2026, 1, 1, tzinfo=UTC)
"""Airflow wants a start date; a drill that was missed before today is never caught up."""


def plans_folder(*, beside: Path) -> Path:
    """The folder of plans: ``DRS_PLANS_FOLDER``, by default ``plans`` beside the folder of the DAG file."""
    return Path(os.environ.get("DRS_PLANS_FOLDER") or beside.resolve().parents[1] / "plans")


def dags_of_folder(folder: Path, *, dag_file: Path) -> Iterator[DAG]:
    """Every plan's DAG; when Airflow wants one task of one DAG, only that plan is read.

    Each broken file becomes an import error of its own. A plan with problems has no DAG, unless a run has kept it: then
    that is built, for runs to go on with, and nothing begins from it.
    """
    only = get_parsing_context().dag_id
    if only == SWEEPER_DAG:
        yield _sweeper(folder)
        return
    if only is not None:
        if only.startswith(PREFIX):
            yield from _dag_of_plan(folder, only.removeprefix(PREFIX))
        return
    library = read_folder(folder)
    report_problems(library.problems, dag_file)
    # Airflow stops scheduling a run whose DAG is gone: another file must not do that to it. Preflight lets none begin.
    for _, runnable in sorted({**library.plans, **library.contested}.items()):
        yield build_dag(runnable, folder)
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


def _kept_dags(folder: Path, library: Library, *, only: str | None = None) -> Iterator[DAG]:
    """The DAGs of plans that nobody can read any more, as the newest run of each began with it."""
    if not library.problems:
        return
    from drs_provider.dag.plan_store import kept_plans
    from drs_provider.plan.snapshot import problems_in_the_way

    for kept in kept_plans(folder, library, only=only):
        notice = broken_notice(problems_in_the_way(library, kept.runnable), kept.run_id)
        yield build_dag(kept.runnable, folder, notice=notice)


def _sweeper(folder: Path) -> DAG:
    from drs_provider.dag.finish.sweeper import build_sweeper

    return build_sweeper(folder, _START)


def build_dag(runnable: RunnablePlan, folder: Path, *, notice: str = "") -> DAG:
    """Build the DAG of a plan: preflight, a task group per wave in dependency order, finish.

    ``notice`` is Markdown that people see before anything else about the plan.
    """
    plan = runnable.plan
    dag = PlanDag(
        dag_id=f"{PREFIX}{plan.name}",
        dag_display_name=plan.title or plan.name,
        description=plan.description or None,
        doc_md=documentation(runnable, notice),
        schedule=_schedule(plan),
        start_date=_START,
        catchup=False,
        max_active_runs=RUNS_AT_ONCE,
        allowed_run_types=["manual", "scheduled"],  # type: ignore[list-item]  # its enum is private to the SDK
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
        _wire(dag, runnable, folder)
    for task in dag.tasks:
        if know := getattr(task, "know", None):  # a question: what it says depends on the whole plan
            know(plan)
    if plan.notify:
        from drs_provider.dag.notifications.tasks import add_notifications

        add_notifications(dag, runnable)
    if plan.rto:
        from drs_provider.dag.notifications.deadline import deadline_alerts

        dag.deadline = deadline_alerts(plan)
    # Only now: Airflow copies the form that a DAG has into every task that is added to it, two thirds of its size.
    dag.params = ParamsDict(trigger_form(plan, notice))
    return dag


def _wire(dag: DAG, runnable: RunnablePlan, folder: Path) -> None:
    plan = runnable.plan
    passed, approval_ids, networks = _preflight_group(runnable, folder)
    depends_on = wave_dependencies(plan)
    opening = plan_steps(runnable, "before", approval_task_ids=approval_ids)
    waves = {wave.name: wave_group(runnable, wave, depends_on[wave.name], approval_ids) for wave in plan.waves}
    closing = plan_steps(runnable, "after", approval_task_ids=approval_ids)
    starts = [start for wave in waves.values() for start in wave.starts]
    settings_in = {task.target for wave in waves.values() for task in wave.ahead if isinstance(task, ApplyWaveSettings)}
    cleanups, _ = finish_group(runnable, starts, settings_in)
    if opening:
        passed >> opening[0]
    for name, wave in waves.items():
        before: list[Any] = [waves[other].last for other in depends_on[name]]
        for first in wave.firsts:
            (before or [*(opening[-1:] or [passed]), *networks]) >> first
        for task in wave.ahead:
            [passed, *networks] >> task
        if closing:
            wave.last >> closing[0]
        # Every wave, also one that others wait for: where a later task is marked by hand, the clean-up would otherwise
        # start beside waves that still run. So would it beside the other starts of a wave whose first start fails.
        for task in (*wave.ahead, *(wave.chain[:-1] if wave.is_long else ()), wave.last):
            task >> cleanups
        if tags := dag.task_dict.get(f"{name}.{TAG_INSTANCES}"):
            tags >> cleanups
    for task in (*opening, *closing):
        task >> cleanups


def _preflight_group(
    runnable: RunnablePlan, folder: Path
) -> tuple[BaseOperator, tuple[str, ...], Sequence[BaseOperator]]:
    """Build the group before the waves; return what ends it, the ids of its approvals, and what a drill adds."""
    plan = runnable.plan
    policy = policy_of(plan.recovery)
    numbers = range(1, policy.required + 1) if policy else ()
    names = ["approval" if number == 1 else f"approval_{number}" for number in numbers]
    ids = tuple(f"preflight.{name}" for name in names)
    last: BaseOperator
    with TaskGroup("preflight", group_display_name="Preflight", tooltip="Nothing is launched before this has passed"):
        networks = prepare_tasks(runnable)
        last = CheckPlan(
            task_id="check",
            task_display_name="Check",
            runnable=runnable,
            plans_folder=folder,
            approval_task_ids=ids,
            drill_task_ids=[task.task_id for task in networks],
        )
        last >> networks
        if policy is not None:
            from drs_provider.dag.people.ask import AskApproval

            for number, name in zip(numbers, names, strict=True):
                ask = AskApproval(
                    task_id=name,
                    task_display_name=f"Approval {number} of {policy.required}",
                    plan=plan.name,
                    policy=policy,
                    number=number,
                    task_ids=ids,
                )
                last >> ask
                last = ask
    return last, ids, networks


def _schedule(plan: RecoveryPlan) -> "CronTriggerTimetable | None":
    if plan.drill is None or plan.drill.schedule is None:
        return None
    from airflow.sdk import CronTriggerTimetable

    return CronTriggerTimetable(plan.drill.schedule, timezone=plan.drill.timezone or "UTC")
