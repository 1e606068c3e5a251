"""The way back into the origin Region, or to a machine in a data centre: conflicts, progress, and what goes wrong."""

import pytest
from botocore.exceptions import ClientError
from drs_simulator.client import ControlPlaneError
from simulator.small_fleet import (
    DB1,
    DB2,
    HOME,
    NETWORK,
    ONPREM1,
    SMALL,
    ec2_instances,
    instance_of,
    server,
    start,
    statuses,
)

EAST = {"region_name": "us-east-1"}
ALLOWED = "AllowLaunchingIntoThisInstance"


def refusal(call, **parameters) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def source(client, server_id):
    (found,) = client.describe_source_servers(filters={"sourceServerIDs": [server_id]})["items"]
    return found


def state(client, server_id):
    return source(client, server_id)["dataReplicationInfo"]["dataReplicationState"]


def recovered(sim, drs, server_id, **more):
    """Recover a server and let its agent be seen; the instance's id."""
    start(drs, server_id, **more)
    sim.advance("25m")
    return instance_of(drs, server_id)["recoveryInstanceID"]


def reversed_server(drs, instance):
    return drs.reverse_replication(recoveryInstanceID=instance)["reversedDirectionSourceServerArn"].rsplit("/", 1)[1]


def ready(sim, drs, server_id):
    """Recover a server and replicate its instance back to the end; instance, FAILBACK server, client of the origin."""
    instance = recovered(sim, drs, server_id)
    back = reversed_server(drs, instance)
    sim.advance("3h")
    return instance, back, sim.client("drs", **EAST)


# -- reversal and the initial copy ----------------------------------------------------------------------------------


def test_a_reversed_instance_is_copied_whole_with_its_progress_in_both_regions(sim, drs):
    instance = recovered(sim, drs, DB1)
    back, east = reversed_server(drs, instance), sim.client("drs", **EAST)
    seen, shares = [], []
    for _ in range(90):
        sim.advance("1m")
        info = source(east, back)["dataReplicationInfo"]
        mirrored = instance_of(drs, DB1)["dataReplicationInfo"]
        assert mirrored["dataReplicationState"] == info["dataReplicationState"]
        assert [disk["totalStorageBytes"] for disk in info["replicatedDisks"]] == [50 * 1024**3, 200 * 1024**3]
        shares.append(info["replicatedDisks"][1]["replicatedStorageBytes"] / (200 * 1024**3))
        if info["dataReplicationState"] not in seen:
            seen.append(info["dataReplicationState"])
            steps = [step["status"] for step in mirrored["dataReplicationInitiation"]["steps"]]
            assert ("IN_PROGRESS" in steps) == (seen[-1] == "INITIATING")

    assert seen == ["INITIATING", "INITIAL_SYNC", "CONTINUOUS"]
    assert shares == sorted(shares)
    assert any(0.1 < share < 0.9 for share in shares)
    assert source(east, back)["sourceCloudProperties"] == {
        "originAccountID": HOME,
        "originRegion": "us-west-2",
        "originAvailabilityZone": "us-west-2a",
    }
    assert source(east, back)["replicationDirection"] == "FAILBACK"
    assert [found["sourceServerID"] for found in east.describe_source_servers()["items"]] == [back]
    assert back not in [found["sourceServerID"] for found in drs.describe_source_servers(maxResults=100)["items"]]


def test_a_bigger_server_takes_longer_to_copy(sim, drs):
    instances = dict.fromkeys((DB1, DB2))
    start(drs, DB1, DB2)
    sim.advance("25m")
    east = sim.client("drs", **EAST)
    for server_id in instances:
        instances[server_id] = reversed_server(drs, instance_of(drs, server_id)["recoveryInstanceID"])
    sim.advance("30m")

    assert (state(east, instances[DB2]), state(east, instances[DB1])) == ("CONTINUOUS", "INITIAL_SYNC")


