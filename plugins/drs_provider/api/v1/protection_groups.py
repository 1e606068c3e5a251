"""``/protection-groups``: read, preview, create, change and delete."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field, JsonValue

from drs_provider.api.etags import IfMatch, ensure_unchanged
from drs_provider.api.origin import refuse_other_origins
from drs_provider.api.pages import After, Limit, Search, Sort, SortKey, take_page
from drs_provider.api.problems import ProblemDetail, RequestRefused, more_responses
from drs_provider.api.sources import ApiSources
from drs_provider.api.v1.source_servers import SourceServer, server_of
from drs_provider.plan.edit.files import is_writable
from drs_provider.plan.problems import Problem
from drs_provider.services.groups.catalog import GroupCatalog, WrittenGroup
from drs_provider.services.groups.resolve import new_conflicts, resolve
from drs_provider.services.groups.save import AuditRecord, GroupEditor, GroupRefusedError, SavedChange
from drs_provider.services.groups.survey import InventorySurvey, is_editable, is_visible

GroupName = Annotated[str, Field(max_length=100)]

GroupDefinition = Annotated[
    dict[str, JsonValue],
    Field(description="A protection group as its YAML has it: kind, name and everything that is to be said."),
]

_STATUS: Final = {
    "missing": HTTPStatus.NOT_FOUND,
    "exists": HTTPStatus.CONFLICT,
    "invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "path": HTTPStatus.UNPROCESSABLE_ENTITY,
}


class ProtectionGroupView(BaseModel):
    """A protection group, and where it is written."""

    name: str
    description: str
    definition: dict[str, JsonValue]
    file: str = Field(description="Relative to the plans folder; empty: the files are not on this server.")
    line: int
    plans: list[str]
    servers: list[str] = Field(description="The ids of its servers now, the named ones first.")
    problems: list[str]
    is_editable: bool


class ProtectionGroupList(BaseModel):
    """One page of protection groups."""

    groups: list[ProtectionGroupView]
    next: str | None
    total: int


class ResolvedView(BaseModel):
    """What a definition means now."""

    servers: list[SourceServer]
    unknown: list[str] = Field(description="Servers that it names and DRS does not list.")
    conflicts: list[str] = Field(description="Servers that belong to another group, with its file and line.")
    problems: list[str]
    account: str = Field(description="Why its account and Region have not answered; empty: they have.")


class NewGroup(BaseModel):
    """A group to create."""

    definition: GroupDefinition
    file: str | None = Field(
        default=None, max_length=300, description="Below the plans folder; left out, `groups/NAME.yaml`."
    )


class GroupChange(BaseModel):
    """How a change went."""

    is_saved: bool
    file: str
    patch: str = Field(description="The change as a unified diff, to apply where the files come from.")
    why_not: str = Field(description="Why it has not been saved; empty: it has, or was not to be.")


FIELDS: Final[Mapping[str, Callable[[WrittenGroup], SortKey | None]]] = {
    "name": lambda group: group.name,
    "file": lambda group: f"{group.file}:{group.line:08d}",
}
"""What groups can be sorted by."""

DryRun = Annotated[bool, Query(description="Check it and give the patch; save nothing.")]


def protection_groups_router(sources: ApiSources) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["protection groups"], dependencies=[Depends(sources.access.may_read)])
    _add_reads(router, sources)
    _add_changes(router, sources)
    return router


def _add_reads(router: APIRouter, sources: ApiSources) -> None:
    look: Any = sources.survey()
    catalog_now: Any = sources.catalog()
    readable_dags: Any = sources.access.readable_dags
    editable_dags: Any = sources.access.editable_dags

    @router.get("/protection-groups")
    def protection_groups(  # noqa: PLR0917  (the filters of its address)
        catalog: Annotated[GroupCatalog, Depends(catalog_now)],
        now: Annotated[InventorySurvey, Depends(look)],
        readable: Annotated[Collection[str], Depends(readable_dags)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
        q: Search = "",
        plan: Annotated[str, Query(max_length=100)] = "",
        sort: Sort = "name",
        limit: Limit = 100,
        after: After = None,
    ) -> ProtectionGroupList:
        """List protection groups, with the servers that each has now."""
        needle = q.strip().lower()
        found = [
            group
            for name, group in catalog.groups.items()
            if is_visible(name, catalog, readable)
            and (not plan or plan in catalog.plans.get(name, ()))
            and (not needle or needle in f"{name}\n{group.definition.get('description', '')}\n{group.file}".lower())
        ]
        page = take_page(found, key=lambda group: group.name, fields=FIELDS, sort=sort, limit=limit, after=after)
        members = members_by_group(now)
        return ProtectionGroupList(
            groups=[group_view(group, catalog, members, editable) for group in page.rows],
            next=page.next,
            total=page.total,
        )

    editors = [Depends(refuse_other_origins), Depends(sources.access.may_edit_groups)]

    @router.post("/protection-groups/resolve", dependencies=editors, responses=more_responses(415))
    def resolve_group(
        definition: GroupDefinition,
        catalog: Annotated[GroupCatalog, Depends(catalog_now)],
        now: Annotated[InventorySurvey, Depends(look)],
    ) -> ResolvedView:
        """Preview a definition: the servers that it has now, and the conflicts with other groups. Saves nothing."""
        found = resolve(_yaml_able(definition), catalog, now)
        rows = {row.server.server_id: row for row in now.rows}
        return ResolvedView(
            servers=[server_of(rows[server]) for server in found.servers if server in rows],
            unknown=list(found.unknown),
            conflicts=list(found.conflicts),
            problems=[f"{problem.where}: {problem.what}{_hint(problem)}" for problem in found.problems],
            account=found.account,
        )

    @router.get("/protection-groups/{name}", responses=more_responses(404))
    def protection_group(  # noqa: PLR0917  (what it looks at)
        name: GroupName,
        catalog: Annotated[GroupCatalog, Depends(catalog_now)],
        now: Annotated[InventorySurvey, Depends(look)],
        readable: Annotated[Collection[str], Depends(readable_dags)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
        response: Response,
    ) -> ProtectionGroupView:
        """Read a group. Its `ETag` is what a change of it names in `If-Match`."""
        group = _visible(name, catalog, readable)
        if group.digest:
            response.headers["ETag"] = _etag(group.digest)
        return group_view(group, catalog, members_by_group(now), editable)


def _add_changes(router: APIRouter, sources: ApiSources) -> None:
    look: Any = sources.survey()
    catalog_now: Any = sources.catalog()
    readable_dags: Any = sources.access.readable_dags
    editable_dags: Any = sources.access.editable_dags
    audit: Any = sources.access.audit
    guard = [Depends(refuse_other_origins), Depends(sources.access.may_edit_groups)]

    def editor(record: Annotated[AuditRecord, Depends(audit)]) -> GroupEditor:
        folder = sources.plans_folder()
        if not folder.is_dir():
            raise RequestRefused(HTTPStatus.CONFLICT, "the plans folder is not on this server: change the files there")
        return GroupEditor(folder, sources.may_write(), record)

    def to_change(
        name: GroupName,
        catalog: Annotated[GroupCatalog, Depends(catalog_now)],
        readable: Annotated[Collection[str], Depends(readable_dags)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
    ) -> WrittenGroup:
        group = _visible(name, catalog, readable)
        _ensure_editable([name], catalog, editable)
        return group

    @router.post("/protection-groups", status_code=201, dependencies=guard, responses=more_responses(409, 415))
    def create_group(  # noqa: PLR0917  (what it looks at)
        new: NewGroup,
        catalog: Annotated[GroupCatalog, Depends(catalog_now)],
        now: Annotated[InventorySurvey, Depends(look)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
        groups: Annotated[GroupEditor, Depends(editor)],
        response: Response,
        dry_run: DryRun = False,
    ) -> GroupChange:
        """Create a group in its file. Where the folder is read-only the answer is 200 with the change as a patch."""
        definition = _yaml_able(new.definition)
        _ensure_editable([str(definition.get("name")), *catalog.groups_in(new.file)], catalog, editable)
        _refuse_conflicts(new_conflicts(str(definition.get("name")), definition, catalog, now))
        saved = _changed(groups.folder, lambda: groups.create(definition, new.file, dry_run=dry_run))
        return _answer(saved, response)

    @router.put("/protection-groups/{name}", dependencies=guard, responses=more_responses(404, 409, 412, 415, 428))
    def change_group(  # noqa: PLR0917  (what it looks at)
        group: Annotated[WrittenGroup, Depends(to_change)],
        definition: GroupDefinition,
        catalog: Annotated[GroupCatalog, Depends(catalog_now)],
        now: Annotated[InventorySurvey, Depends(look)],
        groups: Annotated[GroupEditor, Depends(editor)],
        response: Response,
        if_match: IfMatch = None,
        dry_run: DryRun = False,
    ) -> GroupChange:
        """Change a group in place: what is not changed keeps its comments, order and anchors."""
        wanted = _yaml_able(definition)
        read = _reader(if_match)
        read(group.digest)
        if wanted.get("name") == group.name:  # else it is refused for that
            _refuse_conflicts(new_conflicts(group.name, wanted, catalog, now))
        saved = _changed(groups.folder, lambda: groups.change(group.name, wanted, read=read, dry_run=dry_run))
        return _answer(saved, response)

    @router.delete("/protection-groups/{name}", dependencies=guard, responses=more_responses(404, 409, 412, 428))
    def delete_group(
        group: Annotated[WrittenGroup, Depends(to_change)],
        groups: Annotated[GroupEditor, Depends(editor)],
        response: Response,
        if_match: IfMatch = None,
        dry_run: DryRun = False,
    ) -> GroupChange:
        """Delete a group that no plan uses."""
        read = _reader(if_match)
        saved = _changed(groups.folder, lambda: groups.delete(group.name, read=read, dry_run=dry_run))
        return _answer(saved, response)


def group_view(
    group: WrittenGroup, catalog: GroupCatalog, members: Mapping[str, Sequence[str]], editable: Collection[str]
) -> ProtectionGroupView:
    """Write a group as the API does."""
    return ProtectionGroupView(
        name=group.name,
        description=str(group.definition.get("description") or ""),
        definition=dict(group.definition),
        file=group.file,
        line=group.line,
        plans=list(catalog.plans.get(group.name, ())),
        servers=list(members.get(group.name, ())),
        problems=[f"{problem.where}: {problem.what}{_hint(problem)}" for problem in group.problems],
        is_editable=bool(group.file) and is_editable(group.name, catalog, editable),
    )


def members_by_group(now: InventorySurvey) -> dict[str, list[str]]:
    """Return the ids of every group's servers."""
    found: dict[str, list[str]] = {}
    for server, groups in now.membership.groups.items():
        for group in groups:
            found.setdefault(group, []).append(server)
    return found


