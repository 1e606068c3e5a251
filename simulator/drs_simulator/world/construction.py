"""Builds the world that a fleet file describes, with its networks and launch templates in moto's EC2."""

from drs_simulator import ids
from drs_simulator.clock import Clock
from drs_simulator.errors import BadInput
from drs_simulator.fleet.model import Fleet, RegionSpec, ServerSpec
from drs_simulator.ids import arn
from drs_simulator.world import moto_ec2
from drs_simulator.world.replication import Replication, sync_seconds
from drs_simulator.world.resources import RecoveryInstance, Region, SourceNetwork, SourceServer
from drs_simulator.world.world import World

LAUNCH_DEFAULTS: dict[str, object] = {
    "launchDisposition": "STARTED",
    "targetInstanceTypeRightSizingMethod": "NONE",
    "copyPrivateIp": False,
    "copyTags": True,
    "licensing": {"osByol": False},
    "postLaunchEnabled": False,
    "recoveryMode": "OPTIMAL",
}
"""What a server's launch configuration says at first. Right-sizing is BASIC in a fresh real account; NONE here, so
that the launch template decides."""

PIT_POLICY = [
    {"ruleID": 1, "units": "MINUTE", "interval": 10, "retentionDuration": 60, "enabled": True},
    {"ruleID": 2, "units": "HOUR", "interval": 1, "retentionDuration": 24, "enabled": True},
    {"ruleID": 3, "units": "DAY", "interval": 1, "retentionDuration": 7, "enabled": True},
]


def build_world(fleet: Fleet, clock: Clock, random_seed: int = 0) -> World:
    """Return the world of a fleet. moto's EC2 is expected to be empty."""
    world = World(fleet, clock, random_seed)
    for account in fleet.accounts:
        moto_ec2.make_instance_profiles(account.id, account.instance_profiles)
        for spec in account.regions:
            world.regions[account.id, spec.name] = _build_region(account.id, spec)
    staged = {account.id for account in fleet.accounts}
    for account, region, server in fleet.servers():
        _add_server(world, world.regions[account.id, region.name], server, may_stage=server.staging_account in staged)
    for built in world.regions.values():
        _add_the_rest(world, built)
    return world


def _build_region(account: str, spec: RegionSpec) -> Region:
    has_default_vpc = spec.default_vpc if spec.default_vpc is not None else spec.network is None
    if not has_default_vpc:
        moto_ec2.drop_default_vpc(account, spec.name)
    subnets = moto_ec2.make_network(account, spec.name, spec.network) if spec.network else {}
    for number, network in enumerate(spec.networks, start=2):
        subnets |= moto_ec2.make_network(account, spec.name, network, f"recovery {number}")
    return Region(account, spec.name, spec, spec.initialized, has_default_vpc, subnets)


def _add_server(world: World, region: Region, spec: ServerSpec, *, may_stage: bool) -> None:
    server = new_server(world, region, spec, str(spec.id))
    region.servers[server.id] = server
    for action in spec.actions:
        made = {
            "actionId": _uuid(server.id, action.name),
            "actionCode": action.code,
            "type": "SSM_AUTOMATION",
            "name": action.name,
            "active": action.active,
            "order": action.order,
            "actionVersion": "$DEFAULT",
            "optional": action.optional,
            "parameters": {},
            "description": action.name,
            "category": action.category,
        }
        server.actions[str(made["actionId"])] = made
    if spec.staging_account and may_stage:
        staging = world.region(spec.staging_account, region.name)
        staging.initialized = True
        staged = new_server(world, staging, spec, ids.stable("s-", "staged", server.id), template=False)
        staging.servers[staged.id] = staged
        server.staging_arn = staged.arn


def _uuid(*names: str) -> str:
    text = ids.stable("", *names) + ids.stable("", "more", *names)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"


def new_server(
    world: World, region: Region, spec: ServerSpec, server_id: str, *, template: bool = True
) -> SourceServer:
    """Return a source server, with its EC2 launch template made."""
    now = world.now
    fleet_given = spec.replication not in {"INITIATING", "INITIAL_SYNC"}
    replication = Replication(
        steady=spec.replication if fleet_given else None,
        began=now - (400.0 if spec.replication == "INITIAL_SYNC" else 0.0),
        sync_seconds=sync_seconds(spec.disks),
        consistent_since=now - spec.protected_for
        if fleet_given and spec.replication not in {"STOPPED", "DISCONNECTED"}
        else None,
        lag=spec.lag,
    )
    subnet = None
    if spec.launch_template == "default" and region.subnets:
        wanted = spec.launch.subnet
        subnet = region.subnets.get(wanted, wanted) if wanted else next(iter(region.subnets.values()))
    launch: dict[str, object] = {"name": spec.hostname, **LAUNCH_DEFAULTS, **spec.launch_configuration}
    if spec.fast:
        launch["recoveryMode"] = "FAST"
    if template:
        launch["ec2LaunchTemplateID"] = moto_ec2.make_launch_template(
            region.account, region.name, server_id, spec, subnet
        )
    origin = spec.origin
    return SourceServer(
        id=server_id,
        account=region.account,
        region=region.name,
        spec=spec,
        replication=replication,
        tags=dict(spec.tags),
        added=world.stamp(now - spec.protected_for),
        launch=launch,
        replication_settings=replication_defaults(region, spec),
        is_disconnected=spec.replication == "DISCONNECTED",
        hints_instance_id=origin.instance or (ids.stable("i-", server_id) if origin.region else None),
    )