@pytest.mark.parametrize("kind", ["agent_not_seen", "wrong_profile"])
def test_without_a_word_of_its_agent_nothing_is_reversed_and_what_is_reversed_stalls(sim, drs, kind):
    sim.fault({"do": kind, "hostname": "db2"})
    instance = recovered(sim, drs, DB2)
    refused = refusal(drs.reverse_replication, recoveryInstanceID=instance)
    assert "agentLastSeenByServiceDateTime" not in instance_of(drs, DB2)["failback"]
    sim.no_faults()
    back = reversed_server(drs, instance)
    sim.fault({"do": kind, "hostname": "db2", "region": "us-west-2"})
    sim.advance("10m")
    stalled = source(sim.client("drs", **EAST), back)["dataReplicationInfo"]

    assert refused == ("ConflictException", f"Recovery instance {instance} has not finished initializing")
    assert (stalled["dataReplicationState"], stalled["dataReplicationError"]) == (
        "STALLED",
        {"error": "AGENT_NOT_SEEN"},
    )
    assert instance_of(drs, DB2)["dataReplicationInfo"]["dataReplicationError"] == {"error": "AGENT_NOT_SEEN"}


def test_a_copy_that_stalls_goes_on_where_it_stood(sim, drs):
    back, east = reversed_server(drs, recovered(sim, drs, DB2)), sim.client("drs", **EAST)
    sim.fault({"do": "stalled_copy", "region": "us-east-1", "at": 0.25, "for": "10h"})
    sim.advance("5h")
    info = source(east, back)["dataReplicationInfo"]
    (disk,) = info["replicatedDisks"]
    points = east.describe_recovery_snapshots(sourceServerID=back)["items"]
    refused = refusal(east.start_recovery, sourceServers=[{"sourceServerID": back}])
    sim.advance("5h")
    sim.advance("1m")
    (later,) = source(east, back)["dataReplicationInfo"]["replicatedDisks"]
    sim.advance("20m")

    assert (info["dataReplicationState"], info["dataReplicationError"]) == ("STALLED", {"error": "NOT_CONVERGING"})
    assert disk["replicatedStorageBytes"] / disk["totalStorageBytes"] == pytest.approx(0.25, abs=0.001)
    assert (points, refused[0]) == ([], "ConflictException")
    assert later["replicatedStorageBytes"] / disk["totalStorageBytes"] == pytest.approx(0.25 + 60 / 1020, abs=0.01)
    assert state(east, back) == "CONTINUOUS"


def test_a_stall_that_is_taken_back_lets_the_copy_go_on(sim, drs):
    back, east = reversed_server(drs, recovered(sim, drs, DB2)), sim.client("drs", **EAST)
    name = sim.fault({"do": "stalled_copy", "at": 0.5})[0]
    sim.advance("5h")
    sim.no_faults(name)
    sim.advance("5m")
    assert state(east, back) == "INITIAL_SYNC"
    sim.advance("5m")
    assert state(east, back) == "CONTINUOUS"


def test_an_initiation_that_fails_says_at_which_step(sim, drs):
    back, east = reversed_server(drs, recovered(sim, drs, DB2)), sim.client("drs", **EAST)
    sim.fault({"do": "stall", "region": "us-east-1", "error": "FAILED_TO_CREATE_SECURITY_GROUP"})
    for info in (source(east, back)["dataReplicationInfo"], instance_of(drs, DB2)["dataReplicationInfo"]):
        steps = {step["name"]: step["status"] for step in info["dataReplicationInitiation"]["steps"]}
        assert (steps["WAIT"], steps["CREATE_SECURITY_GROUP"], steps["START_DATA_TRANSFER"]) == (
            "SUCCEEDED",
            "FAILED",
            "NOT_STARTED",
        )


