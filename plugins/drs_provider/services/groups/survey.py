"""The inventory beside the groups and plans of the plans folder: what the console, its API and ``drs servers`` show."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from drs_provider.rules.inventory.membership import Membership, find_membership
from drs_provider.rules.inventory.past_launches import PastLaunches
from drs_provider.rules.inventory.server import InventoryServer
from drs_provider.rules.inventory.views import NOTHING_KNOWN, InventoryRow, make_rows
from drs_provider.rules.run.names import dag_id_of
from drs_provider.rules.run.roster import Place, Target
from drs_provider.services.groups.catalog import GroupCatalog
from drs_provider.services.inventory.cache import AccountState, places_of

EVERY_DAG: Final = "*"
"""Among the ids of the DAGs that somebody may read or change: they may do so with whatever DAG there is."""


@dataclass(frozen=True)
class InventorySurvey:
    """All servers with where they belong, and the accounts and Regions that they are in."""

    states: tuple[AccountState, ...]
    servers: tuple[InventoryServer, ...]
    rows: tuple[InventoryRow, ...]
    membership: Membership
    places: Mapping[Target, Place]
    catalog: GroupCatalog
    past: PastLaunches = NOTHING_KNOWN

    def is_of(self, states: Iterable[AccountState], past: PastLaunches = NOTHING_KNOWN) -> bool:
        """Whether it was made of the very same answers of the same accounts and Regions, and of the same reports."""
        if past is not self.past:
            return False
        now = tuple((state.targets, state.place, id(state.servers), state.asked_at is None) for state in states)
        return now == tuple(
            (state.targets, state.place, id(state.servers), state.asked_at is None) for state in self.states
        )


def survey(
    states: Iterable[AccountState], catalog: GroupCatalog, past: PastLaunches = NOTHING_KNOWN
) -> InventorySurvey:
    """Put the inventory beside the groups and plans.

    :param past: what the reports of past runs say of servers
    """
    known = tuple(states)
    groups = catalog.models
    servers = tuple(server for state in known for server in state.servers)
    membership = find_membership(groups, catalog.recovery_plans, servers, places_of(known))
    rows = make_rows(servers, membership, groups, places_of(known, answered=True), past)
    return InventorySurvey(known, servers, rows, membership, places_of(known), catalog, past)


def targets_of_inventory(catalog: GroupCatalog, more: Iterable[tuple[str, str]]) -> tuple[Target, ...]:
    """Return every account and Region of the inventory: those of the groups, and those of the settings."""
    return tuple(dict.fromkeys([*catalog.targets, *(Target(*named) for named in more)]))


def has_dag(plan: str, dags: Collection[str]) -> bool:
    """Whether the DAG of a plan is one of those that somebody has a right to."""
    return has_dag_id(dag_id_of(plan), dags)


def has_dag_id(dag_id: str, dags: Collection[str]) -> bool:
    """Whether a DAG is one of those that somebody has a right to; those that there were, too."""
    return EVERY_DAG in dags or dag_id in dags


def is_visible(group: str, catalog: GroupCatalog, readable: Collection[str]) -> bool:
    """Whether somebody may see a group: it is in no plan, or they may read the DAG of one of its plans.

    While nobody can tell which groups a plan uses, a group without a plan is for those who may read every DAG.
    """
    plans = catalog.plans.get(group, ())
    if not plans:
        return not catalog.is_uncertain or EVERY_DAG in readable
    return any(has_dag(plan, readable) for plan in plans)


def is_editable(group: str, catalog: GroupCatalog, editable: Collection[str]) -> bool:
    """Whether somebody may change a group: they may change the DAGs of all its plans.

    While nobody can tell which groups a plan uses, a group without a plan is for those who may change every DAG.
    """
    plans = catalog.plans.get(group, ())
    if not plans:
        return not catalog.is_uncertain or EVERY_DAG in editable
    return all(has_dag(plan, editable) for plan in plans)
