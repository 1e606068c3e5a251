"""Recovery instances, their failback, and the way back into the origin Region."""

from dataclasses import replace

from drs_simulator.errors import Conflict
from drs_simulator.fleet.model import LaunchPlace, Origin
from drs_simulator.operations.recovery import check_tags, ensure_room
from drs_simulator.operations.registry import Answer, Context, Request, operation, page
from drs_simulator.world import moto_ec2, views
from drs_simulator.world.construction import new_server
from drs_simulator.world.jobs import JOB_WATCHERS, create_job
from drs_simulator.world.replication import Replication, sync_seconds
from drs_simulator.world.resources import Job, RecoveryInstance, SourceServer
from drs_simulator.world.stages import LAUNCH
from drs_simulator.world.world import World

INSTANCE_IS_INITIALIZED_AFTER = 300.0
"""Simulated seconds from the launch until replication can be reversed; before, a Conflict (observed; length ours)."""


@operation("DescribeRecoveryInstances")
def describe_recovery_instances(context: Context, request: Request) -> Answer:
    """List recovery instances with the state that EC2 says."""
    world, region = context.world, context.region
    filters = request.get("filters") or {}
    names, servers = filters.get("recoveryInstanceIDs"), filters.get("sourceServerIDs")
    now = world.now
    shown = [
        record
        for record in region.instances.values()
        if record.visible_from_s <= now
        and (not names or record.id in names)
        and (not servers or record.server_id in servers)
    ]
    running = moto_ec2.instances(region.account, region.name) if shown else {}
    return page(context, request, shown, lambda record: views.recovery_instance(world, record, running.get(record.id)))


@operation("DisconnectRecoveryInstance")
def disconnect_recovery_instance(context: Context, request: Request) -> Answer:
    """Part with a recovery instance; the EC2 instance goes on."""
    record = context.instance(request["recoveryInstanceID"])
    if record.server_id in context.region.busy:
        raise Conflict(f"Recovery instance {record.id} is being processed by a job", resourceId=record.id)
    record.is_disconnected = True
    return {}


@operation("DeleteRecoveryInstance")
def delete_recovery_instance(context: Context, request: Request) -> Answer:
    """Forget a recovery instance; the EC2 instance is not touched.

    It must be disconnected, gone from EC2, or the product of a finished failback (the live primary: observed).
    """
    record = context.instance(request["recoveryInstanceID"])
    instance = moto_ec2.find(record.account, record.region, record.id)
    is_gone = record.terminated_s is not None or moto_ec2.state_of(instance) in {"NOT_FOUND", "TERMINATED"}
    if not (record.is_disconnected or is_gone or (record.is_from_failback and record.reverse_server is None)):
        raise Conflict(f"Recovery instance {record.id} must be disconnected first", resourceId=record.id)
    del context.region.instances[record.id]
    context.world.server_of_instance.pop(record.id, None)
    server = context.region.servers.get(record.server_id)
    if server is not None and server.instance_id == record.id:
        server.instance_id = None
    return {}


@operation("ReverseReplication")
def reverse_replication(context: Context, request: Request) -> Answer:
    """Begin replicating a recovery instance back into the Region where its server came from."""
    world, region = context.world, context.region
    record = context.instance(request["recoveryInstanceID"])
    server = context.server(record.server_id)
    _ensure_reversible(world, record, server)
    origin = server.spec.origin
    target = world.region(origin.account or region.account, str(origin.region))
    target.initialized = True
    back = _reprotected(world, server) if server.direction == "FAILBACK" else None
    if back is None:
        spec = server.spec.model_copy(
            update={
                "origin": Origin(account=region.account, region=region.name, instance=record.id),
                "launch": LaunchPlace(),
                "launch_template": "default",
                "staging_account": None,
                "protected_for": 0.0,
                "actions": (),
            }
        )
        back = new_server(world, target, spec, world.fresh_id("s-"))
        back.direction = "FAILBACK"
        back.replication = Replication(
            steady=None, began=world.now, sync_seconds=sync_seconds(spec.disks), lag=spec.lag
        )
        target.servers[back.id] = back
    back.hints_instance_id = record.id
    server.reversed_arn = back.arn
    back.reversed_arn = server.arn
    record.reverse_server = (back.account, back.region, back.id)
    record.failback_state = "FAILBACK_IN_PROGRESS"
    record.failback_began = world.stamp()
    return {"reversedDirectionSourceServerArn": back.arn}


