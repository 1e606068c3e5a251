"""The run of another plan that has started a run as one of its steps: read, proven, and asked for at that moment."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context

from drs_provider.dag.people.agreement import answers_of, started_by, triggered_by
from drs_provider.exceptions import HandoverUnreadable, PreflightRefused
from drs_provider.rules.run import names

if TYPE_CHECKING:
    from drs_provider.airflow_internals.tasks import OtherRun
    from drs_provider.plan.loader import Library
    from drs_provider.rules.run.handover import PlanRunStart, PreflightResult, RecordedAnswer
    from drs_provider.rules.run.handover.plan_runs import InheritedApproval
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
    from drs_provider.rules.run.handover import PreflightResult
    from drs_provider.rules.run.parts import ParentNow, runs_plan

    run = other_run(start.parent_dag_id, start.parent_run_id)
    if run is None:
        return ParentNow(None)
    preflight = _left(run, names.PREFLIGHT_TASK, PreflightResult)
    return ParentNow(
        run.state,
        run.conf.get("mode"),
        preflight,
        {approval: _answer(approval, run) for approval in start.approvals},
        runs_plan(library, start, digest=preflight.digest if preflight else None),
    )


def _answer(approval: "InheritedApproval", parent: "OtherRun") -> "RecordedAnswer | None":
    """Return what is on record now of an approval: the parent's own, or what it has inherited from a run above it."""
    from drs_provider.airflow_internals.tasks import other_run
    from drs_provider.rules.run.handover import RecordedAnswer

    is_parent_s = (approval.dag_id, approval.run_id) == (parent.dag_id, parent.run_id)
    run = parent if is_parent_s else other_run(approval.dag_id, approval.run_id)
    return _left(run, approval.task_id, RecordedAnswer) if run is not None else None


def _left(run: "OtherRun", task_id: str, document: Any) -> Any:
    """Read what a task of another run left; None: nothing, or nothing that its newest try wrote itself."""
    from drs_provider.airflow_internals.tasks import newest_try, read_xcom
    from drs_provider.rules.run.handover.signature import Origin
    from drs_provider.services.signed import opened

    value = read_xcom(document.KEY, dag_id=run.dag_id, run_id=run.run_id, task_id=task_id)
    newest = newest_try(run, task_id) if value and run.is_cleared else None
    try:
        return opened(value, document, Origin(run.dag_id, run.run_id, task_id, document.KEY), newest_try=newest)
    except HandoverUnreadable:
        return None
