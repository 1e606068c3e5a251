"""Runs of plans side by side without Airflow's services: the tasks are real, what they ask Airflow for is remembered.

A run of a rehearsal (``drs_provider.rehearsal.engine``), and what a rehearsal has no need of: several runs that know of
each other, and people who clear, mark, order, and edit what lies between the tasks.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG
from drs_provider.airflow_internals.task_runner import ErrorType, Leg, LegEnd, comms, run_leg
from drs_provider.rehearsal.engine.clock import RehearsalClock
from drs_provider.rehearsal.engine.driver import _NAMESPACE, Driver, Rules, instance_id
from drs_provider.rehearsal.engine.supervisor import Supervisor
from drs_provider.rehearsal.facts import TaskRecord
from drs_provider.rules.run.handover import RunOrder
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.services.signed import keys

TASK_SECONDS = 1.0
"""What passes until a task has started."""

ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")
_NOW: ContextVar["Run"] = ContextVar("run")


class Runs:
    """All runs that one Airflow knows; stands where a task expects Airflow's supervisor."""

    def __init__(self) -> None:
        self.known: dict[str, Run] = {}

    def send(self, msg: Any) -> Any:
        """Answer one message of the run that asks."""
        return self._of_all(msg) or _NOW.get().supervisor.send(msg)

    async def asend(self, msg: Any) -> Any:
        """Answer one message of a trigger."""
        return self.send(msg)

    def _of_all(self, msg: Any) -> Any:
        match msg:
            case comms.GetDRCount():
                return comms.DRCount(count=sum(1 for _ in self._asked_for(msg.run_ids, msg.states)))
            case comms.GetDagRunState():
                run = self.known.get(msg.run_id)
                if run is None:
                    detail = {"status_code": 404, "detail": {"detail": {"reason": "not_found"}}}
                    return comms.ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail=detail)
                return comms.DagRunStateResult(state=run.state)
            case comms.GetTaskStates():
                found = {
                    run.run_id: {
                        name: state for name, state in run.states.items() if name in (msg.task_ids or run.states)
                    }
                    for run in self._asked_for(msg.run_ids, None)
                }
                return comms.TaskStatesResult(task_states=found)
            case comms.GetXCom() if msg.run_id in self.known:
                other = self.known[msg.run_id].supervisor
                return comms.XComResult(key=msg.key, value=other.xcom(msg.task_id, msg.key))
        return None

    def _asked_for(self, run_ids: Collection[str] | None, states: Collection[str] | None) -> Iterator["Run"]:
        for run in self.known.values():
            if (run_ids is None or run.run_id in run_ids) and (states is None or run.state in states):
                yield run


class Run(Driver):
    """One run of one DAG, with which people do what they like.

    :param runs: those that its Airflow knows; it joins them
    """

    def __init__(self, dag: DAG, conf: Mapping[str, Any], run_id: str, clock: RehearsalClock, runs: Runs) -> None:
        rules = Rules(TASK_SECONDS, answers_after=timedelta(minutes=1))
        super().__init__(dag, conf, run_id, clock, rules)
        self.supervisor = Supervisor(self.states, run_id)
        self.marked: set[str] = set()
        """Tasks that people have marked as successful before they began."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._retries = {name: int(getattr(task, "retries", 0) or 0) for name, task in dag.task_dict.items()}
        self._wake = asyncio.Event()
        self._is_abandoned = False
        runs.known[run_id] = self

    @property
    def state(self) -> str:
        """The run's state, as Airflow says it: its leaf that is no teardown decides."""
        if not self.is_over:
            return "running"
        return "success" if self.states["finish.verdict"] == "success" else "failed"

    @property
    def is_over(self) -> bool:
        """Whether every task has ended."""
        return all(state in ENDED for state in self.states.values())

    async def run(self) -> None:
        """Go on until nothing goes on and nothing can start."""
        _NOW.set(self)
        self._start_what_can()
        while self._under_way and not self._is_abandoned:
            woken = asyncio.ensure_future(self._wake.wait())
            done, _ = await asyncio.wait({*self._under_way, woken}, return_when=asyncio.FIRST_COMPLETED)
            woken.cancel()
            self._wake.clear()
            self._under_way -= done
            for task in done - {woken}:
                if not task.cancelled():
                    task.result()
            if not self._is_abandoned:
                self._start_what_can()

    async def _task(self, name: str) -> None:
        self._tasks[name] = asyncio.current_task()  # type: ignore[assignment]  # it runs in one
        if name in self.marked:
            self._end(name, "success")
        else:
            await super()._task(name)

    def _leg(self, task: Any, number: int, method: str | None, kwargs: Mapping[str, Any]) -> LegEnd:
        leg = Leg(instance_id(task.task_id), _NAMESPACE, number, self.clock.now(), method, kwargs)
        return run_leg(task, self.dag_run, leg)

    def abandon(self) -> None:
        """Let the Airflow of this run be gone from one moment to the next."""
        self._is_abandoned = True
        for task in self._under_way:
            task.cancel()
        self._wake.set()

    def clear(self, names: Collection[str]) -> None:
        """Clear tasks and everything behind them, as Airflow does by default."""
        cleared = {*names, *(other for name in names for other in self._behind(name))}
        cleared = {name for name in cleared if self.records[name].ready is not None or self.states[name] is not None}
        for name in cleared:
            if (task := self._tasks.pop(name, None)) and not task.done():
                task.cancel()
            tries = self.records[name].tries
            self.records[name] = TaskRecord(tries=tries)
            self.states[name] = None
            self.dag.task_dict[name].retries = tries + self._retries[name]
            self.supervisor.forget_xcoms(name)
            self.supervisor.skipped.discard(name)
        self.dag_run.clear_number = (self.dag_run.clear_number or 0) + 1
        self._wake.set()

    def mark(self, name: str) -> None:
        """Mark a task as successful, whether it has begun or not."""
        self.marked.add(name)
        if (task := self._tasks.get(name)) and not task.done():
            task.cancel()
            self._end(name, "success")
        self._wake.set()

    def order(self, names: Collection[str], order: RunOrder) -> None:
        """Let tasks find the order of a person, as the page of orders keeps it."""
        for name in names:
            place = Origin(self.dag.dag_id, self.run_id, name, RunOrder.KEY, stored_in="task_state_store")
            task: Any = self.dag.task_dict[name]
            self.supervisor._stores[instance_id(task.task_id), RunOrder.KEY] = keys().seal(order.to_json(), place)  # noqa: SLF001

    def edit(self, change: Callable[[Any], Any]) -> None:
        """Edit everything that lies in XComs and in the task state store, past all signatures."""
        places: list[dict[Any, Any]] = [self.supervisor._xcoms, self.supervisor._stores]  # noqa: SLF001
        for kept in places:
            for place, value in kept.items():
                kept[place] = change(value)

    def _behind(self, name: str) -> Iterator[str]:
        seen, left = {name}, [name]
        while left:
            for other in self.dag.task_dict[left.pop()].downstream_task_ids - seen:
                seen.add(other)
                left.append(other)
                yield other
