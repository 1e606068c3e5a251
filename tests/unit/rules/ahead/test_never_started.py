"""Whether a prepared instance was ever started: what is not proven speaks against replacing it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.ahead.never_started import PreparedInstance, kept_words, why_it_may_have_run
from drs_provider.rules.ahead.next_start import StartTry
from drs_provider.rules.launch.tags import RUN, TAKER
from hypothesis import given
from hypothesis import strategies as st

ENDED = datetime(2026, 11, 30, 12, 9, 5, 400000, tzinfo=UTC)
RUN_KEY, OTHER = "a" * 32, "b" * 32
REFUSED = StartTry(ENDED + timedelta(minutes=1), "no machine", is_capacity=True)
JOB = {"jobID": "drsjob-1", "status": "COMPLETED", "endDateTime": "2026-11-30T12:09:05.400000+00:00"}


def stopped_at(text):
    return f"User initiated ({text} GMT)"


EC2 = {
    "State": {"Name": "stopped"},
    "LaunchTime": ENDED - timedelta(minutes=1),
    "StateTransitionReason": stopped_at("2026-11-30 12:09:03"),
}
PROVEN = PreparedInstance(
    "i-1",
    shown={"jobID": "drsjob-1", "ec2InstanceState": "STOPPED"},
    job={**JOB, "tags": {RUN: RUN_KEY}},
    ec2=EC2,
    starts=(REFUSED,),
)


def why(found, *, continues=None):
    return why_it_may_have_run(found, run=RUN_KEY, continues=continues)


def with_job(**more):
    return replace(PROVEN, job={**PROVEN.job, **more})


def with_ec2(**more):
    return replace(PROVEN, ec2={**EC2, **more})


def shown_as(**more):
    return replace(PROVEN, shown={**PROVEN.shown, **more})


NOT_OURS = "the tags of drsjob-1, which launched i-1, do not say that it is of this run"
OF_ANOTHER = "drsjob-1 launched i-1 for the run that this one goes on with, which may start it"
FORGOTTEN = "DRS no longer knows drsjob-1, which launched i-1"
NO_END = "DRS does not say when drsjob-1 ended, which launched i-1"
HAD_ENDED = "and drsjob-1, which launched it, had ended at 2026-11-30T12:09:05+00:00"
LATE_START = f"EC2 says that i-1 was started at 2026-11-30T12:09:06+00:00, {HAD_ENDED}"
LATE_STOP = f"EC2 says that i-1 was stopped at 2026-11-30T12:09:07+00:00, {HAD_ENDED}"
NO_STOP = "EC2 does not say when i-1 was stopped"

REFUSALS = {
    "not shown": (replace(PROVEN, shown=None), "DRS does not show i-1"),
    "of no job": (shown_as(jobID=None), "DRS does not say which job launched i-1"),
    "job forgotten": (replace(PROVEN, job=None), FORGOTTEN),
    "of another job": (with_job(jobID="drsjob-2"), FORGOTTEN),
    "of another run": (with_job(tags={RUN: OTHER}), NOT_OURS),
    "without tags": (with_job(tags=None), NOT_OURS),
    "another run goes on": (with_job(tags={RUN: RUN_KEY, TAKER: OTHER}), NOT_OURS),
    "DRS: running": (shown_as(ec2InstanceState="RUNNING"), "DRS calls i-1 RUNNING"),
    "DRS: without a word": (shown_as(ec2InstanceState=None), "DRS calls i-1 None"),
    "not in EC2": (replace(PROVEN, ec2=None), "EC2 does not show i-1"),
    "EC2: pending": (with_ec2(State={"Name": "pending"}), "EC2 calls i-1 pending"),
    "EC2: stopping": (with_ec2(State={"Name": "stopping"}), "EC2 calls i-1 stopping"),
    "started by us": (
        replace(PROVEN, starts=(StartTry(ENDED + timedelta(seconds=9)), REFUSED)),
        "this run has started i-1 at 2026-11-30T12:09:14+00:00",
    ),
    "never tried": (replace(PROVEN, starts=()), "this run has not tried to start i-1"),
    "job runs": (with_job(status="STARTED"), NO_END),
    "job without end": (with_job(endDateTime=None), NO_END),
    "without LaunchTime": (with_ec2(LaunchTime=None), "EC2 does not say when i-1 was last started"),
    "started by somebody": (with_ec2(LaunchTime=ENDED.replace(second=6, microsecond=0)), LATE_START),
    "started within the second": (with_ec2(StateTransitionReason=stopped_at("2026-11-30 12:09:07")), LATE_STOP),
    "without a stop": (with_ec2(StateTransitionReason=""), NO_STOP),
    "stopped by EC2": (with_ec2(StateTransitionReason="Server.InsufficientInstanceCapacity: none"), NO_STOP),
}


@pytest.mark.parametrize(("found", "said"), REFUSALS.values(), ids=list(REFUSALS))
def test_what_is_not_proven_speaks_against_it(found, said):
    assert why(found) == said


def test_one_of_this_run_that_nobody_has_started_is_proven():
    assert why(PROVEN) is None
    assert why(with_ec2(LaunchTime="2026-11-30T12:08:05+00:00")) is None


def test_a_run_that_goes_on_with_another_replaces_only_what_it_has_launched_itself():
    assert why(with_job(tags={RUN: OTHER}), continues=OTHER) == OF_ANOTHER
    assert why(with_job(tags={RUN: OTHER, TAKER: RUN_KEY}), continues=OTHER) is None
    assert why(with_job(tags={RUN: RUN_KEY}), continues=OTHER) == NOT_OURS
    assert why(with_job(tags={RUN: OTHER, TAKER: RUN_KEY})) == NOT_OURS


@given(st.integers(0, 7200), st.integers(2, 7200))
def test_whenever_somebody_has_started_it_since_it_is_not_replaced(after, ran):
    """Whole seconds are what EC2 tells; nobody starts and stops an instance within one."""
    start = ENDED + timedelta(seconds=after)
    stop = start + timedelta(seconds=ran)
    found = with_ec2(
        LaunchTime=start.replace(microsecond=0), StateTransitionReason=stopped_at(f"{stop:%Y-%m-%d %H:%M:%S}")
    )

    assert why(found) is not None


def test_people_read_what_would_be_terminated_and_what_is_not_proven():
    assert kept_words("i-1", NO_STOP) == (
        "It is not launched again, which would terminate i-1, and that it never ran is not proven: EC2 does not say "
        "when i-1 was stopped"
    )
