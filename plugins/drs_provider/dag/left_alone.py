"""Accounts and Regions of a plan that a run has nothing to do with: no task asks there."""

from typing import TYPE_CHECKING

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from drs_provider.dag.run_reader import is_cleared
from drs_provider.operators.other_tasks import newest_try_of
from drs_provider.rules.run.names import PREFLIGHT_TASK
from drs_provider.services.signed import pull_believed

if TYPE_CHECKING:
    from drs_provider.rules.run.shape import PlanTarget


def was_refused_at_first(context: Context) -> bool:
    """Tell whether preflight refused the run in its first try: then nothing was made that could be looked for.

    Where somebody has marked preflight as anything else since, its word does not count; nor where it was cleared, for
    anybody may put the word of an earlier try back.
    """
    from drs_provider.rules.run.handover import RefusedAtFirst

    ti, run_id = context["ti"], context["dag_run"].run_id
    if not pull_believed(ti, [PREFLIGHT_TASK], RefusedAtFirst):
        return False
    if is_cleared(context) and newest_try_of(context, PREFLIGHT_TASK) != 1:
        return False
    states = ti.get_task_states(dag_id=ti.dag_id, task_ids=[PREFLIGHT_TASK], run_ids=[run_id])
    return str(states.get(run_id, {}).get(PREFLIGHT_TASK)) == "failed"


def is_left_alone(context: Context, place: "PlanTarget", digest: str) -> bool:
    """Tell whether no chosen wave of a run launches in an account and Region, or the run was refused before it began.

    Where preflight has left nothing that can be read, or has seen another plan, nobody knows, and it is asked.

    :param digest: of the plan that the place is of
    """
    from drs_provider.rules.run.handover import PreflightResult

    if was_refused_at_first(context):
        return True
    found = pull_believed(context["ti"], [PREFLIGHT_TASK], PreflightResult)
    return any(preflight.leaves_alone(place.waves, digest) for preflight in found)


def skip_where_left_alone(context: Context, place: "PlanTarget", digest: str) -> None:
    """Skip what cleans up, or looks, where no chosen wave launches: a dead account there is no matter of this run."""
    if is_left_alone(context, place, digest):
        raise AirflowSkipException(f"nothing of this run was launched in {place.target}, so nothing is asked there")
