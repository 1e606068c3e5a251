"""Marks that people set on tasks and runs, recorded for the report: what is marked runs no code to tell of it.

Airflow's API server tells listeners of a mark before it saves it, with the task itself and in the session that writes
its audit log; what is recorded is saved, or not, together with the mark. It commits nothing.
"""

import json
import logging
from typing import Any, Final

from airflow.listeners import hookimpl

from drs_provider.rules.run.names import REPORT_TASK, has_plan_runs
from drs_provider.ui.audit.trail import writer

log = logging.getLogger(__name__)


class RecordingMarks:
    """A listener: Airflow calls it in every process that ends a task; only a mark comes without an earlier state."""

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
        """Record that somebody marked a task as successful."""
        if previous_state is None:
            _record(task_instance, "success")

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        """Record that somebody marked a task as failed."""
        if previous_state is None:
            _record(task_instance, "failed")

    @hookimpl
    def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
        """Record that somebody marked a task as skipped."""
        if previous_state is None:
            _record(task_instance, "skipped")

    @hookimpl
    def on_dag_run_success(self, dag_run: Any, msg: str) -> None:
        """Record that somebody marked a whole run as successful."""
        if _BY_HAND in msg:
            _record(dag_run, "success")

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any, msg: str) -> None:
        """Record that somebody marked a whole run as failed; its clean-up and its report are still to come."""
        if _BY_HAND in msg:
            _record(dag_run, "failed")


_BY_HAND: Final = "manually set"
"""What Airflow says where a person has set the state of a run."""


def _record(marked_thing: Any, state: str) -> None:
    """Record the mark of a task, or of a run, in the session that saves it."""
    if not has_plan_runs(marked_thing.dag_id):
        return
    from sqlalchemy import inspect, select

    from drs_provider import clock
    from drs_provider.airflow_internals.metadata import TaskStateStoreModel
    from drs_provider.exceptions import RunRefused
    from drs_provider.rules.run.controls import marked, read_given
    from drs_provider.rules.run.handover import GivenOrders
    from drs_provider.rules.run.handover.signature import Origin
    from drs_provider.services.signed import believed, keys

    mapped = inspect(marked_thing, raiseerr=False)
    session = mapped.session if mapped is not None else None
    if session is None:
        return
    with session.no_autoflush:
        task_id = getattr(marked_thing, "task_id", None)
        dag_run = marked_thing.get_dagrun(session=session) if task_id else marked_thing
        kept = session.scalar(
            select(TaskStateStoreModel).where(
                TaskStateStoreModel.dag_run_id == dag_run.id,
                TaskStateStoreModel.task_id == REPORT_TASK,
                TaskStateStoreModel.map_index == -1,
                TaskStateStoreModel.key == GivenOrders.KEY,
            )
        ) or _of_this_session(session, dag_run.id)
        who, why = _who(session, dag_run), marked_thing.note if task_id else None
        order = marked(task_id, state, who, why, at=clock.now())
    place = Origin(dag_run.dag_id, dag_run.run_id, REPORT_TASK, GivenOrders.KEY, stored_in="task_state_store")
    known = believed(json.loads(kept.value), place) if kept else None
    try:
        value = json.dumps(keys().seal(read_given(known).with_order(order).to_json(), place))
    except RunRefused as error:  # the mark itself must not fail over its record
        log.warning("the mark by %s is not recorded for the report: %s", who, error)
        return
    if kept is not None:
        kept.value = value
        return
    session.add(
        TaskStateStoreModel(
            dag_run_id=dag_run.id,
            dag_id=dag_run.dag_id,
            run_id=dag_run.run_id,
            task_id=REPORT_TASK,
            map_index=-1,
            key=GivenOrders.KEY,
            value=value,
        )
    )


def _of_this_session(session: Any, dag_run_id: int) -> Any:
    """Find what this very request has recorded and not saved yet: a whole group may be marked at once."""
    from drs_provider.airflow_internals.metadata import TaskStateStoreModel
    from drs_provider.rules.run.handover import GivenOrders

    for new in session.new:
        if isinstance(new, TaskStateStoreModel) and (new.dag_run_id, new.key) == (dag_run_id, GivenOrders.KEY):
            return new
    return None


def _who(session: Any, dag_run: Any) -> str | None:
    """Say who set the mark: who sent this request, else who stands last in the audit log."""
    if name := writer():
        return name
    from sqlalchemy import select

    from drs_provider.airflow_internals.metadata import Log

    for new in session.new:
        if isinstance(new, Log) and new.run_id == dag_run.run_id:
            return str(new.owner) if new.owner else None
    here = (Log.dag_id == dag_run.dag_id, Log.run_id == dag_run.run_id)
    owner = session.scalar(select(Log.owner).where(*here).order_by(Log.id.desc()).limit(1))
    return str(owner) if owner else None
