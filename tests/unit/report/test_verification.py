"""Whether a plan is verified, by which drill, and why it is no longer."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.report.evidence import DrillFacts, RunFacts, ServerFingerprint
from drs_provider.report.measure import measure
from drs_provider.report.store import stored_reports, write_report
from drs_provider.report.verification import Verification, changed, verify
from kit.evidence import a_passed_drill

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DB = ServerFingerprint(hostname="db1", disks="/dev/sda1: 1", launch="aa")


def report(run_id="r1", *, verdict="passed", mode="drill", digest="d1", days_ago=1.0, fingerprints=None):
    done = measure(a_passed_drill())
    at = NOW - timedelta(days=days_ago)
    run = RunFacts(dag_id="drs.shop", run_id=run_id, mode=mode, plan="shop", plan_digest=digest, started_at=at)
    facts = DrillFacts(fingerprints=fingerprints or {})
    return done.model_copy(update={"run": run, "finished_at": at, "verdict": verdict, "drill": facts})


@pytest.mark.parametrize(
    ("reports", "is_verified", "why"),
    [
        ([], False, "no drill of it has ever been reported"),
        ([report(mode="recovery", verdict="completed")], False, "no drill of it has ever been reported"),
        ([report(verdict="failed")], False, "no drill has passed; the last one, r1, ended as failed"),
        (
            [report(verdict="completed_with_exceptions")],
            False,
            "no drill has passed; the last one, r1, ended as completed with exceptions",
        ),
        ([report()], True, "the drill of 2026-02-28 00:00 UTC passed, counts until 2026-05-29 00:00 UTC"),
        (
            [report(digest="d0")],
            False,
            "the plan, or a group of it, has changed since the drill of 2026-02-28 00:00 UTC",
        ),
        ([report(days_ago=91)], False, "the drill of 2025-11-30 00:00 UTC counted until 2026-02-28 00:00 UTC"),
        (
            [report(days_ago=3), report("r2", verdict="failed")],
            False,
            "a drill has failed since the drill of 2026-02-26 00:00 UTC: r2",
        ),
        (
            [report("r2", verdict="failed", days_ago=3), report()],
            True,
            "the drill of 2026-02-28 00:00 UTC passed, counts until 2026-05-29 00:00 UTC",
        ),
        (
            [report(days_ago=3), report("r2", verdict="superseded"), report("r3", verdict="refused")],
            True,
            "the drill of 2026-02-26 00:00 UTC passed, counts until 2026-05-27 00:00 UTC",
        ),
    ],
)
def test_the_newest_passed_drill_counts_until_something_speaks_against_it(reports, is_verified, why):
    found = verify(reports, digest="d1", valid_for=timedelta(days=90), now=NOW)

    assert (found.is_verified, found.why) == (is_verified, why)


def test_without_valid_for_it_counts_for_ever():
    assert verify([report(days_ago=4000)], digest="d1", valid_for=None, now=NOW).is_verified


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"s-1": DB}, []),
        ({"s-1": DB.model_copy(update={"launch": ""})}, []),
        ({}, ["gone: db1"]),
        ({"s-1": DB, "s-2": DB.model_copy(update={"hostname": "db2"})}, ["new: db2"]),
        ({"s-1": DB.model_copy(update={"hostname": "db9"})}, ["renamed: db9"]),
        (
            {"s-1": DB.model_copy(update={"disks": "/dev/sda1: 2", "launch": "bb"})},
            ["other disks: db1", "other launch settings: db1"],
        ),
    ],
)
def test_a_server_that_has_changed_needs_a_new_drill(now, said):
    assert changed({"s-1": DB}, now) == said
    found = verify([report(fingerprints={"s-1": DB})], digest="d1", valid_for=None, now=NOW, servers=now)
    assert found.is_verified is (not said)
    if said:
        assert found.why == f"since the drill of 2026-02-28 00:00 UTC {'; '.join(said)}"


def test_an_older_report_without_fingerprints_is_not_held_against_servers():
    assert verify([report()], digest="d1", valid_for=None, now=NOW, servers={"s-1": DB}).is_verified


def test_stored_reports_are_read_newest_first_and_broken_ones_are_passed_over(tmp_path):
    for name in ("manual__2026-01-02T00:00:00+00:00", "scheduled__2026-01-03T00:00:00+00:00"):
        write_report(report(name), tmp_path)
    (tmp_path / "drs.shop" / "broken").mkdir()
    (tmp_path / "drs.shop" / "broken" / "report.json").write_text("{")

    found = [document.run.run_id for document in stored_reports(tmp_path, "drs.shop")]

    assert found == ["scheduled__2026-01-03T00:00:00+00:00", "manual__2026-01-02T00:00:00+00:00"]
    assert list(stored_reports(tmp_path, "drs.other")) == []


def test_it_goes_to_json():
    assert Verification(is_verified=True, why="x", by="r1", at=NOW).as_json() == {
        "verified": True,
        "why": "x",
        "run": "r1",
        "at": "2026-03-01T00:00:00+00:00",
        "until": None,
    }
