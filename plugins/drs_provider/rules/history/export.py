"""Runs of the history as a table for a spreadsheet, and as JSON."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from pydantic import JsonValue

from drs_provider.formatting import plain
from drs_provider.rules.history.row import HistoryRow

COLUMNS: Final = (
    "plan",
    "title",
    "mode",
    "result",
    "why",
    "user",
    "reason",
    "started_at",
    "ended_at",
    "duration_seconds",
    "rto_seconds",
    "rto_target_seconds",
    "rto_outcome",
    "rpo_seconds",
    "rpo_target_seconds",
    "rpo_outcome",
    "servers",
    "launched",
    "failed",
    "exceptions",
    "warnings",
    "cost_dollars",
    "is_cost_measured",
    "cleanup",
    "commit",
    "part_of",
    "dag_id",
    "run_id",
    "has_report",
)

_LINES_AT_ONCE: Final = 500

_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet compute what stands in a cell instead of showing it; the last four are full-width forms."""


def cell(value: JsonValue) -> str:
    """Write a value into a cell: numbers as they are, and text so that no spreadsheet takes it for a formula.

    Names of plans, reasons and users are written by people, and whoever opens the file is somebody else.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) and value == int(value) else str(value)
    text = plain(str(value))
    return f"'{text}" if str(value).startswith(_FORMULAS) or text.lstrip().startswith(_FORMULAS) else text


def blocks(lines: Iterable[str]) -> Iterator[str]:
    """Put lines together, a few hundred at a time: every piece that a server sends costs a switch of threads."""
    whole = iter(lines)
    while block := "".join(islice(whole, _LINES_AT_ONCE)):
        yield block


def csv_lines(rows: Iterable[HistoryRow]) -> Iterator[str]:
    """Write runs as CSV (RFC 4180) with a line of headings; each piece is a whole line, so that it can be streamed."""
    for values in ([*COLUMNS], *([cell(value) for value in _values(row)] for row in rows)):
        line = io.StringIO()
        csv.writer(line, quoting=csv.QUOTE_MINIMAL, lineterminator="\r\n").writerow(values)
        yield line.getvalue()


def json_lines(rows: Iterable[HistoryRow]) -> Iterator[str]:
    """Write runs as one JSON array, in pieces of a run each."""
    before = "[\n"
    for row in rows:
        yield before + json.dumps(row.as_json(), ensure_ascii=False).encode("utf-8", "replace").decode()
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def file_name(form: str, now: datetime) -> str:
    """Name the file that somebody saves."""
    return f"drs-history-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.{form}"


def _values(row: HistoryRow) -> Iterator[JsonValue]:
    written = row.as_json()
    for name in ("rto", "rpo"):
        figure = getattr(row, name)
        written |= {
            f"{name}_seconds": figure.measured_seconds,
            f"{name}_target_seconds": figure.target_seconds,
            f"{name}_outcome": figure.outcome,
        }
    yield from (written[name] for name in COLUMNS)
