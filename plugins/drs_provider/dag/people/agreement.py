"""Whether people have agreed to what a task is about to do: "Mark success" on a task that asks records no answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk.definitions.context import Context

from drs_provider.rules.run.approvals import ANSWER, Policy, ensure_approved


def ensure_people_agreed(
    context: Context, preflight: Mapping[str, Any], policy: Policy | None, approval_task_ids: Sequence[str]
) -> None:
    """Look for the recorded answers of those whom a recovery's plan asks; raises RunRefused where one is missing."""
    if policy is None or not preflight["needs_approval"]:
        return
    ti = context["ti"]
    ensure_approved(
        policy,
        {task: ti.xcom_pull(task_ids=task, key=ANSWER) for task in approval_task_ids},
        triggered_by=getattr(context["dag_run"], "triggering_user_name", None),
        checked_at=preflight["checked_at"],
    )
