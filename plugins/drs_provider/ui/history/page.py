"""The page of the history, and that of two runs side by side: what the templates show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from drs_provider.api.pages import RowPage
from drs_provider.formatting import duration
from drs_provider.rules.history.comparison import ComparedFigure
from drs_provider.rules.history.query import NEWEST_FIRST, HistoryQuery
from drs_provider.rules.history.row import Figure, HistoryRow
from drs_provider.rules.history.series import PlanHistory
from drs_provider.rules.purpose import ALL_PURPOSES
from drs_provider.rules.run.state import RunStatus
from drs_provider.services.history.index import History
from drs_provider.ui.history.plots import Plot, plot
from drs_provider.ui.pages import PLANS_SCRIPT, render

_MOST_PLANS: Final = 12
"""Plans whose summary stands open on the page."""

_SORTED: Final = (
    ("Started", "started"),
    ("Plan", "plan"),
    ("Mode", "mode"),
    ("Result", "result"),
    ("User", "user"),
    ("Duration", "duration"),
    ("RTO", "rto"),
    ("RPO", "rpo"),
    ("Servers", ""),
    ("Exceptions", "exceptions"),
    ("Cost", "cost"),
    ("Clean-up", ""),
    ("Report", ""),
)


@dataclass(frozen=True)
class Heading:
    """A column: its words, and the query that sorts by it; empty: nothing sorts by it."""

    words: str
    href: str = ""
    direction: str = ""


def history_page(
    history: History,
    query: HistoryQuery,
    found: RowPage[HistoryRow],
    plans: Sequence[PlanHistory],
    *,
    limit: int,
    is_first: bool,
) -> tuple[str, str]:
    """Return the page and its content security policy.

    :param found: the runs that are shown
    :param plans: the history of the plans that are asked for
    """
    every_plan = sorted({row.plan for row in history.rows})
    return render(
        "history.html.j2",
        PLANS_SCRIPT,
        has_forms=True,
        found=found,
        history=history,
        query=query,
        limit=limit,
        is_first=is_first,
        every_plan=every_plan,
        modes=[(purpose.name, purpose.title) for purpose in ALL_PURPOSES],
        results=[(str(status), str(status).replace("_", " ")) for status in RunStatus],
        headings=[_heading(words, order, query, limit) for words, order in _SORTED],
        plans=plans,
        shows_plans=len(plans) <= _MOST_PLANS,
        plots=_plots(plans),
        since=_day(query.since),
        until=_day(query.until, ends_day=True),
        next_href=_href(query, limit, after=found.next) if found.next else "",
        first_href="" if is_first else _href(query, limit),
        export=query_of(query),
        figure=figure_words,
        run_value=lambda row: f"{row.dag_id}/{row.run_id}",
    )


def comparison_page(left: HistoryRow, right: HistoryRow, lines: Sequence[ComparedFigure]) -> tuple[str, str]:
    """Return the page of two runs side by side, and its content security policy."""
    return render("history_comparison.html.j2", PLANS_SCRIPT, left=left, right=right, lines=lines)


def figure_words(figure: Figure) -> str:
    """Word a figure against its objective."""
    if figure.measured_seconds is None:
        return "not measured" if figure.outcome == "not_measured" else "-"
    against = f" of {duration(figure.target_seconds)}" if figure.target_seconds is not None else ""
    return f"{duration(figure.measured_seconds)}{against}"


def query_of(query: HistoryQuery) -> str:
    """Write a query as the address of a page has it; empty: all runs, the newest first."""
    fields = [
        *(("plan", plan) for plan in sorted(query.plans)),
        *(("mode", mode) for mode in sorted(query.modes)),
        *(("result", result) for result in sorted(query.results)),
        ("user", query.user),
        ("q", query.text),
        ("since", _instant(query.since)),
        ("until", _instant(query.until)),
        ("sort", "" if query.order == NEWEST_FIRST else query.order),
    ]
    return urlencode([(name, value) for name, value in fields if value], errors="replace")


def _href(query: HistoryQuery, limit: int, after: str | None = None) -> str:
    more = urlencode([("limit", str(limit)), *([("after", after)] if after else [])])
    return f"?{'&'.join(part for part in (query_of(query), more) if part)}"


def _heading(words: str, order: str, query: HistoryQuery, limit: int) -> Heading:
    if not order:
        return Heading(words)
    is_down, is_up = query.order == f"-{order}", query.order == order
    turned = HistoryQuery(
        query.plans,
        query.modes,
        query.results,
        query.user,
        query.text,
        query.since,
        query.until,
        order if is_down else f"-{order}",
    )
    return Heading(words, _href(turned, limit), "descending" if is_down else "ascending" if is_up else "")


def _plots(plans: Sequence[PlanHistory]) -> list[Plot]:
    """Draw the figures of a plan, where only one is asked for."""
    if len(plans) != 1:
        return []
    points = plans[0].points
    drawn = (plot("RTO", points, lambda point: point.rto), plot("RPO", points, lambda point: point.rpo))
    return [each for each in drawn if each is not None]


def _instant(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat() if at else ""


def _day(at: datetime | None, *, ends_day: bool = False) -> str:
    """Give the day that a field of the form shows; of the end of a day that it names, the day before."""
    if at is None:
        return ""
    try:
        return (at - timedelta(microseconds=1) if ends_day else at).astimezone(UTC).date().isoformat()
    except OverflowError:  # the first day that there is
        return at.date().isoformat()
