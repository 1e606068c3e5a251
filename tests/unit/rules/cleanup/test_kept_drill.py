"""Whether and how long what a drill has launched is kept for people."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.cleanup import kept_drill
from drs_provider.rules.run.controls import END, EXTEND
from drs_provider.rules.run.handover import KeptDrill, KeptExtension, PreflightResult, RunOrder, Superseded

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def preflight(mode):
    return PreflightResult.from_json(
        {
            "plan": "shop",
            "digest": "d",
            "passed": True,
            "mode": mode,
            "checked_at": "2026-01-01T11:00:00Z",
            "needs_approval": False,
            "waves": {},
        }
    )


@pytest.mark.parametrize(
    ("found", "is_launched", "superseded", "orders", "reason"),
    [
        (preflight("drill"), True, None, [None], None),
        (preflight("drill"), True, None, [RunOrder(kind="skip", message="wave web skipped")], None),
        (None, True, None, [], "not a drill, so nothing is kept"),
        (preflight("recovery"), True, None, [], "not a drill, so nothing is kept"),
        (preflight("drill"), False, None, [], "nothing was launched, so there is nothing to look at"),
        (
            preflight("drill"),
            True,
            Superseded(message="a recovery of db1 began"),
            [],
            "a recovery of db1 began: the drill is cleaned up at once",
        ),
        (
            preflight("drill"),
            True,
            None,
            [RunOrder(kind="cancel", message="cancelled by ann")],
            "the run was cancelled: the drill is cleaned up at once",
        ),
    ],
)
def test_a_drill_is_kept_where_somebody_can_and_wants_to_look(found, is_launched, superseded, orders, reason):
    assert kept_drill.why_not_kept(found, is_launched=is_launched, superseded=superseded, orders=orders) == reason


def test_a_drill_is_extended_as_often_as_somebody_asks_and_then_ends():
    kept = kept_drill.begun(timedelta(hours=2), now=NOW)
    once = kept_drill.extended(kept, EXTEND[0], who="ann", at=NOW)
    longer = kept_drill.extended(once, EXTEND[1], who="bob", at=NOW + timedelta(hours=1))
    over = kept_drill.ended(longer, who=None, now=NOW + timedelta(hours=4))

    assert kept == KeptDrill(began_at=NOW, until=NOW + timedelta(hours=2))
    extensions = (
        KeptExtension(at=NOW, until=NOW + timedelta(hours=2.5), by="ann"),
        KeptExtension(at=NOW + timedelta(hours=1), until=NOW + timedelta(hours=3.5), by="bob"),
    )
    assert longer == KeptDrill(
        began_at=NOW, until=NOW + timedelta(hours=3.5), by="bob", extended=2, extensions=extensions
    )
    assert over == longer.model_copy(update={"ended_at": NOW + timedelta(hours=4), "by": None})
    assert [kept_drill.is_extension(option) for option in (END, *EXTEND, None)] == [
        False,
        *(True for _ in EXTEND),
        False,
    ]
    assert kept_drill.time_left(kept, now=NOW + timedelta(hours=3)) == timedelta(seconds=1)
    assert kept_drill.expiry(kept) == NOW + timedelta(hours=5)
