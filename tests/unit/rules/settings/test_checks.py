"""What is said against launch settings before anything is changed, and where a recovered instance differs."""

import pytest
from drs_provider.rules.settings.candidates import AccountAnswers, Candidate, Lookups
from drs_provider.rules.settings.checks import lookups, misplacement, validate
from drs_provider.rules.settings.values import Change

PROD = {"SubnetId": "subnet-prod", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24", "AvailabilityZone": "us-west-2a"}
AROUND = AccountAnswers(
    subnets={"subnet-prod": PROD},
    groups={"sg-1": {"GroupId": "sg-1", "VpcId": "vpc-1"}, "sg-far": {"GroupId": "sg-far", "VpcId": "vpc-2"}},
    zones={"m6i.large": frozenset({"us-west-2a"}), "r6i.large": frozenset({"us-west-2b", "us-west-2c"})},
    profiles={"shop-db": True, "nobody": False, "hidden": None},
    interfaces=[
        {
            "NetworkInterfaceId": "eni-1",
            "SubnetId": "subnet-prod",
            "PrivateIpAddress": "10.0.1.20",
            "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.1.21"}],
            "Attachment": {"InstanceId": "i-1"},
        },
        {"NetworkInterfaceId": "eni-2", "SubnetId": "subnet-prod", "PrivateIpAddress": "10.0.1.22"},
        {"NetworkInterfaceId": "eni-3", "SubnetId": "subnet-else", "PrivateIpAddress": "10.0.1.23"},
    ],
)
SOURCE = {"sourceProperties": {"networkInterfaces": [{"isPrimary": True, "ips": ["fd00::1", "10.9.9.9"]}]}}
IN_PROD = {"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": "subnet-prod"}]}


def a_server(wanted, *, template=IN_PROD, source=SOURCE, name="s-1", instances=(), **configuration):
    return Candidate(name, wanted, source, configuration, template, frozenset(instances))


