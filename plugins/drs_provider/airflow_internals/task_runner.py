"""Airflow's task runner without a worker: one leg of a task, run in this process."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import structlog
from airflow.sdk import BaseOperator
from airflow.sdk._shared.module_loading import import_string
from airflow.sdk.api.datamodels._generated import DagRun, DagRunState, DagRunType, TIRunContext
from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR, TriggerFailureReason
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import comms
from airflow.sdk.execution_time.supervisor import set_supervisor_comms
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance, finalize, run
from airflow.sdk.serde import deserialize, serialize

__all__ = [
    "TRIGGER_FAIL_REPR",
    "DagRun",
    "ErrorType",
    "Leg",
    "LegEnd",
    "TriggerFailureReason",
    "comms",
    "deserialize",
    "import_string",
    "manual_run",
    "run_leg",
    "serialize",
    "set_supervisor_comms",
]


def manual_run(dag_id: str, run_id: str, *, conf: Mapping[str, Any], at: datetime, user: str) -> DagRun:
    """Return a run that somebody has triggered, as its tasks see it."""
    return DagRun(
        dag_id=dag_id,
        run_id=run_id,
        logical_date=at,
        data_interval_start=at,
        data_interval_end=at,
        run_after=at,
        start_date=at,
        end_date=None,
        clear_number=0,
        run_type=DagRunType.MANUAL,
        state=DagRunState.RUNNING,
        conf=dict(conf),
        triggering_user_name=user,
        consumed_asset_events=[],
        partition_key=None,
    )


@dataclass(frozen=True)
class Leg:
    """One leg of a task: from a start, or from the end of a wait (``method``, ``kwargs``), to the next wait or the end.

    ``number`` counts the tries from 1; ``instance`` and ``version`` are the ids of task instance and DAG version.
    """

    instance: UUID
    version: UUID
    number: int
    at: datetime
    method: str | None = None
    kwargs: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class LegEnd:
    """How a leg ended. ``message`` is what the task told its supervisor: ``comms.DeferTask`` and the like."""

    state: str
    message: object
    error: BaseException | None


def run_leg(task: BaseOperator, dag_run: DagRun, leg: Leg) -> LegEnd:
    """Run one leg of a task as a worker would, within ``set_supervisor_comms``."""
    retries = int(task.retries or 0)
    ti = RuntimeTaskInstance.model_construct(
        id=leg.instance,
        task_id=task.task_id,
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        try_number=leg.number,
        dag_version_id=leg.version,
        map_index=-1,
        queue="default",
        context_carrier={},
        task=task,
        max_tries=retries,
        start_date=leg.at,
        bundle_instance=cast("Any", None),
        _ti_context_from_server=TIRunContext(
            dag_run=dag_run,
            max_tries=retries,
            should_retry=leg.number <= retries,
            next_method=leg.method,
            next_kwargs=dict(leg.kwargs or {}),
            start_date=leg.at,
        ),
    )
    context = ti.get_template_context()
    logger = structlog.get_logger(logger_name="task")
    state, message, error = run(ti, context, logger)
    context["exception"] = error
    finalize(ti, state, context, logger, error)
    return LegEnd(str(state.value), message, error)
