"""What becomes of a task, by its trigger rule: as Airflow 3.3 does it."""

import pytest
from airflow.sdk import TriggerRule
from drs_provider.rehearsal.engine.rules import RULES, say
from hypothesis import given
from hypothesis import strategies as st

GOOD, BAD, LOST, SKIPPED = "success", "failed", "upstream_failed", "skipped"
STATES = st.sampled_from([GOOD, BAD, LOST, SKIPPED, None, "running", "deferred", "up_for_retry", "awaiting_input"])


def test_every_rule_of_airflow_is_known():
    assert set(RULES) == {rule.value for rule in TriggerRule}


@pytest.mark.parametrize(
    ("rule", "states", "said"),
    [
        ("all_success", [], "run"),
        ("all_success", [GOOD, GOOD], "run"),
        ("all_success", [GOOD, None], "wait"),
        ("all_success", [BAD, None], "upstream_failed"),
        ("all_success", [SKIPPED, "running"], "skipped"),
        ("all_success", [SKIPPED, LOST], "upstream_failed"),
        ("none_failed", [SKIPPED, GOOD], "run"),
        ("none_failed", [SKIPPED, SKIPPED], "run"),
        ("none_failed", [LOST, None], "upstream_failed"),
        ("none_failed", [GOOD, "deferred"], "wait"),
        ("none_failed_min_one_success", [SKIPPED, SKIPPED], "skipped"),
        ("none_failed_min_one_success", [SKIPPED, GOOD], "run"),
        ("none_failed_min_one_success", [SKIPPED, None], "wait"),
        ("all_done", [BAD, SKIPPED, LOST, GOOD], "run"),
        ("all_done", [BAD, "up_for_retry"], "wait"),
        ("all_done_setup_success", [BAD], "run"),
        ("one_success", [None, GOOD], "run"),
        ("one_success", [BAD, SKIPPED], "upstream_failed"),
        ("one_success", [SKIPPED, SKIPPED], "skipped"),
        ("one_failed", [None, LOST], "run"),
        ("one_failed", [GOOD, GOOD], "skipped"),
        ("one_done", [SKIPPED, None], "wait"),
        ("one_done", [SKIPPED, BAD], "run"),
        ("all_failed", [BAD, LOST], "run"),
        ("all_failed", [BAD, GOOD], "skipped"),
        ("all_skipped", [SKIPPED, SKIPPED], "run"),
        ("none_skipped", [GOOD, BAD], "run"),
        ("none_skipped", [SKIPPED, None], "skipped"),
        ("all_done_min_one_success", [BAD, GOOD], "run"),
        ("all_done_min_one_success", [BAD, SKIPPED], "upstream_failed"),
        ("always", [None], "run"),
    ],
)
def test_rules(rule, states, said):
    assert say(rule, states) == said


@given(st.sampled_from(sorted(RULES)), st.lists(STATES, min_size=1))
def test_nothing_waits_for_tasks_that_have_all_ended(rule, states):
    over = [GOOD if state not in (GOOD, BAD, LOST, SKIPPED) else state for state in states]
    assert say(rule, over) != "wait"


@given(st.sampled_from(sorted(RULES)), st.lists(STATES, min_size=1), st.data())
def test_what_is_said_once_stays(rule, states, data):
    """A task that was ended or started early would be so, too, however the others end."""
    first = say(rule, states)
    if first != "wait":
        over = [
            state if state in (GOOD, BAD, LOST, SKIPPED) else data.draw(st.sampled_from([GOOD, SKIPPED]))
            for state in states
        ]
        assert say(rule, over) == first
