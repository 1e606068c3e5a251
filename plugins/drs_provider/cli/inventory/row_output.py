"""Rows for people and for other programs: a table, CSV or JSON."""

import csv
import io
import json
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue

Row = Mapping[str, JsonValue]

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to a spreadsheet; hostnames and tags are texts of others."""


def add_format(parser: ArgumentParser) -> None:
    """Add the option that says how rows are printed."""
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table", help="default: table")


def print_rows(rows: Sequence[Row], columns: Sequence[str], form: str) -> None:
    """Print rows: all fields as JSON, these columns as CSV or as a table."""
    if form == "json":
        print(json.dumps(list(rows), indent=2))
    elif form == "csv":
        print(_as_csv(rows, columns), end="")
    else:
        print(_as_table(rows, columns))


def _as_csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_harmless(_cell(row.get(name))) for name in columns] for row in rows)
    return out.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _as_table(rows: Sequence[Row], columns: Sequence[str]) -> str:
    lines = [list(columns), *([_cell(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[position]) for line in lines) for position in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(value: JsonValue) -> str:
    match value:
        case None:
            return ""
        case list():
            return "; ".join(_cell(item) for item in value)
        case dict():
            return ", ".join(f"{key}={_cell(inside)}" for key, inside in value.items())
        case float():
            return f"{value:g}"
        case _:
            return " ".join(str(value).splitlines())
