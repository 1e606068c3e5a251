"""Source servers: what can be read of them, and starting, stopping and ending their replication."""

from drs_simulator import ids
from drs_simulator.errors import Conflict, NotFound, QuotaExceeded
from drs_simulator.operations.recovery import check_tags, ensure_free
from drs_simulator.operations.registry import Answer, Context, Request, moment_in, operation, page
from drs_simulator.quotas import REPLICATING_SERVERS, SOURCE_SERVERS, value_of
from drs_simulator.world import moto_ec2, views
from drs_simulator.world.construction import new_server
from drs_simulator.world.replication import RecoveryPoint, Replication, sync_seconds
from drs_simulator.world.resources import SourceServer


@operation("InitializeService")
def initialize_service(context: Context, _request: Request) -> Answer:
    """Make DRS usable in this account and Region."""
    context.region.initialized = True
    return {}


@operation("DescribeSourceServers")
def describe_source_servers(context: Context, request: Request) -> Answer:
    """List source servers; an id that does not exist is simply absent."""
    filters = request.get("filters") or {}
    region = context.region
    names = filters.get("sourceServerIDs")
    servers = (
        [region.servers[name] for name in dict.fromkeys(names) if name in region.servers]
        if names
        else list(region.servers.values())
    )
    hardware = filters.get("hardwareId")
    staging = filters.get("stagingAccountIDs")
    shown = (
        server
        for server in servers
        if (not hardware or ids.stable("", server.id, "hardware") == hardware)
        and (not staging or (server.staging_arn or "::::").split(":")[4] in staging)
    )
    return page(context, request, shown, lambda server: views.source_server(context.world, server))


@operation("DescribeRecoverySnapshots")
def describe_recovery_snapshots(context: Context, request: Request) -> Answer:
    """List a server's recovery points; the model has no error for an unknown server: it has none."""
    world = context.world
    server = context.region.servers.get(request["sourceServerID"])
    points = world.recovery_points_of(server) if server is not None else []
    filters = request.get("filters") or {}
    begin, end = moment_in(filters, "fromDateTime"), moment_in(filters, "toDateTime")
    if begin is not None:
        points = [point for point in points if point.taken >= world.clock.simulated_at(begin)]
    if end is not None:
        points = [point for point in points if point.taken <= world.clock.simulated_at(end)]
    if request.get("order", "ASC") == "DESC":
        points.reverse()

    def render(point: RecoveryPoint) -> Answer:
        taken = world.stamp(point.taken)
        volumes = len(server.spec.disks) if server is not None else 0
        return {
            "snapshotID": point.id,
            "sourceServerID": request["sourceServerID"],
            "expectedTimestamp": taken,
            "timestamp": taken,
            "ebsSnapshots": [ids.stable("snap-", point.id, number) for number in range(volumes)],
        }

    return page(context, request, points, render)


@operation("StartReplication")
def start_replication(context: Context, request: Request) -> Answer:
    """Begin replication again after StopReplication: a fresh initial sync."""
    server = context.server(request["sourceServerID"])
    if server.is_disconnected:
        raise Conflict(f"Source server {server.id} is disconnected", resourceId=server.id)
    if server.replication.steady != "STOPPED":
        raise Conflict(f"Source server {server.id} is replicating already", resourceId=server.id)
    _ensure_room_for_replication(context)
    server.replication = Replication(
        steady=None,
        began=context.world.now,
        sync_seconds=sync_seconds(server.spec.disks),
        lag=server.spec.lag,
        retention_days=server.replication.retention_days,
    )
    return {"sourceServer": views.source_server(context.world, server)}


def _ensure_room_for_replication(context: Context) -> None:
    limit = value_of(REPLICATING_SERVERS, context.region.spec.quotas)
    replicating = sum(
        server.replication.steady not in {"STOPPED", "DISCONNECTED"} and not server.staging_arn
        for server in context.region.servers.values()
    )
    if replicating >= limit:
        raise QuotaExceeded(
            f"{REPLICATING_SERVERS.name}: {replicating} servers replicate, the quota is {limit}",
            REPLICATING_SERVERS.code,
        )


