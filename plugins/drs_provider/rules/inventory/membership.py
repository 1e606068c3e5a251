"""Which servers of the inventory belong to which group and plan, and where groups name the same server."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from drs_provider.plan.model import ProtectionGroup, RecoveryPlan
from drs_provider.rules.inventory.server import InventoryServer
from drs_provider.rules.run.roster import Place, Target, matches, target_of


@dataclass(frozen=True)
class KnownGroup:
    """A group and where it is written, as ``path:line``; ``where`` is empty where nobody has its file here."""

    group: ProtectionGroup
    where: str = ""


@dataclass(frozen=True)
class NamedServer:
    """A server that a group names by its id, whether or not DRS lists it; ``where`` as ``path:line``."""

    group: str
    server_id: str
    where: str


@dataclass(frozen=True)
class Membership:
    """Where the servers belong.

    ``groups``: names of the groups of a server, by its id; more than one is a conflict. ``plans``: names of the plans
    of a group. ``objectives``: the RPO of a plan, where it has one.
    """

    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    plans: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    objectives: Mapping[str, timedelta] = field(default_factory=dict)

    def plans_of(self, server_id: str) -> tuple[str, ...]:
        """Return the plans that recover a server."""
        found = (plan for group in self.groups.get(server_id, ()) for plan in self.plans.get(group, ()))
        return tuple(dict.fromkeys(found))

    def objective_of(self, server_id: str) -> timedelta | None:
        """Return the strictest RPO of a server's plans; None: they have none, or it is in no plan."""
        return min(
            (self.objectives[plan] for plan in self.plans_of(server_id) if plan in self.objectives), default=None
        )

    def seen_by(self, groups: Collection[str], reads_plan: Callable[[str], bool]) -> "Membership":
        """Return what is left of it for somebody who may see these groups, and these plans."""
        return Membership(
            {server: tuple(name for name in names if name in groups) for server, names in self.groups.items()},
            {group: tuple(filter(reads_plan, plans)) for group, plans in self.plans.items() if group in groups},
            self.objectives,
        )


def find_members(
    group: ProtectionGroup, servers: Iterable[InventoryServer], places: Mapping[Target, Place]
) -> tuple[str, ...]:
    """Return the ids of a group's servers: those that it names, then those that it selects.

    :param places: what the accounts and Regions are; without its own, a group selects nothing
    """
    named = [member.id for member in group.servers]
    place = places.get(target_of(group))
    wanted = group.select.model_dump(by_alias=True, exclude_none=True) if group.select else None
    selected = [
        server.server_id for server in servers if wanted and server.place == place and matches(server.tags, wanted)
    ]
    return tuple(dict.fromkeys([*named, *selected]))


def find_membership(
    groups: Mapping[str, ProtectionGroup],
    plans: Iterable[RecoveryPlan],
    servers: Sequence[InventoryServer],
    places: Mapping[Target, Place],
) -> Membership:
    """Return where every server belongs."""
    of_place: dict[Place, list[InventoryServer]] = defaultdict(list)
    for server in servers:
        of_place[server.place].append(server)
    belongs: dict[str, list[str]] = defaultdict(list)
    for name, group in sorted(groups.items()):
        here = places.get(target_of(group))
        for server_id in find_members(group, of_place.get(here, ()) if here else (), places):
            belongs[server_id].append(name)
    used: dict[str, list[str]] = defaultdict(list)
    objectives: dict[str, timedelta] = {}
    for plan in plans:
        for name in dict.fromkeys(group for wave in plan.waves for group in wave.groups):
            used[name].append(plan.name)
        if plan.rpo is not None:
            objectives[plan.name] = plan.rpo
    return Membership(
        {server: tuple(names) for server, names in belongs.items()},
        {name: tuple(sorted(names)) for name, names in used.items()},
        objectives,
    )


def find_conflicts(
    group: ProtectionGroup,
    others: Iterable[KnownGroup],
    servers: Sequence[InventoryServer],
    places: Mapping[Target, Place],
) -> tuple[str, ...]:
    """Say which servers of a group belong to another group as well, with the file and line of that one."""
    names = {server.server_id: server.hostname for server in servers}
    mine = find_members(group, servers, places)
    said: list[str] = []
    for other in others:
        if other.group.name == group.name:
            continue
        theirs = set(find_members(other.group, servers, places))
        where = f" ({other.where})" if other.where else ""
        said += [
            f"{_call(server_id, names)} is in group {other.group.name!r}{where} too: a server belongs to one group"
            for server_id in mine
            if server_id in theirs
        ]
    return tuple(said)


def _call(server_id: str, names: Mapping[str, str]) -> str:
    name = names.get(server_id, server_id)
    return server_id if name == server_id else f"{name} ({server_id})"
