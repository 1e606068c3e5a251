"""What of a set of recovery instances is gone, on its way out, held, or still to be terminated."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.cleanup.terminate import awaited, choose, gone_before, running, take_stock, unseen

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
    why = "DRS does not call it a drill's instance, so it is kept"
    if is_drill is None:
        why = "DRS does not say whether it is a drill's instance, so it is kept: look at it in EC2"
    assert dict(choice.kept) == ({} if chosen else {"i-1": why})


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


@pytest.mark.parametrize(
    ("kind", "asked", "missing"),
    [("TERMINATE", NOW, ()), ("TERMINATE", NOW - timedelta(hours=1), ("s-1",)), ("LAUNCH", NOW, ("s-1",))],
    ids=["by another name of the account", "that of an earlier drill", "launched again"],
)
def test_what_was_terminated_since_is_not_waited_for(kind, asked, missing):
    job = a_job("s-1", kind="LAUNCH", status="COMPLETED", launch="LAUNCHED", ended=NOW - timedelta(minutes=1))
    other = {**a_job("s-1", kind=kind, status="STARTED"), "creationDateTime": asked}

    assert awaited([job], [], set(), now=NOW, everything=[job, other]) == missing


def test_an_instance_seen_before_is_not_waited_for_again():
    job = a_job("s-1", kind="LAUNCH", status="COMPLETED", launch="LAUNCHED", ended=NOW)

    assert awaited([job], [], {"s-1"}, now=NOW) == ()


def test_running_jobs_are_those_that_have_not_completed():
    assert running([a_job("s-1"), {**a_job("s-1", status="COMPLETED"), "jobID": "drsjob-2"}]) == ("drsjob-1",)


@pytest.mark.parametrize(
    ("drs_state", "ec2_state", "is_gone"),
    [
        ("RUNNING", "running", False),
        ("RUNNING", "stopped", False),
        ("RUNNING", "terminated", True),
        ("NOT_FOUND", "terminated", True),
        ("NOT_FOUND", None, True),
        ("TERMINATED", "terminated", False),
        ("TERMINATED", None, False),
    ],
)
def test_what_was_gone_when_it_was_found_was_ended_by_somebody_else_unless_drs_says_that_it_did(
    drs_state, ec2_state, is_gone
):
    found = gone_before(["i-1"], described=[an_instance(state=drs_state)], ec2={"i-1": ec2_state} if ec2_state else {})

    assert found == (("i-1",) if is_gone else ())


def test_what_a_job_has_launched_and_drs_does_not_show_is_unseen():
    job = a_job("s-1", "s-2", status="COMPLETED", kind="LAUNCH", launch="LAUNCHED", ended=NOW)

    assert unseen([job], [an_instance()], set()) == {"s-2": "drsjob-1"}
    assert unseen([job], [an_instance(job="drsjob-0")], {"s-2"}) == {"s-1": "drsjob-1"}
    assert unseen([a_job("s-1", kind="LAUNCH", launch="LAUNCHED")], [], set()) == {}
    assert unseen([a_job("s-1", status="COMPLETED", launch="TERMINATED", ended=NOW)], [], set()) == {}