def said(*servers, around=AROUND):
    return [f"{finding.severity} {finding}" for finding in validate(servers, around)]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        pytest.param(
            a_server(
                {
                    "subnet_id": "subnet-prod",
                    "security_group_ids": ["sg-1"],
                    "private_ip": "10.0.1.10",
                    "instance_type": "m6i.large",
                    "instance_profile": "shop-db",
                }
            ),
            [],
            id="good",
        ),
        pytest.param(
            a_server({"copy_tags": True}, source=None),
            [
                (
                    "refusal s-1: DRS knows no such source server in this account and Region; check the id, the "
                    "connection's account and the Region"
                )
            ],
            id="unknown",
        ),
        pytest.param(
            a_server({"copy_tags": True}, template=None, ec2LaunchTemplateID="lt-1"),
            [
                (
                    "refusal s-1: its EC2 launch template lt-1 has no default version or does not exist; save the "
                    "server's launch settings in the DRS console once"
                )
            ],
            id="no template",
        ),
        pytest.param(
            a_server({"subnet_id": "subnet-x"}),
            ["refusal s-1: subnet subnet-x does not exist in this account and Region; correct subnet_id"],
            id="no such subnet",
        ),
        pytest.param(
            a_server({"copy_tags": True}, template={"NetworkInterfaces": [{"SubnetId": "subnet-x"}]}),
            [
                (
                    "refusal s-1: subnet subnet-x does not exist in this account and Region; correct subnet_id (as DRS "
                    "has it now; nothing is set)"
                )
            ],
            id="the template's subnet is gone",
        ),
        pytest.param(
            a_server({"copy_tags": True}, template={}),
            [
                (
                    "refusal s-1: its launch template names no subnet and there is no default VPC: DRS would fail "
                    "without a reason; set subnet_id"
                )
            ],
            id="no place at all",
        ),
        pytest.param(
            a_server({"security_group_ids": ["sg-far", "sg-x"]}),
            [
                (
                    "refusal s-1: security group sg-far is in vpc-2, but subnet-prod is in vpc-1; give security groups "
                    "of that VPC in security_group_ids"
                ),
                (
                    "refusal s-1: security group sg-x does not exist in this account and Region; correct "
                    "security_group_ids"
                ),
            ],
            id="groups",
        ),
        pytest.param(
            a_server({"subnet_id": "subnet-prod"}, template={"SecurityGroupIds": ["sg-far"]}),
            [
                (
                    "refusal s-1: security group sg-far is in vpc-2, but subnet-prod is in vpc-1; give security groups "
                    "of that VPC in security_group_ids (as DRS has it now; nothing is set)"
                )
            ],
            id="a new subnet leaves the old groups behind",
        ),
        pytest.param(
            a_server({"subnet_id": "subnet-prod"}, template={"SecurityGroups": ["default"]}),
            [
                (
                    "refusal s-1: its launch template names security groups by name (default), which goes with no "
                    "subnet; give security_group_ids too"
                )
            ],
            id="groups by name",
        ),
        pytest.param(
            a_server(
                {"subnet_id": "subnet-prod", "private_ip": "10.0.1.10"},
                template={"NetworkInterfaces": [{"NetworkInterfaceId": "eni-9"}]},
            ),
            [
                (
                    "refusal s-1: its launch template attaches the network interface eni-9, which has a network of its "
                    "own; take subnet_id, private_ip out, or the interface out of the template"
                )
            ],
            id="an interface that exists",
        ),
        pytest.param(
            a_server({"copy_tags": True}, template={"NetworkInterfaces": [{"NetworkInterfaceId": "eni-9"}]}),
            [],
            id="an interface that exists and nothing of the network",
        ),
        pytest.param(
            a_server({"private_ip": "10.0.2.10"}),
            ["refusal s-1: address 10.0.2.10 is not in subnet-prod (10.0.1.0/24); correct private_ip"],
            id="address elsewhere",
        ),
        *(
            pytest.param(
                a_server({"private_ip": address}),
                [
                    (
                        f"refusal s-1: address {address} is reserved by AWS in subnet-prod (10.0.1.0/24): the first "
                        "four and the last of every subnet are; choose another private_ip"
                    )
                ],
                id=f"reserved {address}",
            )
            for address in ("10.0.1.0", "10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.1.255")
        ),
        pytest.param(a_server({"private_ip": "10.0.1.4"}), [], id="the first that is not reserved"),
        pytest.param(a_server({"private_ip": "10.0.1.254"}), [], id="the last that is not reserved"),
        pytest.param(
            a_server({"private_ip": "10.0.1.21"}),
            [
                (
                    "refusal s-1: address 10.0.1.21 is taken in subnet-prod by instance i-1; choose another "
                    "private_ip, or free the address"
                )
            ],
            id="taken by an instance",
        ),
        pytest.param(
            a_server({"private_ip": "10.0.1.22"}),
            [
                (
                    "refusal s-1: address 10.0.1.22 is taken in subnet-prod by network interface eni-2; choose another "
                    "private_ip, or free the address"
                )
            ],
            id="taken by an interface",
        ),
        pytest.param(a_server({"private_ip": "10.0.1.23"}), [], id="taken in another subnet"),
        pytest.param(a_server({"private_ip": "10.0.1.20"}, instances=["i-1"]), [], id="taken by its own instance"),
        pytest.param(
            a_server({"private_ip": "10.0.1.10"}, copyPrivateIp=True),
            [
                (
                    "refusal s-1: copy_private_ip is on (as DRS has it now; nothing is set) and private_ip is "
                    "10.0.1.10: only one of them can hold; set copy_private_ip: false, or drop private_ip"
                )
            ],
            id="both addresses, one of them live",
        ),
        pytest.param(
            a_server({"private_ip": "10.0.1.10", "copy_private_ip": False}, copyPrivateIp=True), [], id="switched off"
        ),
        pytest.param(
            a_server({"copy_private_ip": True}),
            [
                (
                    "warning s-1: copy_private_ip is on, and its address 10.9.9.9 is not in subnet-prod (10.0.1.0/24); "
                    "the launch may fail: set copy_private_ip: false"
                )
            ],
            id="the copied address is elsewhere",
        ),
        pytest.param(
            a_server({"instance_type": "x9.huge"}),
            ["refusal s-1: instance type x9.huge is not offered in this Region; correct instance_type"],
            id="no such type",
        ),
        pytest.param(
            a_server({"instance_type": "r6i.large"}),
            [
                (
                    "refusal s-1: instance type r6i.large is not offered in us-west-2a, where subnet-prod is; choose "
                    "another instance_type, or a subnet in us-west-2b, us-west-2c"
                )
            ],
            id="not in this zone",
        ),
        pytest.param(
            a_server({"instance_type": "m6i.large"}, targetInstanceTypeRightSizingMethod="BASIC"),
            [
                (
                    "warning s-1: right_sizing is basic (as DRS has it now; nothing is set): DRS chooses the type and "
                    "overrides m6i.large; set right_sizing: none for instance_type to count"
                )
            ],
            id="live right-sizing",
        ),
        pytest.param(
            a_server({"instance_type": "m6i.large", "right_sizing": "in_aws"}),
            [
                (
                    "warning s-1: right_sizing is in_aws: DRS chooses the type and overrides m6i.large; set "
                    "right_sizing: none for instance_type to count"
                )
            ],
            id="wanted right-sizing",
        ),
        pytest.param(
            a_server(
                {"instance_type": "m6i.large", "right_sizing": "none"}, targetInstanceTypeRightSizingMethod="IN_AWS"
            ),
            [],
            id="right-sizing switched off",
        ),
        pytest.param(
            a_server({"instance_profile": "nobody"}),
            [
                (
                    "refusal s-1: instance profile nobody does not exist in this account; create it, or correct "
                    "instance_profile"
                )
            ],
            id="no such profile",
        ),
        pytest.param(
            a_server({"instance_profile": "hidden"}),
            [
                (
                    "warning s-1: whether the instance profile hidden exists is not known: the role may not call "
                    "iam:GetInstanceProfile; add the permission to the role of the Airflow connection"
                )
            ],
            id="profile that may not be looked at",
        ),
        pytest.param(
            a_server(
                {"copy_tags": True, "copy_private_ip": False},
                launchIntoInstanceProperties={"launchIntoEC2InstanceID": "i-9"},
            ),
            [
                (
                    "refusal s-1: it is launched into the existing instance i-9, for which DRS refuses copy_tags; set "
                    "copy_tags to false"
                )
            ],
            id="launch into",
        ),
    ],
)
def test_what_is_said_of_one_server(server, expected):
    assert said(server) == expected