def test_a_server_is_reversed_once_and_again_when_its_failback_server_is_gone(sim, drs):
    instance, back, east = ready(sim, drs, DB2)
    again = refusal(drs.reverse_replication, recoveryInstanceID=instance)
    east.stop_replication(sourceServerID=back)
    assert instance_of(drs, DB2)["dataReplicationInfo"]["dataReplicationState"] == "STOPPED"
    template = east.get_launch_configuration(sourceServerID=back)["ec2LaunchTemplateID"]
    east.disconnect_source_server(sourceServerID=back)
    east.delete_source_server(sourceServerID=back)
    ec2 = sim.client("ec2", **EAST)
    templates = [found["LaunchTemplateId"] for found in ec2.describe_launch_templates()["LaunchTemplates"]]
    free = instance_of(drs, DB2)

    assert again == ("ConflictException", f"Recovery instance {instance} is being replicated back already")
    assert template not in templates
    assert (free["failback"]["state"], free["dataReplicationInfo"]) == (
        "FAILBACK_NOT_STARTED",
        {"dataReplicationState": "NOT_STARTED"},
    )
    assert reversed_server(drs, instance) != back


def test_a_disconnected_instance_has_no_way_back(sim, drs):
    instance = recovered(sim, drs, DB2)
    drs.disconnect_recovery_instance(recoveryInstanceID=instance)

    assert refusal(drs.reverse_replication, recoveryInstanceID=instance) == (
        "ConflictException",
        f"Recovery instance {instance} is not connected any more",
    )
    assert instance_of(drs, DB2)["dataReplicationInfo"] == {"dataReplicationState": "DISCONNECTED"}


def test_the_origins_quota_of_replicating_servers_refuses_a_reversal(sim, drs):
    instance = recovered(sim, drs, DB2)
    sim.fault({"do": "quota_used", "region": "us-east-1", "replicating": 300})

    assert refusal(drs.reverse_replication, recoveryInstanceID=instance) == (
        "ConflictException",
        "Max number of active source servers in us-east-1: 300 are in use, the quota is 300 (L-C1D14A2B)",
    )
    sim.fault({"do": "quota_used", "region": "us-west-2", "replicating": 300})
    sim.no_faults("fault-1")
    reversed_server(drs, instance)


# -- the launch in the origin Region --------------------------------------------------------------------------------


@pytest.mark.parametrize(("is_drill", "after"), [(True, "FAILBACK_READY_FOR_LAUNCH"), (False, "FAILBACK_COMPLETED")])
def test_the_instance_knows_of_the_launch_of_what_replicates_it(sim, drs, is_drill, after):
    instance, back, east = ready(sim, drs, DB2)
    job_id = start(east, back, isDrill=is_drill)
    sim.advance("25m")
    failback, launched = instance_of(drs, DB2)["failback"], instance_of(east, back)

    assert (failback["state"], failback["failbackJobID"]) == (after, job_id)
    assert failback["failbackLaunchType"] == ("DRILL" if is_drill else "RECOVERY")
    assert launched["isDrill"] is is_drill
    assert launched["dataReplicationInfo"] == {"dataReplicationState": "NOT_STARTED"}
    assert refusal(drs.terminate_recovery_instances, recoveryInstanceIDs=[instance]) == (
        "ConflictException",
        f"Recovery instance {instance} cannot be terminated during failback",
    )


def test_stop_failback_does_not_make_an_instance_free_that_is_replicated(sim, drs):
    instance, back, east = ready(sim, drs, DB2)
    drs.stop_failback(recoveryInstanceID=instance)
    refused = refusal(drs.terminate_recovery_instances, recoveryInstanceIDs=[instance])
    east.stop_replication(sourceServerID=back)
    drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])

    assert refused[1] == f"Recovery instance {instance} cannot be terminated during failback"


def flagged(east):
    east.initialize_service()
    return east.create_launch_configuration_template(launchIntoSourceInstance=True)["launchConfigurationTemplate"]


