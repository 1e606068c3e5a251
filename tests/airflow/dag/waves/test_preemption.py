"""Two runs of the same servers at once: a recovery wins over a drill, and drills never overlap."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.hooks.launch_settings import LaunchSettingsHook
from drs_provider.rules.launch.tags import job_tags, life_tags, short_run_id
from drs_provider.rules.purpose import purpose_of
from drs_provider.services.settings.apply import apply_all
from kit.dag_runs import SHOP, calls, instances, meanwhile

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

DB, WEB = [f"s-{n:017d}" for n in (1, 2, 3)], [f"s-{n:017d}" for n in (11, 12)]
GO = {"mode": "recovery", "confirm": "shop", "reason": "us-east-1 is dark"}


def another_run(mode, *, plan="shop", run_id="manual__elsewhere", lives=timedelta(days=2)):
    tags = job_tags(dag_id=f"drs.{plan}", run_id=run_id, wave="database", chunk=0, attempt=1)
    return {**tags, **life_tags(purpose_of(mode), now=datetime.now(UTC), lifetime=lives)}


def launch(simulator, servers, mode, **more):
    return simulator.client("drs").start_recovery(
        isDrill=mode == "drill",
        sourceServers=[{"sourceServerID": server} for server in servers],
        tags=another_run(mode, **more),
    )["job"]["jobID"]


def running(simulator):
    return sum(state == "running" for state in instances(simulator).values())


def test_a_recovery_in_the_middle_of_a_drill_wins_and_the_drill_ends_superseded(run, simulator):
    thread = meanwhile(simulator, lambda: launch(simulator, WEB, "recovery", run_id="manual__the-real-one"))

    ended = run(SHOP)

    thread.join(5)
    drill, recovery = calls(simulator, "StartRecovery")
    assert (drill["request"]["isDrill"], recovery["request"]["isDrill"]) == (True, False)
    assert (ended.state, ended.report["verdict"]) == ("failed", "superseded")
    why = ended.report["verdict_reason"]
    assert why.startswith("A recovery of web1, web2 began during the drill (run manual__the-real-one of drs.shop")
    assert why.endswith(", and a recovery wins; wave web was not started.")
    assert ended.tasks["web.start_recovery"] == "failed"
    assert "nothing more of this drill is launched, and what it has launched is cleaned up" in ended.said(
        "web.start_recovery"
    )
    simulator.advance("30m")
    assert running(simulator) == 2
    described = simulator.client("drs").describe_recovery_instances()["items"]
    assert {
        server["sourceServerID"]: server["isDrill"] for server in described if server["ec2InstanceState"] == "RUNNING"
    } == {
        WEB[0]: False,
        WEB[1]: False,
    }


def test_a_recovery_that_has_only_put_the_settings_back_wins_too(run, simulator):
    def take_back():
        hook = LaunchSettingsHook(aws_conn_id="aws_default", region_name="us-west-2")
        apply_all(
            hook, {server_id: {} for server_id in WEB}, is_temporary=False
        )  # what a recovery does before it launches

    thread = meanwhile(simulator, take_back)

    ended = run(SHOP.replace("drill: {network: shared}", "drill: {network: isolated}"))

    thread.join(5)
    assert (ended.state, ended.report["verdict"]) == ("failed", "superseded")
    assert ended.report["verdict_reason"] == (
        "The launch settings of web1, web2 were put back during the drill, as a recovery does before it "
        "launches; wave web was not started."
    )
    assert ended.said("web.start_recovery") == (
        "the launch settings of web1, web2 were put back during the drill, as a recovery does before it "
        "launches: nothing more of this drill is launched, and what it has launched is cleaned up"
    )
    assert len(calls(simulator, "StartRecovery")) == 1
    assert running(simulator) == 0


def test_a_recovery_takes_the_servers_of_a_drill_that_is_not_over(run, simulator):
    launch(simulator, DB, "drill")

    ended = run(SHOP, **GO)

    warned = [finding for finding in ended.report["preflight"]["findings"] if "which is not over" in finding["what"]]
    assert {server["hostname"] for server in warned} == {"db1", "db2", "db3"}
    assert warned[0]["severity"] == "warning"
    assert warned[0]["what"] == "it is in the drill manual__elsewhere of drs.shop, which is not over"
    assert (ended.state, ended.report["verdict"]) == ("success", "completed")
    live = simulator.client("drs").describe_recovery_instances()["items"]
    up = {server["sourceServerID"]: server["isDrill"] for server in live if server["ec2InstanceState"] == "RUNNING"}
    assert up == dict.fromkeys([*DB, *WEB], False)


def test_a_drill_is_refused_beside_a_drill_of_the_same_servers(run, simulator):
    launch(simulator, DB[:2], "drill", plan="warehouse")
    simulator.advance("30m")

    ended = run(SHOP)

    assert ended.report["verdict"] == "refused"
    assert ("  - the drill manual__elsewhere of drs.warehouse is not over and holds db1, db2, until ") in ended.said(
        "preflight.check"
    )
    brief = short_run_id("drs.warehouse", "manual__elsewhere")
    assert f"end it (drs run end warehouse {brief}, drs run cancel warehouse {brief})" in ended.said("preflight.check")
    assert len(calls(simulator, "StartRecovery")) == 1
    assert set(instances(simulator).values()) == {"running"}


def test_another_wave_of_the_same_plan_is_no_other_drill(run, simulator):
    launch(simulator, DB, "drill")
    simulator.advance("30m")

    assert run(SHOP, waves=["web"]).report["verdict"] == "refused"


def test_the_left_overs_of_an_expired_drill_do_not_refuse_a_drill(run, simulator):
    launch(simulator, DB, "drill", lives=timedelta(seconds=-1))
    simulator.advance("30m")

    ended = run(SHOP)

    assert (ended.state, ended.report["verdict"]) == ("success", "passed")


def test_two_recoveries_at_once_are_refused(run, simulator):
    simulator.fault({"service": "drs", "hostname": "db1", "do": "stuck"})
    job = launch(simulator, DB, "recovery")

    ended = run(SHOP, **GO)

    assert ended.report["verdict"] == "refused"
    assert (
        f"the recovery manual__elsewhere of drs.shop is launching db1, db2, db3 ({job}): two recoveries of a server "
        "would replace each other; leave these servers out, or wait for its end"
    ) in ended.said("preflight.check")


def test_a_drill_marks_what_it_makes_with_its_expiry(run, simulator):
    before = datetime.now(UTC)

    ended = run(SHOP)

    jobs = [
        job for job in simulator.client("drs").describe_jobs(filters={})["items"] if job["initiatedBy"] == "START_DRILL"
    ]
    assert {job["tags"]["drs-orchestrator:mode"] for job in jobs} == {"drill"}
    expiries = [datetime.fromisoformat(job["tags"]["drs-orchestrator:expires"]) for job in jobs]
    # two waves of at most 2 h, each after at most 6 h for room; 2 h of clean-up, 1 h of slack
    assert all(
        timedelta(hours=19) - timedelta(seconds=1) <= expiry - before < timedelta(hours=19.2) for expiry in expiries
    )
    tagged = [call["request"] for call in calls(simulator, "TagResource")]
    assert (len(tagged), {resource["tags"]["drs-orchestrator:plan"] for resource in tagged}) == (5, {"drs.shop"})
    in_ec2 = [len(call["request"]["Resources"]) for call in calls(simulator, "CreateTags")]
    assert sum(in_ec2) == 5 * 3  # each with its volume and its network interface
    assert ended.tasks["web.tag_instances"] == "success"
    assert ended.report["drill"]["untagged"] == {}


def test_instances_that_cannot_be_tagged_are_a_warning_in_the_report(run, simulator):
    simulator.fault({"service": "ec2", "operation": "CreateTags", "do": "access_denied"})

    ended = run(SHOP)

    assert (ended.state, ended.report["verdict"]) == ("success", "passed")
    assert len(ended.report["drill"]["untagged"]) == 5
    assert "ec2:CreateTags" in next(iter(ended.report["drill"]["untagged"].values()))


def test_a_recovery_is_marked_as_one_and_never_expires(run, simulator):
    run(SHOP, **GO)

    described = simulator.client("drs").describe_recovery_instances()["items"]
    assert {server["tags"]["drs-orchestrator:mode"] for server in described} == {"recovery"}
    assert not any("drs-orchestrator:expires" in server["tags"] for server in described)
