"""What of a set of recovery instances is gone, on its way out, held, or still to be terminated."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.cleanup.terminate import awaited, choose, running, take_stock

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def an_instance(name="i-1", server="s-1", *, state="RUNNING", is_drill=True, job="drsjob-1"):
    return {
        "recoveryInstanceID": name,
        "sourceServerID": server,
        "ec2InstanceState": state,
        "isDrill": is_drill,
        "jobID": job,
    }


def a_job(*servers, status="STARTED", kind="TERMINATE", launch="PENDING", ended=None):
    return {
        "jobID": "drsjob-1",
        "type": kind,
        "status": status,
        "endDateTime": ended.isoformat() if ended else None,
        "participatingServers": [{"sourceServerID": s, "launchStatus": launch} for s in servers],
    }


@pytest.mark.parametrize("is_drill", [True, False, None, "true"])
@pytest.mark.parametrize("include_recovery", [True, False])
def test_only_what_drs_surely_calls_a_drills_is_terminated_unless_told_otherwise(is_drill, include_recovery):
    choice = choose([an_instance(is_drill=is_drill)], include_recovery=include_recovery)
    chosen = is_drill is True or include_recovery

    assert dict(choice.targets) == ({"i-1": "s-1"} if chosen else {})
    assert dict(choice.kept) == ({} if chosen else {"i-1": "DRS does not call it a drill's instance, so it is kept"})


def test_a_recovered_instance_that_is_gone_is_neither_terminated_nor_kept():
    choice = choose([an_instance(is_drill=False, state="TERMINATED")], include_recovery=False)

    assert (choice.targets, choice.kept) == ({}, {})


@pytest.mark.parametrize(
    ("drs_state", "ec2_state", "jobs", "where"),
    [
        pytest.param("RUNNING", "running", [], "left", id="runs"),
        pytest.param("STOPPED", "stopped", [], "left", id="a stopped one costs money too"),
        pytest.param("RUNNING", "terminated", [], "gone", id="EC2 decides, DRS lags behind"),
        pytest.param("TERMINATED", "running", [], "left", id="EC2 decides, DRS is too early"),
        pytest.param(None, "running", [], "left", id="forgotten by DRS, alive in EC2"),
        pytest.param(None, None, [], "gone", id="known to nobody"),
        pytest.param("NOT_FOUND", None, [], "gone", id="removed behind DRS's back"),
        pytest.param("RUNNING", None, [], "left", id="EC2 does not show it, DRS does"),
        pytest.param("RUNNING", "shutting-down", [], "ending", id="on its way"),
        pytest.param("RUNNING", "running", [a_job("s-1")], "held", id="a terminate job is at it"),
        pytest.param("RUNNING", "running", [a_job("s-1", status="COMPLETED")], "left", id="an ended job holds nothing"),
        pytest.param("RUNNING", "running", [a_job("s-2")], "left", id="another server's job"),
    ],
)
def test_ec2_decides_whether_an_instance_is_gone(drs_state, ec2_state, jobs, where):
    stock = take_stock(
        {"i-1": "s-1"},
        described=[an_instance(state=drs_state)] if drs_state else [],
        ec2={"i-1": ec2_state} if ec2_state else {},
        jobs=jobs,
    )
    found = {
        "gone": stock.gone == ("i-1",),
        "ending": stock.ending == ("i-1",),
        "held": dict(stock.held) == {"i-1": "drsjob-1"} and stock.open_jobs == ("drsjob-1",),
        "left": stock.left == ("i-1",),
    }

    assert [place for place, here in found.items() if here] == [where]


@pytest.mark.parametrize(
    ("job", "described", "missing"),
    [
        (a_job("s-1", kind="LAUNCH", status="COMPLETED", launch="LAUNCHED", ended=NOW), [], ("s-1",)),
        (a_job("s-1", kind="LAUNCH", status="COMPLETED", launch="LAUNCHED", ended=NOW), [an_instance()], ()),
        (a_job("s-1", kind="LAUNCH", status="COMPLETED", launch="FAILED", ended=NOW), [], ()),
        (a_job("s-1", kind="LAUNCH", status="STARTED"), [], ()),
        (
            a_job("s-1", kind="LAUNCH", status="COMPLETED", launch="LAUNCHED", ended=NOW - timedelta(minutes=3)),
            [],
            (),
        ),
    ],
)
def test_an_instance_launched_moments_ago_is_waited_for(job, described, missing):
    assert awaited([job], described, set(), now=NOW) == missing


def test_an_instance_seen_before_is_not_waited_for_again():
    job = a_job("s-1", kind="LAUNCH", status="COMPLETED", launch="LAUNCHED", ended=NOW)

    assert awaited([job], [], {"s-1"}, now=NOW) == ()


def test_running_jobs_are_those_that_have_not_completed():
    assert running([a_job("s-1"), {**a_job("s-1", status="COMPLETED"), "jobID": "drsjob-2"}]) == ("drsjob-1",)