def test_launching_into_the_origin_overwrites_its_disks(sim, drs):
    east, ec2 = sim.client("drs", **EAST), sim.client("ec2", **EAST)
    origin = source(drs, DB1)["sourceProperties"]["identificationHints"]["awsInstanceID"]
    volumes = {disk["Ebs"]["VolumeId"] for disk in ec2_instances(sim, **EAST)[origin]["BlockDeviceMappings"]}
    flagged(east)
    instance = recovered(sim, drs, DB1)
    refused = refusal(drs.reverse_replication, recoveryInstanceID=instance)
    ec2.create_tags(Resources=[origin], Tags=[{"Key": "AWSDRS", "Value": ALLOWED}])
    back = reversed_server(drs, instance)
    sim.advance("3h")
    into = east.get_launch_configuration(sourceServerID=back)["launchIntoInstanceProperties"]
    running = start(east, back)
    sim.advance("25m")
    assert statuses(east, running) == {back: "FAILED"}
    ec2.stop_instances(InstanceIds=[origin])
    start(east, back)
    sim.advance("25m")
    after = ec2_instances(sim, **EAST)[origin]

    assert refused == (
        "ValidationException",
        f"Some recovery instances could not be processed: instance {origin} is not tagged AWSDRS={ALLOWED}",
    )
    assert into == {"launchIntoEC2InstanceID": origin}
    assert instance_of(east, back)["ec2InstanceID"] == origin
    assert after["State"]["Name"] == "running"
    left = {disk["Ebs"]["VolumeId"] for disk in after["BlockDeviceMappings"]}
    assert (len(left), left & volumes) == (2, set())
    known = {volume["VolumeId"] for volume in ec2.describe_volumes()["Volumes"]}
    assert (known & volumes, known >= left) == (set(), True)


def test_nothing_is_launched_into_an_instance_with_a_wrong_profile(sim, drs):
    _, back, east = ready(sim, drs, DB2)
    ec2 = sim.client("ec2", **EAST)
    origin = source(drs, DB2)["sourceProperties"]["identificationHints"]["awsInstanceID"]
    ec2.stop_instances(InstanceIds=[origin])
    ec2.create_tags(Resources=[origin], Tags=[{"Key": "AWSDRS", "Value": ALLOWED}])
    east.update_launch_configuration(
        sourceServerID=back,
        copyTags=False,
        copyPrivateIp=False,
        launchIntoInstanceProperties={"launchIntoEC2InstanceID": origin},
    )
    sim.fault({"do": "wrong_profile", "region": "us-east-1"})
    job_id = start(east, back)
    sim.advance("25m")
    lines = east.describe_job_log_items(jobID=job_id)["items"]

    assert statuses(east, job_id) == {back: "FAILED"}
    assert [line["eventData"]["rawError"] for line in lines if line["event"] == "LAUNCH_FAILED"] == [
        f"Instance {origin} has no instance profile with AWSElasticDisasterRecoveryRecoveryInstancePolicy"
    ]
    assert ec2_instances(sim, **EAST)[origin]["State"]["Name"] == "stopped"


def test_a_deleted_launch_template_fails_the_launch(sim, drs):
    _, back, east = ready(sim, drs, DB2)
    template = east.get_launch_configuration(sourceServerID=back)["ec2LaunchTemplateID"]
    sim.fault({"do": "deleted_template", "region": "us-east-1", "hostname": "db2"})
    job_id = start(east, back)
    sim.advance("25m")
    lines = east.describe_job_log_items(jobID=job_id)["items"]

    assert statuses(east, job_id) == {back: "FAILED"}
    assert [line["eventData"].get("rawError") for line in lines if line["event"] == "LAUNCH_FAILED"] == [
        f"InvalidLaunchTemplateId.NotFound: The specified launch template, with template ID {template}, does not exist."
    ]
    assert drs.get_launch_configuration(sourceServerID=DB2)["ec2LaunchTemplateID"] in {
        found["LaunchTemplateId"] for found in sim.client("ec2").describe_launch_templates()["LaunchTemplates"]
    }


# -- protection in the first direction again ------------------------------------------------------------------------


def failed_back(sim, drs, server_id):
    instance, back, east = ready(sim, drs, server_id)
    start(east, back)
    sim.advance("25m")
    return instance, back, east, instance_of(east, back)["recoveryInstanceID"]


