"""``/recovery-plans``: list and read the plans, draw them, and say how long one takes."""

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field, JsonValue

from drs_provider.api.history_sources import SeenHistory, seen_by
from drs_provider.api.pages import After, Limit, Search, Sort, SortKey, take_page
from drs_provider.api.path_parts import PlanName
from drs_provider.api.plan_sources import NOTHING_KNOWN, PlanSources, PlanStanding
from drs_provider.api.problems import ProblemDetail, RequestRefused, more_responses
from drs_provider.api.v1.group_checks import problem_detail
from drs_provider.api.v1.saved_changes import etag_of
from drs_provider.plan.loader import Library, RunnablePlan
from drs_provider.plan.snapshot import definitions_of
from drs_provider.rules.history.series import plan_histories
from drs_provider.rules.run.diagram import draw_mermaid, draw_text, graph_of
from drs_provider.rules.run.launch_times.both_ways import both_ways
from drs_provider.rules.run.launch_times.loads import loads_of_plan
from drs_provider.rules.run.shape import compile_shape
from drs_provider.services.groups.plan_rows import all_plans, holds_text, plan_row
from drs_provider.services.groups.reader import GroupReader
from drs_provider.services.groups.survey import has_dag


class PlanLastRun(BaseModel):
    """A run of a plan, or a check."""

    run_id: str
    status: str
    at: datetime | None


class RecoveryPlanView(BaseModel):
    """A recovery plan and how it stands."""

    name: str
    dag_id: str
    title: str
    description: str
    owner: str
    file: str = Field(description="Relative to the plans folder.")
    digest: str = Field(description="The fingerprint of what plan and groups mean.")
    waves: list[str]
    groups: list[str]
    rto_seconds: float | None
    rpo_seconds: float | None
    is_startable: bool = Field(description="False: other files dispute something of it, and no run begins.")
    disputes: list[str]
    is_paused: bool
    is_verified: bool | None = Field(description="Whether a drill has proven it as it is; null: nobody can tell.")
    verified_why: str
    production: str = Field(description="Where production is up that a recovery brought up; empty: nowhere.")
    next_steps: list[str]
    last_run: PlanLastRun | None
    last_check: PlanLastRun | None
    kept_until: datetime | None = Field(description="Until when its newest drill is kept for people.")


class RecoveryPlanDetail(RecoveryPlanView):
    """A recovery plan with what is written."""

    definition: dict[str, JsonValue] = Field(description="As its YAML has it, without what is left to defaults.")
    group_definitions: dict[str, dict[str, JsonValue]]


class RecoveryPlanList(BaseModel):
    """One page of recovery plans, and the files that are broken, for who may read import errors."""

    plans: list[RecoveryPlanView]
    next: str | None
    total: int
    broken: list[ProblemDetail]


class GraphWave(BaseModel):
    """One wave of the graph; times in seconds since the start of the first wave, estimated."""

    name: str
    depends_on: list[str]
    level: int
    groups: list[str]
    duration_seconds: float
    end_seconds: float
    is_critical: bool


class PlanGraph(BaseModel):
    """Which wave waits for which, and the chain that decides how long a run takes."""

    plan: str
    waves: list[GraphWave]
    critical_path: list[str]
    total_seconds: float = Field(description="As the plan launches.")
    in_waves_seconds: float = Field(description="The same with every wave launched in its turn.")


class MeasuredRun(BaseModel):
    """The last drill that went well, and what it took."""

    run_id: str
    at: datetime | None
    rto_seconds: float | None
    rpo_seconds: float | None


class PlanPrediction(BaseModel):
    """How long a run is likely to take: estimated from the plan, without steps and people, beside what was measured."""

    plan: str
    digest: str
    in_waves_seconds: float = Field(description="Every wave launched in its turn.")
    as_planned_seconds: float = Field(description="With waves launched ahead, where the plan launches any.")
    rto_seconds: float | None
    is_within_rto: bool | None = Field(description="Of `as_planned_seconds`; null: the plan sets no RTO.")
    critical_path: list[str]
    measured: MeasuredRun | None = Field(description="Null: no drill has gone well, or none left a report.")


PlanRow = tuple[RunnablePlan, PlanStanding]

