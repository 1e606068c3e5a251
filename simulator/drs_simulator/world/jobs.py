"""How jobs go: each server steps through its stages as they become due, faults decide at every step.

    create_job → job_begins → stage_is_due (per server, again and again) → server_ends → job_ends

What a stage does to the world is registered with `effect`, what follows a server's last stage in `AFTER_LAST_STAGE`.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from drs_simulator.faults.engine import Subject
from drs_simulator.faults.kinds import AnyFault
from drs_simulator.world.resources import Job, Key, Participant, Region, SourceServer
from drs_simulator.world.stages import (
    END_IS_NOTED_BEFORE,
    FAILURE_OF,
    JOB_END_AFTER,
    JOB_START_AFTER,
    SILENT_FAILURE_AFTER,
    Stage,
    delayed,
    job_factor,
    stretched,
    varied,
)
from drs_simulator.world.world import World, happening

logger = logging.getLogger(__name__)

Effect = Callable[[World, float, Job, Participant], dict[str, object] | None]
"""Does what a stage does; returns the job log line's data, or None where the server's way ended or goes elsewhere."""

EFFECTS: dict[tuple[str, str], Effect] = {}
AFTER_LAST_STAGE: dict[str, Callable[[World, float, Job, Participant], None]] = {}
"""By job type; a type that is not in here ends its servers as they are."""

UNDO: list[Callable[[World, Job, Participant], None]] = []
"""Takes back what a launch that failed halfway has made."""


def effect(job_type: str, event: str) -> Callable[[Effect], Effect]:
    """Register what a stage of a job type does."""

    def register(function: Effect) -> Effect:
        EFFECTS[job_type, event] = function
        return function

    return register


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
    chance = world.chance_of(job_type, *region.key, *plans)
    factor = job_factor(chance, world.jitter)
    participants = {
        name: Participant(
            name, delayed(varied(stretched(stages, factor), chance, world.jitter), position), factor=factor
        )
        for position, (name, stages) in enumerate(plans.items())
    }
    now = world.now
    job = Job(
        id=world.fresh_id("drsjob-"),
        account=region.account,
        region=region.name,
        type=job_type,
        initiated_by=initiated_by,
        created=world.stamp(),
        created_s=now,
        tags=dict(tags),
        tags_given=dict(tags),
        participants=participants,
    )
    region.jobs[job.id] = region.unfinished[job.id] = job
    region.busy.update(dict.fromkeys(plans, job.id))
    world.at(now + JOB_START_AFTER, job_begins, region.key, job.id)
    return job


def find_job(world: World, key: Key, job_id: str) -> tuple[Region, Job | None]:
    """Return a Region and its job, if that is not over."""
    region = world.region(*key)
    return region, region.unfinished.get(job_id)


def log(world: World, job: Job, due: float, event: str, server_id: str | None = None, **data: Any) -> None:
    """Write a line of the job log."""
    details = dict(data)
    if server_id is not None:
        key = "eventResourceData" if job.is_network_job else "sourceServerID"
        details[key] = {"sourceNetworkData": {"sourceNetworkID": server_id}} if job.is_network_job else server_id
    job.log.append((due, {"logDateTime": world.stamp(due), "event": event, "eventData": details}))


@happening
def job_begins(world: World, due: float, key: Key, job_id: str) -> None:
    """PENDING → STARTED, and every server's first stage is on its way."""
    _, job = find_job(world, key, job_id)
    if job is None or job.status != "PENDING":
        return
    job.status = "STARTED"
    job.history.append((due, "STARTED"))
    log(world, job, due, "JOB_START")
    for participant in job.participants.values():
        server = world.region(*key).servers.get(participant.id)
        slow = strike(world, job, server, "slow") if server else None
        if slow is not None and slow.do == "slow":
            participant.stages = stretched(participant.stages, slow.factor)
        next_stage(world, due, job, participant)
    if not job.participants:
        world.at(due + JOB_END_AFTER, job_ends, key, job_id)


