"""Whether the places where servers would land can take them."""

import pytest
from drs_provider.recovery.placement_checks import Placed, placement_findings, placement_lookups
from drs_provider.recovery.settings_candidates import Surroundings
from hypothesis import given
from hypothesis import strategies as st

AROUND = Surroundings(
    subnets={"subnet-1": {"SubnetId": "subnet-1", "VpcId": "vpc-1", "AvailabilityZone": "us-west-2a",
                          "AvailableIpAddressCount": 2}},
    groups={"sg-1": {"GroupId": "sg-1", "VpcId": "vpc-1"}, "sg-2": {"GroupId": "sg-2", "VpcId": "vpc-2"}},
    zones={"m5.large": frozenset({"us-west-2a"}), "p5.large": frozenset({"us-west-2b"}), "x9.huge": frozenset()},
)  # fmt: skip


def placed(**more):
    return Placed("s-1", "db1", **{"subnet_id": "subnet-1", **more})


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (placed(security_group_ids=("sg-1",), instance_type="m5.large"), []),
        (
            placed(has_template=False, subnet_id=None),
            [("db1 (s-1): its EC2 launch template has no default version or does not exist; save the server's launch "
             "settings in the DRS console once")],
        ),
        (
            placed(subnet_id="subnet-9"),
            [("db1 (s-1): it would land in subnet subnet-9, which does not exist in this account and Region; set "
             "launch.subnet_id, or correct the server's launch template")],
        ),
        (
            placed(subnet_id=None),
            [("db1 (s-1): its launch template names no subnet and there is no default VPC: DRS ends such a job after "
             "a second, FAILED and without a reason; set launch.subnet_id, or a subnet in the server's launch "
             "template")],
        ),
        (placed(subnet_id=None, interface_id="eni-1"), []),
        (
            placed(security_group_ids=("sg-2", "sg-9")),
            [("db1 (s-1): its security group sg-2 is in vpc-2, but subnet subnet-1 is in vpc-1; give it security "
             "groups of vpc-1"),
             ("db1 (s-1): its security group sg-9 does not exist in this account and Region; set "
             "launch.security_group_ids, or correct the server's launch template")],
        ),
        (
            placed(instance_type="p5.large"),
            [("db1 (s-1): its instance type p5.large is not offered in us-west-2a, where subnet subnet-1 is; give it "
             "another instance type, or a subnet in us-west-2b")],
        ),
        (
            placed(instance_type="x9.huge"),
            [("db1 (s-1): its instance type x9.huge is not offered in us-west-2a, where subnet subnet-1 is; give it "
             "another instance type, or a type that the Region has")],
        ),
        (placed(instance_type="p5.large", right_sizing="basic"), []),
        (placed(subnet_id="subnet-9", is_checked=True), []),
    ],
)  # fmt: skip
def test_every_place_that_cannot_take_a_server_is_said_word_for_word(server, said):
    refused = placement_findings([server], AROUND, mode="drill")
    warned = placement_findings([server], AROUND, mode="recovery")

    assert [str(one) for one in refused] == [str(one) for one in warned] == said
    assert {one.severity for one in refused} <= {"refusal"}
    assert {one.severity for one in warned} <= {"warning"}


def test_without_a_subnet_the_default_vpc_counts():
    around = Surroundings(groups=AROUND.groups, default_vpc="vpc-1")

    found = placement_findings([placed(subnet_id=None, security_group_ids=("sg-2",))], around, mode="drill")

    assert [one.what for one in found] == ["its security group sg-2 is in vpc-2, but the default VPC is in vpc-1"]


def test_the_servers_of_all_waves_count_against_a_subnet_s_free_addresses():
    servers = [Placed(f"s-{n}", f"web{n}", subnet_id="subnet-1", is_checked=n > 1) for n in range(3)]

    assert [str(one) for one in placement_findings(servers, AROUND, mode="drill")] == [
        (
            "subnet subnet-1: it has 2 free addresses, and 3 servers of this run land there; free addresses, or set "
            "launch.subnet_id of some of them to another subnet"
        )
    ]


def test_the_address_of_an_instance_that_the_launch_replaces_is_free_by_then():
    servers = [Placed(f"s-{n}", f"web{n}", subnet_id="subnet-1", frees="subnet-1" if n else None) for n in range(4)]

    assert placement_findings(servers, AROUND, mode="drill") == ()
    assert "gets 3 back" in str(placement_findings([*servers, placed(), placed()], AROUND, mode="drill")[0])


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_a_subnet_is_full_exactly_when_more_land_than_it_has(free, landing, replacing):
    around = Surroundings(subnets={"subnet-1": {"VpcId": "vpc-1", "AvailableIpAddressCount": free}})
    servers = [
        Placed(f"s-{n}", f"a{n}", subnet_id="subnet-1", frees="subnet-1" if n < replacing else None)
        for n in range(landing)
    ]

    found = placement_findings(servers, around, mode="drill")

    assert bool(found) == (landing > free + min(replacing, landing))


def test_everything_is_asked_once():
    asked = placement_lookups([placed(security_group_ids=("sg-2", "sg-1")), placed(subnet_id=None), placed()])

    assert (asked.subnet_ids, asked.group_ids, asked.default_vpc) == (("subnet-1",), ("sg-1", "sg-2"), True)
