"""The views of the inventory: which servers want attention, and why."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from drs_provider.formatting import duration
from drs_provider.plan.model import ProtectionGroup
from drs_provider.rules.inventory.membership import Membership
from drs_provider.rules.inventory.past_launches import PastLaunch, PastLaunches, last_drill, last_recovery
from drs_provider.rules.inventory.server import FAILBACK, NOT_LISTED, UNKNOWN, InventoryServer
from drs_provider.rules.run.roster import Place, Target, target_of

STUCK: Final = frozenset({"STALLED", "DISCONNECTED", "STOPPED", "PAUSED"})
"""States in which no data arrives, and none will by itself."""

NOT_REPLICATED: Final = frozenset({*STUCK, UNKNOWN, NOT_LISTED, "INITIATING", "INITIAL_SYNC"})
"""States in which the newest data is not there to recover: it stands still, or was never there."""

NOTHING_KNOWN: Final = PastLaunches()
"""Where nobody has read the reports of past runs."""


@dataclass(frozen=True)
class InventoryRow:
    """A server of the inventory with where it belongs, and what is to say of it.

    ``problems`` are sentences for people; none: there is nothing to do. ``launches``: what past runs did with it, the
    newest first.
    """

    server: InventoryServer
    groups: tuple[str, ...]
    plans: tuple[str, ...]
    objective: timedelta | None
    problems: tuple[str, ...]
    launches: tuple[PastLaunch, ...] = ()

    @property
    def is_unprotected(self) -> bool:
        """Whether no group has it, though it is protected here and not on its way back."""
        return not self.groups and self.server.direction != FAILBACK

    @property
    def is_not_in_plan(self) -> bool:
        """Whether no plan recovers it."""
        return not self.plans and self.server.direction != FAILBACK

    @property
    def is_lagging(self) -> bool:
        """Whether its replication stands still, or lags behind by more than its plans allow."""
        return self.server.state in STUCK or self._is_above_objective

    @property
    def is_member_without_replication(self) -> bool:
        """Whether a group counts on it, and its newest data is not there."""
        return bool(self.groups) and self.server.state in NOT_REPLICATED

    @property
    def drilled_at(self) -> datetime | None:
        """When a drill has launched it last: by the reports of runs, or as DRS says of its latest launch."""
        reported, launch = last_drill(self.launches), self.server.last_launch
        is_drill = launch is not None and launch.kind == "DRILL" and launch.status == "LAUNCHED"
        known = [reported.at if reported else None, launch.at if launch and is_drill else None]
        return max((at for at in known if at is not None), default=None)

    @property
    def recovered_at(self) -> datetime | None:
        """When a run has launched it for good last, in the same way."""
        reported, launch = last_recovery(self.launches), self.server.last_launch
        is_recovery = launch is not None and launch.kind == "RECOVERY" and launch.status == "LAUNCHED"
        known = [reported.at if reported else None, launch.at if launch and is_recovery else None]
        return max((at for at in known if at is not None), default=None)

    @property
    def is_never_drilled(self) -> bool:
        """Whether no drill is known that has launched it, though DRS lists it and it is not on its way back."""
        return self.server.state != NOT_LISTED and self.server.direction != FAILBACK and self.drilled_at is None

    @property
    def _is_above_objective(self) -> bool:
        lag = self.server.lag_seconds
        return self.objective is not None and lag is not None and lag > self.objective.total_seconds()


VIEWS: Final[Mapping[str, Callable[[InventoryRow], bool]]] = {
    "all": lambda _: True,
    "unprotected": lambda row: row.is_unprotected,
    "not-in-plan": lambda row: row.is_not_in_plan,
    "lagging": lambda row: row.is_lagging,
    "not-replicating": lambda row: row.is_member_without_replication,
    "never-drilled": lambda row: row.is_never_drilled,
}
"""Every view by its name, and whether a row belongs to it."""


def make_rows(
    servers: Sequence[InventoryServer],
    membership: Membership,
    groups: Mapping[str, ProtectionGroup],
    places: Mapping[Target, Place],
    past: PastLaunches = NOTHING_KNOWN,
) -> tuple[InventoryRow, ...]:
    """Return a row for every server, and one for every server that a group names and DRS does not list.

    :param places: the accounts and Regions that have answered; of others nobody knows what they lack
    :param past: what the reports of past runs say of servers
    """
    known = {server.server_id for server in servers}
    missing = {
        member.id: InventoryServer(member.id, member.id, place, NOT_LISTED)
        for group in groups.values()
        if (place := places.get(target_of(group))) is not None
        for member in group.servers
        if member.id not in known
    }
    return tuple(_row(server, membership, past.of(server.server_id)) for server in (*servers, *missing.values()))


def narrowed_row(row: InventoryRow, seen: Membership) -> InventoryRow:
    """Return a row as somebody may see it who may not read all groups and plans.

    :param seen: the membership without what they may not read
    """
    found = _row(row.server, seen, row.launches)
    if len(found.groups) == len(row.groups):
        return found
    said = "is in a group that you may not read too: a server belongs to one"
    return replace(found, problems=(said, *found.problems))


def _row(server: InventoryServer, membership: Membership, launches: tuple[PastLaunch, ...]) -> InventoryRow:
    groups = membership.groups.get(server.server_id, ())
    plans, objective = membership.plans_of(server.server_id), membership.objective_of(server.server_id)
    problems = tuple(_problems(server, groups, objective))
    return InventoryRow(server, groups, plans, objective, problems, launches)


def _problems(server: InventoryServer, groups: Sequence[str], objective: timedelta | None) -> Iterator[str]:
    if len(groups) > 1:
        yield f"is in {len(groups)} groups, {' and '.join(groups)}: a server belongs to one"
    if server.state == NOT_LISTED:
        yield f"DRS does not know it in {server.place}"
    elif server.state in NOT_REPLICATED:
        yield f"replication: {server.state}{f': {server.trouble}' if server.trouble else ''}"
    elif server.trouble:
        yield server.trouble
    lag = server.lag_seconds
    if objective is not None and lag is not None and lag > objective.total_seconds():
        yield f"lags {duration(lag)} behind, above the objective of {duration(objective)}"