def test_the_same_server_protects_the_failed_back_instance_after_a_rescan(sim, drs):
    _, back, east, primary = failed_back(sim, drs, DB2)
    before = drs.describe_recovery_snapshots(sourceServerID=DB2)["items"]
    arn = east.reverse_replication(recoveryInstanceID=primary)["reversedDirectionSourceServerArn"]
    seen = []
    for _ in range(40):
        found = source(drs, DB2)["dataReplicationInfo"]
        mirrored = instance_of(east, back)["dataReplicationInfo"]["dataReplicationState"]
        assert found["dataReplicationState"] == mirrored != "NOT_STARTED"
        if found["dataReplicationState"] not in seen:
            seen.append(found["dataReplicationState"])
            scanned = [disk["rescannedStorageBytes"] >= disk["totalStorageBytes"] for disk in found["replicatedDisks"]]
            assert all(scanned) == (seen[-1] in {"CREATING_SNAPSHOT", "CONTINUOUS"})
        sim.advance("25s")

    assert arn.endswith(DB2)
    assert seen == ["STALLED", "RESCAN", "CREATING_SNAPSHOT", "CONTINUOUS"]
    assert source(drs, DB2)["sourceProperties"]["identificationHints"]["awsInstanceID"] == primary
    assert [point["snapshotID"] for point in before[-3:]] == [
        point["snapshotID"]
        for point in drs.describe_recovery_snapshots(sourceServerID=DB2)["items"]
        if point in before[-3:]
    ]


def test_a_server_whose_replication_was_stopped_is_copied_whole(sim, drs):
    _, _, east, primary = failed_back(sim, drs, DB2)
    drs.stop_replication(sourceServerID=DB2)
    assert drs.describe_recovery_snapshots(sourceServerID=DB2)["items"] == []
    east.reverse_replication(recoveryInstanceID=primary)
    sim.advance("6m")

    assert state(drs, DB2) == "INITIAL_SYNC"


def test_the_circle_is_closed_in_the_documented_order_and_in_no_other(sim, drs):
    instance, back, east, primary = failed_back(sim, drs, DB2)
    too_early = refusal(east.delete_recovery_instance, recoveryInstanceID=primary)
    east.reverse_replication(recoveryInstanceID=primary)
    sim.advance("1h")
    connected = refusal(east.disconnect_recovery_instance, recoveryInstanceID=primary)
    fatal = refusal(east.terminate_recovery_instances, recoveryInstanceIDs=[primary])
    replicated = refusal(drs.terminate_recovery_instances, recoveryInstanceIDs=[instance])
    east.stop_replication(sourceServerID=back)
    drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])
    with_instance = refusal(east.disconnect_source_server, sourceServerID=back)
    east.delete_recovery_instance(recoveryInstanceID=primary)
    undisconnected = refusal(east.delete_source_server, sourceServerID=back)
    east.disconnect_source_server(sourceServerID=back)
    east.delete_source_server(sourceServerID=back)
    sim.advance("1h")

    assert [code for code, _ in (too_early, connected, fatal, replicated, with_instance, undisconnected)] == [
        "ConflictException"
    ] * 6
    assert (east.describe_source_servers()["items"], east.describe_recovery_instances()["items"]) == ([], [])
    assert drs.describe_recovery_instances()["items"] == []
    assert (state(drs, DB2), source(drs, DB2)["replicationDirection"]) == ("CONTINUOUS", "FAILOVER")
    assert ec2_instances(sim, **EAST)[primary]["State"]["Name"] == "running"
    # Once more round, from the instance that is production now.
    again, _, _, second = failed_back(sim, drs, DB2)
    assert (again != instance, second != primary) == (True, True)


# -- data centres ---------------------------------------------------------------------------------------------------


