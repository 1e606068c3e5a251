"""A failback of servers from a data centre against the simulator, alone and beside servers from EC2 in one wave."""

from datetime import timedelta

import pytest
from drs_provider.dag.failback.cut_over.start import StartBack
from drs_provider.dag.failback.cut_over.stop_clients import StopClients
from drs_provider.hooks.failback import FailbackHook
from drs_provider.rules.run.handover import RunOrder
from kit.dag_runs import calls
from kit.failback_plans import CENTRE, DB, EAST, WEB, WEST, failback_servers
from kit.orders import order
from kit.people import People

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

MIXED = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers:
  - s-00000000000000001
  - {id: s-00000000000000002, order: 2, critical: false}
---
kind: ProtectionGroup
name: mill
region: us-west-2
aws_conn_id: aws_default
servers: [{id: s-00000000000000031, order: 2}]
---
kind: ProtectionGroup
name: web
region: us-west-2
select: {tags: {Tier: web}}
---
kind: RecoveryPlan
name: shop
title: Web shop
owner: retail
tags: [tier-1]
rto: 45m
rpo: 5m
drill: {network: shared}
recovery: {approval: {required: 1, approvers: [dr-lead]}, commit: {within: 1h, approvers: [dr-lead]}}
failback:
  origin: {aws_conn_id: aws_default}
  order: reversed
  max_lag: 5m
  approval: {required: 1, approvers: [ann], timeout: 8h}
  clean_up: {approvers: [bob]}
before: [{kind: wait, name: freeze, for: 1s, when: failback}]
waves:
  - {name: database, groups: [db, mill], tolerate_failures: 30%, timeout: 60m, ready: status_checks}
  - name: web
    groups: [web]
    after: [{kind: wait, name: switch, for: 1s, when: failback}]
