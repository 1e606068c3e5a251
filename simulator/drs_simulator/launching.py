"""How jobs go: each server steps through its stages as they become due, faults decide at every step.

create_job → job_begins → stage_is_due (per server, again and again) → server_ends → job_ends
"""

from collections.abc import Callable, Mapping
from typing import Any

from drs_simulator import cloud, ids
from drs_simulator.faults.engine import Subject
from drs_simulator.faults.specification import AnyFault
from drs_simulator.lifecycle import (
    CONVERSION,
    FAILURE_OF,
    JOB_END_AFTER,
    JOB_START_AFTER,
    SILENT_FAILURE_AFTER,
    SNAPSHOT,
    TERMINATION,
    LaunchKind,
    Stage,
    job_factor,
    launch_stages,
    server_factor,
    stretched,
)
from drs_simulator.models import Job, Key, Participant, RecoveryInstance, Region, SourceServer
from drs_simulator.world import World, happening

TERMINATED_IS_SHOWN = 300.0
"""Simulated seconds for which a terminated recovery instance is still described ("for a while", observed)."""

AGENT_IS_FOUND_AFTER = 60.0
ACTION_TAKES = 30.0
ACTION_TIMES_OUT_AFTER = 3600.0
AGENT_IS_GIVEN_UP_AFTER = 600.0


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
    _convert_in_staging_accounts(world, region, servers)
    return job


def create_terminate_job(world: World, region: Region, instances: list[RecoveryInstance]) -> Job:
    """Begin a TERMINATE job."""
    job = create_job(
        world, region, {one.server_id: TERMINATION for one in instances},
        job_type="TERMINATE", initiated_by="TERMINATE_RECOVERY_INSTANCES", tags={},
    )  # fmt: skip
    for one in instances:
        job.participants[one.server_id].instance_id = one.id
    return job


def _convert_in_staging_accounts(world: World, region: Region, servers: Mapping[str, Any]) -> None:
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


def create_job(
    world: World,
    region: Region,
    plans: Mapping[str, tuple[Stage, ...]],
    *,
    job_type: str,
    initiated_by: str,
    tags: Mapping[str, str],
) -> Job:
    """Begin a job whose participants go through these stages."""
    factor = job_factor(world.random, world.jitter)
    participants = {}
    for name, stages in plans.items():
        own = server_factor(world.random, factor, world.jitter)
        participants[name] = Participant(name, stretched(stages, own), factor=own)
    now = world.now
    job = Job(
        id=world.fresh_id("drsjob-"), account=region.account, region=region.name, type=job_type, initiated_by=initiated_by,
        created=world.stamp(), created_s=now, tags=dict(tags), participants=participants,
    )  # fmt: skip
    region.jobs[job.id] = region.unfinished[job.id] = job
    region.busy.update(dict.fromkeys(plans, job.id))
    world.at(now + JOB_START_AFTER, job_begins, region.key, job.id)
    return job


def _find(world: World, key: Key, job_id: str) -> tuple[Region, Job | None]:
    region = world.region(*key)
    return region, region.unfinished.get(job_id)


def log(world: World, job: Job, due: float, event: str, server_id: str | None = None, **data: Any) -> None:
    """Write a line of the job log."""
    details = {"sourceServerID": server_id, **data} if server_id and server_id.startswith("s-") else dict(data)
    job.log.append((due, {"logDateTime": world.stamp(due), "event": event, "eventData": details}))


@happening
def job_begins(world: World, due: float, key: Key, job_id: str) -> None:
    """PENDING → STARTED, and every server's first stage is on its way."""
    _, job = _find(world, key, job_id)
    if job is None or job.held_by is not None:
        return
    job.status = "STARTED"
    job.history.append((due, "STARTED"))
    log(world, job, due, "JOB_START")
    for participant in job.participants.values():
        server = world.region(*key).servers.get(participant.id)
        slow = _strike(world, job, server, "slow") if server else None
        if slow is not None and slow.do == "slow":
            participant.stages = stretched(participant.stages, slow.factor)
        _next_stage(world, due, job, participant)
    if not job.participants:
        world.at(due + JOB_END_AFTER, job_ends, key, job_id)


def _next_stage(world: World, due: float, job: Job, participant: Participant) -> None:
    if participant.position >= len(participant.stages):
        server_ends(world, due, job, participant, participant.status)
        return
    wait = participant.stages[participant.position].after
    world.at(due + wait, stage_is_due, job.key, job.id, participant.id)


