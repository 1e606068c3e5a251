"""Starts of what was launched ahead that fail, are lost or come to nothing, and people who end a wave."""

from datetime import timedelta

import pytest
from drs_provider.dag.waves.watch import WatchWave
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
    ended = run(AHEAD.replace("groups: [db]", 'groups: [db], tolerate_failures: "100%"'))

    assert (ended.state, ended.report["verdict"]) == ("failed", "cancelled"), ended.report["verdict_reason"]
    assert started(simulator) == []
    reasons = {s["hostname"]: s["reason"] for wave in ended.report["waves"] for s in wave["servers"]}
    assert reasons == {
        **dict.fromkeys(["db1", "db2", "db3"], f"prepared, not started: {WORDS}"),
        **dict.fromkeys(["web1", "web2"], "prepared, not started"),
    }
    assert set(instances(simulator).values()) <= {"terminated"}
