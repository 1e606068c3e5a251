"""What a launch does: events, states, instances, and everything that a launch can trip over."""

import itertools
from datetime import datetime

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from simulator.small_fleet import (
    AWAY1,
    BARE1,
    DB1,
    DB2,
    EXT1,
    FAST1,
    MARKET1,
    NEW1,
    OFF1,
    STAGING,
    WEB1,
    WIN1,
    ec2_instances,
    events,
    instance_of,
    job,
    start,
    statuses,
)


def seconds_after_start(drs, job_id, server_id):
    """Simulated seconds between JOB_START and each event of a server, at speed 60."""
    lines = drs.describe_job_log_items(jobID=job_id)["items"]
    began = datetime.fromisoformat(lines[0]["logDateTime"])
    return [
        (line["event"], round((datetime.fromisoformat(line["logDateTime"]) - began).total_seconds() * 60, 1))
        for line in lines
        if line["eventData"].get("sourceServerID") in {None, server_id}
    ]


def test_a_small_linux_server_launches_with_the_measured_events_at_the_measured_spacing(sim, drs):
    job_id = start(drs, DB2, isDrill=True)
    sim.advance("20m")

    assert seconds_after_start(drs, job_id, DB2) == [
        ("JOB_START", 0.0),
        ("SNAPSHOT_START", 0.4),
        ("SNAPSHOT_END", 0.6),
        ("CONVERSION_START", 52.0),
        ("CONVERSION_END", 238.0),
        ("LAUNCH_START", 238.5),
        ("LAUNCH_END", 533.0),
        ("JOB_END", 535.4),
    ]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        pytest.param(FAST1, ["SNAPSHOT_START", "SNAPSHOT_END", "LAUNCH_START", "LAUNCH_END"], id="fast: no conversion"),
        pytest.param(
            AWAY1,
            [
                "SNAPSHOT_START",
                "SNAPSHOT_FAIL",
                "USING_PREVIOUS_SNAPSHOT",
                "CONVERSION_START",
                "CONVERSION_END",
                "LAUNCH_START",
                "LAUNCH_END",
            ],
            id="the source cannot be reached",
        ),
        pytest.param(
            WIN1,
            ["SNAPSHOT_START", "SNAPSHOT_END", "CONVERSION_START", "CONVERSION_END", "LAUNCH_START", "LAUNCH_END"],
            id="windows",
        ),
        pytest.param(
            EXT1, ["SNAPSHOT_START", "SNAPSHOT_END", "LAUNCH_START", "LAUNCH_END"], id="extended: converted elsewhere"
        ),
    ],
)
def test_each_kind_of_server_has_its_own_events(sim, drs, server, expected):
    job_id = start(drs, server)
    sim.advance("40m")

    assert events(drs, job_id, server) == expected
    assert statuses(drs, job_id) == {server: "LAUNCHED"}


def test_an_unreachable_source_costs_ten_minutes_unless_a_point_in_time_is_pinned(sim, drs):
    pinned = drs.describe_recovery_snapshots(sourceServerID=AWAY1, order="DESC")["items"][0]
    job_id = drs.start_recovery(sourceServers=[{"sourceServerID": AWAY1, "recoverySnapshotID": pinned["snapshotID"]}])[
        "job"
    ]["jobID"]
    sim.advance("10m")

    assert job(drs, job_id)["status"] == "COMPLETED"
    assert instance_of(drs, AWAY1)["pointInTimeSnapshotDateTime"] == pinned["timestamp"]


def test_a_launch_goes_through_the_states_that_the_service_shows(sim, drs):
    job_id = start(drs, DB1)
    seen = [(job(drs, job_id)["status"], statuses(drs, job_id)[DB1])]
    for _ in range(60):
        sim.advance("10s")
        seen.append((job(drs, job_id)["status"], statuses(drs, job_id)[DB1]))

    assert [state for state, _ in itertools.groupby(seen)] == [
        ("PENDING", "PENDING"),
        ("STARTED", "PENDING"),
        ("COMPLETED", "LAUNCHED"),
    ]


def test_the_launched_instance_is_really_in_ec2_without_drs_being_asked(sim, drs):
    start(drs, WEB1)
    sim.advance("20m")
    (instance,) = ec2_instances(sim).values()
    subnet = sim.client("ec2").describe_subnets(SubnetIds=[instance["SubnetId"]])["Subnets"][0]

    assert instance["State"]["Name"] == "running"
    assert instance["InstanceType"] == "t3.large"
    assert subnet["CidrBlock"] == "10.20.1.0/24"
    assert instance["PrivateIpAddress"].startswith("10.20.1.")


def test_all_launch_templates_that_are_asked_for_are_shown(sim, drs):
    pages = drs.get_paginator("describe_source_servers").paginate()
    servers = [server["sourceServerID"] for page in pages for server in page["items"]]
    ids = {drs.get_launch_configuration(sourceServerID=server)["ec2LaunchTemplateID"] for server in servers[:20]}

    found = sim.client("ec2").describe_launch_templates(LaunchTemplateIds=list(ids))["LaunchTemplates"]

    assert {template["LaunchTemplateId"] for template in found} == ids
    assert len(ids) > 15


