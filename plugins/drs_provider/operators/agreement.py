"""Whether people have agreed to what cannot be undone: the signed answer of an approval task of this run."""

from collections.abc import Sequence

from airflow.sdk import Context

from drs_provider.exceptions import RunRefused
from drs_provider.operators.other_tasks import pull_newest


def ensure_agreed(context: Context, approval_task_id: str, approvers: Sequence[str]) -> None:
    """Refuse what nobody but who triggered the run has agreed to, as Airflow's own record says.

    :param approval_task_id: a ``DrsApprovalOperator``, or an approval of a plan, in the same DAG
    :param approvers: user names whose answer counts; none: anybody's but the one's who triggered the run
    :raises RunRefused: it is not agreed; nothing was called
    """
    from drs_provider.rules.cleanup.source_replication import why_not_agreed
    from drs_provider.rules.run.handover import RecordedAnswer

    ti, dag_run = context["ti"], context["dag_run"]
    answer = pull_newest(context, approval_task_id, RecordedAnswer)
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
