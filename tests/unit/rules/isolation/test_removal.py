"""What of a drill's network is left as it is, because somebody uses it or it only looks like a drill's."""

import pytest
from drs_provider.rules.isolation.removal import name_prefix, named_by, untouchable

RUN = "0123456789abcdef" * 2
VPC = {"VpcId": "vpc-drill"}
COPIED = (
    "it carries a drill's tags, but vpc-production, which it is part of, is not the drill's: remove its tags if they "
    "were copied, or remove it manually"
)


def group(name="sg-1", vpc="vpc-drill", **more):
    return {"GroupId": name, "VpcId": vpc, "GroupName": "web", **more}


def kept(*, vpcs=(VPC,), subnets=(), groups=(), endpoints=(), used_by=None, named_by=None):
    return untouchable(
        RUN,
        vpcs=vpcs,
        subnets=subnets,
        groups=groups,
        endpoints=endpoints,
        used_by=used_by or {},
        named_by=named_by or {},
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(kept(groups=[group()]), {}, id="a drill's, used by nobody"),
        pytest.param(
            kept(groups=[group()], used_by={"sg-1": ["eni-1 of i-1"]}), {"sg-1": "in use by eni-1 of i-1"}, id="in use"
        ),
        pytest.param(
            kept(groups=[group()], used_by={"sg-1": [f"eni-{n}" for n in range(7)]}),
            {"sg-1": "in use by eni-0, eni-1, eni-2, eni-3, eni-4 and 2 more"},
            id="in use by many",
        ),
        pytest.param(
            kept(groups=[group()], named_by={"sg-1": ["sg-9"]}),
            {"sg-1": "named by rules of sg-9, which are not the drill's"},
            id="named by another group",
        ),
        pytest.param(kept(groups=[group(vpc="vpc-production")]), {"sg-1": COPIED}, id="copied tags"),
        pytest.param(
            kept(groups=[group(vpc="vpc-production")], used_by={"sg-1": ["eni-1"]}),
            {"sg-1": COPIED},
            id="copied tags, in use",
        ),
        pytest.param(
            kept(groups=[group(vpc="vpc-standing", GroupName=f"{name_prefix(RUN)}sg-0a")], vpcs=()),
            {},
            id="a group of the drill's in a standing network",
        ),
        pytest.param(
            kept(groups=[group(vpc="vpc-production", GroupName="drill-ffffffff-sg-0a")]),
            {"sg-1": COPIED},
            id="a group of another drill's",
        ),
        pytest.param(kept(subnets=[{"SubnetId": "subnet-1", "VpcId": "vpc-drill"}]), {}, id="a drill's subnet"),
        pytest.param(
            kept(subnets=[{"SubnetId": "subnet-1", "VpcId": "vpc-production"}]),
            {"subnet-1": COPIED},
            id="a subnet of production",
        ),
        pytest.param(
            kept(endpoints=[{"VpcEndpointId": "vpce-1", "VpcId": "vpc-production"}]),
            {"vpce-1": COPIED},
            id="an endpoint of production",
        ),
    ],
)
def test_what_is_kept_and_why(found, expected):
    assert found == expected


def test_groups_that_name_each_other_are_no_others():
    pair = [{"UserIdGroupPairs": [{"GroupId": "sg-1"}, {"GroupId": "sg-7"}]}]
    groups = [
        {"GroupId": "sg-1", "IpPermissions": pair},
        {"GroupId": "sg-2", "IpPermissionsEgress": pair},
        {"GroupId": "sg-8", "IpPermissionsEgress": pair},
    ]

    assert named_by(groups, ["sg-1", "sg-2"]) == {"sg-1": ["sg-8"]}
