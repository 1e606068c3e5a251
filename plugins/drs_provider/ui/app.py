"""The routes: who may ask, what is asked for, which page shows it. No logic."""

from collections.abc import Callable, Collection, Iterable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, FastAPI, Header, HTTPException, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from drs_provider.api.history_sources import HistorySources
from drs_provider.api.problems import PRIVATE, SANDBOXED
from drs_provider.plan.loader import Library, holds_plans
from drs_provider.report.store import HTML_NAME, JSON_NAME, report_file
from drs_provider.rules.run.handover import HandoverUnreadable, KeptReport
from drs_provider.rules.run.names import COMMIT_TASK, REPORT_TASK
from drs_provider.services.groups.survey import has_dag
from drs_provider.ui import pages
from drs_provider.ui.console.refusals import add_refusal_pages
from drs_provider.ui.history.routes import history_pages
from drs_provider.ui.plan_list import (
    BrokenPlan,
    PlanList,
    broken_of,
    broken_said,
    check_dag_ids,
    check_of,
    drill_of,
    forecast_of,
    library_of,
    plan_ids,
    plan_list,
    production_of,
    verified_of,
)
from drs_provider.ui.read_model import DOCUMENTS, Runs, Sources
from drs_provider.ui.recent_boards import RecentBoards

_MEDIA = {JSON_NAME: "application/json", HTML_NAME: "text/html; charset=utf-8"}
NOW_HEADER: Final = "X-Drs-Now"
"""Header of a board's answer: the server's clock, ISO 8601, by which the page counts on what it shows already."""

_LEFT_KEYS = frozenset(document.KEY for document in DOCUMENTS)


class LeftValue(BaseModel):
    """What a task left under a key, as JSON."""

    value: Any


def add_history(app: FastAPI, sources: HistorySources) -> None:
    """Add the pages of the history of all runs; its part of the REST API is mounted with the others."""
    add_refusal_pages(app)
    app.include_router(history_pages(sources))


def create_app(sources: Sources) -> FastAPI:
    """Build the app. Every route asks ``sources.access`` first; there is no open one (answer links: ``answers.py``)."""
    app = FastAPI(title="DRS recovery plans", docs_url=None, redoc_url=None, openapi_url=None)
    add_refusal_pages(app)
    _add_plans(app, sources)
    _add_runs(app, sources)
    _add_reports(app, sources)
    return app


def plans_listed(sources: Sources) -> Callable[..., PlanList]:
    """Return the dependency that lists the plans that the caller may read, each with how it stands."""

    def listed(
        runs: Annotated[Runs, Depends(sources.runs)],
        readable: Annotated[set[str], Depends(sources.access.readable_dags)],
        with_problems: Annotated[bool, Depends(sources.access.may_read_problems)],
    ) -> PlanList:
        folder = sources.plans_folder()
        library, broken = _library(folder, runs)
        shown = readable.intersection(plan_ids(library))
        newest, checks = runs.newest(shown), runs.newest_checks(shown)
        return plan_list(
            library,
            folder,
            readable=readable,
            newest=newest,
            paused=runs.paused({*shown, *check_dag_ids(library, shown)}),
            stopped=runs.stopped_parts(sources.now()),
            broken=broken() if with_problems else [],
            verified=lambda runnable: verified_of(runnable, sources.reports_folder(), newest, sources.now()),
            production=lambda runnable: production_of(runnable, sources.reports_folder(), newest),
            checked=lambda runnable: check_of(runnable, sources.reports_folder(), checks),
            drilled=lambda runnable: drill_of(runnable, sources.reports_folder(), newest),
        )

    return listed


def _add_plans(app: FastAPI, sources: Sources) -> None:
    listed: Any = plans_listed(sources)

    @app.get("/plans.json")
    def plans_json(plans: Annotated[PlanList, Depends(listed)], response: Response) -> PlanList:
        response.headers.update(PRIVATE)
        return plans

    @app.get("/plans")
    def plans_page(
        plans: Annotated[PlanList, Depends(listed)],
        editable: Annotated[Collection[str], Depends(sources.access.editable_plans)],
    ) -> HTMLResponse:
        changed = frozenset(plan.name for plan in plans.plans if has_dag(plan.name, editable))
        return _page(pages.plans_page(plans, editable=changed, is_author=bool(editable)))


