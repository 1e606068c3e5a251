"""Every YAML block in ``docs/plans.md`` is a plan that runs, or one that is refused for exactly what is not built."""

import re
from pathlib import Path

import pytest
from drs_provider.dag.steps import TASK_FOR
from drs_provider.plan.model import EVENTS, ProtectionGroup, RecoveryPlan
from drs_provider.plan.reading import read_folder
from drs_provider.plan.steps import Step
from drs_provider.plan.templates import NAMES, SERVER_FACTS
from drs_provider.plan.unsupported import UNSUPPORTED

PAGE = Path(__file__).parents[2] / "docs" / "plans.md"
TEXT = PAGE.read_text()
BLOCKS = [
    pytest.param(match[1].strip(), match[2], id=f"plans.md:{TEXT.count(chr(10), 0, match.start()) + 1}")
    for match in re.finditer(r"^```yaml([^\n]*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize(("mark", "text"), BLOCKS)
def test_a_block_is_valid(tmp_path, mark, text):
    (tmp_path / "x.yaml").write_text(text)

    assert read_folder(tmp_path, unsupported=()).problems == ()
    assert bool(read_folder(tmp_path).problems) == (mark == "not-yet")


def test_the_blocks_are_found():
    assert [block.values[0] for block in BLOCKS] == ["", "", "", "", ""]


def test_every_unsupported_part_is_shown_in_the_block_of_those(tmp_path):
    (tmp_path / "x.yaml").write_text(BLOCKS[-1].values[1])
    said = " ".join(problem.what for problem in read_folder(tmp_path).problems)
    said = said.replace("waves.database.", "waves.*.").replace("servers.s-0123456789abcdef5.", "servers.*.")

    assert [row.path for row in UNSUPPORTED if f"{row.path} " not in said] == []


def test_the_plan_on_the_page_of_steps_runs(tmp_path):
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", (PAGE.parent / "steps.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "x.yaml").write_text(block)

    library = read_folder(tmp_path)

    assert library.problems == ()
    plan = library.plans["shop"].plan
    kinds = {step.kind for wave in plan.waves for step in (*wave.before, *wave.after)}
    assert kinds | {step.kind for step in (*plan.before, *plan.after)} == set(TASK_FOR)


@pytest.mark.parametrize("model", [ProtectionGroup, RecoveryPlan, *Step.__subclasses__()])
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
