"""SSM Automation, over time: starting, describing and stopping runbooks."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from moto.sts.models import sts_backends

from drs_simulator.neighbours.answers import Asked, Refused, answers, paged
from drs_simulator.neighbours.identifiers import fresh_uuid
from drs_simulator.neighbours.ssm.automation_runs import AutomationExecution, StepRun, begin, executions_of, stop
from drs_simulator.neighbours.ssm.command_lists import moment
from drs_simulator.neighbours.ssm.documents import find, wrong_parameters

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator

NOT_SIMULATED = ("Targets", "TargetMaps", "TargetLocations", "TargetLocationsURL", "AlarmConfiguration")
"""Members of StartAutomationExecution that fan out into child executions, or that alarms stop."""


def install(simulator: "Simulator") -> None:
    """Answer for Automation."""
    answers(
        simulator,
        "ssm",
        {
            "StartAutomationExecution": start_automation_execution,
            "GetAutomationExecution": get_automation_execution,
            "DescribeAutomationExecutions": describe_automation_executions,
            "DescribeAutomationStepExecutions": describe_automation_step_executions,
            "StopAutomationExecution": stop_automation_execution,
        },
    )


def start_automation_execution(asked: Asked) -> dict[str, object]:
    """Begin a runbook; the same ClientToken begins it once."""
    request, world = asked.request, asked.world
    for member in NOT_SIMULATED:
        if request.get(member):
            raise Refused("NotImplementedBySimulator", f"the simulator does not run automations with {member}", 501)
    known = executions_of(world).of(asked.key)
    token = request.get("ClientToken")
    earlier = next(
        (execution for execution in known.values() if token and execution.request.get("ClientToken") == token), None
    )
    if earlier is not None:
        if earlier.request != request:
            raise Refused("IdempotentParameterMismatch", "The client token was used before, with other parameters.")
        return {"AutomationExecutionId": earlier.id}
    name = request["DocumentName"]
    document = find(world, asked.key, name, request.get("DocumentVersion"), "Automation")
    if document is None:
        raise Refused("AutomationDefinitionNotFoundException", f"Automation definition {name} is not found.")
    wrong = wrong_parameters(document, request.get("Parameters") or {})
    if wrong:
        raise Refused("InvalidAutomationExecutionParametersException", wrong)
    account, region = asked.key
    _, caller, _ = sts_backends[account]["aws"].get_caller_identity(asked.call.access_key or "", region)
    execution = AutomationExecution(
        id=fresh_uuid(world),
        key=asked.key,
        request=dict(request),
        document=document,
        executed_by=caller,
        requested=world.now,
        steps=[StepRun(step, fresh_uuid(world)) for step in document.steps],
    )
    known[execution.id] = execution
    begin(world, execution)
    return {"AutomationExecutionId": execution.id}


def _known(asked: Asked) -> AutomationExecution:
    name = asked.request["AutomationExecutionId"]
    found = executions_of(asked.world).of(asked.key).get(name)
    if found is None:
        raise Refused("AutomationExecutionNotFoundException", f"Automation execution {name} is not found.")
    return found


def get_automation_execution(asked: Asked) -> dict[str, object]:
    """Return an execution with its steps."""
    execution = _known(asked)
    shown = _shown(asked, execution)
    shown["StepExecutions"] = [_step(asked, step) for step in execution.steps]
    shown["StepExecutionsTruncated"] = False
    shown["Parameters"] = execution.parameters
    return {"AutomationExecution": shown}


def describe_automation_executions(asked: Asked) -> dict[str, object]:
    """Return executions, newest first."""
    found = list(reversed(executions_of(asked.world).of(asked.key).values()))
    for condition in asked.request.get("Filters") or []:
        passes = _filter(asked, condition["Key"], condition["Values"])
        found = [execution for execution in found if passes(execution)]
    shown = [{**_shown(asked, execution), "AutomationType": "Local", "LogFile": ""} for execution in found]
    return paged(asked.request, shown, "AutomationExecutionMetadataList")


def _filter(asked: Asked, key: str, values: list[str]) -> Callable[[AutomationExecution], bool]:
    match key:
        case "ExecutionId":
            return lambda execution: execution.id in values
        case "ExecutionStatus":
            return lambda execution: execution.status in values
        case "DocumentNamePrefix":
            return lambda execution: execution.document.name.startswith(tuple(values))
        case "StartTimeAfter":
            return lambda execution: asked.stamp(execution.requested) >= moment(values[0])
        case "StartTimeBefore":
            return lambda execution: asked.stamp(execution.requested) < moment(values[0])
    raise Refused("InvalidFilterKey", f"The simulator knows no filter key {key}.")


def describe_automation_step_executions(asked: Asked) -> dict[str, object]:
    """Return the steps of an execution."""
    execution = _known(asked)
    if asked.request.get("Filters"):
        raise Refused("InvalidFilterKey", "The simulator does not filter the steps of an execution.")
    steps = [_step(asked, step) for step in execution.steps]
    return paged(asked.request, steps[::-1] if asked.request.get("ReverseOrder") else steps, "StepExecutions")


def stop_automation_execution(asked: Asked) -> dict[str, object]:
    """Stop an execution that is not over."""
    execution = _known(asked)
    if execution.is_over or execution.status == "Cancelling":
        raise Refused(
            "InvalidAutomationStatusUpdateException",
            f"Automation execution {execution.id} is {execution.status} and cannot be stopped.",
        )
    stop(asked.world, execution, complete=asked.request.get("Type") == "Complete")
    return {}


def _shown(asked: Asked, execution: AutomationExecution) -> dict[str, object]:
    told, current = execution.document.settings, execution.current
    shown: dict[str, object] = {
        "AutomationExecutionId": execution.id,
        "DocumentName": execution.document.name,
        "DocumentVersion": execution.document.version,
        "ExecutionStartTime": asked.stamp(execution.requested),
        "AutomationExecutionStatus": execution.status,
        "Mode": execution.request.get("Mode", "Auto"),
        "ExecutedBy": execution.executed_by,
        "Outputs": {},
        "Targets": [],
        "ResolvedTargets": {"ParameterValues": [], "Truncated": False},
    }
    if execution.status == "Success" and told is not None:
        shown["Outputs"] = {name: list(values) for name, values in told.outputs.items()}
    if execution.ended is not None:
        shown["ExecutionEndTime"] = asked.stamp(execution.ended)
    if execution.failure is not None:
        shown["FailureMessage"] = execution.failure
    if current is not None:
        shown |= {"CurrentStepName": current.step.name, "CurrentAction": current.step.action}
    return shown


def _step(asked: Asked, run: StepRun) -> dict[str, object]:
    shown: dict[str, object] = {
        "StepName": run.step.name,
        "Action": run.step.action,
        "StepStatus": run.status,
        "StepExecutionId": run.id,
        "OnFailure": "Continue" if run.step.goes_on else "Abort",
    }
    if run.step.timeout is not None:
        shown["TimeoutSeconds"] = int(run.step.timeout)
    if run.began is not None:
        shown["ExecutionStartTime"] = asked.stamp(run.began)
    if run.ended is not None:
        shown["ExecutionEndTime"] = asked.stamp(run.ended)
    if run.failure is not None:
        shown |= {"FailureMessage": run.failure, "ResponseCode": "1"}
    return shown
