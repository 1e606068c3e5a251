"""Whose answer links count."""

import pytest
from drs_provider.notify.answer_links import is_made, rule_of

SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


@pytest.mark.parametrize(
    ("setting", "simple", "fab"),
    [
        ("", True, False),
        ("users", True, False),
        ("plan", True, True),
        ("off", False, False),
        ("true", False, False),
    ],
)
def test_links_are_made_where_the_rule_lets_them_count(setting, simple, fab):
    assert (is_made(rule_of(setting), SIMPLE), is_made(rule_of(setting), FAB)) == (simple, fab)


def test_a_rule_that_nobody_knows_is_said_and_no_link_counts(caplog):
    assert rule_of("Plan") == "off"
    assert caplog.messages == [
        "DRS_ANSWER_LINKS is 'Plan': write users, plan or off. No answer links are made or taken"
    ]
