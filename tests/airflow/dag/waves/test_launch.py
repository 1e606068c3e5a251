"""Launch settings, boot order and failed servers launched again, as plans ask for them, against the simulator."""

import itertools

import pytest
from kit.dag_runs import calls, instances, meanwhile

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

SID = "s-000000000000000{}"
DB, WEB = [SID.format(f"{n:02d}") for n in (1, 2, 3)], [SID.format(n) for n in (11, 12)]
GO = {"mode": "recovery", "confirm": "shop", "reason": "us-east-1 is dark"}


def plan(group="", servers="", wave="", web="", network="shared"):
    return f"""\
kind: ProtectionGroup
name: db
region: us-west-2
servers:
  - s-00000000000000001
  - {{id: s-00000000000000002{servers}}}
  - {{id: s-00000000000000003, critical: false}}
{group}
---
kind: ProtectionGroup
name: web
region: us-west-2
select: {{tags: {{Tier: web}}}}
{web}
---
kind: RecoveryPlan
name: shop
rto: 45m
drill: {{network: {network}}}
waves:
  - {{name: database, groups: [db]{wave}}}
  - {{name: web, groups: [web]}}
"""


def templates(simulator):
    """What DRS would launch each server with now."""
    drs, ec2 = simulator.client("drs"), simulator.client("ec2")
    found = {}
    for server in (*DB, *WEB):
        configuration = drs.get_launch_configuration(sourceServerID=server)
        (version,) = ec2.describe_launch_template_versions(
            LaunchTemplateId=configuration["ec2LaunchTemplateID"], Versions=["$Default"]
        )["LaunchTemplateVersions"]
        found[server] = (configuration["launchDisposition"], version["LaunchTemplateData"].get("InstanceType"))
    return found


def types(simulator):
    reservations = simulator.client("ec2").describe_instances()["Reservations"]
    found = {}
    for instance in (instance for each in reservations for instance in each["Instances"]):
        tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", ())}
        if server := tags.get("AWSElasticDisasterRecoverySourceServerID"):
            found.setdefault(server, []).append(instance["InstanceType"])
    return found


def started(simulator):
    return [
        sorted(server["sourceServerID"] for server in call["request"]["sourceServers"])
        for call in calls(simulator, "StartRecovery")
    ]


def servers_of(report):
    return {server["hostname"]: server for wave in report["waves"] for server in wave["servers"]}


def test_a_drill_launches_with_its_settings_and_puts_back_what_was_before(run, simulator):
    before = templates(simulator)

    ended = run(
        plan(
            "launch: {instance_type: r5.large}\ndrill_launch: {instance_type: t3.medium}",
            ", launch: {instance_type: r5.xlarge}",
        )
    )

    assert (ended.state, ended.report["verdict"]) == ("success", "passed")
    assert templates(simulator) == before
    assert "finish.restore_settings" in ended.tasks
    changed = servers_of(ended.report)["db1"]["settings_changed"]
    assert [(difference["field"], difference["now"]) for difference in changed] == [("instance_type", "t3.medium")]
    assert servers_of(ended.report)["db1"]["protected"] is False
    assert servers_of(ended.report)["db1"]["differences"] == []


def test_a_recovery_keeps_its_settings_and_protects_its_instances(run, simulator):
    ended = run(
        plan(
            "launch: {instance_type: r5.large, protect: false}", ", launch: {instance_type: r5.xlarge, protect: true}"
        ),
        **GO,
    )

    assert (ended.state, ended.report["verdict"]) == ("success", "completed")
    now = templates(simulator)
    assert [now[server_id][1] for server_id in DB] == ["r5.large", "r5.xlarge", "r5.large"]
    protected = {name: server["protected"] for name, server in servers_of(ended.report).items()}
    assert protected == {"db1": False, "db2": True, "db3": False, "web1": True, "web2": True}
    ec2 = simulator.client("ec2")
    on = [
        ec2.describe_instance_attribute(InstanceId=instance, Attribute="disableApiTermination")[
            "DisableApiTermination"
        ]["Value"]
        for instance in instances(simulator)
    ]
    assert sorted(on) == [False, False, True, True, True]