def test_a_failback_client_takes_an_instance_from_paired_to_completed(sim, drs):
    instance = recovered(sim, drs, ONPREM1)
    assert instance_of(drs, ONPREM1)["originEnvironment"] == "ON_PREMISES"
    too_early = refusal(drs.start_failback_launch, recoveryInstanceIDs=[instance])
    sim.failback_client(instance)
    begun = instance_of(drs, ONPREM1)
    steps = {
        step["name"]: step["status"] for step in begun["dataReplicationInfo"]["dataReplicationInitiation"]["steps"]
    }
    seen = []
    for _ in range(30):
        found = instance_of(drs, ONPREM1)
        word = (found["dataReplicationInfo"]["dataReplicationState"], found["failback"]["state"])
        seen += [word] if word not in seen else []
        sim.advance("30s")
    ongoing = refusal(drs.terminate_recovery_instances, recoveryInstanceIDs=[instance])
    job = drs.start_failback_launch(recoveryInstanceIDs=[instance], tags={"run": "1"})["job"]
    running = instance_of(drs, ONPREM1)["failback"]
    sim.advance("20m")
    done = instance_of(drs, ONPREM1)

    assert too_early == (
        "ConflictException",
        f"Recovery instance {instance} is not ready for failback: FAILBACK_NOT_STARTED",
    )
    assert (steps["LINK_FAILBACK_CLIENT_WITH_RECOVERY_INSTANCE"], len(steps)) == ("IN_PROGRESS", 18)
    assert seen == [
        ("INITIATING", "FAILBACK_IN_PROGRESS"),
        ("RESCAN", "FAILBACK_IN_PROGRESS"),
        ("CREATING_SNAPSHOT", "FAILBACK_IN_PROGRESS"),
        ("CONTINUOUS", "FAILBACK_READY_FOR_LAUNCH"),
    ]
    assert ongoing[1] == f"Recovery instance {instance} cannot be terminated during failback"
    assert (job["initiatedBy"], job["type"], job["tags"]) == ("FAILBACK", "LAUNCH", {"run": "1"})
    assert (running["state"], running["failbackJobID"]) == ("FAILBACK_IN_PROGRESS", job["jobID"])
    assert statuses(drs, job["jobID"]) == {ONPREM1: "LAUNCHED"}
    assert (done["failback"]["state"], done["failback"]["failbackToOriginalServer"]) == ("FAILBACK_COMPLETED", True)
    assert done["dataReplicationInfo"]["dataReplicationState"] == "STOPPED"
    drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])
    sim.advance("20m")
    assert state(drs, ONPREM1) == "CONTINUOUS"


def test_another_machine_gets_a_full_copy_and_a_lost_client_stalls(sim, drs):
    instance = recovered(sim, drs, ONPREM1)
    sim.failback_client(instance, to_original=False)
    sim.advance("10m")
    copying = instance_of(drs, ONPREM1)["dataReplicationInfo"]
    sim.failback_client(instance, "lost")
    sim.advance("2h")
    lost = instance_of(drs, ONPREM1)
    sim.failback_client(instance, "found")
    found = instance_of(drs, ONPREM1)["dataReplicationInfo"]
    drs.stop_failback(recoveryInstanceID=instance)
    stopped = instance_of(drs, ONPREM1)

    assert copying["dataReplicationState"] == "INITIAL_SYNC"
    assert lost["dataReplicationInfo"]["dataReplicationState"] == "STALLED"
    assert lost["dataReplicationInfo"]["dataReplicationError"] == {"error": "FAILBACK_CLIENT_NOT_SEEN"}
    assert lost["failback"]["state"] == "FAILBACK_IN_PROGRESS"
    assert found["replicatedDisks"] == copying["replicatedDisks"]
    assert (stopped["failback"]["state"], stopped["dataReplicationInfo"]) == (
        "FAILBACK_NOT_STARTED",
        {"dataReplicationState": "NOT_STARTED"},
    )
    drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])


