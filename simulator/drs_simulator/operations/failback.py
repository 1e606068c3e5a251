"""The way back of recovery instances: reversal of servers from EC2, failback clients of servers from data centres."""

from drs_simulator.errors import Conflict, Invalid, Uninitialized
from drs_simulator.fleet.model import LaunchPlace, Origin
from drs_simulator.operations.recovery import check_tags, ensure_room
from drs_simulator.operations.registry import Answer, Context, Request, operation
from drs_simulator.quotas import REPLICATING_SERVERS, SOURCE_SERVERS, value_of
from drs_simulator.world import moto_ec2, views
from drs_simulator.world.construction import new_server
from drs_simulator.world.failback import agent_is_seen, rescanned, reverse_server, state_of
from drs_simulator.world.jobs import create_job
from drs_simulator.world.origins import ensure_origins
from drs_simulator.world.replication import Replication, sync_seconds
from drs_simulator.world.resources import RecoveryInstance, Region, SourceServer
from drs_simulator.world.stages import LAUNCH
from drs_simulator.world.world import World

CAN_BE_LAUNCHED_INTO = "AllowLaunchingIntoThisInstance"


@operation("ReverseReplication")
def reverse_replication(context: Context, request: Request) -> Answer:
    """Begin replicating a recovery instance back into the Region where its server came from."""
    world, region = context.world, context.region
    record = context.instance(request["recoveryInstanceID"])
    server = context.server(record.server_id)
    _ensure_reversible(world, record, server)
    origin = server.spec.origin
    target = world.region(origin.account or region.account, str(origin.region))
    if target is region:
        return _moved(world, record, server)
    _ensure_initialized(world, target)
    original = _original(world, server)
    if original is None:
        _ensure_room_in(context, target)
        back = _reversed_server(world, target, record, server)
    else:
        back = original
        ensure_origins(world, *_home_of(original))
        back.is_disconnected = False
        back.replication = rescanned(back.replication, back.spec.disks, world.now, reconnects=True)
    back.hints_instance_id = record.id
    server.reversed_arn = back.arn
    back.reversed_arn = server.arn
    record.reverse_server = (back.account, back.region, back.id)
    record.was_reversed = True
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
    if reverse_server(world, record) is not None:
        raise Conflict(f"Recovery instance {record.id} is being replicated back already", resourceId=record.id)
    state = moto_ec2.state_of(moto_ec2.find(record.account, record.region, record.id))
    if state != "RUNNING":
        raise Conflict(f"Recovery instance {record.id} must be running, is {state}", resourceId=record.id)
    if not agent_is_seen(world, record, server):
        raise Conflict(f"Recovery instance {record.id} has not finished initializing", resourceId=record.id)


def _ensure_initialized(world: World, target: Region) -> None:
    """DRS is initialized beforehand in both Regions; one that the fleet file does not name is taken for initialized."""
    named = any(
        account.id == target.account and any(spec.name == target.name for spec in account.regions)
        for account in world.fleet.accounts
    )
    if named and not target.initialized:
        raise Uninitialized(f"Account {target.account} not initialized in {target.name}: call InitializeService there")
    target.initialized = True


def _ensure_room_in(context: Context, target: Region) -> None:
    """Hold one more replicating server against the quotas of the origin Region; the code is not established."""
    world = context.world
    others = sum(
        armed.fault.replicating
        for armed in world.faults.all_holding("quota_used", Context(world, target, context.operation).subject)
        if armed.fault.do == "quota_used"
    )
    own = sum(server.replication.steady not in {"STOPPED", "DISCONNECTED"} for server in target.servers.values())
    for quota, used in ((REPLICATING_SERVERS, own + others), (SOURCE_SERVERS, len(target.servers))):
        limit = value_of(quota, target.spec.quotas)
        if used >= limit:
            raise Conflict(f"{quota.name} in {target.name}: {used} are in use, the quota is {limit} ({quota.code})")


def _original(world: World, server: SourceServer) -> SourceServer | None:
    """Return the server that protects a failed-back instance again: the one that it was recovered from."""
    if server.direction != "FAILBACK" or not server.reversed_arn or not world.fleet.failback.same_server:
        return None
    return world.find_server(server.reversed_arn)


def _home_of(server: SourceServer) -> tuple[str, str]:
    return server.spec.origin.account or server.account, str(server.spec.origin.region)


