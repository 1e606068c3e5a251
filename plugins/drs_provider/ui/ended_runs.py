"""What a run that ends has left, read in the scheduler with the session that the run belongs to."""

from collections.abc import Mapping
from typing import Any

from airflow.models.xcom import XComModel
from airflow.utils.state import TaskInstanceState
from sqlalchemy.orm import object_session

from drs_provider.ui.board import REPORT_TASK, RETURN_KEY
from drs_provider.ui.envelopes import unwrapped


def report_of(dag_run: Any) -> Mapping[str, Any] | None:
    """Return what the report task of a run has returned; None: nothing, or the run belongs to no session.

    What an earlier end of a cleared run left does not count: the task must have ended well, and not wait again.
    """
    session = object_session(dag_run)
    if session is None:
        return None
    wanted = XComModel.get_many(
        run_id=dag_run.run_id, dag_ids=dag_run.dag_id, task_ids=REPORT_TASK, key=RETURN_KEY, limit=1
    )
    with session.no_autoflush:
        task = dag_run.get_task_instance(REPORT_TASK, session=session)
        row = session.scalar(wanted) if task is not None and task.state == TaskInstanceState.SUCCESS else None
    report = unwrapped(XComModel.deserialize_value(row)) if row is not None else None
    return report if isinstance(report, Mapping) and "verdict" in report else None
