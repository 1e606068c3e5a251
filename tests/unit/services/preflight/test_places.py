"""Asking accounts and Regions side by side: nobody waits for a silent one."""

import threading
from datetime import timedelta

import pytest
from drs_provider.exceptions import AccessDenied, NotFound, ServiceUnavailable
from drs_provider.rules.run.roster import Target
from drs_provider.services.preflight.places import ask_side_by_side

HERE, THERE, AWAY = Target("aws_default", "us-west-2"), Target("aws_there", "eu-central-1"), Target("away", "sa-east-1")
MINUTE = timedelta(minutes=1)
REFUSED = AccessDenied("DescribeSourceServers", "AccessDeniedException", "no")


def test_all_are_asked_at_the_same_time():
    everybody = threading.Barrier(3, timeout=30)

    answers = ask_side_by_side({HERE: 1, THERE: 2, AWAY: 3}, lambda _, hook: (everybody.wait(), hook)[1], within=MINUTE)

    assert (answers.found, answers.refused) == ({HERE: 1, THERE: 2, AWAY: 3}, {})


def test_a_refusal_is_kept_beside_the_answers_of_the_others_in_the_order_of_the_plan():
    def ask(target, _):
        if target == THERE:
            raise REFUSED
        return str(target)

    answers = ask_side_by_side({AWAY: None, THERE: None, HERE: None}, ask, within=MINUTE)

    assert list(answers.found.items()) == [(AWAY, str(AWAY)), (HERE, str(HERE))]
    assert answers.refused == {THERE: REFUSED}


def test_what_does_not_answer_in_time_is_named_and_left_behind():
    release = threading.Event()

    def ask(target, _):
        if target == THERE:
            release.wait(30)
        return "answer"

    try:
        answers = ask_side_by_side({HERE: None, THERE: None}, ask, within=timedelta(milliseconds=100))
    finally:
        release.set()

    assert answers.found == {HERE: "answer"}
    (silent,) = answers.refused.values()
    assert (type(silent), str(silent), silent.retryable) == (
        ServiceUnavailable,
        "preflight: NoAnswer: no answer within 100 ms",
        True,
    )


def test_a_single_one_without_a_limit_needs_no_thread():
    answers = ask_side_by_side({HERE: None}, lambda *_: threading.current_thread().name, within=None)

    assert answers.found == {HERE: threading.current_thread().name}


@pytest.mark.parametrize("targets", [[HERE], [HERE, THERE]])
def test_what_is_no_answer_of_aws_is_nobodys_loss(targets):
    def ask(*_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask_side_by_side(dict.fromkeys(targets), ask, within=MINUTE)


def test_one_account_that_is_not_there_says_so():
    def ask(*_):
        raise NotFound("Airflow's connections", "NotFound", "there is none called away")

    assert [str(error) for error in ask_side_by_side({AWAY: None}, ask, within=MINUTE).refused.values()] == [
        "Airflow's connections: NotFound: there is none called away"
    ]