def test_a_failed_conversion_is_an_error_that_stop_failback_ends(sim, drs):
    instance = recovered(sim, drs, ONPREM1)
    sim.failback_client(instance)
    sim.advance("1h")
    sim.fault({"do": "fail_at", "event": "LAUNCH_END", "error": "conversion failed"})
    drs.start_failback_launch(recoveryInstanceIDs=[instance])
    sim.advance("20m")
    failed = instance_of(drs, ONPREM1)["failback"]["state"]
    drs.stop_failback(recoveryInstanceID=instance)
    sim.failback_client(instance)

    assert failed == "FAILBACK_ERROR"
    assert instance_of(drs, ONPREM1)["failback"]["state"] == "FAILBACK_IN_PROGRESS"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"event": "paired"}, "failback_clients: no recovery instance None"),
        (
            {"recovery_instance": "i-0123456789abcdef0"},
            "failback_clients: no recovery instance i-0123456789abcdef0",
        ),
        (
            {"recovery_instance": "i-0123456789abcdef0", "event": "booted"},
            "failback_clients: event is one of paired, lost, found, to_original is true or false",
        ),
        ({"evnt": "paired"}, "failback_clients: no such key 'evnt' (did you mean 'event'?)"),
    ],
)
def test_a_client_that_makes_no_sense_is_told_why(sim, body, problem):
    with pytest.raises(ControlPlaneError) as caught:
        sim.control("POST", "failback_clients", body)
    assert str(caught.value).startswith(problem)


def test_an_instance_from_ec2_has_no_failback_client(sim, drs):
    instance = recovered(sim, drs, DB2)
    with pytest.raises(ControlPlaneError) as caught:
        sim.failback_client(instance)
    assert str(caught.value) == f"failback_clients: {instance} came from EC2: use ReverseReplication"


# -- sources that are stopped -----------------------------------------------------------------------------------------


def newest_point(drs, server_id):
    return drs.describe_recovery_snapshots(sourceServerID=server_id, order="DESC")["items"][0]["timestamp"]


def test_a_source_that_is_stopped_is_not_seen_and_leaves_one_more_recovery_point(sim, drs):
    ec2 = sim.client("ec2", **EAST)
    name = source(drs, DB1)["sourceProperties"]["identificationHints"]["awsInstanceID"]
    assert state(drs, DB1) == "CONTINUOUS"
    before = newest_point(drs, DB1)
    ec2.stop_instances(InstanceIds=[name])
    sim.advance("5m")

    info = source(drs, DB1)["dataReplicationInfo"]
    assert (info["dataReplicationState"], info["dataReplicationError"]["error"]) == ("STALLED", "AGENT_NOT_SEEN")
    last = newest_point(drs, DB1)
    assert last > before
    sim.advance("30m")
    assert newest_point(drs, DB1) == last
    assert state(drs, DB2) == "CONTINUOUS"

    ec2.start_instances(InstanceIds=[name])
    assert state(drs, DB1) == "CONTINUOUS"
    sim.advance("15m")
    assert newest_point(drs, DB1) > last


def test_a_recovered_instance_that_is_stopped_holds_its_copy_where_it_stood(sim, drs):
    instance = recovered(sim, drs, DB1)
    back = reversed_server(drs, instance)
    sim.advance("8m")
    east, ec2 = sim.client("drs", **EAST), sim.client("ec2")

    def copied():
        disks = source(east, back)["dataReplicationInfo"]["replicatedDisks"]
        return sum(disk["replicatedStorageBytes"] for disk in disks)

    ec2.stop_instances(InstanceIds=[instance])
    stood = copied()
    assert stood > 0
    sim.advance("3h")
    assert (state(east, back), copied()) == ("STALLED", stood)
    ec2.start_instances(InstanceIds=[instance])
    assert state(east, back) == "INITIAL_SYNC"
    assert copied() == pytest.approx(stood, rel=0.01)
    sim.advance("3h")
    assert state(east, back) == "CONTINUOUS"


