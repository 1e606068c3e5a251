"""The time that tasks, triggers and operators live in: this machine's, or a rehearsal's.

Rules and services are given the time (``now``, a ``clock``); what Airflow runs asks here. A rehearsal puts its own time
here once, before its first task (``install``); nothing else does.
"""

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """What tells the time, and lets it pass."""

    def now(self) -> datetime:
        """Return the present instant, aware and UTC."""

    def sleep(self, seconds: float) -> None:
        """Let time pass, blocking."""

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run something that blocks, perhaps for minutes, in a thread of its own; time goes on meanwhile."""


class WallClock:
    """The time of this machine."""

    def now(self) -> datetime:
        """Return the present instant, aware and UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Let time pass, blocking."""
        time.sleep(seconds)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run something that blocks, perhaps for minutes, in a thread of its own.

        Not in asyncio's pool: a few long calls would take its threads from those who watch jobs. A daemon, so that a
        triggerer can end while it still waits.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        context = contextvars.copy_context()

        def tell(finish: Callable[[], None]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(finish)

        def run() -> None:
            try:
                result = context.run(work)
            except BaseException as error:  # noqa: BLE001  (whatever it is belongs to whoever waits)
                failure = error
                tell(lambda: None if done.done() else done.set_exception(failure))
            else:
                tell(lambda: None if done.done() else done.set_result(result))

        threading.Thread(target=run, daemon=True, name="drs-step").start()
        return await done


class _Installed:
    clock: Clock = WallClock()


def install(clock: Clock) -> None:
    """Let everything in this process live in this clock's time from now on."""
    _Installed.clock = clock


def now() -> datetime:
    """Return the present instant, aware and UTC."""
    return _Installed.clock.now()


def sleep(seconds: float) -> None:
    """Let time pass, blocking."""
    _Installed.clock.sleep(seconds)


async def in_thread(work: Callable[[], T]) -> T:
    """Run something that blocks, perhaps for minutes, in a thread of its own; time goes on meanwhile."""
    return await _Installed.clock.in_thread(work)