def _strike(
    world: World,
    job: Job,
    server: SourceServer | None,
    *kinds: str,
    accept: Callable[[AnyFault], bool] | None = None,
    **more: Any,
) -> AnyFault | None:
    subject = Subject(
        operation="StartRecovery" if job.type == "LAUNCH" else "TerminateRecoveryInstances",
        account=job.account, region=job.region, servers=(server.facts,) if server else (), job=job.id, **more,
    )  # fmt: skip
    armed = world.faults.strike(frozenset(kinds), subject, accept)
    return armed.fault if armed else None


@happening
def stage_is_due(world: World, due: float, key: Key, job_id: str, participant_id: str) -> None:
    """A server reaches its next stage, unless a fault says otherwise."""
    region, job = _find(world, key, job_id)
    if job is None:
        return
    participant = job.participants[participant_id]
    if participant.is_over or participant.held_by is not None:
        return
    stage = participant.stages[participant.position]
    server = region.servers.get(participant_id)
    if _is_stuck(world, due, job, participant, server, stage):
        return
    fault = _strike(world, job, server, "fail_at", accept=lambda one: one.do == "fail_at" and one.event == stage.event)
    if fault is not None and fault.do == "fail_at":
        _fail(world, due, job, participant, stage.event, fault.error)
        return
    participant.position += 1
    effect = EFFECTS.get((job.type, stage.event))
    outcome = effect(world, due, job, participant) if effect else {}
    if outcome is None:
        return
    if not stage.is_hidden:
        log(world, job, due, stage.event, participant_id, **outcome)
    if participant.position < len(participant.stages):
        _next_stage(world, due, job, participant)
    else:
        _last_stage_is_done(world, due, job, participant, server)


def _is_stuck(
    world: World, due: float, job: Job, participant: Participant, server: SourceServer | None, stage: Stage
) -> bool:
    subject = Subject(account=job.account, region=job.region, servers=(server.facts,) if server else (), job=job.id)
    armed = world.faults.strike(
        frozenset({"stuck"}), subject, lambda one: one.do == "stuck" and one.event in {None, stage.event}
    )
    if armed is None:
        return False
    participant.held_by = armed.id
    if armed.fault.lasts is not None:
        world.at(max(due, armed.begins_at + armed.fault.lasts), fault_lets_go, armed.id)
    return True


@happening
def fault_lets_go(world: World, due: float, fault_id: str) -> None:
    """Everything that a fault held goes on from here."""
    for region in tuple(world.regions.values()):
        for job in tuple(region.unfinished.values()):
            if job.held_by == fault_id:
                job.held_by = None
                for participant in job.participants.values():
                    server_ends(world, due, job, participant, "FAILED")
            for participant in job.participants.values():
                if participant.held_by == fault_id:
                    participant.held_by = None
                    world.at(due, stage_is_due, region.key, job.id, participant.id)


def _fail(world: World, due: float, job: Job, participant: Participant, event: str, error: str) -> None:
    failure = FAILURE_OF.get(event, "LAUNCH_FAILED")
    if participant.instance_id is not None and job.type == "LAUNCH":
        _discard(world, job, participant)
    log(world, job, due, failure, participant.id, rawError=error)
    server_ends(world, due, job, participant, "FAILED")


def _discard(world: World, job: Job, participant: Participant) -> None:
    """An instance of a launch that failed halfway is taken down again."""
    region = world.region(*job.key)
    cloud.terminate(job.account, job.region, str(participant.instance_id))
    region.instances.pop(str(participant.instance_id), None)
    world.server_of_instance.pop(str(participant.instance_id), None)
    server = region.servers.get(participant.id)
    if server is not None and server.instance_id == participant.instance_id:
        server.instance_id = None
    participant.instance_id = None


def set_status(participant: Participant, due: float, status: str) -> None:
    """Note a participant's launchStatus, with when."""
    participant.status = status
    participant.history.append((due, status))


