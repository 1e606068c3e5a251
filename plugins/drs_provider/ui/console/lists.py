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
}
"""What the views are called."""


@dataclass(frozen=True)
class Listing:
    """A list as it was asked for: the page's name, its filters, and the field that it is sorted by."""

    page: str
    filters: Mapping[str, str]
    sort: str

    def address(self, **changes: str) -> str:
        """Return the address of the list with other filters, another order or another page."""
        values = {**self.filters, "sort": self.sort, **changes}
        return f"{self.page}?{urlencode({name: value for name, value in values.items() if value})}"

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
    """One page of source servers."""

    servers: list[SourceServer]
    accounts: list[Account]
    views: list[NamedView]
    total: int
    next: str | None
    is_first: bool


def views_of(rows: Iterable[InventoryRow], listing: Listing, shown: str) -> list[NamedView]:
    """Return the views of the inventory."""
    everything = list(rows)
    return [
        NamedView(
            WORDS[name], sum(belongs(row) for row in everything), listing.address(view=name), is_shown=name == shown
        )
        for name, belongs in VIEWS.items()
    ]
