"""Which task a step becomes, and how the steps of a wave or a plan stand one after the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

from airflow.sdk import BaseOperator, TaskGroup, TriggerRule

from drs_provider.dag.plan_dag import CRASHES
from drs_provider.dag.steps.context import AskedBefore, Place
from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import AnyStep, ApprovalStep, RecoveryPlan, Wave, wave_dependencies
from drs_provider.rules.run.approvals import policy_of
from drs_provider.rules.run.names import AFTER_WAVES, BEFORE_WAVES
from drs_provider.rules.run.roster import Target, targets_of

Side = Literal["before", "after"]

_RETRY_DELAY = timedelta(seconds=10)
_CHAIN = 100
"""Priority of steps: the next wave waits for them."""


def _ssm_command() -> type[Any]:
    from drs_provider.dag.steps.ssm import RunSsmCommand

    return RunSsmCommand


def _ssm_automation() -> type[Any]:
    from drs_provider.dag.steps.ssm import RunSsmAutomation

    return RunSsmAutomation


def _lambda() -> type[Any]:
    from drs_provider.dag.steps.one_shot import InvokeFunction

    return InvokeFunction


def _http() -> type[Any]:
    from drs_provider.dag.steps.probes import AskHttp

    return AskHttp


def _tcp() -> type[Any]:
    from drs_provider.dag.steps.probes import AskTcp

    return AskTcp


def _webhook() -> type[Any]:
    from drs_provider.dag.steps.one_shot import SayByWebhook

    return SayByWebhook


def _approval() -> type[Any]:
    from drs_provider.dag.steps.approval import AskPeople

    return AskPeople


def _wait() -> type[Any]:
    from drs_provider.dag.steps.probes import LetTimePass

    return LetTimePass


def _dag() -> type[Any]:
    from drs_provider.dag.steps.dag_run import RunOtherDag

    return RunOtherDag


TASK_FOR: Mapping[str, Callable[[], type[Any]]] = {
    "ssm_command": _ssm_command,
    "ssm_automation": _ssm_automation,
    "lambda": _lambda,
    "http": _http,
    "tcp": _tcp,
    "webhook": _webhook,
    "approval": _approval,
    "wait": _wait,
    "dag": _dag,
}
"""The class of a kind's task. Imported where a plan has the kind: parse time is a budget."""


def wave_steps(
    runnable: RunnablePlan,
    wave: Wave,
    side: Side,
    *,
    approval_task_ids: Sequence[str],
    start_task_ids: Sequence[str],
    pause_task_id: str,
) -> list[BaseOperator]:
    """Build the steps of one side of a wave in the current task group, one after the other."""
    steps = wave.before if side == "before" else wave.after
    if not steps:
        return []
    targets = targets_of([runnable.groups[name] for name in wave.groups])
    place = Place(
        plan=runnable.plan.name,
        title=runnable.plan.title or runnable.plan.name,
        digest=runnable.digest,
        wave=wave.name,
        side=side,
        watch_task_ids=watches(runnable.plan),
        start_task_ids=tuple(start_task_ids),
        targets=tuple(dict.fromkeys([*targets, *_all_targets(runnable)])),
        policy=policy_of(runnable.plan.recovery),
        approval_task_ids=tuple(approval_task_ids),
        pause=wave.pause_before,
        pause_task_id=pause_task_id,
        asked_before=asked_before(runnable.plan, wave, side),
    )
    return _chain(steps, place, prefix=wave.name)


def plan_steps(runnable: RunnablePlan, side: Side, *, approval_task_ids: Sequence[str]) -> list[BaseOperator]:
    """Build the plan's own steps of one side, in a task group of their own."""
    plan = runnable.plan
    steps = plan.before if side == "before" else plan.after
    if not steps:
        return []
    name = BEFORE_WAVES if side == "before" else AFTER_WAVES
    place = Place(
        plan=plan.name,
        title=plan.title or plan.name,
        digest=runnable.digest,
        wave=None,
        side=side,
        watch_task_ids=watches(plan),
        targets=_all_targets(runnable),
        policy=policy_of(plan.recovery),
        approval_task_ids=tuple(approval_task_ids),
        asked_before=asked_before(plan, None, side),
    )
    title = "Before all waves" if side == "before" else "After all waves"
    with TaskGroup(name, group_display_name=title, tooltip=f"The plan's own steps {title.lower()}"):
        return _chain(steps, place, prefix=name)


def watches(plan: RecoveryPlan) -> dict[str, str]:
    """Return the tasks that know what became of the servers, by wave; waves without groups have none."""
    return {wave.name: f"{wave.name}.recovery_job" for wave in plan.waves if wave.groups}


def asked_before(plan: RecoveryPlan, wave: Wave | None, side: Side | None) -> tuple[AskedBefore, ...]:
    """Return the approval steps that stand before the steps of a side; None: before the wave's own launch."""
    found = _approvals(plan.before, BEFORE_WAVES) if (wave or side == "after") else []
    above = _all_above(plan, wave) if wave else (list(plan.waves) if side == "after" else [])
    known = watches(plan)
    for other in above:
        found += _approvals([*other.before, *other.after], other.name, launched_by=known.get(other.name))
    if wave and side != "before":
        found += _approvals(wave.before, wave.name)
    # Nothing launches a wave of steps only: whether it took part is not known from outside.
    steps_only = {other.name for other in above if other.name not in known}
    return tuple(one for one in found if one.task_id.partition(".")[0] not in steps_only)


def _approvals(steps: Sequence[AnyStep], prefix: str, launched_by: str | None = None) -> list[AskedBefore]:
    return [AskedBefore(f"{prefix}.{step.name}", launched_by) for step in steps if isinstance(step, ApprovalStep)]


def _all_above(plan: RecoveryPlan, wave: Wave) -> list[Wave]:
    depends_on = wave_dependencies(plan)
    reached: set[str] = set()
    todo = list(depends_on[wave.name])
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += depends_on[name]
    return [other for other in plan.waves if other.name in reached]


def _all_targets(runnable: RunnablePlan) -> tuple[Target, ...]:
    return targets_of(list(runnable.groups.values()))


def _chain(steps: Sequence[AnyStep], place: Place, *, prefix: str) -> list[BaseOperator]:
    tasks: list[BaseOperator] = []
    asked = list(place.asked_before)
    for step in steps:
        task = TASK_FOR[step.kind]()(
            task_id=step.name,
            task_display_name=step.name.replace("-", " ").capitalize(),
            step=step,
            place=replace(place, asked_before=tuple(asked)),
            retries=step.retries + CRASHES,
            retry_delay=_RETRY_DELAY,
            trigger_rule=TriggerRule.NONE_FAILED,
            priority_weight=_CHAIN,
            weight_rule="absolute",
        )
        if tasks:
            tasks[-1] >> task
        tasks.append(task)
        if isinstance(step, ApprovalStep):
            asked.append(AskedBefore(f"{prefix}.{step.name}"))
    return tasks
