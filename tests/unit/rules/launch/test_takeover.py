"""What job tags, jobs and instances tell of a run, without any database."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.launch.jobs import unseen_recoveries
from drs_provider.rules.launch.tags import job_tags, run_key
from drs_provider.rules.launch.takeover import find_runs

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
WAVES = {"db": [("s-1", "db1"), ("s-2", "db2")], "web": [("s-3", "web1")]}


def job(number, run, wave, attempt=1, *, by="START_DRILL", ended=True, kind="LAUNCH", hours_ago=2, **launch):
    began = NOW - timedelta(hours=hours_ago) + timedelta(minutes=number)
    return {
        "jobID": f"drsjob-{number}",
        "type": kind,
        "initiatedBy": by,
        "status": "COMPLETED" if ended else "STARTED",
        "creationDateTime": began.isoformat(),
        "endDateTime": (began + timedelta(minutes=9)).isoformat(),
        "tags": job_tags(dag_id="drs.shop", run_id=run, wave=wave, chunk=0, attempt=attempt),
        "participatingServers": [
            {"sourceServerID": server.replace("_", "-"), "launchStatus": status} for server, status in launch.items()
        ],
    }


def instance(number, server, state="RUNNING"):
    return {"jobID": f"drsjob-{number}", "sourceServerID": server, "ec2InstanceState": state}


def states(found):
    return {server.hostname: server.state for wave in found.waves for server in wave.servers}


def test_every_server_stands_where_its_newest_job_and_its_instance_say():
    jobs = [
        job(1, "r", "db", s_1="LAUNCHED", s_2="FAILED"),
        job(2, "r", "db", 2, s_2="PENDING", ended=False),
        job(3, "other", "web", s_3="LAUNCHED"),
    ]

    newest, older = find_runs("drs.shop", WAVES, jobs, [instance(1, "s-1"), instance(3, "s-3", "TERMINATED")], now=NOW)

    assert (newest.run_id, newest.key, newest.mode) == ("other", run_key("drs.shop", "other"), "drill")
    assert states(newest) == {"db1": "not_started", "db2": "not_started", "web1": "gone"}
    assert newest.is_over
    assert states(older) == {"db1": "launched", "db2": "running", "web1": "not_started"}
    assert not older.is_over
    assert dict(older.waves[0].counts) == {"launched": 1, "running": 1}


def test_what_is_no_drill_in_drs_own_word_is_a_recovery():
    (found,) = find_runs("drs.shop", WAVES, [job(1, "r", "db", by="START_RECOVERY", s_1="LAUNCHED")], [], now=NOW)

    assert found.mode == "recovery"


def test_an_instance_just_launched_may_not_be_described_yet():
    jobs = [job(1, "r", "db", hours_ago=0.2, s_1="LAUNCHED"), job(2, "r", "web", s_3="LAUNCHED")]

    (found,) = find_runs("drs.shop", WAVES, jobs, [], now=NOW)

    assert states(found) == {"db1": "launched", "db2": "not_started", "web1": "gone"}


def test_jobs_of_other_plans_and_of_nobody_tell_nothing():
    stranger = {**job(1, "r", "db", s_1="LAUNCHED"), "tags": {}}
    other = job(2, "r", "db", s_1="LAUNCHED")
    other["tags"] = job_tags(dag_id="drs.mail", run_id="r", wave="db", chunk=0, attempt=1)

    assert find_runs("drs.shop", WAVES, [stranger, other], [], now=NOW) == ()


@pytest.mark.parametrize(
    ("later", "unseen"),
    [(None, {"s-1": "drsjob-1"}), ("TERMINATE", {}), ("LAUNCH", {})],
)
def test_only_the_newest_job_of_a_server_tells_whether_an_instance_must_be_there(later, unseen):
    jobs = [job(1, "x", "db", by="START_RECOVERY", hours_ago=0.2, s_1="LAUNCHED")]
    if later:
        jobs.append(job(2, "x", "db", kind=later, hours_ago=0.2, s_1="FAILED"))

    assert unseen_recoveries(jobs, [], ["s-1", "s-2"], now=NOW) == unseen
    assert unseen_recoveries(jobs, [instance(1, "s-1", "TERMINATED")], ["s-1"], now=NOW) == {}


def test_an_instance_that_is_stopped_is_prepared_and_its_recovery_is_not_finished():
    jobs = [
        job(1, "r", "db", by="START_RECOVERY", s_1="LAUNCHED", s_2="LAUNCHED"),
        job(2, "r", "web", by="START_RECOVERY", s_3="LAUNCHED"),
    ]
    shown = [instance(1, "s-1"), instance(1, "s-2"), instance(2, "s-3", "STOPPED")]

    (found,) = find_runs("drs.shop", WAVES, jobs, shown, now=NOW)
    (started,) = find_runs("drs.shop", WAVES, jobs, [*shown[:2], instance(2, "s-3")], now=NOW)

    assert states(found) == {"db1": "launched", "db2": "launched", "web1": "prepared"}
    assert (found.is_over, found.is_finished, started.is_finished) == (False, False, True)