def test_a_template_without_a_subnet_is_fine_where_there_is_a_default_vpc():
    around = AccountAnswers(groups=AROUND.groups, default_vpc="vpc-2")

    assert said(a_server({"copy_tags": True}, template={}), around=around) == []
    assert said(a_server({"security_group_ids": ["sg-1"]}, template={}), around=around) == [
        (
            "refusal s-1: security group sg-1 is in vpc-1, but the default VPC is in vpc-2; give security groups of "
            "that VPC in security_group_ids"
        )
    ]
    assert said(a_server({"private_ip": "10.0.1.9"}, template={}), around=around) == [
        (
            "refusal s-1: address 10.0.1.9 needs a subnet, and neither the settings nor the launch template name one; "
            "set subnet_id"
        )
    ]


def test_an_address_is_given_once_whether_it_is_wanted_or_already_there():
    pinned = {"NetworkInterfaces": [{"SubnetId": "subnet-prod", "PrivateIpAddress": "10.0.1.30"}]}
    one = a_server({"private_ip": "10.0.1.30"})
    two = a_server({"copy_tags": True}, template=pinned, name="s-2")

    assert said(one, two, a_server({"private_ip": "10.0.1.31"}, name="s-3")) == [
        "refusal s-1: address 10.0.1.30 is given to s-2 as well; give every server a private_ip of its own",
        "refusal s-2: address 10.0.1.30 is given to s-1 as well; give every server a private_ip of its own",
    ]


def test_everything_is_asked_for_once():
    servers = [
        a_server({"subnet_id": "subnet-a", "instance_type": "m6i.large", "private_ip": "10.0.1.9"}),
        a_server({"subnet_id": "subnet-a", "instance_profile": "shop-db"}, template={"SecurityGroupIds": ["sg-1"]}),
        a_server({"subnet_id": "subnet-b"}, source=None),
        a_server({"instance_type": "m6i.large"}, template={}),
    ]

    assert lookups(servers) == Lookups(
        subnet_ids=("subnet-a",),
        group_ids=("sg-1",),
        instance_types=("m6i.large",),
        profiles=("shop-db",),
        addresses=("10.0.1.9",),
        default_vpc=True,
    )


INSTANCE = {
    "InstanceType": "m6i.large",
    "SubnetId": "subnet-prod",
    "PrivateIpAddress": "10.0.1.10",
    "SecurityGroups": [{"GroupId": "sg-2"}, {"GroupId": "sg-1"}],
    "IamInstanceProfile": {"Arn": "arn:aws:iam::111122223333:instance-profile/shop-db"},
}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param({}, (), id="nothing asked"),
        pytest.param(
            {
                "instance_type": "m6i.large",
                "subnet_id": "subnet-prod",
                "private_ip": "10.0.1.10",
                "security_group_ids": ["sg-1", "sg-2"],
                "instance_profile": "shop-db",
                "copy_tags": True,
            },
            (),
            id="as asked",
        ),
        pytest.param(
            {"instance_type": "r6i.large", "right_sizing": "none"},
            (Change("instance_type", "m6i.large", "r6i.large"),),
            id="another type",
        ),
        pytest.param({"instance_type": "r6i.large", "right_sizing": "basic"}, (), id="DRS chose the type"),
        pytest.param(
            {"subnet_id": "subnet-b", "private_ip": "10.0.1.11", "security_group_ids": ["sg-1"]},
            (
                Change("subnet_id", "subnet-prod", "subnet-b"),
                Change("security_group_ids", ["sg-1", "sg-2"], ["sg-1"]),
                Change("private_ip", "10.0.1.10", "10.0.1.11"),
            ),
            id="elsewhere",
        ),
    ],
)
def test_an_instance_is_compared_with_what_was_asked_for(wanted, expected):
    assert misplacement(wanted, INSTANCE) == expected


def test_the_interface_that_the_instance_boots_with_counts():
    interfaces = [
        {"Attachment": {"DeviceIndex": 1}, "SubnetId": "subnet-b", "Groups": [{"GroupId": "sg-9"}]},
        {"Attachment": {"DeviceIndex": 0}, "SubnetId": "subnet-prod", "Groups": [{"GroupId": "sg-1"}]},
    ]
    wanted = {"subnet_id": "subnet-prod", "security_group_ids": ["sg-1"], "instance_profile": "shop-db"}

    assert misplacement(wanted, {"NetworkInterfaces": interfaces}) == (Change("instance_profile", None, "shop-db"),)
