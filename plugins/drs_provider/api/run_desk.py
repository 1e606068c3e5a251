"""What steers runs: ``services.run_control`` over Airflow's own API, asked in the name of who asks this one."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends
from pydantic import JsonValue

from drs_provider.api.access import Access, RunLine, RunRights
from drs_provider.api.path_parts import DagId
from drs_provider.api.problems import RequestRefused
from drs_provider.rules.run.names import dag_id_of, has_plan_runs, name_of_runs
from drs_provider.rules.run.run_view import RunView
from drs_provider.services.airflow_api import AirflowApi
from drs_provider.services.run_control import RunControl, Steered

T = TypeVar("T")

THREADS: Final = 8
"""Requests that read runs at the same time; the others wait for their turn.

Threads of their own: what Airflow needs for its answers must not be held by those who wait for them.
"""

ORDER_THREADS: Final = 4
"""Requests that change something at the same time: threads of their own, for no order waits behind those who look."""

MOST_READS: Final = 100
"""Requests that read runs or wait for their turn to."""

MOST_WAITS: Final = 40
"""Requests of a process that wait for a run at the same time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Desk:
    """One request: whose runs it steers, what with, and what went wrong on the way without ending it.

    :param plan: what commands call the runs of the DAG in the path: ``shop``, or ``shop.failback``
    """

    plan: str
    control: RunControl
    said: list[str]
    line: RunLine


@dataclass
class Steering:
    """What the server gives to the routes that steer runs.

    :param airflow: a FastAPI dependency that gives an ``AirflowApi`` for who asks
    """

    airflow: Callable[..., Any]
    access: Access
    rights: RunRights
    sleep: Callable[[float], Any] = asyncio.sleep
    monotonic: Callable[[], float] = field(default=lambda: asyncio.get_running_loop().time())
    _readers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "drs-looks"))
    _orderers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(ORDER_THREADS, "drs-orders"))
    _reads: int = 0
    _waits: int = 0

    def desk(self) -> Callable[..., Desk]:
        """Return the dependency that gives a request its desk."""
        airflow_of: Any = self.airflow
        line_of: Any = self.rights.line

        def give(
            dag_id: DagId,
            airflow: Annotated[AirflowApi, Depends(airflow_of)],
            line: Annotated[RunLine, Depends(line_of)],
        ) -> Desk:
            if not has_plan_runs(dag_id):
                raise RequestRefused(HTTPStatus.NOT_FOUND, f"{dag_id} is no DAG of a recovery plan: write drs.PLAN")
            said: list[str] = []
            return Desk(name_of_runs(dag_id), RunControl(airflow, say=said.append), said, line)

        return give

    async def ask(self, do: Callable[[], T]) -> T:
        """Read something of Airflow, in a thread that Airflow does not need for its answer.

        :raises RequestRefused: 503, too many read already
        """
        if self._reads >= MOST_READS:
            raise RequestRefused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{MOST_READS} requests read runs already: ask again in a few seconds",
                headers={"Retry-After": "5"},
            )
        self._reads += 1
        reading = self._in(self._readers, do)
        # Not where who asked has gone: the thread goes on all the same.
        reading.add_done_callback(self._has_read)
        return await asyncio.shield(reading)

    async def order(self, do: Callable[[], T]) -> T:
        """Change something in Airflow, in a thread that neither Airflow nor those who read need."""
        return await self._in(self._orderers, do)

    def _in(self, pool: ThreadPoolExecutor, do: Callable[[], T]) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(pool, copy_context().run, do)

    def _has_read(self, reading: "asyncio.Future[Any]") -> None:
        self._reads -= 1
        if not reading.cancelled():
            reading.exception()  # it is taken note of, also where nobody waits for it any more

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count a request that waits for a run.

        :raises RequestRefused: 503, too many wait already
        """
        if self._waits >= MOST_WAITS:
            raise RequestRefused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{MOST_WAITS} requests wait for runs already: ask again in a few seconds, or read the run instead",
                headers={"Retry-After": "5"},
            )
        self._waits += 1
        try:
            yield
        finally:
            self._waits -= 1


def steer(desk: Desk, verb: str, run_id: str, asked: Mapping[str, JsonValue], do: Callable[[], Steered]) -> Steered:
    """Do something to a run, and write into the audit log what was asked for, and what was before and after.

    :param run_id: id or short id of the run
    """
    before = desk.control.look(desk.plan, run_id)
    steered = do()
    extra: dict[str, JsonValue] = {
        "verb": verb,
        "asked": dict(asked),
        "before": _in_short(before),
        "after": _in_short(steered.run),
        "message": steered.message,
    }
    write(desk, verb, steered.run.plan, steered.run.run_id, extra)
    return steered


def write(desk: Desk, verb: str, plan: str, run_id: str | None, extra: Mapping[str, JsonValue]) -> None:
    """Write a line for what was done; Airflow has its own lines for it, so it stays done where this one is not kept.

    :param plan: whose run it is, as ``Desk.plan``; a run of a plan's way back is found by the plan, and is of its own
    """
    dag_id = dag_id_of(plan)
    try:
        desk.line(f"drs_run_{verb}", dag_id, run_id, extra)
    except Exception:  # noqa: BLE001 - an answer that it failed would be wrong: it was done
        _log.exception("the line of %s %s of %s could not be written into Airflow's audit log", verb, run_id, dag_id)


def _in_short(run: RunView) -> dict[str, JsonValue]:
    return {
        "status": run.state.status.value,
        "is_paused": run.is_paused,
        "waves": {wave.name: wave.status.value for wave in run.waves},
        "questions": [question.task for question in run.questions],
    }
