"""What a launch and a termination do to the world, stage by stage."""

from collections.abc import Mapping
from dataclasses import replace

from drs_simulator import ids
from drs_simulator.world import moto_ec2
from drs_simulator.world.behind_drs import EC2_SHOWS_TERMINATED, ec2_forgets, end_later, note, stop_later, strip_later
from drs_simulator.world.jobs import (
    AFTER_LAST_STAGE,
    UNDO,
    create_job,
    effect,
    fail,
    log,
    next_stage,
    server_ends,
    set_status,
    strike,
)
from drs_simulator.world.launch_actions import begin_actions
from drs_simulator.world.resources import Job, Key, Participant, RecoveryInstance, Region, SourceServer
from drs_simulator.world.stages import CONVERSION, SNAPSHOT, TERMINATION, LaunchKind, launch_stages
from drs_simulator.world.stopped_sources import source_runs
from drs_simulator.world.world import World, happening

TERMINATED_IS_SHOWN = 300.0
"""Simulated seconds for which a terminated recovery instance is still described ("for a while", observed)."""


def launch_kind(world: World, server: SourceServer, *, is_pinned: bool) -> LaunchKind:
    """Return what decides the stages of a server's launch."""
    weather = world.weather(server)
    reachable = server.spec.reachable and weather.disconnected_since is None and weather.stalled_since is None
    return LaunchKind(
        os=server.spec.os,
        is_fast=server.launch.get("recoveryMode") == "FAST",
        is_source_reachable=reachable and world.replication_of(server).state not in {"STALLED", "DISCONNECTED"},
        has_pinned_snapshot=is_pinned,
        has_previous_instance=server.instance_id is not None,
        is_extended=server.staging_arn is not None,
    )


def create_launch_job(
    world: World, region: Region, servers: Mapping[str, float | None], *, initiated_by: str, tags: Mapping[str, str]
) -> Job:
    """Begin a LAUNCH job; `servers` maps id to the simulated second of a pinned point in time."""
    plans = {}
    for server_id, pinned in servers.items():
        server = region.servers[server_id]
        plans[server_id] = launch_stages(launch_kind(world, server, is_pinned=pinned is not None))
    job = create_job(world, region, plans, job_type="LAUNCH", initiated_by=initiated_by, tags=tags)
    for server_id, pinned in servers.items():
        server = region.servers[server_id]
        job.participants[server_id].snapshot_s = pinned
        server.last_launch = {
            "initiated": {
                "apiCallDateTime": job.created,
                "jobID": job.id,
                "type": "DRILL" if job.is_drill else "RECOVERY",
            },
            "status": "PENDING",
        }
        server.last_launch_result = "PENDING"
    strip_later(world, job)
    _convert_in_staging_accounts(world, region, servers)
    return job


def create_terminate_job(world: World, region: Region, instances: list[RecoveryInstance]) -> Job:
    """Begin a TERMINATE job."""
    job = create_job(
        world,
        region,
        {instance.server_id: TERMINATION for instance in instances},
        job_type="TERMINATE",
        initiated_by="TERMINATE_RECOVERY_INSTANCES",
        tags={},
    )
    for instance in instances:
        job.participants[instance.server_id].instance_id = instance.id
    return job


def _convert_in_staging_accounts(world: World, region: Region, servers: Mapping[str, object]) -> None:
    """An extended source server is snapshot and converted by a second job, in its staging account."""
    by_account: dict[Key, list[str]] = {}
    for server_id in servers:
        staged = world.find_server(region.servers[server_id].staging_arn or "::::::")
        if staged is not None:
            by_account.setdefault(staged.key, []).append(staged.id)
    for key, staged_ids in by_account.items():
        stages = dict.fromkeys(staged_ids, SNAPSHOT + CONVERSION)
        create_job(
            world,
            world.region(*key),
            stages,
            job_type="CREATE_CONVERTED_SNAPSHOT",
            initiated_by="TARGET_ACCOUNT",
            tags={},
        )


def _discard(world: World, job: Job, participant: Participant) -> None:
    """An instance of a launch that failed halfway is taken down again."""
    if participant.instance_id is None or job.type != "LAUNCH":
        return
    region = world.region(*job.key)
    launched = region.servers.get(participant.id)
    if launched is None or _into(launched) != participant.instance_id:  # what was there before stays
        moto_ec2.terminate(job.account, job.region, str(participant.instance_id))
    region.instances.pop(str(participant.instance_id), None)
    world.server_of_instance.pop(str(participant.instance_id), None)
    server = region.servers.get(participant.id)
    if server is not None and server.instance_id == participant.instance_id:
        server.instance_id = None
    participant.instance_id = None


@effect("LAUNCH", "CLEANUP_END")
def _cleanup_ends(world: World, due: float, job: Job, participant: Participant) -> dict[str, object] | None:
    """The previous recovery instance of the server is terminated: every launch does this."""
    server = world.region(*job.key).servers[participant.id]
    if server.instance_id is not None:
        refused = remove_instance(world, due, world.region(*job.key), server.instance_id)
        if refused is not None:
            log(world, job, due, "CLEANUP_FAIL", participant.id, rawError=refused)
            server.instance_id = None
            next_stage(world, due, job, participant)
            return None
    return {}


