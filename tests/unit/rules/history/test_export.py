"""Files of the history: whole, and harmless in a spreadsheet."""

import csv
import io
import json

import pytest
from drs_provider.rules.history.export import COLUMNS, cell, csv_lines, file_name, json_lines
from drs_provider.rules.history.row import NO_FIGURE
from kit.past_runs import HOSTILE, START, a_row


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (-3, "-3"),
        (1800.0, "1800"),
        (1.25, "1.25"),
        ("shop", "shop"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\\x0d=1"),
        ("\n=1", "'\n=1"),
        ("\uff1d1", "'\uff1d1"),
        ("a\u202eb\x00c\ud800", "a\\u202eb\\x00c\\ud800"),
        ("\U00020bb7", "\U00020bb7"),
    ],
)
def test_no_cell_is_a_formula_or_steers_anything(value, written):
    assert cell(value) == written


def test_the_csv_has_every_field_and_reads_back():
    rows = [a_row(0, reason=HOSTILE, user='a,"b"', plan="a\nb"), a_row(1, rto=NO_FIGURE, user=None, cost_dollars=None)]

    text = "".join(csv_lines(rows))

    first, second = csv.DictReader(io.StringIO(text, newline=""))
    assert text.startswith(f"{','.join(COLUMNS)}\r\n")
    assert (first["plan"], first["user"], first["reason"][:6]) == ("a\nb", 'a,"b"', "'=cmd|")
    assert (first["rto_seconds"], first["rto_target_seconds"], first["rto_outcome"]) == ("1800", "2700", "met")
    assert (second["user"], second["rto_seconds"], second["cost_dollars"]) == ("", "", "")
    assert (second["rto_outcome"], second["has_report"]) == ("not_measured", "yes")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_json_is_one_array_with_what_the_api_says_of_each_run(count):
    rows = [a_row(number, reason=HOSTILE) for number in range(count)]

    assert json.loads("".join(json_lines(rows))) == [row.as_json() for row in rows]


def test_half_a_character_breaks_no_file():
    rows = [a_row(0, reason="\ud83d")]

    assert json.loads("".join(json_lines(rows)).encode())[0]["reason"] == "?"
    assert "\\ud83d" in "".join(csv_lines(rows)).encode().decode()


def test_the_file_is_named_by_the_instant():
    assert file_name("csv", START) == "drs-history-20261101T050000Z.csv"
