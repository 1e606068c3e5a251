"""What a task asks of Airflow while it runs, answered from memory: XCom, task states, the task state store."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from drs_provider.airflow_internals.task_runner import ErrorType, comms

NOT_ASKED_FOR_AN_ANSWER = (
    comms.SetRenderedFields,
    comms.SetRenderedMapIndex,
    comms.MaskSecret,
    comms.SucceedTask,
    comms.TaskState,
    comms.RetryTask,
    comms.DeferTask,
    comms.AwaitInputTask,
    comms.RescheduleTask,
)
"""Messages whose content the driver has from elsewhere."""


class Supervisor:
    """Stands where a task expects Airflow's supervisor (``SUPERVISOR_COMMS``).

    :param states: task id → state, kept up to date by who runs the tasks
    """

    def __init__(self, states: Mapping[str, str | None], run_id: str) -> None:
        self._states, self._run_id = states, run_id
        self._xcoms: dict[tuple[str, str], Any] = {}
        self._stores: dict[tuple[UUID, str], Any] = {}
        self.skipped: set[str] = set()
        """Tasks that others have said to leave out."""
        self.asked: dict[UUID, comms.CreateHITLDetailPayload] = {}
        """What people were asked last, by task instance."""
        self.unanswered: set[str] = set()
        """Names of the messages that a rehearsal has no answer to."""
        self._answers: Mapping[type, Callable[[Any], Any]] = {
            comms.SetXCom: self._set_xcom,
            comms.GetXCom: self._xcom,
            comms.GetXComSequenceSlice: self._xcoms_of,
            comms.DeleteXCom: lambda message: self._xcoms.pop((message.task_id, message.key), None) and None,
            comms.GetTaskStateStore: self._stored,
            comms.SetTaskStateStore: self._store,
            comms.DeleteTaskStateStore: lambda message: self._stores.pop((message.ti_id, message.key), None) and None,
            comms.GetTaskStates: self._task_states,
            comms.GetDag: lambda message: comms.DagResult.model_validate({**_DAG, "dag_id": message.dag_id}),
            comms.SkipDownstreamTasks: self._skip,
            comms.CreateHITLDetailPayload: self._ask,
            comms.GetConnection: lambda message: _missing("CONNECTION_NOT_FOUND", conn_id=message.conn_id),
            comms.GetVariable: lambda message: _missing("VARIABLE_NOT_FOUND", key=message.key),
        }

    def send(self, msg: Any) -> Any:
        """Answer one message."""
        if isinstance(msg, NOT_ASKED_FOR_AN_ANSWER):
            return None
        answer = self._answers.get(type(msg))
        if answer is None:
            self.unanswered.add(type(msg).__name__)
            return comms.ErrorResponse(detail={"reason": "a rehearsal does not support this"})
        return answer(msg)

    async def asend(self, msg: Any) -> Any:
        """Answer one message of a trigger."""
        return self.send(msg)

    def xcom(self, task_id: str, key: str) -> Any:
        """Return what a task left under a key, or Nmessage."""
        return self._xcoms.get((task_id, key))

    def leave(self, task_id: str, key: str, value: Any) -> None:
        """Leave something in the name of a task that is not run."""
        self._xcoms[task_id, key] = value

    def forget_xcoms(self, task_id: str) -> None:
        """Drop what an earlier try of a task left, as Airflow does."""
        for known in [place for place in self._xcoms if place[0] == task_id]:
            del self._xcoms[known]

    def _set_xcom(self, message: comms.SetXCom) -> None:
        self._xcoms[message.task_id, message.key] = json.loads(json.dumps(message.value, default=str))

    def _xcom(self, message: comms.GetXCom) -> comms.XComResult:
        return comms.XComResult(key=message.key, value=self.xcom(message.task_id, message.key))

    def _xcoms_of(self, message: comms.GetXComSequenceSlice) -> comms.XComSequenceSliceResult:
        found = self.xcom(message.task_id, message.key)
        return comms.XComSequenceSliceResult(root=[] if found is None else [found])

    def _stored(self, message: comms.GetTaskStateStore) -> Any:
        if (message.ti_id, message.key) not in self._stores:
            return _missing("TASK_STORE_NOT_FOUND", key=message.key)
        return comms.TaskStateStoreResult(value=self._stores[message.ti_id, message.key])

    def _store(self, message: comms.SetTaskStateStore) -> comms.OKResponse:
        self._stores[message.ti_id, message.key] = json.loads(json.dumps(message.value, default=str))
        return comms.OKResponse(ok=True)

    def _task_states(self, message: comms.GetTaskStates) -> comms.TaskStatesResult:
        wanted = {
            task: state for task, state in self._states.items() if message.task_ids is None or task in message.task_ids
        }
        return comms.TaskStatesResult(task_states={self._run_id: wanted})

    def _skip(self, message: comms.SkipDownstreamTasks) -> None:
        self.skipped |= {task if isinstance(task, str) else task[0] for task in message.tasks}

    def _ask(self, message: comms.CreateHITLDetailPayload) -> Any:
        self.asked[message.ti_id] = message
        return comms.HITLDetailRequestResult.model_validate(message.model_dump(exclude={"type"}))


_DAG: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("bundle_name", "bundle_version", "relative_fileloc", "owners", "next_dagrun")),
    "is_paused": False,
    "tags": [],
}
"""What Airflow says of a DAG that nobody has paused."""


def _missing(kind: str, **detail: str) -> comms.ErrorResponse:
    return comms.ErrorResponse(error=ErrorType[kind], detail=dict(detail))
