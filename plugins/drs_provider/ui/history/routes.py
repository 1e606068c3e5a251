"""The routes of the history, as routers that stand wherever an app mounts them: its REST API, and its page."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from drs_provider.formatting import plural
from drs_provider.patience import asked
from drs_provider.report.store import HTML_NAME, JSON_NAME, report_file
from drs_provider.rules.history.comparison import RunDetail, compare
from drs_provider.rules.history.export import blocks, csv_lines, file_name, json_lines
from drs_provider.rules.history.query import MOST_ON_A_PAGE, CursorUnreadable, HistoryQuery, RunPage, page_of, selected
from drs_provider.rules.history.row import HistoryRow
from drs_provider.rules.history.series import plan_histories
from drs_provider.services.history.index import History
from drs_provider.services.history.report_row import detail_of_kept
from drs_provider.services.history.stored import read_stored_detail
from drs_provider.ui.history import page as pages
from drs_provider.ui.history.models import (
    ComparisonLine,
    HistoryAnswer,
    HistoryRun,
    PlanSeries,
    PlanSeriesAnswer,
    RunComparison,
)
from drs_provider.ui.history.requests import asked_query
from drs_provider.ui.history.sources import HistorySources, PastRuns
from drs_provider.ui.pages import PRIVATE, SANDBOXED

_MEDIA: Final = {JSON_NAME: "application/json", HTML_NAME: "text/html; charset=utf-8"}
_CSV: Final = "text/csv; charset=utf-8; header=present"
_TWO: Final = 2
_LATER: Final = "ask again in a few seconds, or take the file without these figures with partial=true"

Query_ = Annotated[HistoryQuery, Depends(asked_query)]
Limit = Annotated[int, Query(ge=1, le=MOST_ON_A_PAGE)]
Cursor = Annotated[str | None, Query(max_length=2000)]


@dataclass(frozen=True)
class SeenHistory:
    """The history as the caller may see it."""

    history: History
    past: PastRuns
    readable: frozenset[str]

    def row(self, dag_id: str, run_id: str) -> HistoryRow:
        """Find one run.

        :raises HTTPException: there is none, or not for the caller: the answer is the same
        """
        found = next((row for row in self.history.rows if row.key == (dag_id, run_id)), None)
        if found is None:
            raise HTTPException(404, f"there is no run {run_id} of {dag_id} that you may read")
        return found


def seen_by(sources: HistorySources) -> Callable[..., SeenHistory]:
    """Return the FastAPI dependency that gives the history as the caller may see it."""

    def seen(
        past: Annotated[PastRuns, Depends(sources.past_runs)],
        readable: Annotated[set[str], Depends(sources.access.readable_dags)],
        _may: Annotated[None, Depends(sources.access.may_read_runs)],
    ) -> SeenHistory:
        history = sources.index.look(past.records(readable), readable, past.kept_report)
        return SeenHistory(history, past, frozenset(readable))

    return seen


def history_router(sources: HistorySources) -> APIRouter:
    """Build the routes below ``history``."""
    router = APIRouter(prefix="/history", tags=["history"])
    Seen = Annotated[SeenHistory, Depends(seen_by(sources))]  # noqa: N806 - an annotation

    @router.get("", response_model=HistoryAnswer)
    def history(  # noqa: PLR0917  (what its query and its dependencies are)
        seen: Seen,
        query: Query_,
        response: Response,
        limit: Limit = 50,
        cursor: Cursor = None,
        form: Annotated[Literal["page", "json", "csv"], Query(alias="format")] = "page",
        is_partial: Annotated[
            bool, Query(alias="partial", description="Give a file also where reports are missing in it.")
        ] = False,
    ) -> HistoryAnswer | Response:
        """Search all runs: a page of them, or with ``format=csv`` or ``json`` a file of all that are asked for.

        A file that would lack what reports say is refused with 503, unless ``partial`` is true.
        """
        if form != "page":
            missing = _missing(seen.history)
            if missing and not is_partial:
                raise HTTPException(503, f"{'; '.join(missing.values())}: {_LATER}", headers={"Retry-After": "5"})
            file = _file(form, selected(seen.history.rows, query), file_name(form, sources.now()))
            file.headers.update({name: quote(said, safe=" ,;:.'()") for name, said in missing.items()})
            return file
        response.headers.update(PRIVATE)
        found = _page(seen, query, limit, cursor)
        return HistoryAnswer(
            runs=[HistoryRun.of(row, report_address(row)) for row in found.rows],
            total=found.total,
            next_cursor=found.next_cursor,
            pending=seen.history.pending,
            left_out=seen.history.left_out,
            problem=seen.history.problem,
        )

    @router.get("/plans")
    def history_plans(seen: Seen, query: Query_, response: Response) -> PlanSeriesAnswer:
        """Give RTO, RPO and success of every plan over time, and its last good drill."""
        response.headers.update(PRIVATE)
        found = plan_histories(selected(seen.history.rows, query), sources.now())
        return PlanSeriesAnswer(
            plans=[PlanSeries.of(plan) for plan in found], pending=seen.history.pending, problem=seen.history.problem
        )

    @router.get("/comparison")
    def history_comparison(
        seen: Seen, response: Response, run: Annotated[list[str], Query(max_length=2)]
    ) -> RunComparison:
        """Compare two runs, each named as ``DAG id/run id``; the older one is on the left."""
        response.headers.update(PRIVATE)
        left, right = _two(sources, seen, run)
        return RunComparison(
            left=HistoryRun.of(left.row, report_address(left.row)),
            right=HistoryRun.of(right.row, report_address(right.row)),
            lines=[ComparisonLine.of(figure) for figure in compare(left, right)],
        )

    return router


def reports_router(sources: HistorySources) -> APIRouter:
    """Build the routes below ``reports``: which runs have left one, and each as it was written."""
    router = APIRouter(prefix="/reports", tags=["reports"])
    Seen = Annotated[SeenHistory, Depends(seen_by(sources))]  # noqa: N806 - an annotation

    @router.get("")
    def reports(
        seen: Seen, query: Query_, response: Response, limit: Limit = 50, cursor: Cursor = None
    ) -> HistoryAnswer:
        """Search the runs that have a report, as ``history`` does."""
        response.headers.update(PRIVATE)
        reported = replace(seen.history, rows=tuple(row for row in seen.history.rows if row.has_report))
        found = _page(replace(seen, history=reported), query, limit, cursor)
        return HistoryAnswer(
            runs=[HistoryRun.of(row, report_address(row)) for row in found.rows],
            total=found.total,
            next_cursor=found.next_cursor,
            pending=seen.history.pending,
            left_out=seen.history.left_out,
            problem=seen.history.problem,
        )

    @router.get("/{dag_id}/{run_id}", dependencies=[Depends(sources.access.may_read_run)], response_model=None)
    def read_report(
        dag_id: str,
        run_id: str,
        past: Annotated[PastRuns, Depends(sources.past_runs)],
        form: Annotated[Literal["json", "html"], Query(alias="format")] = "json",
    ) -> Response:
        """Give the report of one run as it was written, else what the run has kept of it."""
        name = JSON_NAME if form == "json" else HTML_NAME
        kept = partial(past.kept_report, dag_id, run_id)
        text = report_file(sources.reports_folder, dag_id, run_id, name, kept)
        if text is None:
            raise HTTPException(404, f"run {run_id} of {dag_id} has no report")
        return Response(text, media_type=_MEDIA[name], headers={**PRIVATE, **SANDBOXED})

    return router


def history_pages(sources: HistorySources) -> APIRouter:
    """Build the pages: the history, and two runs side by side."""
    router = APIRouter(include_in_schema=False)
    Seen = Annotated[SeenHistory, Depends(seen_by(sources))]  # noqa: N806 - an annotation

    @router.get("/history")
    def history_page(seen: Seen, query: Query_, limit: Limit = 50, cursor: Cursor = None) -> HTMLResponse:
        found = _page(seen, query, limit, cursor or None)
        of_plans = HistoryQuery(plans=query.plans)
        plans = plan_histories((row for row in seen.history.rows if of_plans.matches(row)), sources.now())
        return _html(pages.history_page(seen.history, query, found, plans, limit=limit, is_first=not cursor))

    @router.get("/history-comparison")
    def comparison_page(seen: Seen, run: Annotated[list[str] | None, Query(max_length=10)] = None) -> HTMLResponse:
        left, right = _two(sources, seen, run or [])
        return _html(pages.comparison_page(left.row, right.row, compare(left, right)))

    return router


def report_address(row: HistoryRow) -> str | None:
    """Give where the report of a run is, below the API's own address; None: it has none."""
    if not row.has_report:
        return None
    return f"reports/{quote(row.dag_id, safe='')}/{quote(row.run_id, safe='')}?format=html"


