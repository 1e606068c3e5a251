"""Which source servers a plan's select means."""

import pytest
from drs_provider.rules.run.roster import matches
from hypothesis import given
from hypothesis import strategies as st

TAGS = {"App": "shop", "Tier": "db", "Dr": "excluded"}
words = st.text(max_size=8)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        pytest.param({"tags": {"App": "shop"}}, True, id="one key"),
        pytest.param({"tags": {"App": "shop", "Tier": ["cache", "db"]}}, True, id="any of a list"),
        pytest.param({"tags": {"App": "shop", "Tier": "web"}}, False, id="every key must match"),
        pytest.param({"tags": {"App": "shop", "Zone": "*"}}, False, id="a missing key never matches"),
        pytest.param({"tags": {"Tier": "*"}}, True, id="a wildcard matches all"),
        pytest.param({"tags": {"App": "s*p"}}, True, id="a wildcard anywhere"),
        pytest.param({"tags": {"App": "s?op"}}, False, id="a question mark is itself"),
        pytest.param({"tags": {"App": "[s]hop"}}, False, id="brackets are themselves"),
        pytest.param({"tags": {"App": "SHOP"}}, False, id="letters count"),
        pytest.param({"tags": {"App": "shop"}, "not": {"tags": {"Dr": "excluded"}}}, False, id="not"),
        pytest.param(
            {"tags": {"App": "shop"}, "not": {"tags": {"Dr": "excluded", "Tier": "web"}}}, True, id="not, as a whole"
        ),
        pytest.param({"tags": {}}, False, id="nothing asked, nothing selected"),
        pytest.param({"not": {"tags": {"Dr": "no"}}}, False, id="only not selects nothing"),
    ],
)
def test_a_selection_means_what_it_says(selection, expected):
    assert matches(TAGS, selection) is expected


@given(words, words, words)
def test_a_star_stands_for_anything_in_between(before, between, after):
    assert matches({"k": before + between + after}, {"tags": {"k": f"{before}*{after}"}})


@given(words.filter(lambda text: "*" not in text), words)
def test_without_a_star_only_the_value_itself_matches(pattern, value):
    assert matches({"k": value}, {"tags": {"k": pattern}}) == (pattern == value)
