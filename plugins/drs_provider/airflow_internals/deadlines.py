"""Deadlines of runs: from when they count, when they end, and when they count again.

Airflow's own reference, when a run was queued, makes the API answer 500 when any task of the run is cleared
(apache/airflow#70368: it reads the interval as a number, which is a document since 3.3). A reference of our own is
evaluated once, when the run is made, and left alone by a clear. Airflow imports this module with the plugin, in every
process: it imports nothing that takes time.
"""

from datetime import datetime
from typing import Any, ClassVar

from airflow.sdk.definitions.deadline import BaseDeadlineReference

from drs_provider import clock


class RunAskedFor(BaseDeadlineReference):
    """When a run was asked for or due: what people count from. It stays the same when the run is cleared."""

    required_kwargs: ClassVar[set[str]] = {"dag_id", "run_id"}

    def _evaluate_with(self, *, session: Any, dag_id: str, run_id: str) -> datetime | None:
        from sqlalchemy import select

        from drs_provider.airflow_internals.metadata import DagRun

        found: datetime | None = session.scalar(
            select(DagRun.run_after).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        )
        return found


def end_deadlines(dag_run: Any) -> int:
    """Take away what a run that is over still has to meet; return how many. Airflow does so for green runs only.

    A deadline that passed while the run went on is Airflow's to handle. Commits nothing: the run's own session does.
    """
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    from drs_provider.airflow_internals.metadata import Deadline

    session = object_session(dag_run)
    if session is None:
        return 0
    ended = dag_run.end_date or clock.now()
    with session.no_autoflush:
        ahead = session.scalars(
            select(Deadline).where(Deadline.dagrun_id == dag_run.id, ~Deadline.missed, Deadline.deadline_time > ended)
        ).all()
    for deadline in ahead:
        session.delete(deadline)
    return len(ahead)


def renew_deadlines(dag_run: Any) -> int:
    """Give a run that was cleared after its end the deadlines that are still ahead; return how many.

    They count from when the run was asked for, as before. Commits nothing: the run's own session does.
    """
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    from drs_provider.airflow_internals.metadata import Deadline, SerializedDagModel

    session = object_session(dag_run)
    if session is None or not dag_run.clear_number:
        return 0
    with session.no_autoflush:
        there = set(session.scalars(select(Deadline.deadline_alert_id).where(Deadline.dagrun_id == dag_run.id)))
        dag = SerializedDagModel.get_dag(dag_run.dag_id, session=session)
        if dag is None or not dag.deadline:
            return 0
        dag._process_dagrun_deadline_alerts(dag_run, session)  # noqa: SLF001  (as it does for a run that is made)
        made = [new for new in session.new if isinstance(new, Deadline) and new.dagrun_id == dag_run.id]
        for deadline in made:
            if deadline.deadline_alert_id in there or deadline.deadline_time <= clock.now():
                session.expunge(deadline)
    return sum(deadline in session.new for deadline in made)
