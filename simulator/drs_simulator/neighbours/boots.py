"""Starts of EC2 instances: how long the first boot of what DRS has launched stopped takes, and starts that fail later.

A launched instance boots while its job runs, so that it is up soon after LAUNCH_END. One that was launched stopped has
that ahead of it: it is pending for a while, and its status checks and its agent wait for the rest of the boot.
"""

from typing import Any

from drs_simulator.faults.kinds import StopsByItself
from drs_simulator.neighbours.ec2_instances import began_running, platform_of, strikes, subjects, variation
from drs_simulator.world import moto_ec2
from drs_simulator.world.behind_drs import stop_later
from drs_simulator.world.resources import Key, RecoveryInstance
from drs_simulator.world.stopped_sources import source_runs
from drs_simulator.world.world import World, happening

PENDING_TAKES = 15.0
"""Simulated seconds from a first start to running, before the instance's own variation of a quarter."""

BOOT_TAKES = {"linux": 59.5, "windows": 110.0}
"""Simulated seconds of a first boot: as long as a launch takes from the instance's appearance to LAUNCH_END."""


def begin(world: World, key: Key, instance: Any) -> None:
    """EC2 starts an instance that was stopped, and moto has let it run: let it take the time that it takes."""
    region = world.region(*key)
    moto_ec2.note_start(instance, world.clock.wall_at(world.now))
    record = region.instances.get(instance.id)
    is_first = record is not None and not record.has_booted
    if record is not None:
        _note(world, record, is_first=is_first)
    fault = strikes(world, ("stops_by_itself",), subjects(world, key, instance, "ec2:StartInstances"))
    never_runs = isinstance(fault, StopsByItself) and not fault.later
    if fault is not None and not never_runs:
        stop_later(world, world.now, key, instance.id, fault)
    if not is_first and not never_runs:
        began_running(world, instance.id)
        source_runs(world, instance.id)
        _ran(world, key, instance.id, world.now)
        return
    moto_ec2.let_pend(instance)
    pending = PENDING_TAKES * variation(instance.id, "pending")
    if never_runs and fault is not None:
        stop_later(world, world.now + pending, key, instance.id, fault)
    else:
        world.at(world.now + pending, instance_runs, key, instance.id)


@happening
def instance_runs(world: World, due: float, key: Key, instance_id: str) -> None:
    """A pending instance runs; the rest of its first boot is ahead of it."""
    instance = moto_ec2.find(*key, instance_id)
    if moto_ec2.state_of(instance) != "PENDING":
        return
    moto_ec2.let_run(instance)
    record = world.region(*key).instances.get(instance_id)
    if record is not None:
        record.has_booted = True
    began_running(world, instance_id, due + BOOT_TAKES[platform_of(world, instance)] - PENDING_TAKES)
    source_runs(world, instance_id)
    _ran(world, key, instance_id, due)


def _note(world: World, record: RecoveryInstance, *, is_first: bool) -> None:
    started: dict[str, object] = {
        "at": world.stamp(world.now),
        "id": record.id,
        "server": record.server_id,
        "first_boot": is_first,
        "ran": None,
    }
    world.region(record.account, record.region).starts.append(started)


def _ran(world: World, key: Key, instance_id: str, due: float) -> None:
    starts = world.region(*key).starts
    for started in reversed(starts):
        if started["id"] == instance_id:
            started["ran"] = world.stamp(due)
            return
