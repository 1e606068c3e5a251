"""Instances that were launched stopped are started once each, whatever becomes of the calls."""

from datetime import UTC, datetime

import pytest
from drs_provider.exceptions import ServiceUnavailable
from drs_provider.hooks.drs import DrsHook
from drs_provider.services.launch.instance_starts import start_instances
from drs_simulator.pytest_plugin import start_drs_simulator  # noqa: F401  (a fixture)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SERVERS = [f"s-0app{n:013d}" for n in range(1, 9)]
FLEET = {
    "jitter": 0,
    "accounts": [
        {
            "id": "111122223333",
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/24"}},
                    "servers": [
                        {"count": 8, "id": "s-0app{n:013d}", "hostname": "app{n}", "launch": {"subnet": "prod"}}
                    ],
                }
            ],
        }
    ],
}


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):  # noqa: F811  (the fixture)
    return start_drs_simulator(FLEET, speed=60)


@pytest.fixture
def instances(simulator):
    """All servers, launched stopped: instance ids in the order of the servers."""
    simulator.clock(freeze=True)
    drs = simulator.client("drs")
    for server in SERVERS:
        drs.update_launch_configuration(sourceServerID=server, launchDisposition="STOPPED")
    drs.start_recovery(sourceServers=[{"sourceServerID": server} for server in SERVERS])
    simulator.clock(advance="20m")
    found = {item["sourceServerID"]: item["ec2InstanceID"] for item in drs.describe_recovery_instances()["items"]}
    return [found[server] for server in SERVERS]


@pytest.fixture
def starts(simulator, instances):
    """How often every instance was started, as the simulator noted it."""

    def count():
        noted = simulator.state()["accounts"]["111122223333"]["us-west-2"]["starts"]
        return [sum(start["id"] == name for start in noted) for name in instances]

    return count


def start(hook, names):
    return start_instances(hook, names, now=lambda: NOW)


def calls(simulator):
    return [call for call in simulator.calls() if call["operation"] == "StartInstances"]


def test_all_are_started_in_one_call(simulator, hook, instances, starts):
    tries = start(hook, instances)

    assert list(tries) == instances
    assert {(found.at, found.refused) for found in tries.values()} == {(NOW, "")}
    assert starts() == [1] * 8
    assert len(calls(simulator)) == 1


def test_what_was_started_is_left_alone(simulator, hook, instances, starts):
    start(hook, instances[:3])

    assert list(start(hook, instances)) == instances[3:]
    assert start(hook, instances) == {}
    simulator.clock(advance="1m")
    assert start(hook, instances) == {}
    assert starts() == [1] * 8
    assert len(calls(simulator)) == 2


def test_what_is_gone_is_left_alone(simulator, hook, instances, starts):
    simulator.client("ec2").terminate_instances(InstanceIds=instances[:1])

    assert list(start(hook, [*instances, "i-00000000000000001"])) == instances[1:]
    assert starts() == [0, *[1] * 7]


def test_nothing_is_asked_where_nothing_is_stopped(simulator, hook, instances):
    assert start(hook, []) == {}
    assert calls(simulator) == []


def test_one_without_capacity_keeps_no_other_from_starting(simulator, hook, instances, starts):
    simulator.fault({"do": "no_capacity", "operation": "StartInstances", "hostname": "app6"})
    tries = start(hook, instances)

    refused = {name: found for name, found in tries.items() if found.refused}
    assert list(refused) == [instances[5]]
    assert refused[instances[5]].is_capacity
    assert "sufficient" in refused[instances[5]].refused
    assert starts() == [1, 1, 1, 1, 1, 0, 1, 1]
    simulator.no_faults()
    assert list(start(hook, instances)) == [instances[5]]


def test_who_may_not_start_anything_is_told_so_at_once(simulator, hook, instances, starts):
    simulator.fault({"service": "ec2", "operation": "StartInstances", "do": "access_denied"})
    tries = start(hook, instances)

    assert all("UnauthorizedOperation" in found.refused for found in tries.values())
    assert not any(found.is_capacity for found in tries.values())
    assert starts() == [0] * 8
    assert len(calls(simulator)) == 1


@pytest.mark.parametrize("fault", ["commit_then_drop", "server_error"])
def test_a_lost_answer_starts_nothing_twice_and_forgets_nothing(simulator, hook, instances, starts, fault):
    simulator.fault({"service": "ec2", "operation": "StartInstances", "do": fault, "count": 1})
    tries = start(hook, instances)

    assert not any(found.refused for found in tries.values())
    assert starts() == [1] * 8
    asked = [call["operation"] for call in simulator.calls() if call["service"] == "ec2"]
    looked = asked[-2:] == ["StartInstances", "DescribeInstances"]
    assert looked or asked[-3:] == ["StartInstances", "DescribeInstances", "StartInstances"], (
        "it looks before it repeats"
    )


def test_half_of_all_answers_lost_leave_every_instance_started_once(simulator, instances, starts):
    simulator.fault({"service": "ec2", "operation": "StartInstances", "do": "commit_then_drop", "probability": 0.5})
    impatient = DrsHook(aws_conn_id=None, region_name="us-west-2", patience=0)
    lost = 0
    for _ in range(20):
        for name in instances:
            try:
                start(impatient, [name])
            except ServiceUnavailable:
                lost += 1

    assert lost
    assert starts() == [1] * 8


def test_one_that_stopped_by_itself_is_stopped_again_for_ec2(simulator, hook, instances, starts):
    simulator.fault({"do": "stops_by_itself", "hostname": "app1", "count": 1})
    start(hook, instances)
    simulator.clock(advance="1m")

    assert list(start(hook, instances)) == instances[:1]
    assert starts() == [2, *[1] * 7]
