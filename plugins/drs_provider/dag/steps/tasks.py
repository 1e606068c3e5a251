"""The tasks of the steps of a plan."""

import importlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from airflow.sdk import BaseOperator, TaskGroup, TriggerRule

from drs_provider.dag.plan_dag import CRASHES
from drs_provider.dag.steps.context import LookFirst, StepPlace
from drs_provider.plan.step_kinds import StepKind, step_kind
from drs_provider.rules.purpose import DRILL
from drs_provider.rules.run.names import name_in_group, plan_step_group
from drs_provider.rules.run.shape import RunShape, Side, StepShape, WaveShape

_RETRY_DELAY = timedelta(seconds=10)
_CHAIN = 100
"""Priority of steps: the next wave waits for them."""


def task_class(kind: StepKind) -> type[BaseOperator]:
    """Return the class of a kind's task. Imported where a plan has the kind: parse time is a budget."""
    if isinstance(kind.work, str):
        module, _, name = kind.work.rpartition(".")
        own: type[BaseOperator] = getattr(importlib.import_module(module), name)
        return own
    from drs_provider.dag.steps.base import task_of

    return task_of(kind.work)


def wave_steps(
    shape: RunShape, wave: WaveShape, steps: Sequence[StepShape], *, look_first: LookFirst | None = None
) -> None:
    """Build the steps of one side of a wave in the current task group; nothing is wired yet.

    :param look_first: looks whether each may begin
    """
    for step in steps:
        place = replace(
            _place(shape, step),
            look_first=look_first,
            start_task_ids=wave.start_tasks,
            pause=wave.wave.pause_before,
            pause_task_id=wave.pause_task or "",
        )
        _build(step, place)


def plan_steps(shape: RunShape, side: Side, *, look_first: LookFirst | None = None) -> None:
    """Build the plan's own steps of one side, in a task group of their own; nothing is wired yet.

    :param look_first: looks whether each may begin
    """
    steps = shape.before if side == "before" else shape.after
    if not steps:
        return
    title = "Before all waves" if side == "before" else "After all waves"
    with TaskGroup(plan_step_group(side), group_display_name=title, tooltip=f"The plan's own steps {title.lower()}"):
        for step in steps:
            _build(step, replace(_place(shape, step), look_first=look_first))


def _place(shape: RunShape, step: StepShape) -> StepPlace:
    return StepPlace(
        plan=shape.plan.name,
        title=shape.title,
        digest=shape.digest,
        wave=step.wave,
        side=step.side,
        watch_task_ids=shape.watch_tasks,
        targets=step.targets,
        policy=shape.policy,
        approval_task_ids=shape.approval_tasks,
        asked_before=step.asked_before,
        drill_network=DRILL.has_own_network(shape.plan),
    )


def _build(shape: StepShape, place: StepPlace) -> None:
    step = shape.step
    task_class(step_kind(step.kind))(
        task_id=name_in_group(shape.task_id),
        task_display_name=step.name.replace("-", " ").capitalize(),
        step=step,
        place=place,
        retries=step.retries + CRASHES,
        retry_delay=_RETRY_DELAY,
        trigger_rule=TriggerRule.NONE_FAILED,
        priority_weight=_CHAIN,
        weight_rule="absolute",
    )
