"""Launch templates in whole drills: interfaces beyond the first one, other tools at work, tags without room."""

import threading
import time

import pytest
from kit.dag_runs import SHOP, calls, instances, meanwhile

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

ISOLATED = SHOP.replace("drill: {network: shared}", "drill: {network: isolated}")
TAG = "drs-orchestrator:before-drill"
DB1 = "s-00000000000000001"
ONE_WAVE = ("completed_with_exceptions", "Wave web was skipped.")
"""Verdict and reason of a good drill for which only the wave database was chosen."""


def template_of(simulator, server=DB1):
    return simulator.client("drs").get_launch_configuration(sourceServerID=server)["ec2LaunchTemplateID"]


def default_of(simulator, server=DB1):
    found = simulator.client("ec2").describe_launch_template_versions(
        LaunchTemplateId=template_of(simulator, server), Versions=["$Default"]
    )
    return found["LaunchTemplateVersions"][0]


def new_default(simulator, data, *, on=None):
    """Make a version of db1's launch template the default, as another tool would."""
    ec2, template = simulator.client("ec2"), template_of(simulator)
    source = on or default_of(simulator)
    whole = {**source["LaunchTemplateData"], **data}
    made = ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData=whole)
    number = made["LaunchTemplateVersion"]["VersionNumber"]
    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion=str(number))
    return number


def tags(simulator):
    (server,) = simulator.client("drs").describe_source_servers(filters={"sourceServerIDs": [DB1]})["items"]
    return server["tags"]


def places(simulator):
    """All subnets and security groups that exist."""
    ec2 = simulator.client("ec2")
    groups = {group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"]}
    return groups | {subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]}


def named(data):
    """All subnets and security groups that a template's data names."""
    interfaces = data.get("NetworkInterfaces", ())
    return {each["SubnetId"] for each in interfaces if "SubnetId" in each} | {
        group for each in interfaces for group in each.get("Groups", ())
    }


@pytest.fixture
def beat(simulator):
    """A second subnet of production."""
    ec2 = simulator.client("ec2")
    (vpc,) = [each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"] if each["CidrBlock"] == "10.20.0.0/16"]
    return ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.9.0/24")["Subnet"]["SubnetId"]


def with_second(simulator, **interface):
    first = default_of(simulator)["LaunchTemplateData"]["NetworkInterfaces"][0]
    return new_default(simulator, {"NetworkInterfaces": [first, {"DeviceIndex": 1, **interface}]})


def test_every_interface_lands_in_the_drills_network_and_comes_back(run, simulator, beat):
    with_second(simulator, SubnetId=beat, PrivateIpAddress="10.20.9.10")
    before, production = default_of(simulator), places(simulator)

    seen = []
    ec2 = simulator.client("ec2")

    def look():
        while not (found := [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]):
            time.sleep(0.02)
        seen.extend(found)

    meanwhile(simulator, look)
    ended = run(ISOLATED, waves=["database"])

    assert (ended.report["verdict"], ended.report["verdict_reason"]) == ONE_WAVE
    launched = [each for instance in seen for each in instance["NetworkInterfaces"]]
    assert {each["SubnetId"] for each in launched} & production == set()
    made = [call["request"]["LaunchTemplateData"] for call in calls(simulator, "CreateLaunchTemplateVersion")]
    assert [named(data) & production for data in made[1:]] == [set()] * 3
    (of_db1,) = [data for data in made[1:] if len(data["NetworkInterfaces"]) == 2]
    assert of_db1["NetworkInterfaces"][1]["PrivateIpAddress"] == "10.20.9.10"
    assert (default_of(simulator), TAG in tags(simulator)) == (before, False)
    assert places(simulator) == production


def test_an_interface_of_production_refuses_the_drill_by_name(run, simulator, beat):
    eni = simulator.client("ec2").create_network_interface(SubnetId=beat)["NetworkInterface"]["NetworkInterfaceId"]
    with_second(simulator, NetworkInterfaceId=eni)

    ended = run(ISOLATED)

    assert ended.report["verdict"] == "refused"
    assert (
        f"db1 ({DB1}): its launch template attaches the existing network interface {eni} at device index 1, in subnet "
        f"{beat}: it cannot be moved into the drill network"
    ) in ended.said("preflight.check")
    assert (calls(simulator, "StartRecovery"), calls(simulator, "CreateVpc")) == ([], [])


def test_an_interface_of_production_outlives_a_drill_in_productions_network(run, simulator, beat):
    """A drill that shares production's network attaches it, and neither takes it for its own nor deletes it."""
    ec2 = simulator.client("ec2")
    eni = ec2.create_network_interface(SubnetId=beat)["NetworkInterface"]["NetworkInterfaceId"]
    with_second(simulator, NetworkInterfaceId=eni)

    settings = "critical: false}\ndrill_launch: {instance_type: m5.xlarge}"
    ended = run(SHOP.replace("critical: false}", settings), waves=["database"])

    assert (ended.report["verdict"], ended.report["verdict_reason"]) == ONE_WAVE
    (left,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"]
    assert (left["Status"], left["TagSet"]) == ("available", [])
    assert calls(simulator, "DeleteNetworkInterface") == []
    assert set(instances(simulator).values()) <= {"terminated"}


def test_an_interface_that_stands_elsewhere_after_all_fails_the_server(run, simulator, beat):
    """Between the last look and the launch somebody adds an interface in production."""
    ec2 = simulator.client("ec2")
    template = template_of(simulator)

    def add():
        version = default_of(simulator)
        interfaces = [*version["LaunchTemplateData"]["NetworkInterfaces"], {"DeviceIndex": 1, "SubnetId": beat}]
        made = ec2.create_launch_template_version(
            LaunchTemplateId=template, LaunchTemplateData={"InstanceType": "m5.large", "NetworkInterfaces": interfaces}
        )
        number = made["LaunchTemplateVersion"]["VersionNumber"]
        ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion=str(number))

    meanwhile(simulator, add)
    ended = run(ISOLATED, waves=["database"])

    assert (ended.state, ended.servers["db1"]) == ("failed", "failed")
    (server,) = [each for each in ended.report["waves"][0]["servers"] if each["hostname"] == "db1"]
    assert "the drill's instance is not in the requested place, perhaps in production: interfaces is [eni-" in str(
        server
    )
    assert f"(device index 1) in {beat}]" in str(server)
    assert set(instances(simulator).values()) <= {"terminated"}
    assert [each["SubnetId"] for each in default_of(simulator)["LaunchTemplateData"]["NetworkInterfaces"]][1] == beat
    assert named(default_of(simulator)["LaunchTemplateData"]) <= places(simulator)


def after(simulator, operation, act):
    """Act once after a successful call."""

    def wait():
        while not calls(simulator, operation):
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "change",
    [{"InstanceType": "m6i.large"}, {"InstanceType": "m6i.large", "KeyName": "ops"}, {"EbsOptimized": True}],
    ids=["type", "two fields", "another field"],
)
def test_what_a_tool_changes_during_a_drill_stays_and_the_drills_place_goes(run, simulator, change):
    simulator.client("ec2").create_key_pair(KeyName="ops")  # the tool may be before the launch
    before, known = default_of(simulator)["LaunchTemplateData"], places(simulator)
    thread = meanwhile(simulator, lambda: new_default(simulator, change))

    ended = run(ISOLATED, waves=["database"])

    thread.join(5)
    assert (ended.report["verdict"], ended.report["verdict_reason"]) == ONE_WAVE
    assert default_of(simulator)["LaunchTemplateData"] == {**before, **change}
    assert named(default_of(simulator)["LaunchTemplateData"]) <= known == places(simulator)
    assert TAG not in tags(simulator)


