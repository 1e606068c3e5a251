"""What Airflow and the tasks themselves need between the moments of a run: flat, or by the clock of this machine.

By the clock, a leg of a task (a start, or a going on after a wait) is a process that works. Processes share the
processors with each other and with what else runs here, so legs side by side, and a busy machine, are slower.
"""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

LATENCY = 0.1
"""Seconds until the scheduler sees that a task may start, or go on."""
EVENT_LATENCY = 0.5
"""Seconds until the triggerer, which looks once a second, has handed over what a trigger has answered: the mean."""
START_WORK = 0.2
"""CPU seconds of a leg before and after what it does itself: a fork, the DAG file, Airflow's API server."""
AWS_WORK = 0.04
"""CPU seconds until a process that the scheduler has forked can call AWS (``aws.preloading``)."""
AWS_FROM = 0.02
"""CPU seconds of its own from which on a leg counts as one that calls AWS."""
SHOWN_WORK = 0.2
"""CPU seconds of one of the small tasks that show a server."""

_ROUNDS, _REFERENCE = 100_000, 0.0051
"""A measured stretch of work, and the CPU seconds that it takes on the machine on which the others were measured."""
_NOTHING = 1e-6


class Effort(Protocol):
    """How long things take that are neither DRS nor people."""

    async def leg(self, task: str, number: int) -> None:
        """Let the time pass that the leg of a task needs, the first is 0."""

    async def shown(self) -> None:
        """Let the time pass of a small task that only shows a server."""


@dataclass(frozen=True)
class Flat:
    """The same time for every leg."""

    seconds: float

    async def leg(self, task: str, number: int) -> None:
        """Let it pass."""
        await asyncio.sleep(self.seconds)

    async def shown(self) -> None:
        """Let it pass; these are the lightest tasks."""
        await asyncio.sleep(self.seconds / 4)


class Processors:
    """Processors that are shared evenly by all who want them.

    :param others: how many besides those of this rehearsal want one all the time
    """

    def __init__(self, processors: int, others: float) -> None:
        self._processors, self._others = processors, others
        self._working = 0
        self._change = asyncio.Event()

    async def work(self, seconds: float) -> None:
        """Let so much time of a processor pass."""
        left = seconds
        self._changed(1)
        try:
            while left > _NOTHING:
                pace = min(1.0, self._processors / (self._others + self._working))
                change, began = self._change, asyncio.get_running_loop().time()
                with suppress(TimeoutError):
                    async with asyncio.timeout(left / pace):
                        await change.wait()
                left -= (asyncio.get_running_loop().time() - began) * pace
        finally:
            self._changed(-1)

    def _changed(self, by: int) -> None:
        self._working += by
        self._change.set()
        self._change = asyncio.Event()


class ByTheClock:
    """What a leg takes on a machine, from what it took in a rehearsal before.

    :param works: CPU seconds of each leg's own work, by task, that of who answers it included; the first leg first
    :param pace: CPU seconds that work takes here which takes one second where the constants were measured
    """

    def __init__(self, processors: Processors, works: Mapping[str, Sequence[float]], *, pace: float) -> None:
        self._processors, self._works, self._pace = processors, works, pace

    async def leg(self, task: str, number: int) -> None:
        """Let Airflow see it, and the process work."""
        await asyncio.sleep(LATENCY + (EVENT_LATENCY if number else 0.0))
        known = self._works.get(task) or [0.0]
        own = known[min(number, len(known) - 1)]
        ready = 0.0 if own < AWS_FROM else AWS_WORK
        await self._processors.work((START_WORK + ready) * self._pace + own)

    async def shown(self) -> None:
        """Let the small task work."""
        await asyncio.sleep(LATENCY)
        await self._processors.work(SHOWN_WORK * self._pace)


class Gauge:
    """Measures how fast this machine is and how much of it others take, a little at a time."""

    def __init__(self) -> None:
        self.wall = self.cpu = self.own = 0.0
        self.times = 0

    def look(self) -> None:
        """Work for some milliseconds."""
        wall, cpu, own, total = time.perf_counter(), time.thread_time(), time.process_time(), 0
        for number in range(_ROUNDS):
            total += number * number % 7
        self.wall += time.perf_counter() - wall
        self.cpu += time.thread_time() - cpu
        self.own += time.process_time() - own
        self.times += 1

    @property
    def share(self) -> float:
        """The share of a processor that a process gets here: what its own threads take from each other is no loss."""
        return min(self.own / self.wall, 1.0) if self.wall else 1.0

    @property
    def pace(self) -> float:
        """CPU seconds for what is one second on the machine of the constants."""
        return self.cpu / (self.times * _REFERENCE) if self.times else 1.0

    @property
    def others(self) -> float:
        """How many others want a processor all the time."""
        return max(processors() / self.share - 1.0, 0.0) if self.share < _BUSY else 0.0


_BUSY = 0.97
"""A process that gets less of a processor than this has others beside it."""


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
