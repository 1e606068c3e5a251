"""How long the plans take that are steps of a rehearsed plan: an estimate from their waves, for they are not run."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from drs_provider.plan.loader import RunnablePlan, read_folder
from drs_provider.plan.steps import Step
from drs_provider.rehearsal.step_doubles import StepsTake
from drs_provider.rules.purpose import Purpose, purpose_of
from drs_provider.rules.run.launch_times.loads import loads_of_plan, takes_what_it_says
from drs_provider.rules.run.launch_times.timetable import timetable
from drs_provider.rules.run.shape import RunShape, StepShape, compile_shape


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

    Nothing else is counted: no other step but waits, no pause, no clean-up. A plan that nobody can read takes no time.
    """
    if name not in plans:
        return timedelta(0)
    shape = replace(compile_shape(plans[name]), purpose=purpose)

    def takes(step: Step) -> timedelta:
        return plan_duration(step.runs_plan, plans, purpose) if step.runs_plan else takes_what_it_says(step)

    def of_steps(steps: tuple[StepShape, ...]) -> timedelta:
        return sum((takes(step.step) for step in steps if purpose.takes_step(step.step)), timedelta(0))

    waves = timetable(loads_of_plan(shape, takes=takes)).total
    return waves + of_steps((*shape.before, *shape.after)) + purpose.keep_for(shape.plan)
