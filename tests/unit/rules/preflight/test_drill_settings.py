"""A drill whose interfaces stay in production, or that cannot remember what it changes, is refused by name."""

import pytest
from drs_provider.rules.preflight.drill_settings import interface_findings, tag_findings
from drs_provider.rules.purpose import DRILL, RECOVERY
from drs_provider.rules.settings.candidates import AccountAnswers, Candidate
from drs_provider.rules.settings.drill_memory import EXPIRES, RUN, TAG

SERVER = "s-00000000000000001"
AROUND = AccountAnswers(
    subnets={
        "subnet-a": {"SubnetId": "subnet-a", "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24"},
        "subnet-b": {"SubnetId": "subnet-b", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24"},
        "subnet-o": {"SubnetId": "subnet-o", "VpcId": "vpc-2", "CidrBlock": "10.9.1.0/24"},
        "subnet-6": {"SubnetId": "subnet-6", "VpcId": "vpc-1"},
    },
    groups={"sg-1": {"GroupId": "sg-1", "VpcId": "vpc-1"}},
    existing={"eni-1": {"NetworkInterfaceId": "eni-1", "SubnetId": "subnet-b"}},
)
OUT = "take the interface out of the launch template, or exclude the server from drills"
TEMPLATE = " of its launch template"
LEFT = (
    ": the drill leaves that out, for its network has neither IPv6 nor public addresses; check by other means what "
    "needs it"
)
ATTACHES = "its launch template attaches the existing network interface"
STAYS = f"it cannot be moved into the drill network; {OUT}"
UNKNOWN = "which does not exist in this account and Region"
INTERFACE = "the network interface device index"


def no_room(used, needed, excess):
    """The message for a server with so many tags."""
    return (
        f"it has {used} tags of 50, and the drill needs {needed} more on it to remember the launch settings that it "
        f"puts back; take {excess} tag{'s'[: excess != 1]} off the source server"
    )


def stays(subnet, why):
    """The message for an interface that cannot be moved."""
    return (
        f"{INTERFACE} 1 in {subnet}{TEMPLATE} cannot be moved into the drill network: it stands in subnet {subnet}, "
        f"which {why}; {OUT}"
    )


def candidate(*interfaces, tags=None):
    first = {"DeviceIndex": 0, "SubnetId": "subnet-a"}
    listed = interfaces if any(each.get("DeviceIndex") == 0 for each in interfaces) else (first, *interfaces)
    return Candidate(
        SERVER,
        {},
        {
            "sourceServerID": SERVER,
            "tags": tags or {},
            "sourceProperties": {"identificationHints": {"hostname": "sql1"}},
        },
        template={"NetworkInterfaces": list(listed)},
    )


def said(found):
    return [(finding.severity, f"{finding.what}; {finding.next_step}") for finding in found]


@pytest.mark.parametrize(
    ("interface", "own_network", "expected"),
    [
        ({"DeviceIndex": 1, "SubnetId": "subnet-b", "Groups": ["sg-1"]}, True, []),
        (
            {"DeviceIndex": 1, "NetworkInterfaceId": "eni-1"},
            True,
            [
                (
                    "refusal",
                    f"{ATTACHES} eni-1 at device index 1, in subnet subnet-b: {STAYS}",
                )
            ],
        ),
        (
            {"DeviceIndex": 0, "NetworkInterfaceId": "eni-9"},
            True,
            [
                (
                    "refusal",
                    f"{ATTACHES} eni-9 at device index 0, {UNKNOWN}: {STAYS}",
                )
            ],
        ),
        (
            {"DeviceIndex": 1, "NetworkInterfaceId": "eni-1"},
            False,
            [
                (
                    "warning",
                    f"{ATTACHES} eni-1 at device index 1, in subnet subnet-b: it is production's; {OUT}",
                )
            ],
        ),
        (
            {"DeviceIndex": 1, "SubnetId": "subnet-o"},
            True,
            [
                (
                    "refusal",
                    stays("subnet-o", "is in vpc-2 while its first interface is in vpc-1"),
                )
            ],
        ),
        (
            {"DeviceIndex": 1, "SubnetId": "subnet-6"},
            True,
            [
                (
                    "refusal",
                    stays("subnet-6", "has IPv6 addresses only"),
                )
            ],
        ),
        (
            {"DeviceIndex": 1, "SubnetId": "subnet-z", "Groups": ["sg-z"]},
            False,
            [
                (
                    "refusal",
                    f"{INTERFACE} 1 in subnet-z{TEMPLATE} names {name}, {UNKNOWN}; correct the launch template",
                )
                for name in ("subnet-z", "sg-z")
            ],
        ),
        (
            {"DeviceIndex": 0, "SubnetId": "subnet-a", "Ipv6AddressCount": 1, "AssociatePublicIpAddress": True},
            True,
            [
                (
                    "warning",
                    f"{INTERFACE} 0{TEMPLATE} has Ipv6AddressCount, AssociatePublicIpAddress{LEFT}",
                )
            ],
        ),
        ({"DeviceIndex": 0, "SubnetId": "subnet-a", "AssociatePublicIpAddress": False}, True, []),
    ],
)
def test_what_speaks_against_the_interfaces_of_a_drill(interface, own_network, expected):
    assert said(interface_findings([candidate(interface)], AROUND, DRILL, own_network=own_network)) == expected


def test_a_recovery_is_only_warned_of_what_does_not_exist():
    interfaces = {"DeviceIndex": 1, "SubnetId": "subnet-z"}, {"DeviceIndex": 2, "NetworkInterfaceId": "eni-1"}

    found = interface_findings([candidate(*interfaces)], AROUND, RECOVERY, own_network=False)

    assert [(finding.severity, finding.rule) for finding in found] == [("warning", "interfaces")]


def tagged(count, **more):
    return candidate(tags={**{f"corp:{n}": "v" for n in range(count)}, **more})


@pytest.mark.parametrize(
    ("server", "changed", "actions", "expected"),
    [
        (tagged(47), True, False, None),
        (tagged(47, **{"aws:own": "x", "AWS:other": "y"}), True, False, None),
        (
            tagged(48),
            True,
            False,
            no_room(48, 3, 1),
        ),
        (
            tagged(50),
            True,
            False,
            no_room(50, 3, 3),
        ),
        (
            tagged(47),
            True,
            True,
            no_room(47, 4, 1),
        ),
        (tagged(47, **{TAG: "version=1/2", RUN: "r", EXPIRES: "e"}), True, False, None),
        (tagged(50), False, False, None),
        (
            tagged(48),
            False,
            True,
            no_room(48, 3, 1),
        ),
    ],
)
def test_a_server_without_room_for_the_tags_of_a_drill_is_named(server, changed, actions, expected):
    found = tag_findings([server], DRILL, changed={SERVER} if changed else (), with_actions={SERVER} if actions else ())

    assert said(found) == ([("refusal", expected)] if expected else [])


def test_a_recovery_needs_no_tags():
    assert tag_findings([tagged(50)], RECOVERY, changed={SERVER}, with_actions=()) == ()
