"""What a wave does next, from everything that is known of it."""

from datetime import UTC, datetime

import pytest
from drs_provider.rules.launch.job_assignment import JobShare
from drs_provider.rules.launch.next_launch import Judge, LaunchNext, NextLaunch, Try, WaveProgress, next_step
from drs_provider.rules.launch.recovery_points import Point
from drs_provider.rules.launch.results import ServerResult, tolerance
from drs_provider.rules.run.handover import PreflightServer

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
CAPACITY = "LAUNCH_FAILED: InsufficientInstanceCapacity"
FALLBACK = {"instance_type": "r5.large", "fallback": {"instance_types": ["m5.large"]}}
BOOT_ORDER = "not launched: servers that boot before it failed"


def server(name, order=1, *, critical=True, settings=None):
    return PreflightServer(
        server_id=name, hostname=f"host-{name}", group="db", order=order, critical=critical, settings=settings or {}
    )


def up(name, job_id="j1"):
    return ServerResult(name, f"host-{name}", True, "launched", instance_id=f"i-{name}", job_id=job_id)


def down(name, reason="x", job_id="j1"):
    return ServerResult(name, f"host-{name}", True, "failed", reason=reason, job_id=job_id)


def missing(name, reason, *, critical=True):
    return ServerResult(name, f"host-{name}", critical, "failed", reason=reason)


def job(*servers, job_id="j1", attempt=1):
    return JobShare(job_id, servers, AT, attempt)


def step(servers, jobs, results, **more):
    given = {
        "reached": {known.server_id for known in servers},
        "tries": {},
        "base": 1,
        "points": {},
        "retries": 0,
        "retries_over_instance": True,
        "allows": tolerance("0"),
        **more,
    }
    return next_step(WaveProgress(servers=servers, jobs=jobs, results=results, **given))


TWO_STAGES = (server("a"), server("b", 2))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(step([server("a")], [job("a")], [up("a")]), Judge(()), id="everything is up"),
        pytest.param(
            step(TWO_STAGES, [job("a")], [up("a")]),
            LaunchNext((NextLaunch(1, ("b",), again=False),), {}),
            id="the next stage of the boot order",
        ),
        pytest.param(
            step(TWO_STAGES, [job("a")], [down("a")]),
            Judge((missing("b", BOOT_ORDER),)),
            id="a failure ends the boot order",
        ),
        pytest.param(
            step(TWO_STAGES, [job("a")], [up("a")], reached={"a"}),
            Judge(()),
            id="nothing where the wave's start launched nothing",
        ),
        pytest.param(
            step(TWO_STAGES, [job("a")], [up("a")], order="cancelled by ann"),
            Judge((missing("b", "cancelled by ann"),), is_cut_short=True),
            id="a cancelled wave launches nothing more",
        ),
        pytest.param(
            step(
                [server("a"), server("b", 2, critical=False)],
                [job("a")],
                [up("a")],
                order="cancelled by ann",
                reached={"a"},
            ),
            Judge((missing("b", "cancelled by ann"),), is_cut_short=True),
            id="what a cancelled wave left out counts, critical or not, wherever it is",
        ),
        pytest.param(
            step([server("a")], [job("a")], [up("a")], order="cancelled by ann"),
            Judge((), is_cut_short=False),
            id="an order that comes after everything was launched cuts nothing short",
        ),
        pytest.param(
            step(TWO_STAGES, [job("a")], [up("a")], plan_changed="the plan was edited"),
            Judge(
                (missing("b", "the plan was edited"),),
                withheld=LaunchNext((NextLaunch(1, ("b",), again=False),), {}),
            ),
            id="an edited plan launches nothing more",
        ),
        pytest.param(
            step([server("a")], [job("a")], [up("a")], plan_changed="the plan was edited"),
            Judge(()),
            id="an edited plan does not matter to a wave that is done",
        ),
        pytest.param(
            step([server("a")], [job("a")], [down("a")], retries=1),
            LaunchNext((NextLaunch(2, ("a",), again=True),), {"a": (Try("j1", "x", "again"),)}),
            id="a failed server is tried again",
        ),
        pytest.param(
            step(
                [server("a")],
                [job("a"), job("a", job_id="j2", attempt=2)],
                [down("a", job_id="j2")],
                retries=1,
                tries={"a": (Try("j1", "x", "again"),)},
            ),
            Judge(()),
            id="not more often than the plan says",
        ),
        pytest.param(
            step([server("a")], [job("a")], [down("a")], retries=1, tries={"a": (Try("j1", "x", "again"),)}),
            LaunchNext((NextLaunch(2, ("a",), again=True),), {"a": (Try("j1", "x", "again"),)}),
            id="a try whose launch did not come about is decided on anew",
        ),
        pytest.param(
            step([server("a", settings=FALLBACK)], [job("a")], [down("a", CAPACITY)]),
            LaunchNext(
                (NextLaunch(2, ("a",), again=True),),
                {"a": (Try("j1", CAPACITY, "fallback", {"instance_type": "m5.large"}),)},
            ),
            id="missing capacity takes the next instance type",
        ),
        pytest.param(
            step([server("a")], [job("a")], [down("a", "CONVERSION_FAIL: y")], retries=1),
            LaunchNext(
                (NextLaunch(2, ("a",), again=True),),
                {"a": (Try("j1", "CONVERSION_FAIL: y", "older_point", {}, "2026-01-01T12:00:00+00:00"),)},
            ),
            id="a failed conversion takes a point older than the launch",
        ),
        pytest.param(
            step(
                [server("a")],
                [job("a")],
                [down("a", "CONVERSION_FAIL: y")],
                retries=1,
                points={"a": Point("pit-1", AT.replace(hour=9), "point_in_time")},
            ),
            LaunchNext(
                (NextLaunch(2, ("a",), again=True),),
                {"a": (Try("j1", "CONVERSION_FAIL: y", "older_point", {}, "2026-01-01T09:00:00+00:00"),)},
            ),
            id="or than the point that it was pinned to",
        ),
        pytest.param(
            step([server("a")], [job("a")], [down("a")], base=3),
            LaunchNext((NextLaunch(3, ("a",), again=True),), {}),
            id="what failed before a person asked again is no try",
        ),
    ],
)
def test_what_a_wave_does_next(found, expected):
    assert found == expected
