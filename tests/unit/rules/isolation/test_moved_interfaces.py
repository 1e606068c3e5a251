"""Every interface of a drill's server stands in the drill's network, before the launch and after it."""

import pytest
from drs_provider.exceptions import RunRefused
from drs_provider.rules.isolation.drill_placement import KnownPlacement, in_drill_network, landings
from drs_provider.rules.isolation.moved_interfaces import allowed_subnets, astray
from drs_provider.rules.run.handover import DefaultPlace, NetworkProof, PreparedNetwork

NOTHING = "the drill network has nothing that stands for"
EXISTING = (
    "its launch template attaches an existing network interface (device index 1 as eni-1), which cannot be moved into "
    "the drill network. Take it out of the launch template"
)
AGAIN = ": the launch settings were changed after preflight. Clear preflight to check again"


def network(second="10.20.2.0/24", default=("sg-d",)):
    return [
        PreparedNetwork(
            production_vpc="vpc-prod",
            vpc_id="vpc-drill",
            cidrs={
                "subnet-a": "10.20.1.0/24",
                "subnet-b": "10.20.2.0/24",
                "subnet-x": "10.20.1.0/24",
                "subnet-y": second,
            },
            subnets={"subnet-a": "subnet-x", "subnet-b": "subnet-y"},
            security_groups={"sg-1": "sg-x", "sg-2": "sg-y"},
            default=DefaultPlace(security_group_ids=default),
            proof=NetworkProof(vpc_id="vpc-drill", isolated=True),
        )
    ]


def moved(*interfaces, **options):
    place = KnownPlacement("subnet-a", ("sg-1",), None, "vpc-prod", interfaces)
    return in_drill_network(place, {}, network(**options))["interfaces"]


@pytest.mark.parametrize(
    ("interface", "found"),
    [
        (
            {"DeviceIndex": 1, "SubnetId": "subnet-b", "PrivateIpAddress": "10.20.2.9", "Description": "heartbeat"},
            {
                "DeviceIndex": 1,
                "SubnetId": "subnet-y",
                "Groups": ["sg-d"],
                "PrivateIpAddress": "10.20.2.9",
                "Description": "heartbeat",
            },
        ),
        (
            {"DeviceIndex": 1, "SubnetId": "subnet-a", "Groups": ["sg-2", "sg-1"]},
            {"DeviceIndex": 1, "SubnetId": "subnet-x", "Groups": ["sg-x", "sg-y"]},
        ),
        ({"DeviceIndex": 2}, {"DeviceIndex": 2, "SubnetId": "subnet-x", "Groups": ["sg-d"]}),
        (
            {
                "DeviceIndex": 1,
                "SubnetId": "subnet-b",
                "Ipv6AddressCount": 1,
                "PrimaryIpv6": True,
                "Ipv6Prefixes": [{}],
                "AssociatePublicIpAddress": True,
            },
            {"DeviceIndex": 1, "SubnetId": "subnet-y", "Groups": ["sg-d"]},
        ),
        (
            {
                "DeviceIndex": 1,
                "SubnetId": "subnet-b",
                "AssociatePublicIpAddress": False,
                "SecondaryPrivateIpAddressCount": 2,
            },
            {
                "DeviceIndex": 1,
                "SubnetId": "subnet-y",
                "Groups": ["sg-d"],
                "AssociatePublicIpAddress": False,
                "SecondaryPrivateIpAddressCount": 2,
            },
        ),
    ],
)
def test_an_interface_is_moved(interface, found):
    assert moved(interface) == [found]


def test_what_leads_outside_is_left_out_of_the_first_interface():
    assert moved({"DeviceIndex": 0, "Ipv6AddressCount": 1, "AssociatePublicIpAddress": True}) == []
    assert moved({"DeviceIndex": 0, "SecondaryPrivateIpAddressCount": 1, "Ipv6Addresses": [{}]}) == [
        {"DeviceIndex": 0, "SecondaryPrivateIpAddressCount": 1}
    ]


def test_addresses_keep_their_place_in_another_range():
    listed = [{"Primary": True, "PrivateIpAddress": "10.20.2.9"}, {"Primary": False, "PrivateIpAddress": "10.20.2.10"}]
    interface = {
        "DeviceIndex": 1,
        "SubnetId": "subnet-b",
        "PrivateIpAddresses": listed,
        "Ipv4Prefixes": [{"Ipv4Prefix": "10.20.2.16/28"}],
    }

    (found,) = moved(interface, second="10.99.2.0/24")

    assert [each["PrivateIpAddress"] for each in found["PrivateIpAddresses"]] == ["10.99.2.9", "10.99.2.10"]
    assert (found["Ipv4PrefixCount"], "Ipv4Prefixes" in found) == (1, False)


@pytest.mark.parametrize(
    ("interface", "options", "said"),
    [
        (
            {"DeviceIndex": 1, "NetworkInterfaceId": "eni-1"},
            {},
            EXISTING,
        ),
        (
            {"DeviceIndex": 1, "SubnetId": "subnet-z"},
            {},
            f"{NOTHING} subnet-z (device index 1 in subnet-z of its launch template){AGAIN}",
        ),
        (
            {"DeviceIndex": 1, "SubnetId": "subnet-b", "Groups": ["sg-1", "sg-9"]},
            {},
            f"{NOTHING} the security groups of device index 1 in subnet-b of its launch template{AGAIN}",
        ),
        (
            {"DeviceIndex": 1, "SubnetId": "subnet-b"},
            {"default": ()},
            f"{NOTHING} the security groups of device index 1 in subnet-b of its launch template{AGAIN}",
        ),
    ],
)
def test_what_cannot_be_moved_is_refused(interface, options, said):
    with pytest.raises(RunRefused) as caught:
        moved(interface, **options)

    assert str(caught.value) == said


def test_the_network_has_room_for_all_of_them():
    interfaces = ({"DeviceIndex": 1, "SubnetId": "subnet-b", "Groups": ["sg-2"]},)
    (found,) = landings([KnownPlacement("subnet-a", ("sg-1",), None, "vpc-prod", interfaces)])

    assert (found.subnets, found.groups) == (("subnet-a", "subnet-b"), ("sg-1", "sg-2"))


def seen(subnet, *groups, index=1):
    return {
        "NetworkInterfaceId": f"eni-{index}",
        "SubnetId": subnet,
        "Groups": [{"GroupId": group} for group in groups],
        "Attachment": {"DeviceIndex": index},
    }


@pytest.mark.parametrize(
    ("interface", "found"),
    [
        (seen("subnet-y", "sg-d"), ()),
        (seen("subnet-b", "sg-d"), ("eni-1 (device index 1) in subnet-b",)),
        (seen("subnet-y", "sg-d", "sg-1"), ("eni-1 (device index 1) with sg-1",)),
    ],
)
def test_an_interface_of_the_instance_that_stands_elsewhere_is_named(interface, found):
    wanted = {
        "subnet_id": "subnet-x",
        "security_group_ids": ["sg-x"],
        "interfaces": [{"DeviceIndex": 1, "SubnetId": "subnet-y", "Groups": ["sg-d"]}],
    }

    assert astray(wanted, {"NetworkInterfaces": [seen("subnet-x", "sg-x", index=0), interface]}) == found
    assert allowed_subnets(wanted) == ["subnet-x", "subnet-y"]


def test_without_a_network_of_its_own_nothing_is_astray():
    assert astray({"subnet_id": "subnet-x"}, {"NetworkInterfaces": [seen("subnet-b")]}) == ()
