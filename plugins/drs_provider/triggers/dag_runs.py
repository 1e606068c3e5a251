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
FINISHED = ("success", "failed")


class DagRunEvent(TypedDict):
    """``ended`` with the run's ``state``, or ``timed_out``."""

    outcome: Literal["ended", "timed_out"]
    state: str


class DagRunTrigger(BaseTrigger):
    """Fire when a run of a DAG has ended, or the time is over.

    :param deadline: ISO instant after which the trigger fires ``timed_out``
    """

    def __init__(self, *, dag_id: str, run_id: str, deadline: str) -> None:
        super().__init__()
        self.dag_id, self.run_id, self.deadline = dag_id, run_id, deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        arguments = {"dag_id": self.dag_id, "run_id": self.run_id, "deadline": self.deadline}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Let Airflow's trigger wait, and say once how the run ended."""
        began = time.monotonic()
        from airflow.providers.standard.triggers.external_task import DagStateTrigger

        left = (parse_instant(self.deadline) - clock.now()).total_seconds()
        waits = DagStateTrigger(
            dag_id=self.dag_id,
            states=list(FINISHED),  # type: ignore[arg-type]  # it takes the words of its enum
            run_ids=[self.run_id],
            poll_interval=PERIOD_SECONDS,
        )
        event = DagRunEvent(outcome="timed_out", state="running")
        try:
            async with asyncio.timeout(max(left, 0.0)):
                async for heard in waits.run():
                    state = heard.payload[1][self.run_id]
                    event = DagRunEvent(outcome="ended", state=str(getattr(state, "value", state)))
        except TimeoutError:
            pass
        await not_before(self, began)
        yield TriggerEvent(event)
