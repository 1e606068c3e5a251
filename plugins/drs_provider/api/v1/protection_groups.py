"""``/protection-groups``: read, preview, create, change and delete."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field, JsonValue

from drs_provider.api.etags import IfMatch
from drs_provider.api.origin import refuse_other_origins
from drs_provider.api.pages import After, Limit, Search, Sort, SortKey, take_page
from drs_provider.api.path_parts import GroupName
from drs_provider.api.problems import RequestRefused, more_responses
from drs_provider.api.sources import ApiSources
from drs_provider.api.v1.group_checks import GroupChecks, ensure_editable
from drs_provider.api.v1.saved_changes import OF_A_CHANGE, DocumentChange, DryRun, changed, etag_of, read_as, yaml_able
from drs_provider.api.v1.source_servers import SourceServer, server_of
from drs_provider.plan.problems import Problem
from drs_provider.services.groups.catalog import GroupCatalog, WrittenGroup
from drs_provider.services.groups.reader import GroupReader
from drs_provider.services.groups.resolve import resolve
from drs_provider.services.groups.save import GROUPS, DocumentEditor
from drs_provider.services.groups.survey import InventorySurvey, is_editable

GroupDefinition = Annotated[
    dict[str, JsonValue],
    Field(description="A protection group as its YAML has it: kind, name and everything that is to be said."),
]


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


class GroupChange(DocumentChange):
    """How a change of a group went."""

    warnings: list[str] = Field(description="What it could not be compared with: accounts that have not answered.")


FIELDS: Final[Mapping[str, Callable[[WrittenGroup], SortKey | None]]] = {
    "name": lambda group: group.name,
    "file": lambda group: f"{group.file}:{group.line:08d}",
}
"""What groups can be sorted by."""


def protection_groups_router(sources: ApiSources) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["protection groups"], dependencies=[Depends(sources.access.may_read)])
    _add_reads(router, sources)
    _add_changes(router, sources)
    return router


def _add_reads(router: APIRouter, sources: ApiSources) -> None:
    look: Any = sources.survey()
    catalog_now: Any = sources.catalog()
    reader_now: Any = sources.reader()
    editable_dags: Any = sources.access.editable_dags

    @router.get("/protection-groups")
    def protection_groups(  # noqa: PLR0917  (the filters of its address)
        catalog: Annotated[GroupCatalog, Depends(catalog_now)],
        now: Annotated[InventorySurvey, Depends(look)],
        reader: Annotated[GroupReader, Depends(reader_now)],
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
            if name in reader.visible
            and (not plan or plan in reader.plans_of(name))
            and (not needle or needle in f"{name}\n{group.definition.get('description', '')}\n{group.file}".lower())
        ]
        page = take_page(found, key=lambda group: group.name, fields=FIELDS, sort=sort, limit=limit, after=after)
        members = members_by_group(now)
        return ProtectionGroupList(
            groups=[group_view(group, reader, members, editable) for group in page.rows],
            next=page.next,
            total=page.total,
        )

    editors = [Depends(refuse_other_origins), Depends(sources.access.may_edit_groups)]

    @router.post("/protection-groups/resolve", dependencies=editors, responses=more_responses(415))
    def resolve_group(
        definition: GroupDefinition,
        reader: Annotated[GroupReader, Depends(reader_now)],
        now: Annotated[InventorySurvey, Depends(look)],
    ) -> ResolvedView:
        """Preview a definition: the servers that it has now, and the conflicts with other groups. Saves nothing."""
        found = resolve(yaml_able(definition), reader.catalog, now)
        rows = {row.server.server_id: row for row in reader.rows(now)}
        return ResolvedView(
            servers=[server_of(rows[server]) for server in found.servers if server in rows],
            unknown=list(found.unknown),
            conflicts=list(dict.fromkeys(map(reader.told, found.conflicts))),
            problems=[f"{problem.where}: {problem.what}{_hint(problem)}" for problem in found.problems],
            account=found.account,
        )

    @router.get("/protection-groups/{name}", responses=more_responses(404))
    def protection_group(
        name: GroupName,
        now: Annotated[InventorySurvey, Depends(look)],
        reader: Annotated[GroupReader, Depends(reader_now)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
        response: Response,
    ) -> ProtectionGroupView:
        """Read a group. Its `ETag` is what a change of it names in `If-Match`."""
        group = _visible(name, reader)
        if group.digest:
            response.headers["ETag"] = etag_of(group.digest)
        return group_view(group, reader, members_by_group(now), editable)


def _add_changes(router: APIRouter, sources: ApiSources) -> None:
    look: Any = sources.survey()
    reader_now: Any = sources.reader()
    editable_dags: Any = sources.access.editable_dags
    editor: Any = sources.editor(GROUPS)
    guard = [Depends(refuse_other_origins), Depends(sources.access.may_edit_groups)]

    def to_change(
        name: GroupName,
        reader: Annotated[GroupReader, Depends(reader_now)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
    ) -> WrittenGroup:
        group = _visible(name, reader)
        ensure_editable([name], reader.catalog, editable)
        return group

    def checker(
        readable: Annotated[Collection[str], Depends(sources.access.readable_dags)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
        now: Annotated[InventorySurvey, Depends(look)],
    ) -> GroupChecks:
        return GroupChecks(readable, editable, now)

    @router.post("/protection-groups", status_code=201, dependencies=guard, responses=more_responses(409, 415))
    def create_group(
        new: NewGroup,
        checks: Annotated[GroupChecks, Depends(checker)],
        groups: Annotated[DocumentEditor, Depends(editor)],
        response: Response,
        dry_run: DryRun = False,
    ) -> GroupChange:
        """Create a group in its file. Where the folder is read-only the answer is 200 with the change as a patch."""
        definition = yaml_able(new.definition)
        check = partial(checks.ensure_created, definition, new.file)
        change = partial(groups.create, definition, new.file, check=check, dry_run=dry_run)
        saved = checks.changed(groups.folder, change)
        return changed(saved, response, GroupChange, warnings=list(checks.warnings(definition)))

    @router.put("/protection-groups/{name}", dependencies=guard, responses=more_responses(*OF_A_CHANGE))
    def change_group(  # noqa: PLR0917  (what it looks at)
        group: Annotated[WrittenGroup, Depends(to_change)],
        definition: GroupDefinition,
        checks: Annotated[GroupChecks, Depends(checker)],
        groups: Annotated[DocumentEditor, Depends(editor)],
        response: Response,
        if_match: IfMatch = None,
        dry_run: DryRun = False,
    ) -> GroupChange:
        """Change a group in place: what is not changed keeps its comments, order and anchors."""
        wanted = yaml_able(definition)
        check = partial(checks.ensure_changed, group.name, wanted)
        change = partial(groups.change, group.name, wanted, read=read_as(if_match), check=check, dry_run=dry_run)
        saved = checks.changed(groups.folder, change)
        return changed(saved, response, GroupChange, warnings=list(checks.warnings(wanted)))

    @router.delete("/protection-groups/{name}", dependencies=guard, responses=more_responses(*OF_A_CHANGE))
    def delete_group(  # noqa: PLR0917  (what it looks at)
        group: Annotated[WrittenGroup, Depends(to_change)],
        checks: Annotated[GroupChecks, Depends(checker)],
        groups: Annotated[DocumentEditor, Depends(editor)],
        response: Response,
        if_match: IfMatch = None,
        dry_run: DryRun = False,
    ) -> GroupChange:
        """Delete a group that no plan uses."""
        check = partial(ensure_editable, [group.name], editable=checks.editable)
        change = partial(groups.delete, group.name, read=read_as(if_match), check=check, dry_run=dry_run)
        return changed(checks.changed(groups.folder, change), response, GroupChange, warnings=[])


def group_view(
    group: WrittenGroup, reader: GroupReader, members: Mapping[str, Sequence[str]], editable: Collection[str]
) -> ProtectionGroupView:
    """Write a group as the API does, for who may read it."""
    return ProtectionGroupView(
        name=group.name,
        description=str(group.definition.get("description") or ""),
        definition=dict(group.definition),
        file=group.file,
        line=group.line,
        plans=reader.plans_of(group.name),
        servers=list(members.get(group.name, ())),
        problems=[f"{problem.where}: {reader.told(f'{problem.what}{_hint(problem)}')}" for problem in group.problems],
        is_editable=bool(group.file) and is_editable(group.name, reader.catalog, editable),
    )


def members_by_group(now: InventorySurvey) -> dict[str, list[str]]:
    """Return the ids of every group's servers."""
    found: dict[str, list[str]] = {}
    for server, groups in now.membership.groups.items():
        for group in groups:
            found.setdefault(group, []).append(server)
    return found


def _visible(name: str, reader: GroupReader) -> WrittenGroup:
    if name not in reader.visible:
        raise RequestRefused(HTTPStatus.NOT_FOUND, "there is no protection group of this name that you may read")
    return reader.catalog.groups[name]


def _hint(problem: Problem) -> str:
    return f" ({problem.hint})" if problem.hint else ""
