"""The small DAG that starts the checks of a plan by the plan's own schedule.

A DAG of Airflow has one schedule, and a run by schedule cannot say what it is for: that of the plan's own DAG starts
drills. So the checks have a DAG of their own, beside the plan's, that can be paused for itself.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from airflow.sdk import DAG, BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from drs_provider import clock
from drs_provider.airflow_internals.tasks import active_runs, is_dag_paused, trigger_dag_run
from drs_provider.dag.run_reader import late_tick
from drs_provider.plan.model import RecoveryPlan
from drs_provider.rules.purpose import CHECK
from drs_provider.rules.run import names

MOST_BESIDE: Final = 1
"""Runs of the plan that may go on while a check begins: the plan has few runs at once, and a recovery needs one."""


class StartCheck(BaseOperator):
    """Start one check of a plan, however often this task is tried; what it finds is for the check's own run to say."""

    ui_color = "#d9ead3"
    ui_fgcolor = "#1d3317"

    def __init__(self, *, plan: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan

    def execute(self, context: Context) -> str:
        """Start the check and return the id of its run.

        :raises AirflowSkipException: the tick is too late, or the plan has other runs that go on
        :raises AirflowFailException: the plan is paused, or Airflow does not start the run
        """
        from drs_provider.rules.run.request import too_late

        if late := late_tick(context):
            raise AirflowSkipException(f"not checked: {too_late(CHECK.name, late, plan=self.plan)}")
        dag_id, due = names.dag_id_of(self.plan), context["dag_run"].run_after
        if is_dag_paused(dag_id):
            raise AirflowFailException(
                f"not checked: {dag_id} is paused, so nothing of it would begin. Resume it, or pause "
                f"{names.check_dag_of(self.plan)} too for as long"
            )
        if (going_on := active_runs(dag_id)) > MOST_BESIDE:
            raise AirflowSkipException(
                f"not checked: {going_on} runs of {dag_id} go on or wait, and a recovery must not wait behind a check"
            )
        run_id = f"drs__check__{due.isoformat()}"
        if again := context["dag_run"].clear_number:
            run_id += f"__{again}"  # somebody has cleared this task, to check again
        # Airflow wants a moment of its own for each run of a DAG: that of the tick may be a drill's.
        if refusal := trigger_dag_run(dag_id, run_id, conf={"mode": CHECK.name}, at=clock.now()):
            raise AirflowFailException(f"not checked: Airflow did not start {run_id} of {dag_id}: {refusal}")
        self.log.info("Check %s of %s started: its result stands on the page Recovery plans", run_id, dag_id)
        return run_id


def build_check_dag(plan: RecoveryPlan, start: datetime) -> DAG | None:
    """Build the DAG that starts the checks of a plan; None: the plan schedules none."""
    if plan.check is None:
        return None
    from airflow.sdk import CronTriggerTimetable

    dag_id = names.dag_id_of(plan.name)
    dag = DAG(
        dag_id=names.check_dag_of(plan.name),
        dag_display_name=f"{plan.title or plan.name}: checks",
        description=f"Starts the checks of {dag_id}: runs of its mode check, which launch nothing",
        doc_md=(
            f"### Checks by schedule\n\nStarts a run of `{dag_id}` in its mode `check` whenever the plan's "
            "`check.schedule` says so. Such a run looks at everything that a drill needs, and launches nothing. Its "
            "result stands on the page *Recovery plans*; a refused one is told to those whom the plan's `notify` names."
        ),
        schedule=CronTriggerTimetable(plan.check.schedule, timezone=plan.check.timezone),
        start_date=start,
        catchup=False,
        max_active_runs=1,
        tags=sorted({"drs", *plan.tags}),
        auto_register=False,
        default_args={"owner": plan.owner or "airflow", "retries": 2, "retry_delay": timedelta(seconds=30)},
    )
    with dag:
        StartCheck(task_id=names.START_CHECK, task_display_name="Start a check", plan=plan.name)
    return dag