def server_ends(world: World, due: float, job: Job, participant: Participant, status: str) -> None:
    """A server's part in a job is over; the last one ends the job."""
    if participant.is_over:
        return
    participant.is_over = True
    set_status(participant, due, status)
    server = world.region(*job.key).servers.get(participant.id)
    if server is not None and job.type == "LAUNCH":
        server.last_launch = {**(server.last_launch or {}), "status": status}
        server.last_launch_result = "SUCCEEDED" if status == "LAUNCHED" else "FAILED"
    if all(one.is_over for one in job.participants.values()):
        silent = all(one.is_silent for one in job.participants.values())
        world.at(due + (SILENT_FAILURE_AFTER if silent else JOB_END_AFTER), job_ends, job.key, job.id)


@happening
def job_ends(world: World, due: float, key: Key, job_id: str) -> None:
    """STARTED → COMPLETED: the only way a job ends; its servers are free again."""
    region, job = _find(world, key, job_id)
    if job is None:
        return
    job.status = "COMPLETED"
    job.ended = world.stamp(due)
    job.history.append((due, "COMPLETED"))
    log(world, job, due, "JOB_END")
    del region.unfinished[job_id]
    for name in job.participants:
        if region.busy.get(name) == job_id:
            del region.busy[name]
    for watcher in JOB_WATCHERS:
        watcher(world, due, job)


JOB_WATCHERS: list[Callable[[World, float, Job], None]] = []
"""Called when a job has ended."""


# -- what stages do -------------------------------------------------------------------------------------------------
# Each returns the job log line's data; None: the server's way ended or goes on elsewhere.


def _cleanup_ends(world: World, due: float, job: Job, participant: Participant) -> dict[str, Any] | None:
    """The previous recovery instance of the server is terminated: every launch does this."""
    server = world.region(*job.key).servers[participant.id]
    if server.instance_id is not None:
        refused = remove_instance(world, due, world.region(*job.key), server.instance_id)
        if refused is not None:
            log(world, job, due, "CLEANUP_FAIL", participant.id, rawError=refused)
            server.instance_id = None
            _next_stage(world, due, job, participant)
            return None
    return {}


def remove_instance(world: World, due: float, region: Region, instance_id: str) -> str | None:
    """Terminate a recovery instance in EC2 and in DRS; returns why not, where EC2 refuses."""
    refused = cloud.terminate(region.account, region.name, instance_id)
    if refused is not None:
        return refused
    record = region.instances.get(instance_id)
    if record is not None:
        record.terminated_s = due
        world.at(due + TERMINATED_IS_SHOWN, forget_instance, region.key, instance_id)
        server = region.servers.get(record.server_id)
        if server is not None and server.instance_id == instance_id:
            server.instance_id = None
    return None


@happening
def forget_instance(world: World, due: float, key: Key, instance_id: str) -> None:
    """A terminated recovery instance is no longer described."""
    world.region(*key).instances.pop(instance_id, None)
    world.server_of_instance.pop(instance_id, None)


def _snapshot_ends(world: World, due: float, job: Job, participant: Participant) -> dict[str, Any] | None:
    region = world.region(*job.key)
    server = region.servers.get(participant.id)
    if job.type == "LAUNCH" and server is not None:
        has_no_place = _has_no_place(region, server)
        if has_no_place or _strike(world, job, server, "fail_silently") is not None:
            log(world, job, due, participant.stages[participant.position - 1].event, participant.id)
            participant.is_silent = True
            server_ends(world, due, job, participant, "FAILED")
            return None
    return {}


def _has_no_place(region: Region, server: SourceServer) -> bool:
    """No subnet in the launch template and no default VPC: the launch fails without a word (observed)."""
    if region.has_default_vpc or _into(server):
        return False
    try:
        return _place(region, server).subnet_id is None
    except cloud.LaunchRefused:
        return False


def _into(server: SourceServer) -> str | None:
    return (server.launch.get("launchIntoInstanceProperties") or {}).get("launchIntoEC2InstanceID") or None


def _place(region: Region, server: SourceServer) -> cloud.LaunchPlan:
    override = cloud.right_sized(server.launch["targetInstanceTypeRightSizingMethod"], server.spec)
    return cloud.launch_plan(region.account, region.name, server.launch["ec2LaunchTemplateID"], override)


def _conversion_ends(world: World, due: float, job: Job, participant: Participant) -> dict[str, Any]:
    return {"conversionServerID": ids.fresh("i-", world.random, hexadecimal=True)}


def _launch_starts(world: World, due: float, job: Job, participant: Participant) -> dict[str, Any]:
    set_status(participant, due, "IN_PROGRESS")
    return {}


