"""Which launches of a server are kept, and which of them count as its last drill and recovery."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.inventory.membership import Membership
from drs_provider.rules.inventory.past_launches import (
    MOST_LAUNCHES,
    PastLaunch,
    PastLaunches,
    last_drill,
    last_recovery,
    newest_launches,
    with_launch,
)
from drs_provider.rules.inventory.server import FAILBACK, NOT_LISTED, InventoryServer, LatestLaunch
from drs_provider.rules.inventory.views import VIEWS, make_rows
from drs_provider.rules.run.roster import Place
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 11, 22, tzinfo=UTC)
HERE = Place("111122223333", "us-west-2")


def launch(number, mode="drill", status="launched"):
    return PastLaunch("drs.shop", f"run-{number}", "shop", mode, status, AT + timedelta(hours=number))


@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["drill", "recovery", "check", "migration"]), st.booleans()))
)
def test_launches_taken_in_any_order_are_the_newest_with_the_last_drill_and_recovery(drawn):
    runs = {number: launch(number, mode, "launched" if is_good else "failed") for number, mode, is_good in drawn}
    kept = ()
    for found in runs.values():
        kept = with_launch(kept, found)

    standing = sorted(runs.values(), key=lambda each: each.at, reverse=True)
    assert kept[:MOST_LAUNCHES] == tuple(standing[:MOST_LAUNCHES])
    assert last_drill(kept) == last_drill(standing)
    assert last_recovery(kept) == last_recovery(standing)
    assert len(kept) <= MOST_LAUNCHES + 2
    assert list(kept) == sorted(kept, key=lambda each: each.at, reverse=True)


def test_a_report_that_is_read_again_counts_once():
    again = newest_launches([launch(1, status="failed"), launch(1)])
    assert [found.status for found in again] == ["launched"]


DRILLED = LatestLaunch("DRILL", "LAUNCHED", "drsjob-1", AT)
FAILED = LatestLaunch("DRILL", "FAILED", "drsjob-1", AT)
RECOVERED = LatestLaunch("RECOVERY", "LAUNCHED", "drsjob-1", AT)


@pytest.mark.parametrize(
    ("facts", "past", "expected"),
    [
        ({}, (), True),
        ({}, (launch(1),), False),
        ({}, (launch(1, status="failed"),), True),
        ({}, (launch(1, "recovery"),), True),
        ({}, (launch(1, "failback_drill"),), True),
        ({"last_launch": DRILLED}, (), False),
        ({"last_launch": FAILED}, (), True),
        ({"last_launch": RECOVERED}, (), True),
        ({"last_launch": RECOVERED}, (launch(-5),), False),
        ({"direction": FAILBACK}, (), False),
        ({"state": NOT_LISTED}, (), False),
    ],
)
def test_who_was_never_drilled(facts, past, expected):
    server = InventoryServer(**{"server_id": "s-1", "hostname": "db1", "place": HERE, "state": "CONTINUOUS", **facts})
    (row,) = make_rows([server], Membership(), {}, {}, PastLaunches({"s-1": past}))

    assert VIEWS["never-drilled"](row) is expected


def test_the_newest_word_counts_whoever_says_it():
    server = InventoryServer("s-1", "db1", HERE, "CONTINUOUS", last_launch=DRILLED)
    older, newer = (
        make_rows([server], Membership(), {}, {}, PastLaunches({"s-1": (launch(at),)}))[0] for at in (-1, 1)
    )

    assert (older.drilled_at, newer.drilled_at) == (AT, AT + timedelta(hours=1))
    assert (older.recovered_at, newer.recovered_at) == (None, None)
