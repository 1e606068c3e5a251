"""Time in the simulator: wall-clock timestamps, compressed durations.

Everything that happens is scheduled in *simulated seconds* and stamped with the *wall clock*. At speed 60 a simulated
minute passes in one second of wall clock. ``advance`` and ``freeze`` move the simulator's own wall clock.

For overlays: ``clock.now()`` is the instant to stamp things with, ``clock.simulated()`` the axis to schedule on, and
``clock.real(seconds)`` turns a simulated length of time into the real one.
"""

import bisect
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

SLOWEST, FASTEST = 1e-3, 1e6
"""Simulated seconds in one of wall clock: beyond these, timestamps lose their meaning."""

LONGEST_JUMP = 10 * 365 * 86400.0
"""Seconds of the wall clock that may be skipped at once: ten years."""


def checked_speed(speed: float) -> float:
    """Return a speed that a clock can have. Raises ValueError."""
    if not speed > 0:
        raise ValueError(f"speed must be more than 0, not {speed:g}")
    if not SLOWEST <= speed <= FASTEST:
        raise ValueError(f"speed must be between {SLOWEST:g} and {FASTEST:g}, not {speed:g}")
    return speed


def checked_jump(seconds: float, speed: float) -> float:
    """Return simulated seconds by which a clock of this speed can be advanced. Raises ValueError."""
    if not seconds >= 0:
        raise ValueError(f"time only goes forward, {seconds:g} s is back")
    if seconds / speed > LONGEST_JUMP:
        raise ValueError(f"{seconds:g} s is more than ten years of the wall clock at speed {speed:g}")
    return seconds


@dataclass(frozen=True)
class Segment:
    """A stretch of constant speed: from `wall` on, simulated time runs from `simulated` at `speed`."""

    wall: float
    simulated: float
    speed: float


class Clock:
    """Maps real time to wall-clock time (shifted, perhaps frozen) and to simulated seconds."""

    def __init__(self, speed: float = 1.0, real_time: Callable[[], float] = time.time) -> None:
        self._real_time = real_time
        self._skew = 0.0
        self._frozen_at: float | None = None
        self._segments = [Segment(real_time(), 0.0, checked_speed(speed))]

    @property
    def speed(self) -> float:
        """How many simulated seconds pass in one second of wall clock."""
        return self._segments[-1].speed

    @property
    def is_frozen(self) -> bool:
        """Whether time stands still until `thaw` or `advance`."""
        return self._frozen_at is not None

    def wall(self) -> float:
        """Return the simulator's wall clock as seconds since the epoch."""
        return self._frozen_at if self._frozen_at is not None else self._real_time() + self._skew

    def now(self) -> datetime:
        """Return the simulator's wall clock, aware and UTC."""
        return datetime.fromtimestamp(self.wall(), UTC)

    def simulated(self) -> float:
        """Return the simulated seconds since the clock was made."""
        last = self._segments[-1]
        return last.simulated + (self.wall() - last.wall) * last.speed

    def wall_at(self, simulated: float) -> datetime:
        """Return the wall-clock instant at which the simulated second was, or will be at the present speed."""
        at = bisect.bisect_right(self._segments, simulated, key=lambda segment: segment.simulated) - 1
        segment = self._segments[max(at, 0)]
        return datetime.fromtimestamp(segment.wall + (simulated - segment.simulated) / segment.speed, UTC)

    def simulated_at(self, wall: datetime) -> float:
        """Return the simulated second that the wall clock showed then: the inverse of `wall_at`."""
        stamp = wall.timestamp()
        at = bisect.bisect_right(self._segments, stamp, key=lambda segment: segment.wall) - 1
        segment = self._segments[max(at, 0)]
        return segment.simulated + (stamp - segment.wall) * segment.speed

    def real(self, seconds: float) -> timedelta:
        """Return how long a simulated length of time really takes at the present speed."""
        return timedelta(seconds=seconds / self.speed)

    def advance(self, seconds: float) -> None:
        """Jump forward by simulated seconds; the wall clock jumps by the compressed length."""
        jump = checked_jump(seconds, self.speed) / self.speed
        if self._frozen_at is not None:
            self._frozen_at += jump
        else:
            self._skew += jump

    def freeze(self) -> None:
        """Let time stand still."""
        self._frozen_at = self.wall()

    def thaw(self) -> None:
        """Let time run on from where it stood."""
        if self._frozen_at is not None:
            self._skew = self._frozen_at - self._real_time()
            self._frozen_at = None

    def set_speed(self, speed: float) -> None:
        """Go on at another speed from this moment; what has happened keeps its timestamps."""
        self._segments.append(Segment(self.wall(), self.simulated(), checked_speed(speed)))

    def __getstate__(self) -> dict[str, object]:
        return {"skew": self._skew, "frozen_at": self._frozen_at, "segments": self._segments}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._real_time = time.time
        self._skew, self._frozen_at = state["skew"], state["frozen_at"]
        self._segments = state["segments"]


def iso(moment: datetime) -> str:
    """Write a timestamp as the real service does: microseconds and ``+00:00``, not the model's ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def read_iso(text: str) -> datetime:
    """Read a timestamp of a request: ``…Z`` or with an offset."""
    return datetime.fromisoformat(text)
