"""``/recovery-plans``: preview, create, change and delete. How plans are read and run is told elsewhere."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field, JsonValue

from drs_provider.api.etags import IfMatch
from drs_provider.api.origin import refuse_other_origins
from drs_provider.api.path_parts import PlanName
from drs_provider.api.problems import ProblemDetail, RequestRefused, more_responses
from drs_provider.api.sources import ApiSources
from drs_provider.api.turns import Turns
from drs_provider.api.v1.group_checks import made_or_refused, problem_detail
from drs_provider.api.v1.protection_groups import members_by_group
from drs_provider.api.v1.saved_changes import OF_A_CHANGE, DocumentChange, DryRun, changed, etag_of, read_as, yaml_able
from drs_provider.rules.outlook.plan_outlook import PlanOutlook
from drs_provider.services.groups.catalog import GroupCatalog, WrittenPlan
from drs_provider.services.groups.plan_rights import refusals
from drs_provider.services.groups.preview import preview_plan
from drs_provider.services.groups.reader import GroupReader
from drs_provider.services.groups.save import PLANS, DocumentEditor
from drs_provider.services.groups.survey import InventorySurvey, has_dag, is_editable

PlanDefinition = Annotated[
    dict[str, JsonValue],
    Field(description="A recovery plan as its YAML has it: kind, name, waves and everything that is to be said."),
]

PREVIEWS: Final = 2
"""Plans that are looked at before they are saved, at the same time: each reads the whole plans folder."""


class PlanDocument(BaseModel):
    """A plan as its file has it."""

    name: str
    definition: dict[str, JsonValue]
    file: str = Field(description="Relative to the plans folder.")
    line: int
    problems: list[ProblemDetail] = Field(description="With file, line and column.")
    is_editable: bool


class NewPlan(BaseModel):
    """A plan to create, or to look at."""

    definition: PlanDefinition
    file: str | None = Field(default=None, max_length=300, description="Below the plans folder; left out, `NAME.yaml`.")


class PlanChange(DocumentChange):
    """How a change of a plan went."""


class QuotaShareView(BaseModel):
    """The most that runs at one moment in an account and Region, and AWS's own quotas."""

    connection: str
    region: str
    servers: int
    servers_quota: int
    jobs: int
    jobs_quota: int


class ModeOutlookView(BaseModel):
    """A plan launched in one way."""

    launch: str = Field(description="`in_waves` or `ahead`.")
    is_chosen: bool = Field(description="The plan says so.")
    seconds: float = Field(description="To the end of the last wave; steps and people are not counted.")
    is_within_rto: bool | None
    critical_path: list[str]
    ends: dict[str, float] = Field(description="When each wave is ready, in seconds since the first began.")
    quotas: list[QuotaShareView]


class PlanOutlookView(BaseModel):
    """What can be said of a plan before it runs."""

    rows: list[list[str]] = Field(description="The waves by how far from the start they stand.")
    depends_on: dict[str, list[str]]
    servers: dict[str, int] = Field(description="Servers of each wave now, as far as they are known.")
    modes: list[ModeOutlookView]


class PlanPreviewView(BaseModel):
    """A plan as it would be."""

    file: str
    patch: str
    problems: list[ProblemDetail] = Field(description="With file, line and column as they would be.")
    outlook: PlanOutlookView | None = Field(description="Null: something is wrong with the plan.")


def plan_changes_router(sources: ApiSources) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["recovery plans"], dependencies=[Depends(sources.access.may_read)])
    _add_looks(router, sources)
    _add_changes(router, sources)
    return router


