"""What the hook of launch settings asks, call by call, against botocore's Stubber."""

import pytest
from botocore.stub import Stubber
from drs_provider.exceptions import AccessDenied, Conflict, ServiceUnavailable
from drs_provider.hooks.launch_settings import LaunchSettingsHook, TemplateVersion
from drs_provider.rules.settings.candidates import AccountAnswers, Lookups
from drs_provider.rules.settings.launch_template import NewVersion

TEMPLATE = "lt-00000000000000001"
SERVER = "s-00000000000000001"
NOTHING = Lookups((), (), (), (), (), default_vpc=False)


@pytest.fixture
def hook():
    return LaunchSettingsHook(aws_conn_id=None, region_name="us-west-2")


@pytest.fixture
def ec2(hook):
    with Stubber(hook._beside("ec2")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def drs(hook):
    with Stubber(hook.conn) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def test_a_version_is_built_on_the_one_that_was_read(hook, ec2):
    made = {"LaunchTemplateVersion": {"LaunchTemplateId": TEMPLATE, "VersionNumber": 8}}
    expected = {
        "LaunchTemplateId": TEMPLATE,
        "SourceVersion": "7",
        "VersionDescription": "why",
        "LaunchTemplateData": {"InstanceType": "r5.large"},
    }
    ec2.add_response("create_launch_template_version", made, expected)

    assert hook.create_version(TemplateVersion(TEMPLATE, 7), NewVersion({"InstanceType": "r5.large"}), "why") == 8


def test_a_version_that_takes_something_away_names_no_source(hook, ec2):
    made = {"LaunchTemplateVersion": {"LaunchTemplateId": TEMPLATE, "VersionNumber": 8}}
    expected = {"LaunchTemplateId": TEMPLATE, "VersionDescription": "why", "LaunchTemplateData": {"KeyName": "ops"}}
    ec2.add_response("create_launch_template_version", made, expected)

    assert hook.create_version(TemplateVersion(TEMPLATE, 7), NewVersion({"KeyName": "ops"}, is_whole=True), "why") == 8


def test_a_default_that_ec2_does_not_confirm_is_no_success(hook, ec2):
    expected = {"LaunchTemplateId": TEMPLATE, "DefaultVersion": "8"}
    ec2.add_response("modify_launch_template", {"LaunchTemplate": {"DefaultVersionNumber": 8}}, expected)
    ec2.add_response("modify_launch_template", {"LaunchTemplate": {"DefaultVersionNumber": 7}}, expected)

    hook.make_default(TEMPLATE, 8)
    with pytest.raises(ServiceUnavailable) as caught:
        hook.make_default(TEMPLATE, 8)

    assert str(caught.value) == (
        f"ec2:ModifyLaunchTemplate: NotApplied: version 8 of {TEMPLATE} was made the default, but EC2 still shows "
        "version 7"
    )


@pytest.mark.parametrize(
    "code",
    [
        "InvalidLaunchTemplateId.NotFound",
        "InvalidLaunchTemplateId.VersionNotFound",
        "InvalidLaunchTemplateId.Malformed",
    ],
)
def test_a_template_that_does_not_exist_is_none(hook, ec2, code):
    ec2.add_client_error("describe_launch_template_versions", code, "no", 400)

    assert hook.template_version(TEMPLATE) is None


def test_a_template_that_may_not_be_read_is_an_error(hook, ec2):
    ec2.add_client_error("describe_launch_template_versions", "UnauthorizedOperation", "no", 403)

    with pytest.raises(AccessDenied):
        hook.template_version(TEMPLATE)


def test_the_newest_version_with_a_description_is_found_on_any_page(hook, ec2):
    first = {"LaunchTemplateVersions": [a_version(3, "mine"), a_version(2, "theirs")], "NextToken": "more"}
    ec2.add_response("describe_launch_template_versions", first, {"LaunchTemplateId": TEMPLATE})
    second = {"LaunchTemplateVersions": [a_version(4, "mine"), a_version(1, "mine")]}
    expected = {"LaunchTemplateId": TEMPLATE, "NextToken": "more"}
    ec2.add_response("describe_launch_template_versions", second, expected)

    assert hook.described_version(TEMPLATE, "mine") == TemplateVersion(TEMPLATE, 4, {"KeyName": "ops"}, "mine")


def a_version(number, description):
    return {
        "LaunchTemplateId": TEMPLATE,
        "VersionNumber": number,
        "VersionDescription": description,
        "LaunchTemplateData": {"KeyName": "ops"},
    }


def test_nothing_is_asked_about_what_no_setting_refers_to(hook, ec2):
    assert hook.surroundings(NOTHING) == AccountAnswers()


def test_surroundings_are_asked_in_batches_by_filter(hook, ec2):
    ids = [f"subnet-{number:03d}" for number in range(250)]
    for batch in (ids[:200], ids[200:]):
        answer = {"Subnets": [{"SubnetId": subnet_id} for subnet_id in batch if subnet_id != "subnet-007"]}
        ec2.add_response("describe_subnets", answer, {"Filters": [{"Name": "subnet-id", "Values": batch}]})
    wanted = Lookups(tuple(ids), (), (), (), (), default_vpc=False)

    assert sorted(hook.surroundings(wanted).subnets) == [identifier for identifier in ids if identifier != "subnet-007"]


def test_zones_of_an_instance_type_come_from_all_pages(hook, ec2):
    asked = {
        "LocationType": "availability-zone",
        "Filters": [{"Name": "instance-type", "Values": ["m6i.large", "x9.huge"]}],
    }
    one = {"InstanceTypeOfferings": [{"InstanceType": "m6i.large", "Location": "us-west-2a"}], "NextToken": "more"}
    two = {"InstanceTypeOfferings": [{"InstanceType": "m6i.large", "Location": "us-west-2b"}]}
    ec2.add_response("describe_instance_type_offerings", one, asked)
    ec2.add_response("describe_instance_type_offerings", two, {**asked, "NextToken": "more"})

    zones = hook.surroundings(Lookups((), (), ("m6i.large", "x9.huge"), (), (), default_vpc=False)).zones

    assert zones == {"m6i.large": {"us-west-2a", "us-west-2b"}, "x9.huge": frozenset()}


def test_a_profile_is_there_or_not_or_hidden(hook):
    with Stubber(hook._beside("iam")) as iam:
        profile = {
            "Path": "/",
            "InstanceProfileName": "shop-db",
            "InstanceProfileId": "AIPA0000000000000000",
            "Arn": "arn:aws:iam::111122223333:instance-profile/shop-db",
            "CreateDate": "2026-01-01T00:00:00Z",
            "Roles": [],
        }
        iam.add_response("get_instance_profile", {"InstanceProfile": profile}, {"InstanceProfileName": "shop-db"})
        iam.add_client_error("get_instance_profile", "NoSuchEntity", "no", 404)
        iam.add_client_error("get_instance_profile", "AccessDenied", "no", 403)
        wanted = Lookups((), (), (), ("shop-db", "nobody", "hidden"), (), default_vpc=False)

        assert hook.surroundings(wanted).profiles == {"shop-db": True, "nobody": False, "hidden": None}


def test_only_what_changes_is_sent_to_drs(hook, drs):
    expected = {"sourceServerID": SERVER, "copyTags": False, "licensing": {"osByol": True}}
    drs.add_response("update_launch_configuration", {"sourceServerID": SERVER, "copyTags": False}, expected)

    answer = hook.update_configuration(SERVER, {"copyTags": False, "licensing": {"osByol": True}})

    assert answer["copyTags"] is False


def test_a_server_that_a_job_holds_is_a_conflict(hook, drs):
    drs.add_client_error("update_launch_configuration", "ConflictException", "being processed by a Job", 409)

    with pytest.raises(Conflict):
        hook.update_configuration(SERVER, {"copyTags": False})


def test_one_instance_that_cannot_be_protected_does_not_keep_another_from_it(hook, ec2):
    ec2.add_client_error("modify_instance_attribute", "InvalidInstanceID.NotFound", "no", 400)

    refused = hook.protect(["i-00000000000000001"])

    assert str(refused["i-00000000000000001"]) == "ec2:ModifyInstanceAttribute: InvalidInstanceID.NotFound: no"
