"""Which runs are asked for, in which order, and that paging shows each of them once."""

import base64
import json
from datetime import timedelta

import pytest
from drs_provider.rules.history.query import ORDERS, CursorUnreadable, HistoryQuery, page_of, read_day, selected
from drs_provider.rules.history.row import NO_FIGURE
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
        (HistoryQuery(order="-user"), [3, 0, 1, 2]),
        (HistoryQuery(order="-rto"), [3, 2, 1, 0]),
    ],
)
def test_what_is_asked_for_is_found_in_order(query, found):
    assert [ROWS.index(row) for row in selected(ROWS, query)] == found


@pytest.mark.parametrize("order", [word for name in ORDERS for word in (name, f"-{name}")])
@pytest.mark.parametrize("limit", [1, 2, 7, 100])
def test_pages_show_every_run_once_and_in_order_also_where_many_are_alike(order, limit):
    rows = [
        a_row(number % 5, run_id=f"run \U0001f480 {number}", **({"rto": NO_FIGURE, "user": None} if number % 3 else {}))
        for number in range(23)
    ]
    query, shown, cursor = HistoryQuery(order=order), [], None
    while True:
        page = page_of(rows, query, limit=limit, cursor=cursor)
        assert (page.total, len(page.rows) <= limit) == (23, True)
        shown += page.rows
        cursor = page.next_cursor
        if cursor is None:
            break

    assert shown == selected(rows, query)


def test_runs_that_come_in_between_shift_no_page():
    rows = [a_row(number) for number in range(6)]
    first = page_of(rows, HistoryQuery(), limit=3)

    second = page_of([a_row(9), *rows], HistoryQuery(), limit=3, cursor=first.next_cursor)

    assert [row.rto.measured_seconds for row in (*first.rows, *second.rows)] == [1805, 1804, 1803, 1802, 1801, 1800]


def cursor_of(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


NONE_OF_OURS = "the cursor is not one that this history has given: start from the first page"


@pytest.mark.parametrize(
    ("cursor", "said"),
    [
        ("!", NONE_OF_OURS),
        ("\u00e9", NONE_OF_OURS),
        (cursor_of({}), "the cursor is not one of the order '-started': start from the first page"),
        (
            cursor_of(["started", False, 1.0, "d", "r"]),
            "the cursor is not one of the order '-started': start from the first page",
        ),
        (cursor_of(["-started", False, "1", "d", "r"]), NONE_OF_OURS),
        (cursor_of(["-started", False, True, "d", "r"]), NONE_OF_OURS),
        (cursor_of(["-started", 0, 1.0, "d", "r"]), NONE_OF_OURS),
        (cursor_of(["-started", False, 1.0, "d", None]), NONE_OF_OURS),
        (base64.urlsafe_b64encode(b"\xff\xfe").decode(), NONE_OF_OURS),
    ],
)
def test_a_cursor_that_somebody_made_up_is_refused(cursor, said):
    with pytest.raises(CursorUnreadable) as refused:
        page_of(ROWS, HistoryQuery(), limit=2, cursor=cursor)
    assert str(refused.value) == said


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
