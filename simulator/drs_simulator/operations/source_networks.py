"""Source networks: VPCs of the origin that DRS keeps a copy of, and their recovery."""

from drs_simulator import ids
from drs_simulator.errors import Conflict, Invalid, NotFound, QuotaExceeded
from drs_simulator.operations.recovery import check_tags, ensure_room
from drs_simulator.operations.registry import Answer, Context, Request, operation, page
from drs_simulator.quotas import SOURCE_NETWORKS
from drs_simulator.world import views
from drs_simulator.world.jobs import JOB_WATCHERS, create_job
from drs_simulator.world.resources import Job, SourceNetwork
from drs_simulator.world.stages import Stage
from drs_simulator.world.world import World

DEPLOY = (Stage("DEPLOY_NETWORK_CONFIGURATION_START", 1.0), Stage("DEPLOY_NETWORK_CONFIGURATION_END", 180.0))
UPDATE_TEMPLATES = (Stage("UPDATE_LAUNCH_TEMPLATE_START", 0.5), Stage("UPDATE_LAUNCH_TEMPLATE_END", 20.0))
"""Lengths are the simulator's own: no measurement is known."""


def _network(context: Context, request: Request) -> SourceNetwork:
    name = request["sourceNetworkID"]
    found = context.region.networks.get(name)
    if found is None:
        raise NotFound(f"Source network {name} does not exist", name, "SourceNetwork")
    return found


@operation("CreateSourceNetwork")
def create_source_network(context: Context, request: Request) -> Answer:
    """Add a VPC of the origin."""
    region = context.region
    check_tags(request.get("tags"))
    if len(region.networks) >= SOURCE_NETWORKS:
        raise QuotaExceeded(f"an account has at most {SOURCE_NETWORKS} source networks", "L-0D88FAC3")
    if any(network.vpc == request["vpcID"] for network in region.networks.values()):
        raise Conflict(f"{request['vpcID']} is a source network already", resourceId=request["vpcID"])
    name = context.world.fresh_id("sn-")
    region.networks[name] = SourceNetwork(
        id=name,
        account=region.account,
        region=region.name,
        vpc=request["vpcID"],
        origin_account=request["originAccountID"],
        origin_region=request["originRegion"],
        tags=dict(request.get("tags") or {}),
    )
    return {"sourceNetworkID": name}


@operation("DescribeSourceNetworks")
def describe_source_networks(context: Context, request: Request) -> Answer:
    """List source networks."""
    filters = request.get("filters") or {}
    wanted, account, region = (
        filters.get("sourceNetworkIDs"),
        filters.get("originAccountID"),
        filters.get("originRegion"),
    )
    shown = (
        network
        for network in context.region.networks.values()
        if (not wanted or network.id in wanted)
        and account in {None, network.origin_account}
        and region in {None, network.origin_region}
    )
    return page(context, request, shown, lambda network: views.source_network(context.world, network))


@operation("DeleteSourceNetwork")
def delete_source_network(context: Context, request: Request) -> Answer:
    """Forget a source network that is not replicated."""
    network = _network(context, request)
    if network.began_s is not None:
        raise Conflict(f"Source network {network.id} is being replicated: stop that first", resourceId=network.id)
    del context.region.networks[network.id]
    return {}


@operation("StartSourceNetworkReplication")
def start_source_network_replication(context: Context, request: Request) -> Answer:
    """Begin to keep a copy; PROTECTED after a while."""
    network = _network(context, request)
    if network.began_s is not None:
        raise Conflict(f"Source network {network.id} is being replicated already", resourceId=network.id)
    network.began_s = context.world.now
    return {"sourceNetwork": views.source_network(context.world, network)}


@operation("StopSourceNetworkReplication")
def stop_source_network_replication(context: Context, request: Request) -> Answer:
    """End keeping a copy."""
    network = _network(context, request)
    if network.began_s is None:
        raise Conflict(f"Source network {network.id} is not being replicated", resourceId=network.id)
    network.began_s = None
    return {"sourceNetwork": views.source_network(context.world, network)}


