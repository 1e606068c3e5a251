"""What becomes of a server that is launched ahead, moment by moment."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.ahead.next_start import (
    CAPACITY_PATIENCE,
    CAPACITY_PAUSE,
    HELD,
    MOST_STARTS,
    SETTLES_WITHIN,
    AheadServer,
    StartTry,
    next_action,
    power_of,
    wave_step,
)
from drs_provider.rules.launch.results import tolerance
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
STOPPED = AheadServer("s-1", launched="yes", state="STOPPED")
NO_ROOM = "InsufficientInstanceCapacity"


def start(ago=timedelta(0), refused="", *, is_capacity=False):
    return StartTry(NOW - ago, refused, is_capacity=is_capacity)


def act(server, *, is_turn=True, ready="running"):
    found = next_action(server, is_turn=is_turn, ready=ready, now=NOW)
    return found.action, found.why


@pytest.mark.parametrize("is_turn", [False, True])
@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"launched": "no"}, ("launch", "")),
        ({"launched": "running"}, ("wait", "its recovery job runs")),
        ({"launched": "failed"}, ("give_up", "its launch failed")),
        ({"launched": "failed", "reason": "LAUNCH_FAILED: x"}, ("give_up", "LAUNCH_FAILED: x")),
        ({"launched": "failed", "may_relaunch": True}, ("relaunch", "its launch failed")),
        ({"launched": "yes", "state": None}, ("wait", "DRS does not show its instance yet")),
        ({"launched": "yes", "state": "STOPPING"}, ("wait", "its instance is stopping")),
        ({"launched": "yes", "state": "TERMINATED"}, ("give_up", "its instance is TERMINATED")),
        ({"launched": "yes", "state": "NOT_FOUND", "may_relaunch": True}, ("relaunch", "its instance is NOT_FOUND")),
        ({"launched": "yes", "state": "SHUTTING-DOWN"}, ("give_up", "its instance is SHUTTING-DOWN")),
    ],
)
def test_launches_wait_for_no_turn(facts, expected, is_turn):
    assert act(AheadServer("s-1", **facts), is_turn=is_turn) == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("STOPPED", ("wait", "prepared, not started")),
        ("PENDING", ("wait", "started before its turn")),
        ("RUNNING", ("wait", "started before its turn")),
    ],
)
def test_nothing_is_started_before_its_turn(state, expected):
    assert act(replace(STOPPED, state=state), is_turn=False) == expected


@pytest.mark.parametrize(
    ("state", "ready", "checks", "expected"),
    [
        ("STOPPED", "launched", "", ("start", "")),
        ("STOPPED", "running", "", ("start", "")),
        ("PENDING", "launched", "", ("up", "")),
        ("PENDING", "running", "", ("wait", "its instance boots")),
        ("RUNNING", "running", "initializing", ("up", "")),
        ("RUNNING", "status_checks", "initializing", ("wait", "EC2's status checks say: initializing")),
        ("RUNNING", "status_checks", "", ("up", "")),
    ],
)
def test_in_its_turn_it_is_started_and_awaited(state, ready, checks, expected):
    assert act(replace(STOPPED, state=state, checks=checks), ready=ready) == expected


def test_what_the_plan_wants_stopped_stays_stopped():
    assert act(replace(STOPPED, is_started=False), ready="running") == ("up", "the plan wants it stopped")


def test_a_start_is_not_asked_again_while_ec2_may_not_show_it_yet():
    fresh = replace(STOPPED, starts=(start(SETTLES_WITHIN - timedelta(seconds=1)),))
    found = next_action(fresh, is_turn=True, ready="running", now=NOW)

    assert (found.action, found.why, found.at) == ("wait", "its start was accepted", NOW + timedelta(seconds=1))
    assert act(replace(STOPPED, starts=(start(SETTLES_WITHIN),))) == ("start", "it stopped by itself")


def test_an_instance_that_stops_by_itself_is_started_so_many_times():
    starts = tuple(start(timedelta(minutes=10 - number)) for number in range(MOST_STARTS))

    assert act(replace(STOPPED, starts=starts[1:]))[0] == "start"
    assert act(replace(STOPPED, starts=starts)) == ("give_up", "its instance stops by itself, after 3 starts")
    assert act(replace(STOPPED, starts=starts, may_relaunch=True))[0] == "relaunch"
    assert act(replace(STOPPED, starts=starts[1:]), ready="launched")[0] == "start"
    assert act(replace(STOPPED, starts=starts), ready="launched")[0] == "give_up"


def test_missing_capacity_is_asked_again_for_a_while_and_then_launched_elsewhere():
    last = start(CAPACITY_PAUSE, NO_ROOM, is_capacity=True)
    at_once = replace(STOPPED, starts=(replace(last, at=NOW),))
    first = start(CAPACITY_PATIENCE, NO_ROOM, is_capacity=True)
    long = replace(STOPPED, starts=(first, last))

    assert act(at_once) == ("wait", f"EC2 has no capacity for it now: {NO_ROOM}")
    assert act(replace(STOPPED, starts=(last,))) == ("start", "EC2 had no capacity for it")
    assert act(long) == ("give_up", f"EC2 refused its start: {NO_ROOM}")
    assert act(replace(long, may_relaunch=True)) == ("relaunch", f"EC2 refused its start: {NO_ROOM}")


def test_the_patience_with_missing_capacity_begins_anew_after_an_accepted_start():
    long_ago = start(CAPACITY_PATIENCE * 2, NO_ROOM, is_capacity=True)
    accepted, last = start(CAPACITY_PATIENCE), start(CAPACITY_PAUSE, NO_ROOM, is_capacity=True)

    assert act(replace(STOPPED, starts=(long_ago, last)))[0] == "give_up"
    assert act(replace(STOPPED, starts=(long_ago, accepted, last))) == ("start", "EC2 had no capacity for it")


def test_what_runs_on_an_instance_is_awaited_whatever_the_wave_waits_for():
    acting = replace(STOPPED, state="RUNNING", acting="its launch actions have not ended: check")

    for ready in ("launched", "running", "status_checks"):
        assert act(acting, ready=ready) == ("wait", "its launch actions have not ended: check")


def test_what_ec2_refuses_for_another_reason_is_not_asked_again():
    refused = replace(STOPPED, starts=(start(timedelta(hours=1), "UnauthorizedOperation"),))

    assert act(refused) == ("give_up", "EC2 refused its start: UnauthorizedOperation")


def step(*stages, is_turn=True, tolerates="0", ready="running"):
    return wave_step(stages, is_turn=is_turn, ready=ready, allows=tolerance(tolerates), now=NOW)


def test_all_stages_are_launched_at_once_and_started_one_after_the_other():
    db, app = replace(STOPPED, server_id="db"), replace(STOPPED, server_id="app")
    none = [replace(server, launched="no", state=None) for server in (db, app)]

    assert step([none[0]], [none[1]], is_turn=False).all_that("launch") == ("db", "app")
    assert step([db], [app], is_turn=False).all_that("start") == ()
    assert step([db], [app]).all_that("start") == ("db",)
    assert step([replace(db, state="PENDING")], [app]).all_that("start") == ()
    assert step([replace(db, state="RUNNING")], [app]).all_that("start") == ("app",)
    assert step([replace(db, state="RUNNING")], [replace(app, state="RUNNING")]).is_over


def test_nothing_is_over_before_the_turn():
    assert not step([replace(STOPPED, state="RUNNING")], is_turn=False).is_over


def test_later_stages_are_held_once_too_many_have_failed():
    failed = AheadServer("db", launched="failed")
    app = replace(STOPPED, server_id="app")
    held = step([failed], [app])

    assert held.is_over
    assert held.held == ("app",)
    assert held.actions["app"].why == HELD
    assert held.all_that("start") == ()
    assert step([failed], [app], tolerates="1").all_that("start") == ("app",)
    assert step([replace(failed, critical=False)], [app]).all_that("start") == ("app",)


def test_a_stage_is_held_only_when_the_one_before_it_has_ended():
    failed, boots = AheadServer("db1", launched="failed"), replace(STOPPED, server_id="db2", state="PENDING")
    waiting = step([failed, boots], [replace(STOPPED, server_id="app")])

    assert not waiting.is_over
    assert waiting.held == ()


@pytest.mark.parametrize(
    ("facts", "is_turn", "expected"),
    [
        ({"launched": "no"}, False, "not_launched"),
        ({"launched": "running"}, False, "launching"),
        ({"launched": "yes"}, False, "launching"),
        ({"launched": "failed"}, False, "failed"),
        ({"launched": "failed", "may_relaunch": True}, False, "launching"),
        ({"launched": "yes", "state": "STOPPED"}, False, "prepared"),
        ({"launched": "yes", "state": "STOPPED"}, True, "prepared"),
        ({"launched": "yes", "state": "STOPPED", "starts": (start(),)}, True, "booting"),
        ({"launched": "yes", "state": "PENDING"}, True, "booting"),
        ({"launched": "yes", "state": "RUNNING"}, False, "booting"),
        ({"launched": "yes", "state": "RUNNING"}, True, "up"),
    ],
)
def test_people_see_where_it_is(facts, is_turn, expected):
    assert power_of(AheadServer("s-1", **facts), is_turn=is_turn, ready="running", now=NOW) == expected


SERVERS = st.builds(
    AheadServer,
    server_id=st.uuids().map(str),
    critical=st.booleans(),
    launched=st.sampled_from(["no", "running", "yes", "failed"]),
    state=st.sampled_from([None, "PENDING", "RUNNING", "STOPPING", "STOPPED", "SHUTTING-DOWN", "TERMINATED"]),
    checks=st.sampled_from(["", "initializing"]),
    starts=st.lists(
        st.builds(
            StartTry,
            at=st.integers(0, 600).map(lambda seconds: NOW - timedelta(seconds=seconds)),
            refused=st.sampled_from(["", NO_ROOM]),
            is_capacity=st.booleans(),
        ),
        max_size=4,
    ).map(tuple),
    may_relaunch=st.booleans(),
    is_started=st.booleans(),
)
STAGES = st.lists(st.lists(SERVERS, min_size=1, max_size=3), min_size=1, max_size=3)


@given(STAGES, st.booleans(), st.sampled_from(["launched", "running", "status_checks"]), st.sampled_from(["0", "50%"]))
def test_whatever_happens_only_what_is_stopped_is_started_and_only_in_its_turn(stages, is_turn, ready, tolerates):
    found = step(*stages, is_turn=is_turn, ready=ready, tolerates=tolerates)
    known = {server.server_id: (number, server) for number, stage in enumerate(stages) for server in stage}

    assert set(found.actions) == set(known)
    for server_id in found.all_that("start"):
        number, server = known[server_id]
        assert is_turn
        assert (server.launched, server.state, server.is_started) == ("yes", "STOPPED", True)
        assert all(
            found.actions[before.server_id].action in ("up", "give_up") for stage in stages[:number] for before in stage
        )
    waits = [server for server, action in found.actions.items() if action.action not in ("up", "give_up")]
    assert found.is_over == (is_turn and set(waits) <= set(found.held))
    for server_id in found.held:
        assert found.actions[server_id].action == "wait"


@given(SERVERS, st.booleans())
def test_a_launch_that_is_not_known_to_have_failed_is_never_repeated(server, is_turn):
    found = next_action(server, is_turn=is_turn, ready="running", now=NOW)

    if found.action == "relaunch":
        gone = server.state in ("SHUTTING-DOWN", "TERMINATED")
        spent = bool(server.starts) and server.state == "STOPPED" and is_turn
        assert server.launched == "failed" or gone or spent
