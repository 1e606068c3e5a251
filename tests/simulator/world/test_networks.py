"""Launches land where the launch template says; what is in use is not deleted; networks have ways out."""

import pytest
from botocore.exceptions import ClientError
from drs_simulator.client import ControlPlaneError
from simulator.small_fleet import DB1, DB2, NETWORK, SMALL, ec2_instances, start, statuses


def template_of(drs, server):
    return drs.get_launch_configuration(sourceServerID=server)["ec2LaunchTemplateID"]


def place(drs, ec2, server, **interface):
    """Make a new default version of the server's launch template that only says where it lands."""
    name = template_of(drs, server)
    made = ec2.create_launch_template_version(
        LaunchTemplateId=name,
        LaunchTemplateData={"InstanceType": "m5.large", "NetworkInterfaces": [{"DeviceIndex": 0, **interface}]},
    )["LaunchTemplateVersion"]["VersionNumber"]
    ec2.modify_launch_template(LaunchTemplateId=name, DefaultVersion=str(made))


def subnets(ec2):
    return {tag["Value"]: subnet for subnet in ec2.describe_subnets()["Subnets"] for tag in subnet.get("Tags", ())}


def launched(sim, drs, server):
    job_id = start(drs, server, isDrill=True)
    sim.advance("30m")
    return job_id


def error_of(drs, job_id):
    lines = drs.describe_job_log_items(jobID=job_id)["items"]
    return next((line["eventData"]["rawError"] for line in lines if line["eventData"].get("rawError")), None)


def test_a_launch_has_the_subnet_groups_and_address_of_its_template(sim, drs):
    ec2 = sim.client("ec2")
    web = subnets(ec2)["web"]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=web["VpcId"])["GroupId"]
    place(drs, ec2, DB1, SubnetId=web["SubnetId"], Groups=[group], PrivateIpAddress="10.20.1.77")
    launched(sim, drs, DB1)

    (instance,) = ec2_instances(sim).values()
    assert (instance["SubnetId"], instance["PrivateIpAddress"]) == (web["SubnetId"], "10.20.1.77")
    assert [group["GroupId"] for group in instance["SecurityGroups"]] == [group]


def test_a_launch_fails_where_its_address_is_taken_or_outside_or_its_group_is_elsewhere(sim, drs):
    ec2 = sim.client("ec2")
    web = subnets(ec2)["web"]["SubnetId"]
    place(drs, ec2, DB1, SubnetId=web, PrivateIpAddress="10.20.1.77")
    launched(sim, drs, DB1)
    other = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=other)["GroupId"]
    said = []
    for interface in (
        {"PrivateIpAddress": "10.20.1.77"},
        {"PrivateIpAddress": "10.20.2.77"},
        {"Groups": [group]},
        {"Groups": ["sg-0123456789abcdef0"]},
    ):
        place(drs, ec2, DB2, SubnetId=web, **interface)
        job_id = launched(sim, drs, DB2)
        assert statuses(drs, job_id) == {DB2: "FAILED"}
        said.append(error_of(drs, job_id))

    assert said == [
        "InvalidIPAddress.InUse: Address 10.20.1.77 is in use.",
        "InvalidParameterValue: Address 10.20.2.77 does not fall within the subnet's address range",
        f"InvalidParameter: Security group {group} and subnet {web} belong to different networks.",
        "InvalidGroup.NotFound: The security group 'sg-0123456789abcdef0' does not exist",
    ]


def test_what_is_in_use_is_not_deleted_and_everything_goes_with_what_it_belongs_to(sim):
    ec2 = sim.client("ec2")
    before = [ec2.describe_network_acls()["NetworkAcls"], ec2.describe_network_interfaces()["NetworkInterfaces"]]
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    groups = [ec2.create_security_group(GroupName=n, Description=n, VpcId=vpc)["GroupId"] for n in "ab"]
    pair = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": groups[0]}]}]
    ec2.authorize_security_group_ingress(GroupId=groups[1], IpPermissions=pair)
    endpoint = ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName="com.amazonaws.us-west-2.ssm", VpcEndpointType="Interface", SubnetIds=[subnet]
    )["VpcEndpoint"]["VpcEndpointId"]
    refusals = [
        (ec2.delete_subnet, {"SubnetId": subnet}, f"The subnet '{subnet}' has dependencies and cannot be deleted."),
        (ec2.delete_security_group, {"GroupId": groups[0]}, f"resource {groups[0]} has a dependent object"),
        (ec2.delete_vpc, {"VpcId": vpc}, f"The vpc '{vpc}' has dependencies and cannot be deleted."),
    ]
    for delete, arguments, said in refusals:
        with pytest.raises(ClientError) as refused:
            delete(**arguments)
        assert refused.value.response["Error"] == {"Code": "DependencyViolation", "Message": said}

    asked = [{"Name": "vpc-endpoint-id", "Values": [endpoint, "vpce-0aaaaaaaaaaaaaaaa"]}]
    assert [endpoint["VpcEndpointId"] for endpoint in ec2.describe_vpc_endpoints(Filters=asked)["VpcEndpoints"]] == [
        endpoint
    ]
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    ec2.revoke_security_group_ingress(GroupId=groups[1], IpPermissions=pair)
    for group in groups:
        ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)
    assert [
        ec2.describe_network_acls()["NetworkAcls"],
        ec2.describe_network_interfaces()["NetworkInterfaces"],
    ] == before


