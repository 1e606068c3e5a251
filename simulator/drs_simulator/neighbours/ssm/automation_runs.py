"""SSM Automation's executions: their data, and how their steps go in simulated time."""

from dataclasses import dataclass, field
from typing import Any

from moto.core.exceptions import ServiceException
from moto.ec2.exceptions import EC2ClientError

from drs_simulator.durations import seconds_of
from drs_simulator.faults.engine import Subject
from drs_simulator.faults.kinds import AnyFault
from drs_simulator.neighbours import boots
from drs_simulator.neighbours.ec2_instances import stopped_running, strikes, subjects, variation
from drs_simulator.neighbours.ssm.documents import Document, Step
from drs_simulator.world import moto_ec2
from drs_simulator.world.resources import Key
from drs_simulator.world.stopped_sources import source_stops
from drs_simulator.world.world import World, happening

BEGINS_AFTER = 0.5
STEP_TAKES = 10.0
"""Simulated seconds of a step of which nothing else is known, before its own variation of a quarter."""
CANCELLING_TAKES = 1.0

ENDED = frozenset({"Success", "Failed", "TimedOut", "Cancelled"})


@dataclass
class StepRun:
    """One step of an execution; times are simulated seconds."""

    step: Step
    id: str
    status: str = "Pending"
    began: float | None = None
    ended: float | None = None
    doom: str | None = None
    """Why it will have failed when it ends."""
    failure: str | None = None


@dataclass
class AutomationExecution:
    """One StartAutomationExecution."""

    id: str
    key: Key
    request: dict[str, Any]
    document: Document
    executed_by: str
    requested: float
    steps: list[StepRun]
    status: str = "Pending"
    ended: float | None = None
    failure: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether it will change no more."""
        return self.status in ENDED

    @property
    def current(self) -> StepRun | None:
        """The step that runs."""
        return next((step for step in self.steps if step.status == "InProgress"), None)

    @property
    def parameters(self) -> dict[str, list[str]]:
        """Parameters of the runbook."""
        return self.request.get("Parameters") or {}

    @property
    def instance_ids(self) -> list[str]:
        """The instances that its parameters name."""
        return [value for values in self.parameters.values() for value in values if value.startswith("i-")]


@dataclass
class Executions:
    """Every execution of the world."""

    by_region: dict[Key, dict[str, AutomationExecution]] = field(default_factory=dict)

    def of(self, key: Key) -> dict[str, AutomationExecution]:
        """Return a Region's executions by id, oldest first."""
        return self.by_region.setdefault(key, {})


def executions_of(world: World) -> Executions:
    """Return the world's executions."""
    kept: Executions = world.neighbours.setdefault("ssm_automations", Executions())
    return kept


def begin(world: World, execution: AutomationExecution) -> None:
    """Send a new execution on its way."""
    world.at(world.now + BEGINS_AFTER, automation_step_begins, execution.key, execution.id, 0)


def _running(world: World, key: Key, execution_id: str) -> AutomationExecution | None:
    execution = executions_of(world).of(key).get(execution_id)
    return None if execution is None or execution.is_over or execution.status == "Cancelling" else execution


@happening
def automation_step_begins(world: World, due: float, key: Key, execution_id: str, number: int) -> None:
    """A step begins, or the execution has none left and is over."""
    execution = _running(world, key, execution_id)
    if execution is None:
        return
    if number >= len(execution.steps):
        _finish(execution, due, "Failed" if any(step.status != "Success" for step in execution.steps) else "Success")
        return
    execution.status = "InProgress"
    run = execution.steps[number]
    run.status, run.began = "InProgress", due
    fault = strikes(world, ("fail", "hang"), _subjects(world, execution))
    takes, doom = _course(execution, run.step, fault)
    limit = run.step.timeout
    if takes is not None and (limit is None or takes <= limit):
        run.doom = doom
        world.at(due + takes, automation_step_ends, key, execution_id, number)
    elif limit is not None:
        world.at(due + limit, automation_step_times_out, key, execution_id, number)


def _subjects(world: World, execution: AutomationExecution) -> tuple[Subject, ...]:
    about: tuple[Subject, ...] = ()
    name = execution.document.name
    for instance_id in execution.instance_ids:
        instance = moto_ec2.find(*execution.key, instance_id)
        if instance is not None:
            about += subjects(world, execution.key, instance, "ssm:StartAutomationExecution", name)
    account, region = execution.key
    return about or (Subject("ssm", "StartAutomationExecution", account, region, action=name),)


