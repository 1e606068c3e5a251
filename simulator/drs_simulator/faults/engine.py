"""Decides whether a fault strikes: matching, counting, chance and time; what it then does is the caller's business.

For overlays::

    fault = simulator.faults.match("hang", "fail", service="ssm", operation="SendCommand", account=…, region=…,
                                   servers=[ServerFacts(…)], action="AWS-RunShellScript")
    if isinstance(fault, Hang): …

`match` uses a strike up (`count`), `holds` only looks (a lasting fault: impaired, no_capacity, …).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from drs_simulator.errors import BadInput
from drs_simulator.faults.kinds import FAULTS, KINDS, AnyFault
from drs_simulator.strict_input import checked


@dataclass(frozen=True)
class ServerFacts:
    """What faults may know of a server."""

    id: str
    hostname: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """What is about to happen, and to whom."""

    service: str = "drs"
    operation: str | None = None
    account: str | None = None
    region: str | None = None
    servers: Sequence[ServerFacts] = ()
    job: str | None = None
    action: str | None = None


@dataclass
class Armed:
    """A fault with what it has done so far."""

    fault: AnyFault
    id: str
    armed_at: float
    strikes: int = 0
    seized: set[str] = field(default_factory=set)
    """Servers that a condition with a `count` holds."""

    @property
    def begins_at(self) -> float:
        """Simulated second from which it is active."""
        return self.armed_at + self.fault.after

    def is_active(self, now: float) -> bool:
        """Whether it is active at the simulated second."""
        ends = None if self.fault.lasts is None else self.begins_at + self.fault.lasts
        return self.begins_at <= now and (ends is None or now < ends)


class FaultEngine:
    """The faults in force. Not thread-safe by itself: callers hold the simulator's lock."""

    def __init__(self, simulated: Callable[[], float], random: Random) -> None:
        self._simulated = simulated
        self._random = random
        self._armed: dict[str, Armed] = {}
        self._added = 0

    def add(self, faults: Iterable[AnyFault]) -> list[str]:
        """Put faults in force; returns their ids. Raises BadInput, and adds none, where an id is taken."""
        several = list(faults)
        chosen = [fault.id for fault in several if fault.id is not None]
        taken = [name for name in chosen if name in self._armed or chosen.count(name) > 1]
        if taken:
            raise BadInput(f"faults: the id {taken[0]!r} is in use: take that fault back first, or choose another")
        return [self._arm(fault, chosen) for fault in several]

    def _arm(self, fault: AnyFault, chosen: Sequence[str]) -> str:
        name = fault.id
        while name is None:
            self._added += 1
            number = f"fault-{self._added}"
            name = number if number not in self._armed and number not in chosen else None
        self._armed[name] = Armed(fault, name, self._simulated())
        return name

    def remove(self, name: str | None = None) -> int:
        """Take one fault back, or all; returns how many were in force."""
        if name is None:
            gone = len(self._armed)
            self._armed.clear()
            return gone
        return int(self._armed.pop(name, None) is not None)

    def get(self, name: str) -> AnyFault | None:
        """Return a fault in force by its id."""
        armed = self._armed.get(name)
        return armed.fault if armed is not None else None

    def armed(self, name: str) -> Armed | None:
        """Return a fault in force by its id, with what it has done."""
        return self._armed.get(name)

    def has(self, kind: str) -> bool:
        """Tell whether any fault of this kind is in force, whomever it strikes."""
        return any(armed.fault.do == kind for armed in self._armed.values())

    def listed(self) -> list[dict[str, Any]]:
        """Return every fault as it was written, with id and number of strikes."""
        return [
            {**armed.fault.model_dump(by_alias=True, exclude_unset=True), "id": armed.id, "strikes": armed.strikes}
            for armed in self._armed.values()
        ]

    def match(self, *kinds: str, **subject: Any) -> AnyFault | None:
        """Return the first fault of these kinds that strikes the subject now, and count the strike.

        :param kinds: values of `do`. :param subject: the members of `Subject`.
        """
        armed = self.strike(frozenset(kinds), Subject(**subject))
        return armed.fault if armed else None

    def strike(
        self, kinds: frozenset[str], subject: Subject, accept: Callable[[AnyFault], bool] | None = None
    ) -> Armed | None:
        """Return the armed fault that strikes, counted. `accept` refuses a fault before chance and count see it."""
        for armed in self._candidates(kinds, subject):
            fault = armed.fault
            if accept is not None and not accept(fault):
                continue
            if fault.count is not None and armed.strikes >= fault.count:
                continue
            if fault.probability is not None and self._random.random() >= fault.probability:
                continue
            armed.strikes += 1
            return armed
        return None

    def holds(self, kind: str, subject: Subject, accept: Callable[[AnyFault], bool] | None = None) -> Armed | None:
        """Return the condition of this kind that holds for the subject now; looking does not use it up."""
        return next(self.all_holding(kind, subject, accept), None)

    def all_holding(
        self, kind: str, subject: Subject, accept: Callable[[AnyFault], bool] | None = None
    ) -> Iterator[Armed]:
        """Yield every condition of this kind that holds for the subject now."""
        for armed in self._candidates(frozenset({kind}), subject):
            if (accept is None or accept(armed.fault)) and self._seizes(armed, subject):
                yield armed

    def _seizes(self, armed: Armed, subject: Subject) -> bool:
        """Whether a condition holds this server: decided once per server, for `count` and `probability`."""
        fault = armed.fault
        if fault.count is None and fault.probability is None:
            armed.strikes += not armed.strikes
            return True
        name = subject.servers[0].id if subject.servers else ""
        if name not in armed.seized:
            if fault.count is not None and len(armed.seized) >= fault.count:
                return False
            # A server's luck is its own and lasts: asking again must not change the weather.
            if fault.probability is not None and Random(f"{armed.id}{name}").random() >= fault.probability:
                return False
            armed.seized.add(name)
            armed.strikes += 1
        return True

    def _candidates(self, kinds: frozenset[str], subject: Subject) -> Iterator[Armed]:
        if not self._armed:
            return
        now = self._simulated()
        for armed in tuple(self._armed.values()):
            if armed.fault.do in kinds and armed.is_active(now) and concerns(armed.fault, subject):
                yield armed

    def __getstate__(self) -> dict[str, object]:
        state = self.__dict__.copy()
        del state["_simulated"]
        return state

    def attach(self, simulated: Callable[[], float]) -> None:
        """Give a restored engine its clock."""
        self._simulated = simulated


