"""Whether the plans that a plan runs as steps can run, as their files are now."""

from typing import TYPE_CHECKING

from drs_provider.plan.model import has_migrations
from drs_provider.rules.findings import Finding

if TYPE_CHECKING:
    from drs_provider.plan.loader import Library
    from drs_provider.rules.purpose import Purpose
    from drs_provider.rules.run.shape import RunShape


def part_findings(shape: "RunShape", purpose: "Purpose", library: "Library") -> tuple[Finding, ...]:
    """Find plans that have problems of their own: their steps would fail, so a drill is refused.

    A recovery is warned: everything else comes up, and the step can be cleared once the file is in order.
    """
    found = []
    for step in shape.steps:
        name = step.step.runs_plan
        if name and purpose.plans_step(step.step) and name not in library.plans:
            problems = [problem for path in library.broken_plans.get(name, ()) for problem in library.problems_of(path)]
            where = f": {problems[0].path}:{problems[0].line}" if problems else ""
            what = f"plan {name} has problems of its own and cannot run{where}"
            hint = "drs validate shows all of them"
            found.append(Finding(purpose.severity, step.where, step.where, what, hint, "plan_step"))
        elif name and purpose.quiesces and purpose.plans_step(step.step) and not _migrates(library, name):
            what = f"nothing stops the writes of plan {name} in a migration, and its run would be one"
            hint = "give it a step with when: migration in before that stops its writes"
            found.append(Finding("refusal", step.where, step.where, what, hint, "plan_step"))
    return tuple(found)


def _migrates(library: "Library", name: str) -> bool:
    runnable = library.plans.get(name)
    return runnable is not None and has_migrations(runnable.plan)
