"""Runs the tasks of a DAG as Airflow would, side by side, in the time of a rehearsal.

The tasks are the product's own, run by Airflow's own task runner; what they ask of Airflow is answered from memory.
Nothing is ever scheduled twice and nothing holds a worker, so a run costs the real seconds that its AWS calls take.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid5

import structlog
from airflow.sdk import DAG
from airflow.sdk._shared.module_loading import import_string
from airflow.sdk.api.datamodels._generated import DagRun, DagRunState, DagRunType, TIRunContext
from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR, BaseOperator, TriggerFailureReason
from airflow.sdk.execution_time import comms
from airflow.sdk.execution_time.supervisor import set_supervisor_comms
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance, finalize, run
from airflow.sdk.serde import deserialize, serialize

from drs_provider.rehearsal.engine.clock import RehearsalClock
from drs_provider.rehearsal.engine.effort import Effort, Gauge
from drs_provider.rehearsal.engine.rules import say
from drs_provider.rehearsal.engine.supervisor import Supervisor

_NAMESPACE = UUID("6f2d6c39-6a0c-4b0e-8f0b-1f4a2f1d6a11")
"""Task instances get the same ids in every rehearsal."""

_TIMED_OUT = {
    "error": "The Human-in-the-loop response timeout has passed without a response.",
    "error_type": "timeout",
}
"""What Airflow's scheduler tells a task whose question nobody answered."""

_NOBODY = "rehearsal"

_RETURNED = "return_value"
_STEP = "step"
"""XCom key of what a step has left: without it, a green step counts as marked by hand."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """What a rehearsal takes for granted.

    ``effort``: what passes from the moment when a task may start, or go on, until it has done what it does.
    ``answers_after``: how long people take to say yes. ``assumed``: task id → seconds, of tasks that are not run: they
    would reach out of the simulator. ``left_out``: tasks of the plan that this run skips.
    """

    effort: Effort
    answers_after: timedelta
    assumed: Mapping[str, float] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()


@dataclass
class TaskRecord:
    """What became of one task: when it could start, when it worked, when it ended; seconds since the run's start."""

    state: str | None = None
    ready: float | None = None
    began: float | None = None
    ended: float | None = None
    tries: int = 0
    legs: int = 0
    works: list[float] = field(default_factory=list)
    """Real seconds that each leg worked in the rehearsal itself."""
    error: str | None = None


class Driver:
    """One run of one DAG."""

    def __init__(self, dag: DAG, conf: Mapping[str, Any], run_id: str, clock: RehearsalClock, rules: Rules) -> None:
        self.dag, self.clock, self.rules, self.run_id = dag, clock, rules, run_id
        self.records = {name: TaskRecord() for name in dag.task_dict}
        self.states: dict[str, str | None] = dict.fromkeys(dag.task_dict)
        self.supervisor = Supervisor(self.states, run_id)
        self.mapped = [name for name, task in dag.task_dict.items() if task.is_mapped]
        self.gauge = Gauge()
        self._under_way: set[asyncio.Task[None]] = set()
        self._answered_by: list[str] = []
        now = clock.now()
        self.dag_run = DagRun(
            dag_id=dag.dag_id,
            run_id=run_id,
            logical_date=now,
            data_interval_start=now,
            data_interval_end=now,
            run_after=now,
            start_date=now,
            end_date=None,
            clear_number=0,
            run_type=DagRunType.MANUAL,
            state=DagRunState.RUNNING,
            conf=dict(conf),
            triggering_user_name=_NOBODY,
            consumed_asset_events=[],
            partition_key=None,
        )

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
        await self.rules.effort.leg(name, 0)
        record.began = self.clock.elapsed
        self.states[name] = "running"
        if name in self.rules.assumed:
            began = self.clock.now()
            await asyncio.sleep(self.rules.assumed[name])
            self.supervisor.leave(name, _STEP, _passed(began.isoformat(), self.clock.now().isoformat()))
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
            await self.rules.effort.leg(name, record.legs)
            self.supervisor.forget_xcoms(name)
        self._end(name, state)

    async def _shown(self, task: Any) -> None:
        """Let the small tasks of a mapped one run, one after the other; what they show is of no use here."""
        for argument in task.expand_input.value.values():
            for operator, _ in argument.iter_references():
                for _ in self.supervisor.xcom(operator.task_id, _RETURNED) or ():
                    await self.rules.effort.shown()

    async def _try(self, task: BaseOperator, record: TaskRecord) -> tuple[str, float]:
        """One try, with all its legs; return its state and, for one that is tried again, after how many seconds."""
        method: str | None = None
        kwargs: dict[str, Any] = {}
        while True:
            self.states[task.task_id] = "running"
            self.gauge.look()
            began = time.perf_counter()
            ti, state, message, error = self._leg(task, record.tries, method, kwargs)
            record.works.append(time.perf_counter() - began)
            record.legs += 1
            self.states[task.task_id] = state
            if isinstance(message, comms.DeferTask):
                method, kwargs = await self._deferred(message)
            elif isinstance(message, comms.AwaitInputTask):
                method, kwargs = await self._asked(message, ti.id)
            else:
                record.error = str(error) if error else None
                asked_for = getattr(message, "retry_delay_seconds", None)
                delay = task.retry_delay if isinstance(task.retry_delay, timedelta) else timedelta(0)
                return state, delay.total_seconds() if asked_for is None else asked_for
            await self.rules.effort.leg(task.task_id, record.legs)

    def _leg(
        self, task: BaseOperator, number: int, method: str | None, kwargs: Mapping[str, Any]
    ) -> tuple[RuntimeTaskInstance, str, Any, BaseException | None]:
        """Let Airflow's task runner run one leg of a task, as its worker would."""
        retries = int(task.retries or 0)
        at = self.clock.now()
        ti = RuntimeTaskInstance.model_construct(
            id=uuid5(_NAMESPACE, task.task_id),
            task_id=task.task_id,
            dag_id=self.dag.dag_id,
            run_id=self.run_id,
            try_number=number,
            dag_version_id=_NAMESPACE,
            map_index=-1,
            queue="default",
            context_carrier={},
            task=task,
            max_tries=retries,
            start_date=at,
            bundle_instance=cast("Any", None),
            _ti_context_from_server=TIRunContext(
                dag_run=self.dag_run,
                max_tries=retries,
                should_retry=number <= retries,
                next_method=method,
                next_kwargs=dict(kwargs),
                start_date=at,
            ),
        )
        context = ti.get_template_context()
        logger = structlog.get_logger(logger_name="task")
        state, message, error = run(ti, context, logger)
        context["exception"] = error
        finalize(ti, state, context, logger, error)
        return ti, str(state.value), message, error

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
        names = [str(one.name) for one in people] or [_NOBODY]
        name = min(names, key=self._answered_by.count)
        self._answered_by.append(name)
        return {"id": name, "name": name}


def _passed(began: str, ended: str) -> dict[str, Any]:
    """What a step leaves that did what it should."""
    return {"state": "succeeded", "summary": "assumed", "started_at": began, "ended_at": ended, "attempts": 1}


async def _first_event(trigger: Any) -> Any:
    async with aclosing(trigger.run()) as events:
        async for event in events:
            return event.payload
    raise RuntimeError(f"{type(trigger).__name__} ended without an event")
