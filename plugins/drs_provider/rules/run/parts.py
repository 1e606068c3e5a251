"""A plan as a step of another one: which run is started, what it inherits, and how it proves whose part it is.

Airflow lets everybody who may trigger a DAG write any parameters into a run. So what a run of a plan says of the run
that has started it counts only with the signature of that run's own step, and only while that run goes on.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from drs_provider.people import is_same_person
from drs_provider.rules.launch.recovery_points import LATEST
from drs_provider.rules.launch.tags import run_key
from drs_provider.rules.purpose import DRILL, STARTERS
from drs_provider.rules.run import names
from drs_provider.rules.run.approvals import APPROVE, Policy, not_counted
from drs_provider.rules.run.handover import InheritedApproval, PlanRunStart, PreflightResult, RecordedAnswer
from drs_provider.rules.run.request import read_names

if TYPE_CHECKING:
    from drs_provider.plan.loader import Library

STARTED_BY: Final = "started_by"
"""The parameter of a run under which the proof lies that a step of another plan has started it."""

STARTER: Final = "operator_triggered"
"""Airflow's word for runs that a task has started."""


@dataclass(frozen=True)
class Inheritance:
    """What a run hands on to the runs of other plans that are steps of it.

    :param continue_run: key of the run that it goes on with itself
    :param triggered_by: who started it; of a part, who started the whole
    :param approvals: those given in this run, and those that it has inherited
    :param installation: id of the Airflow that it is of (``rules.launch.tags.run_key``)
    :param continued_installation: id of the Airflow whose run it goes on with
    """

    mode: str
    reason: str
    point_in_time: str
    continue_run: str | None = None
    triggered_by: str | None = None
    approvals: tuple[InheritedApproval, ...] = ()
    installation: str = ""
    continued_installation: str = ""


def part_run_id(parent_plan: str, parent_run: str, task_id: str) -> str:
    """Name the run that a step starts: always the same for a step of a run, so that it exists once.

    :param parent_run: key of the run of the step
    """
    key = hashlib.sha256(f"{parent_run}|{task_id}".encode()).hexdigest()[:24]
    return f"drs__{parent_plan}__{names.name_in_group(task_id)}__{key}"


def plan_run_start(
    plan: str, *, parent_plan: str, parent: tuple[str, str, str], inherited: Inheritance
) -> PlanRunStart:
    """Word what a step starts.

    A run that goes on with one of another Airflow does so in its parts: they go on with the parts of that run.

    :param plan: the plan that the step runs
    :param parent: DAG id, run id and task id of the step
    """
    dag_id, run_id, task_id = parent
    child = names.dag_id_of(plan)
    continued = None
    if inherited.continue_run:
        before = part_run_id(parent_plan, inherited.continue_run, task_id)
        continued = run_key(child, before, inherited.continued_installation)
    return PlanRunStart(
        plan=plan,
        dag_id=child,
        run_id=part_run_id(parent_plan, run_key(dag_id, run_id, inherited.installation), task_id),
        parent_plan=parent_plan,
        parent_dag_id=dag_id,
        parent_run_id=run_id,
        parent_task_id=task_id,
        mode=inherited.mode,
        reason=inherited.reason,
        point_in_time=inherited.point_in_time,
        continue_run=continued,
        triggered_by=inherited.triggered_by,
        approvals=inherited.approvals,
    )


