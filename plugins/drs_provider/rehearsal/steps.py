"""The steps of a plan in a rehearsal: which are run, which are only supposed to pass."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from drs_provider.plan.model import AnyStep, RecoveryPlan

RUN = frozenset({"wait", "approval"})
"""Kinds that a rehearsal runs. The others would reach out of the simulator, or need what only the real account has."""


@dataclass(frozen=True)
class PlannedStep:
    """A step where it stands: ``wave`` is None for the plan's own, ``place`` is ``before`` or ``after``."""

    wave: str | None
    place: str
    step: AnyStep

    @property
    def is_run(self) -> bool:
        """Whether a rehearsal runs it."""
        return self.step.kind in RUN

    def takes_place(self, mode: str) -> bool:
        """Whether a run of this mode has it."""
        return self.step.when in {mode, "always"}

    @property
    def where(self) -> str:
        """Name it for people: ``wave web: shop-answers``."""
        return f"{f'wave {self.wave}' if self.wave else 'plan'}: {self.step.name}"


def planned_steps(plan: RecoveryPlan) -> Iterator[PlannedStep]:
    """Yield all steps of a plan in their order: the plan's own, each wave's, the plan's own."""
    yield from (PlannedStep(None, "before", step) for step in plan.before)
    for wave in plan.waves:
        yield from (PlannedStep(wave.name, "before", step) for step in wave.before)
        yield from (PlannedStep(wave.name, "after", step) for step in wave.after)
    yield from (PlannedStep(None, "after", step) for step in plan.after)


def task_of(step: PlannedStep, task_ids: Collection[str], waves: Collection[str]) -> str | None:
    """Find the task of a step; None: the DAG has none."""
    return task_named(step.wave, step.place, step.step.name, task_ids, waves)


def task_named(
    wave: str | None, place: str, name: str, task_ids: Collection[str], waves: Collection[str]
) -> str | None:
    """Find the task of a step by the contract of names: a task with the step's name, in its wave's group.

    The plan's own steps stand in no wave's group; between several of one name the place in the id decides.
    """
    if wave is not None:
        return f"{wave}.{name}" if f"{wave}.{name}" in task_ids else None
    found = [task for task in sorted(task_ids) if task.split(".")[-1] == name and task.split(".")[0] not in waves]
    return next((task for task in found if place in task), found[0] if found else None)