def _ensure_reversible(world: World, record: RecoveryInstance, server: SourceServer) -> None:
    if server.spec.origin.region is None:
        raise Conflict(
            f"Source server {server.id} did not come from EC2: use the failback client", resourceId=server.id
        )
    if record.terminated_s is not None or record.is_disconnected:
        raise Conflict(f"Recovery instance {record.id} is not connected any more", resourceId=record.id)
    if record.reverse_server is not None:
        raise Conflict(f"Recovery instance {record.id} is being replicated back already", resourceId=record.id)
    state = moto_ec2.state_of(moto_ec2.find(record.account, record.region, record.id))
    if state != "RUNNING":
        raise Conflict(f"Recovery instance {record.id} must be running, is {state}", resourceId=record.id)
    if world.now - record.launched_s < INSTANCE_IS_INITIALIZED_AFTER:
        raise Conflict(f"Recovery instance {record.id} has not finished initializing", resourceId=record.id)


def _reprotected(world: World, server: SourceServer) -> SourceServer | None:
    """The failed-back instance is protected again by the server that it once was: its disks are only rescanned."""
    original = world.find_server(server.reversed_arn) if server.reversed_arn else None
    if original is None:
        return None
    original.is_disconnected = False
    original.replication = replace(
        original.replication,
        steady=None,
        began=world.now,
        is_rescan=True,
        sync_seconds=sync_seconds(original.spec.disks) / 3,
    )
    return original


@operation("StopFailback")
def stop_failback(context: Context, request: Request) -> Answer:
    """End the way back of a recovery instance; it can be terminated afterwards."""
    record = context.instance(request["recoveryInstanceID"])
    record.failback_state = "FAILBACK_NOT_STARTED"
    record.failback_began = None
    record.reverse_server = None
    return {}


@operation("StartFailbackLaunch")
def start_failback_launch(context: Context, request: Request) -> Answer:
    """Begin the failback of servers from a data centre: a job of the failback client."""
    check_tags(request.get("tags"))
    instances = [context.instance(name) for name in dict.fromkeys(request["recoveryInstanceIDs"])]
    ensure_room(context.world, context.region, len(instances))
    for record in instances:
        if context.server(record.server_id).spec.origin.region is not None:
            raise Conflict(
                f"Recovery instance {record.id} came from EC2: use ReverseReplication and StartRecovery",
                resourceId=record.id,
            )
        if record.server_id in context.region.busy:
            raise Conflict(f"Recovery instance {record.id} is being processed by a job", resourceId=record.id)
    job = create_job(
        context.world,
        context.region,
        {record.server_id: (LAUNCH[0], LAUNCH[2]) for record in instances},
        job_type="LAUNCH",
        initiated_by="FAILBACK",
        tags=request.get("tags") or {},
    )
    for record in instances:
        record.failback_state = "FAILBACK_COMPLETED"
    return {"job": views.job(job)}


@operation("GetFailbackReplicationConfiguration")
def get_failback_replication_configuration(context: Context, request: Request) -> Answer:
    """Return how a recovery instance replicates back."""
    record = context.instance(request["recoveryInstanceID"])
    return {
        "recoveryInstanceID": record.id,
        "name": record.id,
        "bandwidthThrottling": 0,
        "usePrivateIP": True,
        **record.failback_settings,
    }


@operation("UpdateFailbackReplicationConfiguration")
def update_failback_replication_configuration(context: Context, request: Request) -> Answer:
    """Change how a recovery instance replicates back."""
    record = context.instance(request["recoveryInstanceID"])
    record.failback_settings |= {key: value for key, value in request.items() if key != "recoveryInstanceID"}
    return {}


def failback_is_complete(world: World, _due: float, job: Job) -> None:
    """A launch of a FAILBACK server completes the failback of the instance that it replicates."""
    region = world.regions[job.key]
    for part in job.participants.values():
        server = region.servers.get(part.id)
        if (
            job.type != "LAUNCH"
            or part.status != "LAUNCHED"
            or server is None
            or server.direction != "FAILBACK"
            or job.is_drill
        ):
            continue
        owner = world.server_of_instance.get(server.hints_instance_id or "")
        if (
            owner is not None
            and (record := world.regions[owner.key].instances.get(str(server.hints_instance_id))) is not None
        ):
            record.failback_state = "FAILBACK_COMPLETED"


JOB_WATCHERS.append(failback_is_complete)
