"""SSM Run Command as it is asked for: SendCommand, with its checks and targets, and CancelCommand."""

import re
from typing import TYPE_CHECKING, Any

from drs_simulator.neighbours.answers import Asked, Refused, answers
from drs_simulator.neighbours.ec2_instances import platform_of, tags_of
from drs_simulator.neighbours.identifiers import fresh_uuid
from drs_simulator.neighbours.ssm import agents
from drs_simulator.neighbours.ssm.command_lists import known_command, shown
from drs_simulator.neighbours.ssm.command_runs import begin, cancel
from drs_simulator.neighbours.ssm.commands import Command, Invocation, commands_of
from drs_simulator.neighbours.ssm.documents import find, wrong_parameters

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator

VISIBLE_AFTER = 1.0
"""Simulated seconds until GetCommandInvocation knows of a new command: at once it answers InvocationDoesNotExist."""
MOST_NAMED, SHORTEST_TIMEOUT, LONGEST_TIMEOUT = 50, 30, 2_592_000
"""The API reference's bounds: InstanceIds, and TimeoutSeconds."""


def install(simulator: "Simulator") -> None:
    """Answer for commands that are sent and cancelled."""
    answers(simulator, "ssm", {"SendCommand": send_command, "CancelCommand": cancel_command})


def send_command(asked: Asked) -> dict[str, object]:
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
    if request.get("InstanceIds") and {platform_of(world, instance) for instance in targets} - document.platforms:
        raise Refused(
            "UnsupportedPlatformType", f"The document {document.name} is not for the platform of every instance."
        )
    unseen = world.faults.match(
        "invisible_for", service="ssm", operation="SendCommand", account=asked.key[0], region=asked.key[1]
    )
    hidden = unseen.seconds if unseen is not None and unseen.do == "invisible_for" else VISIBLE_AFTER
    command = Command(
        id=fresh_uuid(world),
        key=asked.key,
        request=dict(request),
        version=document.version,
        requested=world.now,
        visible_from=world.now + hidden,
        invocations={instance.id: Invocation(instance.id, tags_of(instance).get("Name", "")) for instance in targets},
    )
    commands_of(world).of(asked.key)[command.id] = command
    begin(world, command)
    return {"Command": shown(asked, command)}


def _ensure_simulated(request: dict[str, Any]) -> None:
    asked_for = {
        "AlarmConfiguration": bool(request.get("AlarmConfiguration")),
        "NotificationConfig": bool((request.get("NotificationConfig") or {}).get("NotificationArn")),
        "CloudWatchOutputConfig": bool((request.get("CloudWatchOutputConfig") or {}).get("CloudWatchOutputEnabled")),
    }
    for member, is_wanted in asked_for.items():
        if is_wanted:
            raise Refused("NotImplementedBySimulator", f"the simulator does not run commands with {member}", 501)


def _ensure_sound(request: dict[str, Any]) -> None:
    _ensure_simulated(request)
    named, targets = request.get("InstanceIds") or [], request.get("Targets") or []
    if bool(named) == bool(targets):
        raise Refused("ValidationException", "Either InstanceIds or Targets must be given, and not both.")
    if len(named) > MOST_NAMED:
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
    if not SHORTEST_TIMEOUT <= int(request.get("TimeoutSeconds") or 3600) <= LONGEST_TIMEOUT:
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
        found = [instance for instance in found if _is_target(instance, target["Key"], target.get("Values") or [])]
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


def cancel_command(asked: Asked) -> dict[str, object]:
    """Try to stop a command, on all its instances or on some."""
    command = known_command(asked)
    if command is None:
        raise Refused("InvalidCommandId", f"Command id {asked.request['CommandId']} does not exist.")
    named = asked.request.get("InstanceIds") or list(command.invocations)
    bad = [name for name in named if name not in command.invocations]
    if bad:
        raise Refused("InvalidInstanceId", f"The command was not sent to {', '.join(bad)}.")
    if not all(invocation.is_over for invocation in command.invocations.values()):
        cancel(asked.world, command, named)
    return {}
