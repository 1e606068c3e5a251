"""Runs the tasks of a DAG as Airflow would, side by side, in the time of a rehearsal.

The tasks are the product's own, run by Airflow's own task runner; what they ask of Airflow is answered from memory.
Nothing is ever scheduled twice and nothing holds a worker, so a run costs the real seconds that its AWS calls take.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from airflow.sdk import DAG, BaseOperator
from pydantic import JsonValue

from drs_provider.airflow_internals.task_runner import (
    TRIGGER_FAIL_REPR,
    Leg,
    LegEnd,
    TriggerFailureReason,
    comms,
    deserialize,
    import_string,
    manual_run,
    run_leg,
    serialize,
    set_supervisor_comms,
)
from drs_provider.rehearsal.engine.clock import RehearsalClock
from drs_provider.rehearsal.engine.rules import say
from drs_provider.rehearsal.engine.supervisor import Supervisor
from drs_provider.rehearsal.facts import TaskRecord
from drs_provider.rules.run.handover import StepResult
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.services.signed import keys

_NAMESPACE = UUID("6f2d6c39-6a0c-4b0e-8f0b-1f4a2f1d6a11")
"""Task instances get the same ids in every rehearsal."""

_TIMED_OUT = {
    "error": "The Human-in-the-loop response timeout has passed without a response.",
    "error_type": "timeout",
}
"""What Airflow's scheduler tells a task whose question nobody answered."""

_NOBODY = "rehearsal"

_RETURNED = "return_value"

