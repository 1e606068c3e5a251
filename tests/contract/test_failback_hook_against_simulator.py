"""The way back by the hook, in both Regions of the simulator, which checks both directions by botocore's model."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.exceptions import Conflict, QuotaExceeded, ServiceUnavailable
from drs_provider.hooks.failback import FailbackHook
from drs_provider.rules.failback.answers import ClientReplication
from drs_provider.rules.failback.circle import RegionFacts, ReplicationPlace, circles_of, instances_to_ask
from drs_provider.rules.failback.state import Stage, state_of

ONE, TWO, DATA_CENTRE = "s-0hello00000000001", "s-0hello00000000002", "s-0centre0000000001"
ACCOUNT = "111122223333"
FLEET = {
    "jitter": 0,
    "accounts": [
        {
            "id": ACCOUNT,
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.1.0/24"}},
                    "servers": [
                        {"hostname": "hello1", "id": ONE, "origin": {"region": "us-east-1"}},
                        {"hostname": "hello2", "id": TWO, "origin": {"region": "us-east-1"}},
                        {"hostname": "centre1", "id": DATA_CENTRE},
                    ],
                }
            ],
        }
    ],
}


@pytest.fixture(scope="module")
def two_regions(start_drs_simulator):
    return start_drs_simulator(FLEET, speed=600)


@pytest.fixture
def simulator(two_regions, monkeypatch):
    two_regions.reset()
    two_regions.clock(freeze=True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", two_regions.url)
    return two_regions


@pytest.fixture
def west(simulator):
    return FailbackHook(aws_conn_id=None, region_name="us-west-2")


@pytest.fixture
def east(simulator):
    return FailbackHook(aws_conn_id=None, region_name="us-east-1")


def recovered(west, simulator, server):
    west.start_recovery([server], is_drill=False, tags={})
    simulator.advance("25m")
    return instance_of(west, server)["recoveryInstanceID"]


def instance_of(hook, server):
    (found,) = hook.recovery_instances(source_server_ids=[server])
    return found


def state(hook, server):
    (found,) = hook.source_servers([server])
    return found["dataReplicationInfo"]["dataReplicationState"]


def called(simulator, operation):
    return [call["status"] for call in simulator.calls() if call["operation"] == operation]


def test_from_the_recovery_through_the_origin_back_to_where_it_began(west, east, simulator):
    instance = recovered(west, simulator, ONE)
    back = west.reverse_replication(instance)
    assert (back.account, back.region) == (ACCOUNT, "us-east-1")
    simulator.advance("1h")
    assert state(east, back.server_id) == "CONTINUOUS"

    job = east.start_recovery([back.server_id], is_drill=False, tags={"run": "1"})
    simulator.advance("25m")
    assert [found["status"] for found in east.jobs([job["jobID"]])] == ["COMPLETED"]
    primary = instance_of(east, back.server_id)["recoveryInstanceID"]
    again = east.reverse_replication(primary)
    assert (again.server_id, again.region) == (ONE, "us-west-2")
    simulator.advance("1h")
    assert state(west, ONE) == "CONTINUOUS"

    with pytest.raises(Conflict):
        west.terminate([instance])
    assert east.stop_replication(back.server_id).state == "STOPPED"
    west.terminate([instance])
    assert (east.delete_instance_record(primary), east.delete_server("s-00000000000000000")) == (True, False)
    with pytest.raises(Conflict):
        east.delete_server(back.server_id)
    east.disconnect_server(back.server_id)
    assert (east.delete_server(back.server_id), east.delete_server(back.server_id)) == (True, False)
    assert east.delete_instance_record(primary) is False
    simulator.advance("20m")
    assert (east.source_servers(), west.recovery_instances()) == ((), ())
    assert east.instance_states([primary]) == {primary: "running"}


def test_a_reversal_waits_for_the_agent_and_is_not_repeated(west, simulator):
    west.start_recovery([ONE], is_drill=False, tags={})
    simulator.advance("9m")
    instance = instance_of(west, ONE)["recoveryInstanceID"]
    with pytest.raises(Conflict) as caught:
        west.reverse_replication(instance)
    simulator.advance("20m")
    simulator.fault({"service": "drs", "operation": "ReverseReplication", "do": "commit_then_drop", "count": 1})
    with pytest.raises(ServiceUnavailable):
        west.reverse_replication(instance)
    with pytest.raises(Conflict) as second:
        west.reverse_replication(instance)

    assert str(caught.value) == (
        f"ReverseReplication: ConflictException: Recovery instance {instance} has not finished initializing"
    )
    assert "is being replicated back already" in str(second.value)
    assert called(simulator, "ReverseReplication") == [409, None, 409]


def test_replication_that_was_stopped_begins_afresh(west, simulator):
    assert west.stop_replication(TWO).state == "STOPPED"
    assert west.start_replication(TWO).state == "INITIATING"
    with pytest.raises(Conflict):
        west.start_replication(TWO)


def test_a_data_centres_server_fails_back_when_its_client_is_ready(west, simulator):
    instance = recovered(west, simulator, DATA_CENTRE)
    west.update_client_replication(instance, bandwidth_mbps=80, uses_private_ip=False)
    assert west.client_replication(instance) == ClientReplication(instance, 80, False)
    simulator.failback_client(instance)
    with pytest.raises(Conflict):
        west.start_failback_launch([instance], tags={})
    simulator.advance("1h")
    simulator.fault({"do": "quota_used", "jobs": 20, "for": "10m"})
    with pytest.raises(QuotaExceeded):
        west.start_failback_launch([instance], tags={})
    simulator.advance("10m")
    job = west.start_failback_launch([instance], tags={"run": "1"})
    simulator.advance("20m")

    assert [(found["status"], found["tags"]) for found in west.jobs([job["jobID"]])] == [("COMPLETED", {"run": "1"})]
    assert instance_of(west, DATA_CENTRE)["failback"]["state"] == "FAILBACK_COMPLETED"


def test_a_failback_is_ended_and_its_instance_disconnected(west, simulator):
    instance = recovered(west, simulator, DATA_CENTRE)
    simulator.failback_client(instance)
    west.stop_failback(instance)
    assert instance_of(west, DATA_CENTRE)["failback"]["state"] == "FAILBACK_NOT_STARTED"
    with pytest.raises(Conflict):
        west.delete_instance_record(instance)
    west.disconnect_instance(instance)
    assert west.delete_instance_record(instance) is True


def test_instances_of_the_origin_are_stopped_and_started(west, east, simulator):
    names = [
        server["sourceProperties"]["identificationHints"]["awsInstanceID"] for server in west.source_servers([ONE, TWO])
    ]

    assert set(east.stop_instances(names).values()) <= {"stopping", "stopped"}
    assert east.instance_states(names) == dict.fromkeys(names, "stopped")
    assert set(east.start_instances(names[:1]).values()) <= {"pending", "running"}
    assert east.instance_states(names) == {names[0]: "running", names[1]: "stopped"}


def place_of(hook):
    return ReplicationPlace(ACCOUNT, hook.region)


def facts_of(hook):
    """What DRS says of one Region."""
    jobs = hook.jobs_since(datetime.now(UTC) - timedelta(days=2))
    return RegionFacts(place_of(hook), hook.source_servers(), hook.recovery_instances(), jobs)


def stage(west, east, server=ONE):
    facts = [facts_of(hook) for hook in (west, east)]
    recovery, origin = (
        replace(found, ec2_states=hook.instance_states(instances_to_ask(found.place, facts)))
        for hook, found in zip((west, east), facts, strict=True)
    )
    found = state_of(circles_of([server], recovery, {origin.place: origin})[server])
    assert found.why == ""
    return found.stage


def followed(west, east, simulator, *, until, server=ONE):
    """Let time pass; the stages that were seen on the way, in their order."""
    seen = [stage(west, east, server)]
    for _ in range(90):
        if seen[-1] is until:
            return seen
        simulator.advance("1m")
        if (now := stage(west, east, server)) is not seen[-1]:
            seen.append(now)
    raise AssertionError(seen)


def test_the_table_of_states_follows_a_server_round_the_circle_twice(west, east, simulator):
    east.conn.initialize_service()
    for _ in range(2):
        assert stage(west, east) is Stage.RESTING
        instance = recovered(west, simulator, ONE)
        assert stage(west, east) is Stage.RECOVERED
        back = west.reverse_replication(instance).server_id
        assert followed(west, east, simulator, until=Stage.READY) == [Stage.REVERSING, Stage.COPYING, Stage.READY]
        east.start_recovery([back], is_drill=True, tags={})
        assert stage(west, east) is Stage.READY
        simulator.advance("25m")
        assert stage(west, east) is Stage.READY
        east.terminate([instance_of(east, back)["recoveryInstanceID"]])
        simulator.advance("20m")
        east.start_recovery([back], is_drill=False, tags={})
        assert followed(west, east, simulator, until=Stage.FAILED_BACK) == [Stage.LAUNCHING, Stage.FAILED_BACK]
        primary = instance_of(east, back)["recoveryInstanceID"]
        simulator.advance("10m")  # until its agent is seen
        east.reverse_replication(primary)
        assert followed(west, east, simulator, until=Stage.REPROTECTED) == [Stage.REPROTECTING, Stage.REPROTECTED]
        east.stop_replication(back)
        west.terminate([instance])
        simulator.advance("20m")
        assert stage(west, east) is Stage.REPROTECTED
        east.delete_instance_record(primary)
        assert stage(west, east) is Stage.REPROTECTED
        east.disconnect_server(back)
        assert stage(west, east) is Stage.REPROTECTED
        east.delete_server(back)


def test_the_table_of_states_follows_a_server_of_a_data_centre(west, east, simulator):
    east.conn.initialize_service()
    instance = recovered(west, simulator, DATA_CENTRE)
    assert stage(west, east, DATA_CENTRE) is Stage.RECOVERED
    simulator.failback_client(instance)
    assert followed(west, east, simulator, until=Stage.READY, server=DATA_CENTRE) == [
        Stage.REVERSING,
        Stage.COPYING,
        Stage.READY,
    ]
    west.start_failback_launch([instance], tags={})
    assert followed(west, east, simulator, until=Stage.REPROTECTED, server=DATA_CENTRE) == [
        Stage.LAUNCHING,
        Stage.FAILED_BACK,
        Stage.REPROTECTING,
        Stage.REPROTECTED,
    ]
    west.terminate([instance])
    simulator.advance("20m")
    assert stage(west, east, DATA_CENTRE) is Stage.RESTING
