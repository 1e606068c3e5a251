"""What settings are wanted, how they differ from what there is, and what makes the difference go away."""

from functools import cache
from itertools import product

import botocore.session
import pytest
from drs_provider.plan.model import LaunchSettings
from drs_provider.rules.purpose import DRILL, RECOVERY
from drs_provider.rules.settings.drill_memory import BeforeDrill, read_tag
from drs_provider.rules.settings.launch_template import TEMPLATE_FIELDS, as_request, lost, new_version
from drs_provider.rules.settings.values import (
    APPLIED_FIELDS,
    CONFIGURATION_FIELDS,
    ELSEWHERE_FIELDS,
    Change,
    compare,
    configuration_update,
    effective,
    is_to_be_protected,
    live_settings,
    wrong_values,
)
from hypothesis import given, settings
from hypothesis import strategies as st

FRESH = {
    "ec2LaunchTemplateID": "lt-1",
    "launchDisposition": "STARTED",
    "targetInstanceTypeRightSizingMethod": "BASIC",
    "copyPrivateIp": False,
    "copyTags": False,
    "licensing": {"osByol": False},
    "recoveryMode": "OPTIMAL",
}

few = settings(max_examples=40, deadline=None)

names = st.text("abcdef", min_size=1, max_size=4)
addresses = st.integers(4, 250).map("10.0.0.{}".format)
groups = st.lists(names.map("sg-{}".format), min_size=1, max_size=3)
wanted_settings = st.fixed_dictionaries(
    {},
    optional={
        "right_sizing": st.sampled_from(["none", "basic", "in_aws"]),
        "copy_private_ip": st.booleans(),
        "copy_tags": st.booleans(),
        "os_byol": st.booleans(),
        "disposition": st.sampled_from(["started", "stopped"]),
        "recovery_mode": st.sampled_from(["optimal", "fast"]),
        "instance_type": names,
        "subnet_id": names.map("subnet-{}".format),
        "security_group_ids": groups,
        "instance_profile": names,
        "private_ip": addresses,
        "protect": st.booleans(),
        "fallback": st.just({"instance_types": ["m6a.large"]}),
    },
)
configurations = st.fixed_dictionaries(
    {"ec2LaunchTemplateID": st.just("lt-1")},
    optional={
        "launchDisposition": st.sampled_from(["STARTED", "STOPPED"]),
        "targetInstanceTypeRightSizingMethod": st.sampled_from(["NONE", "BASIC", "IN_AWS"]),
        "copyPrivateIp": st.booleans(),
        "copyTags": st.booleans(),
        "licensing": st.fixed_dictionaries({"osByol": st.booleans()}),
        "recoveryMode": st.sampled_from(["OPTIMAL", "FAST"]),
    },
)
interfaces = st.fixed_dictionaries(
    {},
    optional={
        "DeviceIndex": st.sampled_from([0, 1]),
        "SubnetId": names.map("subnet-{}".format),
        "Groups": groups,
        "PrivateIpAddress": addresses,
        "PrivateIpAddresses": st.lists(
            st.fixed_dictionaries({"Primary": st.booleans(), "PrivateIpAddress": addresses}), max_size=2
        ),
        "DeleteOnTermination": st.booleans(),
        "Ipv6Addresses": st.just([{"Ipv6Address": "fd00::1", "IsPrimaryIpv6": True}]),
    },
)
templates = st.fixed_dictionaries(
    {},
    optional={
        "InstanceType": names,
        "InstanceRequirements": st.just({"VCpuCount": {"Min": 2}}),
        "NetworkInterfaces": st.lists(interfaces, min_size=1, max_size=2),
        "SecurityGroupIds": groups,
        "SecurityGroups": st.lists(names, min_size=1),
        "IamInstanceProfile": st.one_of(
            st.fixed_dictionaries({"Name": names}),
            st.fixed_dictionaries({"Arn": names.map("arn:aws:iam::111122223333:instance-profile/path/{}".format)}),
        ),
        "BlockDeviceMappings": st.just([{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": "snap-1"}}]),
        "MetadataOptions": st.just({"State": "applied", "HttpTokens": "required"}),
        "KeyName": names,
        "TagSpecifications": st.just([{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "db1"}]}]),
    },
)


def made(template, changes):
    version = new_version(template, {change.field: change.wanted for change in changes})
    return version.on(template) if version else as_request(template)


@few
@given(wanted_settings, configurations, templates)
def test_after_applying_the_changes_nothing_differs(wanted, configuration, template):
    changes = compare(wanted, configuration, template)
    after = {**configuration, **configuration_update(changes)}

    assert compare(wanted, after, made(template, changes)) == ()


@few
@given(wanted_settings, configurations, templates)
def test_what_is_not_set_never_changes(wanted, configuration, template):
    before = live_settings(configuration, template)
    changes = compare(wanted, configuration, template)
    after = live_settings({**configuration, **configuration_update(changes)}, made(template, changes))

    assert {change.field for change in changes} <= wanted.keys()
    assert {field: after[field] for field in after if field not in wanted} == {
        field: before[field] for field in before if field not in wanted
    }
    assert compare(dict.fromkeys(wanted), configuration, template) == ()


@few
@given(wanted_settings, configurations, templates)
def test_a_new_version_loses_nothing_that_no_setting_stands_for(wanted, configuration, template):
    others = {"KeyName", "TagSpecifications", "BlockDeviceMappings", "MetadataOptions"}
    kept = {key: value for key, value in as_request(template).items() if key in others}
    after = made(template, compare(wanted, configuration, template))

    assert {key: after[key] for key in kept} == kept
    old, new = as_request(template).get("NetworkInterfaces", []), after.get("NetworkInterfaces", [])
    own = {"SubnetId", "Groups", "PrivateIpAddress", "PrivateIpAddresses"}
    assert [
        {key: value for key, value in version.items() if key not in own} for version in new[len(new) - len(old) :]
    ] == [{key: value for key, value in version.items() if key not in own} for version in old]


@few
@given(wanted_settings, templates)
def test_ec2_takes_what_is_sent_by_its_own_model(wanted, template):
    version = new_version(template, wanted)
    if version is None:
        return
    assert list(unknown_members(version.data, ec2_model().shape_for("RequestLaunchTemplateData"))) == []


@cache
def ec2_model():
    return botocore.session.get_session().get_service_model("ec2")


def unknown_members(value, shape):
    if shape.type_name == "structure":
        for key, inner in value.items():
            if key in shape.members:
                yield from unknown_members(inner, shape.members[key])
            else:
                yield key
    elif shape.type_name == "list":
        for inner in value:
            yield from unknown_members(inner, shape.member)


def test_what_ec2_tells_of_a_template_and_does_not_take_is_what_we_leave_out():
    model = ec2_model()
    told, taken = model.shape_for("ResponseLaunchTemplateData"), model.shape_for("RequestLaunchTemplateData")

    assert set(only_in(told, taken)) == {
        "NetworkInterfaces.*.Ipv6Addresses.*.IsPrimaryIpv6",
        "MetadataOptions.State",
        "Operator.Managed",
        "Operator.HiddenByDefault",
    }


def only_in(told, taken, path=""):
    if told.type_name == "structure":
        for key, member in told.members.items():
            name = f"{path}.{key}" if path else key
            if key not in taken.members:
                yield name
            else:
                yield from only_in(member, taken.members[key], name)
    elif told.type_name == "list":
        yield from only_in(told.member, taken.member, f"{path}.*")


def test_every_word_of_the_plan_is_one_of_drs():
    model = botocore.session.get_session().get_service_model("drs")
    shape = model.operation_model("UpdateLaunchConfiguration").input_shape
    words = {
        "right_sizing": ("none", "basic", "in_aws"),
        "disposition": ("started", "stopped"),
        "recovery_mode": ("optimal", "fast"),
    }
    for field, value in [(name, word) for name, its_words in words.items() for word in its_words]:
        ((member, sent),) = configuration_update((Change(field, None, value),)).items()
        assert sent in shape.members[member].enum
        assert live_settings({member: sent}, {})[field] == value
    assert {
        field: sorted(shape.members[next(iter(configuration_update((Change(field, None, words[field][0]),))))].enum)
        for field in words
    } == {field: sorted(word.upper() for word in values) for field, values in words.items()}


def test_every_launch_setting_of_a_plan_has_its_place():
    assert {*LaunchSettings.model_fields, "post_launch", "interfaces"} == {*APPLIED_FIELDS, *ELSEWHERE_FIELDS}
    assert set(APPLIED_FIELDS) == {*CONFIGURATION_FIELDS, *TEMPLATE_FIELDS}


def test_a_members_setting_goes_over_its_groups_and_a_drills_over_both():
    group = {"instance_type": "m6i.large", "copy_tags": True, "security_group_ids": ["sg-1"], "subnet_id": None}
    member = {"instance_type": "r6i.large", "security_group_ids": ["sg-2"]}
    drill = {"instance_type": "t3.medium", "copy_tags": None}

    assert effective(group, member, drill, purpose=RECOVERY) == {
        "instance_type": "r6i.large",
        "copy_tags": True,
        "security_group_ids": ["sg-2"],
    }
    assert effective(group, member, drill, purpose=DRILL) == {
        "instance_type": "t3.medium",
        "copy_tags": True,
        "security_group_ids": ["sg-2"],
    }
    assert effective(None, purpose=DRILL) == {}


def test_a_false_overrides_a_true():
    assert effective({"copy_tags": True}, {"copy_tags": False}, purpose=RECOVERY) == {"copy_tags": False}


def test_a_recovered_instance_is_protected_unless_it_is_said_not_to_be():
    assert [
        is_to_be_protected(settings) for settings in ({}, {"protect": None}, {"protect": True}, {"protect": False})
    ] == [
        True,
        True,
        True,
        False,
    ]


def test_security_groups_have_no_order_and_a_profile_is_its_name():
    arn = "arn:aws:iam::111122223333:instance-profile/shop/shop-db"
    template = {
        "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": ["sg-2", "sg-1"]}],
        "IamInstanceProfile": {"Arn": arn},
    }

    assert compare({"security_group_ids": ("sg-1", "sg-2", "sg-1")}, FRESH, template) == ()
    assert compare({"instance_profile": "shop-db"}, FRESH, template) == ()
    assert compare({"instance_profile": arn}, FRESH, template) == ()
    assert [str(change) for change in compare({"security_group_ids": ["sg-3"]}, FRESH, template)] == [
        "security_group_ids [sg-1, sg-2] -> [sg-3]"
    ]


