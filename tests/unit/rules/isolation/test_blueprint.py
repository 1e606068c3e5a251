"""The isolated copy of a network has production's addresses and groups, and no rule for anything outside."""

from ipaddress import ip_network

import pytest
from drs_provider.rules.isolation.blueprint import Production, blueprint, copies_of, part_inside
from hypothesis import given
from hypothesis import strategies as st

VPC = {"VpcId": "vpc-1", "CidrBlock": "10.20.0.0/16"}


def subnet(name, cidr, zone="us-west-2a", **more):
    return {"SubnetId": name, "CidrBlock": cidr, "AvailabilityZone": zone, **more}


def group(name, ingress=(), egress=(), *, called=None):
    return {
        "GroupId": name,
        "GroupName": called or name,
        "IpPermissions": list(ingress),
        "IpPermissionsEgress": list(egress),
    }


def tcp(port, *ranges, groups=(), lists=()):
    return {
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": port,
        "IpRanges": [{"CidrIp": cidr_range, "Description": "words"} for cidr_range in ranges],
        "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
        "UserIdGroupPairs": [{"GroupId": group, "UserId": "111122223333"} for group in groups],
        "PrefixListIds": [{"PrefixListId": prefix_list} for prefix_list in lists],
    }


def production(*groups, vpc=VPC, subnets=(), lists=None):
    given = subnets or (subnet("subnet-a", "10.20.0.0/24"), subnet("subnet-b", "10.20.1.0/24", "us-west-2b"))
    return Production(
        vpc=vpc, subnets=given, groups=groups or (group("sg-0", called="default"),), prefix_lists=lists or {}
    )


def test_only_the_subnets_that_servers_land_in_are_copied():
    plan = blueprint(production(), ["subnet-b"])

    assert [(subnet.copy_of, subnet.cidr, subnet.zone) for subnet in plan.subnets] == [
        ("subnet-b", "10.20.1.0/24", "us-west-2b")
    ]
    assert (plan.cidrs, plan.endpoint_subnet, plan.notes) == (("10.20.0.0/16",), None, ())


def test_secondary_ranges_are_copied_and_ipv6_is_told_to_be_missing():
    vpc = {
        **VPC,
        "CidrBlockAssociationSet": [
            {"CidrBlock": "10.20.0.0/16", "CidrBlockState": {"State": "associated"}},
            {"CidrBlock": "10.21.0.0/16", "CidrBlockState": {"State": "associated"}},
            {"CidrBlock": "10.22.0.0/16", "CidrBlockState": {"State": "disassociated"}},
        ],
        "Ipv6CidrBlockAssociationSet": [
            {"Ipv6CidrBlock": "2600:1f13::/56", "Ipv6CidrBlockState": {"State": "associated"}}
        ],
    }
    plan = blueprint(production(vpc=vpc), ["subnet-a"])

    assert plan.cidrs == ("10.20.0.0/16", "10.21.0.0/16")
    assert plan.notes == ("the IPv6 ranges of vpc-1 are not copied: servers of the drill have IPv4 only",)


RULES = {
    "everything becomes everything inside": (tcp(443, "0.0.0.0/0"), ["10.20.0.0/16"], []),
    "a wider range becomes the network": (tcp(443, "10.0.0.0/8"), ["10.20.0.0/16"], []),
    "a part of the network stays": (tcp(443, "10.20.3.0/24"), ["10.20.3.0/24"], []),
    "outside goes": (tcp(443, "192.168.0.0/16"), None, None),
    "one of two goes": (tcp(443, "192.168.0.0/16", "10.20.3.7/32"), ["10.20.3.7/32"], []),
    "a copied group stays": (tcp(443, groups=["sg-1"]), [], ["sg-1"]),
    "a group that is not copied goes": (tcp(443, groups=["sg-9"]), None, None),
    "a prefix list is taken apart": (tcp(443, lists=["pl-1"]), ["10.20.9.0/24"], []),
    "AWS's prefix list goes": (tcp(443, lists=["pl-s3"]), None, None),
}


@pytest.mark.parametrize(("rule", "ranges", "groups"), RULES.values(), ids=RULES)
def test_rules_lose_what_leads_outside(rule, ranges, groups):
    lists = {"pl-1": ("10.20.9.0/24", "172.16.0.0/12")}
    (copy,) = copies_of(production(group("sg-1", [rule], [rule]), lists=lists), ["10.20.0.0/16"])

    assert copy.ingress == copy.egress
    if ranges is None:
        assert copy.ingress == ()
        return
    (made,) = copy.ingress
    assert [cidr_range["CidrIp"] for cidr_range in made.get("IpRanges", ())] == ranges
    assert [pair["GroupId"] for pair in made.get("UserIdGroupPairs", ())] == groups
    assert (made["IpProtocol"], made["FromPort"], "Ipv6Ranges" in made) == ("tcp", 443, False)


def test_a_peered_group_is_nobody_in_the_drill():
    pair = {"GroupId": "sg-1", "VpcPeeringConnectionId": "pcx-1"}
    (copy,) = copies_of(production(group("sg-1", [{"IpProtocol": "-1", "UserIdGroupPairs": [pair]}])), ["10.20.0.0/16"])

    assert copy.ingress == ()


def test_the_default_group_gets_a_name_that_ec2_takes():
    (copy,) = copies_of(production(), ["10.20.0.0/16"])

    assert (copy.name, copy.description) == (
        "production-default",
        "Copy of sg-0 for a drill, without rules for anything outside",
    )


def test_in_a_network_of_other_addresses_productions_own_ranges_stand_for_all_of_it():
    (copy,) = copies_of(production(group("sg-1", [tcp(5432, "10.20.1.0/24", "192.168.0.0/16")])), ["10.99.0.0/16"])

    assert [cidr_range["CidrIp"] for rule in copy.ingress for cidr_range in rule["IpRanges"]] == ["10.99.0.0/16"]


addresses = st.integers(0, 2**32 - 1)
networks = st.builds(
    lambda at, size: str(ip_network((at >> (32 - size) << (32 - size), size))), addresses, st.integers(1, 32)
)


@given(networks, st.lists(networks, min_size=1, max_size=3), st.lists(networks, min_size=1, max_size=3))
def test_what_is_left_of_a_range_lies_in_the_drill_network(wide, production_cidrs, cidrs):
    for part in part_inside(wide, production_cidrs, cidrs):
        assert any(ip_network(part).subnet_of(ip_network(own)) for own in cidrs)


@pytest.mark.parametrize(
    ("cidr", "taken", "room", "ranges"),
    [
        ("10.20.0.0/16", ["10.20.0.0/24"], "10.20.255.240/28", ("10.20.0.0/16",)),
        ("10.20.0.0/16", ["10.20.0.0/17", "10.20.192.0/18"], "10.20.191.240/28", ("10.20.0.0/16",)),
        ("10.20.0.0/24", ["10.20.0.0/25", "10.20.0.128/25"], "100.64.0.240/28", ("10.20.0.0/24", "100.64.0.0/24")),
        ("10.20.0.0/28", ["10.20.0.0/28"], "100.64.0.240/28", ("10.20.0.0/28", "100.64.0.0/24")),
    ],
)
def test_endpoints_get_room_that_no_server_can_have(cidr, taken, room, ranges):
    subnets = tuple(subnet(f"subnet-{number}", cidr) for number, cidr in enumerate(taken))
    plan = blueprint(production(vpc={**VPC, "CidrBlock": cidr}, subnets=subnets), ["subnet-0"], endpoints=True)

    assert (plan.endpoint_subnet.cidr, plan.cidrs) == (room, ranges)
