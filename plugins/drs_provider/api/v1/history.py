"""``/history`` and ``/reports``: all runs, their figures over time, two side by side, and what they have left."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from drs_provider.api.history_query import asked_query
from drs_provider.api.history_sources import HistorySources, PastRuns, SeenHistory, seen_by
from drs_provider.api.pages import After, Limit, RowPage, take_page
from drs_provider.api.path_parts import DagId, RunId
from drs_provider.api.problems import SANDBOXED, RequestRefused, more_responses
from drs_provider.api.v1.history_rows import (
    ComparisonLine,
    HistoryAnswer,
    HistoryRun,
    PlanSeries,
    PlanSeriesAnswer,
    RunComparison,
)
from drs_provider.formatting import plural
from drs_provider.patience import asked
from drs_provider.report.store import HTML_NAME, JSON_NAME, report_file
from drs_provider.rules.history.comparison import RunDetail, compare
from drs_provider.rules.history.export import blocks, csv_lines, file_name, json_lines
from drs_provider.rules.history.query import ORDERS, HistoryQuery, selected
from drs_provider.rules.history.row import HistoryRow
from drs_provider.rules.history.series import plan_histories
from drs_provider.services.history.index import History
from drs_provider.services.history.report_row import detail_of_kept
from drs_provider.services.history.stored import read_stored_detail

_MEDIA: Final = {JSON_NAME: "application/json", HTML_NAME: "text/html; charset=utf-8"}
_CSV: Final = "text/csv; charset=utf-8; header=present"
_TWO: Final = 2
_LATER: Final = "ask again in a few seconds, or take the file without these figures with partial=true"

_TEXT: Final[dict[str, Any]] = {"schema": {"type": "string"}}
_FILES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A page; with `format=json` a list of all runs, with `format=csv` the same as a table.",
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/HistoryAnswer"},
                        {"type": "array", "items": {"type": "object"}},
                    ]
                }
            },
            "text/csv": _TEXT,
        },
        "headers": {
            "X-DRS-Pending": {"description": "What a file lacks: reports not read yet.", "schema": {"type": "string"}},
            "X-DRS-Problem": {"description": "Why reports cannot be read.", "schema": {"type": "string"}},
        },
    },
    **more_responses(503),
}
_REPORT: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The report as it was written.",
        "content": {"application/json": {"schema": {"type": "object"}}, "text/html": _TEXT},
    },
    **more_responses(404),
}

AskedQuery = Annotated[HistoryQuery, Depends(asked_query)]


def history_router(sources: HistorySources) -> APIRouter:
    """Build the routes below ``history``."""
    router = APIRouter(prefix="/history", tags=["history"])
    Seen = Annotated[SeenHistory, Depends(seen_by(sources))]  # noqa: N806 - an annotation

    @router.get("", response_model=HistoryAnswer, responses=_FILES)
    def history(  # noqa: PLR0917  (what its query and its dependencies are)
        seen: Seen,
        query: AskedQuery,
        limit: Limit = 100,
        after: After = None,
        form: Annotated[Literal["page", "json", "csv"], Query(alias="format")] = "page",
        is_partial: Annotated[
            bool, Query(alias="partial", description="Give a file also where reports are missing in it.")
        ] = False,
    ) -> HistoryAnswer | Response:
        """Search all runs: a page of them, or with ``format=csv`` or ``json`` a file of all that are asked for.

        A file that would lack what reports say is refused with 503, unless ``partial`` is true.
        """
        if form == "page":
            return answer_of(seen.history, query, limit=limit, after=after)
        missing = _missing(seen.history)
        if missing and not is_partial:
            raise RequestRefused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{'; '.join(missing.values())}: {_LATER}",
                headers={"Retry-After": "5"},
            )
        file = _file(form, selected(seen.history.rows, query), file_name(form, sources.now()))
        file.headers.update({name: quote(said, safe=" ,;:.'()") for name, said in missing.items()})
        return file

    @router.get("/plans")
    def history_plans(seen: Seen, query: AskedQuery) -> PlanSeriesAnswer:
        """Give RTO, RPO and success of every plan over time, and its last good drill."""
        found = plan_histories(selected(seen.history.rows, query), sources.now())
        return PlanSeriesAnswer(
            plans=[PlanSeries.of(plan) for plan in found], pending=seen.history.pending, problem=seen.history.problem
        )

    @router.get("/comparison", responses=more_responses(404))
    def history_comparison(
        seen: Seen,
        run: Annotated[list[str], Query(min_length=2, max_length=2, description="`DAG_ID/RUN_ID`, twice.")],
    ) -> RunComparison:
        """Compare two runs, each named as ``DAG id/run id``; the older one is on the left."""
        left, right = two_runs(sources, seen, run)
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
    def reports(seen: Seen, query: AskedQuery, limit: Limit = 100, after: After = None) -> HistoryAnswer:
        """Search the runs that have a report, as ``history`` does."""
        reported = replace(seen.history, rows=tuple(row for row in seen.history.rows if row.has_report))
        return answer_of(reported, query, limit=limit, after=after)

    @router.get(
        "/{dag_id}/{run_id}",
        dependencies=[Depends(sources.access.may_read_run)],
        response_class=Response,
        response_model=None,
        responses=_REPORT,
    )
    def read_report(
        dag_id: DagId,
        run_id: RunId,
        past: Annotated[PastRuns, Depends(sources.past_runs)],
        form: Annotated[Literal["json", "html"], Query(alias="format")] = "json",
    ) -> Response:
        """Give the report of one run as it was written, else what the run has kept of it."""
        name = JSON_NAME if form == "json" else HTML_NAME
        kept = partial(past.kept_report, dag_id, run_id)
        text = report_file(sources.reports_folder, dag_id, run_id, name, kept)
        if text is None:
            raise RequestRefused(HTTPStatus.NOT_FOUND, f"run {run_id} of {dag_id} has no report")
        return Response(text, media_type=_MEDIA[name], headers=SANDBOXED)

    return router


def answer_of(history: History, query: HistoryQuery, *, limit: int, after: str | None) -> HistoryAnswer:
    """Give a page of the runs that are asked for."""
    found = page_of(history.rows, query, limit=limit, after=after)
    return HistoryAnswer(
        runs=[HistoryRun.of(row, report_address(row)) for row in found.rows],
        next=found.next,
        total=found.total,
        pending=history.pending,
        left_out=history.left_out,
        problem=history.problem,
    )


def page_of(
    rows: Sequence[HistoryRow], query: HistoryQuery, *, limit: int, after: str | None = None
) -> RowPage[HistoryRow]:
    """Return a page of the runs that are asked for."""
    found = [row for row in rows if query.matches(row)]
    return take_page(
        found, key=lambda row: " ".join(row.key), fields=ORDERS, sort=query.order, limit=limit, after=after
    )


def report_address(row: HistoryRow) -> str | None:
    """Give where the report of a run is, below the API's own address; None: it has none."""
    if not row.has_report:
        return None
    return f"reports/{quote(row.dag_id, safe='')}/{quote(row.run_id, safe='')}?format=html"


