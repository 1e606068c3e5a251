"""What DRS has launched stopped: its start in EC2, its first boot, and starts that come to nothing."""

import pytest
from simulator.neighbours.neighbourhood import DB1, WIN1, app, launch, refusal


def state(ec2, instance_id):
    (found,) = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    return found["Instances"][0]["State"]["Name"]


def check(ec2, instance_id):
    (status,) = ec2.describe_instance_status(InstanceIds=[instance_id], IncludeAllInstances=True)["InstanceStatuses"]
    return status["InstanceStatus"]["Status"]


def launched_stopped(sim, *servers):
    for server in servers:
        sim.client("drs").update_launch_configuration(sourceServerID=server, launchDisposition="STOPPED")
    return launch(sim, *servers)


def starts(sim):
    return sim.control("GET", "state")["accounts"]["111122223333"]["us-west-2"]["starts"]


def started(ec2, *instances):
    answer = ec2.start_instances(InstanceIds=list(instances))["StartingInstances"]
    return {each["InstanceId"]: (each["PreviousState"]["Name"], each["CurrentState"]["Name"]) for each in answer}


def test_nothing_of_a_stopped_launch_boots_before_somebody_starts_it(sim, ec2):
    instance_id = launched_stopped(sim, DB1)[DB1]
    sim.advance("2h")

    assert state(ec2, instance_id) == "stopped"
    assert check(ec2, instance_id) == "not-applicable"
    assert starts(sim) == []


def test_its_first_boot_and_its_checks_count_from_the_start_on(sim, ec2):
    instance_id = launched_stopped(sim, DB1)[DB1]
    sim.advance("2h")
    said = started(ec2, instance_id)
    seen = [(state(ec2, instance_id), check(ec2, instance_id))]
    for wait in ("20s", "60s", "150s"):
        sim.advance(wait)
        seen.append((state(ec2, instance_id), check(ec2, instance_id)))

    assert said == {instance_id: ("stopped", "pending")}
    assert seen == [
        ("pending", "not-applicable"),
        ("running", "initializing"),
        ("running", "initializing"),
        ("running", "ok"),
    ]
    (record,) = starts(sim)
    assert (record["id"], record["server"]) == (instance_id, DB1)
    assert record["first_boot"] is True
    assert record["at"] < record["ran"]


def test_a_first_boot_of_windows_takes_longer(sim, ec2):
    instances = launched_stopped(sim, DB1, WIN1)
    started(ec2, *instances.values())
    sim.advance("215s")

    assert {server: check(ec2, instance) for server, instance in instances.items()} == {DB1: "ok", WIN1: "initializing"}


def test_drs_shows_a_start_too(sim, ec2):
    drs = sim.client("drs")
    instance_id = launched_stopped(sim, DB1)[DB1]
    started(ec2, instance_id)
    pending = drs.describe_recovery_instances()["items"][0]["ec2InstanceState"]
    sim.advance("20s")

    assert (pending, drs.describe_recovery_instances()["items"][0]["ec2InstanceState"]) == ("PENDING", "RUNNING")


def test_a_start_that_is_asked_again_changes_nothing(sim, ec2):
    instance_id = launched_stopped(sim, DB1)[DB1]
    started(ec2, instance_id)
    again = started(ec2, instance_id)
    still = state(ec2, instance_id)
    sim.advance("20s")
    running = started(ec2, instance_id)

    assert (again[instance_id][0], still) == ("pending", "pending")
    assert (running[instance_id][0], state(ec2, instance_id)) == ("running", "running")
    assert len(starts(sim)) == 1


def test_the_second_start_is_no_first_boot(sim, ec2):
    instance_id = launched_stopped(sim, DB1)[DB1]
    started(ec2, instance_id)
    sim.advance("20s")
    ec2.stop_instances(InstanceIds=[instance_id])
    started(ec2, instance_id)

    assert state(ec2, instance_id) == "running"
    assert [record["first_boot"] for record in starts(sim)] == [True, False]


def test_an_instance_that_is_stopped_while_it_is_pending_stays_stopped(sim, ec2):
    instance_id = launched_stopped(sim, DB1)[DB1]
    started(ec2, instance_id)
    ec2.stop_instances(InstanceIds=[instance_id])
    sim.advance("10m")

    assert state(ec2, instance_id) == "stopped"
    assert starts(sim)[0]["ran"] is None


def test_what_is_terminated_cannot_be_started(sim, ec2):
    gone, kept = launched_stopped(sim, DB1, app(1)).values()
    ec2.terminate_instances(InstanceIds=[gone])

    assert refusal(ec2.start_instances, InstanceIds=[kept, gone]) == (
        "IncorrectInstanceState",
        400,
        f"The instance '{gone}' is not in a state from which it can be started.",
    )
    assert state(ec2, kept) == "stopped"


