"""Pages of any list show every row once, and in order, whatever comes and goes meanwhile."""

import base64
import json

import pytest
from drs_provider.api.problems import RequestRefused
from drs_provider.api.v1.history import page_of
from drs_provider.rules.history.query import ORDERS, HistoryQuery, selected
from drs_provider.rules.history.row import NO_FIGURE
from kit.past_runs import a_row


@pytest.mark.parametrize("order", [word for name in ORDERS for word in (name, f"-{name}")])
@pytest.mark.parametrize("limit", [1, 2, 7, 100])
def test_pages_show_every_run_once_and_in_the_order_of_a_file_also_where_many_are_alike(order, limit):
    rows = [
        a_row(number % 5, run_id=f"run \U0001f480 {number}", **({"rto": NO_FIGURE, "user": None} if number % 3 else {}))
        for number in range(23)
    ]
    query, shown, after = HistoryQuery(order=order), [], None
    while True:
        page = page_of(rows, query, limit=limit, after=after)
        assert (page.total, len(page.rows) <= limit) == (23, True)
        shown += page.rows
        after = page.next
        if after is None:
            break

    assert shown == selected(rows, query)


def test_runs_that_come_in_between_shift_no_page():
    rows = [a_row(number) for number in range(6)]
    first = page_of(rows, HistoryQuery(), limit=3)

    second = page_of([a_row(9), *rows], HistoryQuery(), limit=3, after=first.next)

    assert [row.rto.measured_seconds for row in (*first.rows, *second.rows)] == [1805, 1804, 1803, 1802, 1801, 1800]


def after_of(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "after",
    [
        "!",
        "\u00e9",
        after_of({}),
        after_of(["started", 1.0, "d r"]),
        after_of(["-started", True, "d r"]),
        after_of(["-started", [1.0], "d r"]),
        after_of(["-started", 1.0, None]),
        after_of(["-started", 1.0]),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_a_page_that_somebody_made_up_is_refused(after):
    with pytest.raises(RequestRefused) as refused:
        page_of([a_row(0), a_row(1)], HistoryQuery(), limit=2, after=after)
    assert (refused.value.status, refused.value.detail) == (
        422,
        "after: this is no page of this list in this order; begin with the first page",
    )