def test_a_field_that_the_drill_set_and_a_tool_set_again_is_the_tools(run, simulator, beat):
    def change():
        interface = {**default_of(simulator)["LaunchTemplateData"]["NetworkInterfaces"][0], "SubnetId": beat}
        new_default(simulator, {"NetworkInterfaces": [interface]})

    known = places(simulator)
    meanwhile(simulator, change)

    run(ISOLATED, waves=["database"])

    (interface,) = default_of(simulator)["LaunchTemplateData"]["NetworkInterfaces"]
    assert (interface["SubnetId"], named({"NetworkInterfaces": [interface]}) <= known) == (beat, True)
    assert TAG not in tags(simulator)


def test_a_default_that_a_tool_sets_back_stays(run, simulator):
    first = default_of(simulator)
    template = template_of(simulator)
    new_default(simulator, {"InstanceType": "r5.large"})
    set_back = lambda: simulator.client("ec2").modify_launch_template(LaunchTemplateId=template, DefaultVersion="1")  # noqa: E731
    meanwhile(simulator, set_back)

    run(ISOLATED, waves=["database"])

    assert default_of(simulator) == first
    assert TAG not in tags(simulator)


@pytest.mark.usefixtures("looks_over_once")
def test_a_version_that_comes_after_the_settings_were_put_back_is_red_by_name(run, simulator):
    drills = []
    meanwhile(simulator, lambda: drills.append(default_of(simulator)))

    def late():
        new_default(simulator, {"InstanceType": "m6i.large"}, on=drills[0])

    after(simulator, "UntagResource", late)
    ended = run(ISOLATED, waves=["database"])

    number = default_of(simulator)["VersionNumber"]
    assert (ended.state, ended.tasks["finish.look_over"]) == ("failed", "failed")
    said = ended.said("finish.look_over")
    assert f"{template_of(simulator)}:{number}: the default version of db1's launch template names " in said
    assert "somebody has made it since on top of the drill's; set production's subnet and security groups in it" in said


@pytest.mark.usefixtures("looks_over_once")
def test_a_version_of_which_nobody_can_say_whose_it_is_is_red_and_the_tag_stays(run, simulator):
    ec2, template = simulator.client("ec2"), template_of(simulator)

    def overtake():
        drill = default_of(simulator)["VersionNumber"]
        new_default(simulator, {"InstanceType": "m6i.large"})
        ec2.delete_launch_template_versions(LaunchTemplateId=template, Versions=[str(drill)])

    meanwhile(simulator, overtake)
    ended = run(ISOLATED, waves=["database"])

    number = default_of(simulator)["VersionNumber"]
    assert (ended.state, ended.tasks["finish.restore_settings"]) == ("failed", "failed")
    assert (
        f"db1 ({DB1}): a drill changed its launch template {template}, and version 2, which was the default in the "
        f"drill, no longer exists, so nobody can say what of version {number} is the drill's. Nothing was put back: "
    ) in ended.said("finish.restore_settings")
    assert TAG in tags(simulator)


def test_a_server_without_room_for_tags_is_named_before_anything_is_made(run, simulator):
    drs = simulator.client("drs")
    arn = drs.describe_source_servers(filters={"sourceServerIDs": [DB1]})["items"][0]["arn"]
    drs.tag_resource(resourceArn=arn, tags={f"corp:tag-{number:02d}": "v" for number in range(47)})

    ended = run(ISOLATED)

    assert ended.report["verdict"] == "refused"
    assert (
        f"db1 ({DB1}): it has 49 tags of 50, and the drill needs 3 more on it to remember the launch settings that it "
        "puts back; take 2 tags off the source server"
    ) in ended.said("preflight.check")
    assert (calls(simulator, "CreateVpc"), calls(simulator, "CreateLaunchTemplateVersion")) == ([], [])