def _visible(name: str, catalog: GroupCatalog, readable: Collection[str]) -> WrittenGroup:
    if name not in catalog.groups or not is_visible(name, catalog, readable):
        raise RequestRefused(HTTPStatus.NOT_FOUND, "there is no protection group of this name that you may read")
    return catalog.groups[name]


def _ensure_editable(names: Iterable[str], catalog: GroupCatalog, editable: Collection[str]) -> None:
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


def _etag(digest: str) -> str:
    return f'"{digest}"'


def _reader(if_match: str | None) -> Callable[[str], None]:
    return lambda digest: ensure_unchanged(if_match, _etag(digest))


def _yaml_able(definition: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    if not is_writable(definition):
        raise RequestRefused(
            HTTPStatus.UNPROCESSABLE_ENTITY, "the definition holds something that no plan file can: see docs/plans.md"
        )
    return definition


def _refuse_conflicts(conflicts: Iterable[str]) -> None:
    errors = [ProblemDetail(where="servers", what=said) for said in conflicts]
    if errors:
        raise RequestRefused(HTTPStatus.CONFLICT, "servers of it belong to another group; nothing was saved", errors)


def _changed(folder: Path, change: Callable[[], SavedChange]) -> SavedChange:
    try:
        return change()
    except GroupRefusedError as error:
        errors = [
            ProblemDetail(
                where=f"{_short(problem, folder)}: {problem.where}",
                what=_without(folder, problem.what),
                hint=_without(folder, problem.hint),
            )
            for problem in error.problems
        ]
        raise RequestRefused(_STATUS[error.kind], _without(folder, error.why), errors) from error


def _short(problem: Problem, folder: Path) -> str:
    file = problem.path.relative_to(folder) if problem.path.is_relative_to(folder) else problem.path.name
    return f"{file}:{problem.line}:{problem.column}"


def _without(folder: Path, text: str) -> str:
    """Leave out where on the server the plans folder is."""
    return text.replace(f"{folder}/", "")


def _hint(problem: Problem) -> str:
    return f" ({problem.hint})" if problem.hint else ""


def _answer(saved: SavedChange, response: Response) -> GroupChange:
    if not saved.is_saved:
        response.status_code = HTTPStatus.OK
    elif saved.group is not None:
        response.headers["ETag"] = _etag(saved.group.digest)
    return GroupChange(is_saved=saved.is_saved, file=saved.file, patch=saved.diff, why_not=saved.why_not)
