"""What happens to a circle from outside: processes that are killed, answers that AWS gives and nobody hears."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.chaos import campaign
from benchmarks.chaos.effects import EFFECTS
from benchmarks.chaos.killer import NOTHING, Killer
from benchmarks.chaos.scenarios import Kill, Victim
from demo.stack import Stack

VICTIMS: Final[tuple[Victim, ...]] = ("task", "task", "worker", "triggerer", "triggerer", "scheduler", "api-server")
PAUSE: Final = (15.0, 40.0)
"""Seconds between two kills, at least and at most."""

MOST: Final = 5
"""Kills in one run, at most: Airflow gives every task six tries, and one that runs alone is hit by each of them."""

AIRFLOW: Final[Mapping[str, str]] = {
    name: value
    for name, value in campaign.AIRFLOW.items()
    if name.startswith(("AIRFLOW__SCHEDULER", "AIRFLOW__TRIGGERER"))
}
"""How soon a killed part is noticed: that decides how long a run takes, not how it ends."""

_WRITES: Final = tuple(call for call, part in EFFECTS.items() if part in {"always", "network", "leftovers", "way_back"})


def faults(luck: random.Random) -> Iterator[dict[str, Any]]:
    """Yield what AWS does wrong in one run, with calls only that change something: nobody who looks on makes them."""
    for service, operation in luck.sample(_WRITES, 4):
        yield {"service": service, "operation": operation, "do": "commit_then_drop", "count": luck.randint(1, 2)}
    for service, operation in luck.sample(_WRITES, 3):
        yield {
            "service": service,
            "operation": operation,
            "do": "throttle",
            "count": luck.randint(1, 4),
            "retry_after": 1,
        }


@dataclass
class Misfortune:
    """Kills a part of a stack every now and then, and starts it again as a service manager would."""

    stack: Stack
    say: Callable[[str], None]
    luck: random.Random
    kills: int = 0
    _killer: Killer = field(init=False)
    _next_at: float = 0.0
    _left: int = MOST

    def __post_init__(self) -> None:
        self._killer = Killer(self.stack)

    def begin(self) -> None:
        """Prepare what is to happen in the run that begins now."""
        self._next_at, self._left = time.monotonic() + self.luck.uniform(*PAUSE), MOST
        self.stack.simulator.add_faults(list(faults(self.luck)))

    def wait(self, seconds: float) -> None:
        """Let time pass; whoever is to die in it dies."""
        time.sleep(seconds)
        if self._left and time.monotonic() >= self._next_at:
            kill = Kill(0.0, self.luck.choice(VICTIMS), self.luck.random())
            said = self._killer.kill(kill)
            if said != NOTHING:
                self.kills += 1
                self._left -= 1
                self.say(f"    killed: {said}")
            self._next_at = time.monotonic() + self.luck.uniform(*PAUSE)
        self._killer.tend()
