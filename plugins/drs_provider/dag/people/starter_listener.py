"""What Airflow's scheduler knows of who started a run, and its tasks do not learn.

A mark on who started a run from Airflow's command line, which takes any name for the person. Tasks do not learn how a
run was started. Airflow's scheduler tells listeners of the begin of a run before any task of it may start, with the run
itself; what the listener sets on it is saved, or not, together with the run's state. With the mark the name is nobody's
among the approvers, and everybody reads it: in questions, notices and the report.

And who has the roles of recovery managers, where the configuration names roles: only the scheduler may ask the auth
manager. Preflight finds it, signed, in the store of its task.
"""

import json
import logging
from typing import Any

from airflow.listeners import hookimpl

from drs_provider.people import COMMAND_LINE
from drs_provider.rules.run.names import PREFLIGHT_TASK, has_plan_runs

_CLI = "cli"

log = logging.getLogger(__name__)


class MarkingStarters:
    """A listener: Airflow calls it where a run changes its state."""

    @hookimpl
    def on_dag_run_running(self, dag_run: Any, msg: str) -> None:
        """Mark the name of who started the run, once, and say who the recovery managers are."""
        if not has_plan_runs(dag_run.dag_id):
            return
        how, name = dag_run.triggered_by, str(dag_run.triggering_user_name or "an unknown user")
        if str(getattr(how, "value", how)) == _CLI and not name.endswith(COMMAND_LINE):
            dag_run.triggering_user_name = f"{name}{COMMAND_LINE}"
        try:
            _tell_managers(dag_run)
        except Exception as error:  # noqa: BLE001 - a run must not hang because of it: preflight refuses it with words
            log.warning("who the recovery managers are is not told to %s: %r", dag_run.run_id, error)


def _tell_managers(dag_run: Any) -> None:
    """Leave word of who has the roles of recovery managers, in the session that saves the run."""
    from drs_provider.configuration import recovery_managers
    from drs_provider.rules.roles.managers import read_managers

    setting = recovery_managers()
    roles = read_managers(setting).roles if setting else ()
    if not roles:
        return
    from sqlalchemy import inspect, select

    from drs_provider import clock
    from drs_provider.airflow_internals.auth_managers import holders_of
    from drs_provider.airflow_internals.metadata import TaskStateStoreModel
    from drs_provider.rules.run.handover import ManagersKnown
    from drs_provider.rules.run.handover.signature import Origin
    from drs_provider.services.signed import keys

    mapped = inspect(dag_run, raiseerr=False)
    session = mapped.session if mapped is not None else None
    if session is None:
        return
    found = holders_of(roles)
    known = ManagersKnown(roles=roles, people=found.names, problem=found.problem, at=clock.now())
    key = ManagersKnown.KEY
    place = Origin(dag_run.dag_id, dag_run.run_id, PREFLIGHT_TASK, key, stored_in="task_state_store")
    value = json.dumps(keys().seal(known.to_json(), place))
    here = {"dag_run_id": dag_run.id, "task_id": PREFLIGHT_TASK, "map_index": -1, "key": key}
    with session.no_autoflush:
        kept = session.scalar(select(TaskStateStoreModel).filter_by(**here))
    if kept is not None:
        kept.value = value
    else:
        session.add(TaskStateStoreModel(**here, dag_id=dag_run.dag_id, run_id=dag_run.run_id, value=value))
