"""The task before the waves: who is launched, and whether anything speaks against it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowFailException, DownstreamTasksSkipped

from drs_provider.exceptions import PreflightRefused
from drs_provider.operators.base import asking_later
from drs_provider.plan.loader import RunnablePlan, read_folder
from drs_provider.plan.problems import Problem
from drs_provider.rules.run.keys import PREFLIGHT
from drs_provider.rules.run.request import DRILL, read_request
from drs_provider.rules.run.roster import Target

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook


_MOST_PATIENCE = timedelta(hours=2)
"""How long after the run's start preflight goes on waiting for an AWS that does not answer."""


class CheckPlan(BaseOperator):
    """Resolve the plan's groups and check every server, the quotas and the request; launch nothing.

    Everything is looked at before anything is said, and everything is said at once. The result lies in XCom under
    ``preflight``: mode, plan digest, findings, quotas, and the servers of every wave per account and Region, those
    that are pinned with their recovery point. Where nobody has to approve, it skips the approvals itself: a drill does
    not wait for tasks that have nothing to ask, nor a recovery for those that only a drill needs.
    """

    ui_color = "#d9ead3"
    ui_fgcolor = "#1d3317"

    def __init__(
        self,
        *,
        runnable: RunnablePlan,
        plans_folder: Path,
        approval_task_ids: Sequence[str] = (),
        drill_task_ids: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.runnable, self.plans_folder = runnable, plans_folder
        self.approval_task_ids = tuple(approval_task_ids)
        self.drill_task_ids = tuple(drill_task_ids)

    def execute(self, context: Context) -> None:
        """Leave the result in XCom, then refuse the run if anything speaks against it."""
        from drs_provider.services.preflight import Preflight

        plan, now, dag_run = self.runnable.plan, datetime.now(UTC), context["dag_run"]
        try:
            request = read_request(
                context["params"],
                plan=plan.name,
                waves=[wave.name for wave in plan.waves],
                run_type=getattr(dag_run.run_type, "value", str(dag_run.run_type)),
                now=now,
            )
        except PreflightRefused as refusal:
            raise AirflowFailException(str(refusal)) from refusal
        from drs_provider.dag.plan_store import keep_plan
        from drs_provider.plan.snapshot import problems_in_the_way

        library = read_folder(self.plans_folder)
        if disputes := library.disputes_of(plan.name):
            raise AirflowFailException(str(PreflightRefused(plan.name, [*map(str, disputes)])))
        is_here = self.runnable.path.is_relative_to(self.plans_folder)  # a rehearsal may be of a file elsewhere
        if is_here and (problems := problems_in_the_way(library, self.runnable)):
            raise AirflowFailException(_unreadable(plan.name, problems))
        triggered_by = getattr(dag_run, "triggering_user_name", None)
        survey = Preflight(
            self.runnable,
            tuple(group for name, group in library.groups.items() if name not in self.runnable.groups),
            request,
            now=now,
            triggered_by=triggered_by,
            run=(dag_run.dag_id, dag_run.run_id),
        )
        with asking_later(self, self.resume_check, until=(dag_run.start_date or now) + _MOST_PATIENCE):
            survey.take(_hook)
        context["ti"].xcom_push(key=PREFLIGHT, value=survey.as_json())
        for line in survey.table():
            self.log.info("%s", line)
        if survey.refusals:
            raise AirflowFailException(survey.refusal())
        keep_plan(self.runnable, self.plans_folder, run_id=dag_run.run_id)
        idle = [] if survey.needs_approval else list(self.approval_task_ids)
        idle += [] if request.mode == DRILL else list(self.drill_task_ids)
        if idle:
            raise DownstreamTasksSkipped(tasks=idle)

    def resume_check(self, context: Context, event: Any) -> None:
        """Look at everything again, after AWS did not answer."""
        self.execute(context)


def _unreadable(plan: str, problems: Sequence[Problem]) -> str:
    files = " ".join(dict.fromkeys(str(problem.path) for problem in problems))
    return (
        f"{PreflightRefused(plan, [*map(str, problems)])}\n\nNo run begins while a file of its plan has problems. Mend "
        f"what is named above, or put the file back as it was; drs validate {files} says when it is right. Then start "
        f"a new run. Runs of {plan} that have begun go on meanwhile, with the plan that they began with"
    )


def _hook(target: Target) -> "LaunchSettingsHook":
    from drs_provider.hooks.launch_settings import LaunchSettingsHook

    return LaunchSettingsHook(aws_conn_id=target.aws_conn_id, region_name=target.region or None)