def remove_instance(world: World, due: float, region: Region, instance_id: str) -> str | None:
    """Terminate a recovery instance in EC2 and in DRS; returns why not, where EC2 refuses."""
    refused = moto_ec2.terminate(region.account, region.name, instance_id)
    if refused is not None:
        return refused
    record = region.instances.get(instance_id)
    if record is not None:
        record.terminated_s = due
        world.at(due + TERMINATED_IS_SHOWN, forget_instance, region.key, instance_id)
        world.at(due + EC2_SHOWS_TERMINATED, ec2_forgets, region.key, instance_id)
        server = region.servers.get(record.server_id)
        if server is not None and server.instance_id == instance_id:
            server.instance_id = None
    return None


@happening
def forget_instance(world: World, _due: float, key: Key, instance_id: str) -> None:
    """A terminated recovery instance is no longer described."""
    world.region(*key).instances.pop(instance_id, None)
    world.server_of_instance.pop(instance_id, None)


@effect("LAUNCH", "SNAPSHOT_END")
@effect("LAUNCH", "USING_PREVIOUS_SNAPSHOT")
def _snapshot_ends(world: World, due: float, job: Job, participant: Participant) -> dict[str, object] | None:
    region = world.region(*job.key)
    server = region.servers.get(participant.id)
    if job.type == "LAUNCH" and server is not None:
        has_no_place = _has_no_place(region, server)
        if has_no_place or strike(world, job, server, "fail_silently") is not None:
            log(world, job, due, participant.stages[participant.position - 1].event, participant.id)
            participant.is_silent = True
            server_ends(world, due, job, participant, "FAILED")
            return None
        if participant.snapshot_s is None:
            participant.snapshot_s = _latest(world, server, due)
    return {}


def _has_no_place(region: Region, server: SourceServer) -> bool:
    """No subnet in the launch template and no default VPC: the launch fails without a word (observed)."""
    if region.has_default_vpc or _into(server):
        return False
    try:
        return _place(region, server).names_no_place
    except moto_ec2.LaunchRefused:
        return False


def _into(server: SourceServer) -> str | None:
    return (server.launch.get("launchIntoInstanceProperties") or {}).get("launchIntoEC2InstanceID") or None


def _place(region: Region, server: SourceServer) -> moto_ec2.LaunchPlan:
    override = moto_ec2.right_sized(server.launch["targetInstanceTypeRightSizingMethod"], server.spec)
    return moto_ec2.launch_plan(region.account, region.name, server.launch["ec2LaunchTemplateID"], override)


@effect("LAUNCH", "CONVERSION_END")
@effect("CREATE_CONVERTED_SNAPSHOT", "CONVERSION_END")
def _conversion_ends(world: World, _due: float, _job: Job, _participant: Participant) -> dict[str, object]:
    return {"conversionServerID": ids.fresh("i-", world.random, hexadecimal=True)}


@effect("LAUNCH", "LAUNCH_START")
def _launch_starts(world: World, due: float, _job: Job, participant: Participant) -> dict[str, object]:
    if world.fleet.shows_in_progress:
        set_status(participant, due, "IN_PROGRESS")
    return {}


@effect("LAUNCH", "INSTANCE_PENDING")
def _instance_appears(world: World, due: float, job: Job, participant: Participant) -> dict[str, object] | None:
    region = world.region(*job.key)
    server = region.servers[participant.id]
    if _into(server) is None and strike(world, job, server, "launches_nothing") is not None:
        note(world, region, due, "launched_nothing", job.id, server.id)
        return {}
    try:
        instance_id = _run(world, job, region, server)
    except moto_ec2.LaunchRefused as refused:
        fail(world, due, job, participant, event="INSTANCE_PENDING", error=str(refused))
        return None
    if _into(server) is None:
        moto_ec2.created(region.account, region.name, instance_id, world.clock.wall_at(due))
    participant.instance_id = instance_id
    instance = moto_ec2.find(region.account, region.name, instance_id)
    participant.landed = {"subnet_id": instance.subnet_id, "instance_type": instance.instance_type}
    server.instance_id = instance_id
    region.instances[instance_id] = RecoveryInstance(
        id=instance_id,
        account=region.account,
        region=region.name,
        server_id=server.id,
        job_id=job.id,
        is_drill=job.is_drill,
        point_in_time=world.stamp(participant.snapshot_s),
        launched_s=due,
        visible_from_s=due + job.instances_invisible_s,
        tags=dict(server.tags),
        origin_zone=server.spec.origin.zone or (f"{server.spec.origin.region}a" if server.spec.origin.region else None),
        is_from_failback=server.direction == "FAILBACK",
    )
    world.server_of_instance[instance_id] = server
    return {}


def _latest(world: World, server: SourceServer, due: float) -> float:
    """The newest point there is: a snapshot on demand, or the last one before the source was lost."""
    state = world.replication_of(server)
    if state.state in {"STALLED", "DISCONNECTED"} or not server.spec.reachable:
        points = world.recovery_points_of(server)
        return points[-1].taken if points else state.last_good
    return min(due, state.last_good)