def test_without_an_interface_groups_stay_where_they_are_and_a_subnet_makes_one():
    template = {"SecurityGroupIds": ["sg-1"], "KeyName": "ops"}

    groups = new_version(template, {"security_group_ids": ["sg-2"]})
    subnet = new_version(template, {"subnet_id": "subnet-1"})

    assert (groups.data, groups.is_whole) == ({"SecurityGroupIds": ["sg-2"]}, False)
    # EC2 inherits every member that is not sent, so groups can only leave their place in a version of its own.
    assert subnet.is_whole
    assert subnet.data == {
        "KeyName": "ops",
        "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": ["sg-1"], "SubnetId": "subnet-1"}],
    }


def test_only_the_interface_that_the_instance_boots_with_is_changed():
    template = {"NetworkInterfaces": [{"DeviceIndex": 1, "SubnetId": "subnet-9"}, {"DeviceIndex": 0}]}

    version = new_version(template, {"subnet_id": "subnet-1"})

    assert version.data == {
        "NetworkInterfaces": [{"DeviceIndex": 1, "SubnetId": "subnet-9"}, {"DeviceIndex": 0, "SubnetId": "subnet-1"}]
    }
    assert template["NetworkInterfaces"][1] == {"DeviceIndex": 0}


def test_snapshots_of_volumes_are_sent_along_or_ec2_would_leave_them_out():
    volumes = [{"DeviceName": "/dev/sdb", "Ebs": {"SnapshotId": "snap-1"}}]

    assert new_version({"BlockDeviceMappings": volumes}, {"instance_type": "r5.large"}).data == {
        "InstanceType": "r5.large",
        "BlockDeviceMappings": volumes,
    }


