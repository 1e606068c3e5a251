"""The pages of the history: all runs, and two side by side."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse

from drs_provider.api.history_query import asked_query
from drs_provider.api.history_sources import HistorySources, SeenHistory, seen_by
from drs_provider.api.pages import After, Limit
from drs_provider.api.problems import PRIVATE
from drs_provider.api.v1.history import page_of, two_runs
from drs_provider.rules.history.comparison import compare
from drs_provider.rules.history.query import HistoryQuery
from drs_provider.rules.history.series import plan_histories
from drs_provider.ui.history import page as pages

AskedQuery = Annotated[HistoryQuery, Depends(asked_query)]


def history_pages(sources: HistorySources) -> APIRouter:
    """Build the pages: the history, and two runs side by side."""
    router = APIRouter(include_in_schema=False)
    Seen = Annotated[SeenHistory, Depends(seen_by(sources))]  # noqa: N806 - an annotation

    @router.get("/history")
    def history_page(seen: Seen, query: AskedQuery, limit: Limit = 50, after: After = None) -> HTMLResponse:
        found = page_of(seen.history.rows, query, limit=limit, after=after or None)
        of_plans = HistoryQuery(plans=query.plans)
        plans = plan_histories((row for row in seen.history.rows if of_plans.matches(row)), sources.now())
        return _html(pages.history_page(seen.history, query, found, plans, limit=limit, is_first=not after))

    @router.get("/history-comparison")
    def comparison_page(seen: Seen, run: Annotated[list[str] | None, Query(max_length=10)] = None) -> HTMLResponse:
        left, right = two_runs(sources, seen, run or [])
        return _html(pages.comparison_page(left.row, right.row, compare(left, right)))

    return router


def _html(parts: tuple[str, str]) -> HTMLResponse:
    html, policy = parts
    return HTMLResponse(html, headers={**PRIVATE, "Content-Security-Policy": policy})
