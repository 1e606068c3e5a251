"""The verdict of a run in its note, where Airflow's lists of runs and ``drs run`` show it.

A task cannot write the note: the Task SDK has no call for it. Airflow's scheduler tells listeners of the end of a run
before it saves it, with the run itself; what the listener sets on it is saved, or not, together with the run's state.
It commits nothing and opens no session of its own, for the scheduler holds the run's row.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl
from airflow.sdk import TaskInstanceState
from sqlalchemy import select, update
from sqlalchemy.orm import object_session
from sqlalchemy.orm.attributes import set_committed_value

from drs_provider.rules.run.names import REPORT_TASK, has_plan_runs
from drs_provider.ui.xcom_values import unwrapped

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import WrittenReport

_TRIES = 5
"""How often a note that changes under the scheduler's hands is read again."""


class Noting:
    """A listener: Airflow calls it where a run changes its state, which is the scheduler, or the API for marks."""

    @hookimpl
    def on_dag_run_success(self, dag_run: Any, msg: str) -> None:
        """Note the verdict that the report has left."""
        _note_verdict(dag_run)

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any, msg: str) -> None:
        """Note the verdict that the report has left; a run without a report gets none."""
        _note_verdict(dag_run)

    @hookimpl
    def on_dag_run_running(self, dag_run: Any, msg: str) -> None:
        """Take an earlier verdict away: the run was cleared, and goes on."""
        if has_plan_runs(dag_run.dag_id):
            from drs_provider.report.run_note import without_verdict

            _change(dag_run, without_verdict)


def _note_verdict(dag_run: Any) -> None:
    if not has_plan_runs(dag_run.dag_id):
        return
    from drs_provider.report.run_note import with_verdict

    report = report_of(dag_run)
    if report is not None:
        _change(dag_run, lambda note: with_verdict(note, report))


def _change(dag_run: Any, change: Callable[[str | None], str]) -> None:
    """Change the note, and leave it untouched where nothing changes.

    The API server writes what people say into the same note, perhaps since the scheduler has read the run: a note is
    changed where it still is as it was read, else it is read again. What people wrote is never lost.
    """
    session, note = object_session(dag_run), dag_run.dag_run_note
    if session is None or note is None:
        if new := change(dag_run.note):
            dag_run.note = new
        return
    table = type(note)
    here = table.dag_run_id == note.dag_run_id
    with session.no_autoflush:
        for _ in range(_TRIES):
            old = session.scalar(select(table.content).where(here))
            new = change(old)
            if new == (old or ""):
                break
            as_read = table.content.is_(None) if old is None else table.content == old
            changed = update(table).where(here, as_read).values(content=new)
            found: Any = session.execute(changed.execution_options(synchronize_session=False))
            if found.rowcount:
                break
    set_committed_value(note, "content", new)


def report_of(dag_run: Any) -> "WrittenReport | None":
    """Return what the report task of a run has returned; None: nothing, or the run belongs to no session.

    What an earlier end of a cleared run left does not count: the task must have ended well, and not wait again.
    """
    session = object_session(dag_run)
    if session is None:
        return None
    from drs_provider.airflow_internals.metadata import XComModel
    from drs_provider.airflow_internals.xcom_values import value_of
    from drs_provider.rules.run.handover import HandoverUnreadable, WrittenReport
    from drs_provider.rules.run.handover.signature import Origin
    from drs_provider.services.signed import opened

    wanted = XComModel.get_many(
        run_id=dag_run.run_id, dag_ids=dag_run.dag_id, task_ids=REPORT_TASK, key=WrittenReport.KEY, limit=1
    )
    with session.no_autoflush:
        task = dag_run.get_task_instance(REPORT_TASK, session=session)
        row = session.scalar(wanted) if task is not None and task.state == TaskInstanceState.SUCCESS else None
    if row is None:
        return None
    try:
        place = Origin(dag_run.dag_id, dag_run.run_id, REPORT_TASK, WrittenReport.KEY)
        return opened(unwrapped(value_of(row)), WrittenReport, place)
    except HandoverUnreadable:  # somebody has edited it
        return None
