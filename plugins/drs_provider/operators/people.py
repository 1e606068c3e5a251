"""Whether people have agreed to what an operator is about to do: the signed answer of a task that asked them."""

from collections.abc import Sequence

from airflow.sdk import Context

from drs_provider.exceptions import RunRefused
from drs_provider.services.signed import pull


def ensure_agreed(context: Context, approval_task_id: str, approvers: Sequence[str]) -> None:
    """Raise RunRefused unless somebody else than who triggered this run has agreed in that task.

    :param approvers: whose answer counts; empty: anybody's but the one's who triggered the run
    """
    from drs_provider.rules.cleanup.source_replication import why_not_agreed
    from drs_provider.rules.run.handover import RecordedAnswer

    ti, dag_run = context["ti"], context["dag_run"]
    answer = pull(ti, approval_task_id, RecordedAnswer)
    if answer is None and ti.xcom_pull(task_ids=approval_task_id):
        raise RunRefused(
            f"not approved: what {approval_task_id} returned is not signed, and whoever may edit XComs can "
            "write it. Nothing was called; ask with a DrsApprovalOperator (drs_provider.operators.approval), which "
            "takes the place of Airflow's ApprovalOperator, or with an approval of a plan"
        )
    why = why_not_agreed(
        approval_task_id,
        answer,
        run_type=str(getattr(dag_run.run_type, "value", dag_run.run_type)),
        triggered_by=getattr(dag_run, "triggering_user_name", None),
        approvers=approvers,
    )
    if why:
        raise RunRefused(f"not approved: {why}. Nothing was called; clear {approval_task_id} to ask again")
