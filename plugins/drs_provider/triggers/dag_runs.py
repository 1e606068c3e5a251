"""Waiting for the run of another DAG, with a deadline: Airflow's own trigger has none."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Literal, TypedDict

from airflow.triggers.base import BaseTrigger, TriggerEvent

from drs_provider import clock
from drs_provider.formatting import parse_instant
from drs_provider.triggers.answer_delay import not_before

PERIOD_SECONDS = 2.0
ASKS_PERIOD_SECONDS = 10.0
FINISHED = ("success", "failed")
ASKS = "awaiting_input"
"""Airflow's state of a task whose question is open."""


class DagRunEvent(TypedDict):
    """``ended`` with the run's ``state``, ``asks`` where it waits for people at its end, or ``timed_out``."""

    outcome: Literal["ended", "asks", "timed_out"]
    state: str


class DagRunTrigger(BaseTrigger):
    """Fire when a run of a DAG has ended, or the time is over.

    :param deadline: ISO instant after which the trigger fires ``timed_out``
    :param asks_task: task of the run that asks people once everything else is done: then it fires ``asks``; None: no
        task does
    """

    def __init__(self, *, dag_id: str, run_id: str, deadline: str, asks_task: str | None = None) -> None:
        super().__init__()
        self.dag_id, self.run_id, self.deadline, self.asks_task = dag_id, run_id, deadline, asks_task

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        arguments: dict[str, Any] = {"dag_id": self.dag_id, "run_id": self.run_id, "deadline": self.deadline}
        arguments |= {"asks_task": self.asks_task} if self.asks_task else {}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Let Airflow's trigger wait, and say once how the run ended."""
        began = time.monotonic()
        left = (parse_instant(self.deadline) - clock.now()).total_seconds()
        waits = [asyncio.create_task(self._ends()), *([asyncio.create_task(self._asks())] if self.asks_task else [])]
        event = DagRunEvent(outcome="timed_out", state="running")
        try:
            done, _ = await asyncio.wait(waits, timeout=max(left, 0.0), return_when=asyncio.FIRST_COMPLETED)
            for heard in done:
                event = heard.result()
        finally:
            for waiting in waits:
                waiting.cancel()
        await not_before(self, began)
        yield TriggerEvent(event)

    async def _ends(self) -> DagRunEvent:
        """Let Airflow's own trigger wait for the run's end."""
        from airflow.providers.standard.triggers.external_task import DagStateTrigger

        waits = DagStateTrigger(
            dag_id=self.dag_id,
            states=list(FINISHED),  # type: ignore[arg-type]  # it takes the words of its enum
            run_ids=[self.run_id],
            poll_interval=PERIOD_SECONDS,
        )
        async for heard in waits.run():
            state = heard.payload[1][self.run_id]
            return DagRunEvent(outcome="ended", state=str(getattr(state, "value", state)))
        raise RuntimeError(f"Airflow's trigger for run {self.run_id} of {self.dag_id} ended without an event")

    async def _asks(self) -> DagRunEvent:
        """Look from time to time whether the run asks people at its end."""
        from asgiref.sync import sync_to_async

        from drs_provider.airflow_internals.tasks import task_states

        while True:
            states = await sync_to_async(task_states)(dag_id=self.dag_id, run_id=self.run_id)
            if states.get(str(self.asks_task)) == ASKS:
                return DagRunEvent(outcome="asks", state="running")
            await asyncio.sleep(ASKS_PERIOD_SECONDS)