def test_how_a_failback_replicates_can_be_set(sim, drs):
    instance = recovered(sim, drs, ONPREM1)
    drs.update_failback_replication_configuration(
        recoveryInstanceID=instance, bandwidthThrottling=50, usePrivateIP=False, internetProtocol="IPV4"
    )

    found = drs.get_failback_replication_configuration(recoveryInstanceID=instance)
    found.pop("ResponseMetadata")
    assert found == {
        "recoveryInstanceID": instance,
        "name": instance,
        "bandwidthThrottling": 50,
        "usePrivateIP": False,
        "internetProtocol": "IPV4",
    }


# -- other answers, where the service's own are not established -----------------------------------------------------


OTHERWISE = {
    **SMALL,
    "failback": {
        "initialized_after": "15m",
        "state_before_ready": "FAILBACK_NOT_READY_FOR_LAUNCH",
        "completes": False,
        "while_launching": "FAILBACK_READY_FOR_LAUNCH",
        "copies_tags": False,
        "same_server": False,
        "deletes_connected": False,
        "launch_into_refusal": "ConflictException",
    },
    "accounts": [
        {
            "id": HOME,
            "regions": [
                {
                    "name": "us-west-2",
                    "network": NETWORK,
                    "servers": [
                        server("db2", id=DB2, tags={"App": "shop"}),
                        {"hostname": "near1", "id": "s-0near000000000001", "origin": {"region": "us-west-2"}},
                        {"hostname": "far1", "id": "s-0far0000000000001", "origin": {"region": "eu-west-1"}},
                    ],
                },
                {"name": "eu-west-1", "initialized": False},
            ],
        }
    ],
}


def test_every_answer_that_is_not_established_has_another_one(start_drs_simulator):
    sim = start_drs_simulator(OTHERWISE, speed=60)
    sim.clock(freeze=True)
    drs, east = sim.client("drs"), sim.client("drs", **EAST)
    start(drs, DB2)
    sim.advance("14m")
    instance = instance_of(drs, DB2)["recoveryInstanceID"]
    early = refusal(drs.reverse_replication, recoveryInstanceID=instance)
    sim.advance("15m")
    template = flagged(east)
    refused = refusal(drs.reverse_replication, recoveryInstanceID=instance)
    east.delete_launch_configuration_template(launchConfigurationTemplateID=template["launchConfigurationTemplateID"])
    back = reversed_server(drs, instance)
    before_ready = instance_of(drs, DB2)["failback"]["state"]
    sim.advance("1h")
    start(east, back)
    sim.advance("40m")
    primary = instance_of(east, back)["recoveryInstanceID"]
    arn = east.reverse_replication(recoveryInstanceID=primary)["reversedDirectionSourceServerArn"]
    other = source(drs, arn.rsplit("/", 1)[1])

    assert early[1] == f"Recovery instance {instance} has not finished initializing"
    assert refused[0] == "ConflictException"
    assert before_ready == "FAILBACK_NOT_READY_FOR_LAUNCH"
    assert instance_of(drs, DB2)["failback"]["state"] == "FAILBACK_READY_FOR_LAUNCH"
    assert source(east, back)["tags"] == {}
    assert (other["sourceServerID"] != DB2, other["replicationDirection"]) == (True, "FAILOVER")
    assert refusal(east.delete_recovery_instance, recoveryInstanceID=primary)[0] == "ConflictException"
    east.disconnect_recovery_instance(recoveryInstanceID=primary)
    east.delete_recovery_instance(recoveryInstanceID=primary)

    start(drs, "s-0near000000000001", "s-0far0000000000001")
    sim.advance("40m")
    near = instance_of(drs, "s-0near000000000001")["recoveryInstanceID"]
    far = instance_of(drs, "s-0far0000000000001")["recoveryInstanceID"]
    assert reversed_server(drs, near) == "s-0near000000000001"
    assert source(drs, "s-0near000000000001")["sourceProperties"]["identificationHints"]["awsInstanceID"] == near
    assert refusal(drs.reverse_replication, recoveryInstanceID=far) == (
        "UninitializedAccountException",
        f"Account {HOME} not initialized in eu-west-1: call InitializeService there",
    )
