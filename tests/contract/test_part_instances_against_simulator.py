"""What a step that runs another plan sees of that plan's instances, against the simulator over HTTP."""

from types import SimpleNamespace

import pytest
from drs_provider.rules.run.part_losses import waves_in_report
from drs_provider.rules.run.roster import Target
from drs_provider.services.launch.part_instances import PartLook, look_at_part

ONE, TWO = "s-0hello00000000001", "s-0hello00000000002"
FLEET = {
    "jitter": 0,
    "accounts": [
        {
            "id": "111122223333",
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.1.0/24"}},
                    "servers": [{"hostname": "hello1", "id": ONE}, {"hostname": "hello2", "id": TWO}],
                }
            ],
        }
    ],
}


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):
    return start_drs_simulator(FLEET, speed=600)


@pytest.fixture
def recovered(simulator):
    """The report of a part that has launched both, as its own run has kept it."""
    drs = simulator.client("drs")
    job = drs.start_recovery(isDrill=False, sourceServers=[{"sourceServerID": ONE}, {"sourceServerID": TWO}])["job"]
    simulator.advance("30m")
    servers = [
        {
            "server_id": item["sourceServerID"],
            "hostname": {ONE: "hello1", TWO: "hello2"}[item["sourceServerID"]],
            "critical": item["sourceServerID"] == ONE,
            "status": "launched",
            "instance_id": item["ec2InstanceID"],
            "instance_state": "RUNNING",
            "job_id": job["jobID"],
        }
        for item in drs.describe_recovery_instances(filters={})["items"]
    ]
    return {"waves": [{"name": "web", "tolerate_failures": "0", "servers": servers}]}


def preflight():
    servers = [SimpleNamespace(server_id=ONE), SimpleNamespace(server_id=TWO)]
    target = SimpleNamespace(servers=servers, target=Target(None, "us-west-2"))
    return SimpleNamespace(waves={"web": SimpleNamespace(targets=[target])})


def named(report):
    return {server["server_id"]: server["instance_id"] for server in report["waves"][0]["servers"]}


def test_what_is_up_is_not_gone(recovered):
    (wave,) = waves_in_report(recovered)

    assert sorted(result.hostname for result in wave.launched) == ["hello1", "hello2"]
    assert look_at_part([wave], preflight()) == PartLook()


def test_a_critical_server_that_was_rolled_back_since_is_gone_whatever_the_report_says(recovered, simulator):
    one = named(recovered)[ONE]
    simulator.client("drs").terminate_recovery_instances(recoveryInstanceIDs=list(named(recovered).values()))
    simulator.advance("10m")

    look = look_at_part(waves_in_report(recovered), preflight())

    (gone,), (remark,) = look.gone, look.remarks
    assert gone.startswith("hello1: ")
    assert f"its instance {one} is " in gone
    assert remark.startswith("hello2: ")


def test_a_critical_server_that_is_stopped_is_there(recovered, simulator):
    one = named(recovered)[ONE]
    simulator.client("ec2").stop_instances(InstanceIds=[one])
    simulator.advance("10m")

    look = look_at_part(waves_in_report(recovered), preflight())

    assert look.gone == ()
    (remark,) = look.remarks
    assert f"its instance {one} is stopped" in remark