def _instance_appears(world: World, due: float, job: Job, participant: Participant) -> dict[str, Any] | None:
    region = world.region(*job.key)
    server = region.servers[participant.id]
    try:
        instance_id = _run(world, job, region, server)
    except cloud.LaunchRefused as refused:
        _fail(world, due, job, participant, "INSTANCE_PENDING", str(refused))
        return None
    participant.instance_id = instance_id
    server.instance_id = instance_id
    taken = participant.snapshot_s if participant.snapshot_s is not None else _latest(world, server, job)
    region.instances[instance_id] = RecoveryInstance(
        id=instance_id, account=region.account, region=region.name, server_id=server.id, job_id=job.id, is_drill=job.is_drill,
        point_in_time=world.stamp(taken), launched_s=due, visible_from_s=due + job.instances_invisible_s, tags=dict(server.tags),
        origin_zone=server.spec.origin.zone or (f"{server.spec.origin.region}a" if server.spec.origin.region else None),
        is_from_failback=server.direction == "FAILBACK",
    )  # fmt: skip
    world.server_of_instance[instance_id] = server
    return {}


def _latest(world: World, server: SourceServer, job: Job) -> float:
    """The newest point there is: a snapshot on demand at the job's start, or the last one before the source was lost."""
    state = world.replication_of(server)
    if state.state in {"STALLED", "DISCONNECTED"} or not server.spec.reachable:
        points = world.recovery_points_of(server)
        return points[-1].taken if points else state.last_good
    return min(job.created_s, state.last_good)