def replication_defaults(region: Region, spec: ServerSpec | None = None) -> dict[str, object]:
    """Return a ReplicationConfiguration as a fresh account has it."""
    subnet = next(iter(region.subnets.values()), ids.stable("subnet-", region.account, region.name))
    settings: dict[str, object] = {
        "stagingAreaSubnetId": subnet,
        "associateDefaultSecurityGroup": True,
        "replicationServersSecurityGroupsIDs": [],
        "replicationServerInstanceType": "t3.small",
        "useDedicatedReplicationServer": False,
        "defaultLargeStagingDiskType": "GP3",
        "ebsEncryption": "DEFAULT",
        "bandwidthThrottling": 0,
        "dataPlaneRouting": "PRIVATE_IP",
        "createPublicIP": False,
        "stagingAreaTags": {},
        "pitPolicy": [dict(rule) for rule in PIT_POLICY],
        "autoReplicateNewDisks": True,
    }
    if spec is not None:
        settings["name"] = spec.hostname
        settings["replicatedDisks"] = [
            {
                "deviceName": moto_ec2.device_name(number),
                "isBootDisk": number == 0,
                "stagingDiskType": "AUTO",
                "optimizedStagingDiskType": "GP3",
            }
            for number in range(len(spec.disks))
        ]
    return settings


def _add_the_rest(world: World, region: Region) -> None:
    by_name = {name: server for server in region.servers.values() for name in (server.id, server.spec.hostname)}
    for spec in region.spec.recovery_instances:
        _add_instance(world, region, by_name[spec.server], is_drill=spec.is_drill, ago=spec.launched)
    for network in region.spec.source_networks:
        made = SourceNetwork(
            id=ids.stable("sn-", region.account, region.name, network.vpc),
            account=region.account,
            region=region.name,
            vpc=network.vpc,
            origin_account=network.origin.account or region.account,
            origin_region=network.origin.region or region.name,
            tags=dict(network.tags),
            began_s=-86400.0 if network.protected else None,
        )
        region.networks[made.id] = made


def _add_instance(world: World, region: Region, server: SourceServer, *, is_drill: bool, ago: float) -> None:
    tags = {"Name": server.spec.hostname, "AWSElasticDisasterRecoverySourceServerID": server.id, **server.tags}
    try:
        plan = moto_ec2.launch_plan(region.account, region.name, server.launch["ec2LaunchTemplateID"], None)
        instance_id = moto_ec2.run(region.account, region.name, plan, tags=tags, disks=server.spec.disks)
    except moto_ec2.LaunchRefused as refused:
        where = f"{region.account}/{region.name}: recovery_instances: {server.spec.hostname!r}"
        raise BadInput(f"{where} cannot run with the launch settings of its server: {refused}") from refused
    moto_ec2.set_running(region.account, region.name, instance_id)
    launched = world.now - ago
    moto_ec2.created(region.account, region.name, instance_id, world.clock.wall_at(launched))
    job_id = ids.stable("drsjob-", server.id, "before")
    region.instances[instance_id] = RecoveryInstance(
        id=instance_id,
        account=region.account,
        region=region.name,
        server_id=server.id,
        job_id=job_id,
        is_drill=is_drill,
        point_in_time=world.stamp(launched - 540),
        launched_s=launched,
        visible_from_s=launched,
        tags=dict(server.tags),
        origin_zone=f"{server.spec.origin.region}a" if server.spec.origin.region else None,
    )
    server.instance_id = instance_id
    world.server_of_instance[instance_id] = server
    server.last_launch_result = "SUCCEEDED"
    server.last_launch = {
        "initiated": {
            "apiCallDateTime": world.stamp(launched - 540),
            "jobID": job_id,
            "type": "DRILL" if is_drill else "RECOVERY",
        },
        "status": "LAUNCHED",
    }


def arn_of(region: Region, kind: str, name: str) -> str:
    """Return the ARN of one of DRS's things in a Region."""
    return arn("drs", region.name, region.account, kind, name)