@operation("StopReplication")
def stop_replication(context: Context, request: Request) -> Answer:
    """Stop replication; every recovery point of the server is deleted with it."""
    server = context.server(request["sourceServerID"])
    ensure_free(context.world, server)
    _end(server, "STOPPED", context.world.now)
    return {"sourceServer": views.source_server(context.world, server)}


def _end(server: SourceServer, state: str, now: float) -> None:
    server.replication = Replication(
        steady=state, began=now, lag=server.spec.lag, retention_days=server.replication.retention_days
    )


@operation("RetryDataReplication")
def retry_data_replication(context: Context, request: Request) -> Answer:
    """Deprecated by AWS: begins a stalled initiation again; here it answers with the server as it is."""
    return views.source_server(context.world, context.server(request["sourceServerID"]))


@operation("DisconnectSourceServer")
def disconnect_source_server(context: Context, request: Request) -> Answer:
    """Part with a source server for good: replication and recovery points go; not while a recovery instance exists."""
    server = context.server(request["sourceServerID"])
    ensure_free(context.world, server)
    if server.instance_id is not None and server.instance_id in context.region.instances:
        raise Conflict(
            f"Source server {server.id} cannot be disconnected: it has the recovery instance {server.instance_id}",
            resourceId=server.id,
        )
    server.is_disconnected = True
    _end(server, "DISCONNECTED", context.world.now)
    return views.source_server(context.world, server)


@operation("DeleteSourceServer")
def delete_source_server(context: Context, request: Request) -> Answer:
    """Forget a disconnected source server."""
    server = context.server(request["sourceServerID"])
    ensure_free(context.world, server)
    if not server.is_disconnected:
        raise Conflict(f"Source server {server.id} must be disconnected first", resourceId=server.id)
    for plan in context.region.plans.values():
        if any(
            server.arn == member["serverArn"]
            for step in plan.steps
            for member in step["configuration"].get("serverStepConfiguration", {}).get("servers", ())
        ):
            raise Conflict(f"Source server {server.id} is part of the Recovery Plan {plan.name}", resourceId=server.id)
    del context.region.servers[server.id]
    template = server.launch.get("ec2LaunchTemplateID")
    if template is not None:
        moto_ec2.delete_launch_template(*context.region.key, str(template))
    return {}


@operation("CreateExtendedSourceServer")
def create_extended_source_server(context: Context, request: Request) -> Answer:
    """Make a server of a staging account recoverable in this account."""
    world, region = context.world, context.region
    staged = world.find_server(request["sourceServerArn"])
    if staged is None or staged.region != region.name:
        raise NotFound(
            f"Source server {request['sourceServerArn']} does not exist in {region.name}",
            request["sourceServerArn"],
            "SourceServer",
        )
    check_tags(request.get("tags"))
    limit = value_of(SOURCE_SERVERS, region.spec.quotas)
    if len(region.servers) >= limit:
        raise QuotaExceeded(f"{SOURCE_SERVERS.name}: the quota is {limit}", SOURCE_SERVERS.code)

    server = new_server(world, region, staged.spec, world.fresh_id("s-"))
    server.tags = dict(request.get("tags") or {})
    server.staging_arn = staged.arn
    server.replication = staged.replication
    region.servers[server.id] = server
    return {"sourceServer": views.source_server(world, server)}


@operation("ListExtensibleSourceServers")
def list_extensible_source_servers(context: Context, request: Request) -> Answer:
    """List the servers of a staging account that can be extended into this one."""
    region = context.region
    staging = context.world.regions.get((request["stagingAccountID"], region.name))
    extended = {server.staging_arn for server in region.servers.values()}
    servers = (
        [server for server in staging.servers.values() if server.arn not in extended]
        if staging is not None and staging is not region
        else []
    )
    return page(
        context,
        request,
        servers,
        lambda staged: {"hostname": staged.spec.hostname, "arn": staged.arn, "tags": dict(staged.tags)},
    )


@operation("ListStagingAccounts")
def list_staging_accounts(context: Context, request: Request) -> Answer:
    """List the accounts that hold servers of extended source servers."""
    accounts = sorted(
        {server.staging_arn.split(":")[4] for server in context.region.servers.values() if server.staging_arn}
    )
    return page(context, request, accounts, lambda account: {"accountID": account}, "accounts")