def test_a_member_that_a_new_version_lost_is_named():
    assert lost({"KeyName": "ops", "InstanceType": "a", "UserData": ""}, {"InstanceType": "b"}) == ("KeyName",)


@pytest.mark.parametrize(
    ("given_settings", "wrong"),
    [
        ({}, []),
        ({"copy_tags": None, "fallback": {"subnet_ids": []}, "protect": True, "actions": ()}, []),
        ({"copy_tags": "False"}, ["copy_tags must be True or False, but is 'False'"]),
        ({"protect": 1}, ["protect must be True or False, but is 1"]),
        ({"right_sizing": "NONE"}, ["right_sizing must be one of none, basic, in_aws, but is 'NONE'"]),
        ({"security_group_ids": "sg-1"}, ["security_group_ids must be a list of ids, at least one, but is 'sg-1'"]),
        ({"security_group_ids": []}, ["security_group_ids must be a list of ids, at least one, but is []"]),
        ({"private_ip": "10.0.1"}, ["private_ip must be an IPv4 address such as 10.0.1.10, but is '10.0.1'"]),
        ({"instance_type": 7}, ["instance_type must be text, but is 7"]),
        ({"subnet": "subnet-1"}, ["subnet is no launch setting; did you mean subnet_id?"]),
        ({"xyz": 1}, ["xyz is no launch setting"]),
        (
            {"actions": [{"code": "x"}], "copy_tags": 0},
            [
                "actions: name must be letters, digits, blanks, / _ -, beginning with a letter or digit, but is None",
                "copy_tags must be True or False, but is 0",
            ],
        ),
    ],
)
def test_settings_that_are_wrong_by_themselves_are_said(given_settings, wrong):
    assert list(wrong_values(given_settings)) == wrong


