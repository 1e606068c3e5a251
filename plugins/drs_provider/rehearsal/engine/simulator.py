"""The clock of a simulator, over its control plane."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict, cast
from urllib.request import Request, urlopen


class ClockAnswer(TypedDict):
    """What the simulator says of its clock: its instant, ISO, and the seconds until the next answer that waits."""

    now: str
    next_answer_in: float | None


class SimulatorControl:
    """Stops and moves the clock of a simulator.

    :param address: ``http://127.0.0.1:5555``
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def now(self) -> datetime:
        """Return the simulator's wall clock, stopped from now on; calls that take time wait for it."""
        return datetime.fromisoformat(self._clock({"freeze": True, "hold_answers": True})["now"])

    def advance(self, seconds: float) -> None:
        """Let simulated time pass."""
        self._clock({"advance": seconds})

    def next_answer_in(self) -> float | None:
        """Return the simulated seconds until the next call that waits for time has its answer; None: none waits."""
        return self._clock({})["next_answer_in"]

    def _clock(self, what: Mapping[str, bool | float]) -> ClockAnswer:
        request = Request(  # noqa: S310 - the address of a simulator that the caller has started
            f"{self.address}/_simulator/clock",
            data=json.dumps(what).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=60) as answer:  # noqa: S310
            return cast("ClockAnswer", json.load(answer))
