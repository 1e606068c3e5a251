"""Whose answer counts, and that only recorded answers of enough people let a wave start."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.exceptions import RunRefused
from drs_provider.plan.model import Pause, Recovery
from drs_provider.rules.purpose import purpose_of
from drs_provider.rules.run.approvals import (
    Policy,
    eligible,
    ensure_answered,
    ensure_approved,
    is_needed,
    not_counted,
    policy_of,
    too_few,
)
from drs_provider.rules.run.handover import RecordedAnswer
from hypothesis import given
from hypothesis import strategies as st

TWO = Policy(2, ("ann", "bob", "cyd"), timedelta(minutes=30), always=True, four_eyes=True)
ANYONE = Policy(1, (), timedelta(minutes=30), always=False, four_eyes=False)
IDS = ("preflight.approval", "preflight.approval_2")
AT = datetime(2026, 11, 22, 5, tzinfo=UTC)


def yes(by, **changes):
    return RecordedAnswer(**{"chosen": "Approve", "by": by, "at": AT, "checked_at": AT} | changes)


def test_a_plan_says_who_is_asked():
    approval = {"required": 2, "approvers": ["ann", "bob", "cyd"]}

    assert policy_of(Recovery()) is None
    assert policy_of(Recovery.model_validate({"approval": approval, "max_lag": "1h"})) == TWO
    assert policy_of(Recovery.model_validate({"max_lag": "1h"})) == ANYONE


@pytest.mark.parametrize(
    ("policy", "mode", "too_old", "needed"),
    [
        (None, "recovery", ["db1"], False),
        (TWO, "drill", ["db1"], False),
        (TWO, "recovery", [], True),
        (ANYONE, "recovery", [], False),
        (ANYONE, "recovery", ["db1"], True),
        (ANYONE, "drill", ["db1"], False),
    ],
)
def test_a_drill_asks_nobody_and_max_lag_alone_asks_only_above_it(policy, mode, too_old, needed):
    assert is_needed(policy, purpose_of(mode), too_old=too_old) is needed


@pytest.mark.parametrize(
    ("who", "earlier", "said"),
    [
        ("bob", [], None),
        ("bob", ["cyd"], None),
        (None, [], "no person is recorded as having answered"),
        ("ann", [], "ann triggered this run: somebody else must approve it"),
        ("eve", [], "eve is not among the approvers: ann, bob, cyd"),
        ("bob", ["bob"], "bob has approved already: another person must"),
    ],
)
def test_whose_answer_counts(who, earlier, said):
    assert not_counted(who, TWO, triggered_by="ann", earlier=earlier) == said


def test_where_anyone_is_asked_the_one_who_triggered_may_answer():
    assert not_counted("ann", ANYONE, triggered_by="ann", earlier=[]) is None


def test_a_run_that_can_never_be_approved_is_told_before_anybody_is_asked():
    small = Policy(2, ("ann", "bob"), timedelta(minutes=30), always=True, four_eyes=True)

    assert too_few(small, triggered_by="eve") is None
    assert too_few(small, triggered_by="ann") == (
        "recovery.approval needs 2 of ann, bob, and ann, who triggered this run, does not count: 1 left; let somebody "
        "else trigger it"
    )


AGAIN = "Nothing was launched; clear {0} with everything downstream to ask again"


@pytest.mark.parametrize(
    ("first", "second", "task", "why"),
    [
        pytest.param(
            None,
            yes("bob"),
            IDS[0],
            "no answer is recorded (a task that is marked as successful approves nothing)",
            id="the first was marked as successful",
        ),
        pytest.param(
            yes("bob"),
            None,
            IDS[1],
            "no answer is recorded (a task that is marked as successful approves nothing)",
            id="the second was marked as successful",
        ),
        pytest.param(
            yes("bob", chosen="Reject"),
            yes("cyd"),
            IDS[0],
            "the recorded answer is 'Reject', given by bob",
            id="a rejection was marked as successful",
        ),
        pytest.param(
            yes(None, chosen=None, expired=True),
            yes("cyd"),
            IDS[0],
            "the recorded answer is None, given by None",
            id="an expiry was marked as successful",
        ),
        pytest.param(
            yes("bob"), yes("bob"), IDS[1], "bob has approved already: another person must", id="the same person twice"
        ),
        pytest.param(
            yes("ann"), yes("bob"), IDS[0], "ann triggered this run: somebody else must approve it", id="four eyes"
        ),
        pytest.param(
            yes("bob"),
            yes("cyd", checked_at=AT - timedelta(hours=1)),
            IDS[1],
            "what was approved is an earlier preflight, and preflight has run again since",
            id="preflight was cleared since",
        ),
    ],
)
def test_what_is_no_approval(first, second, task, why):
    with pytest.raises(RunRefused) as refused:
        ensure_approved(TWO, dict(zip(IDS, (first, second), strict=True)), triggered_by="ann", checked_at=AT)

    assert str(refused.value) == f"the recovery is not approved: {task}: {why}. {AGAIN.format(task)}"


def test_fewer_answers_than_required_are_no_approval():
    with pytest.raises(RunRefused) as refused:
        ensure_approved(TWO, {IDS[0]: yes("bob")}, triggered_by="ann", checked_at=AT)

    assert str(refused.value) == "the recovery is not approved: 1 of 2 approvals are recorded"


PEOPLE = st.sampled_from(["ann", "bob", "cyd", "eve", None])
ANSWERS = st.one_of(st.none(), st.builds(yes, PEOPLE, chosen=st.sampled_from(["Approve", "Reject", None])))


@given(ANSWERS, ANSWERS, PEOPLE)
def test_what_passes_was_approved_by_two_people_of_the_list_and_not_by_who_triggered(first, second, triggered_by):
    try:
        ensure_approved(TWO, dict(zip(IDS, (first, second), strict=True)), triggered_by=triggered_by, checked_at=AT)
    except RunRefused:
        return
    people = {first.by, second.by}
    assert (first.chosen, second.chosen) == ("Approve", "Approve")
    assert len(people) == 2
    assert people <= set(TWO.approvers) - {triggered_by}


FAIL = Pause.model_validate({"message": "Is it up?", "approvers": ["ann"]})
GO_ON = Pause.model_validate({"message": "Is it up?", "approvers": ["ann"], "on_timeout": "continue"})
EXPIRED = yes(None, chosen="Continue", expired=True)


@pytest.mark.parametrize(
    ("pause", "answer", "why"),
    [
        (FAIL, None, "no answer is recorded (a task that is marked as successful answers nothing)"),
        (FAIL, yes("ann", chosen="Stop"), "the recorded answer is 'Stop', given by ann"),
        (FAIL, EXPIRED, "no answer in time"),
        (FAIL, yes("bob", chosen="Continue"), "bob is not among the approvers: ann"),
    ],
)
def test_what_does_not_end_a_pause(pause, answer, why):
    with pytest.raises(RunRefused) as refused:
        ensure_answered(pause, "web.pause", answer)

    assert str(refused.value) == (
        f"the pause has not ended: web.pause: {why}. Nothing of this wave was launched; clear web.pause with "
        "everything downstream to ask again"
    )


@pytest.mark.parametrize(("pause", "answer"), [(FAIL, yes("ann", chosen="Continue")), (GO_ON, EXPIRED)])
def test_what_ends_a_pause(pause, answer):
    assert ensure_answered(pause, "web.pause", answer) is None


@pytest.mark.parametrize("who", ["Ann", "ann ", "A NN", "ann\u200b"])
def test_one_person_counts_once_whatever_the_spelling_of_the_name(who):
    anyone = Policy(2, (), timedelta(minutes=30), always=True, four_eyes=True)

    assert not_counted(who, anyone, triggered_by="ann", earlier=[]) == (
        f"{who} triggered this run: somebody else must approve it"
    )
    assert not_counted(who, anyone, triggered_by="eve", earlier=["ann"]) == (
        f"{who} has approved already: another person must"
    )
    with pytest.raises(RunRefused, match="has approved already: another person must"):
        ensure_approved(anyone, dict(zip(IDS, (yes("ann"), yes(who)), strict=True)), triggered_by="eve", checked_at=AT)


def test_approvers_who_are_one_person_are_asked_once():
    twice = Policy(2, ("ann", "Ann", "bob", "EVE"), timedelta(minutes=30), always=True, four_eyes=True)

    assert eligible(twice, triggered_by="eve") == ("ann", "bob")
    assert too_few(Policy(2, ("ann", "Ann"), timedelta(minutes=30), always=True, four_eyes=True), triggered_by="eve")


def test_a_run_from_the_command_line_is_refused_where_four_eyes_are_wanted():
    assert too_few(TWO, triggered_by="bob (command line)") == (
        "recovery.approval wants somebody else than who started the run to agree, and this run was started from "
        "Airflow's command line as 'bob', where anybody can give any name: start it in Airflow's pages, by its API or "
        "with drs run start, which ask for a sign-in"
    )
    assert too_few(ANYONE, triggered_by="bob (command line)") is None
