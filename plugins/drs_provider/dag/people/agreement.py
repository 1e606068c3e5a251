"""Whether people have agreed to what a task is about to do: "Mark success" on a task that asks records no answer."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from airflow.sdk import Context

from drs_provider.dag.run_reader import run_type_of
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.plan.model import Pause
from drs_provider.rules.run.approvals import Policy, ensure_answered, ensure_approved, is_needed
from drs_provider.services.signed import opened

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import PlanRunStart, PreflightResult, RecordedAnswer


def ensure_people_agreed(
    context: Context, preflight: "PreflightResult", policy: Policy | None, approval_task_ids: Sequence[str]
) -> None:
    """Look for the recorded answers of those whom a recovery's plan asks; raises RunRefused where one is missing."""
    if policy is None or not (
        preflight.needs_approval or is_needed(policy, preflight.purpose, too_old=preflight.too_old)
    ):
        return
    if not preflight.needs_approval and _is_approved_before(context, policy):
        return
    ensure_approved(
        policy,
        answers_of(context, approval_task_ids),
        triggered_by=triggered_by(context),
        checked_at=preflight.checked_at,
    )


def started_by(context: Context) -> "PlanRunStart | None":
    """Read which step of another plan has started this run, from parameters that nobody can edit; None: none has.

    :raises HandoverUnreadable: they name one, and that step has not signed it
    """
    from drs_provider.rules.run.handover import PlanRunStart
    from drs_provider.rules.run.handover.signature import Origin
    from drs_provider.rules.run.parts import STARTED_BY

    conf = getattr(context["dag_run"], "conf", None) or {}
    if STARTED_BY not in conf:
        return None
    said = PlanRunStart.from_json(conf[STARTED_BY])
    place = Origin(said.parent_dag_id, said.parent_run_id, said.parent_task_id, PlanRunStart.KEY)
    return opened(conf[STARTED_BY], PlanRunStart, place)


def _is_approved_before(context: Context, policy: Policy) -> bool:
    """Tell whether the people whom this plan asks have approved in the run that has started this one."""
    from drs_provider.rules.run.parts import STARTER, approved_before

    start, dag_run = started_by(context), context["dag_run"]
    if start is None or (start.dag_id, start.run_id) != (dag_run.dag_id, dag_run.run_id):
        return False
    return run_type_of(dag_run) == STARTER and approved_before(policy, start)


def ensure_pause_answered(context: Context, pause: Pause, task_id: str) -> None:
    """Look for the recorded answer to the question before a wave; raises RunRefused where it does not let it start."""
    ensure_answered(pause, task_id, answers_of(context, [task_id])[task_id])


def answers_of(context: Context, task_ids: Iterable[str]) -> "dict[str, RecordedAnswer | None]":
    """Read the recorded answers of tasks that ask people, by task id; None: none is recorded."""
    from drs_provider.rules.run.handover import RecordedAnswer

    return {task: pull_newest(context, task, RecordedAnswer) for task in task_ids}


def triggered_by(context: Context) -> str | None:
    """Give the name of who started the run; None: Airflow does not say."""
    return getattr(context["dag_run"], "triggering_user_name", None)