def test_no_capacity_at_the_start_only(sim, ec2):
    sim.fault({"do": "no_capacity", "operation": "StartInstances", "hostname": "db1", "count": 1})
    instance_id = launched_stopped(sim, DB1)[DB1]
    refused = refusal(ec2.start_instances, InstanceIds=[instance_id])[0]

    assert (refused, state(ec2, instance_id)) == ("InsufficientInstanceCapacity", "stopped")
    assert started(ec2, instance_id) == {instance_id: ("stopped", "pending")}


def test_an_instance_impaired_at_its_start_says_so_once_it_runs(sim, ec2):
    sim.fault({"do": "impaired", "hostname": "db1"})
    instance_id = launched_stopped(sim, DB1)[DB1]
    before = check(ec2, instance_id)
    started(ec2, instance_id)
    sim.advance("20s")

    assert (before, check(ec2, instance_id)) == ("not-applicable", "impaired")


@pytest.mark.parametrize(
    ("fault", "wait", "seen"),
    [
        pytest.param({}, "30s", ["pending", "stopped"], id="it never runs"),
        pytest.param({"later": "5m"}, "2m", ["pending", "running"], id="not yet"),
        pytest.param({"later": "5m"}, "6m", ["pending", "stopped"], id="later"),
        pytest.param({"later": "5m", "hostname": "win1"}, "6m", ["pending", "running"], id="another one"),
    ],
)
def test_an_instance_stops_by_itself_after_its_start(sim, ec2, fault, wait, seen):
    reason = "Server.InsufficientInstanceCapacity"
    instance_id = launched_stopped(sim, DB1)[DB1]
    sim.fault({"do": "stops_by_itself", "reason": reason, "count": 1, **fault})
    started(ec2, instance_id)
    states = [state(ec2, instance_id)]
    sim.advance(wait)
    states.append(state(ec2, instance_id))

    assert states == seen
    if seen[-1] == "stopped":
        instance = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        assert instance["StateReason"]["Code"] == reason
        started(ec2, instance_id)
        sim.advance("20s")
        assert state(ec2, instance_id) == "running"


def test_an_instance_that_was_launched_started_may_stop_by_itself_too(sim, ec2):
    sim.fault({"do": "stops_by_itself", "hostname": "db1", "later": "10m"})
    instances = launch(sim, DB1, app(1))
    sim.advance("15m")

    assert {server: state(ec2, instance) for server, instance in instances.items()} == {
        DB1: "stopped",
        app(1): "running",
    }


def test_automation_starts_what_was_launched_stopped(sim, ec2, ssm):
    instance_id = launched_stopped(sim, DB1)[DB1]
    ssm.start_automation_execution(DocumentName="AWS-StartEC2Instance", Parameters={"InstanceId": [instance_id]})
    sim.advance("14s")
    sim.advance("60s")

    assert state(ec2, instance_id) == "running"
    assert [record["first_boot"] for record in starts(sim)] == [True]


def test_automation_lets_what_is_pending_go_on_with_its_boot(sim, ec2, ssm):
    instance_id = launched_stopped(sim, DB1)[DB1]
    ssm.start_automation_execution(DocumentName="AWS-StartEC2Instance", Parameters={"InstanceId": [instance_id]})
    sim.advance("5s")
    started(ec2, instance_id)
    seen = []
    for _ in range(20):
        seen.append(state(ec2, instance_id))
        sim.advance("1s")

    assert seen[:11] == ["pending"] * 11
    assert seen[-1] == "running"


def test_launch_actions_find_no_agent_on_a_stopped_instance(sim):
    drs = sim.client("drs")
    action = {
        "actionCode": "AWS-RunShellScript",
        "actionId": "00000000-0000-4000-8000-000000000001",
        "actionVersion": "1",
        "name": "check",
        "active": True,
        "order": 1001,
        "optional": False,
        "category": "OTHER",
        "description": "checks",
        "parameters": {},
    }
    drs.put_launch_action(resourceId=DB1, **action)
    drs.update_launch_configuration(sourceServerID=DB1, launchDisposition="STOPPED", postLaunchEnabled=True)
    job = drs.start_recovery(sourceServers=[{"sourceServerID": DB1}])["job"]["jobID"]
    sim.advance("25m")
    (server,) = drs.describe_jobs(filters={"jobIDs": [job]})["items"][0]["participatingServers"]

    assert server["launchStatus"] == "FAILED"
    assert (
        server["launchActionsStatus"]["runs"][0]["failureReason"] == "SSM agent was not found on the launched instance"
    )