def _course(execution: AutomationExecution, step: Step, fault: AnyFault | None) -> tuple[float | None, str | None]:
    """Return how long a step takes (None: for ever), and why it fails."""
    told = execution.document.settings
    takes = STEP_TAKES * variation(execution.id, step.name)
    failure = None
    if step.action == "aws:sleep":
        takes = _iso_seconds(str(step.inputs.get("Duration", "PT1S")))
    if told is not None:
        takes = told.takes if told.takes is not None else takes
        failure = (told.error or f"Step {step.name} ended with exit code {told.exit_code}") if told.exit_code else None
    if fault is not None and fault.do == "hang":
        return None, None
    if fault is not None and fault.do == "fail":
        failure = fault.error
    return takes, failure


def _iso_seconds(text: str) -> float:
    try:
        return seconds_of(text.removeprefix("P").removeprefix("T").replace("T", "").lower())
    except ValueError:
        return 1.0


@happening
def automation_step_ends(world: World, due: float, key: Key, execution_id: str, number: int) -> None:
    """A step has ended; the next one begins, unless this one failed."""
    execution = _running(world, key, execution_id)
    if execution is None:
        return
    run = execution.steps[number]
    reason = run.doom if run.doom is not None else _act(world, execution, run.step)
    run.ended, run.failure = due, reason
    run.status = "Success" if reason is None else "Failed"
    if reason is not None and not run.step.goes_on:
        execution.failure = f"Step {run.step.name} ({run.step.action}) failed: {reason}"
        _finish(execution, due, "Failed")
        return
    automation_step_begins(world, due, key, execution_id, number + 1)


@happening
def automation_step_times_out(world: World, due: float, key: Key, execution_id: str, number: int) -> None:
    """A step has taken longer than its `timeoutSeconds`; a step without hangs until somebody stops the execution."""
    execution = _running(world, key, execution_id)
    if execution is None:
        return
    run = execution.steps[number]
    run.status, run.ended, run.failure = "TimedOut", due, "The step timed out."
    execution.failure = f"Step {run.step.name} timed out."
    _finish(execution, due, "TimedOut")


@happening
def automation_is_cancelled(world: World, due: float, key: Key, execution_id: str) -> None:
    """A stopped execution has come to its end."""
    execution = executions_of(world).of(key).get(execution_id)
    if execution is None or execution.is_over:
        return
    _finish(execution, due, "Cancelled")


def stop(world: World, execution: AutomationExecution, *, complete: bool) -> None:
    """Stop an execution: `Cancel` ends the step that runs, `Complete` lets the caller's word be success."""
    if complete:
        _finish(execution, world.now, "Success")
        return
    execution.status = "Cancelling"
    world.at(world.now + CANCELLING_TAKES, automation_is_cancelled, execution.key, execution.id)


def _finish(execution: AutomationExecution, due: float, status: str) -> None:
    execution.status, execution.ended = status, due
    for step in execution.steps:
        if step.status == "InProgress":
            step.status, step.ended = ("Success" if status == "Success" else "Cancelled"), due


def _act(world: World, execution: AutomationExecution, step: Step) -> str | None:
    """Do to EC2 what AWS's runbooks do; returns why not."""
    if step.name not in {"startInstances", "stopInstances", "terminateInstances"}:
        return None
    backend = moto_ec2.ec2(*execution.key)
    names = execution.parameters.get("InstanceId", [])
    known = moto_ec2.instances(*execution.key)
    states = {name: moto_ec2.state_of(known[name]) for name in names if name in known}
    stopped = {name: known[name] for name, state in states.items() if state == "STOPPED"}
    try:
        match step.name:
            case "startInstances":
                backend.start_instances(names)
            case "stopInstances":
                backend.stop_instances(names)
            case _:
                backend.terminate_instances(names)
    except (EC2ClientError, ServiceException) as error:
        return f"{getattr(error, 'code', type(error).__name__)}: {getattr(error, 'message', error)}"
    for name in names:
        if step.name == "startInstances":
            if name in stopped:
                boots.begin(world, execution.key, stopped[name])
            elif states.get(name) == "PENDING":  # moto would let it run at once
                moto_ec2.let_pend(known[name])
        else:
            stopped_running(world, name)
            source_stops(world, name)
    return None