def _run(world: World, job: Job, region: Region, server: SourceServer) -> str:
    into = _into(server)
    if into is not None:
        return _run_into(region, into)
    plan = _place(region, server)
    lacks = _strike(
        world, job, server, "no_capacity",
        accept=lambda one: one.do == "no_capacity" and cloud.fits(one.instance_type, plan.instance_type) and cloud.fits(one.zone, plan.zone),
    )  # fmt: skip
    if lacks is not None:
        raise cloud.LaunchRefused(
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
    return cloud.run(region.account, region.name, plan, tags, server.spec.disks, private_ip)


def source_address(server: SourceServer) -> str:
    """Return the private address of the source server, the same one every time."""
    number = int(ids.stable("", server.id, "address")[:6], 16)
    return f"10.0.{number // 250 % 250 + 1}.{number % 250 + 4}"


def _run_into(region: Region, instance_id: str) -> str:
    instance = cloud.find(region.account, region.name, instance_id)
    state = cloud.state_of(instance)
    if state != "STOPPED":
        raise cloud.LaunchRefused(
            f"Instance {instance_id} needs to be in a stopped state but is in a {state.lower()} state"
        )
    if {tag["key"]: tag["value"] for tag in instance.get_tags()}.get("AWSDRS") != "AllowLaunchingIntoThisInstance":
        raise cloud.LaunchRefused(f"Instance {instance_id} is not tagged AWSDRS=AllowLaunchingIntoThisInstance")
    return instance_id


def _launch_ends(world: World, due: float, job: Job, participant: Participant) -> dict[str, Any]:
    server = world.region(*job.key).servers[participant.id]
    instance_id = str(participant.instance_id)
    stopped = (
        server.launch.get("launchDisposition") == "STOPPED"
        or _strike(world, job, server, "launched_stopped") is not None
    )
    if _into(server):
        cloud.start(job.account, job.region, instance_id)
    cloud.set_running(job.account, job.region, instance_id, running=not stopped)
    if _strike(world, job, server, "terminated_behind_drs") is not None:
        cloud.terminate(job.account, job.region, instance_id)
    return {"targetInstanceID": instance_id}


def _termination_ends(world: World, due: float, job: Job, participant: Participant) -> dict[str, Any] | None:
    refused = remove_instance(world, due, world.region(*job.key), str(participant.instance_id))
    if refused is not None:
        _fail(world, due, job, participant, "CLEANUP_END", refused)
        return None
    return {}


EFFECTS: Mapping[tuple[str, str], Callable[[World, float, Job, Participant], dict[str, Any] | None]] = {
    ("LAUNCH", "CLEANUP_END"): _cleanup_ends,
    ("LAUNCH", "SNAPSHOT_END"): _snapshot_ends,
    ("LAUNCH", "USING_PREVIOUS_SNAPSHOT"): _snapshot_ends,
    ("LAUNCH", "CONVERSION_END"): _conversion_ends,
    ("CREATE_CONVERTED_SNAPSHOT", "CONVERSION_END"): _conversion_ends,
    ("LAUNCH", "LAUNCH_START"): _launch_starts,
    ("LAUNCH", "INSTANCE_PENDING"): _instance_appears,
    ("LAUNCH", "LAUNCH_END"): _launch_ends,
    ("TERMINATE", "CLEANUP_END"): _termination_ends,
}


def _last_stage_is_done(
    world: World, due: float, job: Job, participant: Participant, server: SourceServer | None
) -> None:
    if job.type == "TERMINATE":
        server_ends(world, due, job, participant, "TERMINATED")
        return
    active = (
        []
        if server is None
        else sorted((one for one in server.actions.values() if one["active"]), key=lambda one: one["order"])
    )
    if job.type == "LAUNCH" and server is not None and server.launch.get("postLaunchEnabled") and active:
        participant.actions = {"runs": []}
        missing = _strike(world, job, server, "agent_missing") is not None
        wait = AGENT_IS_GIVEN_UP_AFTER if missing else AGENT_IS_FOUND_AFTER
        world.at(due + wait * participant.factor, actions_begin, job.key, job.id, participant.id, missing)
        return
    server_ends(world, due, job, participant, "LAUNCHED")


@happening
def actions_begin(world: World, due: float, key: Key, job_id: str, server_id: str, agent_is_missing: bool) -> None:
    """The SSM agent has shown up on the launched instance, or DRS has given it up."""
    region, job = _find(world, key, job_id)
    if job is None:
        return
    participant = job.participants[server_id]
    server = region.servers[server_id]
    actions = sorted((one for one in server.actions.values() if one["active"]), key=lambda one: one["order"])
    runs = [{"action": dict(one), "runId": _uuid(world), "status": "IN_PROGRESS"} for one in actions]
    participant.actions = {"runs": runs}
    if agent_is_missing:
        for run in runs:
            run |= {"status": "FAILED", "failureReason": "SSM agent was not found on the launched instance"}
        _actions_are_over(world, due, job, participant)
        return
    participant.actions["ssmAgentDiscoveryDatetime"] = world.stamp(due)
    _begin_action(world, due, job, participant, server, 0)


def _begin_action(
    world: World, due: float, job: Job, participant: Participant, server: SourceServer, number: int
) -> None:
    runs = (participant.actions or {})["runs"]
    if number >= len(runs):
        _actions_are_over(world, due, job, participant)
        return
    subject: dict[str, Any] = {
        "service": "drs", "operation": "LaunchAction", "account": job.account, "region": job.region,
        "servers": (server.facts,), "job": job.id, "action": runs[number]["action"]["name"],
    }  # fmt: skip
    fault = world.faults.match("fail", "hang", **subject)
    takes = ACTION_TIMES_OUT_AFTER if fault is not None and fault.do == "hang" else ACTION_TAKES * participant.factor
    reason = None
    if fault is not None:
        reason = fault.error if fault.do == "fail" else "the action timed out after 3600 seconds"
    world.at(due + takes, action_ends, job.key, job.id, participant.id, number, reason)


@happening
def action_ends(
    world: World, due: float, key: Key, job_id: str, server_id: str, number: int, failure: str | None
) -> None:
    """One launch action is over; the next one begins."""
    region, job = _find(world, key, job_id)
    if job is None:
        return
    participant = job.participants[server_id]
    run = (participant.actions or {})["runs"][number]
    run["status"] = "SUCCEEDED" if failure is None else "FAILED"
    if failure is not None:
        run["failureReason"] = "".join(char if char.isascii() and char.isprintable() else " " for char in failure)[:256]
    _begin_action(world, due, job, participant, region.servers[server_id], number + 1)


def _actions_are_over(world: World, due: float, job: Job, participant: Participant) -> None:
    """A failed action that is not optional makes the launch FAILED, although the instance exists and runs."""
    runs = (participant.actions or {})["runs"]
    failed = any(run["status"] == "FAILED" and not run["action"]["optional"] for run in runs)
    server_ends(world, due, job, participant, "FAILED" if failed else "LAUNCHED")


def _uuid(world: World) -> str:
    text = f"{world.random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
