"""The table of the kinds of steps, and what each kind says of itself."""

from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
from drs_provider.plan.step_kinds import STEP_KINDS, kind_of_task, step_kind, step_kinds

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", STEP_KINDS)
def test_a_kind_has_the_name_of_its_line_and_its_model_is_chosen_by_it(name):
    kind = step_kind(name)

    assert (kind.name, get_args(kind.model.model_fields["kind"].annotation)) == (name, (name,))


@pytest.mark.parametrize("name", STEP_KINDS)
def test_a_kind_is_known_by_the_class_of_its_task(name):
    assert kind_of_task(step_kind(name).task_name) == name


def test_a_task_of_another_class_has_no_kind():
    assert kind_of_task("WatchWave") is None


def test_no_two_kinds_share_a_title_or_the_class_of_their_tasks():
    for found in ([kind.title for kind in step_kinds()], [kind.task_name for kind in step_kinds()]):
        assert [name for name, times in Counter(found).items() if times > 1] == []


def test_a_kind_that_a_rehearsal_does_not_run_needs_nothing_there():
    assert [kind.name for kind in step_kinds() if kind.reaches_out and kind.needs] == []


@pytest.mark.parametrize("name", STEP_KINDS)
def test_the_pages_know_every_kind_and_what_it_calls(name):
    kind = step_kind(name)
    row = next(
        (line for line in (DOCS / "permissions.md").read_text().splitlines() if line.startswith(f"| `{name}` |")), ""
    )

    assert [action for action in kind.actions if f"`{action}`" not in row] == []
    assert f"| `{name}` |" in (DOCS / "plans.md").read_text()
    assert f"| `{name}` |" in (DOCS / "steps.md").read_text()
