"""What EC2 refuses of a launch template fails that server's launch with EC2's code; nothing stays running for ever."""

import urllib.error
import urllib.request

import pytest
from simulator.small_fleet import job, start, statuses

FLEET = {
    "accounts": [
        {
            "id": "111122223333",
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/24", "beat": "10.20.1.0/24"}},
                    "servers": [{"hostname": "sql1", "id": "s-0sq00000000000001", "launch": {"subnet": "prod"}}],
                }
            ],
        }
    ]
}
SQL = "s-0sq00000000000001"
NO_KEY = "arn:aws:kms:us-west-2:444455556666:key/x"


@pytest.fixture(scope="module")
def running(start_drs_simulator):
    return start_drs_simulator(FLEET, speed=60)


@pytest.fixture
def ec2(sim):
    return sim.client("ec2")


def subnets(ec2):
    return {each["CidrBlock"]: each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]}


def launch(sim, drs, ec2, data):
    """Launch with this template data; return the server's status and the raw errors of the job."""
    template = drs.get_launch_configuration(sourceServerID=SQL)["ec2LaunchTemplateID"]
    made = ec2.create_launch_template_version(LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData=data)[
        "LaunchTemplateVersion"
    ]["VersionNumber"]
    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion=str(made))
    job_id = start(drs, SQL)
    sim.advance("20m")
    assert job(drs, job_id)["status"] == "COMPLETED"
    items = drs.describe_job_log_items(jobID=job_id)["items"]
    return statuses(drs, job_id)[SQL], [
        each["eventData"]["rawError"] for each in items if "rawError" in each["eventData"]
    ]


def at(**more):
    """Data with one interface, in production's subnet, and whatever else."""
    return lambda prod: {"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": prod, **more}]}


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"KeyName": "nope"}, "InvalidKeyPair.NotFound: The key pair 'nope' does not exist"),
        (
            {"IamInstanceProfile": {"Name": "nope"}},
            (
                "InvalidParameterValue: Value (nope) for parameter iamInstanceProfile.name is invalid. Invalid IAM "
                "Instance Profile name"
            ),
        ),
        (
            {"IamInstanceProfile": {"Arn": "arn:aws:iam::111122223333:instance-profile/nope"}},
            (
                "InvalidParameterValue: Value (arn:aws:iam::111122223333:instance-profile/nope) for parameter "
                "iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN"
            ),
        ),
        (
            {"CapacityReservationSpecification": {"CapacityReservationTarget": {"CapacityReservationId": "cr-1"}}},
            "InvalidCapacityReservationId.NotFound: The capacity reservation 'cr-1' does not exist",
        ),
        (
            {"BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": "snap-00000000000000001"}}]},
            "InvalidSnapshot.NotFound: The snapshot 'snap-00000000000000001' does not exist.",
        ),
        (
            {"BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"Encrypted": True, "KmsKeyId": NO_KEY}}]},
            f"Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state: {NO_KEY}",
        ),
        (
            {"Placement": {"Tenancy": "host"}},
            "InsufficientCapacityOnHost: There is no Dedicated Host with enough capacity to launch the instance.",
        ),
        (
            {"Placement": {"Tenancy": "host", "HostId": "h-00000000000000001"}},
            "InvalidHostID.NotFound: The host ID 'h-00000000000000001' does not exist",
        ),
        (
            {"SecurityGroups": ["nope"]},
            "InvalidGroup.NotFound: The security group 'nope' does not exist in default VPC",
        ),
        (
            at(Groups=["sg-0000000000000000f"]),
            "InvalidGroup.NotFound: The security group 'sg-0000000000000000f' does not exist",
        ),
        (
            {"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": "subnet-0000000000000000f"}]},
            "InvalidSubnetID.NotFound: The subnet ID 'subnet-0000000000000000f' does not exist",
        ),
        *(
            (at(PrivateIpAddress=address), f"InvalidParameterValue: {words}")
            for address, words in (
                ("192.168.1.1", "Address 192.168.1.1 does not fall within the subnet's address range"),
                ("300.1.1.1", "Value (300.1.1.1) for parameter privateIpAddress is invalid."),
                ("10.20.0.0", "Address 10.20.0.0 is in subnet's reserved address range"),
                ("10.20.0.3", "Address 10.20.0.3 is in subnet's reserved address range"),
                ("10.20.0.255", "Address 10.20.0.255 is in subnet's reserved address range"),
            )
        ),
        (
            at(
                PrivateIpAddresses=[
                    {"Primary": True, "PrivateIpAddress": "10.20.0.9"},
                    {"PrivateIpAddress": "10.20.0.1"},
                ]
            ),
            "InvalidParameterValue: Address 10.20.0.1 is in subnet's reserved address range",
        ),
        *(
            (
                at(**asked),
                "InvalidParameterValue: The subnet '{prod}' has no IPv6 CIDR block, and " + f"{name} is given",
            )
            for name, asked in (
                ("Ipv6AddressCount", {"Ipv6AddressCount": 1}),
                ("Ipv6Addresses", {"Ipv6Addresses": [{"Ipv6Address": "2001:db8::1"}]}),
                ("PrimaryIpv6", {"PrimaryIpv6": True}),
            )
        ),
        (
            {"NetworkInterfaces": [{"DeviceIndex": 0, "NetworkInterfaceId": "eni-00000000000000001"}]},
            "InvalidNetworkInterfaceID.NotFound: The networkInterface ID 'eni-00000000000000001' does not exist",
        ),
        (
            lambda prod: {"NetworkInterfaces": [{"DeviceIndex": 1, "SubnetId": prod}]},
            (
                "InvalidParameterCombination: The launch template describes network interfaces, and none of them has "
                "the device index 0"
            ),
        ),
        (
            lambda prod: {"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": prod}] * 2},
            "InvalidParameterValue: Each network interface requires a unique device index.",
        ),
        (
            lambda prod: {
                "NetworkInterfaces": [
                    {"DeviceIndex": 0, "SubnetId": prod, "AssociatePublicIpAddress": True},
                    {"DeviceIndex": 1, "SubnetId": prod},
                ]
            },
            (
                "InvalidParameterCombination: The associatePublicIPAddress parameter cannot be specified when "
                "launching with multiple network interfaces."
            ),
        ),
    ],
)
def test_an_impossible_template_fails_the_launch_with_ec2s_words(sim, drs, ec2, data, error):
    prod = subnets(ec2)["10.20.0.0/24"]

    assert launch(sim, drs, ec2, data(prod) if callable(data) else data) == ("FAILED", [error.format(prod=prod)])
    assert [each for each in ec2.describe_instances()["Reservations"] if not each["Instances"]] == []


