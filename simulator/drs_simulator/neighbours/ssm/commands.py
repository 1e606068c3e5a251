"""Run Command's data, and the pure rules over it: limits, and a command's status from those of its invocations."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drs_simulator.world.resources import Key
from drs_simulator.world.world import World

ENDED = frozenset({"Success", "Failed", "TimedOut", "Cancelled"})


@dataclass
class Invocation:
    """A command on one instance; times are simulated seconds."""

    instance_id: str
    name: str
    status: str = "Pending"
    details: str = "Pending"
    sent: bool = False
    """Whether it has its place among those that run at once."""
    began: float | None = None
    ended: float | None = None
    stdout: str = ""
    stderr: str = ""
    code: int = -1

    @property
    def is_over(self) -> bool:
        """Whether it will change no more."""
        return self.status in ENDED

    def become(self, status: str, details: str | None = None) -> None:
        """Take a status, with details of the same name where none are given."""
        self.status, self.details = status, details or status


@dataclass
class Command:
    """One SendCommand; `request` is what was asked, times are simulated seconds."""

    id: str
    key: Key
    request: dict[str, Any]
    version: str
    requested: float
    visible_from: float
    invocations: dict[str, Invocation]
    cancelled: bool = False

    @property
    def document(self) -> str:
        """Name or ARN as it was asked for."""
        return str(self.request["DocumentName"])

    @property
    def parameters(self) -> Mapping[str, Sequence[str]]:
        """Parameters of the document."""
        return self.request.get("Parameters") or {}

    @property
    def timeout(self) -> float:
        """Seconds until a command that has not begun on an instance is given up there; SSM's default is an hour."""
        return float(self.request.get("TimeoutSeconds") or 3600)

    @property
    def execution_timeout(self) -> float:
        """Seconds that it may run on an instance: the document's parameter `executionTimeout`, an hour by default."""
        given = (self.parameters.get("executionTimeout") or ["3600"])[0]
        return float(given) if given.isdigit() else 3600.0

    @property
    def at_once(self) -> int:
        """On how many instances it runs at the same time; SSM's default is 50."""
        return max(limit_of(self.request.get("MaxConcurrency") or "50", len(self.invocations)), 1)

    @property
    def errors_allowed(self) -> int:
        """How many invocations may fail before no further one is begun; SSM's default is 0."""
        return limit_of(self.request.get("MaxErrors") or "0", len(self.invocations))


def limit_of(text: str, total: int) -> int:
    """Return what MaxConcurrency or MaxErrors means: a number, or a share of the targets rounded up."""
    share = text.removesuffix("%")
    return math.ceil(int(share) * total / 100) if share != text else int(share)


def errors_of(command: Command) -> int:
    """Return how many invocations count against MaxErrors: delivery timeouts do not (Run Command user guide)."""
    return sum(
        invocation.status in {"Failed", "TimedOut"} and invocation.details != "DeliveryTimedOut"
        for invocation in command.invocations.values()
    )


def has_failed(command: Command) -> bool:
    """Whether more invocations have failed than MaxErrors allows."""
    return errors_of(command) > command.errors_allowed


def verdict(command: Command) -> tuple[str, str]:
    """Return Status and StatusDetails of a command.

    A command that ended with failures within MaxErrors is `Success` with the details `Incomplete`, one that found no
    target `Success` with `NoInstancesInTag`: who looks at Status alone is misled, here as there.
    """
    parts = list(command.invocations.values())
    if not parts:
        return "Success", "NoInstancesInTag"
    if command.cancelled:
        return ("Cancelled", "Canceled") if all(part.is_over for part in parts) else ("Cancelling", "Cancelling")
    if not all(part.is_over for part in parts):
        pending = all(part.status == "Pending" for part in parts)
        return ("Pending", "Pending") if pending else ("InProgress", "InProgress")
    return _verdict_of_ended(command, {part.status for part in parts}, {part.details for part in parts})


def _verdict_of_ended(command: Command, statuses: set[str], details: set[str]) -> tuple[str, str]:
    if statuses == {"Success"}:
        return "Success", "Success"
    if len(details) == 1 and statuses == {"TimedOut"}:
        return "TimedOut", details.pop()
    if has_failed(command):
        return "Failed", "Failed"
    return ("Cancelled", "Canceled") if statuses == {"Cancelled"} else ("Success", "Incomplete")


@dataclass
class Commands:
    """Every command of the world."""

    by_region: dict[Key, dict[str, Command]] = field(default_factory=dict)

    def of(self, key: Key) -> dict[str, Command]:
        """Return a Region's commands by id, oldest first."""
        return self.by_region.setdefault(key, {})


def commands_of(world: World) -> Commands:
    """Return the world's commands."""
    kept: Commands = world.neighbours.setdefault("ssm_commands", Commands())
    return kept
