"""The interfaces of a launch template beyond the place of the first one."""

import pytest
from drs_provider.rules.settings.interfaces import described, names_in, read_interfaces, with_interfaces
from drs_provider.rules.settings.launch_template import new_version, read_template

FIRST = {"DeviceIndex": 0, "SubnetId": "subnet-a", "Groups": ["sg-1"], "PrivateIpAddress": "10.0.0.9"}
SECOND = {"DeviceIndex": 1, "SubnetId": "subnet-b", "PrivateIpAddress": "10.0.1.9"}


@pytest.mark.parametrize(
    ("interfaces", "found"),
    [
        ([], []),
        ([FIRST], []),
        ([{**FIRST, "DeleteOnTermination": False}], []),
        ([SECOND, FIRST], [SECOND]),
        ([{**SECOND, "Groups": ["sg-2", "sg-1"], "Description": ""}], [{**SECOND, "Groups": ["sg-1", "sg-2"]}]),
        ([{**FIRST, "Ipv6AddressCount": 1}], [{"DeviceIndex": 0, "Ipv6AddressCount": 1}]),
        ([{**FIRST, "AssociatePublicIpAddress": True}], [{"DeviceIndex": 0, "AssociatePublicIpAddress": True}]),
        ([{"DeviceIndex": 0, "NetworkInterfaceId": "eni-1"}], [{"DeviceIndex": 0, "NetworkInterfaceId": "eni-1"}]),
        (
            [{"SubnetId": "s", "Ipv6Addresses": [{"Ipv6Address": "fd00::1", "IsPrimaryIpv6": True}]}],
            [{"DeviceIndex": 0, "Ipv6Addresses": [{"Ipv6Address": "fd00::1"}]}],
        ),
        (
            [
                {
                    "SubnetId": "s",
                    "PrivateIpAddresses": [
                        {"Primary": True, "PrivateIpAddress": "10.0.0.9"},
                        {"Primary": False, "PrivateIpAddress": "10.0.0.10"},
                    ],
                }
            ],
            [{"DeviceIndex": 0, "PrivateIpAddresses": [{"Primary": False, "PrivateIpAddress": "10.0.0.10"}]}],
        ),
        ([FIRST, {**SECOND, "DeviceIndex": 2}, SECOND], [SECOND, {**SECOND, "DeviceIndex": 2}]),
        (
            [FIRST, {**SECOND, "NetworkCardIndex": "1"}, {**SECOND, "DeviceIndex": "2"}],
            [{**SECOND, "DeviceIndex": 2}, {**SECOND, "NetworkCardIndex": 1}],
        ),
    ],
)
def test_what_a_template_says_besides(interfaces, found):
    assert read_interfaces({"NetworkInterfaces": interfaces}) == found


def test_a_new_version_has_all_of_them_moved():
    template = {"NetworkInterfaces": [{**FIRST, "Ipv6AddressCount": 1}, SECOND], "KeyName": "k"}
    wanted = {
        "subnet_id": "subnet-x",
        "security_group_ids": ["sg-x"],
        "interfaces": [{"DeviceIndex": 1, "SubnetId": "subnet-y", "Groups": ["sg-x"]}],
    }

    made = new_version(template, wanted).on(template)

    assert made["NetworkInterfaces"] == [
        {"DeviceIndex": 0, "SubnetId": "subnet-x", "Groups": ["sg-x"], "PrivateIpAddress": "10.0.0.9"},
        {"DeviceIndex": 1, "SubnetId": "subnet-y", "Groups": ["sg-x"]},
    ]
    assert {key: read_template(made)[key] for key in wanted} == wanted


def test_further_addresses_stand_beside_the_first_one():
    more = [{"Primary": False, "PrivateIpAddress": "10.0.0.10"}]

    assert with_interfaces({**FIRST}, [{"DeviceIndex": 0, "PrivateIpAddresses": more}]) == [
        {
            "DeviceIndex": 0,
            "SubnetId": "subnet-a",
            "Groups": ["sg-1"],
            "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": "10.0.0.9"}, *more],
        }
    ]


def test_what_interfaces_name_and_how_they_are_called():
    eni = {"DeviceIndex": 2, "NetworkInterfaceId": "eni-1", "Groups": ["sg-2"]}

    assert names_in([SECOND, eni]) == (("subnet-b",), ("sg-2",), ("eni-1",))
    assert [described(each) for each in (SECOND, eni)] == [
        "device index 1 in subnet-b, 10.0.1.9",
        "device index 2 as eni-1",
    ]
