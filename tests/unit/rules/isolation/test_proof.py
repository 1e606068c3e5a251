"""Every way out of a network is found and named, and nothing else is taken for one."""

from dataclasses import replace

import pytest
from drs_provider.rules.isolation.proof import changed, prove
from hypothesis import given
from hypothesis import strategies as st
from kit.networks import ACCOUNT, CLEAN, HARMLESS, LEAKS, routing, to

NOBODY = "the internet can be reached (no security group and no network ACL lets it out today, which one edit changes)"
EGRESS = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


def test_there_are_more_than_twenty_ways_of_leaking():
    assert len(LEAKS) > 40


@pytest.mark.parametrize(("leak", "path"), LEAKS.values(), ids=LEAKS)
def test_every_way_out_is_found_and_its_path_is_named(leak, path):
    proof = prove(leak(CLEAN))

    assert [leak.path for leak in proof.leaks] == [path]
    assert not proof.is_isolated


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_leads_nowhere_is_no_way_out(change):
    assert prove(change(CLEAN)).leaks == ()


@given(st.lists(st.sampled_from(sorted(HARMLESS)), unique=True), st.sampled_from(sorted(LEAKS)))
def test_a_leak_is_found_whatever_else_there_is(harmless, leak):
    facts = CLEAN
    for name in harmless:
        facts = HARMLESS[name](facts)

    assert prove(facts).is_isolated
    assert not prove(LEAKS[leak][0](facts)).is_isolated


@given(st.sets(st.sampled_from(sorted(set(LEAKS) - {"a shared VPC"})), min_size=2, max_size=4))
def test_several_leaks_are_several_lines(names):
    facts = CLEAN
    for name in sorted(names):
        facts = LEAKS[name][0](facts)

    # A gateway that a route leads through is told with the route; two changes may replace the same part.
    assert prove(facts).leaks
    assert len(set(map(str, prove(facts).leaks))) == len(prove(facts).leaks)


@pytest.mark.parametrize(
    ("group", "acl", "said"),
    [
        ([EGRESS], "allow", "the internet can be reached (let out by security group sg-1 and network ACL acl-1)"),
        ([], "allow", "the internet can be reached (no security group lets it out today, which one edit changes)"),
        ([EGRESS], "deny", "the internet can be reached (no network ACL lets it out today, which one edit changes)"),
        (
            [],
            "deny",
            NOBODY,
        ),
        (
            [{"IpProtocol": "tcp", "PrefixListIds": [{"PrefixListId": "pl-unknown"}]}],
            "allow",
            "the internet can be reached (let out by security group sg-1 and network ACL acl-1)",
        ),
        (
            [{"IpProtocol": "tcp", "PrefixListIds": [{"PrefixListId": "pl-inside"}]}],
            "allow",
            "the internet can be reached (no security group lets it out today, which one edit changes)",
        ),
    ],
)
def test_groups_and_acls_stand_beside_a_way_out_and_close_none(group, acl, said):
    entry = {"Egress": True, "RuleNumber": 1, "RuleAction": acl, "Protocol": "-1", "CidrBlock": "0.0.0.0/0"}
    facts = replace(
        routing(to("igw-1", destination="203.0.113.0/24"))(CLEAN),
        security_groups=({"GroupId": "sg-1", "IpPermissionsEgress": group},),
        network_acls=({**CLEAN.network_acls[0], "Entries": [entry]},),
        prefix_lists={"pl-inside": ("10.20.0.0/16",)},
    )

    (leak,) = prove(facts).leaks
    assert leak.what == said
    assert leak.next_step == "Delete the route to 203.0.113.0/24 from rtb-1, or use another network"


def test_a_leak_reads_as_one_sentence_about_the_way_and_one_about_what_to_do():
    (leak,) = prove(LEAKS["peering"][0](CLEAN)).leaks

    assert str(leak) == (
        "VPC vpc-drill → peering connection pcx-1 → VPC vpc-prod of account 444455556666: the peered VPC is one route "
        "away. Detach pcx-1 from the VPC, or use a network without it"
    )


def test_open_groups_are_a_note():
    facts = HARMLESS["an open security group"](CLEAN)

    assert prove(facts).notes == ("security group sg-2 lets out to 0.0.0.0/0: no way leads there",)


def test_a_route_through_a_gateway_tells_of_the_gateway_once():
    facts = LEAKS["internet gateway route"][0](LEAKS["internet gateway"][0](CLEAN))

    assert [leak.path.rpartition(" → ")[2] for leak in prove(facts).leaks] == ["internet gateway igw-1"]


@pytest.mark.parametrize(("name", "what"), [(name, leak) for name, (leak, _) in LEAKS.items()])
def test_a_network_that_was_opened_has_another_fingerprint(name, what):
    facts = what(CLEAN)
    differs = changed(prove(CLEAN).prints, prove(facts).prints)

    # An instance in two networks is found by looking, every time; instances come and go in a drill.
    assert bool(differs) == (name != "an instance in two networks")


def test_what_a_drill_does_itself_does_not_change_the_fingerprint():
    launched = {"NetworkInterfaceId": "eni-7", "OwnerId": ACCOUNT, "InterfaceType": "interface"}
    facts = replace(
        CLEAN,
        subnets=tuple({**subnet, "AvailableIpAddressCount": 7} for subnet in reversed(CLEAN.subnets)),
        network_interfaces=(*CLEAN.network_interfaces, launched),
        instances=({"InstanceId": "i-7", "State": {"Name": "running"}, "NetworkInterfaces": [launched]},),
    )

    assert changed(prove(CLEAN).prints, prove(facts).prints) == ()


def test_the_proof_tells_how_much_was_looked_at():
    proof = prove(CLEAN)

    assert (proof.is_isolated, proof.looked_at["route_tables"], proof.looked_at["peerings"]) == (True, 1, 0)
    assert len(proof.looked_at) > 25
