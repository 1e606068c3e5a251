"""The tasks after the waves: clean up, write the report, say the verdict."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseOperator, Context, ObjectStoragePath, TaskGroup, TriggerRule
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.configuration import reports_location
from drs_provider.dag.finish.leftovers import LookOver
from drs_provider.dag.finish.own_jobs import own_jobs
from drs_provider.dag.left_alone import skip_where_left_alone
from drs_provider.dag.run_reader import purpose_of_run, skip_where_nothing_is_launched
from drs_provider.dag.target_region import settle_region
from drs_provider.dag.task_times import LeavesTimes
from drs_provider.dag.waves.job_tags import keys_of_run
from drs_provider.dag.waves.network import RemoveNetwork
from drs_provider.dag.waves.preemption import look_for_recovery
from drs_provider.dag.waves.settings import RestoreSettings
from drs_provider.exceptions import ReportOfAnotherRun
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.operators.terminate import DrsTerminateRecoveryInstancesOperator
from drs_provider.rules.purpose import DRILL
from drs_provider.rules.run import names
from drs_provider.services.signed import leave, pull_believed, sealed

if TYPE_CHECKING:
    from drs_provider.plan.loader import RunnablePlan
    from drs_provider.report.result import RunReport
    from drs_provider.rules.run.handover import WrittenReport
    from drs_provider.rules.run.shape import PlanTarget, RunShape

_TRIES_AGAIN: Final = 3

_PAUSES: Final = (1.0, 4.0)
"""Seconds between tries to write a report."""

GOOD = ("passed", "completed", "completed_with_exceptions", "checked")
"""Verdicts of a green run; every other verdict makes it red."""


class CleanUpDrill(LeavesTimes, DrsTerminateRecoveryInstancesOperator):
    """Terminate what this run's drill launched in one account and Region, and see that it is gone.

    The jobs are found by the run's tags as well as by what the start tasks left, so that a job whose start task died
    before it could leave anything is cleaned up too. A recovery is left alone, and so is an account and Region where no
    chosen wave launches.
    """

    template_fields: Sequence[str] = ()  # nothing to render: the jobs are found when the task runs

    def __init__(self, *, place: "PlanTarget", digest: str, start_task_ids: Sequence[str], **kwargs: Any) -> None:
        target = place.target
        super().__init__(aws_conn_id=target.aws_conn_id, region_name=target.region or None, job_ids=(), **kwargs)
        self.place, self.digest, self.start_task_ids = place, digest, tuple(start_task_ids)
        self.runs: tuple[str, ...] = ()

    def prepare(self, context: Context) -> None:
        """Find the run's jobs, on every leg of the task."""
        from drs_provider.rules.run.handover import PreflightResult

        skip_where_nothing_is_launched(context)
        if not purpose_of_run(context).is_temporary:
            raise AirflowSkipException("a recovery is not cleaned up: what it launched is production now")
        skip_where_left_alone(context, self.place, self.digest)
        settle_region(self, context, self.place.target)
        preflight = next(iter(pull_believed(context["ti"], [names.PREFLIGHT_TASK], PreflightResult)), None)
        self.runs = keys_of_run(context)
        self.job_ids = own_jobs(context, self.hook, self.place, self.start_task_ids, purpose=DRILL)
        if self.job_ids and preflight and (words := look_for_recovery(context, preflight, self.hook)):
            self.log.warning("%s: what is left of the drill is cleaned up, the recovery is not touched", words)
        super().prepare(context)


