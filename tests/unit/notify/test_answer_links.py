"""Whose answer links count."""

import pytest
from drs_provider.notify.answer_links import is_made, rule_of

SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


@pytest.mark.parametrize(
    ("environ", "simple", "fab"),
    [
        ({}, True, False),
        ({"DRS_ANSWER_LINKS": ""}, True, False),
        ({"DRS_ANSWER_LINKS": "users"}, True, False),
        ({"DRS_ANSWER_LINKS": "plan"}, True, True),
        ({"DRS_ANSWER_LINKS": "off"}, False, False),
        ({"DRS_ANSWER_LINKS": "true"}, False, False),
    ],
)
def test_links_are_made_where_the_rule_lets_them_count(environ, simple, fab):
    assert (is_made(rule_of(environ), SIMPLE), is_made(rule_of(environ), FAB)) == (simple, fab)


def test_a_rule_that_nobody_knows_is_said_and_no_link_counts(caplog):
    assert rule_of({"DRS_ANSWER_LINKS": "Plan"}) == "off"
    assert caplog.messages == [
        "DRS_ANSWER_LINKS is 'Plan': write users, plan or off. No answer links are made or taken"
    ]
