"""What a change of a protection group must meet, and how a refusal is told to who may not read everything."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from drs_provider.api.problems import ProblemDetail, RequestRefused
from drs_provider.plan.problems import Problem
from drs_provider.services.groups.catalog import GroupCatalog, read_catalog
from drs_provider.services.groups.reader import HIDDEN, GroupReader
from drs_provider.services.groups.resolve import new_conflicts, not_compared
from drs_provider.services.groups.save import GROUPS, EditRefusedError, SavedChange
from drs_provider.services.groups.survey import InventorySurvey, has_dag, is_editable

_STATUS: Final = {
    "missing": HTTPStatus.NOT_FOUND,
    "exists": HTTPStatus.CONFLICT,
    "invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "path": HTTPStatus.UNPROCESSABLE_ENTITY,
}


@dataclass(frozen=True)
class GroupChecks:
    """The caller's rights, and the inventory; refusals name nothing that the caller may not read.

    What ensures is asked while nobody else changes the files, with the groups as they are then.
    """

    readable: Collection[str]
    editable: Collection[str]
    now: InventorySurvey

    def ensure_created(self, definition: Mapping[str, JsonValue], file: str | None, catalog: GroupCatalog) -> None:
        """Refuse a new group that takes servers of others, or whose plans or file the caller may not change."""
        name = str(definition.get("name"))
        file = file or GROUPS.file_of(name)
        ensure_editable([name, *catalog.groups_in(file)], catalog, self.editable)
        if not all(has_dag(plan, self.editable) for plan in catalog.plans_in(file)):
            raise RequestRefused(HTTPStatus.FORBIDDEN, "you may not change every plan of that file")
        self._refuse_conflicts(name, definition, catalog)

    def ensure_changed(self, name: str, definition: Mapping[str, JsonValue], catalog: GroupCatalog) -> None:
        """Refuse a change that takes servers of others, or of a group that the caller may not change."""
        ensure_editable([name], catalog, self.editable)
        self._refuse_conflicts(name, definition, catalog)

    def warnings(self, definition: Mapping[str, JsonValue]) -> tuple[str, ...]:
        """Say what a definition could not be compared with."""
        return not_compared(definition, self.now)

    def changed(self, folder: Path, change: Callable[[], SavedChange]) -> SavedChange:
        """Make a change, or say why it is not made."""
        return made_or_refused(folder, self.readable, change)

    def _refuse_conflicts(self, name: str, definition: Mapping[str, JsonValue], catalog: GroupCatalog) -> None:
        told = GroupReader(catalog, self.readable).told
        conflicts = new_conflicts(name, definition, catalog, self.now)
        errors = [ProblemDetail(where="servers", what=said) for said in dict.fromkeys(map(told, conflicts))]
        if errors:
            detail = "servers of it belong to another group; nothing was saved"
            raise RequestRefused(HTTPStatus.CONFLICT, detail, errors)


def made_or_refused(folder: Path, readable: Collection[str], change: Callable[[], SavedChange]) -> SavedChange:
    """Make a change, or say why it is not made, naming nothing that the caller may not read."""
    try:
        return change()
    except EditRefusedError as error:
        reader = GroupReader(read_catalog(folder), readable)
        errors = [problem_detail(problem, folder, reader) for problem in error.problems]
        raise RequestRefused(_STATUS[error.kind], reader.told(_without(folder, error.why)), errors) from error


def ensure_editable(names: Iterable[str], catalog: GroupCatalog, editable: Collection[str]) -> None:
    """Refuse a change of groups that belong to plans which the caller may not change."""
    refused = [name for name in names if not is_editable(name, catalog, editable)]
    if not refused:
        return
    if not any(catalog.plans.get(name) for name in refused):
        detail = (
            "something in the plans folder may be a plan, and nobody can tell which groups it uses: until it is mended "
            "(drs validate says what it is) only who may change every DAG changes a group that is in no plan"
        )
    else:
        detail = "you may not change every plan that uses the group, or another group of its file"
    raise RequestRefused(HTTPStatus.FORBIDDEN, detail)


def problem_detail(problem: Problem, folder: Path, reader: GroupReader | None) -> ProblemDetail:
    """Tell a problem of a plan file to who may read some of it; ``reader`` None: nothing in it is to be hidden."""
    where = f"{_short(problem, folder)}: {problem.where}"
    what, hint = _without(folder, problem.what), _without(folder, problem.hint)
    if reader is None:
        return ProblemDetail(where=where, what=what, hint=hint)
    told = reader.told
    if reader.hides(problem.path) or told(where) != where:
        return ProblemDetail(what=HIDDEN)
    return ProblemDetail(where=where, what=told(what), hint=hint if told(hint) == hint else "")


def _short(problem: Problem, folder: Path) -> str:
    file = problem.path.relative_to(folder) if problem.path.is_relative_to(folder) else problem.path.name
    return f"{file}:{problem.line}:{problem.column}"


def _without(folder: Path, text: str) -> str:
    """Leave out where on the server the plans folder is."""
    return text.replace(f"{folder}/", "")
