"""Time in a rehearsal: the simulator's clock, which stands still until everything waits."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

Move = Callable[[float], None]
"""Moves the simulator's clock forward by seconds."""


class RehearsalClock:
    """The clock of a rehearsal. It moves only when it is told to, and takes the simulator's clock with it.

    :param start: the instant at which the simulator was stopped, aware
    """

    def __init__(self, start: datetime, move: Move) -> None:
        self._start, self._move = start, move
        self._lock = threading.Lock()
        self.elapsed = 0.0
        """Seconds since the start."""

    def now(self) -> datetime:
        """Return the present instant, aware and UTC."""
        return self._start + timedelta(seconds=self.elapsed)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if seconds <= 0:
            return
        with self._lock:
            self._move(seconds)
            self.elapsed += seconds
