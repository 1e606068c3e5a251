"""Every YAML block in ``docs/plans.md`` is a plan that runs, and the page names every field."""

import re
from pathlib import Path

import pytest
from drs_provider.plan.loader import read_folder
from drs_provider.plan.model import EVENTS, ProtectionGroup, RecoveryPlan
from drs_provider.plan.step_kinds import STEP_KINDS, step_kinds
from drs_provider.plan.templates import NAMES, SERVER_FACTS

PAGE = Path(__file__).parents[2] / "docs" / "plans.md"
TEXT = PAGE.read_text()
BLOCKS = [
    pytest.param(match[1], id=f"plans.md:{TEXT.count(chr(10), 0, match.start()) + 1}")
    for match in re.finditer(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize("text", BLOCKS)
def test_a_block_is_a_plan_that_runs(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text)

    assert read_folder(tmp_path).problems == ()


def test_the_blocks_are_found():
    assert len(BLOCKS) == TEXT.count("```yaml") >= 4


def test_the_plans_on_the_page_of_steps_run(tmp_path):
    blocks = re.findall(r"^```yaml\n(.*?)^```$", (PAGE.parent / "steps.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "x.yaml").write_text("---\n".join(blocks))

    library = read_folder(tmp_path)

    assert library.problems == ()
    plans = [found.plan for found in library.plans.values()]
    places = [*plans, *(wave for plan in plans for wave in plan.waves)]
    assert {step.kind for place in places for step in (*place.before, *place.after)} == set(STEP_KINDS)


@pytest.mark.parametrize("model", [ProtectionGroup, RecoveryPlan, *(kind.model for kind in step_kinds())])
def test_every_field_is_on_the_page(model):
    missing = [
        field.alias or name for name, field in model.model_fields.items() if f"{field.alias or name}" not in TEXT
    ]

    assert missing == []


def test_every_name_of_templates_is_on_the_page():
    facts = [f"server('db1').{fact}" for fact in SERVER_FACTS]

    assert [name for name in (*NAMES, *facts) if f"`{{{{ {name} }}}}`" not in TEXT] == []


def test_every_event_is_on_the_page():
    assert [event for event in EVENTS if event not in TEXT] == []
