"""The board of a run that launches ahead: what is launched, what boots, and what the next wave waits for."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.run.handover import (
    HandedOver,
    InstanceStart,
    Launch,
    LaunchedJob,
    LaunchPhases,
    PreflightResult,
)
from drs_provider.rules.run.handover.launch_phases import phases_of
from drs_provider.rules.run.state import TaskSnapshot
from drs_provider.ui.board import board_of
from drs_provider.ui.read_model import RunData

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
UPSTREAM = {
    "preflight.check": frozenset(),
    "db.launch_ahead": frozenset({"preflight.check"}),
    "web.launch_ahead": frozenset({"preflight.check", "db.launch_ahead"}),
    "web.relaunch_ahead": frozenset({"web.launch_ahead"}),
    "db.start_recovery": frozenset({"db.launch_ahead"}),
    "db.recovery_job": frozenset({"db.start_recovery"}),
    "web.delay": frozenset({"db.recovery_job"}),
    "web.start_recovery": frozenset({"web.delay", "web.launch_ahead"}),
    "web.recovery_job": frozenset({"web.start_recovery"}),
    "finish.report": frozenset({"web.recovery_job"}),
}


def part(*names):
    servers = [{"server_id": f"s-{name}", "hostname": name, "ahead": True, "is_started": True} for name in names]
    return {"selected": True, "targets": [{"aws_conn_id": "aws", "region": "us-west-2", "servers": servers}]}


PREFLIGHT = PreflightResult.from_json(
    {
        "plan": "shop",
        "digest": "d",
        "passed": True,
        "mode": "drill",
        "checked_at": NOW.isoformat(),
        "needs_approval": False,
        "waves": {"db": part("db1", "db2", "db3"), "web": part("web1", "web2")},
    }
)


def launch(job, *names, ago=timedelta(minutes=3)):
    servers = tuple(f"s-{name}" for name in names)
    return Launch(jobs=(LaunchedJob(job_id=job, servers=servers, created_at=NOW - ago),))


def board(states, *, ago=timedelta(minutes=3), **left):
    documents = {
        "preflight.check": PREFLIGHT,
        "db.start_recovery": launch("job-1", "db1", "db2", "db3"),
        "web.launch_ahead": launch("job-2", "web1", "web2", ago=ago),
        **left,
    }
    begun = {"preflight.check": "success", "db.launch_ahead": "success", "web.launch_ahead": "success"}
    tasks = {task: TaskSnapshot(state, NOW, NOW) for task, state in {**begun, **states}.items()}
    run = RunData(
        dag_id="drs.shop",
        run_id="r",
        state="running",
        started_at=NOW,
        tasks=tasks,
        upstream=UPSTREAM,
        left={(task, document.KEY): document.to_json() for task, document in documents.items()},
    )
    found = board_of(run, NOW)
    return found, {wave.name: wave for wave in found.waves}


LAUNCHING = {"db.start_recovery": "success", "db.recovery_job": "deferred"}
UP = {**LAUNCHING, "db.recovery_job": "success"}


@pytest.mark.parametrize(
    ("ago", "phase"),
    [
        (timedelta(seconds=20), "probably taking snapshots"),
        (timedelta(minutes=3), "probably converting"),
        (timedelta(minutes=12), "probably launched, and stopped"),
    ],
)
def test_a_wave_that_waits_says_what_is_launched_ahead_of_it_and_for_whom_it_waits(ago, phase):
    shown, waves = board(LAUNCHING, ago=ago)

    assert (waves["web"].status, waves["web"].counts, waves["web"].phase) == ("waiting", {"prepared": 2}, phase)
    assert waves["web"].waits == "2 instances to be started when wave db is done, which is launching"
    assert f"wave web: 2 servers launched ahead, {phase}" in shown.activity.now
    assert waves["db"].waits is None


def test_a_wave_that_waits_says_how_many_were_launched_again_ahead():
    first, again = launch("job-2", "web1", "web2", ago=timedelta(minutes=12)).jobs, launch("job-3", "web2").jobs
    relaunched = {"web.relaunch_ahead": Launch(jobs=(*first, *again))}
    shown, waves = board({**LAUNCHING, "web.relaunch_ahead": "deferred"}, **relaunched)

    assert waves["web"].counts == {"prepared": 2}
    assert waves["web"].phase == "probably converting, 1 of them launched again"
    assert "wave web: 2 servers launched ahead, probably converting, 1 of them launched again" in shown.activity.now


def test_a_wave_that_is_delayed_says_so():
    _, waves = board({**UP, "web.delay": "deferred"})

    assert waves["web"].status == "delayed"
    assert waves["web"].waits == "2 instances to be started when the delay of the plan is over"


def test_a_wave_whose_instances_were_just_asked_to_start_does_not_guess_what_drs_does():
    starts = {"web.recovery_job": {"i-1": (InstanceStart(at=NOW),)}}
    asked = {"db.recovery_job": HandedOver(launches={"web.start_recovery": launch("job-2", "web1")}, starts=starts)}
    shown, waves = board({**UP, "web.start_recovery": "running"}, **asked)

    assert (waves["web"].status, waves["web"].starts, waves["web"].phase) == ("launching", True, None)
    assert "wave web: starts its instances" in shown.activity.now


def booting(**events):
    holder = dict.fromkeys(("s-db1", "s-db2", "s-db3"), "job-1")
    named = {f"s-{name}": event for name, event in events.items()}
    return LaunchPhases(jobs=phases_of(named, holder, seen_at=NOW))


def test_a_wave_that_starts_its_instances_says_how_far_they_are():
    left = booting(db1="INSTANCE_UP", db2="INSTANCE_BOOTS", db3="INSTANCE_PREPARED")
    shown, waves = board(LAUNCHING, **{"db.recovery_job": left})

    assert (waves["db"].starts, waves["db"].phase) == (True, "1 prepared, 1 booting, 1 up")
    assert [server.phase for server in waves["db"].servers] == ["up", "booting", "prepared"]
    assert shown.activity.now[0] == "wave db: starts its instances, 1 prepared, 1 booting, 1 up"


def test_a_start_that_ec2_refuses_is_shown():
    _, waves = board(LAUNCHING, **{"db.recovery_job": booting(db1="START_REFUSED", db2="", db3="INSTANCE_UP")})

    assert waves["db"].phase == "1 not started yet: EC2 refuses, 1 up"
    assert [server.phase for server in waves["db"].servers] == ["not started yet: EC2 refuses", None, "up"]


def test_while_drs_still_launches_it_is_drs_that_is_spoken_of():
    _, waves = board(LAUNCHING, **{"db.recovery_job": booting(db1="CONVERSION_START")})

    assert (waves["db"].starts, waves["db"].phase) == (False, "1 converting")


def test_a_run_that_is_over_waits_for_nothing():
    _, waves = board({**UP, "db.recovery_job": "failed", "web.start_recovery": "upstream_failed"})

    assert waves["web"].waits is None