def _reversed_server(world: World, target: Region, record: RecoveryInstance, server: SourceServer) -> SourceServer:
    into = _instance_to_launch_into(world, target, server)
    instance = moto_ec2.find(record.account, record.region, record.id)
    spec = server.spec.model_copy(
        update={
            "origin": Origin(
                account=record.account, region=record.region, zone=instance.placement.zone, instance=record.id
            ),
            "launch": LaunchPlace(),
            "launch_template": "default",
            "launch_configuration": {},
            "staging_account": None,
            "protected_for": 0.0,
            "reachable": True,
            "replication": "INITIATING",
            "actions": (),
            "tags": dict(server.tags) if world.fleet.failback.copies_tags else {},
        }
    )
    back = new_server(world, target, spec, world.fresh_id("s-"))
    back.direction = "FAILBACK" if server.direction == "FAILOVER" else "FAILOVER"
    back.replication = Replication(steady=None, began=world.now, sync_seconds=sync_seconds(spec.disks), lag=spec.lag)
    if into is not None:
        back.launch |= {
            "copyTags": False,
            "copyPrivateIp": False,
            "launchIntoInstanceProperties": {"launchIntoEC2InstanceID": into},
        }
    target.servers[back.id] = back
    return back


def _instance_to_launch_into(world: World, target: Region, server: SourceServer) -> str | None:
    """Return the instance that the server came from, where the account in the origin Region launches into it."""
    if server.direction != "FAILOVER" or not any(
        template.get("launchIntoSourceInstance") for template in target.launch_templates.values()
    ):
        return None
    ensure_origins(world, *target.key)
    instance = moto_ec2.find(*target.key, str(server.hints_instance_id))
    tags = {tag["key"]: tag["value"] for tag in instance.get_tags()} if instance is not None else {}
    if moto_ec2.state_of(instance) in {"NOT_FOUND", "TERMINATED"}:
        why = "does not exist"
    elif tags.get("AWSDRS") != CAN_BE_LAUNCHED_INTO:
        why = f"is not tagged AWSDRS={CAN_BE_LAUNCHED_INTO}"
    else:
        return str(server.hints_instance_id)
    message = f"Some recovery instances could not be processed: instance {server.hints_instance_id} {why}"
    if world.fleet.failback.launch_into_refusal == "ConflictException":
        raise Conflict(message)
    raise Invalid(message)


def _moved(world: World, record: RecoveryInstance, server: SourceServer) -> Answer:
    """In the same Region the server itself protects the recovered instance from now on (not established).

    What it knew stays, and the disks are only rescanned. A later launch does not clean the instance up: it is what the
    server replicates.
    """
    server.replication = rescanned(server.replication, server.spec.disks, world.now, reconnects=True)
    server.hints_instance_id, server.instance_id = record.id, None
    record.reverse_server = (server.account, server.region, server.id)
    record.was_reversed = True
    return {"reversedDirectionSourceServerArn": server.arn}


@operation("StopFailback")
def stop_failback(context: Context, request: Request) -> Answer:
    """End the failback of a recovery instance: its failback client is let go.

    A server that replicates it in its origin Region goes on: StopReplication ends that.
    """
    record = context.instance(request["recoveryInstanceID"])
    record.failback_state = "FAILBACK_NOT_STARTED"
    record.failback_began = None
    record.failback_job = record.failback_launch_type = None
    record.client = None
    return {}


@operation("StartFailbackLaunch")
def start_failback_launch(context: Context, request: Request) -> Answer:
    """Convert the machines of failback clients and reboot them into what was copied: one job."""
    world = context.world
    check_tags(request.get("tags"))
    instances = [context.instance(name) for name in dict.fromkeys(request["recoveryInstanceIDs"])]
    ensure_room(world, context.region, len(instances))
    for record in instances:
        _ensure_convertible(context, record)
    job = create_job(
        world,
        context.region,
        {record.server_id: (LAUNCH[0], LAUNCH[2]) for record in instances},
        job_type="LAUNCH",
        initiated_by="FAILBACK",
        tags=request.get("tags") or {},
    )
    for record in instances:
        record.failback_job, record.failback_launch_type = job.id, "RECOVERY"
    return {"job": views.job(job)}


def _ensure_convertible(context: Context, record: RecoveryInstance) -> None:
    if context.server(record.server_id).spec.origin.region is not None:
        raise Conflict(
            f"Recovery instance {record.id} came from EC2: use ReverseReplication and StartRecovery",
            resourceId=record.id,
        )
    if record.server_id in context.region.busy:
        raise Conflict(f"Recovery instance {record.id} is being processed by a job", resourceId=record.id)
    state = state_of(context.world, record)
    if state != "FAILBACK_READY_FOR_LAUNCH":
        raise Conflict(f"Recovery instance {record.id} is not ready for failback: {state}", resourceId=record.id)


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