def test_settings_that_cannot_work_refuse_the_run_before_anything_is_changed(run, simulator):
    ended = run(plan("launch: {instance_type: r5.large, subnet_id: subnet-0123456789abcdef0}"), **GO)

    assert ended.report["verdict"] == "refused"
    assert (
        "db1 (s-00000000000000001): subnet subnet-0123456789abcdef0 does not exist in this account and Region; "
        "correct subnet_id"
    ) in ended.said("preflight.check")
    effects = ("StartRecovery", "CreateLaunchTemplateVersion", "ModifyLaunchTemplate", "UpdateLaunchConfiguration")
    assert [call for effect in effects for call in calls(simulator, effect)] == []


def test_a_boot_order_launches_stage_by_stage(run, simulator):
    ended = run(plan(servers=", order: 2"))

    assert (ended.state, ended.report["verdict"]) == ("success", "passed")
    assert started(simulator) == [[DB[0], DB[2]], [DB[1]], WEB]
    jobs = [(job["servers"], job["attempt"]) for job in ended.report["waves"][0]["jobs"]]
    assert jobs == [([DB[0], DB[2]], 1), ([DB[1]], 1)]
    assert set(instances(simulator).values()) <= {"terminated"}


def test_a_later_stage_of_an_isolated_drill_lands_in_its_network_too(run, simulator):
    ended = run(plan(servers=", order: 2", network="isolated"))

    assert (ended.state, ended.report["verdict"]) == ("success", "passed")
    assert started(simulator) == [[DB[0], DB[2]], [DB[1]], WEB]
    looks = [call["n"] for call in calls(simulator, "DescribeLaunchTemplates")]
    launches = [call["n"] for call in calls(simulator, "StartRecovery")]
    assert all(any(before < look < launch for look in looks) for before, launch in itertools.pairwise([0, *launches]))


def test_a_launch_template_that_somebody_changes_between_two_stages_keeps_the_later_one_from_starting(run, simulator):
    drs, ec2 = simulator.client("drs"), simulator.client("ec2")
    template = drs.get_launch_configuration(sourceServerID=DB[1])["ec2LaunchTemplateID"]

    def back_to_production():
        ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="1")

    thread = meanwhile(simulator, back_to_production)

    ended = run(plan(servers=", order: 2", network="isolated"))

    thread.join(5)
    assert (ended.state, ended.report["verdict"]) == ("failed", "failed")
    assert started(simulator) == [[DB[0], DB[2]]]
    assert ended.said("database.recovery_job") == (
        "the launch templates of 1 servers were changed after the drill's settings were applied, so it could land in "
        f"production: {DB[1]}. Nothing of this job was started; clear database.launch_settings with everything "
        "downstream to apply them again"
    )
    assert set(instances(simulator).values()) <= {"terminated"}
    (version,) = ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"]
    assert version["VersionNumber"] == 1


def test_a_stage_that_fails_keeps_the_next_one_from_starting(run, simulator):
    simulator.fault({"service": "drs", "hostname": "db1", "do": "fail_at", "event": "LAUNCH_START", "error": "NoKey"})

    ended = run(plan(servers=", order: 2"))

    assert (ended.state, ended.report["verdict"]) == ("failed", "failed")
    assert started(simulator) == [[DB[0], DB[2]]]
    assert servers_of(ended.report)["db2"]["reason"] == "not launched: servers that boot before it failed"
    assert ended.said("database.recovery_job").endswith(
        "2 servers failed:\n  - db1: LAUNCH_FAILED: NoKey\n  - db2: not launched: servers that boot before it failed"
    )