def next_stage(world: World, due: float, job: Job, participant: Participant) -> None:
    """Put a server's next stage on the agenda."""
    wait = participant.stages[participant.position].after
    world.at(due + wait, stage_is_due, job.key, job.id, participant.id)


def strike(
    world: World,
    job: Job,
    server: SourceServer | None,
    *kinds: str,
    accept: Callable[[AnyFault], bool] | None = None,
    **more: Any,
) -> AnyFault | None:
    """Return the fault of these kinds that strikes a server in a job, counted."""
    subject = Subject(
        operation="StartRecovery" if job.type == "LAUNCH" else "TerminateRecoveryInstances",
        account=job.account,
        region=job.region,
        servers=(server.facts,) if server else (),
        job=job.id,
        **more,
    )
    armed = world.faults.strike(frozenset(kinds), subject, accept)
    return armed.fault if armed else None


@happening
def stage_is_due(world: World, due: float, key: Key, job_id: str, participant_id: str) -> None:
    """A server reaches its next stage, unless a fault says otherwise."""
    region, job = find_job(world, key, job_id)
    if job is None:
        return
    participant = job.participants[participant_id]
    if participant.is_over or participant.held_by is not None:
        return
    stage = participant.stages[participant.position]
    server = region.servers.get(participant_id)
    if _is_stuck(world, due, job, participant, stage):
        return
    fault = strike(
        world,
        job,
        server,
        "fail_at",
        accept=lambda candidate: candidate.do == "fail_at" and candidate.event == stage.event,
    )
    if fault is not None and fault.do == "fail_at":
        fail(world, due, job, participant, event=stage.event, error=fault.error)
        return
    participant.position += 1
    does = EFFECTS.get((job.type, stage.event))
    try:
        outcome = does(world, due, job, participant) if does else {}
    except Exception as error:  # whoever moved the time must get an answer, and the job an end
        logger.exception("the simulator failed at %s of %s in %s", stage.event, participant_id, job_id)
        fail(world, due, job, participant, event=stage.event, error=f"InternalError: {type(error).__name__}: {error}")
        return
    if outcome is None:
        return
    if not stage.is_hidden:
        log(world, job, due, stage.event, participant_id, **outcome)
    if participant.position < len(participant.stages):
        next_stage(world, due, job, participant)
    else:
        _ends_well(world, due, job, participant)


def _ends_well(world: World, due: float, job: Job, participant: Participant) -> None:
    after = AFTER_LAST_STAGE.get(job.type)
    if after is not None:
        after(world, due, job, participant)
    else:
        server_ends(world, due, job, participant, "TERMINATED" if job.type == "TERMINATE" else "LAUNCHED")


def _is_stuck(world: World, due: float, job: Job, participant: Participant, stage: Stage) -> bool:
    server = world.region(*job.key).servers.get(participant.id)
    subject = Subject(account=job.account, region=job.region, servers=(server.facts,) if server else (), job=job.id)
    armed = world.faults.strike(
        frozenset({"stuck"}),
        subject,
        lambda candidate: candidate.do == "stuck" and candidate.event in {None, stage.event},
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


def fail(world: World, due: float, job: Job, participant: Participant, *, event: str, error: str) -> None:
    """A server's launch fails at a stage, with the raw error that the job log shows."""
    failure = FAILURE_OF.get(event, "LAUNCH_FAILED")
    for undo in UNDO:
        undo(world, job, participant)
    log(world, job, due, failure, participant.id, rawError=error)
    server_ends(world, due, job, participant, "FAILED")


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
    if all(participant.is_over for participant in job.participants.values()):
        silent = all(participant.is_silent for participant in job.participants.values())
        world.at(due + (SILENT_FAILURE_AFTER if silent else JOB_END_AFTER), job_ends, job.key, job.id)


@happening
def job_ends(world: World, due: float, key: Key, job_id: str) -> None:
    """STARTED → COMPLETED: the only way a job ends; its servers are free again."""
    region, job = find_job(world, key, job_id)
    if job is None:
        return
    job.status = "COMPLETED"
    job.ended = world.stamp(due - END_IS_NOTED_BEFORE)
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