def two_runs(sources: HistorySources, seen: SeenHistory, runs: Sequence[str]) -> tuple[RunDetail, RunDetail]:
    """Read the two runs that are compared, the older one first.

    :raises RequestRefused: they are not two, or one of them is not there
    """
    if len(set(runs)) != _TWO:
        raise RequestRefused(HTTPStatus.UNPROCESSABLE_ENTITY, "choose two runs to compare, each as run=DAG_ID/RUN_ID")
    rows = [seen.row(*_named(run)) for run in runs]
    rows.sort(key=lambda row: (row.started_at or sources.now(), row.key))
    left, right = (_detail(sources, seen.past, row) for row in rows)
    return left, right


def _missing(history: History) -> dict[str, str]:
    """Say what a file of the history lacks, by the header that says it too; nothing: it is whole."""
    pending = f"{plural(history.pending, 'report')} not read yet" if history.pending else ""
    said = {"X-DRS-Pending": pending, "X-DRS-Problem": history.problem}
    return {name: words for name, words in said.items() if words}


def _named(run: str) -> tuple[str, str]:
    """Take ``DAG id/run id`` apart; a DAG id has no slash."""
    dag_id, slash, run_id = run.partition("/")
    if not slash:
        raise RequestRefused(HTTPStatus.UNPROCESSABLE_ENTITY, f"run: {run!r} is not of the form DAG_ID/RUN_ID")
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
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if form == "csv":
        return StreamingResponse(blocks(csv_lines(rows)), media_type=_CSV, headers=headers)
    return StreamingResponse(blocks(json_lines(rows)), media_type="application/json", headers=headers)
