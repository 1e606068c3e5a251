"""A run whose process dies after one of its AWS calls: what it had not kept yet is lost, what the cloud did is done."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

from airflow.sdk import DAG
from botocore.client import BaseClient
from drs_provider.airflow_internals.task_runner import LegEnd
from drs_provider.rehearsal.engine.clock import RehearsalClock
from drs_provider.rehearsal.engine.driver import instance_id
from drs_provider.rehearsal.facts import TaskRecord
from pydantic import JsonValue

from benchmarks.combinations.runs import Run, Runs

MINUTE: Final = 60.0
"""Simulated seconds that people take to answer."""

Answers = Mapping[str, Sequence[tuple[str, str, str]]]
"""By task: who answers, the option, and the comment beside it; what is not named is agreed to at once."""


class Killed(BaseException):
    """The process is gone: no handler of it runs."""


@dataclass
class Death:
    """When the process of a task dies.

    :param at: number of the AWS call, counted over all tasks of the run, after which it does, or the operation after
        whose first call it does (``drs:StartRecovery``); 0: never
    :param writes_only: only calls count that change something
    """

    at: int | str = 0
    writes_only: bool = False
    count: int = 0
    struck: str = ""
    is_dead: bool = False
    calls: list[str] = field(default_factory=list)

    def after(self, service: str, operation: str) -> None:
        """Count a call whose answer has come; die where it is the one."""
        if self.writes_only and is_read(operation):
            return
        self.count += 1
        self.calls.append(f"{service}:{operation}")
        if self.at == self.count or (self.at == self.calls[-1] and not self.struck):
            self.struck, self.is_dead = f"call {self.count}, {service}:{operation}", True
            raise Killed(self.struck)

    def ensure_alive(self) -> None:
        """Raise where the process is gone: nothing that it does any more reaches anybody."""
        if self.is_dead:
            raise Killed(self.struck)


def is_read(operation: str) -> bool:
    """Tell whether an operation of AWS changes nothing."""
    return operation.startswith(("Describe", "Get", "List", "Simulate", "AssumeRole"))


@contextmanager
def replaced(owner: object, name: str, value: object) -> Iterator[None]:
    """Put something into the place of an attribute for a while: botocore offers no other place for this."""
    real = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, real)


class MortalRuns(Runs):
    """The Airflow of runs that may die: it hears nothing of a process that is gone.

    :param death: when a task of these runs dies
    """

    def __init__(self, death: Death) -> None:
        super().__init__()
        self.death = death

    def send(self, msg: Any) -> Any:
        """Answer one message, unless its sender is gone."""
        self.death.ensure_alive()
        return super().send(msg)


class MortalRun(Run):
    """One run of a DAG whose tasks may die, and whose people answer as they are told to.

    :param answers: what people say, see ``Answers``
    :param gone_with_it: whether the whole Airflow is gone with the process that died
    """

    def __init__(
        self,
        dag: DAG,
        conf: Mapping[str, JsonValue],
        run_id: str,
        clock: RehearsalClock,
        runs: MortalRuns,
        *,
        answers: Answers,
        gone_with_it: bool = False,
    ) -> None:
        super().__init__(dag, conf, run_id, clock, runs)
        self.death, self.gone_with_it, self.is_gone = runs.death, gone_with_it, False
        self.answers = {task: list(said) for task, said in answers.items()}
        self.is_tried_again = True
        """Whether a task whose process died is tried again; else it has failed."""
        self.before_leg: Callable[[str], None] = lambda _: None
        """Somebody does something before a leg of a task, by its id."""
        self.before_answer: Callable[[str], None] = lambda _: None
        """The same before somebody answers what a task asks."""
        self.before_write: Callable[[str, str, Mapping[str, Any]], None] = lambda *_: None
        """Somebody looks at the cloud before a call that changes it: operation, Region, request."""

    def _leg(self, task: Any, number: int, method: str | None, kwargs: Mapping[str, Any]) -> LegEnd:
        self.before_leg(task.task_id)
        death, real = self.death, vars(BaseClient)["_make_api_call"]  # the one place that all calls pass

        def call(client: Any, operation: str, arguments: Any) -> Any:
            death.ensure_alive()
            if not is_read(operation):
                with replaced(BaseClient, "_make_api_call", real):
                    self.before_write(operation, client.meta.region_name, arguments)
            try:
                return real(client, operation, arguments)
            finally:
                death.after(client.meta.service_model.service_name, operation)

        with replaced(BaseClient, "_make_api_call", call):
            try:
                end = super()._leg(task, number, method, kwargs)
            except Killed:
                end = None
        if not death.is_dead and end is not None:
            return end
        death.is_dead = False
        if not self.is_tried_again:
            return LegEnd("failed", None, None)
        if self.gone_with_it:
            self.is_gone = True
            self.abandon()
        else:
            task.retries = max(int(task.retries or 0), number)  # as somebody who clears it gives it another try
        return LegEnd("up_for_retry", SimpleNamespace(retry_delay_seconds=0.0), None)

    async def _asked(self, message: Any, ti_id: Any) -> tuple[str, dict[str, Any]]:
        name = next(name for name in self.dag.task_dict if instance_id(name) == ti_id)
        said = self.answers.get(name)
        if not said:
            return await super()._asked(message, ti_id)
        from drs_provider.airflow_internals.task_runner import serialize

        await asyncio.sleep(MINUTE)
        self.before_answer(name)
        who, option, comment = said.pop(0)
        event = {
            "chosen_options": [option],
            "params_input": {"comment": comment} if comment else {},
            "responded_at": self.clock.now(),
            "responded_by_user": {"id": who, "name": who},
            "timedout": False,
        }
        return message.next_method, {**(message.next_kwargs or {}), "event": serialize(event)}

    async def _task(self, name: str) -> None:
        if self.dag_run.clear_number:
            self.supervisor.forget_xcoms(name)
        await super()._task(name)

    def clear(self, names: Collection[str]) -> None:
        """Clear tasks of a run that is over, and all behind them; what each left stays until its next try begins."""
        for name in {*names, *(other for first in names for other in self._behind(first))}:
            self.records[name] = TaskRecord(tries=self.records[name].tries)
            self.states[name] = None
            self.dag.task_dict[name].retries = self.records[name].tries
            self.supervisor.skipped.discard(name)
        self.dag_run = self.dag_run.model_copy(update={"clear_number": (self.dag_run.clear_number or 0) + 1})
