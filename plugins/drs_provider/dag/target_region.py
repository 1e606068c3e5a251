"""In which Region a run asks where its plan leaves that open: the one that preflight has found."""

from typing import TYPE_CHECKING

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from drs_provider.dag.run_reader import is_cleared
from drs_provider.exceptions import RunRefused
from drs_provider.rules.run.names import PREFLIGHT_TASK, START_DRILL, does, plan_failed_back_by
from drs_provider.rules.run.roster import Target
from drs_provider.services.signed import pull_believed

if TYPE_CHECKING:
    from drs_provider.operators.base import DrsOperator


def target_in_run(context: Context, target: Target) -> Target:
    """Return an account and Region as a run asks it.

    Without a Region of its own it is that of the connection; on a way back it is the Region that DRS names for the
    servers, which the connection need not know.

    :raises AirflowSkipException: the run goes back, and launches nothing there
    :raises RunRefused: the run goes back, and nobody can tell from which Region its servers came
    """
    from drs_provider.rules.run.handover import PreflightResult

    if target.region or plan_failed_back_by(context["dag_run"].dag_id) is None:
        return target
    found = pull_believed(context["ti"], [PREFLIGHT_TASK], PreflightResult)
    parts = [part for result in found for wave in result.waves.values() for part in wave.targets if part.is_in(target)]
    for part in parts:
        if part.resolved_region:
            return Target(target.aws_conn_id, part.resolved_region)
    if region := _launched_in(context, target):
        return Target(target.aws_conn_id, region)
    if any(result.passed for result in found) and not is_cleared(context):
        raise AirflowSkipException(f"this run launches nothing in {target}")
    raise RunRefused(
        f"the plan leaves the origin's Region to DRS, and the record of {PREFLIGHT_TASK} does not say which it is, so "
        "nothing was asked there. Name it in failback.origin.region and start a new run; what is left of this one is "
        "found by drs sweep"
    )


def _launched_in(context: Context, target: Target) -> str | None:
    """Say in which Region the starts of a run have launched; a later look of preflight may have left nothing of it."""
    from drs_provider.rules.run.handover import Launch

    starts = [task for task in context["dag"].task_ids if does(task, START_DRILL)]
    launches = pull_believed(context["ti"], starts, Launch)
    return next((launch.region for launch in launches if launch.aws_conn_id == target.aws_conn_id), None)


def settle_region(task: "DrsOperator", context: Context, target: Target) -> None:
    """Let a task ask in the Region that its run has for an account and Region; before its hook is made."""
    found = target_in_run(context, target)
    if found != target:
        task.region_name = found.region
