"""SSM Run Command as it is looked at: GetCommandInvocation and the lists."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from drs_simulator.neighbours.answers import Asked, Refused, answers, paged
from drs_simulator.neighbours.ssm.command_output import prefix_of
from drs_simulator.neighbours.ssm.commands import Command, Invocation, commands_of, errors_of, verdict
from drs_simulator.neighbours.ssm.documents import find, plugin_of

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator

OUTPUT_SHOWN = 24_000
"""Characters of output that GetCommandInvocation shows; ListCommandInvocations shows 2,500."""
OUTPUT_LISTED = 2_500
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def install(simulator: "Simulator") -> None:
    """Answer for what is asked of commands that were sent."""
    answers(
        simulator,
        "ssm",
        {
            "GetCommandInvocation": get_command_invocation,
            "ListCommandInvocations": list_command_invocations,
            "ListCommands": list_commands,
        },
    )


def known_command(asked: Asked) -> Command | None:
    """Return the command that a request names; None where there is none. Raises Refused where it cannot be an id."""
    name = asked.request.get("CommandId")
    if name is not None and not UUID.fullmatch(name):
        raise Refused("InvalidCommandId", f"Command id {name} is not valid.")
    return commands_of(asked.world).of(asked.key).get(str(name))


def get_command_invocation(asked: Asked) -> dict[str, object]:
    """Return how a command goes on an instance, with its output."""
    command, instance_id = known_command(asked), asked.request["InstanceId"]
    if command is None or instance_id not in command.invocations or asked.world.now < command.visible_from:
        raise Refused("InvocationDoesNotExist", "")
    invocation = command.invocations[instance_id]
    plugin = _plugin(asked, command)
    if asked.request.get("PluginName") not in {None, plugin}:
        raise Refused("InvalidPluginName", f"The plugin name {asked.request['PluginName']} is not valid.")
    return {
        "CommandId": command.id,
        "InstanceId": instance_id,
        "Comment": command.request.get("Comment", ""),
        "DocumentName": command.document,
        "DocumentVersion": command.request.get("DocumentVersion", "$DEFAULT"),
        "PluginName": plugin,
        "ResponseCode": invocation.code if invocation.is_over else -1,
        "ExecutionStartDateTime": _iso(asked, invocation.began),
        "ExecutionElapsedTime": _elapsed(asked, invocation),
        "ExecutionEndDateTime": _iso(asked, invocation.ended if invocation.began is not None else None),
        "Status": invocation.status,
        "StatusDetails": invocation.details,
        "StandardOutputContent": invocation.stdout[:OUTPUT_SHOWN] if invocation.is_over else "",
        "StandardOutputUrl": _url(asked, command, invocation, "stdout"),
        "StandardErrorContent": invocation.stderr[:OUTPUT_SHOWN] if invocation.is_over else "",
        "StandardErrorUrl": _url(asked, command, invocation, "stderr"),
        "CloudWatchOutputConfig": {"CloudWatchOutputEnabled": False},
    }


def _plugin(asked: Asked, command: Command) -> str:
    document = find(asked.world, command.key, command.document, command.version, "Command")
    return plugin_of(document)


def _url(asked: Asked, command: Command, invocation: Invocation, name: str) -> str:
    where = prefix_of(command, invocation)
    if where is None:
        return ""
    step = _plugin(asked, command).replace(":", "")
    return f"https://s3.{command.key[1]}.amazonaws.com/{where}/{step}/0.{step}/{name}"


def _iso(asked: Asked, simulated: float | None) -> str:
    if simulated is None:
        return ""
    return asked.stamp(simulated).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _elapsed(asked: Asked, invocation: Invocation) -> str:
    if invocation.began is None or invocation.ended is None:
        return ""
    length = asked.stamp(invocation.ended) - asked.stamp(invocation.began)
    return f"PT{length / timedelta(seconds=1):.3f}S"


def list_commands(asked: Asked) -> dict[str, object]:
    """Return commands, newest first."""
    return paged(asked.request, [shown(asked, command) for command in _chosen(asked)], "Commands")


def list_command_invocations(asked: Asked) -> dict[str, object]:
    """Return invocations; with `Details` also what each step put out."""
    wanted = asked.request.get("InstanceId")
    found = [
        _invocation(asked, command, invocation)
        for command in _chosen(asked)
        if asked.world.now >= command.visible_from
        for invocation in command.invocations.values()
        if wanted in {None, invocation.instance_id}
    ]
    return paged(asked.request, found, "CommandInvocations")


def _chosen(asked: Asked) -> list[Command]:
    request = asked.request
    if request.get("CommandId"):
        found = known_command(asked)
        commands = [found] if found is not None else []
    else:
        commands = list(reversed(commands_of(asked.world).of(asked.key).values()))
    if request.get("InstanceId"):
        commands = [command for command in commands if request["InstanceId"] in command.invocations]
    for condition in request.get("Filters") or []:
        passes = _filter(asked, condition["key"], condition["value"])
        commands = [command for command in commands if passes(command)]
    return commands


def _filter(asked: Asked, key: str, value: str) -> Callable[[Command], bool]:
    match key:
        case "InvokedAfter":
            return lambda command: asked.stamp(command.requested) >= moment(value)
        case "InvokedBefore":
            return lambda command: asked.stamp(command.requested) < moment(value)
        case "Status":
            return lambda command: value in verdict(command)
        case "DocumentName":
            return lambda command: command.document == value
        case "ExecutionStage":
            return lambda command: (
                (verdict(command)[0] in {"Pending", "InProgress", "Cancelling"}) == (value == "Executing")
            )
    raise Refused("InvalidFilterKey", f"The filter key {key} is not valid.")


def moment(text: str) -> datetime:
    """Read a timestamp of a filter. Raises Refused."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Refused("ValidationException", f"{text!r} is no timestamp such as 2026-01-31T12:00:00Z.") from None


