"""The tasks after the waves: clean up, write the report, say the verdict."""

import os
from collections.abc import Collection, Sequence
from typing import Any

from airflow.sdk import BaseOperator, ObjectStoragePath, TaskGroup, TriggerRule
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from drs_provider.dag.finish.leftovers import look_over_tasks
from drs_provider.dag.waves.network import remove_tasks
from drs_provider.dag.waves.preemption import look_for_recovery
from drs_provider.dag.waves.settings import RestoreSettings
from drs_provider.dag.waves.tagging import jobs_of_run
from drs_provider.operators.terminate import DrsTerminateRecoveryInstancesOperator
from drs_provider.plan.loader import RunnablePlan
from drs_provider.report.store import reports_location
from drs_provider.rules.run.keys import LAUNCH, PREFLIGHT
from drs_provider.rules.run.names import PREFLIGHT_TASK, RESTORE_SETTINGS
from drs_provider.rules.run.request import is_drill
from drs_provider.rules.run.roster import Target, targets_of

GOOD = ("passed", "completed", "completed_with_exceptions")
"""Verdicts of a green run; every other verdict makes it red."""


class CleanUpDrill(DrsTerminateRecoveryInstancesOperator):
    """Terminate what this run's drill launched in one account and Region, and see that it is gone.

    The jobs are found by the run's tags as well as by what the start tasks left, so that a job whose start task died
    before it could leave anything is cleaned up too. A recovery is left alone.
    """

    template_fields: Sequence[str] = ()  # nothing to render: the jobs are found when the task runs

    def __init__(self, *, target: Target, start_task_ids: Sequence[str], **kwargs: Any) -> None:
        super().__init__(aws_conn_id=target.aws_conn_id, region_name=target.region or None, job_ids=(), **kwargs)
        self.target, self.start_task_ids = target, tuple(start_task_ids)

    def prepare(self, context: Context) -> None:
        """Find the run's jobs, on every leg of the task."""
        from drs_provider.rules.launch.takeover import LOOK_BACK

        if not is_drill(context["params"]["mode"]):
            raise AirflowSkipException("a recovery is not cleaned up: what it launched is production now")
        started = context["ti"].xcom_pull(task_ids=list(self.start_task_ids), key=LAUNCH) or ()
        known = {
            job["job_id"]
            for launch in started
            if launch and launch["aws_conn_id"] == self.target.aws_conn_id and launch["region"] == self.hook.region
            for job in launch["jobs"]
        }
        continued = context["params"].get("continue_run")
        more: dict[str, Any] = {"also": (continued,), "look_back": LOOK_BACK} if continued else {}
        tagged = {job["jobID"] for job in jobs_of_run(self.hook, context, **more)}
        self.job_ids = sorted(known | tagged)
        preflight = context["ti"].xcom_pull(task_ids=PREFLIGHT_TASK, key=PREFLIGHT)
        if self.job_ids and preflight and (words := look_for_recovery(context, preflight, self.hook)):
            self.log.warning("%s: what is left of the drill is cleaned up, the recovery is not touched", words)
        super().prepare(context)


class WriteReport(BaseOperator):
    """Write the run's report, JSON and HTML, whatever happened; return where it is and its verdict."""

    ui_color = "#e6e0f0"
    ui_fgcolor = "#2a1d3d"

    def __init__(self, *, runnable: RunnablePlan, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.runnable = runnable

    def execute(self, context: Context) -> dict[str, Any]:
        """Collect, measure, write."""
        from drs_provider.dag.finish.evidence import collect
        from drs_provider.report.measure import measure
        from drs_provider.report.store import write_report

        report = measure(collect(context, self.runnable))
        written = write_report(report, ObjectStoragePath(reports_location(os.environ)))
        self.log.info("%s: %s", report.verdict, report.verdict_reason)
        self.log.info("report: %s", written["html"])
        return {**written, "verdict": report.verdict, "why": report.verdict_reason}


class SayVerdict(BaseOperator):
    """End the run as its report ends: green only for a verdict that is good, red for everything else."""

    ui_color = "#e6e0f0"
    ui_fgcolor = "#2a1d3d"

    def __init__(self, *, report_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.report_task_id = report_task_id

    def execute(self, context: Context) -> str:
        """Return the verdict, or fail with the sentence that the report says it in."""
        report = context["ti"].xcom_pull(task_ids=self.report_task_id)
        if not report:
            raise AirflowFailException(
                "the run has no report, so nobody can say how it went: see the report task's log"
            )
        if report["verdict"] not in GOOD:
            raise AirflowFailException(f"{report['verdict']}: {report['why'].rstrip('.')}. Report: {report['html']}")
        self.log.info("%s: %s", report["verdict"], report["why"])
        return str(report["verdict"])


def finish_group(
    runnable: RunnablePlan, starts: Sequence[BaseOperator], settings_in: Collection[Target] = ()
) -> tuple[list[BaseOperator], BaseOperator]:
    """Build the group in the current DAG; return the tasks that wait for all waves, and the one that ends the run.

    :param settings_in: accounts and Regions in which a drill changes launch settings, to be put back
    """
    with TaskGroup(
        "finish", group_display_name="Finish", tooltip="Clean up the drill, write the report, say the verdict"
    ):
        cleanups: list[BaseOperator] = []
        targets = targets_of(list(runnable.groups.values()))
        kept = _keep(runnable, targets, starts)
        for number, target in enumerate(targets, start=1):
            cleanups.append(
                CleanUpDrill(
                    task_id="clean_up" if number == 1 else f"clean_up_{number}",
                    task_display_name="Clean up" if number == 1 else f"Clean up ({target.region})",
                    target=target,
                    start_task_ids=[start.task_id for start in starts],
                    retries=3,
                ).as_teardown()
            )
        networks = remove_tasks(runnable)
        report = WriteReport(task_id="report", task_display_name="Report", runnable=runnable).as_teardown()
        verdict = SayVerdict(
            task_id="verdict",
            task_display_name="Verdict",
            report_task_id=report.task_id,
            trigger_rule=TriggerRule.ALL_DONE,
        )
        for keep in kept:
            keep >> cleanups
        cleanups >> report >> verdict
        restores: list[BaseOperator] = []
        for number, target in enumerate(targets, start=1):
            if target in settings_in:
                restore = RestoreSettings(
                    task_id=RESTORE_SETTINGS if number == 1 else f"{RESTORE_SETTINGS}_{number}",
                    task_display_name="Restore settings" if number == 1 else f"Restore settings ({target.region})",
                    target=target,
                    retries=3,
                ).as_teardown()
                cleanups[number - 1] >> restore >> report
                restores.append(restore)
        for network in networks:
            (restores or cleanups) >> network >> report
        for look in look_over_tasks(runnable):
            (networks or [*cleanups, *restores]) >> look >> report
    # A plan of steps alone has nothing to clean up: its report waits for the waves then.
    return [*kept, *cleanups] or [report], verdict


def _keep(runnable: RunnablePlan, targets: Sequence[Target], starts: Sequence[BaseOperator]) -> list[BaseOperator]:
    """Build the task that keeps the drill for people, where the plan keeps it at all."""
    plan = runnable.plan
    if not plan.drill.keep_for or not starts:
        return []
    from drs_provider.dag.finish.keep import KeepDrill

    return [
        KeepDrill(
            task_id="keep",
            task_display_name="Keep",
            plan=plan.name,
            keep_for=plan.drill.keep_for,
            targets=targets,
            start_task_ids=[start.task_id for start in starts],
            trigger_rule=TriggerRule.ALL_DONE,
        )
    ]