def test_an_instance_is_launched_with_all_its_interfaces(sim, drs, ec2):
    known = subnets(ec2)
    prod, beat = known["10.20.0.0/24"], known["10.20.1.0/24"]
    group = ec2.create_security_group(
        GroupName="beat", Description="beat", VpcId=ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    )["GroupId"]
    second = {"DeviceIndex": 1, "SubnetId": beat, "PrivateIpAddress": "10.20.1.10", "Groups": [group]}
    data = {"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": prod, "SecondaryPrivateIpAddressCount": 1}, second]}

    assert launch(sim, drs, ec2, data) == ("LAUNCHED", [])
    (reservation,) = ec2.describe_instances()["Reservations"]
    found = {each["Attachment"]["DeviceIndex"]: each for each in reservation["Instances"][0]["NetworkInterfaces"]}
    assert {index: each["SubnetId"] for index, each in found.items()} == {0: prod, 1: beat}
    assert (found[1]["PrivateIpAddress"], [each["GroupId"] for each in found[1]["Groups"]]) == ("10.20.1.10", [group])
    assert len(found[0]["PrivateIpAddresses"]) == 2
    drs.terminate_recovery_instances(
        recoveryInstanceIDs=[each["recoveryInstanceID"] for each in drs.describe_recovery_instances()["items"]]
    )
    sim.advance("10m")
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_an_existing_interface_is_attached_and_outlives_the_instance(sim, drs, ec2):
    beat = subnets(ec2)["10.20.1.0/24"]
    name = ec2.create_network_interface(SubnetId=beat)["NetworkInterface"]["NetworkInterfaceId"]
    data = {"NetworkInterfaces": [{"DeviceIndex": 0, "NetworkInterfaceId": name}]}

    assert launch(sim, drs, ec2, data) == ("LAUNCHED", [])
    (held,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[name])["NetworkInterfaces"]
    assert held["Status"] == "in-use"
    drs.terminate_recovery_instances(
        recoveryInstanceIDs=[each["recoveryInstanceID"] for each in drs.describe_recovery_instances()["items"]]
    )
    sim.advance("10m")

    (free,) = ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert (free["NetworkInterfaceId"], free["Status"]) == (name, "available")


def test_an_interface_that_is_in_use_is_refused(sim, drs, ec2):
    prod = subnets(ec2)["10.20.0.0/24"]
    ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1, SubnetId=prod)
    (taken,) = ec2.describe_network_interfaces()["NetworkInterfaces"]
    name, address = taken["NetworkInterfaceId"], taken["PrivateIpAddress"]

    assert launch(sim, drs, ec2, {"NetworkInterfaces": [{"DeviceIndex": 0, "NetworkInterfaceId": name}]}) == (
        "FAILED",
        [f"InvalidNetworkInterface.InUse: Interface: [{name}] in use."],
    )
    assert launch(sim, drs, ec2, at(PrivateIpAddress=address)(prod)) == (
        "FAILED",
        [f"InvalidIPAddress.InUse: Address {address} is in use."],
    )


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("Action=DescribeInstances&InstanceId.1=i-0123", 400, "InvalidInstanceID.NotFound"),
        ("Action=NoSuchThing", 400, "InvalidAction"),
        ("Action=DescribeCapacityReservations", 501, "NotImplemented"),
    ],
)
def test_errors_of_ec2_are_xml_in_ec2s_shape(sim, body, status, code):
    scope = (
        "AWS4-HMAC-SHA256 Credential=111122223333/20260101/us-west-2/ec2/aws4_request, SignedHeaders=host, Signature=0"
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": scope}
    request = urllib.request.Request(f"{sim.url}/", f"{body}&Version=2016-11-15".encode(), headers)

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)

    with caught.value as answer:
        text = answer.read().decode()
        assert (answer.code, answer.headers["Content-Type"]) == (status, "text/xml")
    assert text.startswith("<?xml")
    assert f"<Errors><Error><Code>{code}</Code><Message>" in text
    assert "</Message></Error></Errors><RequestID>" in text
    assert text.endswith("</Response>")
