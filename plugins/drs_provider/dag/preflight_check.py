"""The task before the waves: who is launched, and whether anything speaks against it."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException

from drs_provider import clock
from drs_provider.airflow_internals.tasks import skipped_downstream
from drs_provider.dag.parent_run import proven_start
from drs_provider.dag.people.managers import ensure_may_start
from drs_provider.dag.run_reader import active_run_of, cleaned_up, late_tick, run_type_of
from drs_provider.dag.task_times import began_of_task, leave_times
from drs_provider.exceptions import DrsProviderError, PreflightRefused
from drs_provider.operators.base import asking_later
from drs_provider.operators.installation import installation_of
from drs_provider.plan.problems import Problem
from drs_provider.rules.purpose import PURPOSES, Purpose
from drs_provider.rules.run.shape import RunShape
from drs_provider.services.signed import leave

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.plan.loader import Library
    from drs_provider.plan.model import Wave
    from drs_provider.report.result import RunReport
    from drs_provider.rules.preflight.outcome import PreflightOutcome
    from drs_provider.rules.run.handover import PlanRunStart
    from drs_provider.rules.run.request import RunRequest
    from drs_provider.rules.run.roster import Target
    from drs_provider.services.preflight.check import Preflight


_log = logging.getLogger(__name__)

MAX_WAIT: Final = timedelta(hours=2)
"""How long after it was begun, or cleared, preflight goes on waiting for an AWS that does not answer."""

MAX_WAIT_OF_A_CHECK: Final = timedelta(minutes=10)
"""The same for a run that launches nothing."""

PATIENCE_SECONDS: Final = 120.0
"""How long one call of preflight is repeated before its account and Region counts as silent."""


class CheckPlan(BaseOperator):
    """Resolve the plan's groups and check every server, the quotas and the request; launch nothing.

    Everything is looked at before anything is said, and everything is said at once. The result lies in XCom as a
    ``PreflightResult``, also where it refuses the run. Where nobody has to approve, it skips the approvals itself: a
    drill does not wait for tasks that have nothing to ask, nor a recovery for those that only a drill needs.
    """

    ui_color = "#d9ead3"
    ui_fgcolor = "#1d3317"
    PURPOSES: ClassVar[tuple[Purpose, ...]] = PURPOSES

    def __init__(self, *, shape: RunShape, plans_folder: Path, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape, self.plans_folder = shape, plans_folder

    def execute(self, context: Context) -> None:
        """Leave the result in XCom, then refuse the run if anything speaks against it.

        :raises AirflowFailException: the run is refused, or AWS has not answered for as long as it is waited for
        """
        self._execute(context, is_resumed=False)

    def _execute(self, context: Context, *, is_resumed: bool) -> None:
        try:
            idle = self._check(context, is_resumed=is_resumed)
        except DrsProviderError as error:
            # It has waited for hours: Airflow's retries are for processes that were killed.
            _leave_refused(context)
            raise AirflowFailException(str(error)) from error
        except Exception:
            _leave_refused(context)
            raise
        if idle:
            raise skipped_downstream(idle)

    def _check(self, context: Context, *, is_resumed: bool) -> list[str]:
        """Check the plan; return the tasks that have nothing to do in this run."""
        from drs_provider.dag.plan_store import keep_plan
        from drs_provider.plan.loader import read_folder
        from drs_provider.rules.run.handover import RunInstallation

        now, dag_run = clock.now(), context["dag_run"]
        leave(context["ti"], RunInstallation(id=installation_of(context)))  # first: what a run has made bears this name
        self._ensure_not_over(context)
        try:
            library = read_folder(self.plans_folder)
            start = proven_start(context, self.shape, library, run_type_of(dag_run))
            request = self._request(context, now, by_plan=start is not None)
            ensure_may_start(context, self.shape.plan.name, request.purpose, start, is_resumed=is_resumed)
            self._ensure_readable(library)
        except PreflightRefused as refusal:
            raise AirflowFailException(str(refusal)) from refusal
        with asking_later(self, self.resume_check, until=began_of_task(context) + _longest_wait(request)):
            outcome = self._look(context, request, library, now, start)
        leave(context["ti"], outcome.result())
        leave_times(context)
        for line in outcome.log_lines():
            self.log.info("%s", line)
        if outcome.refusals:
            raise AirflowFailException(outcome.refusal())
        keep_plan(self.shape.runnable, self.plans_folder, run_id=dag_run.run_id)
        return self._idle(outcome)

    def resume_check(self, context: Context, event: object) -> None:
        """Look at everything again, after AWS did not answer."""
        self._execute(context, is_resumed=True)

    def _ensure_not_over(self, context: Context) -> None:
        """Refuse to begin anew in a run that was cleaned up or rolled back: nothing of its jobs is there any more."""
        from drs_provider.rules.run.names import name_of_runs
        from drs_provider.rules.run.run_view import how_to_start

        if cleaned_up(context):
            runs = name_of_runs(context["dag_run"].dag_id)
            again = how_to_start(runs, dict(context["params"]).get("mode"))
            raise AirflowFailException(
                f"what this run had launched was cleaned up, or rolled back: start a new run of {runs}, {again}. "
                "Nothing was launched"
            )

    def _request(self, context: Context, now: datetime, *, by_plan: bool) -> "RunRequest":
        from drs_provider.rules.run.request import read_request

        plan, dag_run = self.shape.plan, context["dag_run"]
        return read_request(
            context["params"],
            plan=plan.name,
            waves=[wave.name for wave in self._waves_to_choose()],
            run_type=run_type_of(dag_run),
            now=now,
            late=late_tick(context),
            by_plan=by_plan,
            purposes=self.PURPOSES,
            has_launch_ahead=self.shape.has_launch_ahead,
        )

    def _waves_to_choose(self) -> "Sequence[Wave]":
        """Give the waves of which a run may take some."""
        return self.shape.plan.waves

    def _ensure_readable(self, library: "Library") -> None:
        """Refuse a plan that is not sure to be the one that its author means."""
        from drs_provider.plan.snapshot import problems_in_the_way

        plan = self.shape.plan.name
        if disputes := library.disputes_of(plan):
            raise PreflightRefused(plan, [*map(str, disputes)])
        is_here = self.shape.runnable.path.is_relative_to(self.plans_folder)  # a rehearsal may be of a file elsewhere
        if is_here and (problems := problems_in_the_way(library, self.shape.runnable)):
            raise AirflowFailException(_unreadable(plan, problems))

    def _look(
        self,
        context: Context,
        request: "RunRequest",
        library: "Library",
        now: datetime,
        start: "PlanRunStart | None",
    ) -> "PreflightOutcome":
        """Look at everything that may speak against the run."""
        return self._preflight(context, request, library, now, start).take(patient_hook)

    def _preflight(
        self,
        context: Context,
        request: "RunRequest",
        library: "Library",
        now: datetime,
        start: "PlanRunStart | None",
    ) -> "Preflight":
        from drs_provider.dag.report_place import look_at_report_place
        from drs_provider.rules.preflight.parts import part_findings
        from drs_provider.services.preflight.check import Preflight

        dag_run, ours = context["dag_run"], self.shape.runnable.groups
        return Preflight(
            self.shape.for_request(request),
            request,
            (dag_run.dag_id, dag_run.run_id),
            now,
            read_reports=lambda: _reports(dag_run.dag_id),
            look_at_report_place=look_at_report_place,
            triggered_by=start.triggered_by if start else getattr(dag_run, "triggering_user_name", None),
            other_groups=tuple(group for name, group in library.groups.items() if name not in ours),
            going_on=lambda key, run_ids: active_run_of(context, key, run_ids),
            started_by=start,
            of_parts=part_findings(self.shape, request.purpose, library),
            installation=installation_of(context),
        )

    def _idle(self, outcome: "PreflightOutcome") -> list[str]:
        """Give the tasks after this one that have nothing to do in this run."""
        if not outcome.purpose.launches:
            return self.shape.between_check_and_report
        idle = [] if outcome.needs_approval else list(self.shape.approval_tasks)
        if not outcome.purpose.quiesces:
            idle += [*self.shape.stop_approval_tasks, *(task for wave in self.shape.waves for task in wave.sync_tasks)]
        return idle if outcome.purpose.uses_drill_network else [*idle, *self.shape.network_tasks]


def _leave_refused(context: Context) -> None:
    """Leave word that nothing of this run can be anywhere, where that is certain: no try was before this one."""
    from drs_provider.rules.run.handover import RefusedAtFirst

    if context["ti"].try_number == 1:
        try:
            leave(context["ti"], RefusedAtFirst())
        except Exception as error:  # noqa: BLE001 - why the run is refused must stay the task's last word
            _log.warning("That nothing was launched could not be noted, so the clean-up will look for it: %s", error)


def _longest_wait(request: "RunRequest") -> timedelta:
    """How long an AWS that does not answer is waited for: a check must not stand in a recovery's way."""
    return MAX_WAIT if request.purpose.launches else MAX_WAIT_OF_A_CHECK


def _unreadable(plan: str, problems: Sequence[Problem]) -> str:
    files = " ".join(dict.fromkeys(str(problem.path) for problem in problems))
    return (
        f"{PreflightRefused(plan, [*map(str, problems)])}\n\nNo run starts while a file of its plan has problems. Fix "
        f"what is named above, or restore the file; drs validate {files} shows whether it is valid. Then start "
        f"a new run. Runs of {plan} that have started continue with the plan that they started with"
    )


def patient_hook(target: "Target") -> "LaunchSettingsHook":
    """Return the hook of an account and Region, as preflight asks there."""
    from drs_provider.hooks.launch_settings import LaunchSettingsHook

    return LaunchSettingsHook(
        aws_conn_id=target.aws_conn_id, region_name=target.region or None, patience=PATIENCE_SECONDS
    )


def _reports(dag_id: str) -> "Iterable[RunReport]":
    from airflow.sdk import ObjectStoragePath

    from drs_provider.configuration import reports_location
    from drs_provider.report.store import stored_reports

    return stored_reports(ObjectStoragePath(reports_location()), dag_id)
