"""The phases of a wave's jobs, left by the trigger that waits for them where the board looks."""

import asyncio
import logging
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from drs_provider import clock
from drs_provider.triggers.job_logs import InThread, Logged
from drs_provider.triggers.one_shot import Whose

if TYPE_CHECKING:
    from collections.abc import Callable

    from drs_provider.rules.run.handover import LaunchPhases

SECONDS_FOR_THE_LAST = 1.0
"""How long the end of a trigger waits for a write that is under way."""

log = logging.getLogger(__name__)


class PhaseRecord:
    """What the logs of a task's jobs said last; written beside the waiting, and only where something is new.

    A write that fails costs nothing but what the board shows, until the next look at a log writes it all.

    :param whose: the task that waits
    """

    def __init__(
        self,
        whose: Whose,
        *,
        in_thread: InThread = clock.in_thread,
        write: "Callable[[LaunchPhases], None] | None" = None,
    ) -> None:
        self._whose, self._in_thread = whose, in_thread
        self._leave = write or self._write
        self._jobs: dict[str, tuple[datetime, dict[str, tuple[str, ...]]]] = {}
        self._is_new = False
        self._writer: asyncio.Task[None] | None = None

    def note(self, logged: Logged) -> None:
        """Take what a log said; return at once."""
        found: dict[str, tuple[str, ...]] = {}
        for server, event in sorted(logged.events.items()):
            found[event] = (*found.get(event, ()), server)
        if found != self._jobs.get(logged.job_id, (None, {}))[1]:
            self._jobs[logged.job_id] = (logged.at, found)
            self._is_new = True
        self._write_where_new()

    async def close(self) -> None:
        """Let a write that is under way come to its end, but not for long; one that has failed is tried once more."""
        for _ in range(2):
            self._write_where_new()
            if self._writer:
                await asyncio.wait({self._writer}, timeout=SECONDS_FOR_THE_LAST)
        if self._writer:
            self._writer.cancel()

    def _write_where_new(self) -> None:
        if self._is_new and (self._writer is None or self._writer.done()):
            self._writer = asyncio.create_task(self._write_new())

    async def _write_new(self) -> None:
        from drs_provider.rules.run.handover import JobPhases, LaunchPhases

        while self._is_new:
            self._is_new = False
            jobs = {job_id: JobPhases(seen_at=at, servers=servers) for job_id, (at, servers) in self._jobs.items()}
            try:
                await self._in_thread(partial(self._leave, LaunchPhases(jobs=jobs)))
            except Exception as error:  # noqa: BLE001  (whatever it is: a page that shows less must not fail a wave)
                log.warning("The phases of the jobs are not shown for now: %s", error)
                self._is_new = True
                return

    def _write(self, phases: "LaunchPhases") -> None:
        from drs_provider.airflow_internals.tasks import write_xcom
        from drs_provider.rules.run.handover.signature import Origin
        from drs_provider.services.signed import keys

        where = {"dag_id": self._whose["dag_id"], "run_id": self._whose["run_id"], "task_id": self._whose["task_id"]}
        place = Origin(where["dag_id"], where["run_id"], where["task_id"], phases.KEY)
        write_xcom(phases.KEY, keys().seal(phases.to_json(), place, attempt=self._whose["attempt"]), **where)
