"""Everything that the API is built from."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends

from drs_provider.api.access import ConsoleAccess
from drs_provider.api.problems import RequestRefused
from drs_provider.plan.loader import Library, holds_plans
from drs_provider.rules.inventory.past_launches import PastLaunches
from drs_provider.rules.inventory.views import NOTHING_KNOWN
from drs_provider.rules.run.roster import Target
from drs_provider.services.groups.branches import GitBranches, is_branch_prefix
from drs_provider.services.groups.catalog import GroupCatalog, catalog_of, read_catalog
from drs_provider.services.groups.reader import GroupReader
from drs_provider.services.groups.save import AuditRecord, DocumentEditor, DocumentKind
from drs_provider.services.groups.survey import InventorySurvey, survey, targets_of_inventory
from drs_provider.services.inventory.cache import Inventory

if TYPE_CHECKING:
    from drs_provider.hooks.console import ConsoleHook


@dataclass(frozen=True)
class ApiSources:
    """What the server gives to the API.

    ``drawn_library`` is a FastAPI dependency: it gives what reads the plans from their DAGs, for a server that has no
    plan files. ``more_accounts`` are the accounts and Regions of the settings. ``past_launches`` says what the reports
    of past runs say of servers. ``settings_hook`` makes what asks for launch settings, and for what there is to choose.
    """

    access: ConsoleAccess
    inventory: Inventory
    plans_folder: Callable[[], Path]
    drawn_library: Callable[..., Callable[[Path], Library]]
    more_accounts: Callable[[], tuple[tuple[str, str], ...]]
    may_write: Callable[[], bool]
    now: Callable[[], datetime]
    settings_hook: "Callable[[Target], ConsoleHook]"
    past_launches: Callable[[], PastLaunches] = lambda: NOTHING_KNOWN
    edit_branches: Callable[[], str | None] = lambda: None
    """What branches are called that changes are committed on; None: they are written into the files."""
    latest_survey: list[InventorySurvey] = field(default_factory=list)

    def catalog(self) -> Callable[..., GroupCatalog]:
        """Return the dependency that reads the groups."""

        def read(drawn: Annotated[Callable[[Path], Library], Depends(self.drawn_library)]) -> GroupCatalog:
            folder = self.plans_folder()
            return read_catalog(folder) if holds_plans(folder) else catalog_of(drawn(folder), folder)

        return read

    def editor(self, kind: DocumentKind) -> Callable[..., DocumentEditor]:
        """Return the dependency that changes documents of a kind for the caller."""

        def change(
            record: Annotated[AuditRecord, Depends(self.access.audit)],
            person: Annotated[str, Depends(self.access.person)],
        ) -> DocumentEditor:
            folder = self.plans_folder()
            if not folder.is_dir():
                detail = "the plans folder is not on this server: change the files there"
                raise RequestRefused(HTTPStatus.CONFLICT, detail)
            prefix = self.edit_branches()
            if prefix is not None and not is_branch_prefix(prefix):
                detail = f"DRS_EDIT_PLANS: {prefix!r} is no beginning of branches' names; write branch:drs-console"
                raise RequestRefused(HTTPStatus.CONFLICT, detail)
            branches = GitBranches(folder, prefix, person) if prefix else None
            return DocumentEditor(folder, self.may_write(), record, kind, branches)

        return change

    def reader(self) -> Callable[..., GroupReader]:
        """Return the dependency that knows what of the groups and plans the caller may read."""
        catalog_now: Any = self.catalog()
        readable_dags: Any = self.access.readable_dags

        def read(
            catalog: Annotated[GroupCatalog, Depends(catalog_now)],
            readable: Annotated[Collection[str], Depends(readable_dags)],
        ) -> GroupReader:
            return GroupReader(catalog, readable)

        return read

    def look(self, catalog: GroupCatalog) -> InventorySurvey:
        """Look at the inventory; where neither it nor the groups have changed, nothing is compared again."""
        states = self.inventory.look(targets_of_inventory(catalog, self.more_accounts()))
        past = self.past_launches()
        last = self.latest_survey[-1] if self.latest_survey else None
        if last is not None and last.catalog is catalog and last.is_of(states, past):
            return replace(last, states=states)
        found = survey(states, catalog, past)
        self.latest_survey[:] = [found]
        return found

    def survey(self) -> Callable[..., InventorySurvey]:
        """Return the dependency that looks at the inventory."""
        catalog_now: Any = self.catalog()

        def look(catalog: Annotated[GroupCatalog, Depends(catalog_now)]) -> InventorySurvey:
            return self.look(catalog)

        return look
