"""What tasks, triggers and callbacks need of the Task SDK beyond ``airflow.sdk``."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, cast

from airflow.sdk import Context
from airflow.sdk.execution_time.context import NEVER_EXPIRE
from pydantic import JsonValue

__all__ = [
    "NEVER_EXPIRE",
    "OtherRun",
    "TaskStore",
    "active_runs",
    "dag_run_state",
    "has_dag_run",
    "has_no_variable",
    "is_dag_paused",
    "newest_try",
    "other_run",
    "read_xcom",
    "skipped_downstream",
    "task_states",
    "trigger_dag_run",
    "write_xcom",
]


class TaskStore:
    """The task state store of the running task, as ``services.store.Store``: what is kept in it never expires.

    It outlives retries and clears. Airflow 3.3 documents ``context["task_state_store"]``; that it takes
    ``NEVER_EXPIRE`` by identity stands in its code only.
    """

    def __init__(self, context: Context) -> None:
        self._store = context["task_state_store"]

    def get(self, key: str) -> object:
        """Return what is kept under the key; None: nothing is."""
        return self._store.get(key)

    def set(self, key: str, value: JsonValue) -> None:
        """Keep a value until it is replaced."""
        self._store.set(key, value, retention=NEVER_EXPIRE)


def skipped_downstream(task_ids: Collection[str]) -> Exception:
    """Return the exception with which a task succeeds and has these tasks skipped."""
    from airflow.sdk.exceptions import DownstreamTasksSkipped

    return DownstreamTasksSkipped(tasks=list(task_ids))


def trigger_dag_run(
    dag_id: str, run_id: str, *, conf: Mapping[str, Any], at: datetime, again: bool = False
) -> str | None:
    """Start a run of another DAG from a running task; a run of that id that is there already is left alone.

    :param again: such a run is cleared instead, with all its tasks, and keeps its parameters
    :returns: why Airflow did not start it; None: it runs
    """
    from airflow.sdk.exceptions import ErrorType
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import ErrorResponse, TriggerDagRun

    wanted = TriggerDagRun(dag_id=dag_id, run_id=run_id, logical_date=at, conf=dict(conf), reset_dag_run=again)
    answer: object = task_runner.SUPERVISOR_COMMS.send(wanted)
    if isinstance(answer, ErrorResponse) and answer.error != ErrorType.DAGRUN_ALREADY_EXISTS:
        return f"{answer.error}: {answer.detail}"
    return None


def has_dag_run(dag_id: str, run_id: str) -> bool:
    """Tell, from a running task, whether another DAG has a run of this id."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    return bool(RuntimeTaskInstance.get_dr_count(dag_id=dag_id, run_ids=[run_id]))


def active_runs(dag_id: str) -> int:
    """Count, from a running task, the runs of another DAG that are queued or go on."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    return int(RuntimeTaskInstance.get_dr_count(dag_id=dag_id, states=["queued", "running"]))


def has_no_variable(key: str) -> bool:
    """Tell, from a running task, whether Airflow says in so many words that its database has no such Variable.

    ``Variable.get`` returns its default for every other trouble, too. Whatever else keeps Airflow from answering is
    raised: it says nothing about the Variable.
    """
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import ErrorResponse, GetVariable

    try:
        answer: object = task_runner.SUPERVISOR_COMMS.send(GetVariable(key=key))
    except AirflowRuntimeError as error:
        answer = error.error
        if answer.error != ErrorType.VARIABLE_NOT_FOUND:
            raise
    if isinstance(answer, ErrorResponse) and answer.error != ErrorType.VARIABLE_NOT_FOUND:
        raise AirflowRuntimeError(answer)
    return isinstance(answer, ErrorResponse)


def dag_run_state(ti: Any, dag_id: str, run_id: str) -> str | None:
    """Return the state of any run, from a running task; None: Airflow says in so many words that there is none.

    Whatever else keeps Airflow from answering is raised: it says nothing about the run.
    """
    try:
        return str(ti.get_dagrun_state(dag_id=dag_id, run_id=run_id))
    except Exception as error:
        if _is_no_such_run(error):
            return None
        raise


def _is_no_such_run(error: Exception) -> bool:
    """Read the API server's own answer: 404 with its reason. A proxy that knows no such address gives none."""
    told = getattr(getattr(error, "error", None), "detail", None)  # AirflowRuntimeError, from the supervisor
    if isinstance(told, Mapping):
        status, body = told.get("status_code"), told.get("detail")
    else:  # ServerResponseError, where task and supervisor are one process
        status = getattr(getattr(error, "response", None), "status_code", None)
        body = getattr(error, "detail", None)
    if isinstance(body, Mapping) and isinstance(body.get("detail"), Mapping):
        body = body["detail"]
    return status == HTTPStatus.NOT_FOUND and isinstance(body, Mapping) and body.get("reason") == "not_found"


