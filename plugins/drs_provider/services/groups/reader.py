"""What of the servers, groups and plans somebody may read: names of the others are in no answer."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from drs_provider.rules.inventory.views import InventoryRow, narrowed_row
from drs_provider.services.groups.catalog import GroupCatalog
from drs_provider.services.groups.plan_rights import plan_steps
from drs_provider.services.groups.survey import InventorySurvey, has_dag, is_visible

HIDDEN: Final = "concerns a group or a plan that you may not read"

IN_OTHER_GROUP: Final = " is in group "
"""Stands in a problem between the server that it is about and the groups that have it."""


@dataclass(frozen=True)
class GroupReader:
    """Somebody with the DAGs that they may read."""

    catalog: GroupCatalog
    readable: Collection[str]

    @cached_property
    def visible(self) -> frozenset[str]:
        """The names of the groups that they may see."""
        return frozenset(name for name in self.catalog.groups if is_visible(name, self.catalog, self.readable))

    def plans_of(self, group: str) -> list[str]:
        """Return the plans that use a group, those that they may read."""
        return [plan for plan in self.catalog.plans.get(group, ()) if has_dag(plan, self.readable)]

    def rows(self, now: InventorySurvey) -> list[InventoryRow]:
        """Return the servers of the inventory without those of groups that they may not see.

        What is said of a server comes from the groups and plans alone that they may read.
        """
        if self._hidden is None:
            return list(now.rows)
        seen = now.membership.seen_by(self.visible, lambda plan: has_dag(plan, self.readable))
        return [
            narrowed_row(row, seen) for row in now.rows if not row.groups or not self.visible.isdisjoint(row.groups)
        ]

    def told(self, text: str) -> str:
        """Return a sentence, or what is left of it where it names something that they may not read."""
        server, conflict, others = text.partition(IN_OTHER_GROUP)
        if self._hidden is None or not self._hidden.search(others if conflict else text):
            return text
        if not conflict:
            return HIDDEN
        server_id = server.rpartition("(")[2].rstrip(")")
        return f"{server_id} is in a group that you may not read: a server belongs to one group"

    def hides(self, file: Path) -> bool:
        """Whether a file holds groups and plans, and none of them that they may read."""
        return file in self._unread_files and file not in self._read_files

    @property
    def hides_document(self) -> Callable[[str, str], bool] | None:
        """Whether a group or plan, by kind and name, is one that they may not read; None: they may read all.

        A plan that one of theirs runs as a step is no secret: they read its name there.
        """
        if self._hidden is None:
            return None

        def hides(kind: str, name: str) -> bool:
            if kind == "ProtectionGroup":
                return name not in self.visible
            return not has_dag(name, self.readable) and name not in self._steps

        return hides

    @cached_property
    def _steps(self) -> frozenset[str]:
        written = self.catalog.written_plans.items()
        own = [plan.definition for name, plan in written if has_dag(name, self.readable)]
        return frozenset(step for definition in own for step in plan_steps(definition))

    @cached_property
    def _read_files(self) -> frozenset[Path]:
        return self._files(is_read=True)

    @cached_property
    def _unread_files(self) -> frozenset[Path]:
        return self._files(is_read=False)

    def _files(self, *, is_read: bool) -> frozenset[Path]:
        catalog, library = self.catalog, self.catalog.library
        plans = [*library.plans.items(), *library.contested.items()]
        written = [(name, runnable.path) for name, runnable in plans]
        written += [(name, path) for name, paths in library.broken_plans.items() for path in paths]
        groups = (group for name, group in catalog.groups.items() if group.file and (name in self.visible) is is_read)
        return frozenset(
            [
                *(path for name, path in written if has_dag(name, self.readable) is is_read),
                *(catalog.folder / group.file for group in groups),
            ]
        )

    @cached_property
    def _hidden(self) -> re.Pattern[str] | None:
        """What finds the names of groups and plans that they may not read; None: they may read all."""
        plans = {plan for used in self.catalog.plans.values() for plan in used}
        plans |= {plan.name for plan in self.catalog.recovery_plans} | set(self.catalog.library.broken_plans)
        names = {plan for plan in plans if not has_dag(plan, self.readable)}
        names |= self.catalog.groups.keys() - self.visible
        if not names:
            return None
        words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        return re.compile(rf"(?<![A-Za-z0-9-])(?:{words})(?![A-Za-z0-9-])")
