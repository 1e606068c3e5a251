"""A fixed part of the campaign of combinations (``make combinations``): each of these met a fault once, or nearly."""

import pytest

from benchmarks.combinations.run import PLAIN, campaign

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

FIXED = (
    {"waves": "chain", "action": "takeover", "moment": "launched", "launch": "drill_launch", "layout": "two_accounts"},
    {"mode": "recovery", "action": "second_run", "moment": "ended", "told": "replace_drills"},
    {"mode": "recovery", "when": "ahead", "waves": "chain", "cloud": "no_start", "launch": "fallback"},
)


def test_every_rule_holds_where_features_meet():
    rows = [(number, {**PLAIN, **given}) for number, given in enumerate(FIXED)]

    judged = sorted(campaign(rows), key=lambda each: each.number)

    assert [(each.number, list(each.problems)) for each in judged] == [(number, []) for number in range(len(FIXED))]
    assert all(each.launched for each in judged)
    assert [each.acted for each in judged] == [True, True, False]
