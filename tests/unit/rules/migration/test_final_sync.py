"""When every recovery point holds what was written before the writes stopped, and what is said while one does not."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.launch.recovery_points import Point
from drs_provider.rules.migration.final_sync import (
    Quiesce,
    StepEnd,
    SyncMark,
    end_of,
    in_short,
    quiesce_of,
    stopped_again,
    synced,
    timed_out,
    waiting_for,
    why_sources_stay,
    why_waiting,
)
from drs_provider.rules.run.controls import skip
from drs_provider.rules.run.handover import StepResult
from hypothesis import given
from hypothesis import strategies as st

STOPPED = datetime(2026, 1, 31, 3, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def snapshot(seconds, name="pit-new"):
    at = STOPPED + timedelta(seconds=seconds)
    return {"snapshotID": name, "timestamp": at.isoformat().replace("+00:00", "Z")}


@pytest.mark.parametrize(
    ("found", "mark", "expected"),
    [
        pytest.param(None, SyncMark("pit-old"), False, id="no recovery point"),
        pytest.param(snapshot(-1), SyncMark("pit-old"), False, id="older than the last write"),
        pytest.param(snapshot(0), SyncMark("pit-old"), False, id="begun at the very instant"),
        pytest.param(snapshot(1), SyncMark("pit-old"), True, id="younger"),
        pytest.param(snapshot(1), SyncMark(""), True, id="the first one at all"),
        pytest.param(snapshot(600, "pit-old"), SyncMark("pit-old"), False, id="it was there, whatever the clocks say"),
        pytest.param(snapshot(10), SyncMark("pit-old", 10 * SECOND), False, id="its data is as old as the lag"),
        pytest.param(snapshot(11), SyncMark("pit-old", 10 * SECOND), True, id="younger than the lag"),
    ],
)
def test_a_point_holds_everything_where_it_is_new_and_younger_than_the_last_write(found, mark, expected):
    point = synced(found, mark, quiesced_at=STOPPED)

    assert (point is not None) is expected
    if point:
        assert point == Point(found["snapshotID"], datetime.fromisoformat(found["timestamp"]), "quiesced")


@given(st.integers(-1000, 1000), st.integers(0, 1000), st.booleans())
def test_no_point_counts_that_may_lack_a_write(seconds, lag, is_new):
    found = snapshot(seconds, "pit-new" if is_new else "pit-old")

    point = synced(found, SyncMark("pit-old", lag * SECOND), quiesced_at=STOPPED)

    assert (point is not None) == (is_new and seconds > lag)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param(
            [StepEnd("a", STOPPED, True), StepEnd("b", STOPPED + SECOND, True)],
            Quiesce(STOPPED + SECOND, ("a", "b")),
            id="the end of the last step",
        ),
        pytest.param(
            [StepEnd("a", STOPPED, True), StepEnd("b", None, False)],
            Quiesce(
                STOPPED + 60 * SECOND,
                ("a", "b"),
                ("step b has left no result (a task that is marked as successful stops nothing)",),
            ),
            id="one was marked by hand",
        ),
        pytest.param(
            [StepEnd("a", STOPPED + 90 * SECOND, False, goes_on=True)],
            Quiesce(STOPPED + 60 * SECOND, ("a",), ("step a failed, and the plan goes on all the same",)),
            id="one failed, and the plan goes on",
        ),
        pytest.param(
            [StepEnd("a", STOPPED + 90 * SECOND, False), StepEnd("b", STOPPED, True)],
            Quiesce(
                STOPPED + 60 * SECOND,
                ("a", "b"),
                ("step a failed and was marked by hand (a task that is marked as successful stops nothing)",),
            ),
            id="one failed, and somebody marked it by hand",
        ),
        pytest.param(
            [],
            Quiesce(
                STOPPED + 60 * SECOND,
                (),
                ("nothing of the plan stops the writes: no step with when: migration stands before",),
            ),
            id="no step",
        ),
        pytest.param(
            [StepEnd("a", STOPPED, True), StepEnd("b", None, False, left_out="wave web skipped by ann")],
            Quiesce(STOPPED + 60 * SECOND, ("a",), ("step b was left out (wave web skipped by ann)",)),
            id="a person left one out, and another one did what it should",
        ),
    ],
)
def test_writes_stop_at_the_end_of_the_last_step_that_stops_them(steps, expected):
    assert quiesce_of(steps, asked_at=STOPPED + 60 * SECOND) == expected


def result(state, *, ended_at=STOPPED, goes_on=False):
    return StepResult(name="a", state=state, ended_at=ended_at, goes_on=goes_on)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        pytest.param(None, StepEnd("a", None, False), id="it left nothing"),
        pytest.param(result("succeeded"), StepEnd("a", STOPPED, True), id="it did what it should"),
        pytest.param(result("succeeded", ended_at=None), StepEnd("a", None, False), id="nobody knows when"),
        pytest.param(result("failed"), StepEnd("a", STOPPED, False), id="it failed, whatever its task is marked as"),
        pytest.param(result("failed", goes_on=True), StepEnd("a", STOPPED, False, True), id="the plan goes on"),
    ],
)
def test_only_a_step_that_succeeded_has_stopped_the_writes(left, expected):
    assert end_of("a", left) == expected


def test_a_step_that_a_person_left_out_is_no_step_that_the_run_does_not_have():
    left = result("skipped")

    assert end_of("a", left) is None
    assert end_of("a", left, skip("web", "ann", "not tonight")) == StepEnd(
        "a", None, is_good=False, left_out="wave web skipped by ann: not tonight"
    )
    # What somebody had ordered of a step that ran all the same changes nothing of how it ended.
    assert end_of("a", result("succeeded"), skip("web", "ann", None)) == StepEnd("a", STOPPED, is_good=True)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], False),
        ([StepEnd("a", None, False)], False),
        ([StepEnd("a", STOPPED, True), StepEnd("b", STOPPED - SECOND, True)], False),
        ([StepEnd("a", STOPPED - SECOND, True), StepEnd("b", STOPPED + SECOND, True)], True),
        ([StepEnd("a", STOPPED + SECOND, False)], True),
    ],
)
def test_writes_were_stopped_again_where_a_step_has_ended_since(steps, expected):
    assert stopped_again(steps, STOPPED) is expected


def test_sources_stay_where_anything_is_in_doubt():
    assert why_sources_stay("web", ("step a failed, and the plan goes on all the same", "step b is odd")) == (
        "the sources of wave web are not stopped, for it is not certain that nothing is written to them: step a "
        "failed, and the plan goes on all the same; step b is odd. Nothing was stopped. Clear the step that stops the "
        "writes with everything downstream, so that it runs again; or start a recovery"
    )


def test_what_is_missing_is_said_by_name():
    newest = {"s-1": snapshot(5), "s-2": snapshot(-5, "pit-old"), "s-3": None}
    marks = {server: SyncMark("pit-old") for server in newest}

    late = waiting_for(newest, marks, quiesced_at=STOPPED)
    words = why_waiting(newest, late, {"s-2": "db2"}, quiesced_at=STOPPED)

    assert late == ("s-2", "s-3")
    assert words == (
        "2 of 3 servers have no recovery point that was made after 2026-01-31 03:00:00 UTC: "
        "db2 (newest 2026-01-31 02:59:55 UTC), s-3 (none)"
    )
    assert timed_out(words, timedelta(hours=1), plan="shop", task="web.final_sync") == (
        f"the last sync did not end within 1h: {words}. Nothing more of this wave is stopped or launched; sources that "
        "were stopped stay so. Look at the replication of its servers in the DRS console, then clear web.final_sync to "
        "wait again; or let the application write again. A recovery launches from the newest recovery points there "
        "are, and loses what was written after them (drs run start shop --mode recovery)"
    )


def test_when_and_by_what_writes_stopped_is_said():
    assert in_short(Quiesce(STOPPED, ("a", "b"))) == "writes stopped at 2026-01-31 03:00:00 UTC by a and b"
    assert in_short(Quiesce(STOPPED, (), ("why", "not"))) == "writes stopped at 2026-01-31 03:00:00 UTC (why; not)"
