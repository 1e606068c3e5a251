"""``drs history``: which runs it shows, and in which form."""

import csv
import io
import json

import pytest
from drs_provider.cli.main import main
from kit.past_runs import HOSTILE, START, a_report, put_report

WHAT_TO_WRITE = "write a day such as 2026-11-22, or an instant such as 2026-11-22T05:00:00Z\n"


@pytest.fixture
def reports(tmp_path):
    folder = tmp_path / "reports"
    for number, (dag_id, changes) in enumerate(
        [
            ("drs.shop", {}),
            ("drs.shop", {"verdict": "failed", "run": {"triggered_by": HOSTILE, "reason": HOSTILE}}),
            ("drs.crm", {"verdict": "completed", "run": {"mode": "recovery"}}),
        ]
    ):
        run = {"started_at": START.replace(day=number + 1).isoformat(), **changes.pop("run", {})}
        put_report(folder, a_report(dag_id, f"run-{number}", run=run, **changes))
    return folder


def shown(capsys, reports, *arguments):
    code = main(["history", *arguments, "--reports", str(reports)])
    return code, *capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        ([], ["run-2", "run-1", "run-0"]),
        (["shop"], ["run-1", "run-0"]),
        (["--ascending"], ["run-0", "run-1", "run-2"]),
        (["--limit", "1"], ["run-2"]),
        (["--mode", "recovery"], ["run-2"]),
        (["--result", "failed", "--result", "passed"], ["run-1", "run-0"]),
        (["--since", "2026-11-02", "--until", "2026-11-02"], ["run-1"]),
        (["--user", "MARIA"], ["run-2", "run-0"]),
        (["--search", "no such words"], []),
    ],
)
def test_runs_are_chosen_and_sorted(capsys, reports, arguments, runs):
    code, out, _ = shown(capsys, reports, *arguments, "--format", "json")

    assert (code, [run["run_id"] for run in json.loads(out)]) == (0, runs)


def test_the_table_is_for_people_and_nothing_in_it_steers_a_terminal(capsys, reports):
    code, out, err = shown(capsys, reports)

    heading, *lines = out.splitlines()
    assert (code, err, len(lines)) == (0, "", 3)
    assert " ".join(heading.split()) == (
        "STARTED PLAN MODE RESULT BY TOOK RTO RPO SERVERS EXCEPTIONS COST CLEAN-UP RUN"
    )
    assert lines[0].startswith("2026-11-03 05:00  crm   recovery  completed  maria")
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_the_csv_reads_back(capsys, reports):
    _, out, _ = shown(capsys, reports, "--format", "csv")

    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["run_id"] for row in rows] == ["run-2", "run-1", "run-0"]
    assert rows[1]["user"].startswith("'=cmd|")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shpo"], "drs history: no report of a plan called 'shpo' in {} (did you mean 'shop'?)\n"),
        (["--limit", "0"], "drs history: --limit 0: give 1 or more\n"),
        (
            ["--since", "yesterday"],
            "drs history: --since 'yesterday' is no day: " + WHAT_TO_WRITE,
        ),
    ],
)
def test_wrong_use_is_said(capsys, reports, arguments, said):
    assert shown(capsys, reports, *arguments) == (2, "", said.format(reports))


def test_where_there_is_no_report_it_says_where_it_looked(capsys, tmp_path):
    code, out, err = shown(capsys, tmp_path, "shop")

    assert (code, len(out.splitlines()), err) == (0, 1, f"no run in {tmp_path}\n")
