"""What a run left, read from inside its report task."""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow.sdk import Context, conf

from drs_provider import clock
from drs_provider.dag.run_reader import RunReader, began_at
from drs_provider.exceptions import HandoverUnreadable
from drs_provider.operators.task_memory import task_memory
from drs_provider.plan.loader import RunnablePlan
from drs_provider.rules.run.names import plan_failed_back_by

_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from collections.abc import Callable

    from drs_provider.report.evidence import ParentRun, RunEvidence, RunFacts
    from drs_provider.rules.run.handover import PlanRunStart, PreflightResult
    from drs_provider.rules.run.shape import RunShape


def collect(context: Context, runnable: RunnablePlan) -> "RunEvidence":
    """Collect everything that is known about this run now."""
    from drs_provider.report.collect.run import evidence_of, with_edited
    from drs_provider.rules.run.handover import RecordedAnswer
    from drs_provider.rules.run.state import LeftDocuments

    shape = _shape_of(context, runnable)
    reader = RunReader(context)
    snapshot = reader.snapshot(shape, is_last_look=True)
    left = LeftDocuments(replace(snapshot, left=_with_orders(context, reader)))
    evidence = evidence_of(_run_facts(context, shape, left.preflight()), shape, left, now=clock.now())
    # An answer to what nobody was asked is no evidence of anything; but that somebody wrote one is.
    for task in (
        *shape.approval_tasks,
        *shape.stop_approval_tasks,
        *(wave.pause_task for wave in shape.waves if wave.pause_task),
    ):
        reader.left(task, RecordedAnswer.KEY)
    return with_edited(evidence, reader.disbelieved)


def _shape_of(context: Context, runnable: RunnablePlan) -> "RunShape":
    """Compile what a run has run: its plan, or the plan's way back."""
    from drs_provider.rules.failback.shape import shape_of_mode
    from drs_provider.rules.run.shape import compile_shape

    is_back = plan_failed_back_by(context["dag_run"].dag_id) is not None
    back = shape_of_mode(runnable, dict(context["params"]).get("mode")) if is_back else None
    return back or compile_shape(runnable)


def _with_orders(context: Context, reader: RunReader) -> "Callable[[str, str], object]":
    """Read also what people ordered: it lies in the state store of this very task."""
    from drs_provider.rules.run.handover import GivenOrders

    orders: object = None
    try:
        orders = task_memory(context).get(GivenOrders.KEY)
    except HandoverUnreadable as error:
        _log.warning("orders of people are left out of the report: %s", error)
        reader.disbelieved[error.where] = error.problem
    own = (context["ti"].task_id, GivenOrders.KEY)
    return lambda task, key: orders if (task, key) == own else reader.left(task, key)


def _run_facts(context: Context, shape: "RunShape", preflight: "PreflightResult | None") -> "RunFacts":
    from drs_provider.report.evidence import RunFacts
    from drs_provider.rules.run.parts import STARTED_BY

    plan, dag_run, params = shape.plan, context["dag_run"], dict(context["params"])
    url = conf.get("api", "base_url", fallback="")
    return RunFacts(
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        mode=params["mode"],
        plan=plan.name,
        title=shape.title,
        description=plan.description or "",
        owner=plan.owner or "",
        plan_digest=preflight.digest if preflight else shape.digest,
        plan_path=shape.runnable.path.name,
        triggered_by=getattr(dag_run, "triggering_user_name", None),
        run_type=dag_run.run_type.value,
        part_of=_parent(preflight.part_of) if preflight and preflight.part_of else None,
        # A run that is cleared after its end counts from its first start; Airflow forgets when that one was queued.
        queued_at=None if dag_run.clear_number else getattr(dag_run, "queued_at", None),
        started_at=began_at(context),
        reason=params.get("reason") or None,
        point_in_time=(preflight.point_in_time if preflight else None) or params.get("point_in_time") or "latest",
        params={name: value for name, value in params.items() if name != STARTED_BY},
        airflow_url=f"{url.rstrip('/')}/dags/{dag_run.dag_id}/runs/{dag_run.run_id}" if url else None,
    )


def _parent(start: "PlanRunStart") -> "ParentRun":
    from drs_provider.report.evidence import ParentRun

    return ParentRun(
        plan=start.parent_plan,
        dag_id=start.parent_dag_id,
        run_id=start.parent_run_id,
        task=start.parent_task_id,
        approved_by=tuple(approval.by for approval in start.approvals),
    )