FIELDS: Final[Mapping[str, Callable[[PlanRow], SortKey | None]]] = {
    "name": lambda row: row[0].plan.name,
    "title": lambda row: (row[0].plan.title or row[0].plan.name).lower(),
    "owner": lambda row: row[0].plan.owner or None,
    "waves": lambda row: float(len(row[0].plan.waves)),
    "rto_seconds": lambda row: row[0].plan.rto.total_seconds() if row[0].plan.rto else None,
    "rpo_seconds": lambda row: row[0].plan.rpo.total_seconds() if row[0].plan.rpo else None,
    "last_status": lambda row: row[1].last_status,
    "last_run_at": lambda row: row[1].last_run_at.timestamp() if row[1].last_run_at else None,
}
"""What plans can be sorted by."""

_DRAWN: Final = {"text": draw_text, "mermaid": draw_mermaid}

_GRAPH: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "As JSON, as text for a terminal, or as a Mermaid flowchart.",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/PlanGraph"}},
            "text/plain": {"schema": {"type": "string"}},
        },
    },
    **more_responses(404, 409),
}


def recovery_plans_router(sources: PlanSources) -> APIRouter:
    """Return the routes."""
    router = APIRouter(
        prefix="/recovery-plans", tags=["recovery plans"], dependencies=[Depends(sources.api.access.may_read)]
    )
    _add_list(router, sources)
    _add_one(router, sources)
    return router


def plan_named(sources: PlanSources) -> Callable[..., RunnablePlan]:
    """Return the dependency that finds the plan that ``name`` of the path means, if the caller may read it."""
    reader_now: Any = sources.api.reader()
    may_read_problems: Any = sources.may_read_problems

    def find(
        name: PlanName,
        reader: Annotated[GroupReader, Depends(reader_now)],
        with_problems: Annotated[bool, Depends(may_read_problems)],
    ) -> RunnablePlan:
        library = reader.catalog.library
        if not has_dag(name, reader.readable):
            raise RequestRefused(HTTPStatus.NOT_FOUND, "there is no recovery plan of this name that you may read")
        if found := all_plans(library).get(name):
            return found
        if files := library.broken_plans.get(name):
            told = [problem for problem in library.problems if problem.path in files] if with_problems else []
            errors = [problem_detail(problem, reader.catalog.folder, reader) for problem in told]
            raise RequestRefused(HTTPStatus.CONFLICT, f"the files of plan {name} have problems: mend them", errors)
        raise RequestRefused(HTTPStatus.NOT_FOUND, "there is no recovery plan of this name that you may read")

    return find


def _add_list(router: APIRouter, sources: PlanSources) -> None:
    reader_now: Any = sources.api.reader()
    standings_of: Any = sources.standings
    may_read_problems: Any = sources.may_read_problems

    @router.get("")
    def recovery_plans(  # noqa: PLR0917  (the filters of its address)
        reader: Annotated[GroupReader, Depends(reader_now)],
        standings: Annotated[Callable[[Library], Mapping[str, PlanStanding]], Depends(standings_of)],
        with_problems: Annotated[bool, Depends(may_read_problems)],
        q: Search = "",
        group: Annotated[str, Query(max_length=100, description="Plans that use this group.")] = "",
        owner: Annotated[str, Query(max_length=200)] = "",
        last_status: Annotated[str, Query(max_length=40, description="How the last run ended, or stands.")] = "",
        is_verified: Annotated[bool | None, Query(description="Whether a drill has proven the plan.")] = None,
        is_paused: bool | None = None,
        sort: Sort = "title",
        limit: Limit = 100,
        after: After = None,
    ) -> RecoveryPlanList:
        """List the recovery plans that you may read."""
        catalog = reader.catalog
        found = {name: plan for name, plan in all_plans(catalog.library).items() if has_dag(name, reader.readable)}
        stand = standings(catalog.library)
        rows = [
            (runnable, standing)
            for name, runnable in found.items()
            for standing in [stand.get(name, NOTHING_KNOWN)]
            if holds_text(runnable, q)
            and (not group or group in runnable.groups)
            and (not owner or owner == runnable.plan.owner)
            and (not last_status or last_status == standing.last_status)
            and (is_verified is None or standing.is_verified is is_verified)
            and (is_paused is None or standing.is_paused is is_paused)
        ]
        page = take_page(rows, key=lambda row: row[0].plan.name, fields=FIELDS, sort=sort, limit=limit, after=after)
        told = catalog.library.problems if with_problems else ()
        return RecoveryPlanList(
            plans=[RecoveryPlanView(**_fields(*row, reader)) for row in page.rows],
            next=page.next,
            total=page.total,
            broken=[problem_detail(problem, catalog.folder, reader) for problem in told],
        )


