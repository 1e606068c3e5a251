"""Recoveries that end with a question, against the simulator: what is destroyed, by whose word, and what never is."""

import pytest
from kit.dag_runs import SHOP, calls, instances
from kit.people import People

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

GO = {"mode": "recovery", "confirm": "shop", "reason": "the region is dark"}
COMMIT = """\
recovery: {commit: {within: 5m, on_timeout: ask, approvers: [ann, bob]}}
rpo: 5m
"""
PLAN = SHOP.replace("rpo: 5m\n", COMMIT)
ASKS = "finish.commit"


def protected(simulator):
    """Which instances that run have termination protection."""
    ec2 = simulator.client("ec2", region_name="us-west-2")
    return {
        name: ec2.describe_instance_attribute(InstanceId=name, Attribute="disableApiTermination")[
            "DisableApiTermination"
        ]["Value"]
        for name, state in instances(simulator).items()
        if state == "running"
    }


def replication(simulator):
    servers = simulator.client("drs", region_name="us-west-2").describe_source_servers(filters={})["items"]
    return {server["dataReplicationInfo"]["dataReplicationState"] for server in servers}


def test_a_recovery_is_committed_and_nothing_is_destroyed(run, simulator):
    with People({ASKS: [("ann", "Commit", "customers are on it")]}) as people:
        ended = run(PLAN, **GO)

    assert (ended.state, ended.report["verdict"]) == ("success", "completed")
    assert set(instances(simulator).values()) == {"running"}
    assert calls(simulator, "TerminateRecoveryInstances") == []
    assert ended.tasks["finish.roll_back"] == "skipped"
    assert [subject for _, subject, _ in people.asked] == ["The recovery of shop is up: commit or roll back?"]
    assert all(protected(simulator).values())


def test_a_recovery_is_rolled_back_as_a_whole_and_its_sources_replicate(run, simulator):
    with People({ASKS: [("bob", "Roll back", "the source is back")]}):
        ended = run(PLAN, **GO)

    assert ended.tasks["finish.roll_back"] == "success", ended.said("finish.roll_back")
    assert set(instances(simulator).values()) <= {"terminated"}
    assert replication(simulator) == {"CONTINUOUS"}
