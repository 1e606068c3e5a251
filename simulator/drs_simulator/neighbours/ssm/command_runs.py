"""How a command goes on its instances in simulated time: delivery, the script, timeouts and faults."""

from typing import Any

from drs_simulator.faults.kinds import AnyFault
from drs_simulator.neighbours.ec2_instances import platform_of, strikes, subjects, tags_of, variation
from drs_simulator.neighbours.ssm import agents
from drs_simulator.neighbours.ssm.command_output import put_output
from drs_simulator.neighbours.ssm.commands import Command, Invocation, commands_of, has_failed
from drs_simulator.neighbours.ssm.documents import Document, find, plugin_of, script_of
from drs_simulator.neighbours.ssm.shell import Outcome, outcome_of
from drs_simulator.world import moto_ec2
from drs_simulator.world.resources import Key
from drs_simulator.world.world import World, happening

DELIVERY_TAKES = 0.5
"""Simulated seconds until an agent that is online has a command."""
DELIVERY_IS_TRIED_EVERY = 5.0
RUN_TAKES = 2.0
"""Simulated seconds that the agent needs around any script."""
CANCELLING_TAKES = 1.0
HUNG_FOREVER = float("inf")


def begin(world: World, command: Command) -> None:
    """Send a new command on its way."""
    world.at(world.now + DELIVERY_TAKES, command_is_sent, command.key, command.id)


@happening
def command_is_sent(world: World, due: float, key: Key, command_id: str) -> None:
    """Invocations take the places that are free, in the order of the targets; after too many errors none does."""
    command = commands_of(world).of(key).get(command_id)
    if command is None:
        return
    waiting = [
        invocation for invocation in command.invocations.values() if not invocation.sent and not invocation.is_over
    ]
    if has_failed(command):
        for invocation in waiting:
            invocation.become("Cancelled", "Terminated")
            invocation.ended = due
        return
    taken = sum(invocation.sent and not invocation.is_over for invocation in command.invocations.values())
    for invocation in waiting[: max(command.at_once - taken, 0)]:
        invocation.sent = True
        invocation_is_delivered(world, due, key, command_id, invocation.instance_id)


@happening
def invocation_is_delivered(world: World, due: float, key: Key, command_id: str, instance_id: str) -> None:
    """The agent takes the command up, where it is online; else delivery is tried again until the timeout."""
    command, invocation = _open(world, key, command_id, instance_id)
    if command is None or invocation is None or invocation.began is not None:
        return
    instance = moto_ec2.find(*key, instance_id)
    if agents.ping(world, key, instance, due) != "Online":
        given_up = command.requested + command.timeout
        if due >= given_up:
            invocation.become("TimedOut", "DeliveryTimedOut")
            _end(world, due, command, invocation)
        else:
            again = min(due + DELIVERY_IS_TRIED_EVERY, given_up)
            world.at(again, invocation_is_delivered, key, command_id, instance_id)
        return
    invocation.become("InProgress")
    invocation.began = due
    document = find(world, key, command.document, command.version, "Command")
    if document is None or platform_of(world, instance) not in document.platforms:
        invocation.code, invocation.stderr = -1, "the document's steps are not for this platform"
        invocation.become("Failed", "InvalidPlatform")
        _end(world, due, command, invocation)
        return
    fault = strikes(world, ("fail", "hang"), subjects(world, key, instance, "ssm:SendCommand", document.name))
    outcome = _outcome(command, document, instance, fault)
    _run(world, due, command, invocation, outcome)


def _run(world: World, due: float, command: Command, invocation: Invocation, outcome: Outcome) -> None:
    if outcome.seconds > command.execution_timeout:
        invocation.stdout, invocation.stderr = "", ""
        world.at(due + command.execution_timeout, execution_times_out, command.key, command.id, invocation.instance_id)
        return
    invocation.stdout, invocation.stderr, invocation.code = outcome.stdout, outcome.stderr, outcome.code
    world.at(due + outcome.seconds, invocation_ends, command.key, command.id, invocation.instance_id)


