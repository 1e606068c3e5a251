"""Starts of what was launched ahead that fail, are lost or come to nothing, and people who end a wave."""

import re
import time
from datetime import timedelta

import pytest
from drs_provider.dag.waves.watch import WatchWave
from drs_provider.exceptions import AwsError
from drs_provider.hooks.drs import DrsHook
from drs_provider.rules.run.handover import RunOrder
from kit.dag_runs import SHOP, calls, instances
from kit.orders import order

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

AHEAD = SHOP.replace("drill: {network: shared}", "drill: {network: shared}\nlaunch: ahead")
ALL_UP = dict.fromkeys(["db1", "db2", "db3", "web1", "web2"], "launched")
GO = {"mode": "recovery", "confirm": "shop", "reason": "us-east-1 is dark"}
WORDS = "cancelled by ann: wrong network"


@pytest.fixture(autouse=True)
def _is_impatient(monkeypatch):
    """What is asked again after minutes is asked again after seconds."""
    ahead = "drs_provider.rules.ahead.next_start"
    for name, seconds in (("CAPACITY_PATIENCE", 3), ("CAPACITY_PAUSE", 1)):
        monkeypatch.setattr(f"{ahead}.{name}", timedelta(seconds=seconds))
    for module in (ahead, "drs_provider.services.launch.prepared_wave"):
        monkeypatch.setattr(f"{module}.SETTLES_WITHIN", timedelta(seconds=1))


def started(simulator):
    """How many instances every committed start has named."""
    return [len(call["request"]["InstanceIds"]) for call in calls(simulator, "StartInstances") if call["committed"]]


def live(simulator):
    """The states of the instances that are there: EC2 shows for an hour what was terminated."""
    return sorted(state for state in instances(simulator).values() if state != "terminated")


def test_servers_are_started_in_their_boot_order(run, simulator):
    text = AHEAD.replace("  - s-00000000000000002\n", "  - {id: s-00000000000000002, order: 2}\n")
    ended = run(text.replace("critical: false", "critical: false, order: 2"))

    assert (ended.state, ended.report["verdict"]) == ("success", "passed"), ended.report["verdict_reason"]
    assert len(calls(simulator, "StartRecovery")) == 2
    assert started(simulator) == [1, 2, 2]


def test_a_start_whose_answer_is_lost_and_one_that_comes_to_nothing_end_in_running_instances(run, simulator):
    simulator.fault({"service": "ec2", "operation": "StartInstances", "do": "commit_then_drop", "count": 1})
    simulator.fault({"hostname": "web1", "do": "stops_by_itself", "count": 1})
    ended = run(AHEAD, **GO)

    assert (ended.state, ended.report["verdict"]) == ("success", "completed"), ended.report["verdict_reason"]
    assert ended.servers == ALL_UP
    assert started(simulator) == [3, 2, 1]  # who looks again finds them started
    assert set(instances(simulator).values()) == {"running"}


def test_a_drill_whose_start_finds_no_capacity_is_launched_again_as_its_fallback_says(run, simulator):
    simulator.fault({"hostname": "web1", "do": "no_capacity", "operation": "StartInstances"})
    text = AHEAD.replace(
        "select: {tags: {Tier: web}}\n",
        "select: {tags: {Tier: web}}\nlaunch: {fallback: {instance_types: [m6i.large]}}\n",
    )
    ended = run(text)

    assert len(calls(simulator, "StartRecovery")) == 3
    tries = {s["hostname"]: s["tries"] for s in ended.report["waves"][1]["servers"] if s["tries"]}
    assert [(name, len(found), found[0]["how"]) for name, found in tries.items()] == [("web1", 1, "fallback")]
    assert ended.servers == {**ALL_UP, "web1": "failed"}
    assert set(instances(simulator).values()) <= {"terminated"}


def test_a_cancelled_run_starts_nothing_more_and_says_what_is_prepared(run, simulator, monkeypatch):
    settle = WatchWave.settle

    def ordered(self, context, *arguments, **more):
        order(context, RunOrder(kind="cancel", message=WORDS))
        return settle(self, context, *arguments, **more)

    monkeypatch.setattr(WatchWave, "settle", ordered)
    monkeypatch.setattr(
        "drs_provider.dag.waves.start.start_prepared_here", lambda *_: None
    )  # the order comes before it
    ended = run(AHEAD.replace("groups: [db]", 'groups: [db], tolerate_failures: "100%"'))

    assert (ended.state, ended.report["verdict"]) == ("failed", "cancelled"), ended.report["verdict_reason"]
    assert started(simulator) == []
    reasons = {s["hostname"]: s["reason"] for wave in ended.report["waves"] for s in wave["servers"]}
    assert reasons == {
        **dict.fromkeys(["db1", "db2", "db3"], f"prepared, not started: {WORDS}"),
        **dict.fromkeys(["web1", "web2"], "prepared, not started"),
    }
    assert set(instances(simulator).values()) <= {"terminated"}


