"""The whole way back against the simulator: production goes back, is protected again, and nothing is left."""

import pytest
from kit.dag_runs import calls
from kit.failback_plans import DB, EAST, SHOP, WEB, WEST, failback_servers
from kit.people import People

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

CUT_OVER = SHOP.replace(
    "failback: {}",
    "failback: {approval: {approvers: [ann]}, clean_up: {approvers: [bob]}}\n"
    "before: [{kind: wait, name: freeze, for: 1s, when: failback}]",
)
YES = {"preflight.approval": [("ann", "Approve")], "finish.agree": [("bob", "Approve")]}
GO = {"mode": "failback", "confirm": "shop", "reason": "the Region is back"}
EVERY = [*DB, *WEB]


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """What is confirmed or awaited after tens of seconds would be hours here."""
    from datetime import timedelta

    monkeypatch.setattr("drs_provider.rules.failback.confirmation.LEAST_APART", timedelta(seconds=1))
    monkeypatch.setattr("drs_provider.operators.failback.LOOK_AGAIN_AFTER", timedelta(seconds=1))
    monkeypatch.setattr("drs_provider.dag.failback.cut_over.protect_again.LOOK_AGAIN_AFTER", timedelta(seconds=1))
    monkeypatch.setattr("drs_provider.dag.waves.final_sync.LEAST_POLL_SECONDS", 0.3)


def originals(simulator, region=EAST):
    """EC2's state of the instances that the servers came from, by server id."""
    servers = simulator.client("drs", region_name=WEST).describe_source_servers(filters={})["items"]
    named = {
        server["sourceServerID"]: server["sourceProperties"]["identificationHints"].get("awsInstanceID")
        for server in servers
    }
    found = simulator.client("ec2", region_name=region).describe_instances()["Reservations"]
    states = {each["InstanceId"]: each["State"]["Name"] for found in found for each in found["Instances"]}
    return {server: (instance, states.get(instance)) for server, instance in named.items() if instance}


@pytest.fixture
def fenced(simulator):
    """Stop the originals, as people do after a disaster."""

    def fenced():
        running = [instance for instance, state in originals(simulator).values() if state == "running"]
        simulator.client("ec2", region_name=EAST).stop_instances(InstanceIds=running)
        return running

    return fenced


@pytest.fixture
def ready(go_back, recovered, fenced):
    """Recover every server, fence the originals, and replicate it back until it is ready."""

    def ready(text=CUT_OVER):
        instances = recovered(*EVERY)
        fenced()
        assert go_back(text, folder="reprotect").report["verdict"] == "completed"
        return instances

    return ready


def at_rest(simulator):
    west, east = (simulator.client("drs", region_name=region) for region in (WEST, EAST))
    left = [each for drs in (west, east) for each in drs.describe_recovery_instances()["items"]]
    assert left == []
    assert failback_servers(simulator) == {}
    states = {
        server["sourceServerID"]: server["dataReplicationInfo"]["dataReplicationState"]
        for server in west.describe_source_servers(filters={})["items"]
    }
    assert {states[server] for server in EVERY} == {"CONTINUOUS"}


def launched_in_origin(simulator):
    return [
        server["sourceServerID"]
        for call in calls(simulator, "StartRecovery")
        if call.get("region") == EAST and call["status"] == 200
        for server in call["request"]["sourceServers"]
    ]


@pytest.mark.timeout(500)
def test_production_goes_round_the_whole_circle_and_nothing_is_left(go_back, ready, simulator):
    instances = ready()

    with People(YES) as people:
        ended = go_back(CUT_OVER, **GO)

    assert (ended.state, ended.report["verdict"]) == ("success", "completed"), (
        ended.report["verdict_reason"],
        ended.tasks,
    )
    assert ended.servers == dict.fromkeys(("db1", "db2", "web1"), "launched")
    at_rest(simulator)
    assert len(launched_in_origin(simulator)) == len(set(launched_in_origin(simulator))) == 3
    gone = [
        name
        for call in calls(simulator, "TerminateRecoveryInstances")
        for name in call["request"]["recoveryInstanceIDs"]
    ]
    assert sorted(gone) == sorted(instances.values())
    assert ended.report["objectives"]["rpo"] is not None
    question = next(body for task, _, body in people.asked if task == "finish.agree")
    assert all(f"`{instance}`" in question for instance in instances.values())
