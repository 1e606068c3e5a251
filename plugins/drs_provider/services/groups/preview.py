"""What would become of the plans folder with one document written in another way: nothing is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from drs_provider.plan.edit.files import Definition
from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import ProtectionGroup
from drs_provider.plan.problems import Problem
from drs_provider.rules.outlook.plan_outlook import PlanOutlook, plan_outlook
from drs_provider.services.groups.catalog import GroupCatalog
from drs_provider.services.groups.save import PLANS, DocumentEditor, EditRefusedError


@dataclass(frozen=True)
class PlanPreview:
    """A plan as it would be.

    ``problems`` are those of the plan, with file and line as they would be, and new ones of others. ``outlook`` None:
    nobody can tell. ``why_not``: why the file cannot be changed so at all; empty: it can.
    """

    file: str
    diff: str
    problems: tuple[Problem, ...] = ()
    outlook: PlanOutlook | None = None
    why_not: str = ""


def preview_plan(folder: Path, definition: Definition, file: str | None, servers: Mapping[str, int]) -> PlanPreview:
    """Look at a plan before it is saved.

    :param file: where a new plan would go, below the plans folder; None: a file of its own
    :param servers: how many servers each group has now, where somebody knows
    """
    editor = DocumentEditor(folder, may_write=False, record=lambda _event, _line: None, kind=PLANS)
    try:
        name, path, diff, catalog, new = editor.look_at(definition, file)
    except EditRefusedError as error:
        return PlanPreview(file or "", "", error.problems, None, error.why)
    written = catalog.written_plans.get(name)
    problems = dict.fromkeys([*(written.problems if written else ()), *new])
    runnable = catalog.library.plans.get(name) or catalog.library.contested.get(name)
    return PlanPreview(path, diff, tuple(problems), _outlook(runnable, catalog, servers))


def outlook_of(name: str, catalog: GroupCatalog, servers: Mapping[str, int]) -> PlanOutlook | None:
    """Look ahead at a plan as it is written; None: something is wrong with it."""
    return _outlook(catalog.library.plans.get(name) or catalog.library.contested.get(name), catalog, servers)


def _outlook(runnable: RunnablePlan | None, catalog: GroupCatalog, servers: Mapping[str, int]) -> PlanOutlook | None:
    if runnable is None:
        return None
    groups: dict[str, ProtectionGroup] = {**catalog.models, **runnable.groups}
    named = {name: groups[name] for wave in runnable.plan.waves for name in wave.groups}
    return plan_outlook(runnable.plan, named, servers)