_LIGHT = 4
"""A task that only shows a server takes Airflow a quarter of what others take."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """What a rehearsal takes for granted.

    ``task_seconds``: what passes from the moment when a task may start, or go on, until it has done what it does.
    ``answers_after``: how long people take to say yes. ``assumed``: task id → seconds, of tasks that are not run: they
    would reach out of the simulator. ``left_out``: tasks of the plan that this run skips.
    """

    task_seconds: float
    answers_after: timedelta
    assumed: Mapping[str, float] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()


class Driver:
    """One run of one DAG."""

    def __init__(
        self, dag: DAG, conf: Mapping[str, JsonValue], run_id: str, clock: RehearsalClock, rules: Rules
    ) -> None:
        self.dag, self.clock, self.rules, self.run_id = dag, clock, rules, run_id
        self.records = {name: TaskRecord() for name in dag.task_dict}
        self.states: dict[str, str | None] = dict.fromkeys(dag.task_dict)
        self.supervisor = Supervisor(self.states, run_id)
        self.mapped = [name for name, task in dag.task_dict.items() if task.is_mapped]
        self._under_way: set[asyncio.Task[None]] = set()
        self._answered_by: list[str] = []
        self.dag_run = manual_run(dag.dag_id, run_id, conf=conf, at=clock.now(), user=_NOBODY)

    async def run(self) -> None:
        """Run every task that its trigger rule lets run; return when nothing goes on and nothing can start."""
        with set_supervisor_comms(self.supervisor):
            self._start_what_can()
            while self._under_way:
                done, self._under_way = await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                self._start_what_can()

    def _start_what_can(self) -> None:
        changed = True
        while changed:
            changed = False
            for name, record in self.records.items():
                if record.state is not None or record.ready is not None:
                    continue
                task: Any = self.dag.task_dict[name]
                before = [self.states[other] for other in sorted(task.upstream_task_ids)]
                said = "skipped" if name in self.supervisor.skipped else say(str(task.trigger_rule.value), before)
                if said == "run" and name in self.mapped:
                    # One square per server in Airflow's grid: nothing waits for them but the end of the run.
                    self._under_way.add(asyncio.ensure_future(self._shown(task)))
                    said = "skipped"
                if said in {"skipped", "upstream_failed"}:
                    self._end(name, said)
                    changed = True
                elif said == "run":
                    record.ready = self.clock.elapsed
                    self._under_way.add(asyncio.ensure_future(self._task(name)))

    def _end(self, name: str, state: str) -> None:
        self.records[name].state = self.states[name] = state
        self.records[name].ended = self.clock.elapsed

    async def _task(self, name: str) -> None:
        """One task from its first try to its end."""
        if name in self.rules.left_out:
            self._end(name, "skipped")
            return
        record = self.records[name]
        await asyncio.sleep(self.rules.task_seconds)
        record.began = self.clock.elapsed
        self.states[name] = "running"
        if name in self.rules.assumed:
            began = self.clock.now()
            await asyncio.sleep(self.rules.assumed[name])
            passed = _passed(self.dag.task_dict[name], began, self.clock.now())
            place = Origin(self.dag.dag_id, self.run_id, name, StepResult.KEY)
            self.supervisor.leave(name, StepResult.KEY, keys().seal(passed.to_json(), place))
            self._end(name, "success")
            return
        task: Any = self.dag.task_dict[name]
        while True:
            record.tries += 1
            state, retry_after = await self._try(task, record)
            if state != "up_for_retry":
                break
            self.states[name] = state
            await asyncio.sleep(retry_after)
            await asyncio.sleep(self.rules.task_seconds)
            self.supervisor.forget_xcoms(name)
        self._end(name, state)

    async def _shown(self, task: Any) -> None:
        """Let the small tasks of a mapped one run, one after the other; what they show is of no use here."""
        for argument in task.expand_input.value.values():
            for operator, _ in argument.iter_references():
                for _ in self.supervisor.xcom(operator.task_id, _RETURNED) or ():
                    await asyncio.sleep(self.rules.task_seconds / _LIGHT)

    async def _try(self, task: BaseOperator, record: TaskRecord) -> tuple[str, float]:
        """One try, with all its legs; return its state and, for one that is tried again, after how many seconds."""
        method: str | None = None
        kwargs: dict[str, Any] = {}
        while True:
            self.states[task.task_id] = "running"
            end = self._leg(task, record.tries, method, kwargs)
            message = end.message
            self.states[task.task_id] = end.state
            if isinstance(message, comms.DeferTask):
                method, kwargs = await self._deferred(message)
            elif isinstance(message, comms.AwaitInputTask):
                method, kwargs = await self._asked(message, instance_id(task.task_id))
            else:
                record.error = str(end.error) if end.error else None
                asked_for = getattr(message, "retry_delay_seconds", None)
                delay = task.retry_delay if isinstance(task.retry_delay, timedelta) else timedelta(0)
                return end.state, delay.total_seconds() if asked_for is None else asked_for
            await asyncio.sleep(self.rules.task_seconds)

    def _leg(self, task: BaseOperator, number: int, method: str | None, kwargs: Mapping[str, Any]) -> LegEnd:
        """Let Airflow's task runner run one leg of a task, as its worker would."""
        leg = Leg(instance_id(task.task_id), _NAMESPACE, number, self.clock.now(), method, kwargs)
        return run_leg(task, self.dag_run, leg)

    async def _deferred(self, message: comms.DeferTask) -> tuple[str, dict[str, Any]]:
        """Let the trigger wait; return what the task goes on with."""
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        given: Any = message.trigger_kwargs or {}
        arguments: Any = deserialize(given)
        trigger = import_string(message.classpath)(**arguments)
        going_on: dict[str, Any] = dict(message.next_kwargs or {})
        seconds = message.trigger_timeout.total_seconds() if message.trigger_timeout else None
        try:
            async with asyncio.timeout(seconds):
                if isinstance(trigger, DateTimeTrigger):
                    # It looks at the real clock.
                    await asyncio.sleep(max(trigger.moment.timestamp() - self.clock.now().timestamp(), 0.0))
                    payload: Any = trigger.moment
                else:
                    payload = await _first_event(trigger)
        except TimeoutError:
            return TRIGGER_FAIL_REPR, {"error": TriggerFailureReason.TRIGGER_TIMEOUT.value}
        except Exception as error:
            log.exception("the trigger %s failed", message.classpath)
            return TRIGGER_FAIL_REPR, {
                "error": TriggerFailureReason.TRIGGER_FAILURE.value,
                "traceback": [f"{type(error).__name__}: {error}"],
            }
        return message.next_method, {**going_on, "event": serialize(payload)}

    async def _asked(self, message: comms.AwaitInputTask, ti_id: UUID) -> tuple[str, dict[str, Any]]:
        """Let somebody say yes, where that is in time; each answer by somebody else, as four eyes want it."""
        question = self.supervisor.asked[ti_id]
        after, most = self.rules.answers_after, message.timeout
        is_late = most is not None and after > most
        await asyncio.sleep((most if is_late and most is not None else after).total_seconds())
        if is_late and not question.defaults:
            event: dict[str, Any] = _TIMED_OUT
        else:
            event = {
                "chosen_options": list(question.defaults or ()) if is_late else question.options[:1],
                "params_input": {},
                "responded_at": self.clock.now(),
                "responded_by_user": None if is_late else self._somebody(question.assigned_users or ()),
                "timedout": is_late,
            }
        return message.next_method, {**(message.next_kwargs or {}), "event": serialize(event)}

    def _somebody(self, people: Sequence[Any]) -> dict[str, str]:
        """Choose who answers: the one of those who may that has answered least."""
        names = [str(person.name) for person in people] or [_NOBODY]
        name = min(names, key=self._answered_by.count)
        self._answered_by.append(name)
        return {"id": name, "name": name}


def instance_id(task_id: str) -> UUID:
    """Return the id that the task instance of a task has in every rehearsal."""
    return uuid5(_NAMESPACE, task_id)


def _passed(task: object, began: datetime, ended: datetime) -> StepResult:
    """What a step leaves that did what it should: without it, a green step counts as marked by hand."""
    step: Any = getattr(task, "step", None)
    return StepResult(
        name=getattr(step, "name", ""),
        kind=getattr(step, "kind", ""),
        on_failure=getattr(step, "on_failure", "fail"),
        state="succeeded",
        summary="assumed",
        started_at=began,
        ended_at=ended,
        attempts=1,
    )


async def _first_event(trigger: Any) -> Any:
    async with aclosing(trigger.run()) as events:
        async for event in events:
            return event.payload
    raise RuntimeError(f"{type(trigger).__name__} ended without an event")