WEB_SERVERS = ("s-00000000000000011", "s-00000000000000012")
FALLBACK = "launch: {instance_type: r5.large, fallback: {instance_types: [m5.large]}}\n"
NO_R5 = {"hostname": "web1", "do": "no_capacity", "operation": "StartInstances", "instance_type": "r5.large"}


def with_fallback(text=AHEAD, *, web="", settings=FALLBACK):
    found = text.replace("select: {tags: {Tier: web}}\n", f"select: {{tags: {{Tier: web}}}}\n{settings}")
    return found.replace("groups: [web]", f"groups: [web]{web}")


def tries_of(ended):
    return {s["hostname"]: s["tries"] for wave in ended.report["waves"] for s in wave["servers"] if s["tries"]}


def test_a_recovery_replaces_what_it_prepared_and_nobody_ever_started_as_its_fallback_says(run, simulator):
    simulator.fault(NO_R5)
    ended = run(with_fallback(), **GO)

    assert (ended.state, ended.report["verdict"]) == ("success", "completed"), ended.report["verdict_reason"]
    assert ended.servers == ALL_UP
    ((first,),) = tries_of(ended).values()
    assert (first["how"], first["settings"]) == ("fallback", {"instance_type": "m5.large"})
    assert len(calls(simulator, "StartRecovery")) == 3
    assert live(simulator) == ["running"] * 5
    (again,) = (s for s in ended.report["waves"][1]["servers"] if s["hostname"] == "web1")
    ec2 = simulator.client("ec2")
    (found,) = ec2.describe_instances(InstanceIds=[again["instance_id"]])["Reservations"][0]["Instances"]
    kept = ec2.describe_instance_attribute(InstanceId=again["instance_id"], Attribute="disableApiTermination")
    assert (found["InstanceType"], kept["DisableApiTermination"]["Value"]) == ("m5.large", True)
    drs = simulator.client("drs")
    assert {drs.get_launch_configuration(sourceServerID=s)["launchDisposition"] for s in WEB_SERVERS} == {"STARTED"}


def test_what_somebody_has_started_by_hand_meanwhile_is_never_replaced(run, simulator, monkeypatch):
    """Whoever it was has stopped it again: what it has written in between is in its disks."""
    asked, by_hand = DrsHook.start_instances, []

    def start_instances(self, names):
        try:
            return asked(self, names)
        except AwsError:
            if len(names) == 1 and not by_hand:
                simulator.no_faults()
                ec2 = simulator.client("ec2")
                ec2.start_instances(InstanceIds=names)
                while instances(simulator)[names[0]] != "running":
                    time.sleep(0.05)
                ec2.stop_instances(InstanceIds=names)
                simulator.fault(NO_R5)
                by_hand.extend(names)
            raise

    monkeypatch.setattr(DrsHook, "start_instances", start_instances)
    simulator.fault(NO_R5)
    ended = run(with_fallback(), **GO)

    assert (ended.state, ended.report["verdict"]) == ("failed", "failed"), ended.report["verdict_reason"]
    (name,) = by_hand
    (web1,) = (s for s in ended.report["waves"][1]["servers"] if s["hostname"] == "web1")
    assert (web1["status"], web1["instance_id"], web1["tries"]) == ("failed", name, [])
    assert re.fullmatch(
        r"EC2 refused its start: ec2:StartInstances: InsufficientInstanceCapacity: .+ It is not launched again, which "
        rf"would terminate {name}, and that it never ran is not proven: EC2 says that {name} was started at \S+, and "
        r"drsjob-\w+, which launched it, had ended at \S+",
        web1["reason"],
    )
    assert len(calls(simulator, "StartRecovery")) == 2
    assert instances(simulator)[name] == "stopped"
    assert "start its instance by hand in EC2, with an instance type that there is" in ended.report["verdict_reason"]


def test_a_start_that_is_refused_for_another_reason_is_launched_again_where_failed_ones_are(run, simulator):
    denied = {"service": "ec2", "operation": "StartInstances", "do": "access_denied"}
    simulator.fault(denied | {"count": 1})
    ended = run(AHEAD.replace("groups: [db]", "groups: [db], retry_failed: 1"), **GO)

    assert (ended.state, ended.report["verdict"]) == ("success", "completed"), ended.report["verdict_reason"]
    again = [(name, each["how"]) for name, tries in tries_of(ended).items() for each in tries]
    assert sorted(again) == [("db1", "again"), ("db2", "again"), ("db3", "again")]
    assert live(simulator) == ["running"] * 5