@few
@given(wanted_settings, wanted_settings, configurations)
def test_what_a_tag_remembers_puts_everything_back(first, second, configuration):
    full = {**FRESH, **configuration}
    kept, now = BeforeDrill(), full
    for wanted in (first, second):
        changes = compare(wanted, now, {})
        kept = kept.with_changes(changes, None)
        now = {**now, **configuration_update(changes)}
    read = read_tag({"drs-orchestrator:before-drill": kept.written()})

    assert live_settings({**now, **configuration_update(read.values_to_put_back(now))}, {}) == live_settings(full, {})


def test_the_longest_tag_is_one_that_aws_takes():
    words = {"right_sizing": "in_aws", "disposition": "started", "recovery_mode": "optimal"}
    longest = {field: (words.get(field, False), words.get(field, False)) for field in CONFIGURATION_FIELDS}

    written = BeforeDrill((10_000, 10_000), longest).written()

    assert len(written) <= 256
    assert set(written) <= set("abcdefghijklmnopqrstuvwxyz0123456789_=/ ")


@pytest.mark.parametrize("text", ["", "nonsense", "version=x/y", "version=1", "colour=red/blue", "copy_tags="])
def test_a_tag_that_cannot_be_read_puts_nothing_back(text):
    assert read_tag({"drs-orchestrator:before-drill": text}) == BeforeDrill()
    assert read_tag({}) is None


def test_every_pair_of_flags_is_read_back_as_it_was_written():
    for was, now in product((True, False), repeat=2):
        kept = BeforeDrill((3, 4), {"copy_tags": (was, now)})
        assert read_tag({"drs-orchestrator:before-drill": kept.written()}) == kept
