"""Whether the places where servers would land can take them."""

import pytest
from drs_provider.rules.preflight.placement import Placed, placed, placement_findings
from drs_provider.rules.purpose import DRILL, RECOVERY
from drs_provider.rules.settings.candidates import AccountAnswers, Candidate
from drs_provider.rules.settings.checks import lookups
from hypothesis import given
from hypothesis import strategies as st

AROUND = AccountAnswers(
    subnets={"subnet-1": {"SubnetId": "subnet-1", "VpcId": "vpc-1", "AvailabilityZone": "us-west-2a",
                          "AvailableIpAddressCount": 2}},
    zones={"m5.large": frozenset({"us-west-2a"}), "p5.large": frozenset({"us-west-2b"}), "x9.huge": frozenset()},
)  # fmt: skip


def candidate(name="s-1", *, kind=None, subnet="subnet-1", interface=None, right_sizing="NONE", **wanted):
    network = {"DeviceIndex": 0, "SubnetId": subnet, "NetworkInterfaceId": interface}
    template = {"NetworkInterfaces": [{key: value for key, value in network.items() if value is not None}]}
    if kind:
        template["InstanceType"] = kind
    source = {"sourceServerID": name, "sourceProperties": {"identificationHints": {"hostname": f"host-{name}"}}}
    configuration = {"targetInstanceTypeRightSizingMethod": right_sizing}
    return Candidate(name, wanted, source, configuration, template)


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (candidate(kind="m5.large"), []),
        (
            candidate(kind="p5.large"),
            [("host-s-1 (s-1): its instance type p5.large is not offered in us-west-2a, where subnet subnet-1 is; give "
             "it another instance type, or a subnet in us-west-2b")],
        ),
        (
            candidate(kind="x9.huge"),
            [("host-s-1 (s-1): its instance type x9.huge is not offered in us-west-2a, where subnet subnet-1 is; give "
             "it another instance type, or a type that the Region has")],
        ),
        (candidate(kind="p5.large", right_sizing="BASIC"), []),
        (candidate(kind="p5.large", instance_type="m5.large"), []),  # the plan's counts, and is checked elsewhere
        (candidate(kind="p5.large", subnet="subnet-9"), []),  # that there is no such subnet is said elsewhere
    ],
)  # fmt: skip
def test_a_type_that_only_the_launch_template_names_must_be_offered_where_it_lands(server, said):
    refused = placement_findings(placed([server], {}), AROUND, DRILL)
    warned = placement_findings(placed([server], {}), AROUND, RECOVERY)

    assert [str(finding) for finding in refused] == [str(finding) for finding in warned] == said
    assert {finding.severity for finding in refused} <= {"refusal"}
    assert {finding.severity for finding in warned} <= {"warning"}


def test_only_who_looks_at_whole_servers_asks_for_the_types_of_templates():
    servers = [candidate(kind="p5.large"), candidate("s-2", kind="p5.large", instance_type="m5.large")]

    assert lookups(servers).instance_types == ("m5.large",)
    assert lookups(servers, whole=True).instance_types == ("m5.large", "p5.large")


def test_a_place_is_what_the_plan_says_else_what_the_template_does():
    servers = [candidate(subnet_id="subnet-2"), candidate("s-2", interface="eni-1"), candidate("s-3", subnet=None)]
    gone = Candidate("s-4", {}, {"sourceServerID": "s-4"})

    assert placed([*servers, gone], {"s-3": "subnet-1"}) == (
        Placed("s-1", "host-s-1", "subnet-2"),
        Placed("s-2", "host-s-2", "subnet-1", takes_address=False),
        Placed("s-3", "host-s-3", None, frees="subnet-1"),
    )


def test_the_servers_of_all_waves_count_against_a_subnet_s_free_addresses():
    servers = [Placed(f"s-{n}", f"web{n}", "subnet-1") for n in range(3)]

    assert [str(finding) for finding in placement_findings(servers, AROUND, DRILL)] == [
        (
            "subnet subnet-1: it has 2 free addresses, and 3 servers of this run land there; free addresses, or set "
            "launch.subnet_id of some of them to another subnet"
        )
    ]


def test_the_address_of_an_instance_that_the_launch_replaces_is_free_by_then():
    servers = [Placed(f"s-{n}", f"web{n}", "subnet-1", frees="subnet-1" if n else None) for n in range(4)]

    more = [Placed(f"s-{n}", f"web{n}", "subnet-1") for n in (8, 9)]
    assert placement_findings(servers, AROUND, DRILL) == ()
    assert "gets 3 back" in str(placement_findings([*servers, *more], AROUND, DRILL)[0])


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_a_subnet_is_full_exactly_when_more_land_than_it_has(free, landing, replacing, bringing):
    around = AccountAnswers(subnets={"subnet-1": {"VpcId": "vpc-1", "AvailableIpAddressCount": free}})
    servers = [
        Placed(f"s-{n}", f"a{n}", "subnet-1", frees="subnet-1" if n < replacing else None) for n in range(landing)
    ]
    servers += [Placed(f"s-b{n}", f"b{n}", "subnet-1", takes_address=False) for n in range(bringing)]

    found = placement_findings(servers, around, DRILL)

    assert bool(found) == (landing > free + min(replacing, landing))