def conf_of(start: PlanRunStart, sealed: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the parameters of the run that is started.

    :param sealed: ``start``, signed by the step
    """
    conf: dict[str, JsonValue] = {
        "mode": start.mode,
        "reason": start.reason,
        "point_in_time": start.point_in_time,
        "continue_run": start.continue_run,
        STARTED_BY: dict(sealed),
    }
    return {name: value for name, value in conf.items() if value}


def unproven(problem: str) -> str:
    """Word that a run names a step of another plan without its proof."""
    return (
        f"{STARTED_BY}: this run says that a step of another plan has started it, and cannot prove it: {problem}. Only "
        f"such a step writes {STARTED_BY}: start the plan without it"
    )


def start_problems(
    start: PlanRunStart,
    *,
    run: tuple[str, str],
    run_type: str,
    params: Mapping[str, object],
    waves: Sequence[str],
) -> Iterator[str]:
    """Say what of a run is not what a step has started, by its proof alone.

    :param run: DAG id and run id of this run
    :param run_type: Airflow's word for how it came to be
    :param params: its parameters
    :param waves: all waves of its plan
    """
    if run_type != STARTER:
        yield unproven(f"the proof is of {start.words}, and {STARTERS.get(run_type, run_type)} has started this run")
    elif (start.dag_id, start.run_id) != run:
        yield unproven(f"the proof of {start.words} is for run {start.run_id} of {start.dag_id}")
    for name, handed_on in (
        ("mode", start.mode),
        ("reason", start.reason),
        ("point_in_time", start.point_in_time),
        ("continue_run", start.continue_run or ""),
    ):
        default = LATEST if name == "point_in_time" else ""
        if str(params.get(name) or default) != handed_on:
            yield f"{name} is {params.get(name)!r}, and {start.words} has handed on {handed_on!r}"
    if set(read_names(params.get("waves")) or waves) != set(waves):
        yield "waves: a plan that is a step of another one runs all its waves"
    for name in ("exclude_servers", "replace_live_instances", "replace_drills"):
        if params.get(name):
            yield f"{name} is not handed on to plans that are steps: start this plan by itself for that"


@dataclass(frozen=True)
class ParentNow:
    """The run that has started this one, as Airflow has it now.

    :param state: Airflow's word; None: there is no such run
    :param mode: what it was started with; nobody can edit that
    :param preflight: what its preflight left, signed
    :param answers: what the tasks left, signed, that asked for the approvals which were handed on
    :param runs_this: whether its plan has a step that runs this plan; None: nobody can read its plan now
    """

    state: str | None
    mode: object = None
    preflight: PreflightResult | None = None
    answers: Mapping[InheritedApproval, RecordedAnswer | None] = field(default_factory=dict)
    runs_this: bool | None = None


def parent_problems(start: PlanRunStart, now: ParentNow) -> Iterator[str]:
    """Say why the run that has started this one does not stand behind it now."""
    run = f"run {start.parent_run_id} of plan {start.parent_plan}"
    if now.state != "running":
        is_so = "is not there" if now.state is None else f"is not running ({now.state})"
        yield (
            f"{run}, which has started this one, {is_so}, so nothing is inherited from it: start this plan by itself, "
            f"drs run start {start.plan} --mode {start.mode}"
        )
        return
    mode = str(now.mode or DRILL.name)
    if mode != start.mode:
        yield f"{run} is a {mode}, and hands on a {start.mode}"
    if now.runs_this is False:
        yield f"plan {start.parent_plan} has no step {start.parent_task_id} that runs this plan"
    found = now.preflight
    if found is None or not found.passed or (found.plan, found.mode) != (start.parent_plan, start.mode):
        yield f"preflight of {run} has not passed as a {start.mode}"
    elif (found.reason, found.point_in_time) != (start.reason, start.point_in_time):
        yield f"{run} has another reason or point in time than it has handed on"


def without_lost_approvals(start: PlanRunStart, now: ParentNow) -> PlanRunStart:
    """Return what a run inherits without the approvals that are not on record any more.

    Whoever clears the run that has started this one has its people asked again, and others may answer. What its
    parameters say of the first ones then counts for nothing, and this plan asks its own approvers.
    """
    return start.model_copy(update={"approvals": tuple(each for each in start.approvals if _is_on_record(each, now))})


def _is_on_record(approval: InheritedApproval, now: ParentNow) -> bool:
    answer = now.answers.get(approval)
    return answer is not None and answer.chosen == APPROVE and is_same_person(answer.by, approval.by)


def approvals_given(
    run: tuple[str, str], answers: Mapping[str, RecordedAnswer | None]
) -> tuple[InheritedApproval, ...]:
    """Return the approvals among some answers, for handing on.

    :param run: DAG id and run id
    :param answers: by the task that asked
    """
    return tuple(
        InheritedApproval(dag_id=run[0], run_id=run[1], task_id=task, by=answer.by, at=answer.at)
        for task, answer in answers.items()
        if answer and answer.by and answer.chosen == APPROVE
    )


def approved_before(policy: Policy | None, start: PlanRunStart | None) -> bool:
    """Tell whether the approvals that a run inherits are those that its own plan asks for.

    They count as answers to its own plan's question: of people whom it names, of so many as it requires, and not of
    the person who started the whole. An old age of data that asks for one person is not among what they have seen.
    """
    if policy is None or start is None or not policy.always:
        return False
    counted: list[str] = []
    for approval in start.approvals:
        if not_counted(approval.by, policy, triggered_by=start.triggered_by, earlier=counted) is None:
            counted.append(approval.by)
    return len(counted) >= policy.required


def runs_plan(library: "Library", start: PlanRunStart, *, digest: str | None = None) -> bool | None:
    """Tell whether a plan, as its files have it now, has the step that has started this run; None: nobody can tell.

    A run goes on with the plan that it began with, also where its files have problems by now, or say something else.

    :param digest: of the plan that the run began with which has started this one; None: nobody knows
    """
    found = library.plans.get(start.parent_plan) or library.contested.get(start.parent_plan)
    if found is None or (digest is not None and found.digest != digest):
        return None
    group, name = names.group_of(start.parent_task_id), names.name_in_group(start.parent_task_id)
    sides = {names.BEFORE_WAVES: found.plan.before, names.AFTER_WAVES: found.plan.after}
    for wave in found.plan.waves:
        sides[wave.name] = (*wave.before, *wave.after)
    return any(step.name == name and step.runs_plan == start.plan for step in sides.get(group, ()))
