"""What a list on a page consists of beside its rows: its addresses, its views, what it is sorted by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from drs_provider.api.v1.source_servers import Account, SourceServer
from drs_provider.rules.inventory.views import VIEWS, InventoryRow

WORDS: Final[Mapping[str, str]] = {
    "all": "All servers",
    "unprotected": "Unprotected: in no group",
    "not-in-plan": "Not in any plan",
    "lagging": "Stalled, or lagging above the objective",
    "not-replicating": "Members that do not replicate",
    "never-drilled": "Never drilled",
}
"""What the views are called."""


@dataclass(frozen=True)
class Column:
    """A column of the list of servers: its words, the field that it is sorted by (empty: none), whether it is shown
    where nobody has chosen.
    """

    words: str
    sort: str = ""
    is_usual: bool = False


COLUMNS: Final[Mapping[str, Column]] = {
    "state": Column("Replication", "state", is_usual=True),
    "lag": Column("Lag", "lag_seconds", is_usual=True),
    "backlog": Column("Backlog", "backlog_bytes"),
    "group": Column("Group", "group", is_usual=True),
    "plan": Column("Plan", "plan", is_usual=True),
    "drilled": Column("Last drill", "drilled_at", is_usual=True),
    "launch": Column("Last launch", "last_launch", is_usual=True),
    "instance": Column("Instance", "instance"),
    "agent": Column("Agent", "agent_version"),
    "direction": Column("Direction"),
    "source": Column("Source"),
    "tags": Column("Tags"),
    "account": Column("Account", "account", is_usual=True),
}
"""What can be shown beside the server's name, in this order."""


def columns_of(chosen: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that are shown: those that are chosen, in their order; nothing chosen: the usual ones."""
    wanted = set(chosen) & COLUMNS.keys()
    return tuple(name for name, column in COLUMNS.items() if name in wanted or (not wanted and column.is_usual))


@dataclass(frozen=True)
class Listing:
    """A list as it was asked for: the page's name, its filters, the field that it is sorted by, the chosen columns."""

    page: str
    filters: Mapping[str, str]
    sort: str
    columns: tuple[str, ...] = ()

    def address(self, **changes: str) -> str:
        """Return the address of the list with other filters, another order or another page."""
        values = {**self.filters, "sort": self.sort, **changes}
        given = [(name, value) for name, value in values.items() if value]
        return f"{self.page}?{urlencode([*given, *(('columns', name) for name in self.columns)])}"

    def sorted_by(self, field: str) -> str:
        """Return the address of the list sorted by a field; sorted by it already, backwards."""
        return self.address(sort=f"-{field}" if self.sort == field else field)

    def arrow(self, field: str) -> str:
        """Return the sign of the direction where the list is sorted by a field."""
        return {field: "↑", f"-{field}": "↓"}.get(self.sort, "")


@dataclass(frozen=True)
class NamedView:
    """A view of the list: what it is called, how many rows it has, its address."""

    words: str
    count: int
    address: str
    is_shown: bool


@dataclass(frozen=True)
class ServersPage:
    """One page of source servers.

    ``every_seconds``: how often the page asks again. ``missing``: why drills may be missing; empty: none are.
    """

    servers: list[SourceServer]
    accounts: list[Account]
    views: list[NamedView]
    total: int
    next: str | None
    is_first: bool
    every_seconds: int
    missing: str = ""


def views_of(rows: Iterable[InventoryRow], listing: Listing, shown: str) -> list[NamedView]:
    """Return the views of the inventory."""
    everything = list(rows)
    return [
        NamedView(
            WORDS[name], sum(belongs(row) for row in everything), listing.address(view=name), is_shown=name == shown
        )
        for name, belongs in VIEWS.items()
    ]
