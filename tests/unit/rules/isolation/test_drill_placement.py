"""A server of a drill lands in the drill's network, or nowhere."""

import pytest
from drs_provider.exceptions import RunRefused
from drs_provider.rules.isolation.drill_placement import (
    KnownPlacement,
    Landing,
    drill_settings,
    in_drill_network,
    landings,
    standing_subnets,
)
from drs_provider.rules.launch.tags import COPY_OF
from drs_provider.rules.run.handover import DefaultPlace, NetworkProof, PreparedNetwork

PLACE = {"subnet_id": "subnet-a", "security_group_ids": ["sg-1"], "vpc_id": "vpc-prod"}
AGAIN = ": the launch settings were changed after preflight. Clear preflight to check again"
OTHER = (
    ": give the server another private_ip under drill_launch, or use network: isolated, which has production's "
    "addresses"
)


def network(drill_cidr="10.20.1.0/24"):
    return [
        PreparedNetwork(
            production_vpc="vpc-prod",
            is_default_vpc=True,
            vpc_id="vpc-drill",
            cidrs={
                "subnet-a": "10.20.1.0/24",
                "subnet-x": drill_cidr,
                "subnet-d": "10.20.9.0/24",
                "subnet-y": "10.20.9.0/24",
            },
            subnets={"subnet-a": "subnet-x", "subnet-d": "subnet-y"},
            security_groups={"sg-1": "sg-x", "sg-0": "sg-d"},
            default=DefaultPlace(subnet_id="subnet-y", security_group_ids=("sg-d",)),
            proof=NetworkProof(vpc_id="vpc-drill", isolated=True),
        )
    ]


@pytest.mark.parametrize(
    ("place", "settings", "found"),
    [
        (PLACE, {}, {"subnet_id": "subnet-x", "security_group_ids": ["sg-x"]}),
        (
            PLACE,
            {"private_ip": "10.20.1.10", "copy_private_ip": True},
            {"subnet_id": "subnet-x", "security_group_ids": ["sg-x"]},
        ),
        ({**PLACE, "vpc_id": None}, {}, {"subnet_id": "subnet-x", "security_group_ids": ["sg-x"]}),
        ({**PLACE, "security_group_ids": None}, {}, {"subnet_id": "subnet-x", "security_group_ids": ["sg-d"]}),
        ({"subnet_id": None, "vpc_id": None}, {}, {"subnet_id": "subnet-y", "security_group_ids": ["sg-d"]}),
        ({"subnet_id": None, "vpc_id": "vpc-prod"}, {}, {"subnet_id": "subnet-y", "security_group_ids": ["sg-d"]}),
    ],
)
def test_a_server_lands_where_its_place_in_production_is_copied(place, settings, found):
    assert in_drill_network(KnownPlacement.from_json(place), settings, network()) == found


@pytest.mark.parametrize(
    ("settings", "cidr", "more"),
    [
        ({"private_ip": "10.20.1.10"}, "10.99.4.0/24", {"private_ip": "10.99.4.10", "copy_private_ip": False}),
        ({"private_ip": "10.20.1.10"}, "10.20.0.0/22", {"private_ip": "10.20.1.10", "copy_private_ip": False}),
        ({"copy_private_ip": True}, "10.99.4.0/24", {"copy_private_ip": False}),
    ],
)
def test_addresses_move_into_a_network_that_has_others(settings, cidr, more):
    assert in_drill_network(KnownPlacement.from_json(PLACE), settings, network(cidr)) == {
        "subnet_id": "subnet-x",
        "security_group_ids": ["sg-x"],
        **more,
    }


@pytest.mark.parametrize(
    ("place", "settings", "cidr", "said"),
    [
        (
            {**PLACE, "vpc_id": "vpc-new", "subnet_id": "subnet-new"},
            {},
            "10.20.1.0/24",
            "no drill network was prepared for vpc-new" + AGAIN,
        ),
        (
            {**PLACE, "subnet_id": "subnet-new"},
            {},
            "10.20.1.0/24",
            "the drill network vpc-drill has nothing that stands for subnet-new" + AGAIN,
        ),
        (
            {**PLACE, "security_group_ids": ["sg-1", "sg-new"]},
            {},
            "10.20.1.0/24",
            "the drill network vpc-drill has nothing that stands for its security groups" + AGAIN,
        ),
        (
            PLACE,
            {"private_ip": "10.20.1.100"},
            "10.99.4.0/28",
            "the private address 10.20.1.100 has no counterpart in the drill's subnet 10.99.4.0/28" + OTHER,
        ),
    ],
)
def test_a_server_without_a_place_in_the_drill_network_is_not_launched(place, settings, cidr, said):
    with pytest.raises(RunRefused) as refused:
        in_drill_network(KnownPlacement.from_json(place), settings, network(cidr))

    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("settings", "subnet"),
    [
        ({"subnet_id": "subnet-d", "copy_tags": True}, "subnet-y"),
        ({"subnet_id": "subnet-fallback", "copy_tags": True}, "subnet-x"),
        ({"copy_tags": True}, "subnet-x"),
    ],
)
def test_a_fallbacks_subnet_that_the_network_has_no_copy_of_stays_the_first_one(settings, subnet):
    assert drill_settings(settings, KnownPlacement.from_json(PLACE), network()) == {
        "copy_tags": True,
        "subnet_id": subnet,
        "security_group_ids": ["sg-x"],
    }


def test_landings_gather_what_servers_use_by_vpc():
    places = [PLACE, {**PLACE, "subnet_id": "subnet-b", "security_group_ids": ["sg-0", "sg-1"]}, {"subnet_id": None}]

    assert landings(map(KnownPlacement.from_json, places)) == (
        Landing(None, (), ()),
        Landing("vpc-prod", ("subnet-a", "subnet-b"), ("sg-0", "sg-1")),
    )


def test_a_standing_networks_subnets_are_chosen_by_tag_then_address_then_zone():
    def subnet(name, cidr, zone, copy_of=None):
        tags = [{"Key": COPY_OF, "Value": copy_of}] if copy_of else []
        return {"SubnetId": name, "CidrBlock": cidr, "AvailabilityZone": zone, "Tags": tags}

    production = [
        subnet("p1", "10.0.1.0/24", "a"),
        subnet("p2", "10.0.2.0/24", "a"),
        subnet("p3", "10.0.3.0/24", "b"),
        subnet("p4", "10.0.4.0/24", "c"),
    ]
    standing = [
        subnet("s1", "10.9.1.0/24", "b"),
        subnet("s2", "10.0.2.0/24", "b"),
        subnet("s3", "10.9.3.0/24", "a", "p1"),
        subnet("s0", "10.9.9.0/24", "a"),
    ]

    assert standing_subnets(production, standing) == (
        {"p1": "s3", "p2": "s2", "p3": "s1", "p4": "s0"},
        ["no subnet of the drill network is in c as p4 is: its servers land in s0 (a)"],
    )
    assert standing_subnets(production, []) == ({}, [])