@operation("StartSourceNetworkRecovery")
def start_source_network_recovery(context: Context, request: Request) -> Answer:
    """Recover networks in one job: new VPCs, and launch templates that point into them."""
    check_tags(request.get("tags"))
    networks = [_network(context, entry) for entry in request["sourceNetworks"]]
    if len({network.id for network in networks}) != len(networks):
        raise Invalid("source networks are named twice", [("sourceNetworks", "duplicates")])
    for network, entry in zip(networks, request["sourceNetworks"], strict=True):
        if network.began_s is None:
            raise Conflict(f"Source network {network.id} is not protected", resourceId=network.id)
        network.stack = entry.get("cfnStackName") or network.stack
    is_new = request.get("deployAsNew") or any(network.launched_vpc is None for network in networks)
    initiated_by = "CREATE_NETWORK_RECOVERY" if is_new else "UPDATE_NETWORK_RECOVERY"
    return {"job": views.job(_begin(context, networks, initiated_by, request.get("tags") or {}))}


@operation("AssociateSourceNetworkStack")
def associate_source_network_stack(context: Context, request: Request) -> Answer:
    """Let a CloudFormation stack that exists be the copy of a source network."""
    network = _network(context, request)
    network.stack = request["cfnStackName"]
    return {"job": views.job(_begin(context, [network], "ASSOCIATE_NETWORK_RECOVERY", {}))}


@operation("ExportSourceNetworkCfnTemplate")
def export_source_network_cfn_template(context: Context, request: Request) -> Answer:
    """Name the object that the template would be exported to; nothing is written there."""
    network = _network(context, request)
    if network.began_s is None:
        raise Conflict(f"Source network {network.id} is not protected", resourceId=network.id)
    bucket = f"aws-drs-network-{context.region.account}-{context.region.name}"
    return {"s3DestinationUrl": f"https://{bucket}.s3.amazonaws.com/{network.id}.yaml"}


def _begin(context: Context, networks: list[SourceNetwork], initiated_by: str, tags: dict[str, str]) -> Job:
    ensure_room(context.world, context.region, len(networks))
    for network in networks:
        if network.id in context.region.busy:
            raise Conflict(f"Source network {network.id} is being processed by a job", resourceId=network.id)
    stages = UPDATE_TEMPLATES if initiated_by == "ASSOCIATE_NETWORK_RECOVERY" else DEPLOY + UPDATE_TEMPLATES
    plans = {network.id: stages for network in networks}
    job = create_job(context.world, context.region, plans, job_type="LAUNCH", initiated_by=initiated_by, tags=tags)
    job.is_network_job = True
    for network in networks:
        network.last_recovery = _life_cycle(job, "IN_PROGRESS")
    return job


def _life_cycle(job: Job, result: str) -> dict[str, object]:
    # This member alone is a modelled timestamp: with Z.
    return {"apiCallDateTime": job.created.replace("+00:00", "Z"), "jobID": job.id, "lastRecoveryResult": result}


def network_job_ends(world: World, due: float, job: Job) -> None:
    """Note how the recovery of each network ended."""
    if not job.is_network_job:
        return
    is_association = job.initiated_by == "ASSOCIATE_NETWORK_RECOVERY"
    for part in job.participants.values():
        network = world.regions[job.key].networks.get(part.id)
        if network is None:
            continue
        well = part.status == "LAUNCHED"
        outcome = "SUCCESS" if well else "FAIL"
        network.last_recovery = _life_cycle(job, f"ASSOCIATE_{outcome}" if is_association else outcome)
        if well:
            network.stack = network.stack or f"DRS-{network.id}"
            network.launched_vpc = network.launched_vpc or ids.stable("vpc-", network.id, due)


JOB_WATCHERS.append(network_job_ends)
