"""The page about the report names everything that a report can say."""

import re
from pathlib import Path
from typing import get_args

import pytest
from drs_provider.report.result import ObjectiveOutcome, Outcome, RunReport

PAGE = (Path(__file__).parents[3] / "docs" / "report.md").read_text()
WORDS = set(re.findall(r"`([a-z_]+)`", PAGE))


@pytest.mark.parametrize("words", [RunReport.model_fields, get_args(Outcome), get_args(ObjectiveOutcome)])
def test_every_field_and_every_outcome_stands_on_the_page(words):
    assert [word for word in words if word not in WORDS | {"met", "missed"}] == []


def test_every_field_that_the_shell_examples_ask_for_exists():
    asked = re.findall(r"jq .*?'\.([a-z_]+)", PAGE)

    assert asked == ["verdict", "failures", "objectives"]
    assert set(asked) <= set(RunReport.model_fields)
