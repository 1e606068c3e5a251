"""SSM Run Command, over time: SendCommand, its invocations, and which instances are managed nodes."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from drs_simulator import cloud
from drs_simulator.overlays import agents
from drs_simulator.overlays.answering import Asked, Refused, answers, paged
from drs_simulator.overlays.commands import Command, Invocation, commands_of, errors_of, verdict
from drs_simulator.overlays.documents import find, wrong_parameters
from drs_simulator.overlays.identifiers import fresh_uuid
from drs_simulator.overlays.instances import platform_of, tags_of
from drs_simulator.overlays.running_commands import begin, cancel

if TYPE_CHECKING:
    from drs_simulator.simulator import Simulator

VISIBLE_AFTER = 1.0
"""Simulated seconds until GetCommandInvocation knows of a new command: at once it answers InvocationDoesNotExist."""
OUTPUT_SHOWN = 24_000
"""Characters of output that GetCommandInvocation shows; ListCommandInvocations shows 2,500."""
OUTPUT_LISTED = 2_500
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def install(simulator: "Simulator") -> None:
    """Answer for Run Command."""
    answers(simulator, "ssm", {
        "SendCommand": send_command,
        "GetCommandInvocation": get_command_invocation,
        "ListCommandInvocations": list_command_invocations,
        "ListCommands": list_commands,
        "CancelCommand": cancel_command,
        "DescribeInstanceInformation": describe_instance_information,
    })  # fmt: skip


# -- sending ------------------------------------------------------------------------------------------------------


def send_command(asked: Asked) -> dict[str, Any]:
    """Begin a command on the instances that are named, or that carry the tags."""
    request, world = asked.request, asked.world
    _ensure_sound(request)
    document = find(world, asked.key, request["DocumentName"], request.get("DocumentVersion"), "Command")
    if document is None:
        raise Refused("InvalidDocument", f"Document with name {request['DocumentName']} does not exist.")
    wrong = wrong_parameters(document, request.get("Parameters") or {})
    if wrong:
        raise Refused("InvalidParameters", wrong)
    targets = _targets(asked)
    if request.get("InstanceIds") and {platform_of(world, one) for one in targets} - document.platforms:
        raise Refused(
            "UnsupportedPlatformType", f"The document {document.name} is not for the platform of every instance."
        )
    unseen = world.faults.match(
        "invisible_for", service="ssm", operation="SendCommand", account=asked.key[0], region=asked.key[1]
    )
    hidden = unseen.seconds if unseen is not None and unseen.do == "invisible_for" else VISIBLE_AFTER
    command = Command(
        id=fresh_uuid(world), key=asked.key, request=dict(request), version=document.version, requested=world.now,
        visible_from=world.now + hidden,
        invocations={one.id: Invocation(one.id, tags_of(one).get("Name", "")) for one in targets},
    )  # fmt: skip
    commands_of(world).of(asked.key)[command.id] = command
    begin(world, command)
    return {"Command": _command(asked, command)}


def _ensure_sound(request: dict[str, Any]) -> None:
    named, targets = request.get("InstanceIds") or [], request.get("Targets") or []
    if bool(named) == bool(targets):
        raise Refused("ValidationException", "Either InstanceIds or Targets must be given, and not both.")
    if len(named) > 50:  # noqa: PLR2004 - the API reference's limit
        raise Refused("ValidationException", "InstanceIds may have at most 50 members; use Targets for more.")
    if len(set(named)) != len(named):
        raise Refused("DuplicateInstanceId", "You can't specify an instance ID in more than one association.")
    for member, pattern in (
        ("MaxConcurrency", r"[1-9]\d{0,6}|[1-9]\d?%|100%"),
        ("MaxErrors", r"0|[1-9]\d{0,6}|\d\d?%|100%"),
    ):
        if request.get(member) is not None and not re.fullmatch(pattern, request[member]):
            raise Refused(
                "ValidationException",
                f"Value '{request[member]}' at '{member}' failed to satisfy constraint: {pattern}",
            )
    if not 30 <= int(request.get("TimeoutSeconds") or 3600) <= 2_592_000:  # noqa: PLR2004 - the API reference's bounds
        raise Refused("ValidationException", "TimeoutSeconds must be between 30 and 2592000.")


def _targets(asked: Asked) -> list[Any]:
    """Return the instances of a request: named ones must all be managed nodes, tags find those that are."""
    known = agents.managed(asked.world, asked.key)
    named = asked.request.get("InstanceIds") or []
    bad = [name for name in named if name not in known]
    if bad:
        raise Refused(
            "InvalidInstanceId", f"Instances [[{', '.join(bad)}]] not in a valid state for account {asked.key[0]}"
        )
    if named:
        return [known[name] for name in named]
    found = list(known.values())
    for target in asked.request["Targets"]:
        found = [one for one in found if _is_target(one, target["Key"], target.get("Values") or [])]
    return found


def _is_target(instance: Any, key: str, values: list[str]) -> bool:
    tags = tags_of(instance)
    if key.lower() == "instanceids":
        return instance.id in values or values == ["*"]
    if key == "tag-key":
        return any(value in tags for value in values)
    if key.startswith("tag:"):
        return tags.get(key.removeprefix("tag:")) in values
    raise Refused(
        "ValidationException", f"The simulator knows no target key {key!r}: use InstanceIds, tag:<key> or tag-key."
    )


# -- looking ------------------------------------------------------------------------------------------------------


def _known(asked: Asked, member: str = "CommandId") -> Command | None:
    name = asked.request.get(member)
    if name is not None and not UUID.fullmatch(name):
        raise Refused("InvalidCommandId", f"Command id {name} is not valid.")
    return commands_of(asked.world).of(asked.key).get(str(name))


def get_command_invocation(asked: Asked) -> dict[str, Any]:
    """Return how a command goes on an instance, with its output."""
    command, instance_id = _known(asked), asked.request["InstanceId"]
    if command is None or instance_id not in command.invocations or asked.world.now < command.visible_from:
        raise Refused("InvocationDoesNotExist", "")
    one = command.invocations[instance_id]
    plugin = _plugin(asked, command)
    if asked.request.get("PluginName") not in {None, plugin}:
        raise Refused("InvalidPluginName", f"The plugin name {asked.request['PluginName']} is not valid.")
    return {
        "CommandId": command.id, "InstanceId": instance_id, "Comment": command.request.get("Comment", ""),
        "DocumentName": command.document, "DocumentVersion": command.request.get("DocumentVersion", "$DEFAULT"),
        "PluginName": plugin, "ResponseCode": one.code if one.is_over else -1,
        "ExecutionStartDateTime": _iso(asked, one.began), "ExecutionElapsedTime": _elapsed(asked, one),
        "ExecutionEndDateTime": _iso(asked, one.ended if one.began is not None else None),
        "Status": one.status, "StatusDetails": one.details,
        "StandardOutputContent": one.stdout[:OUTPUT_SHOWN] if one.is_over else "", "StandardOutputUrl": "",
        "StandardErrorContent": one.stderr[:OUTPUT_SHOWN] if one.is_over else "", "StandardErrorUrl": "",
        "CloudWatchOutputConfig": {"CloudWatchOutputEnabled": False},
    }  # fmt: skip


def _plugin(asked: Asked, command: Command) -> str:
    document = find(asked.world, command.key, command.document, command.version, "Command")
    return document.steps[0].action if document is not None and document.steps else "aws:runShellScript"


def _iso(asked: Asked, simulated: float | None) -> str:
    if simulated is None:
        return ""
    return asked.stamp(simulated).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _elapsed(asked: Asked, one: Invocation) -> str:
    if one.began is None or one.ended is None:
        return ""
    length = asked.stamp(one.ended) - asked.stamp(one.began)
    return f"PT{length / timedelta(seconds=1):.3f}S"


def list_commands(asked: Asked) -> dict[str, Any]:
    """Return commands, newest first."""
    shown = [_command(asked, one) for one in _chosen(asked)]
    return paged(asked.request, shown, "Commands")


def list_command_invocations(asked: Asked) -> dict[str, Any]:
    """Return invocations; with `Details` also what each step put out."""
    wanted = asked.request.get("InstanceId")
    shown = [
        _invocation(asked, command, one)
        for command in _chosen(asked)
        if asked.world.now >= command.visible_from
        for one in command.invocations.values()
        if wanted in {None, one.instance_id}
    ]
    return paged(asked.request, shown, "CommandInvocations")


def _chosen(asked: Asked) -> list[Command]:
    request = asked.request
    if request.get("CommandId"):
        found = _known(asked)
        commands = [found] if found is not None else []
    else:
        commands = list(reversed(commands_of(asked.world).of(asked.key).values()))
    if request.get("InstanceId"):
        commands = [one for one in commands if request["InstanceId"] in one.invocations]
    for one in request.get("Filters") or []:
        passes = _filter(asked, one["key"], one["value"])
        commands = [command for command in commands if passes(command)]
    return commands


def _filter(asked: Asked, key: str, value: str) -> Callable[[Command], bool]:
    match key:
        case "InvokedAfter":
            return lambda one: asked.stamp(one.requested) >= moment(value)
        case "InvokedBefore":
            return lambda one: asked.stamp(one.requested) < moment(value)
        case "Status":
            return lambda one: value in verdict(one)
        case "DocumentName":
            return lambda one: one.document == value
        case "ExecutionStage":
            return lambda one: (verdict(one)[0] in {"Pending", "InProgress", "Cancelling"}) == (value == "Executing")
    raise Refused("InvalidFilterKey", f"The filter key {key} is not valid.")


def moment(text: str) -> datetime:
    """Read a timestamp of a filter. Raises Refused."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Refused("ValidationException", f"{text!r} is no timestamp such as 2026-01-31T12:00:00Z.") from None