def concerns(fault: AnyFault, subject: Subject) -> bool:
    """Whether everything that the fault names is so of the subject."""
    return (
        _is(fault.service, subject.service)
        and _is_any(fault.operation, subject.operation)
        and _is(fault.account, subject.account)
        and _is(fault.region, subject.region)
        and _is(fault.job, subject.job)
        and _is(fault.action, subject.action)
        and _is_about_a_server(fault, subject.servers)
    )


def _is(wanted: str | None, actual: str | None) -> bool:
    return wanted is None or (actual is not None and fnmatchcase(actual, wanted))


def _is_any(wanted: Sequence[str] | None, actual: str | None) -> bool:
    return wanted is None or any(_is(pattern, actual) for pattern in wanted)


def _is_about_a_server(fault: AnyFault, servers: Sequence[ServerFacts]) -> bool:
    if fault.servers is None and fault.hostname is None and fault.tags is None:
        return True
    return any(
        _is_any(fault.servers, server.id)
        and _is_any(fault.hostname, server.hostname)
        and all(fnmatchcase(server.tags.get(key, ""), value) for key, value in (fault.tags or {}).items())
        for server in servers
    )


def faults_of(data: object, source: str) -> list[AnyFault]:
    """Read one fault or a list of them. Raises BadInput with everything that is wrong."""
    many = data if isinstance(data, list) else [data]
    return checked(FAULTS, many, source, KINDS)
