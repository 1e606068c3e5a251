"""The run of another plan that has started a run as one of its steps: read, proven, and asked for at that moment."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context

from drs_provider.dag.people.agreement import answers_of, started_by, triggered_by
from drs_provider.exceptions import HandoverUnreadable, PreflightRefused
from drs_provider.rules.run import names

if TYPE_CHECKING:
    from drs_provider.plan.loader import Library
    from drs_provider.rules.run.handover import PlanRunStart, PreflightResult
    from drs_provider.rules.run.parts import Inheritance, ParentNow
    from drs_provider.rules.run.shape import RunShape

_log = logging.getLogger(__name__)


def inheritance_of(context: Context, preflight: "PreflightResult", approval_tasks: Sequence[str]) -> "Inheritance":
    """Return what the runs of other plans inherit that a step of this run starts.

    :param approval_tasks: the tasks that ask for the approvals of this plan
    """
    from drs_provider.rules.run.parts import Inheritance, approvals_given

    dag_run, start = context["dag_run"], started_by(context)
    given = approvals_given((dag_run.dag_id, dag_run.run_id), answers_of(context, approval_tasks))
    return Inheritance(
        mode=preflight.mode,
        reason=preflight.reason,
        point_in_time=preflight.point_in_time,
        continue_run=preflight.continue_run,
        triggered_by=start.triggered_by if start else triggered_by(context),
        approvals=(*(start.approvals if start else ()), *given),
        installation=preflight.installation,
        continued_installation=preflight.continued_installation,
    )


def proven_start(context: Context, shape: "RunShape", library: "Library", run_type: str) -> "PlanRunStart | None":
    """Return which step has started this run, once all of it is proven, with the approvals of now; None: none has.

    :raises PreflightRefused: the run says so and does not prove it, or the other run does not stand behind it any more
    """
    from drs_provider.rules.run.parts import parent_problems, start_problems, unproven, without_lost_approvals

    dag_run, plan = context["dag_run"], shape.plan.name
    try:
        start = started_by(context)
    except HandoverUnreadable as error:
        raise PreflightRefused(plan, [unproven(error.problem)]) from error
    if start is None:
        return None
    problems = list(
        start_problems(
            start,
            run=(dag_run.dag_id, dag_run.run_id),
            run_type=run_type,
            params=dict(context["params"]),
            waves=[wave.name for wave in shape.plan.waves],
        )
    )
    if problems:
        raise PreflightRefused(plan, problems)
    now = _parent_now(start, library)
    if problems := list(parent_problems(start, now)):
        raise PreflightRefused(plan, problems)
    standing = without_lost_approvals(start, now)
    for approval in start.approvals:
        if approval not in standing.approvals:
            _log.warning(
                "The approval by %s is not on record any more in %s of %s, so it counts for nothing here",
                approval.by,
                approval.task_id,
                approval.run_id,
            )
    return standing


def _parent_now(start: "PlanRunStart", library: "Library") -> "ParentNow":
    from drs_provider.airflow_internals.tasks import other_run
    from drs_provider.rules.run.handover import PreflightResult, RecordedAnswer
    from drs_provider.rules.run.parts import ParentNow, runs_plan

    found = other_run(start.parent_dag_id, start.parent_run_id)
    if found is None:
        return ParentNow(None)
    state, conf = found
    preflight = _left(start.parent_dag_id, start.parent_run_id, names.PREFLIGHT_TASK, PreflightResult)
    return ParentNow(
        state,
        conf.get("mode"),
        preflight,
        {
            approval: _left(approval.dag_id, approval.run_id, approval.task_id, RecordedAnswer)
            for approval in start.approvals
        },
        runs_plan(library, start, digest=preflight.digest if preflight else None),
    )


def _left(dag_id: str, run_id: str, task_id: str, document: Any) -> Any:
    """Read what a task of another run left; None: nothing, or nothing that it wrote itself."""
    from drs_provider.airflow_internals.tasks import read_xcom
    from drs_provider.rules.run.handover.signature import Origin
    from drs_provider.services.signed import opened

    value = read_xcom(document.KEY, dag_id=dag_id, run_id=run_id, task_id=task_id)
    try:
        return opened(value, document, Origin(dag_id, run_id, task_id, document.KEY))
    except HandoverUnreadable:
        return None
