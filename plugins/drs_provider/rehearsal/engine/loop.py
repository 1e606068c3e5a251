"""An event loop that does not wait: when everything in it waits, the rehearsal's clock jumps to the next timer."""

import asyncio
import contextvars
import selectors
import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, TypeVar, cast

from drs_provider.rehearsal.engine.clock import RehearsalClock

_FOR_AN_ANSWER = 0.2
"""Real seconds that an open connection, or a call under way, is given before time passes."""

_MOST_SILENCE = 120.0
"""Real seconds after which a call that neither answers nor waits for the simulator's time is given up."""

_OWN = 1
"""File descriptors that the loop itself watches."""

T = TypeVar("T")

NextAnswer = Callable[[], float | None]
"""Seconds of the rehearsal until the simulator answers the next call that waits for its time; None: none does."""


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, clock: RehearsalClock, next_answer: NextAnswer) -> None:
        super().__init__()
        self._clock, self._next_answer = clock, next_answer
        self.calls = 0
        """Calls under way in threads."""
        self._stuck_since: float | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Look for what is ready; where nothing is, let the rehearsal's time pass instead of waiting."""
        ready = super().select(0)
        if ready or timeout == 0:
            self._stuck_since = None if ready else self._stuck_since
            return ready
        if self.calls or len(self.get_map()) > _OWN:
            ready = super().select(_FOR_AN_ANSWER)
            if ready:
                self._stuck_since = None
                return ready
        if self.calls:
            answer = self._next_answer()
            if answer is None:
                self._ensure_it_goes_on()
                return []
            timeout = answer if timeout is None else min(answer, timeout)
        if timeout is None:
            if len(self.get_map()) <= _OWN:
                raise RuntimeError("the rehearsal waits for nothing: it would never end")
            return super().select(None)
        self._stuck_since = None
        self._clock.advance(timeout)
        return []

    def _ensure_it_goes_on(self) -> None:
        now = time.monotonic()
        self._stuck_since = now if self._stuck_since is None else self._stuck_since
        if now - self._stuck_since > _MOST_SILENCE:
            raise RuntimeError(f"a call has not been answered for {_MOST_SILENCE:g} s of real time")


class JumpingLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in a rehearsal's time. What would run in a pool runs at once, so that the order is fixed."""

    def __init__(self, clock: RehearsalClock, next_answer: NextAnswer = lambda: None) -> None:
        self._selector_of_calls = _JumpingSelector(clock, next_answer)
        super().__init__(self._selector_of_calls)
        self._rehearsed = clock

    def time(self) -> float:
        """Return the rehearsal's seconds."""
        return self._rehearsed.elapsed

    def run_in_executor(  # type: ignore[override]  # the base class is typed with a variadic type variable
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Call the function here and now; its answer takes no time."""
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits, as an executor does
            future.set_exception(error)
        return future

    async def call_in_thread(self, work: Callable[[], T]) -> T:
        """Run something that the simulator may answer late, in its own time; meanwhile everything else goes on."""
        done: asyncio.Future[T] = self.create_future()

        def run() -> None:
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - whatever it is belongs to whoever awaits
                failure = error
                self.call_soon_threadsafe(lambda: None if done.done() else done.set_exception(failure))
            else:
                self.call_soon_threadsafe(lambda: None if done.done() else done.set_result(result))

        self._selector_of_calls.calls += 1
        try:
            threading.Thread(target=run, daemon=True, name="drs-rehearsed-call").start()
            return await done
        finally:
            self._selector_of_calls.calls -= 1


class RehearsalTime:
    """``drs_provider.clock`` of a process that rehearses: what tasks and triggers ask for the time."""

    def __init__(self, clock: RehearsalClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        """Return the present instant of the rehearsal, aware and UTC."""
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        """Let the rehearsal's time pass."""
        self._clock.advance(seconds)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run something that blocks: the loop must know of calls that take simulated time."""
        loop = cast("JumpingLoop", asyncio.get_running_loop())
        return await loop.call_in_thread(partial(contextvars.copy_context().run, work))