@dataclass(frozen=True)
class OtherRun:
    """What Airflow tells a task about a run.

    :ivar conf: what its params were set to
    :ivar is_cleared: somebody has cleared tasks of it
    :ivar run_after: when it was to begin, which never changes
    """

    dag_id: str
    run_id: str
    state: str
    conf: Mapping[str, Any]
    logical_date: datetime | None = None
    is_cleared: bool = False
    run_after: datetime | None = None


def other_run(dag_id: str, run_id: str) -> OtherRun | None:
    """Look at any run, from a running task; None: Airflow says that there is none.

    Whatever else keeps Airflow from answering is raised: it says nothing about the run.
    """
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetDagRun

    try:
        answer: Any = task_runner.SUPERVISOR_COMMS.send(GetDagRun(dag_id=dag_id, run_id=run_id))
    except Exception as error:
        if _is_no_such_run(error):
            return None
        raise
    return OtherRun(
        dag_id,
        run_id,
        state=str(getattr(answer.state, "value", answer.state)),
        conf=dict(answer.conf or {}),
        logical_date=answer.logical_date,
        is_cleared=bool(answer.clear_number),
        run_after=answer.run_after,
    )


def newest_try(run: Any, task_id: str) -> int | None:
    """Return the number of the newest try of an unmapped task of a run, by Airflow's own record, which no one edits.

    Airflow tells a task about others by logical date only, and only about earlier ones: ours is the last before the
    next microsecond. None: the run has no such date, or Airflow does not say.

    :param run: ``context["dag_run"]`` or an ``OtherRun``
    """
    if run.logical_date is None:
        return None
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetPreviousTI

    after = run.logical_date + timedelta(microseconds=1)
    answer: object = task_runner.SUPERVISOR_COMMS.send(
        GetPreviousTI(dag_id=run.dag_id, task_id=task_id, logical_date=after)
    )
    found = getattr(answer, "task_instance", None)
    return int(found.try_number) if found is not None and found.run_id == run.run_id else None


def is_dag_paused(dag_id: str) -> bool:
    """Tell, from a running task, whether another DAG is paused; raises what Airflow raises where there is none."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    return bool(RuntimeTaskInstance.get_dag(dag_id).is_paused)


def read_xcom(key: str, *, dag_id: str, run_id: str, task_id: str) -> object:
    """Return what an unmapped task left under a key; None: nothing. For code that has no task instance."""
    from airflow.sdk.execution_time.xcom import XCom

    found: object = XCom.get_one(key=key, dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=-1)
    return found


def write_xcom(key: str, value: JsonValue, *, dag_id: str, run_id: str, task_id: str) -> None:
    """Leave something in the name of an unmapped task. For code that has no task instance."""
    from airflow.sdk.execution_time.xcom import XCom

    XCom.set(key=key, value=value, dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=-1)


def task_states(*, dag_id: str, run_id: str) -> Mapping[str, str | None]:
    """Return the states of a run's tasks by task id. For code that has no task instance."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    found = RuntimeTaskInstance.get_task_states(dag_id=dag_id, run_ids=[run_id])
    return cast("Mapping[str, str | None]", found.get(run_id, {}))
