"""Whether DRS would launch into an instance that is there already, and what is said of it."""

import pytest
from drs_provider.rules.launch.existing_instance import ExistingInstance, existing_findings, existing_instance
from drs_provider.rules.purpose import DRILL, RECOVERY

INTO = {"launchIntoInstanceProperties": {"launchIntoEC2InstanceID": "i-named"}}


def a_source(*, instance="i-source", origin="us-west-2", **more):
    return {
        "sourceServerID": "s-1",
        "sourceProperties": {"identificationHints": {"hostname": "sql1", "awsInstanceID": instance}},
        "sourceCloudProperties": {"originRegion": origin} if origin else {},
        **more,
    }


@pytest.mark.parametrize(
    ("source", "configuration", "default", "found"),
    [
        pytest.param(a_source(), {}, False, None, id="a new instance"),
        pytest.param(a_source(), {"launchIntoInstanceProperties": {}}, False, None, id="an empty setting"),
        pytest.param(a_source(), INTO, False, ("i-named", "server"), id="the server's own setting"),
        pytest.param(a_source(), INTO, True, ("i-named", "server"), id="the server's setting before the account's"),
        pytest.param(None, INTO, False, ("i-named", "server"), id="a setting of a server that is not described"),
        pytest.param(a_source(), {}, True, ("i-source", "account"), id="the account's default, in the same Region"),
        pytest.param(a_source(origin=None), {}, True, ("i-source", "account"), id="an origin that nobody tells"),
        pytest.param(a_source(origin="us-east-1"), {}, True, None, id="a source in another Region"),
        pytest.param(a_source(instance=None, origin=None), {}, True, None, id="a source outside of AWS"),
        pytest.param(
            a_source(origin="us-east-1", replicationDirection="FAILBACK"), {}, True, ("", "account"), id="a failback"
        ),
    ],
)
def test_what_a_launch_would_take_over(source, configuration, default, found):
    expected = ExistingInstance(*found) if found else None

    assert existing_instance(source, configuration, default=default, region="us-west-2") == expected


def said(purpose, found, instance=None):
    return [
        f"{finding.severity}: {finding}" for finding in existing_findings("s-1", a_source(), found, instance, purpose)
    ]


def an_instance(state="stopped", **tags):
    return {"State": {"Name": state}, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


NAMED, SOURCE = ExistingInstance("i-named", "server"), ExistingInstance("i-source", "account")
TAGGED = {"AWSDRS": "AllowLaunchingIntoThisInstance"}


@pytest.mark.parametrize("instance", [None, an_instance(**TAGGED), an_instance("running")])
def test_a_drill_is_refused_whatever_the_instance_is_like(instance):
    assert said(DRILL, NAMED, instance) == [
        (
            "refusal: sql1 (s-1): DRS would launch it into the existing instance i-named instead of a new "
            "one (its launch "
            "settings say so, launchIntoEC2InstanceID); a drill launches new instances only: clear 'launch "
            "into instance' "
            "in the server's launch settings in DRS, or leave the server out"
        )
    ]
    assert said(DRILL, SOURCE, instance) == [
        (
            "refusal: sql1 (s-1): DRS would launch it into its source instance i-source instead of a new one (the "
            "account's launch configuration template says so, launchIntoSourceInstance); a drill launches "
            "new instances "
            "only: switch launchIntoSourceInstance off in the account's default launch settings in DRS, or leave the "
            "server out"
        )
    ]


WARNED = (
    "warning: sql1 (s-1): DRS would launch it into the existing instance i-named instead of a new one (its launch "
    "settings say so, launchIntoEC2InstanceID); see that nobody needs what is on it: DRS replaces its disks"
)


@pytest.mark.parametrize(
    ("instance", "more"),
    [
        pytest.param(an_instance(**TAGGED), [], id="as DRS wants it"),
        pytest.param(
            None,
            [
                (
                    "warning: sql1 (s-1): the existing instance i-named does not exist in this account and "
                    "Region, so its "
                    "launch will fail; clear 'launch into instance' in the server's launch settings in DRS"
                )
            ],
            id="not there",
        ),
        pytest.param(
            an_instance("running", AWSDRS="no"),
            [
                (
                    "warning: sql1 (s-1): the existing instance i-named is running, and DRS launches into a "
                    "stopped one "
                    "only; stop it before its wave"
                ),
                (
                    "warning: sql1 (s-1): the existing instance i-named lacks the tag "
                    "AWSDRS=AllowLaunchingIntoThisInstance, "
                    "without which DRS refuses to launch into it; tag it, or clear 'launch into instance' in "
                    "the server's "
                    "launch settings in DRS"
                ),
            ],
            id="running, without the tag",
        ),
    ],
)
def test_a_recovery_is_warned_of_what_drs_will_check(instance, more):
    assert said(RECOVERY, NAMED, instance) == [WARNED, *more]


def test_of_an_instance_that_only_drs_knows_nothing_is_checked():
    (finding,) = said(RECOVERY, ExistingInstance("", "account"))

    assert finding.startswith("warning: sql1 (s-1): DRS would launch it into its source instance instead of a new one")