def _library(folder: Path, runs: Runs) -> tuple[Library, Callable[[], list[BrokenPlan]]]:
    """Read the plans from their files, where there are any here, else from their DAGs; and what is broken of them."""
    if holds_plans(folder):
        library = library_of(folder)
        return library, lambda: broken_of(library, folder)
    drawn = runs.plans(folder)

    def broken() -> list[BrokenPlan]:
        found = [*broken_said(runs.broken_files()), *broken_of(drawn, folder)]
        return found if found or drawn.plans else broken_of(library_of(folder), folder)

    return drawn, broken


def _add_runs(app: FastAPI, sources: Sources) -> None:
    guard = [Depends(sources.access.may_read_run)]

    boards = RecentBoards()

    @app.get("/runs/{dag_id}/{run_id}/board", dependencies=guard)
    def board(
        dag_id: str,
        run_id: str,
        runs: Annotated[Runs, Depends(sources.runs)],
        if_none_match: Annotated[str | None, Header()] = None,
        accept_encoding: Annotated[str, Header()] = "",
    ) -> Response:
        """The board; 304 without a body where it shows what the page shows already, which then only counts on."""
        now = sources.now()
        forecast = partial(forecast_of, str(sources.reports_folder()), dag_id, run_id)
        shown = boards.show(dag_id, run_id, runs, forecast, now)
        if shown is None:
            raise HTTPException(404, f"DAG {dag_id} has no run {run_id}")
        headers = {**PRIVATE, "ETag": shown.etag, NOW_HEADER: now.isoformat(), "Vary": "Accept-Encoding"}
        if shown.is_known(if_none_match):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if "gzip" in accept_encoding and (packed := shown.packed):
            return Response(packed, media_type="application/json", headers=headers | {"Content-Encoding": "gzip"})
        return Response(shown.body, media_type="application/json", headers=headers)

    @app.get("/runs/{dag_id}/{run_id}/left/{task_id}/{key}", dependencies=guard)
    def left(  # noqa: PLR0917  (the parts of its path)
        dag_id: str,
        run_id: str,
        task_id: str,
        key: str,
        runs: Annotated[Runs, Depends(sources.runs)],
        response: Response,
    ) -> LeftValue:
        """What a task left, for the command line: Airflow's API does not read it through the XCom backend."""
        if key not in _LEFT_KEYS or (value := runs.left(dag_id, run_id, task_id, key)) is None:
            raise HTTPException(404, f"task {task_id} of run {run_id} left nothing under {key}")
        response.headers.update(PRIVATE)
        return LeftValue(value=value)

    @app.get("/runs/{dag_id}/{run_id}", dependencies=guard)
    def run_page(dag_id: str, run_id: str) -> HTMLResponse:
        return _page(pages.run_page(dag_id, run_id))


def _add_reports(app: FastAPI, sources: Sources) -> None:
    @app.api_route(
        "/reports/{dag_id}/{run_id}/{name}",
        methods=["GET", "HEAD"],
        dependencies=[Depends(sources.access.may_read_run)],
    )
    def report(
        dag_id: str,
        run_id: str,
        name: Literal["report.html", "report.json"],
        runs: Annotated[Runs, Depends(sources.runs)],
    ) -> Response:
        text = report_file(sources.reports_folder, dag_id, run_id, name, partial(_kept_report, runs, dag_id, run_id))
        if text is None:
            raise HTTPException(404, f"run {run_id} of {dag_id} has no report")
        return Response(text, media_type=_MEDIA[name], headers={**PRIVATE, **SANDBOXED})


def _kept_report(runs: Runs, dag_id: str, run_id: str) -> KeptReport | None:
    """Read what the run has kept of its report; while it asks whether to commit, of its report so far."""
    for task_id in (REPORT_TASK, COMMIT_TASK):
        try:
            kept = KeptReport.read(runs.left(dag_id, run_id, task_id, KeptReport.KEY))
        except HandoverUnreadable:
            continue
        if kept is not None:
            return kept
    return None


def _page(parts: Iterable[str]) -> HTMLResponse:
    html, policy = parts
    return HTMLResponse(html, headers={**PRIVATE, "Content-Security-Policy": policy})