def shown(asked: Asked, command: Command) -> dict[str, Any]:
    """Return a command as the API describes it."""
    status, details = verdict(command)
    request, parts = command.request, list(command.invocations.values())
    expires = command.requested + command.timeout + command.execution_timeout
    return {
        "CommandId": command.id,
        "DocumentName": command.document,
        "DocumentVersion": request.get("DocumentVersion", "$DEFAULT"),
        "Comment": request.get("Comment", ""),
        "ExpiresAfter": asked.stamp(expires),
        "Parameters": dict(command.parameters),
        "InstanceIds": list(request.get("InstanceIds") or []),
        "Targets": list(request.get("Targets") or []),
        "RequestedDateTime": asked.stamp(command.requested),
        "Status": status,
        "StatusDetails": details,
        **{name: request[name] for name in ("OutputS3BucketName", "OutputS3KeyPrefix") if name in request},
        "MaxConcurrency": request.get("MaxConcurrency", "50"),
        "MaxErrors": request.get("MaxErrors", "0"),
        "TargetCount": len(parts),
        "CompletedCount": sum(part.is_over for part in parts),
        "ErrorCount": errors_of(command),
        "DeliveryTimedOutCount": sum(part.details == "DeliveryTimedOut" for part in parts),
        "TimeoutSeconds": int(command.timeout),
    }


def _invocation(asked: Asked, command: Command, invocation: Invocation) -> dict[str, object]:
    answer: dict[str, Any] = {
        "CommandId": command.id,
        "InstanceId": invocation.instance_id,
        "InstanceName": invocation.name,
        "Comment": command.request.get("Comment", ""),
        "DocumentName": command.document,
        "DocumentVersion": command.request.get("DocumentVersion", "$DEFAULT"),
        "RequestedDateTime": asked.stamp(command.requested),
        "Status": invocation.status,
        "StatusDetails": invocation.details,
        "StandardOutputUrl": "",
        "StandardErrorUrl": "",
        "CommandPlugins": [],
    }
    if asked.request.get("Details"):
        plugin: dict[str, object] = {
            "Name": _plugin(asked, command),
            "Status": "InProgress" if invocation.status == "Cancelling" else invocation.status,
            "StatusDetails": invocation.details,
            "ResponseCode": invocation.code if invocation.is_over else -1,
            "Output": _both(invocation)[:OUTPUT_LISTED] if invocation.is_over else "",
        }
        if invocation.began is not None:
            plugin["ResponseStartDateTime"] = asked.stamp(invocation.began)
        if invocation.ended is not None:
            plugin["ResponseFinishDateTime"] = asked.stamp(invocation.ended)
        answer["CommandPlugins"] = [plugin]
    return answer


def _both(invocation: Invocation) -> str:
    return invocation.stdout + (f"\n----------ERROR-------\n{invocation.stderr}" if invocation.stderr else "")