def test_failed_servers_are_launched_again_and_only_they(run, simulator):
    simulator.fault(
        {"service": "drs", "hostname": "db*", "do": "fail_at", "event": "LAUNCH_START", "error": "NoKey", "count": 2}
    )

    ended = run(plan(wave=", retry_failed: 1"))

    assert (ended.state, ended.report["verdict"]) == ("success", "passed")
    first, again, web = started(simulator)
    assert (first, len(again), set(again) < set(DB), web) == (DB, 2, True, WEB)
    assert [job["attempt"] for job in ended.report["waves"][0]["jobs"]] == [1, 2]
    tries = {
        name: [(attempt["how"], attempt["reason"]) for attempt in s["tries"]]
        for name, s in servers_of(ended.report).items()
    }
    assert sorted(filter(None, tries.values())) == [[("again", "LAUNCH_FAILED: NoKey")]] * 2
    assert set(instances(simulator).values()) <= {"terminated"}


def test_a_failed_conversion_is_tried_again_from_an_older_point(run, simulator):
    simulator.fault(
        {"service": "drs", "hostname": "db1", "do": "fail_at", "event": "CONVERSION_START", "error": "bad", "count": 1}
    )

    ended = run(plan(wave=", retry_failed: 1"))

    assert (ended.state, ended.report["verdict"]) == ("success", "passed")
    again = calls(simulator, "StartRecovery")[1]["request"]["sourceServers"]
    assert [bool(server.get("recoverySnapshotID")) for server in again] == [True]
    assert servers_of(ended.report)["db1"]["point"]["why"] == "older_point"


def test_missing_capacity_is_answered_with_the_next_type(run, simulator):
    simulator.fault({"do": "no_capacity", "instance_type": "r5.large"})

    ended = run(plan("launch: {instance_type: r5.large, fallback: {instance_types: [m5.large, c5.large]}}"), **GO)

    assert (ended.state, ended.report["verdict"]) == ("success", "completed")
    assert started(simulator) == [DB, DB, WEB]
    assert {server_id: types(simulator)[server_id] for server_id in DB} == {server_id: ["m5.large"] for server_id in DB}
    assert [(attempt["how"], attempt["settings"]) for attempt in servers_of(ended.report)["db1"]["tries"]] == [
        ("fallback", {"instance_type": "m5.large"})
    ]
    assert servers_of(ended.report)["db1"]["differences"] == []


def network_of(simulator):
    """Everything of the account's networks, launch settings and tags that a drill could leave behind."""
    ec2, drs = simulator.client("ec2"), simulator.client("drs")
    return {
        "vpcs": sorted(vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]),
        "subnets": sorted(subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]),
        "groups": sorted(group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"]),
        "endpoints": sorted(endpoint["VpcEndpointId"] for endpoint in ec2.describe_vpc_endpoints()["VpcEndpoints"]),
        "tags": {
            server["sourceServerID"]: server["tags"] for server in drs.describe_source_servers(filters={})["items"]
        },
        "templates": templates(simulator),
    }


@pytest.mark.parametrize("settings", ["", "drill_launch: {instance_type: t3.medium}"])
def test_an_isolated_drill_lands_in_a_network_of_its_own_and_leaves_nothing(run, simulator, settings):
    before = network_of(simulator)

    ended = run(plan(settings, network="isolated"))

    assert (ended.state, ended.report["verdict"], ended.report["verdict_reason"]) == (
        "success",
        "passed",
        "All 5 servers in 2 waves were launched.",
    )
    assert len(calls(simulator, "CreateVpc")) == 1
    assert len(ended.report["cleanup"]["terminated"]) == 5
    subnets = {
        change["now"]
        for server in servers_of(ended.report).values()
        for change in server["settings_changed"]
        if change["field"] == "subnet_id"
    }
    assert len(subnets) == 1
    assert not subnets & set(before["subnets"])
    assert network_of(simulator) == before


def test_a_recovery_of_a_plan_with_isolated_drills_lands_in_production(run, simulator):
    before = network_of(simulator)

    ended = run(plan(network="isolated"), **GO)

    assert (ended.state, ended.report["verdict"]) == ("success", "completed")
    assert calls(simulator, "CreateVpc") == []
    assert network_of(simulator) == before
