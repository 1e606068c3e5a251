"""What DRS does not tell: who ends instances in EC2, deletes jobs, takes tags away, and what stops by itself."""

from collections.abc import Collection
from fnmatch import fnmatchcase

from drs_simulator.faults.kinds import AnyFault
from drs_simulator.world import moto_ec2
from drs_simulator.world.jobs import JOB_WATCHERS, strike
from drs_simulator.world.resources import Job, Key, Region
from drs_simulator.world.world import World, happening

EC2_SHOWS_TERMINATED = 3600.0
"""Simulated seconds for which EC2 lists a terminated instance (about an hour)."""

_RESERVED = "aws:"
"""What AWS's own tags begin with: nobody can take them away."""


def note(world: World, region: Region, due: float, what: str, name: str, *servers: str) -> None:
    """Keep what was done for whoever looks at the state: in no answer of AWS it is."""
    region.behind_drs.append({"at": world.stamp(due), "what": what, "id": name, "servers": list(servers)})


@happening
def ec2_forgets(_world: World, _due: float, key: Key, instance_id: str) -> None:
    """EC2 no longer lists a terminated instance."""
    moto_ec2.forget(*key, instance_id)


def end_later(world: World, due: float, key: Key, instance_id: str, fault: AnyFault) -> None:
    """Let an instance be ended as a fault says."""
    if fault.do != "terminated_behind_drs":
        return
    if fault.later:
        world.at(due + fault.later, instance_is_ended, key, instance_id, fault.protection_holds)
    else:
        instance_is_ended(world, due, key, instance_id, fault.protection_holds)


@happening
def instance_is_ended(world: World, due: float, key: Key, instance_id: str, protection_holds: bool) -> None:
    """Somebody, or EC2 itself, terminates an instance; DRS was not asked."""
    region, instance = world.region(*key), moto_ec2.find(*key, instance_id)
    if moto_ec2.state_of(instance) in {"NOT_FOUND", "TERMINATED"}:
        return
    if not protection_holds:
        moto_ec2.unprotect(*key, instance_id)
    if moto_ec2.terminate(*key, instance_id) is not None:
        return
    world.at(due + EC2_SHOWS_TERMINATED, ec2_forgets, key, instance_id)
    server = world.server_of_instance.get(instance_id)
    note(world, region, due, "terminated", instance_id, *([server.id] if server else []))


def stop_later(world: World, due: float, key: Key, instance_id: str, fault: AnyFault) -> None:
    """Let a started instance stop as a fault says."""
    if fault.do == "stops_by_itself":
        world.at(due + fault.later, instance_stops, key, instance_id, fault.reason)


@happening
def instance_stops(world: World, due: float, key: Key, instance_id: str, reason: str) -> None:
    """An instance that runs, or is about to, stops by itself; DRS was not asked."""
    instance = moto_ec2.find(*key, instance_id)
    if moto_ec2.state_of(instance) not in {"PENDING", "RUNNING"}:
        return
    moto_ec2.stop(instance, reason)
    server = world.server_of_instance.get(instance_id)
    note(world, world.region(*key), due, "stopped", instance_id, *([server.id] if server else []))


def forget_job(world: World, due: float, region: Region, job: Job) -> None:
    """Take a job out of everything that DRS tells; the control plane goes on telling it."""
    del region.jobs[job.id]
    region.deleted_jobs[job.id] = job
    note(world, region, due, "job_deleted", job.id, *job.participants)


def _may_be_deleted(world: World, due: float, job: Job) -> None:
    """Let somebody delete a job that has ended, where a fault says so of it or of one of its servers."""
    region = world.region(*job.key)
    servers = [region.servers.get(name) for name in job.participants]
    fault = next((fault for server in servers if (fault := strike(world, job, server, "deleted_job"))), None)
    if fault is not None and fault.do == "deleted_job":
        world.at(due + fault.later, job_is_deleted, job.key, job.id)


JOB_WATCHERS.append(_may_be_deleted)


@happening
def job_is_deleted(world: World, due: float, key: Key, job_id: str) -> None:
    """Somebody deletes a job in DRS."""
    region = world.region(*key)
    if (job := region.jobs.get(job_id)) is not None:
        forget_job(world, due, region, job)


def strip_later(world: World, job: Job) -> None:
    """Let the tags of a job that has just begun, and of what it launches, be taken away as faults say."""
    region = world.region(*job.key)
    for name in job.participants:
        fault = strike(world, job, region.servers.get(name), "stripped_tags")
        if fault is not None and fault.do == "stripped_tags":
            of, keys = sorted(fault.of), list(fault.keys)
            world.at(job.created_s + fault.later, tags_are_stripped, job.key, job.id, name, of, keys)


@happening
def tags_are_stripped(  # noqa: PLR0917 - what the agenda holds is positional
    world: World, due: float, key: Key, job_id: str, server_id: str, of: Collection[str], keys: Collection[str]
) -> None:
    """Somebody takes tags away from a job, from its server, and from what it has launched for it by now."""
    region = world.region(*key)
    job, server = region.jobs.get(job_id) or region.deleted_jobs.get(job_id), region.servers.get(server_id)
    instance_id = job.participants[server_id].instance_id if job is not None else None
    record, instance = region.instances.get(str(instance_id)), moto_ec2.find(*key, str(instance_id))
    in_drs = {"job": job, "source_server": server, "recovery_instance": record}
    for kind, thing in in_drs.items():
        if kind in of and thing is not None and (gone := _matching(thing.tags, keys)):
            for name in gone:
                del thing.tags[name]
            note(world, region, due, "tags_stripped", thing.id, server_id)
    for kind, names in moto_ec2.parts_of(instance).items():
        for name in names if kind in of else ():
            tags = moto_ec2.tags_of(*key, name)
            if gone := _matching(tags, keys):
                moto_ec2.drop_tags(*key, name, gone)
                note(world, region, due, "tags_stripped", name, server_id)


def _matching(tags: Collection[str], keys: Collection[str]) -> list[str]:
    free = (name for name in tags if not name.startswith(_RESERVED))
    return [name for name in free if any(fnmatchcase(name, pattern) for pattern in keys)]
