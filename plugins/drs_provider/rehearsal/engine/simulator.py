"""The clock of a simulator, over its control plane."""

import json
from datetime import datetime
from typing import Any
from urllib.request import Request, urlopen


class SimulatorControl:
    """Stops and moves the clock of a simulator.

    :param address: ``http://127.0.0.1:5555``
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def now(self) -> datetime:
        """Return the simulator's wall clock, stopped from now on; calls that take time wait for it."""
        return datetime.fromisoformat(self._clock({"freeze": True, "hold_answers": True})["now"])

    def advance(self, simulated_seconds: float) -> None:
        """Let simulated time pass."""
        self._clock({"advance": simulated_seconds})

    def next_answer_in(self) -> float | None:
        """Return the simulated seconds until the next call that waits for time has its answer; None: none waits."""
        found: float | None = self._clock({})["next_answer_in"]
        return found

    def _clock(self, what: dict[str, Any]) -> Any:
        request = Request(  # noqa: S310 - the address of a simulator that the caller has started
            f"{self.address}/_simulator/clock",
            data=json.dumps(what).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)
