"""What overlays know of EC2 instances: since when they run in simulated time, and how faults see them."""

from typing import Any

from drs_simulator.faults.engine import ServerFacts, Subject
from drs_simulator.faults.kinds import AnyFault
from drs_simulator.ids import stable
from drs_simulator.world import moto_ec2
from drs_simulator.world.resources import Key
from drs_simulator.world.world import World


def _running(world: World) -> dict[str, float]:
    known: dict[str, float] = world.neighbours.setdefault("running_since", {})
    return known


def began_running(world: World, instance_id: str, at: float | None = None) -> None:
    """Note that EC2 has run or started an instance now, or that its boot counts from a simulated second on."""
    _running(world)[instance_id] = world.now if at is None else at


def stopped_running(world: World, instance_id: str) -> None:
    """Note that EC2 has stopped an instance."""
    _running(world).pop(instance_id, None)


def running_since(world: World, key: Key, instance: Any) -> float | None:
    """Return the simulated second since which an instance runs; None where it does not.

    DRS's launches are read off the job log (LAUNCH_END); an instance that came into being elsewhere runs since it was
    first seen.
    """
    if moto_ec2.state_of(instance) != "RUNNING":
        stopped_running(world, instance.id)
        return None
    known = _running(world)
    if instance.id not in known:
        launched = _launch_of(world, key, instance.id)
        known[instance.id] = world.now if launched is None else launched
    return known[instance.id]


def _launch_of(world: World, key: Key, instance_id: str) -> float | None:
    region = world.region(*key)
    record = region.instances.get(instance_id)
    if record is None:
        return None
    job = region.jobs.get(record.job_id)
    for due, line in reversed(job.log if job is not None else []):
        if line["event"] == "LAUNCH_END" and line["eventData"].get("targetInstanceID") == instance_id:
            return due
    return record.launched_s


def variation(instance_id: str, what: str) -> float:
    """Return the instance's own factor between 0.75 and 1.25: no two come up in the same second."""
    return 0.75 + int(stable("", instance_id, what)[:6], 16) % 500 / 1000


def tags_of(instance: Any) -> dict[str, str]:
    """Return an instance's EC2 tags."""
    # moto's get_tags looks through the tags of every resource of the Region.
    return dict(instance.ec2_backend.tags.get(instance.id, {}))


def facts_of(world: World, instance: Any) -> tuple[ServerFacts, ...]:
    """Return an instance as faults see it: by its source server where it has one, and by itself."""
    server = world.server_of_instance.get(instance.id)
    tags = tags_of(instance)
    itself = ServerFacts(instance.id, tags.get("Name", ""), tags)
    return (itself,) if server is None else (server.facts, itself)


def subjects(world: World, key: Key, instance: Any, operation: str, action: str | None = None) -> tuple[Subject, ...]:
    """Return an instance as a fault of the service and as a fault of DRS see it.

    :param operation: with its service: ``ssm:SendCommand``
    """
    record = world.region(*key).instances.get(instance.id)
    job = record.job_id if record is not None else None
    account, region = key
    facts = facts_of(world, instance)
    service, _, name = operation.partition(":")
    return tuple(
        Subject(seen_by, name, account, region, facts, job=job, action=action)
        for seen_by in dict.fromkeys((service, "drs"))
    )


def holds(world: World, kind: str, about: tuple[Subject, ...]) -> float | None:
    """Return since when (simulated second) a condition holds for one of these subjects; None where it does not."""
    for subject in about:
        armed = world.faults.holds(kind, subject)
        if armed is not None:
            return armed.begins_at
    return None


def strikes(world: World, kinds: tuple[str, ...], about: tuple[Subject, ...]) -> AnyFault | None:
    """Return the fault that strikes one of these subjects, used up."""
    for subject in about:
        armed = world.faults.strike(frozenset(kinds), subject)
        if armed is not None:
            return armed.fault
    return None


def platform_of(world: World, instance: Any) -> str:
    """Return ``linux`` or ``windows``."""
    server = world.server_of_instance.get(instance.id)
    if server is not None:
        return server.spec.os
    return "windows" if str(instance.platform or "").lower() == "windows" else "linux"
