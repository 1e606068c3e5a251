"""The index over reports on disk and in an object store, and runs that left none."""

import json
import os
import time
from threading import Event

import pytest
from drs_provider.report.measure import measure
from drs_provider.report.store import kept_report, write_report
from drs_provider.rules.run.handover import KeptReport
from drs_provider.services.history import index as index_module
from drs_provider.services.history.index import NO_ANSWER, HistoryIndex
from drs_provider.services.history.stored import read_stored_detail
from kit.evidence import a_drill_with_exceptions, a_drill_with_leftovers, a_passed_drill, a_refused_drill
from kit.past_runs import PastRunsInMemory, a_record, a_report, put_report


def looked(index, records=(), readable=("drs.shop",), kept=None):
    index.look(records, readable, kept)
    assert index.wait(10)
    return index.look(records, readable, kept)


def by_run(history):
    return {row.run_id: row for row in history.rows}


@pytest.mark.parametrize("evidence", [a_passed_drill, a_drill_with_exceptions, a_drill_with_leftovers, a_refused_drill])
def test_a_row_says_what_the_whole_report_says(tmp_path, evidence):
    report = measure(evidence())
    write_report(report, tmp_path)

    (row,) = looked(HistoryIndex(lambda: tmp_path), readable=[report.run.dag_id]).rows

    assert (row.key, row.plan, row.mode) == ((report.run.dag_id, report.run.run_id), report.run.plan, report.run.mode)
    assert (row.result, row.why, row.user) == (report.verdict, report.verdict_reason, report.run.triggered_by)
    assert (row.started_at, row.ended_at) == (report.run.started_at, report.finished_at)
    assert row.duration_seconds == report.elapsed_seconds
    assert row.rto.measured_seconds == report.objectives.rto.measured_seconds
    assert row.rpo.outcome == report.objectives.rpo.outcome
    assert (row.servers, row.launched) == (report.counts.servers, report.counts.launched)
    assert row.cleanup == report.cleanup.state
    detail = read_stored_detail(tmp_path, *row.key)
    assert detail is not None
    assert list(detail.waves) == [wave.name for wave in report.waves]


def test_what_is_new_changed_or_gone_is_seen_and_nothing_else_is_read(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(
        index_module, "read_stored", lambda folder, report: read.append(report.place[1]) or original(folder, report)
    )
    from drs_provider.services.history.stored import read_stored as original

    now = [0.0]
    index = HistoryIndex(lambda: tmp_path, clock=lambda: now[0])
    for name in ("a", "b", "c"):
        put_report(tmp_path, a_report(run_id=name))
    assert by_run(looked(index)).keys() == {"a", "b", "c"}
    put_report(tmp_path, a_report(run_id="b", verdict="failed"))
    put_report(tmp_path, a_report(run_id="d"))
    (tmp_path / "drs.shop" / "c" / "report.json").unlink()
    assert by_run(looked(index)).keys() == {"a", "b", "c"}  # it was looked a moment ago

    now[0] += index_module.FRESH_FOR + 1
    found = by_run(looked(index))

    assert found.keys() == {"a", "b", "d"}
    assert found["b"].result == "failed"
    assert sorted(read) == ["a", "b", "b", "c", "d"]


def test_a_run_that_has_just_ended_is_looked_for_at_once(tmp_path):
    index = HistoryIndex(lambda: tmp_path)
    assert looked(index).rows == ()
    put_report(tmp_path, a_report(run_id=a_record().run_id))

    (row,) = looked(index, [a_record()]).rows

    assert row.has_report


def test_nobody_sees_a_run_of_a_dag_that_he_may_not_read(tmp_path):
    put_report(tmp_path, a_report("drs.secret", "a"))
    put_report(tmp_path, a_report(run_id="b"))
    index = HistoryIndex(lambda: tmp_path)

    assert by_run(looked(index, [a_record(dag_id="drs.secret")])).keys() == {"b"}
    assert looked(index, readable=()).rows == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "\x00",
        json.dumps(a_report(run_id="another")),
        json.dumps(a_report(run_id="x", verdict="splendid")),
        json.dumps(a_report(run_id="x", run={"mode": "game"})),
    ],
)
def test_a_file_that_is_no_report_of_its_run_is_left_out_and_the_others_are_shown(tmp_path, text):
    put_report(tmp_path, a_report(run_id="x")).write_text(text)
    put_report(tmp_path, a_report(run_id="good"))

    found = looked(HistoryIndex(lambda: tmp_path))

    assert (by_run(found).keys(), found.pending, found.problem) == ({"good"}, 0, "")


