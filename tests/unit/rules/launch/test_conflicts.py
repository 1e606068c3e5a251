"""Which other runs hold the servers of a run, and what is said of them."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.launch.conflicts import (
    busy_servers,
    conflict_refusal,
    conflict_warning,
    conflicts_of,
    servers_of_plan,
    taken_over,
    unseen_jobs,
)
from drs_provider.rules.launch.tags import EXPIRES, INSTALLATION, MODE, PLAN, RUN, RUN_ID, short_run_id
from drs_provider.rules.purpose import CHECK, RECOVERY

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAMES = {"s-1": "db1", "s-2": "db2"}


def a_job(job_id="drsjob-1", *servers, run="other", mode="drill", plan="drs.shop", status="STARTED", hours=4):
    return {
        "jobID": job_id,
        "type": "LAUNCH",
        "status": status,
        "creationDateTime": (NOW + timedelta(minutes=1)).isoformat(),
        "participatingServers": [{"sourceServerID": server} for server in servers or ("s-1",)],
        "tags": {
            RUN: run,
            MODE: mode,
            PLAN: plan,
            RUN_ID: "manual__1",
            EXPIRES: (NOW + timedelta(hours=hours)).isoformat(),
        },
    }


def an_instance(server="s-1", job_id="drsjob-1", state="RUNNING"):
    return {"sourceServerID": server, "jobID": job_id, "ec2InstanceState": state, "isDrill": True}


def found(jobs, instances=(), servers=NAMES):
    return conflicts_of(jobs, instances, own_runs={"own"}, own_plan="drs.shop", servers=servers, now=NOW)


@pytest.mark.parametrize(
    ("jobs", "instances", "held"),
    [
        pytest.param([a_job()], [], [(("s-1",), ("drsjob-1",))], id="a job that runs"),
        pytest.param([a_job(run="own")], [], [], id="the run's own job"),
        pytest.param([a_job(status="COMPLETED")], [], [], id="an ended job without instances"),
        pytest.param([a_job(status="COMPLETED")], [an_instance()], [(("s-1",), ())], id="a drill's live instance"),
        pytest.param([a_job(status="COMPLETED", hours=-1)], [an_instance()], [], id="an expired drill's instance"),
        pytest.param([a_job(status="COMPLETED")], [an_instance(state="TERMINATED")], [], id="a terminated instance"),
        pytest.param(
            [a_job(mode="recovery", status="COMPLETED")], [an_instance()], [], id="an ended recovery is production"
        ),
        pytest.param([a_job("drsjob-1", "s-9")], [], [(("s-9",), ("drsjob-1",))], id="another wave of the same plan"),
        pytest.param([a_job("drsjob-1", "s-9", plan="drs.crm")], [], [], id="other servers of another plan"),
        pytest.param([{**a_job(), "tags": {}}], [], [], id="a job that no run of ours started"),
    ],
)
def test_what_holds_servers(jobs, instances, held):
    assert [(other.servers, other.jobs) for other in found(jobs, instances)] == held


def test_the_jobs_of_a_run_are_one_conflict():
    (other,) = found([a_job(), a_job("drsjob-2", "s-2")])

    assert (other.servers, other.jobs, other.until) == (
        ("s-1", "s-2"),
        ("drsjob-1", "drsjob-2"),
        NOW + timedelta(hours=4),
    )


def test_a_run_beside_a_drill_is_refused_with_what_to_do():
    (other,) = found([a_job()])
    run = short_run_id("drs.shop", "manual__1")

    assert conflict_refusal(other, NAMES) == (
        "the drill manual__1 of drs.shop is not over and holds db1, until 2026-01-01 16:00 UTC at the latest: wait for "
        f"its end (drs run wait shop {run}), or end it (drs run end shop {run}, drs run cancel shop {run})"
    )


def test_a_run_beside_a_recovery_of_another_airflow_is_refused_with_it_named():
    (other,) = found([{**a_job(mode="recovery"), "tags": {**a_job(mode="recovery")["tags"], INSTALLATION: "dublin"}}])

    assert conflict_refusal(other, NAMES, own="paris") == (
        "another Airflow (installation dublin) holds db1: its recovery manual__1 of drs.shop is launching them "
        "(drsjob-1), and two recoveries of a server would replace each other. Leave these servers out, or wait for its "
        "end; once that Airflow is down, or the plan is paused there, take the run over: drs takeover shop --start "
        "--run other"
    )
    assert conflict_refusal(other, NAMES, own="dublin").startswith("the recovery manual__1 of drs.shop is launching")
    assert conflict_refusal(other, NAMES).startswith("the recovery manual__1 of drs.shop is launching")


def test_a_run_beside_a_recovery_is_refused():
    (other,) = found([a_job(mode="recovery")])

    assert conflict_refusal(other, NAMES) == (
        "the recovery manual__1 of drs.shop is launching db1 (drsjob-1): two recoveries of a server would replace each "
        "other; leave these servers out, or wait for its end"
    )


@pytest.mark.parametrize(
    ("status", "then"),
    [
        ("STARTED", "once its running drsjob-1 has ended, for DRS cannot cancel a job"),
        ("COMPLETED", "at once"),
    ],
)
def test_a_recovery_says_what_it_does_to_a_drill(status, then):
    (other,) = found([a_job(status=status)], [an_instance()])

    assert conflict_warning(other, RECOVERY) == (
        "it is in the drill manual__1 of drs.shop, which is not over",
        f"the recovery takes it {then}, and that drill ends as superseded",
    )


def test_a_check_takes_nothing_from_a_run_that_goes_on():
    (other,) = found([a_job(status="STARTED")], [an_instance()])

    assert conflict_warning(other, CHECK) == (
        "it is in the drill manual__1 of drs.shop, which is not over",
        "a drill of it is refused until that run is over",
    )


def test_what_has_to_be_asked_for_beside_the_jobs_of_the_last_day():
    jobs = [a_job("drsjob-1", "s-1", "s-3"), a_job("drsjob-2", "s-4", plan="drs.crm")]

    assert servers_of_plan(jobs, "drs.shop") == {"s-1", "s-3"}
    assert unseen_jobs([an_instance(job_id="drsjob-0"), an_instance(), {"sourceServerID": "s-5"}], jobs) == ["drsjob-0"]


def test_a_server_is_busy_only_in_a_job_that_runs():
    jobs = [a_job(), a_job("drsjob-2", "s-2", status="COMPLETED")]

    assert busy_servers(jobs) == {"s-1": "drsjob-1"}


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (
            a_job(mode="recovery"),
            ("a recovery of db1 began during the drill (run manual__1 of drs.shop, job drsjob-1), and a recovery wins"),
        ),
        (a_job(), None),
        (a_job(run="own", mode="recovery"), None),
        (a_job("drsjob-1", "s-9", mode="recovery"), None),
        (
            {**a_job(), "tags": {}, "initiatedBy": "START_RECOVERY"},
            ("a recovery of db1 began during the drill (job drsjob-1, not started from here), and a recovery wins"),
        ),
    ],
)
def test_a_recovery_takes_the_servers_of_a_drill(job, said):
    assert taken_over([job], own_runs={"own"}, servers=NAMES, since=NOW) == said
