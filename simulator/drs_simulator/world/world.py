"""The simulated world: clock, faults, chance, and everything DRS has in every account and Region.

Nothing here runs by itself. `advance` brings the world up to the clock by doing what has become due, in the order of
simulated time; every request begins with it. What can become due is registered with `@happening`.

Callers hold `world.lock` around `advance` and whatever they do next.
"""

import threading
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from drs_simulator import ids
from drs_simulator.clock import Clock, iso
from drs_simulator.faults.engine import Armed, FaultEngine, Subject
from drs_simulator.fleet.model import Fleet, RegionSpec
from drs_simulator.world.agenda import Agenda
from drs_simulator.world.replication import CopyStall, Observed, RecoveryPoint, Weather, observed, recovery_points
from drs_simulator.world.resources import Key, Region, SourceServer

Happening = Callable[..., None]
HAPPENINGS: dict[str, Happening] = {}
"""What can become due, by the name that stands in the agenda: names survive a restart, functions do not."""


def happening(function: Happening) -> Happening:
    """Register ``function(world, due, *arguments)`` as something that the agenda may hold."""
    HAPPENINGS[function.__name__] = function
    return function


class World:
    """All state of the simulated DRS."""

    def __init__(self, fleet: Fleet, clock: Clock, random_seed: int = 0) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.fleet = fleet
        self.random = Random(random_seed)
        self._random_seed = random_seed
        self._moment: float | None = None
        self.faults = FaultEngine(self._now, Random(random_seed + 1))
        self.agenda = Agenda()
        self.regions: dict[Key, Region] = {}
        self.server_of_instance: dict[str, SourceServer] = {}
        self.neighbours: dict[str, Any] = {}
        self.stopped_since: dict[str, float] = {}
        """Simulated second since when EC2 instances that a source server may replicate are stopped."""
        self.source_stops: dict[str, list[float]] = {}
        """When they were stopped, also those that run again."""
        """What overlays remember, by service: it is forgotten, saved and restored with the world."""
        self.jitter = fleet.jitter
        self.dirty = 0
        """Grows with every change, so that the saver sees one."""

    @property
    def default_account(self) -> str:
        """The account of credentials that nobody issued: the fleet's first."""
        return self.fleet.accounts[0].id

    @property
    def now(self) -> float:
        """The present simulated second; while something due is being done, the second at which it was due."""
        return self._now()

    def _now(self) -> float:
        return self.clock.simulated() if self._moment is None else self._moment

    def stamp(self, simulated: float | None = None) -> str:
        """Return a timestamp as it goes over the wire, of a simulated second or of now."""
        return iso(self.clock.wall_at(self.now if simulated is None else simulated))

    def fresh_id(self, prefix: str) -> str:
        """Return a new random identifier."""
        return ids.fresh(prefix, self.random)

    def chance_of(self, *names: str) -> Random:
        """Return the source of chance of one thing: the same for the same seed and names, whatever happened before.

        So the jobs of a run take as long as those of its rehearsal did, also where branches run side by side.
        """
        return Random("\x00".join((str(self._random_seed), *names)))

    def region(self, account: str, name: str) -> Region:
        """Return a Region of an account; one that the fleet does not name begins uninitialized and empty."""
        key = (account, name)
        if key not in self.regions:
            self.regions[key] = Region(account, name, RegionSpec(name=name, initialized=False), initialized=False)
        return self.regions[key]

    def advance(self) -> None:
        """Do everything that has become due."""
        if self._moment is not None:
            return
        now = self.clock.simulated()
        try:
            while (entry := self.agenda.pop_due(now)) is not None:
                self.dirty += 1
                self._moment = entry.due
                HAPPENINGS[entry.name](self, entry.due, *entry.arguments)
        finally:
            self._moment = None

    def at(self, due: float, what: Happening, *arguments: object) -> None:
        """Let something happen at a simulated second."""
        self.agenda.add(due, what.__name__, *arguments)

    # -- what faults say of servers -----------------------------------------------------------------------------

    def subject(self, server: SourceServer, **more: Any) -> Subject:
        """Return a server as faults see it."""
        return Subject(account=server.account, region=server.region, servers=(server.facts,), **more)

    def holds(self, kind: str, server: SourceServer, **more: Any) -> Armed | None:
        """Return the condition of this kind that holds for a server now."""
        return self.faults.holds(kind, self.subject(server, **more))

    def weather(self, server: SourceServer) -> Weather:
        """Return what faults do to a server's replication now."""
        now = self.now
        stall, lag = self.holds("stall", server), self.holds("lag", server)
        disconnect, rescan = self.holds("disconnect", server), self.holds("rescan", server)
        expired = self.holds("snapshot_expired", server)
        extra = 0.0
        if lag is not None and lag.fault.do == "lag":
            extra = lag.fault.lag + (now - lag.begins_at if lag.fault.growing else 0.0)
        copy = self.holds("stalled_copy", server)
        stall = stall or self._unseen_agent(server)
        stopped = self.stopped_since.get(server.hints_instance_id or "")
        return Weather(
            copy_stall=CopyStall(copy.fault.at, copy.begins_at, copy.fault.error)
            if copy is not None and copy.fault.do == "stalled_copy"
            else None,
            stalled_since=stall.begins_at if stall else stopped,
            stall_error=stall.fault.error if stall is not None and stall.fault.do == "stall" else "AGENT_NOT_SEEN",
            disconnected_since=disconnect.begins_at if disconnect else None,
            rescan=(rescan.begins_at, rescan.begins_at + (rescan.fault.lasts or 1800.0)) if rescan else None,
            extra_lag=extra,
            expired_before=expired.begins_at if expired else None,
            last_words=tuple(self.source_stops.get(server.hints_instance_id or "", ())),
        )

    def _unseen_agent(self, server: SourceServer) -> Armed | None:
        """Return the condition that keeps the agent of the recovery instance which a server replicates from DRS."""
        owner = self.server_of_instance.get(server.hints_instance_id or "")
        return None if owner is None else self.silences(owner)

    def silences(self, server: SourceServer) -> Armed | None:
        """Return the condition under which the agent of a server's recovery instance is not seen."""
        return self.holds("agent_not_seen", server) or self.holds("wrong_profile", server)

    def replication_of(self, server: SourceServer) -> Observed:
        """Return a server's replication as it is now."""
        return observed(server.replication, self.now, self.weather(server))

    def recovery_points_of(self, server: SourceServer) -> list[RecoveryPoint]:
        """Return a server's recovery points as they are now, oldest first."""
        return recovery_points(server.id, server.replication, self.now, self.weather(server))

    def servers(self) -> Iterator[SourceServer]:
        """Yield every source server."""
        for region in tuple(self.regions.values()):
            yield from tuple(region.servers.values())

    def find_server(self, arn: str) -> SourceServer | None:
        """Return the source server with an ARN."""
        _, _, _, region, account, name = arn.split(":", 5)
        found = self.regions.get((account, region))
        return found.servers.get(name.removeprefix("source-server/")) if found else None

    def __getstate__(self) -> dict[str, object]:
        state = self.__dict__.copy()
        del state["lock"]
        return state

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.lock = threading.RLock()
        self.faults.attach(self._now)