def _command(asked: Asked, command: Command) -> dict[str, Any]:
    status, details = verdict(command)
    request, parts = command.request, list(command.invocations.values())
    expires = command.requested + command.timeout + command.execution_timeout
    return {
        "CommandId": command.id, "DocumentName": command.document, "DocumentVersion": request.get("DocumentVersion", "$DEFAULT"),
        "Comment": request.get("Comment", ""), "ExpiresAfter": asked.stamp(expires), "Parameters": dict(command.parameters),
        "InstanceIds": list(request.get("InstanceIds") or []), "Targets": list(request.get("Targets") or []),
        "RequestedDateTime": asked.stamp(command.requested), "Status": status, "StatusDetails": details,
        "MaxConcurrency": request.get("MaxConcurrency", "50"), "MaxErrors": request.get("MaxErrors", "0"),
        "TargetCount": len(parts), "CompletedCount": sum(one.is_over for one in parts), "ErrorCount": errors_of(command),
        "DeliveryTimedOutCount": sum(one.details == "DeliveryTimedOut" for one in parts),
        "TimeoutSeconds": int(command.timeout),
    }  # fmt: skip


def _invocation(asked: Asked, command: Command, one: Invocation) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "CommandId": command.id, "InstanceId": one.instance_id, "InstanceName": one.name,
        "Comment": command.request.get("Comment", ""), "DocumentName": command.document,
        "DocumentVersion": command.request.get("DocumentVersion", "$DEFAULT"),
        "RequestedDateTime": asked.stamp(command.requested), "Status": one.status, "StatusDetails": one.details,
        "StandardOutputUrl": "", "StandardErrorUrl": "", "CommandPlugins": [],
    }  # fmt: skip
    if asked.request.get("Details"):
        plugin: dict[str, Any] = {
            "Name": _plugin(asked, command), "Status": "InProgress" if one.status == "Cancelling" else one.status,
            "StatusDetails": one.details, "ResponseCode": one.code if one.is_over else -1,
            "Output": _both(one)[:OUTPUT_LISTED] if one.is_over else "",
        }  # fmt: skip
        if one.began is not None:
            plugin["ResponseStartDateTime"] = asked.stamp(one.began)
        if one.ended is not None:
            plugin["ResponseFinishDateTime"] = asked.stamp(one.ended)
        shown["CommandPlugins"] = [plugin]
    return shown