def _outcome(command: Command, document: Document, instance: Any, fault: AnyFault | None) -> Outcome:
    """Return how the command will end on an instance; `seconds` with the agent's own time in them."""
    hostname = tags_of(instance).get("Name") or instance.id
    ran = outcome_of(
        script_of(document, command.parameters), hostname, lambda host: _reaches(command.key, instance, host)
    )
    takes = (RUN_TAKES + ran.seconds) * variation(instance.id, command.id)
    told = document.settings
    if told is not None:
        names = {"hostname": hostname, "instance_id": instance.id}
        ran = Outcome(
            _filled(told.output, names) or ran.stdout,
            _filled(told.error, names) or ran.stderr,
            told.exit_code or ran.code,
        )
        takes = told.takes if told.takes is not None else takes
    if fault is not None and fault.do == "hang":
        return Outcome(seconds=HUNG_FOREVER)
    if fault is not None and fault.do == "fail":
        return Outcome(ran.stdout, f"{fault.error}\n", 1, takes)
    return Outcome(ran.stdout, ran.stderr, ran.code, takes)


def _reaches(key: Key, instance: Any, host: str) -> bool:
    """Tell whether a running instance of the same VPC has this private address: everything listens there."""
    return any(
        other.private_ip == host and other.vpc_id == instance.vpc_id and moto_ec2.state_of(other) == "RUNNING"
        for other in moto_ec2.instances(*key).values()
    )


def _filled(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text


@happening
def invocation_ends(world: World, due: float, key: Key, command_id: str, instance_id: str) -> None:
    """The script has ended; its exit code says how."""
    command, invocation = _open(world, key, command_id, instance_id)
    if command is None or invocation is None:
        return
    instance = moto_ec2.find(*key, instance_id)
    if agents.ping(world, key, instance, due) != "Online":
        # An agent that went away in the middle reports nothing; SSM gives the invocation up at its timeout.
        given_up = float(invocation.began or due) + command.execution_timeout
        world.at(max(given_up, due), execution_times_out, key, command_id, instance_id)
        return
    status = "Success" if invocation.code == 0 else "Failed"
    invocation.become(status)
    _end(world, due, command, invocation)


@happening
def execution_times_out(world: World, due: float, key: Key, command_id: str, instance_id: str) -> None:
    """The command has run for longer than it may."""
    command, invocation = _open(world, key, command_id, instance_id)
    if command is not None and invocation is not None:
        invocation.code = -1
        invocation.become("TimedOut", "ExecutionTimedOut")
        _end(world, due, command, invocation)


@happening
def cancelling_ends(world: World, due: float, key: Key, command_id: str, instance_id: str) -> None:
    """A running invocation has stopped."""
    command, invocation = _open(world, key, command_id, instance_id)
    if command is not None and invocation is not None and invocation.status == "Cancelling":
        invocation.code = -1
        invocation.become("Cancelled", "Canceled")
        _end(world, due, command, invocation)


def cancel(world: World, command: Command, instance_ids: list[str]) -> None:
    """Stop a command on these instances: what has not begun at once, what runs a second later."""
    for name in instance_ids:
        invocation = command.invocations[name]
        if invocation.is_over:
            continue
        if invocation.began is None:
            invocation.become("Cancelled", "Canceled")
            invocation.ended = world.now
        else:
            invocation.become("Cancelling")
            world.at(world.now + CANCELLING_TAKES, cancelling_ends, command.key, command.id, name)
    if set(instance_ids) == set(command.invocations):
        command.cancelled = True
    world.at(world.now, command_is_sent, command.key, command.id)


def _open(world: World, key: Key, command_id: str, instance_id: str) -> tuple[Command, Invocation] | tuple[None, None]:
    command = commands_of(world).of(key).get(command_id)
    if command is None or command.invocations[instance_id].is_over:
        return None, None
    return command, command.invocations[instance_id]


def _end(world: World, due: float, command: Command, invocation: Invocation) -> None:
    invocation.ended = due
    if invocation.began is not None:
        document = find(world, command.key, command.document, command.version, "Command")
        put_output(command, invocation, plugin_of(document))
    command_is_sent(world, due, command.key, command.id)