def _missing(history: History) -> dict[str, str]:
    """Say what a file of the history lacks, by the header that says it too; nothing: it is whole."""
    pending = f"{plural(history.pending, 'report')} not read yet" if history.pending else ""
    said = {"X-DRS-Pending": pending, "X-DRS-Problem": history.problem}
    return {name: words for name, words in said.items() if words}


def _page(seen: SeenHistory, query: HistoryQuery, limit: int, cursor: str | None) -> RunPage:
    try:
        return page_of(seen.history.rows, query, limit=limit, cursor=cursor)
    except CursorUnreadable as error:
        raise HTTPException(422, str(error)) from None


def _two(sources: HistorySources, seen: SeenHistory, runs: list[str]) -> tuple[RunDetail, RunDetail]:
    """Read the two runs that are compared, the older one first."""
    if len(set(runs)) != _TWO:
        raise HTTPException(422, "choose two runs to compare, each as run=DAG_ID/RUN_ID")
    rows = [seen.row(*_named(run)) for run in runs]
    rows.sort(key=lambda row: (row.started_at or sources.now(), row.key))
    left, right = (_detail(sources, seen.past, row) for row in rows)
    return left, right


def _named(run: str) -> tuple[str, str]:
    """Take ``DAG id/run id`` apart; a DAG id has no slash."""
    dag_id, slash, run_id = run.partition("/")
    if not slash:
        raise HTTPException(422, f"run: {run!r} is not of the form DAG_ID/RUN_ID")
    return dag_id, run_id


def _detail(sources: HistorySources, past: PastRuns, row: HistoryRow) -> RunDetail:
    """Read the waves of a run; where its report cannot be read there are none."""
    try:
        folder = sources.reports_folder()
        stored = asked(folder, lambda: read_stored_detail(folder, *row.key))
    except Exception:  # noqa: BLE001 - whatever the store of the reports says
        stored = None
    if stored is None and row.has_ended:
        stored = detail_of_kept(past.kept_report(*row.key), row)
    return replace(stored, row=row) if stored else RunDetail(row)


def _file(form: str, rows: list[HistoryRow], name: str) -> Response:
    headers = {**PRIVATE, "Content-Disposition": f'attachment; filename="{name}"'}
    if form == "csv":
        return StreamingResponse(
            blocks(csv_lines(rows)), media_type="text/csv; charset=utf-8; header=present", headers=headers
        )
    return StreamingResponse(blocks(json_lines(rows)), media_type="application/json", headers=headers)


def _html(parts: tuple[str, str]) -> HTMLResponse:
    html, policy = parts
    return HTMLResponse(html, headers={**PRIVATE, "Content-Security-Policy": policy})
