"""What others made of a launch template during a drill stays, and nothing of the drill does."""

import json

import pytest
from drs_provider.rules.settings.overtaken import Merged, ids_of_drill, merged, same
from hypothesis import given, settings
from hypothesis import strategies as st


def interface(subnet, groups=(), index=0, **more):
    found = {"DeviceIndex": index, "SubnetId": f"subnet-{subnet}", **more}
    return {**found, "Groups": [f"sg-{group}" for group in groups]} if groups else found


def template(*interfaces, kind="m5.large", **more):
    return {"InstanceType": kind, **({"NetworkInterfaces": list(interfaces)} if interfaces else {}), **more}


BEFORE = template(interface("prod", ["prod"]))
DRILL = template(interface("drill", ["drill"]))
BARE = template(interface("prod"))
TOP = template(interface("prod"), SecurityGroupIds=["sg-prod"])


@pytest.mark.parametrize(
    ("before", "drill", "now", "expected"),
    [
        pytest.param(BEFORE, DRILL, DRILL, BEFORE, id="a copy of the drill's"),
        pytest.param(
            BEFORE,
            DRILL,
            template(interface("drill", ["drill"]), kind="m6i.large"),
            template(interface("prod", ["prod"]), kind="m6i.large"),
            id="another field",
        ),
        pytest.param(
            BEFORE,
            DRILL,
            template(interface("prod2", ["drill"])),
            template(interface("prod2", ["prod"])),
            id="a field that the drill set",
        ),
        pytest.param(
            BEFORE,
            DRILL,
            template(interface("drill", ["drill", "watch"])),
            template(interface("prod", ["prod", "watch"])),
            id="one more security group",
        ),
        pytest.param(
            BEFORE,
            DRILL,
            template(interface("drill", ["watch"])),
            template(interface("prod", ["watch"])),
            id="other security groups",
        ),
        pytest.param(
            BEFORE,
            DRILL,
            template(interface("drill", ["drill"]), interface("spare", index=1)),
            template(interface("prod", ["prod"]), interface("spare", index=1)),
            id="one more interface",
        ),
        pytest.param(
            template(interface("prod"), interface("beat", index=1)),
            template(interface("drill"), interface("drill2", index=1)),
            template(interface("drill")),
            template(interface("prod")),
            id="an interface less",
        ),
        pytest.param(
            BARE,
            DRILL,
            template(interface("drill", ["drill"]), kind="m6i.large"),
            template(interface("prod"), kind="m6i.large"),
            id="groups that the drill added go",
        ),
        pytest.param(TOP, DRILL, DRILL, TOP, id="groups of the instance come back"),
        pytest.param(
            TOP,
            DRILL,
            template(interface("drill", ["watch"])),
            template(interface("prod", ["watch"])),
            id="but not beside groups of the interface",
        ),
        pytest.param(
            template(interface("prod", Ipv6AddressCount=1)),
            template(interface("drill")),
            template(interface("drill")),
            template(interface("prod", Ipv6AddressCount=1)),
            id="what the drill left out comes back",
        ),
        pytest.param(
            {"InstanceRequirements": {"VCpuCount": {"Min": 2}}},
            template(),
            template(kind="m6i.large"),
            template(kind="m6i.large"),
            id="a type of theirs wins over requirements",
        ),
        pytest.param(
            {"InstanceRequirements": {"VCpuCount": {"Min": 2}}},
            template(),
            {**template(), "KeyName": "k"},
            {"InstanceRequirements": {"VCpuCount": {"Min": 2}}, "KeyName": "k"},
            id="requirements come back",
        ),
        pytest.param(
            BEFORE,
            DRILL,
            template(interface("prod", ["prod"]), kind="c5.large"),
            template(interface("prod", ["prod"]), kind="c5.large"),
            id="made on top of the version before",
        ),
        pytest.param(BEFORE, DRILL, {}, {}, id="everything taken out by others"),
    ],
)
def test_only_what_still_is_the_drills_is_put_back(before, drill, now, expected):
    found = merged(before, drill, now)

    assert same(found.data, expected), json.dumps(found.data)
    assert found.left == ()


def test_a_drills_subnet_in_another_place_is_named():
    now = template(interface("drill", ["drill"]), interface("drill", ["drill"], index=1))

    assert merged(BEFORE, DRILL, now).left == ("sg-drill", "subnet-drill")


def test_what_the_drill_did_not_bring_is_not_its_own():
    assert ids_of_drill(BEFORE, template(interface("drill", ["prod"]))) == {"subnet-drill"}


values = st.sampled_from(["a", "b", "c", True, 1])
datas = st.fixed_dictionaries(
    {},
    optional={
        "InstanceType": st.sampled_from(["m5.large", "c5.large", "t3.micro"]),
        "KeyName": st.sampled_from(["one", "two"]),
        "MetadataOptions": st.dictionaries(st.sampled_from(["HttpTokens", "HttpEndpoint"]), values),
        "NetworkInterfaces": st.lists(
            st.fixed_dictionaries(
                {"DeviceIndex": st.sampled_from([0, 1, 2])},
                optional={
                    "SubnetId": st.sampled_from(["subnet-1", "subnet-2", "subnet-3"]),
                    "Groups": st.lists(st.sampled_from(["sg-1", "sg-2", "sg-3"]), min_size=1, unique=True),
                },
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda each: each["DeviceIndex"],
        ),
    },
)


def test_an_interface_that_the_drill_has_added_and_others_have_changed_stays_where_it_is():
    before = {"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": "subnet-1"}]}
    drill = {"NetworkInterfaces": [{"DeviceIndex": 0}, {"DeviceIndex": 1}]}
    now = {"NetworkInterfaces": [{"DeviceIndex": 1, "Groups": ["sg-1"]}]}

    assert merged(before, drill, now).data == {"NetworkInterfaces": [{"DeviceIndex": 1, "Groups": ["sg-1"]}]}


@settings(max_examples=150)
@given(datas, datas, datas)
def test_the_rules_of_a_merge(before, drill, now):
    assert same(merged(before, drill, drill).data, before)
    assert same(merged(before, before, now).data, now)
    assert same(merged(before, drill, before).data, before)
    found = merged(before, drill, now)
    assert same(merged(before, drill, found.data).data, found.data) or found.left
    assert isinstance(found, Merged)