def _run(world: World, job: Job, region: Region, server: SourceServer) -> str:
    into = _into(server)
    if into is not None:
        return _run_into(world, region, server, into)
    plan = _place(region, server)
    if world.holds("wrong_profile", server) is not None:
        plan = replace(plan, profile=f"arn:aws:iam::{region.account}:instance-profile/without-drs")
    lacks = strike(
        world,
        job,
        server,
        "no_capacity",
        accept=lambda fault: (
            fault.do == "no_capacity"
            and moto_ec2.fits(fault.instance_type, plan.instance_type)
            and moto_ec2.fits(fault.zone, plan.zone)
        ),
    )
    if lacks is not None:
        raise moto_ec2.LaunchRefused(
            f"InsufficientInstanceCapacity: We currently do not have sufficient {plan.instance_type} capacity "
            f"in the Availability Zone you requested ({plan.zone})."
        )
    tags = {
        **(server.tags if server.launch.get("copyTags") else {}),
        **plan.tags,
        "AWSElasticDisasterRecoveryManaged": "drs.amazonaws.com",
        "AWSElasticDisasterRecoverySourceServerID": server.id,
        "AWSElasticDisasterRecoveryJobID": job.id,
    }
    tags.setdefault("Name", server.spec.hostname)
    if plan.template_id is not None:
        tags |= {"aws:ec2launchtemplate:id": plan.template_id, "aws:ec2launchtemplate:version": str(plan.version)}
    private_ip = source_address(server) if server.launch.get("copyPrivateIp") else None
    return moto_ec2.run(region.account, region.name, plan, tags=tags, disks=server.spec.disks, private_ip=private_ip)


def source_address(server: SourceServer) -> str:
    """Return the private address of the source server, the same one every time."""
    number = int(ids.stable("", server.id, "address")[:6], 16)
    return f"10.0.{number // 250 % 250 + 1}.{number % 250 + 4}"


def _run_into(world: World, region: Region, server: SourceServer, instance_id: str) -> str:
    """Put the recovered disks into a stopped instance: its own are lost."""
    instance = moto_ec2.find(region.account, region.name, instance_id)
    state = moto_ec2.state_of(instance)
    if state != "STOPPED":
        raise moto_ec2.LaunchRefused(
            f"Instance {instance_id} needs to be in a stopped state but is in a {state.lower()} state"
        )
    if {tag["key"]: tag["value"] for tag in instance.get_tags()}.get("AWSDRS") != "AllowLaunchingIntoThisInstance":
        raise moto_ec2.LaunchRefused(f"Instance {instance_id} is not tagged AWSDRS=AllowLaunchingIntoThisInstance")
    if world.holds("wrong_profile", server) is not None:
        raise moto_ec2.LaunchRefused(
            f"Instance {instance_id} has no instance profile with AWSElasticDisasterRecoveryRecoveryInstancePolicy"
        )
    moto_ec2.overwrite(region.account, region.name, instance_id, server.spec.disks)
    return instance_id


@effect("LAUNCH", "LAUNCH_END")
def _launch_ends(world: World, due: float, job: Job, participant: Participant) -> dict[str, object]:
    if job.initiated_by == "FAILBACK":  # the failback client is converted, no instance is launched
        return {}
    if participant.instance_id is None:  # a fault lets DRS say so of nothing
        return {}
    server = world.region(*job.key).servers[participant.id]
    instance_id = participant.instance_id
    stopped = (
        server.launch.get("launchDisposition") == "STOPPED"
        or strike(world, job, server, "launched_stopped") is not None
    )
    if _into(server):
        moto_ec2.start(job.account, job.region, instance_id, world.clock.wall_at(due))
        source_runs(world, instance_id)
    if participant.landed is not None:
        participant.landed["disposition"] = "STOPPED" if stopped else "STARTED"
    if stopped:
        moto_ec2.let_stop(job.account, job.region, instance_id, world.clock.wall_at(due))
    else:
        moto_ec2.set_running(job.account, job.region, instance_id)
    if (record := world.region(*job.key).instances.get(instance_id)) is not None:
        record.has_booted = not stopped
    if not stopped and (stopping := strike(world, job, server, "stops_by_itself")) is not None:
        stop_later(world, due, job.key, instance_id, stopping)
    if (ending := strike(world, job, server, "terminated_behind_drs")) is not None:
        end_later(world, due, job.key, instance_id, ending)
    return {"targetInstanceID": instance_id}


@effect("TERMINATE", "CLEANUP_END")
def _termination_ends(world: World, due: float, job: Job, participant: Participant) -> dict[str, object] | None:
    refused = remove_instance(world, due, world.region(*job.key), str(participant.instance_id))
    if refused is not None:
        fail(world, due, job, participant, event="CLEANUP_END", error=refused)
        return None
    return {}


AFTER_LAST_STAGE["LAUNCH"] = begin_actions
UNDO.append(_discard)