class WriteReport(BaseOperator):
    """Write the run's report, JSON and HTML, whatever happened; return where it is and its verdict.

    The report is kept in XCom too, as a ``KeptReport``: a run ends as it went, also where its files cannot be written.
    """

    ui_color = "#e6e0f0"
    ui_fgcolor = "#2a1d3d"

    def __init__(self, *, runnable: "RunnablePlan", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.runnable = runnable

    def execute(self, context: Context) -> dict[str, JsonValue]:
        """Collect, measure, write."""
        from drs_provider.dag.finish.evidence import collect
        from drs_provider.report.measure import measure
        from drs_provider.report.store import kept_report

        report = measure(collect(context, self.runnable))
        self.log.info("%s: %s", report.verdict, report.verdict_reason)
        leave(context["ti"], kept_report(report))
        written = self._written(report)
        self.log.info("report: %s", written.where)
        return sealed(context["ti"], written)

    def _written(self, report: "RunReport") -> "WrittenReport":
        """Write the files, a few times over; say what kept them from being written."""
        from drs_provider.dag.report_place import words_for
        from drs_provider.report.store import write_report
        from drs_provider.rules.run.handover import WrittenReport

        place = reports_location()
        for pause in (*_PAUSES, None):
            try:
                return write_report(report, ObjectStoragePath(place))
            except ReportOfAnotherRun as error:
                problem = str(error)
                break
            except Exception as error:  # noqa: BLE001 - whatever the store of the reports says
                problem = words_for(place, error)
                if pause is not None:
                    self.log.warning("%s; will retry in %.0f s", problem, pause)
                    clock.sleep(pause)
        self.log.error("The files of the report were not written: %s. Make room for them and clear this task", problem)
        return WrittenReport(
            json_path="", html_path="", verdict=report.verdict, reason=report.verdict_reason, problem=problem
        )


class SayVerdict(BaseOperator):
    """End the run as its report ends: green only for a verdict that is good, red for everything else."""

    ui_color = "#e6e0f0"
    ui_fgcolor = "#2a1d3d"

    def __init__(self, *, report_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.report_task_id = report_task_id

    def execute(self, context: Context) -> str:
        """Return the verdict, or fail with the sentence that the report says it in."""
        from drs_provider.rules.run.handover import WrittenReport

        report = pull_newest(context, self.report_task_id, WrittenReport)
        if report is None:
            raise AirflowFailException("report missing: the result of the run is unknown; see the report task's log")
        if report.verdict not in GOOD:
            raise AirflowFailException(f"{report.verdict}: {report.reason.rstrip('.')}. Report: {report.where}")
        self.log.info("%s: %s", report.verdict, report.reason)
        if report.problem:
            self.log.error("The files of the report were not written: %s", report.problem)
        return report.verdict


def finish_group(shape: "RunShape") -> None:
    """Build the tasks after the waves in the current DAG, in a group of their own; nothing is wired yet."""
    with TaskGroup(
        names.FINISH_GROUP,
        group_display_name="Finish",
        tooltip="Clean up the drill, write the report, say the verdict",
    ):
        clean_up_tasks(shape)
        _commit(shape)
        WriteReport(
            task_id=names.name_in_group(names.REPORT_TASK), task_display_name="Report", runnable=shape.runnable
        ).as_teardown()
        SayVerdict(
            task_id=names.name_in_group(names.VERDICT_TASK),
            task_display_name="Verdict",
            report_task_id=names.REPORT_TASK,
            trigger_rule=TriggerRule.ALL_DONE,
        )


def clean_up_tasks(shape: "RunShape") -> None:
    """Build what keeps a drill, removes it and looks whether anything is left, in the current group."""
    _keep(shape)
    for place in shape.targets:
        _after_drill(shape, place)


def _keep(shape: "RunShape") -> None:
    """Build the task that keeps the drill for people, where the plan keeps it at all."""
    if not shape.keep_task:
        return
    from drs_provider.dag.finish.keep import KeepDrill

    KeepDrill(
        task_id=names.name_in_group(shape.keep_task),
        task_display_name="Keep",
        plan=shape.plan.name,
        keep_for=shape.plan.drill.keep_for,
        places=shape.targets,
        digest=shape.digest,
        start_task_ids=shape.launching_tasks,
        watch_task_ids=shape.watch_tasks,
        trigger_rule=TriggerRule.ALL_DONE,
    )


def _commit(shape: "RunShape") -> None:
    """Build what asks at the end of a recovery whether it stands, and what rolls it back, where the plan wants that."""
    policy = shape.plan.recovery.commit
    if not shape.commit_task or policy is None:
        return
    from drs_provider.dag.finish.commit import AskCommit
    from drs_provider.dag.finish.roll_back import RollBackRecovery

    AskCommit(
        task_id=names.name_in_group(shape.commit_task),
        task_display_name="Commit or roll back",
        plan=shape.plan.name,
        policy=policy,
        runnable=shape.runnable,
        places=shape.targets,
        digest=shape.digest,
        start_task_ids=shape.launching_tasks,
        trigger_rule=TriggerRule.ALL_DONE,
    )
    for place in shape.targets:
        settings = [
            target.settings_task
            for wave in shape.waves
            for target in wave.targets
            if target.target == place.target and target.settings_task
        ]
        RollBackRecovery(
            task_id=names.name_in_group(place.roll_back_task or names.ROLL_BACK_TASK),
            task_display_name=place.titled("Roll back"),
            plan=shape.plan.name,
            policy=policy,
            runnable=shape.runnable,
            place=place,
            digest=shape.digest,
            start_task_ids=shape.launching_tasks,
            settings_task_ids=settings,
            retries=_TRIES_AGAIN,
        ).as_teardown()


def _after_drill(shape: "RunShape", place: "PlanTarget") -> None:
    """Build what removes a drill from one account and Region, and what looks whether anything is left there."""
    CleanUpDrill(
        task_id=names.name_in_group(place.clean_up_task),
        task_display_name=place.titled("Clean up"),
        place=place,
        digest=shape.digest,
        start_task_ids=shape.launching_tasks,
        retries=_TRIES_AGAIN,
    ).as_teardown()
    if place.restore_settings_task:
        RestoreSettings(
            task_id=names.name_in_group(place.restore_settings_task),
            task_display_name=place.titled("Restore settings"),
            target=place.target,
            retries=_TRIES_AGAIN,
        ).as_teardown()
    if place.remove_network_task and place.prepare_network_task:
        RemoveNetwork(
            task_id=names.name_in_group(place.remove_network_task),
            task_display_name=place.titled("Remove network"),
            place=place,
            digest=shape.digest,
            prepare_task_id=place.prepare_network_task,
            retries=_TRIES_AGAIN,
        ).as_teardown()
    LookOver(
        task_id=names.name_in_group(place.look_over_task),
        task_display_name=place.titled("Look over"),
        place=place,
        digest=shape.digest,
        retries=_TRIES_AGAIN,
    ).as_teardown()