def _add_one(router: APIRouter, sources: PlanSources) -> None:
    plan_of: Any = plan_named(sources)
    reader_now: Any = sources.api.reader()
    standings_of: Any = sources.standings
    seen_of: Any = seen_by(sources.history)

    @router.get("/{name}", responses=more_responses(404, 409))
    def recovery_plan(
        runnable: Annotated[RunnablePlan, Depends(plan_of)],
        reader: Annotated[GroupReader, Depends(reader_now)],
        standings: Annotated[Callable[[Library], Mapping[str, PlanStanding]], Depends(standings_of)],
        response: Response,
    ) -> RecoveryPlanDetail:
        """Read a plan: what is written, and how it stands. Its `ETag` is what a change of it names in `If-Match`."""
        if written := reader.catalog.written_plans.get(runnable.plan.name):
            response.headers["ETag"] = etag_of(written.digest)
        standing = standings(reader.catalog.library).get(runnable.plan.name, NOTHING_KNOWN)
        definition, *groups = definitions_of(runnable)
        return RecoveryPlanDetail(
            **_fields(runnable, standing, reader),
            definition=definition,
            group_definitions={str(group["name"]): group for group in groups},
        )

    @router.get("/{name}/graph", response_model=PlanGraph, responses=_GRAPH)
    def plan_graph(
        runnable: Annotated[RunnablePlan, Depends(plan_of)],
        form: Annotated[Literal["json", "text", "mermaid"], Query(alias="format")] = "json",
    ) -> PlanGraph | Response:
        """Draw a plan as ``drs graph`` does: which wave waits for which, and the critical path."""
        shape = compile_shape(runnable)
        return (
            PlanGraph.model_validate(graph_of(shape))
            if form == "json"
            else Response(_DRAWN[form](shape), media_type="text/plain")
        )

    @router.get("/{name}/prediction", responses=more_responses(404, 409))
    def plan_prediction(
        runnable: Annotated[RunnablePlan, Depends(plan_of)], seen: Annotated[SeenHistory, Depends(seen_of)]
    ) -> PlanPrediction:
        """Say how long a run is likely to take, beside what the last good drill took."""
        shape, plan = compile_shape(runnable), runnable.plan
        times = both_ways(loads_of_plan(shape))
        as_planned = times.as_launched.total
        return PlanPrediction(
            plan=plan.name,
            digest=runnable.digest,
            in_waves_seconds=times.in_waves.total.total_seconds(),
            as_planned_seconds=as_planned.total_seconds(),
            rto_seconds=plan.rto.total_seconds() if plan.rto else None,
            is_within_rto=None if plan.rto is None else as_planned <= plan.rto,
            critical_path=list(times.as_launched.critical_path),
            measured=_measured(seen, plan.name, sources.api.now()),
        )


def _fields(runnable: RunnablePlan, standing: PlanStanding, reader: GroupReader) -> dict[str, Any]:
    row = plan_row(runnable, reader.catalog)
    disputes = row["disputes"] if isinstance(row["disputes"], list) else []
    return {
        **row,
        "disputes": [reader.told(str(dispute)) for dispute in disputes],
        "is_paused": standing.is_paused,
        "is_verified": standing.is_verified,
        "verified_why": standing.verified_why,
        "production": standing.production,
        "next_steps": list(standing.next_steps),
        "last_run": _last(standing.last_run, standing.last_status, standing.last_run_at),
        "last_check": _last(standing.last_check, standing.last_check_status, standing.last_check_at),
        "kept_until": standing.kept_until,
    }


def _last(run_id: str | None, status: str | None, at: datetime | None) -> PlanLastRun | None:
    return None if run_id is None else PlanLastRun(run_id=run_id, status=status or "unknown", at=at)


def _measured(seen: SeenHistory, plan: str, now: datetime) -> MeasuredRun | None:
    found = plan_histories([row for row in seen.history.rows if row.plan == plan], now)
    drill = found[0].last_good_drill if found else None
    if drill is None:
        return None
    return MeasuredRun(
        run_id=drill.run_id,
        at=drill.ended_at,
        rto_seconds=drill.rto.measured_seconds,
        rpo_seconds=drill.rpo.measured_seconds,
    )
