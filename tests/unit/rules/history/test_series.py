"""What the runs of a plan say together."""

from datetime import timedelta

import pytest
from drs_provider.rules.history.row import NO_FIGURE, merged, row_of_record
from drs_provider.rules.history.series import plan_histories, plan_history
from drs_provider.rules.run.state import RunStatus
from kit.past_runs import START, a_record, a_row

NOW = START + timedelta(days=10)
FAILED = {"result": RunStatus.FAILED}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no good drill yet"),
        ([a_row(1, **FAILED)], "no good drill yet"),
        ([a_row(1, result=RunStatus.COMPLETED_WITH_EXCEPTIONS)], "no good drill yet"),
        ([a_row(1, mode="recovery", result=RunStatus.COMPLETED)], "no good drill yet"),
        ([a_row(1, mode="check", result=RunStatus.CHECKED)], "no good drill yet"),
        ([a_row(1, mode="failback_drill")], "no good drill yet"),
        ([a_row(2), a_row(5), a_row(7, **FAILED)], "last good drill 4 days ago"),
        ([a_row(8)], "last good drill 1 day ago"),
        ([a_row(9.5)], "last good drill today"),
        ([a_row(11)], "last good drill today"),  # by another clock
    ],
)
def test_the_last_good_drill_is_the_newest_one_with_nothing_against_it(rows, said):
    assert plan_history("shop", rows, NOW).drill_words == said


def test_only_runs_that_launch_and_are_over_are_points_of_the_series():
    rows = [
        a_row(3, **FAILED),
        a_row(1),
        a_row(2, mode="check", result=RunStatus.CHECKED),
        a_row(4, ended_at=None, result=RunStatus.RUNNING),
        a_row(5, source="airflow", result=RunStatus.UNKNOWN),
        a_row(6, mode="recovery", result=RunStatus.COMPLETED, rto=NO_FIGURE),
    ]

    found = plan_history("shop", rows, NOW)

    assert [(point.at - START).days for point in found.points] == [1, 3, 6]
    assert (found.runs, found.good, round(found.success_share or 0, 2)) == (6, 2, 0.67)
    assert found.as_json()["points"][2]["rto"] == {
        "target_seconds": None,
        "measured_seconds": None,
        "outcome": "not_measured",
    }


def test_plans_come_by_name_and_one_without_runs_that_count_has_no_share():
    rows = [a_row(1), a_row(1, plan="crm", dag_id="drs.crm", source="airflow")]

    crm, shop = plan_histories(rows, NOW)

    assert (crm.plan, crm.success_share, crm.runs) == ("crm", None, 1)
    assert (shop.plan, shop.success_share) == ("shop", 1.0)


@pytest.mark.parametrize(
    ("record", "result", "duration", "why"),
    [
        (a_record(), "unknown", 2460.0, "report missing: the result of the run is unknown"),
        (
            a_record(state="failed", started_at=None),
            "unknown",
            None,
            "report missing: the result of the run is unknown",
        ),
        (a_record(state="running", ended_at=None), "running", None, ""),
        (a_record(state="queued", started_at=None, ended_at=None), "queued", None, ""),
    ],
)
def test_a_run_without_a_report_is_shown_with_what_airflow_knows(record, result, duration, why):
    row = row_of_record(record)

    assert (str(row.result), row.duration_seconds, row.why) == (result, duration, why)
    assert (row.plan, row.user, row.has_report, row.servers, row.started_at) == ("shop", "ann", False, None, START)


def test_the_runs_of_the_way_back_are_of_their_plan():
    assert row_of_record(a_record(dag_id="drs.shop.failback", mode="failback")).plan == "shop"


def test_a_run_that_was_cleared_goes_on_whatever_its_old_report_says():
    row = merged(a_row(), a_record(state="running"))

    assert (str(row.result), row.ended_at, row.duration_seconds) == ("running", None, None)
    assert row.why == "goes on again; before that: passed. All 3 servers were launched"
    assert merged(a_row(), a_record()) == merged(a_row(), None) == a_row()
