"""``drs history``: how the runs of plans went, from their reports."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from drs_provider.cli.run_output import table
from drs_provider.exceptions import UsageError
from drs_provider.formatting import duration, plain_line
from drs_provider.plan.problems import nearest

if TYPE_CHECKING:
    from drs_provider.rules.history.query import HistoryQuery
    from drs_provider.rules.history.row import HistoryRow

NAME = "history"
HELP = "how the runs of plans went: results, RTO and RPO against objectives, cost"

_HEADINGS: Final = (
    "STARTED",
    "PLAN",
    "MODE",
    "RESULT",
    "BY",
    "TOOK",
    "RTO",
    "RPO",
    "SERVERS",
    "EXCEPTIONS",
    "COST",
    "CLEAN-UP",
    "RUN",
)


def configure(parser: ArgumentParser) -> None:
    """Add this command's options."""
    from drs_provider.rules.history.query import NEWEST_FIRST, ORDERS

    parser.description = (
        "Show the runs of plans that have left a report (DRS_REPORTS), the newest first; drs run list shows those that "
        "go on. Exit codes: 0 shown, also where there is none; 2 wrong use."
    )
    parser.add_argument("plan", nargs="?", metavar="PLAN", help="default: all plans")
    parser.add_argument("--mode", action="append", metavar="M", help="only this mode, such as drill; may be repeated")
    parser.add_argument("--result", action="append", metavar="R", help="only this result, such as failed; the same")
    parser.add_argument("--user", default="", metavar="NAME", help="only runs that somebody of such a name has started")
    parser.add_argument("--search", default="", metavar="TEXT", help="only runs with all these words")
    parser.add_argument("--since", metavar="DAY", help="only runs from this day on (UTC), or instant")
    parser.add_argument("--until", metavar="DAY", help="only runs until the end of this day (UTC)")
    parser.add_argument(
        "--sort",
        default=NEWEST_FIRST.removeprefix("-"),
        choices=tuple(ORDERS),
        help="default: started",
    )
    parser.add_argument("--ascending", action="store_true", help="the smallest, or oldest, first")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N; default: all")
    parser.add_argument("--reports", metavar="FOLDER", help="default: DRS_REPORTS, else reports in AIRFLOW_HOME")
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table", help="default: table")


def run(options: Namespace) -> int:
    """Read, print, and give the exit code."""
    from drs_provider.configuration import reports_location
    from drs_provider.rules.history.export import csv_lines, json_lines
    from drs_provider.rules.history.query import selected

    if options.limit is not None and options.limit < 1:
        raise UsageError(f"--limit {options.limit}: give 1 or more")
    query = _query(options)
    location = reports_location(options.reports)
    rows = list(_rows(location))
    if options.plan and rows and options.plan not in (plans := {row.plan for row in rows}):
        hint = nearest(options.plan, sorted(plans)) or "drs history without PLAN shows all"
        raise UsageError(f"no report of a plan called {options.plan!r} in {location.removeprefix('file://')} ({hint})")
    found = selected(rows, query)[: options.limit]
    if options.format == "table":
        print("\n".join(table([_HEADINGS, *(tuple(_cells(row)) for row in found)])))
        if not found:
            print(f"no run in {location.removeprefix('file://')}", file=sys.stderr)
    else:
        for piece in (csv_lines if options.format == "csv" else json_lines)(found):
            print(piece, end="")
    return 0


def _query(options: Namespace) -> "HistoryQuery":
    from drs_provider.rules.history.query import HistoryQuery

    return HistoryQuery(
        plans=frozenset({options.plan} if options.plan else ()),
        modes=frozenset(options.mode or ()),
        results=frozenset(options.result or ()),
        user=options.user,
        text=options.search,
        since=_instant("--since", options.since),
        until=_instant("--until", options.until, is_end=True),
        order=options.sort if options.ascending else f"-{options.sort}",
    )


def _instant(option: str, text: str | None, *, is_end: bool = False) -> datetime | None:
    from drs_provider.rules.history.query import read_day

    if not text:
        return None
    try:
        return read_day(text, is_end=is_end)
    except ValueError as error:
        raise UsageError(f"{option} {error}") from None


def _rows(location: str) -> "Iterator[HistoryRow]":
    from drs_provider.services.history.stored import list_reports, read_stored

    home = location.removeprefix("file://")
    folder: Any = Path(home)
    if "://" in home:
        from airflow.sdk import ObjectStoragePath

        folder = ObjectStoragePath(location)
    for report in list_reports(folder):
        if found := read_stored(folder, report):
            yield found.row


def _cells(row: "HistoryRow") -> Iterator[str]:
    yield f"{row.started_at.astimezone(UTC):%Y-%m-%d %H:%M}" if row.started_at else "-"
    yield plain_line(row.plan)
    yield row.mode
    yield str(row.result).replace("_", " ")
    yield plain_line(row.user or "-")
    yield _seconds(row.duration_seconds)
    for figure in (row.rto, row.rpo):
        yield _seconds(figure.measured_seconds) + {"met": "", "missed": " missed"}.get(figure.outcome, "")
    yield "-" if row.servers is None else f"{row.launched}/{row.servers}"
    yield "-" if row.exceptions is None else str(row.exceptions)
    yield "-" if row.cost_dollars is None else f"{'' if row.is_cost_measured else '~'}${row.cost_dollars:.2f}"
    yield row.cleanup.replace("_", " ") or "-"
    yield plain_line(row.run_id)


def _seconds(value: float | None) -> str:
    return "-" if value is None else duration(value)