def test_a_new_version_whose_answer_got_lost_is_made_once_however_often_it_is_sent(sim, drs):
    sim.fault({"service": "ec2", "operation": "CreateLaunchTemplateVersion", "do": "commit_then_drop", "count": 1})
    ec2 = sim.client("ec2")
    template = drs.get_launch_configuration(sourceServerID=DB2)["ec2LaunchTemplateID"]
    before = ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"]

    asked = {"LaunchTemplateId": template, "LaunchTemplateData": {"InstanceType": "t3.nano"}, "ClientToken": "once"}
    with pytest.raises(ConnectionClosedError):
        ec2.create_launch_template_version(**asked)
    made = ec2.create_launch_template_version(**asked)

    after = ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"]
    assert len(after) - len(before) == 1
    assert made["LaunchTemplateVersion"]["VersionNumber"] == max(line["VersionNumber"] for line in after)


def test_the_default_version_of_the_launch_template_decides_and_right_sizing_overrides_its_type(sim, drs):
    ec2 = sim.client("ec2")
    template = drs.get_launch_configuration(sourceServerID=DB2)["ec2LaunchTemplateID"]
    version = ec2.create_launch_template_version(
        LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={"InstanceType": "c6i.large"}
    )["LaunchTemplateVersion"]["VersionNumber"]
    start(drs, DB2)
    sim.advance("20m")
    before = ec2_instances(sim)[instance_of(drs, DB2)["ec2InstanceID"]]["InstanceType"]
    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion=str(version))
    start(drs, DB2)
    sim.advance("20m")
    after = ec2_instances(sim)[instance_of(drs, DB2)["ec2InstanceID"]]["InstanceType"]
    drs.update_launch_configuration(sourceServerID=DB2, targetInstanceTypeRightSizingMethod="BASIC")
    start(drs, DB2)
    sim.advance("20m")
    sized = ec2_instances(sim)[instance_of(drs, DB2)["ec2InstanceID"]]["InstanceType"]

    assert (before, after, sized) == ("m5.large", "c6i.large", "c5.xlarge")


def test_a_new_launch_destroys_the_previous_recovery_instance(sim, drs):
    start(drs, DB1)
    sim.advance("20m")
    first = instance_of(drs, DB1)["ec2InstanceID"]
    second_job = start(drs, DB1, isDrill=True)
    sim.advance("20m")
    states = {name: instance["State"]["Name"] for name, instance in ec2_instances(sim).items()}
    second = next(name for name in states if name != first)

    assert states == {first: "terminated", second: "running"}
    assert events(drs, second_job, DB1)[:3] == ["CLEANUP_START", "CLEANUP_END", "SNAPSHOT_START"]


def test_termination_protection_makes_the_clean_up_fail(sim, drs):
    start(drs, DB1)
    sim.advance("20m")
    protected = instance_of(drs, DB1)["ec2InstanceID"]
    sim.client("ec2").modify_instance_attribute(InstanceId=protected, DisableApiTermination={"Value": True})
    second_job = start(drs, DB1)
    sim.advance("20m")

    assert "CLEANUP_FAIL" in events(drs, second_job, DB1)
    assert ec2_instances(sim)[protected]["State"]["Name"] == "running"


def test_a_launch_template_without_a_subnet_fails_in_a_second_and_says_nothing(sim, drs):
    job_id = start(drs, BARE1)
    sim.advance("2s")

    assert job(drs, job_id)["status"] == "COMPLETED"
    assert statuses(drs, job_id) == {BARE1: "FAILED"}
    assert drs.describe_job_log_items(jobID=job_id)["items"][-1]["eventData"] == {}
    assert events(drs, job_id) == ["JOB_START", "SNAPSHOT_START", "SNAPSHOT_END", "JOB_END"]


def test_a_failed_server_does_not_take_the_others_with_it(sim, drs):
    job_id = start(drs, BARE1, DB1)
    sim.advance("20m")

    assert statuses(drs, job_id) == {BARE1: "FAILED", DB1: "LAUNCHED"}


def test_a_finished_job_does_not_tell_the_recovery_instance(sim, drs):
    job_id = start(drs, DB1)
    sim.advance("20m")

    assert job(drs, job_id)["participatingServers"] == [{"sourceServerID": DB1, "launchStatus": "LAUNCHED"}]
    assert instance_of(drs, DB1)["jobID"] == job_id


def test_timestamps_carry_an_offset_as_the_real_ones_do(sim, drs):
    start(drs, DB1)

    assert drs.describe_jobs()["items"][0]["creationDateTime"].endswith("+00:00")