after: [{kind: wait, name: tell, for: 1s, when: failback}]
"""
ALONE = """\
kind: ProtectionGroup
name: mill
region: us-west-2
servers: [s-00000000000000031]
---
kind: RecoveryPlan
name: shop
drill: {network: shared}
failback: {}
waves: [{name: mill, groups: [mill]}]
"""
YES = {"preflight.approval": [("ann", "Approve")], "finish.agree": [("bob", "Approve")]}
GO = {"mode": "failback", "confirm": "shop", "reason": "the hall stands again"}


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """What is confirmed or awaited after tens of seconds would be hours here."""
    soon = timedelta(seconds=1)
    monkeypatch.setattr("drs_provider.rules.failback.confirmation.LEAST_APART", soon)
    monkeypatch.setattr("drs_provider.operators.failback.LOOK_AGAIN_AFTER", soon)
    monkeypatch.setattr("drs_provider.dag.failback.cut_over.protect_again.LOOK_AGAIN_AFTER", soon)
    monkeypatch.setattr("drs_provider.dag.failback.cut_over.watch.LOOK_AGAIN_AFTER", soon)
    monkeypatch.setattr("drs_provider.dag.failback.cut_over.start.LOOK_EVERY", soon)
    monkeypatch.setattr("drs_provider.dag.failback.cut_over.start.POLL_SECONDS", 0.3)
    monkeypatch.setattr("drs_provider.rules.failback.data_centre.last_sync.SETTLE", soon)
    monkeypatch.setattr("drs_provider.services.failback.call_memory.INVISIBLE_FOR", soon)
    monkeypatch.setattr("drs_provider.dag.waves.final_sync.LEAST_POLL_SECONDS", 0.3)


@pytest.fixture
def ready(recovered, simulator):
    """Recover servers, stop their originals, reverse those from EC2, boot a failback client, and let all be copied."""

    def ready(*servers, to_original=True):
        instances = recovered(*servers)
        west, ec2 = simulator.client("drs", region_name=WEST), simulator.client("ec2", region_name=EAST)
        found = west.describe_source_servers(filters={})["items"]
        hints = [server["sourceProperties"]["identificationHints"].get("awsInstanceID") for server in found]
        if servers != (CENTRE,):
            ec2.stop_instances(InstanceIds=[name for name in hints if name])
        for server, instance in instances.items():
            if server == CENTRE:
                simulator.failback_client(instance, to_original=to_original)
            else:
                west.reverse_replication(recoveryInstanceID=instance)
        simulator.advance("90m")
        return instances

    return ready


def converted(simulator):
    return [
        name
        for call in calls(simulator, "StartFailbackLaunch")
        if (call["status"] or 0) < 400
        for name in call["request"]["recoveryInstanceIDs"]
    ]


def records(simulator):
    drs = [simulator.client("drs", region_name=region) for region in (WEST, EAST)]
    return [record for each in drs for record in each.describe_recovery_instances()["items"]]


@pytest.mark.timeout(500)
def test_a_wave_of_both_kinds_goes_home_and_a_lost_answer_converts_no_machine_twice(go_back, ready, simulator):
    instances = ready(*DB, *WEB, CENTRE)
    simulator.fault({"service": "drs", "operation": "StartFailbackLaunch", "do": "commit_then_drop", "count": 1})

    with People(YES) as people:
        ended = go_back(MIXED, **GO)

    assert ended.state == "success", (ended.report["verdict_reason"], ended.tasks)
    assert ended.servers == dict.fromkeys(("db1", "db2", "centre1", "web1"), "launched")
    assert converted(simulator) == [instances[CENTRE]]
    assert (ended.report["verdict"], ended.report["verdict_reason"]) == (
        "completed_with_exceptions",
        "That everything was copied to centre1 is not proven: DRS makes no recovery point there.",
    )
    assert (records(simulator), failback_servers(simulator)) == ([], {})
    question, clean_up = (body for _, _, body in people.asked)
    assert "- **1 machine in a data centre is converted**, rebooted into what was copied: centre1." in question
    assert f"| database | centre1 | `{instances[CENTRE]}` | its data centre | **its machine, converted** |" in question
    assert "**What is removed may hold writes that production has not**: that everything was copied to centre1" in (
        clean_up
    )
    jobs = {job["job_id"]: job["region"] for wave in ended.report["waves"] for job in wave["jobs"]}
    assert sorted(jobs.values()) == [EAST, EAST, EAST, WEST]


def test_a_machine_that_nobody_has_booted_refuses_the_run_and_says_how(go_back, recovered, simulator):
    instance = recovered(CENTRE)[CENTRE]

    ended = go_back(ALONE, **GO)

    said = ended.said("preflight.check")
    assert ended.report["verdict"] == "refused"
    assert "it is recovered, not ready: its failback client cannot be converted" in said
    assert f"from the DRS Failback Client ISO of {WEST}, and name recovery instance {instance} to it" in said
    assert calls(simulator, "StartFailbackLaunch") == []


@pytest.mark.timeout(500)
def test_a_cancel_before_the_launch_keeps_the_copy_unless_it_says_otherwise(go_back, ready, simulator, monkeypatch):
    instance = ready(CENTRE)[CENTRE]
    cancelled = RunOrder(kind="cancel", message="cancelled by ann: the hall has no power")
    start, stop = StartBack.execute, StopClients.execute

    def with_order(execute):
        def ordered(self, context):
            order(context, cancelled)
            return execute(self, context)

        return ordered

    monkeypatch.setattr(StartBack, "execute", with_order(start))
    with People({"preflight.approval": [("ann", "Approve")] * 2}) as people:
        kept = go_back(ALONE, folder="kept", **GO)
        between = simulator.client("drs", region_name=WEST).describe_recovery_instances()["items"][0]["failback"]
        monkeypatch.setattr(StopClients, "execute", with_order(stop))
        ended = go_back(ALONE, folder="ended", **GO)

    assert [run.report["verdict"] for run in (kept, ended)] == ["cancelled", "cancelled"]
    assert (kept.tasks["finish.stop_failback"], ended.tasks["finish.stop_failback"]) == ("skipped", "success")
    assert between["state"] == "FAILBACK_READY_FOR_LAUNCH"
    assert [call["request"] for call in calls(simulator, "StopFailback")] == [{"recoveryInstanceID": instance}]
    (record,) = records(simulator)
    assert (record["failback"]["state"], record["ec2InstanceState"]) == ("FAILBACK_NOT_STARTED", "RUNNING")
    assert calls(simulator, "StartFailbackLaunch") == []
    # Although the plan asks nobody: nothing proves the last sync.
    assert {task for task, *_ in people.asked} == {"preflight.approval"}


@pytest.mark.timeout(500)
def test_a_run_that_died_after_its_conversion_is_taken_over_and_the_machine_is_converted_once(
    go_back, ready, simulator, monkeypatch
):
    """The next run knows nothing of the first: it goes by what the cloud says, as another Airflow would."""
    instance = ready(CENTRE)[CENTRE]
    convert = FailbackHook.start_failback_launch

    def dies(self, *args, **kwargs):
        convert(self, *args, **kwargs)
        raise RuntimeError("the worker is gone")

    with People({"preflight.approval": [("ann", "Approve")] * 2, "finish.agree": [("bob", "Approve")]}) as people:
        with monkeypatch.context() as patched:
            patched.setattr(FailbackHook, "start_failback_launch", dies)
            died = go_back(ALONE, folder="died", **GO)
        ended = go_back(ALONE, folder="ended", **GO)

    assert died.report["verdict"] == "failed"
    assert (ended.state, ended.servers) == ("success", {"centre1": "launched"}), ended.report["verdict_reason"]
    assert converted(simulator) == [instance]
    assert records(simulator) == []
    assert (ended.report["verdict"], ended.report["verdict_reason"]) == (
        "completed_with_exceptions",
        "That everything was copied to centre1 is not proven: DRS makes no recovery point there.",
    )
    assert "that everything was copied to centre1 is not proven" in people.asked[-1][-1]
    question = [body for task, _, body in people.asked if task == "preflight.approval"][-1]
    assert "**its machine, converted already**" in question
    assert f"it is taken for production, and what {instance} has written since is lost" in question