def _add_looks(router: APIRouter, sources: ApiSources) -> None:
    look: Any = sources.survey()
    reader_now: Any = sources.reader()
    editable_dags: Any = sources.access.editable_dags

    @router.get("/recovery-plans/{name}/definition", responses=more_responses(404))
    def plan_definition(
        name: PlanName,
        reader: Annotated[GroupReader, Depends(reader_now)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
        response: Response,
    ) -> PlanDocument:
        """Read a plan as its file has it. Its `ETag` is what a change of it names in `If-Match`."""
        plan = readable_plan(name, reader)
        response.headers["ETag"] = etag_of(plan.digest)
        return PlanDocument(
            name=plan.name,
            definition=dict(plan.definition),
            file=plan.file,
            line=plan.line,
            problems=[problem_detail(problem, reader.catalog.folder, reader) for problem in plan.problems],
            is_editable=has_dag(name, editable),
        )

    guard = [Depends(refuse_other_origins), Depends(sources.access.may_edit_groups)]
    turns = Turns(PREVIEWS, "plans are being looked at")

    @router.post("/recovery-plans/preview", dependencies=guard, responses=more_responses(403, 409, 415, 503))
    def preview_recovery_plan(
        new: NewPlan,
        reader: Annotated[GroupReader, Depends(reader_now)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
        now: Annotated[InventorySurvey, Depends(look)],
    ) -> PlanPreviewView:
        """Look at a plan before it is saved: problems, predicted time, use of quotas, the change. Saves nothing."""
        definition, folder = yaml_able(new.definition), sources.plans_folder()
        if not folder.is_dir():
            raise RequestRefused(HTTPStatus.CONFLICT, "the plans folder is not on this server: change the files there")
        name = str(definition.get("name"))
        written = reader.catalog.written_plans.get(name)
        refuse_beyond_rights(name, written, definition, reader.catalog, editable)
        if written is None:
            _refuse_file(new.file or PLANS.file_of(name), reader.catalog, editable)
        counts = {group: len(members) for group, members in members_by_group(now).items() if group in reader.visible}
        with turns.taken():
            found = preview_plan(folder, definition, new.file, counts)
        problems = [problem_detail(problem, folder, reader) for problem in found.problems]
        if found.why_not:
            problems.insert(0, ProblemDetail(where=found.file, what=reader.told(found.why_not)))
        return PlanPreviewView(
            file=found.file, patch=found.diff, problems=problems, outlook=found.outlook and outlook_view(found.outlook)
        )


def _add_changes(router: APIRouter, sources: ApiSources) -> None:
    reader_now: Any = sources.reader()
    editor: Any = sources.editor(PLANS)
    editable_dags: Any = sources.access.editable_dags
    guard = [Depends(refuse_other_origins), Depends(sources.access.may_edit_groups)]

    def to_change(name: PlanName, reader: Annotated[GroupReader, Depends(reader_now)]) -> WrittenPlan:
        return readable_plan(name, reader)

    @router.post(
        "/recovery-plans", dependencies=guard, status_code=HTTPStatus.CREATED, responses=more_responses(409, 415)
    )
    def create_plan(  # noqa: PLR0917  (what it looks at)
        new: NewPlan,
        reader: Annotated[GroupReader, Depends(reader_now)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
        plans: Annotated[DocumentEditor, Depends(editor)],
        response: Response,
        dry_run: DryRun = False,
    ) -> PlanChange:
        """Create a plan, in a file of its own or at the end of another one."""
        wanted = yaml_able(new.definition)
        name = str(wanted.get("name"))

        def check(catalog: GroupCatalog) -> None:
            refuse_beyond_rights(name, None, wanted, catalog, editable)
            _refuse_file(new.file or PLANS.file_of(name), catalog, editable)

        change = partial(plans.create, wanted, new.file, check=check, dry_run=dry_run)
        return changed(made_or_refused(plans.folder, reader.readable, change), response, PlanChange)

    @router.put("/recovery-plans/{name}", dependencies=guard, responses=more_responses(*OF_A_CHANGE))
    def change_plan(  # noqa: PLR0917  (what it looks at)
        plan: Annotated[WrittenPlan, Depends(to_change)],
        definition: PlanDefinition,
        reader: Annotated[GroupReader, Depends(reader_now)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
        plans: Annotated[DocumentEditor, Depends(editor)],
        response: Response,
        if_match: IfMatch = None,
        dry_run: DryRun = False,
    ) -> PlanChange:
        """Change a plan in place: what is not changed keeps its comments, order and anchors."""
        wanted = yaml_able(definition)
        check = _check(plan.name, wanted, editable)
        change = partial(plans.change, plan.name, wanted, read=read_as(if_match), check=check, dry_run=dry_run)
        return changed(made_or_refused(plans.folder, reader.readable, change), response, PlanChange)

    @router.patch("/recovery-plans/{name}", dependencies=guard, responses=more_responses(*OF_A_CHANGE))
    def patch_plan(  # noqa: PLR0917  (what it looks at)
        plan: Annotated[WrittenPlan, Depends(to_change)],
        patch: PlanDefinition,
        reader: Annotated[GroupReader, Depends(reader_now)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
        plans: Annotated[DocumentEditor, Depends(editor)],
        response: Response,
        if_match: IfMatch = None,
        dry_run: DryRun = False,
    ) -> PlanChange:
        """Change some keys of a plan (RFC 7396): null removes a key, lists are replaced as a whole."""

        def patched(definition: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
            return yaml_able(merged(definition, patch))

        def check(catalog: GroupCatalog) -> None:
            before = catalog.written_plans[plan.name]
            refuse_beyond_rights(plan.name, before, patched(before.definition), catalog, editable)

        change = partial(plans.change, plan.name, patched, read=read_as(if_match), check=check, dry_run=dry_run)
        return changed(made_or_refused(plans.folder, reader.readable, change), response, PlanChange)

    @router.delete("/recovery-plans/{name}", dependencies=guard, responses=more_responses(*OF_A_CHANGE))
    def delete_plan(  # noqa: PLR0917  (what it looks at)
        plan: Annotated[WrittenPlan, Depends(to_change)],
        reader: Annotated[GroupReader, Depends(reader_now)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
        plans: Annotated[DocumentEditor, Depends(editor)],
        response: Response,
        if_match: IfMatch = None,
        dry_run: DryRun = False,
    ) -> PlanChange:
        """Delete a plan that no other plan runs as a step. Its runs and reports stay."""
        check = _check(plan.name, None, editable)
        change = partial(plans.delete, plan.name, read=read_as(if_match), check=check, dry_run=dry_run)
        return changed(made_or_refused(plans.folder, reader.readable, change), response, PlanChange)


def readable_plan(name: str, reader: GroupReader) -> WrittenPlan:
    """Return a plan as it is written.

    :raises RequestRefused: 404, there is none that the caller may read
    """
    plan = reader.catalog.written_plans.get(name)
    if plan is None or not has_dag(name, reader.readable):
        raise RequestRefused(
            HTTPStatus.NOT_FOUND, "there is no plan of this name in the plans folder that you may read"
        )
    return plan


def merged(definition: Mapping[str, JsonValue], patch: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Lay a merge patch (RFC 7396) over a definition."""
    found = dict(definition)
    for key, value in patch.items():
        old = found.get(key)
        if value is None:
            found.pop(key, None)
        elif isinstance(value, dict):
            found[key] = merged(old if isinstance(old, dict) else {}, value)
        else:
            found[key] = value
    return found


def outlook_view(outlook: PlanOutlook) -> PlanOutlookView:
    """Write what can be said of a plan as the API does."""
    return PlanOutlookView(
        rows=[list(row) for row in outlook.rows],
        depends_on={name: list(above) for name, above in outlook.depends_on.items()},
        servers=dict(outlook.servers),
        modes=[
            ModeOutlookView(
                launch=mode.launch,
                is_chosen=mode.is_chosen,
                seconds=mode.total.total_seconds(),
                is_within_rto=mode.is_within_rto,
                critical_path=list(mode.critical_path),
                ends={name: end.total_seconds() for name, end in mode.ends.items()},
                quotas=[
                    QuotaShareView(
                        connection=share.aws_conn_id,
                        region=share.region,
                        servers=share.servers,
                        servers_quota=share.servers_quota,
                        jobs=share.jobs,
                        jobs_quota=share.jobs_quota,
                    )
                    for share in mode.quotas
                ],
            )
            for mode in outlook.modes
        ],
    )


def refuse_beyond_rights(
    name: str,
    before: WrittenPlan | None,
    after: Mapping[str, JsonValue] | None,
    catalog: GroupCatalog,
    editable: Collection[str],
) -> None:
    """Refuse a change that the caller has no right to.

    :raises RequestRefused: 403
    """
    found = refusals(name, before.definition if before else None, after, catalog, editable)
    if found:
        raise RequestRefused(HTTPStatus.FORBIDDEN, "; ".join(found))


def _check(
    name: str, wanted: Mapping[str, JsonValue] | None, editable: Collection[str]
) -> Callable[[GroupCatalog], None]:
    def check(catalog: GroupCatalog) -> None:
        refuse_beyond_rights(name, catalog.written_plans.get(name), wanted, catalog, editable)

    return check


def _refuse_file(file: str, catalog: GroupCatalog, editable: Collection[str]) -> None:
    groups = all(is_editable(group, catalog, editable) for group in catalog.groups_in(file))
    if not groups or not all(has_dag(plan, editable) for plan in catalog.plans_in(file)):
        raise RequestRefused(HTTPStatus.FORBIDDEN, "you may not change every plan and group of that file")
