"""An event loop that does not wait: when everything in it waits, the rehearsal's clock jumps to the next timer."""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

from drs_provider.dag.rehearsing.clock import RehearsalClock

_FOR_AN_ANSWER = 0.2
"""Real seconds that an open connection is given before time passes."""

_OWN = 1
"""File descriptors that the loop itself watches."""


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, clock: RehearsalClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Look for what is ready; where nothing is, let the rehearsal's time pass instead of waiting."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if len(self.get_map()) > _OWN:
            ready = super().select(_FOR_AN_ANSWER)
            if ready:
                return ready
        if timeout is None:
            if len(self.get_map()) <= _OWN:
                raise RuntimeError("the rehearsal waits for nothing: it would never end")
            return super().select(None)
        self._clock.advance(timeout)
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in a rehearsal's time. What would run in a thread runs at once, so that the order is fixed."""

    def __init__(self, clock: RehearsalClock) -> None:
        super().__init__(_JumpingSelector(clock))
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