def test_a_report_of_the_first_version_is_read(tmp_path):
    body = a_report(run_id="old") | {"format_version": 1, "cleanup": {"state": "done"}}
    put_report(tmp_path, body)

    (row,) = looked(HistoryIndex(lambda: tmp_path)).rows

    assert (row.result, row.cleanup) == ("passed", "completed")


def test_a_report_that_cannot_be_opened_is_tried_again_and_hides_no_other(tmp_path):
    path = put_report(tmp_path, a_report(run_id="x"))
    put_report(tmp_path, a_report(run_id="good"))
    text = path.read_text()
    path.unlink()
    path.mkdir()
    now = [0.0]
    index = HistoryIndex(lambda: tmp_path, clock=lambda: now[0])
    assert by_run(looked(index)).keys() == {"good"}
    path.rmdir()
    path.write_text(text)
    now[0] += index_module.FRESH_FOR + 1

    assert by_run(looked(index)).keys() == {"good", "x"}


def test_a_store_that_fails_is_said_and_airflow_s_runs_are_shown(tmp_path):
    def folder():
        raise ConnectionError("no route to host bucket-of-acme")

    found = looked(HistoryIndex(folder), [a_record()])

    assert found.problem == "the store of the reports cannot be read: ConnectionError"
    assert [str(row.result) for row in found.rows] == ["unknown"]


def test_a_store_that_hangs_keeps_nobody_waiting():
    goes_on = Event()
    index = HistoryIndex(lambda: goes_on.wait(20) and None, most_wait=0.05)
    began = time.monotonic()

    found = index.look([a_record()], ["drs.shop"])

    assert time.monotonic() - began < 1
    assert (found.problem, len(found.rows)) == (NO_ANSWER, 1)
    goes_on.set()


def test_only_the_newest_are_held_and_the_rest_is_counted(tmp_path):
    for day in range(1, 6):
        put_report(tmp_path, a_report(run_id=f"manual__2026-11-0{day}"))

    found = looked(HistoryIndex(lambda: tmp_path, most_rows=2))

    assert (by_run(found).keys(), found.left_out) == ({"manual__2026-11-05", "manual__2026-11-04"}, 3)


def kept_of(record, **changes):
    report = measure(a_passed_drill())
    run = report.run.model_copy(update={"dag_id": record.dag_id, "run_id": record.run_id, **changes})
    return kept_report(report.model_copy(update={"run": run}))


@pytest.mark.parametrize(
    ("kept", "result", "measured"),
    [
        (kept_of(a_record()), "passed", True),
        (kept_of(a_record(), run_id="another"), "passed", False),
        (KeptReport(verdict="failed", reason="why", is_shortened=True), "failed", False),
        (KeptReport(verdict="splendid", reason="why"), "unknown", False),
        (KeptReport(verdict="failed", reason="why", report={"run": 1}), "failed", False),
        (None, "unknown", False),
    ],
)
def test_a_report_that_only_airflow_has_is_read_from_there(tmp_path, kept, result, measured):
    record = a_record()
    past = PastRunsInMemory([record], {record.key: kept} if kept else {})

    (row,) = looked(HistoryIndex(lambda: tmp_path), [record], kept=past.kept_report).rows

    assert (str(row.result), row.rto.measured_seconds is not None) == (result, measured)


def test_reports_that_only_airflow_has_are_read_a_few_at_a_look_and_once(tmp_path, monkeypatch):
    monkeypatch.setattr(index_module, "KEPT_WITHIN", 0.0)
    records = [a_record(day) for day in range(4)]
    asked = []
    now = [0.0]
    index = HistoryIndex(lambda: tmp_path, clock=lambda: now[0])

    def kept(dag_id, run_id):
        asked.append(run_id)
        now[0] += 0.01
        return KeptReport(verdict="passed", reason="")

    pending = [looked(index, records, kept=kept).pending for _ in range(4)]

    assert pending[-1] == 0
    assert sorted(pending, reverse=True) == pending
    assert asked == [record.run_id for record in reversed(records)]


def test_reports_in_an_object_store_are_found_by_one_listing():
    from upath import UPath  # what Airflow's ObjectStoragePath is made of

    folder = UPath(f"memory://history-{os.getpid()}/reports")
    report = measure(a_passed_drill())
    write_report(report, folder)
    (folder / report.run.dag_id / "notes.txt").write_text("not a report")

    (row,) = looked(HistoryIndex(lambda: folder), readable=[report.run.dag_id]).rows

    assert (row.run_id, row.result) == (report.run.run_id, "passed")
    detail = read_stored_detail(folder, *row.key)
    assert detail is not None
    assert detail.row == row