def test_the_interface_of_a_drill_goes_with_its_instance(sim, drs):
    launched(sim, drs, DB1)
    ec2 = sim.client("ec2")
    assert len(ec2.describe_network_interfaces()["NetworkInterfaces"]) == 1
    drs.terminate_recovery_instances(recoveryInstanceIDs=list(ec2_instances(sim)))
    sim.advance("10m")

    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_an_interface_that_is_attached_is_not_deleted_and_one_that_is_not_is(sim, drs):
    launched(sim, drs, DB1)
    ec2 = sim.client("ec2")
    (instance,) = ec2_instances(sim).values()
    (first,) = (interface["NetworkInterfaceId"] for interface in instance["NetworkInterfaces"])
    made = ec2.create_network_interface(SubnetId=instance["SubnetId"])["NetworkInterface"]["NetworkInterfaceId"]
    second = ec2.create_network_interface(SubnetId=instance["SubnetId"])["NetworkInterface"]["NetworkInterfaceId"]
    attachment = ec2.attach_network_interface(
        InstanceId=instance["InstanceId"], NetworkInterfaceId=second, DeviceIndex=1
    )["AttachmentId"]

    for name in (first, second):
        with pytest.raises(ClientError) as refused:
            ec2.delete_network_interface(NetworkInterfaceId=name)
        said = {"Code": "InvalidParameterValue", "Message": f"Network interface '{name}' is currently in use."}
        assert refused.value.response["Error"] == said
    ec2.detach_network_interface(AttachmentId=attachment)
    for name in (made, second):
        ec2.delete_network_interface(NetworkInterfaceId=name)
    with pytest.raises(ClientError, match=r"\(InvalidNetworkInterfaceID.NotFound\)"):
        ec2.delete_network_interface(NetworkInterfaceId=made)

    terminated = drs.terminate_recovery_instances(recoveryInstanceIDs=[instance["InstanceId"]])["job"]["jobID"]
    sim.advance("10m")
    assert error_of(drs, terminated) is None
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_a_network_of_the_fleet_file_has_the_ways_out_that_it_names(start_drs_simulator):
    ways = {
        "internet_gateway": True,
        "peering": "10.50.0.0/16",
        "transit_gateway": "10.0.0.0/8",
        "vpn": "192.168.0.0/16",
    }
    region = {"name": "us-west-2", "network": {**NETWORK, **ways}}
    ec2 = start_drs_simulator({"accounts": [{"id": SMALL["accounts"][0]["id"], "regions": [region]}]}).client("ec2")
    vpc = subnets(ec2)["prod"]["VpcId"]
    (table,) = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    targets = ("GatewayId", "VpcPeeringConnectionId", "TransitGatewayId")

    assert [
        (route["DestinationCidrBlock"], next(route[key].split("-")[0] for key in targets if key in route))
        for route in table["Routes"]
    ] == [
        ("10.20.0.0/16", "local"),
        ("0.0.0.0/0", "igw"),
        ("10.50.0.0/16", "pcx"),
        ("10.0.0.0/8", "tgw"),
        ("192.168.0.0/16", "vgw"),
    ]


def test_edges_that_cannot_be_read_are_refused_in_one_line(start_drs_simulator):
    sim = start_drs_simulator(SMALL)
    for body, said in (
        ({"region": "us-west-2", "operation": "DescribeVpcs", "items": []}, "operation must be one of"),
        ({"region": "nowhere", "operation": "DescribeClientVpnEndpoints", "items": []}, "no account and Region"),
        ({"region": "us-west-2", "interface": "eni-1"}, "no network interface eni-1"),
    ):
        with pytest.raises(ControlPlaneError, match=said):
            sim.control("POST", "network_edges", body)
