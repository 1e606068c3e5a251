"""SSM's agents: which instances are managed nodes, and whether they can be reached."""

from typing import Any, Literal

from drs_simulator.neighbours.ec2_instances import holds, running_since, subjects, variation
from drs_simulator.neighbours.fleet_settings import ssm_of
from drs_simulator.world import moto_ec2
from drs_simulator.world.resources import Key
from drs_simulator.world.world import World

Ping = Literal["Online", "ConnectionLost"]

AGENT_VERSION = "3.3.1957.0"


def registered(world: World) -> dict[str, float]:
    """Return when (simulated second) each instance's agent first reported, by instance id."""
    known: dict[str, float] = world.neighbours.setdefault("ssm_agents", {})
    return known


def ping(world: World, key: Key, instance: Any, at: float | None = None) -> Ping | None:
    """Return whether an instance's agent answers at a simulated second (now); None where there never was one.

    An agent comes online some time after its instance runs, and never under the fault `agent_missing`. An instance that
    was online once and is stopped has lost its connection; a terminated one is no managed node.
    """
    state = moto_ec2.state_of(instance)
    known = registered(world)
    if state in {"TERMINATED", "SHUTTING-DOWN", "NOT_FOUND"}:
        known.pop(getattr(instance, "id", ""), None)
        return None
    if holds(world, "agent_missing", subjects(world, key, instance, "ssm:DescribeInstanceInformation")) is None:
        since = running_since(world, key, instance)
        wait = ssm_of(world, key).agent_online_after * variation(instance.id, "agent")
        if since is not None and (world.now if at is None else at) >= since + wait:
            known.setdefault(instance.id, since + wait)
            return "Online"
    return "ConnectionLost" if instance.id in known else None


def managed(world: World, key: Key) -> dict[str, object]:
    """Return the Region's managed nodes (moto's instances) by id."""
    return {
        name: instance for name, instance in moto_ec2.instances(*key).items() if ping(world, key, instance) is not None
    }
