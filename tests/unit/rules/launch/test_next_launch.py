"""What a wave launches next."""

from datetime import UTC, datetime

import pytest
from drs_provider.rules.launch.job_assignment import JobShare
from drs_provider.rules.launch.next_launch import LaunchState, NextLaunch, newest, next_launches
from drs_provider.rules.launch.results import tolerance
from hypothesis import given
from hypothesis import strategies as st


def up(name, attempt=1, *, critical=True):
    return LaunchState(name, critical, attempt, is_up=True)


def down(name, attempt=1, *, critical=True):
    return LaunchState(name, critical, attempt, is_up=False)


def never(name, *, critical=True):
    return LaunchState(name, critical, 0, is_up=False)


def chosen(*stages, base=1, share="0", again=()):
    return next_launches(stages, base=base, allows=tolerance(share), may_try_again=lambda server: server in again)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(chosen([up("a"), up("b")]), (), id="all are up"),
        pytest.param(chosen([up("a")], [never("b")]), (NextLaunch(1, ("b",), again=False),), id="the next stage"),
        pytest.param(chosen([up("a"), down("b")], [never("c")]), (), id="a failure keeps the next stage from starting"),
        pytest.param(
            chosen([up("a"), down("b")], [never("c")], share="1"),
            (NextLaunch(1, ("c",), again=False),),
            id="a tolerated failure does not",
        ),
        pytest.param(
            chosen([up("a"), down("b", critical=False)], [never("c")]),
            (NextLaunch(1, ("c",), again=False),),
            id="nor one that is not critical",
        ),
        pytest.param(
            chosen([up("a"), down("b")], [never("c")], again="b"),
            (NextLaunch(2, ("b",), again=True),),
            id="a failed one is tried again before the next stage",
        ),
        pytest.param(
            chosen([down("a", 2), down("b", 1)], again="ab"),
            (NextLaunch(2, ("b",), again=True), NextLaunch(3, ("a",), again=True)),
            id="each in the attempt after its own",
        ),
        pytest.param(
            chosen([up("a"), down("b", 2)], base=3),
            (NextLaunch(3, ("b",), again=True),),
            id="what failed before a person asked again",
        ),
        pytest.param(
            chosen([down("a")], [never("b")], [never("c")], share="100%"),
            (NextLaunch(1, ("b",), again=False),),
            id="one stage at a time",
        ),
    ],
)
def test_what_a_wave_launches_next(found, expected):
    assert found == expected


states = st.builds(LaunchState, st.uuids().map(str), st.booleans(), st.integers(0, 3), st.booleans()).map(
    lambda drawn: LaunchState(drawn.server_id, drawn.critical, drawn.attempt, drawn.is_up and drawn.attempt > 0)
)


@given(
    st.lists(st.lists(states, min_size=1, max_size=4), max_size=4),
    st.integers(1, 3),
    st.sampled_from(["0", "1", "50%"]),
)
def test_a_server_that_is_up_is_never_launched_and_none_twice(stages, base, share):
    found = next_launches(stages, base=base, allows=tolerance(share), may_try_again=lambda _: True)

    named = [server for launch in found for server in launch.server_ids]
    assert len(named) == len(set(named))
    assert not {server.server_id for stage in stages for server in stage if server.is_up} & set(named)
    attempts = {server.server_id: server.attempt for stage in stages for server in stage}
    assert all(launch.attempt > attempts[server] for launch in found for server in launch.server_ids)


def test_the_newest_job_of_a_server_decides():
    first = JobShare("1", ("a", "b"), datetime(2026, 1, 1, tzinfo=UTC), attempt=1)
    again = JobShare("2", ("b",), datetime(2026, 1, 1, 1, tzinfo=UTC), attempt=2)

    assert newest([again, first]) == {"a": first, "b": again}