def test_launch_disposition_stopped_leaves_the_instance_stopped(sim, drs):
    drs.update_launch_configuration(sourceServerID=DB1, launchDisposition="STOPPED")
    job_id = start(drs, DB1)
    sim.advance("20m")

    assert statuses(drs, job_id) == {DB1: "LAUNCHED"}
    assert instance_of(drs, DB1)["ec2InstanceState"] == "STOPPED"


def test_a_server_is_launched_into_a_stopped_instance_that_allows_it(sim, drs):
    ec2 = sim.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    target = ec2.run_instances(MinCount=1, MaxCount=1, ImageId="ami-12345678", SubnetId=subnet)["Instances"][0][
        "InstanceId"
    ]
    ec2.create_tags(Resources=[target], Tags=[{"Key": "AWSDRS", "Value": "AllowLaunchingIntoThisInstance"}])
    into = {"launchIntoEC2InstanceID": target}
    drs.update_launch_configuration(sourceServerID=DB1, copyTags=False, launchIntoInstanceProperties=into)
    running = start(drs, DB1)
    sim.advance("20m")
    ec2.stop_instances(InstanceIds=[target])
    stopped = start(drs, DB1)
    sim.advance("20m")

    refused = drs.describe_job_log_items(jobID=running)["items"][-2]["eventData"]["rawError"]
    assert refused == f"Instance {target} needs to be in a stopped state but is in a running state"
    assert statuses(drs, stopped) == {DB1: "LAUNCHED"}
    assert instance_of(drs, DB1)["ec2InstanceID"] == target


def test_a_mandatory_launch_action_that_fails_makes_the_launch_failed_although_the_instance_runs(sim, drs):
    action = {
        "resourceId": DB1,
        "actionCode": "AWSDisasterRecovery-VerifyHttp",
        "order": 1000,
        "optional": False,
        "active": True,
        "actionId": "12345678-1234-1234-1234-123456789012",
        "name": "http",
        "actionVersion": "$DEFAULT",
        "category": "VALIDATION",
        "parameters": {},
        "description": "",
    }
    drs.put_launch_action(**action)
    drs.update_launch_configuration(sourceServerID=DB1, postLaunchEnabled=True)
    well = start(drs, DB1)
    sim.advance("20m")
    sim.fault({"service": "drs", "do": "fail", "action": "http", "error": "port 80 is closed"})
    badly = start(drs, DB1)
    sim.advance("20m")
    runs = job(drs, badly)["participatingServers"][0]["launchActionsStatus"]["runs"]

    assert statuses(drs, well) == {DB1: "LAUNCHED"}
    assert statuses(drs, badly) == {DB1: "FAILED"}
    assert [(run["status"], run["failureReason"]) for run in runs] == [("FAILED", "port 80 is closed")]
    assert instance_of(drs, DB1)["ec2InstanceState"] == "RUNNING"


def test_an_extended_server_makes_a_second_job_in_its_staging_account(sim, drs):
    start(drs, EXT1)
    credentials = sim.client("sts").assume_role(RoleArn=f"arn:aws:iam::{STAGING}:role/any", RoleSessionName="test")[
        "Credentials"
    ]
    there = sim.client(
        "drs",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    (second,) = there.describe_jobs()["items"]

    assert (second["type"], second["initiatedBy"]) == ("CREATE_CONVERTED_SNAPSHOT", "TARGET_ACCOUNT")


@pytest.mark.parametrize(
    ("servers", "code", "message"),
    [
        pytest.param(
            [OFF1],
            "ConflictException",
            f"Source server {OFF1} is not replicating: its state does not allow a recovery",
            id="stopped",
        ),
        pytest.param(
            [NEW1], "ConflictException", f"Source server {NEW1} has no consistent recovery point", id="initial sync"
        ),
        pytest.param(
            [MARKET1],
            "ConflictException",
            f"Source server {MARKET1} has volumes without the attributes that a launch needs",
            id="marketplace",
        ),
        pytest.param(
            ["s-00000000000000000"],
            "ResourceNotFoundException",
            "Source server s-00000000000000000 does not exist",
            id="unknown",
        ),
        pytest.param([DB1, DB1], "ValidationException", f"Source servers are named twice: {DB1}", id="twice"),
    ],
)
def test_one_bad_server_refuses_the_whole_request(sim, drs, servers, code, message):
    with pytest.raises(ClientError) as refused:
        start(drs, DB2, *servers)

    assert (refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]) == (code, message)
    assert drs.describe_jobs()["items"] == []


def test_a_pinned_point_that_aged_out_refuses_the_launch(sim, drs):
    oldest_of_the_hour = drs.describe_recovery_snapshots(sourceServerID=DB1, order="DESC")["items"][2]["snapshotID"]
    sim.advance("3h")

    with pytest.raises(drs.exceptions.ResourceNotFoundException):
        drs.start_recovery(sourceServers=[{"sourceServerID": DB1, "recoverySnapshotID": oldest_of_the_hour}])
