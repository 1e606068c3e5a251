"""What proves that a launch created an instance, and what is kept because nothing does."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.cleanup.proof import CLOCKS_DIFFER, created_at, creation_proof
from hypothesis import given
from hypothesis import strategies as st

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)
JOB = {"jobID": "drsjob-1", "creationDateTime": BEGAN.isoformat()}
LAUNCHED = {"AWSElasticDisasterRecoverySourceServerID": "s-1"}
ALLOWS = {"AWSDRS": "AllowLaunchingIntoThisInstance"}
HOUR = timedelta(hours=1)


def an_instance(*, launched=None, attached=None, second=None, tags=None):
    interfaces = [
        {"Attachment": {"DeviceIndex": index, "AttachTime": at}} for index, at in ((0, attached), (1, second)) if at
    ]
    return {
        "InstanceId": "i-1",
        "NetworkInterfaces": interfaces,
        "Tags": [{"Key": key, "Value": value} for key, value in (tags or {}).items()],
        **({"LaunchTime": launched} if launched else {}),
    }


@pytest.mark.parametrize(
    ("instance", "job", "into", "proven", "words"),
    [
        pytest.param(
            an_instance(launched=BEGAN + HOUR, attached=BEGAN + HOUR),
            JOB,
            (),
            True,
            "EC2 created it at 2026-01-01 13:00:00 UTC, and its job began at 2026-01-01 12:00:00 UTC",
            id="created after its job began",
        ),
        pytest.param(
            an_instance(launched=BEGAN + HOUR, attached=BEGAN - HOUR),
            JOB,
            (),
            False,
            "it was there before the launch: EC2 created it at 2026-01-01 11:00:00 UTC, and its job began at "
            "2026-01-01 "
            "12:00:00 UTC",
            id="started after its job began, but made before",
        ),
        pytest.param(
            an_instance(launched=BEGAN - HOUR),
            JOB,
            (),
            False,
            "it was there before the launch: EC2 created it at 2026-01-01 11:00:00 UTC, and its job began at "
            "2026-01-01 "
            "12:00:00 UTC",
            id="made before its job began",
        ),
        pytest.param(
            an_instance(launched=BEGAN + HOUR, attached=BEGAN + HOUR),
            JOB,
            ("i-1",),
            False,
            "the server's launch settings name it as the existing instance to launch into",
            id="named by the launch settings",
        ),
        pytest.param(
            an_instance(launched=BEGAN + HOUR, tags=ALLOWS),
            JOB,
            (),
            False,
            "its tag AWSDRS=AllowLaunchingIntoThisInstance says that it is there to be launched into",
            id="tagged to be launched into, and started after the job began",
        ),
        pytest.param(
            an_instance(launched=BEGAN + HOUR, attached=BEGAN + HOUR, tags=ALLOWS),
            JOB,
            (),
            True,
            "EC2 created it at 2026-01-01 13:00:00 UTC, and its job began at 2026-01-01 12:00:00 UTC",
            id="the tag was copied from the source server",
        ),
        pytest.param(
            an_instance(launched=BEGAN + HOUR, attached=None, second=BEGAN + 2 * HOUR, tags=ALLOWS),
            JOB,
            (),
            False,
            "its tag AWSDRS=AllowLaunchingIntoThisInstance says that it is there to be launched into",
            id="a second interface proves nothing",
        ),
        pytest.param(
            an_instance(launched=BEGAN + HOUR, tags=LAUNCHED),
            None,
            (),
            True,
            "DRS has tagged it as launched for s-1",
            id="a job that DRS has forgotten, an instance that it has tagged",
        ),
        pytest.param(
            an_instance(launched=BEGAN + HOUR),
            None,
            (),
            False,
            "nothing proves that a launch created it: DRS does not know its job any more",
            id="a job that DRS has forgotten, an instance of anybody",
        ),
        pytest.param(
            an_instance(launched=BEGAN + HOUR, tags={**LAUNCHED, **ALLOWS}),
            None,
            (),
            False,
            "its tag AWSDRS=AllowLaunchingIntoThisInstance says that it is there to be launched into",
            id="a job that DRS has forgotten, an instance to be launched into",
        ),
        pytest.param(
            an_instance(),
            JOB,
            (),
            False,
            "nothing proves that a launch created it: DRS does not know its job any more",
            id="EC2 says nothing",
        ),
    ],
)
def test_what_is_terminated_was_created_by_its_launch(instance, job, into, proven, words):
    proof = creation_proof("s-1", instance, job=job, into=into)

    assert (proof.is_proven, proof.words) == (proven, words)


INSTANTS = st.datetimes(datetime(2025, 12, 31), datetime(2026, 1, 2), timezones=st.just(UTC))


@given(
    launched=st.none() | INSTANTS,
    attached=st.none() | INSTANTS,
    tags=st.sampled_from([{}, ALLOWS, LAUNCHED, {**ALLOWS, **LAUNCHED}]),
    into=st.sampled_from([(), ("i-1",), ("i-2",)]),
)
def test_nothing_that_was_there_before_or_is_named_is_ever_proven(launched, attached, tags, into):
    instance = an_instance(launched=launched, attached=attached, tags=tags)

    proof = creation_proof("s-1", instance, job=JOB, into=into)

    made = created_at(instance)
    assert not (proof.is_proven and "i-1" in into)
    assert not (proof.is_proven and made is not None and made < BEGAN - CLOCKS_DIFFER)
    if proof.is_proven and "AWSDRS" in tags:
        assert attached is not None
        assert attached >= BEGAN - CLOCKS_DIFFER
