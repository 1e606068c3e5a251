"""How long the plans take that are steps of a rehearsed plan: an estimate from their waves, for they are not run."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from drs_provider.plan.loader import RunnablePlan, read_folder
from drs_provider.rehearsal.step_doubles import StepsTake
from drs_provider.rules.purpose import Purpose, purpose_of
from drs_provider.rules.run.shape import RunShape, StepShape, compile_shape
from drs_provider.rules.run.timing import finish_times


def with_plans(takes: StepsTake, shape: RunShape, folder: Path, mode: str) -> StepsTake:
    """Add how long the plans take that a plan runs; what a person has said of a step by its name stays.

    :param folder: the plans folder
    """
    steps = [step.step for step in shape.steps if step.step.runs_plan]
    if not steps:
        return takes
    plans, purpose = read_folder(folder).plans, purpose_of(mode)
    estimates = {step.name: plan_duration(str(step.runs_plan), plans, purpose) for step in steps}
    return StepsTake(takes.usual, {**estimates, **takes.named})


def plan_duration(name: str, plans: Mapping[str, RunnablePlan], purpose: Purpose) -> timedelta:
    """Estimate a run of a plan: its waves as ``drs graph`` counts them, the plans that it runs, how long it is kept.

    Nothing else is counted: no other step, no pause, no clean-up. A plan that nobody can read takes no time.
    """
    if name not in plans:
        return timedelta(0)
    shape = compile_shape(plans[name])

    def of_steps(steps: tuple[StepShape, ...]) -> timedelta:
        parts = (step.step.runs_plan for step in steps if purpose.takes_step(step.step))
        return sum((plan_duration(part, plans, purpose) for part in parts if part), timedelta(0))

    lengths = {wave.name: wave.duration + of_steps((*wave.before, *wave.after)) for wave in shape.waves}
    waves = max(finish_times(shape.depends_on, lengths).values())
    return waves + of_steps((*shape.before, *shape.after)) + purpose.keep_for(shape.plan)
