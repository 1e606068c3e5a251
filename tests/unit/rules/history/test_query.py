"""Which runs are asked for, and in which order."""

from datetime import timedelta

import pytest
from drs_provider.rules.history.query import HistoryQuery, read_day, selected
from drs_provider.rules.run.state import RunStatus
from kit.past_runs import START, a_row

ROWS = (
    a_row(0),
    a_row(1, plan="crm", dag_id="drs.crm", user="Bob", why="1 server failed", result=RunStatus.FAILED),
    a_row(2, mode="recovery", user=None, reason="Site is DOWN", result=RunStatus.COMPLETED),
    a_row(3, started_at=None, ended_at=None, result=RunStatus.QUEUED, source="airflow"),
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (HistoryQuery(), [2, 1, 0, 3]),
        (HistoryQuery(order="started"), [0, 1, 2, 3]),
        (HistoryQuery(plans=frozenset({"crm"})), [1]),
        (HistoryQuery(plans=frozenset({"crm", "shop"}), modes=frozenset({"drill"})), [1, 0, 3]),
        (HistoryQuery(results=frozenset({"failed", "completed"})), [2, 1]),
        (HistoryQuery(user="BO"), [1]),
        (HistoryQuery(text="site down"), [2]),
        (HistoryQuery(text="site up"), []),
        (HistoryQuery(text="  "), [2, 1, 0, 3]),
        (HistoryQuery(since=START + timedelta(days=1)), [2, 1]),
        (HistoryQuery(until=START + timedelta(days=1)), [0]),
        (HistoryQuery(since=START, until=START), []),
        (HistoryQuery(order="user"), [1, 0, 3, 2]),
        (HistoryQuery(order="-user"), [0, 3, 1, 2]),
        (HistoryQuery(order="-rto"), [3, 2, 1, 0]),
    ],
)
def test_what_is_asked_for_is_found_in_order(query, found):
    assert [ROWS.index(row) for row in selected(ROWS, query)] == found


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-11-01", "2026-11-01T00:00:00+00:00"),
        ("2026-11-01T02:00:00+02:00", "2026-11-01T00:00:00+00:00"),
        ("2026-11-01T02:00", "2026-11-01T02:00:00+00:00"),
    ],
)
def test_days_and_instants_are_read_as_utc(text, read):
    assert read_day(text).isoformat() == read