def _both(one: Invocation) -> str:
    return one.stdout + (f"\n----------ERROR-------\n{one.stderr}" if one.stderr else "")


def cancel_command(asked: Asked) -> dict[str, Any]:
    """Try to stop a command, on all its instances or on some."""
    command = _known(asked)
    if command is None:
        raise Refused("InvalidCommandId", f"Command id {asked.request['CommandId']} does not exist.")
    named = asked.request.get("InstanceIds") or list(command.invocations)
    bad = [name for name in named if name not in command.invocations]
    if bad:
        raise Refused("InvalidInstanceId", f"The command was not sent to {', '.join(bad)}.")
    if not all(one.is_over for one in command.invocations.values()):
        cancel(asked.world, command, named)
    return {}


# -- managed nodes ------------------------------------------------------------------------------------------------


def describe_instance_information(asked: Asked) -> dict[str, Any]:
    """Return the managed nodes: instances whose agent has reported at least once."""
    shown = [_node(asked, one) for one in agents.managed(asked.world, asked.key).values()]
    tags = {name: tags_of(one) for name, one in cloud.instances(*asked.key).items()}
    filters = [(one["Key"], one["Values"]) for one in asked.request.get("Filters") or []]
    filters += [(one["key"], one["valueSet"]) for one in asked.request.get("InstanceInformationFilterList") or []]
    for name, values in filters:
        shown = [item for item in shown if _node_passes(item, tags[item["InstanceId"]], name, values)]
    return paged(asked.request, shown, "InstanceInformationList")


def _node_passes(item: dict[str, Any], tags: dict[str, str], name: str, values: list[str]) -> bool:
    if name.startswith("tag:"):
        return tags.get(name.removeprefix("tag:")) in values
    if name == "tag-key":
        return any(value in tags for value in values)
    members = {
        "InstanceIds": "InstanceId", "PingStatus": "PingStatus", "PlatformTypes": "PlatformType",
        "ResourceType": "ResourceType", "AgentVersion": "AgentVersion",
    }  # fmt: skip
    if name not in members:
        raise Refused("InvalidFilterKey", f"The filter key {name} is not valid.")
    return item[members[name]] in values


def _node(asked: Asked, instance: Any) -> dict[str, Any]:
    world = asked.world
    windows = platform_of(world, instance) == "windows"
    since = agents.registered(world)[instance.id]
    status = str(agents.ping(world, asked.key, instance))
    name = tags_of(instance).get("Name", instance.id)
    return {
        "InstanceId": instance.id, "PingStatus": status,
        "LastPingDateTime": asked.stamp(world.now if status == "Online" else since),
        "AgentVersion": agents.AGENT_VERSION, "IsLatestVersion": True,
        "PlatformType": "Windows" if windows else "Linux",
        "PlatformName": "Microsoft Windows Server 2022 Datacenter" if windows else "Amazon Linux",
        "PlatformVersion": "10.0.20348" if windows else "2023", "ResourceType": "EC2Instance",
        "IPAddress": str(instance.private_ip or ""), "ComputerName": name, "SourceId": instance.id, "SourceType": "AWS::EC2::Instance",
    }  # fmt: skip
