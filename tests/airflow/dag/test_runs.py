"""Whole runs of plans against the simulator: what is launched, what is not, and what is said about it."""

import pytest
from kit.dag_runs import SHOP, calls, instances

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

TWO_ACCOUNTS = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001]
---
kind: ProtectionGroup
name: mail
region: eu-central-1
aws_conn_id: aws_there
select: {tags: {Tier: mail}}
---
kind: RecoveryPlan
name: shop
drill: {network: shared}
waves:
  - {name: everything, groups: [db, mail]}
"""


def test_a_drill_launches_wave_by_wave_and_leaves_nothing(run, simulator):
    ended = run(SHOP, reason="rehearsal")

    assert ended.state == "success"
    assert set(ended.tasks.values()) == {"success"}
    assert {"database.servers[db1]", "database.servers[db3]", "web.servers[web2]"} <= set(ended.tasks)
    assert ended.report["verdict"] == "passed"
    assert (ended.report["run"]["reason"], ended.report["run"]["mode"]) == ("rehearsal", "drill")
    assert set(ended.servers.values()) == {"launched"}
    assert ended.report["objectives"]["rpo"]["measured_seconds"] == pytest.approx(2, abs=0.5)
    states = instances(simulator)
    assert (len(ended.report["cleanup"]["terminated"]), set(states.values()) <= {"terminated"}) == (5, True)
    starts = calls(simulator, "StartRecovery")
    assert [len(call["request"]["sourceServers"]) for call in starts] == [3, 2]
    assert all(call["request"]["isDrill"] is True for call in starts)
    jobs = {job["job_id"]: job for wave in ended.report["waves"] for job in wave["jobs"]}
    assert len(jobs) == 2
    assert starts[1]["at"] > starts[0]["at"]


def test_the_report_of_a_run_accounts_for_its_whole_time_and_says_when_the_service_was_there(run, simulator):
    report = run(SHOP).report

    shares = {share["kind"]: share["seconds"] for share in report["time_shares"]}
    assert {"preflight", "jobs", "clean_up", "orchestration"} <= set(shares)
    assert sum(shares.values()) == pytest.approx(report["elapsed_seconds"], abs=1e-5)
    ready = [wave["ready_at"] for wave in report["waves"]]
    assert ready == sorted(ready)
    rto = report["objectives"]["rto"]
    assert (rto["target_seconds"], rto["outcome"]) == (2700.0, "met")
    assert rto["measured_seconds"] == report["waves"][-1]["rto_seconds"] > rto["last_launched_seconds"]


def test_a_failed_server_fails_its_wave_and_nothing_after_it_starts(run, simulator):
    simulator.fault(
        {"service": "drs", "hostname": "db2", "do": "fail_at", "event": "CONVERSION_START", "error": "NoCapacity"}
    )

    ended = run(SHOP)

    assert ended.state == "failed"
    assert (ended.tasks["database.recovery_job"], ended.tasks["web.start_recovery"]) == ("failed", "upstream_failed")
    assert (ended.tasks["database.servers[db1]"], ended.tasks["database.servers[db2]"]) == ("success", "failed")
    assert (ended.tasks["finish.clean_up"], ended.tasks["finish.report"]) == ("success", "success")
    assert ended.tasks["finish.verdict"] == "failed"
    assert ended.report["verdict"] == "failed"
    assert ended.report["verdict_reason"] == (
        "Wave database failed: db2 not launched; wave web was not started. First cause: db2 (wave database): "
        "CONVERSION_FAIL: NoCapacity. Next step: look at the job's log in the DRS console and correct the cause, then "
        "start the drill again."
    )
    assert ended.said("finish.verdict").startswith(f"failed: {ended.report['verdict_reason'].rstrip('.')}. Report: ")
    assert [(failure["hostname"], failure["reason"]) for failure in ended.report["failures"]] == [
        ("db2", "CONVERSION_FAIL: NoCapacity")
    ]
    assert ended.servers == {
        "db1": "launched",
        "db2": "failed",
        "db3": "launched",
        "web1": "not_started",
        "web2": "not_started",
    }
    assert len(calls(simulator, "StartRecovery")) == 1
    assert set(instances(simulator).values()) <= {"terminated"}


def test_failures_that_the_plan_tolerates_end_green_and_with_exceptions(run, simulator):
    for hostname in ("db2", "db3"):  # db3 is not critical, db2 is within the tolerance
        simulator.fault({"service": "drs", "hostname": hostname, "do": "fail_silently"})

    ended = run(SHOP.replace("{name: database, groups: [db]}", "{name: database, groups: [db], tolerate_failures: 1}"))

    assert ended.state == "success"
    assert ended.report["verdict"] == "completed_with_exceptions"
    assert (ended.tasks["database.servers[db2]"], ended.tasks["database.servers[db3]"]) == ("skipped", "skipped")
    assert ended.servers["web1"] == "launched"
    assert set(instances(simulator).values()) <= {"terminated"}


def test_preflight_says_everything_at_once_and_launches_nothing(run, simulator):
    drs = simulator.client("drs")
    drs.start_recovery(isDrill=False, sourceServers=[{"sourceServerID": "s-00000000000000001"}])
    simulator.advance("30m")
    simulator.fault({"service": "drs", "hostname": "db2", "do": "stuck"})
    drs.start_recovery(isDrill=True, sourceServers=[{"sourceServerID": "s-00000000000000002"}])
    simulator.fault({"service": "drs", "hostname": "web1", "do": "stall"})
    before = len(calls(simulator, "StartRecovery"))

    ended = run(
        SHOP.replace("{id: s-00000000000000003, critical: false}", "s-00000000000000099").replace("rpo: 5m\n", "")
    )

    said = ended.said("preflight.check")
    assert ended.state == "failed"
    assert ended.report["verdict"] == "refused"
    assert said.startswith("the run of shop is refused, 4 reasons; nothing was launched:\n")
    assert "db1 (s-00000000000000001): it has a live recovered instance" in said
    assert "db2 (s-00000000000000002): it is in the running job drsjob-" in said
    assert "s-00000000000000099: DRS knows no such source server in this account and Region" in said
    assert "web1 (s-00000000000000011): STALLED" in said
    assert len(calls(simulator, "StartRecovery")) == before
    assert calls(simulator, "TerminateRecoveryInstances") == []


def test_chosen_waves_and_excluded_servers(run, simulator):
    ended = run(SHOP, waves=["web"], exclude_servers=["web1"])

    assert ended.state == "success"
    assert (ended.tasks["database.start_recovery"], ended.tasks["web.recovery_job"]) == ("skipped", "success")
    (start,) = calls(simulator, "StartRecovery")
    assert start["request"]["sourceServers"] == [{"sourceServerID": "s-00000000000000012"}]
    assert ended.report["verdict"] == "completed_with_exceptions"
    assert set(instances(simulator).values()) <= {"terminated"}


def test_a_wave_in_two_accounts_and_regions_is_one_wave(run, simulator):
    ended = run(TWO_ACCOUNTS)

    assert ended.state == "success"
    assert ended.tasks["everything.start_recovery_2"] == "success"
    started = [(call["account"], call["region"]) for call in calls(simulator, "StartRecovery")]
    assert sorted(started) == [("111122223333", "us-west-2"), ("444455556666", "eu-central-1")]
    assert ended.servers == {"db1": "launched", "mail1": "launched", "mail2": "launched"}
    assert len(ended.report["cleanup"]["terminated"]) == 3
    state = simulator.state()["accounts"]["444455556666"]["eu-central-1"]
    assert not [
        instance for instance in state["recovery_instances"].values() if instance["ec2InstanceState"] == "RUNNING"
    ]
