"""The EC2 instances that source servers replicate from: made when somebody first looks at EC2 where they run.

They are linked by `identificationHints.awsInstanceID` and have the address that the source server tells. Making 4,000
takes moto seconds, and most simulations never look: so they are not made at the start.
"""

from drs_simulator.world import moto_ec2
from drs_simulator.world.launch import source_address
from drs_simulator.world.resources import Key, SourceServer
from drs_simulator.world.world import World

ORIGIN_NETWORK = "10.0.0.0/16"


def ensure_origins(world: World, account: str, region: str) -> None:
    """Make, once, the instances of an account and Region that servers come from. The caller holds the lock."""
    done: set[Key] = world.neighbours.setdefault("origins", set())
    if (account, region) in done:
        return
    done.add((account, region))
    servers = [server for server in _of_the_fleet(world) if _home(server) == (account, region)]
    if not servers:
        return
    subnet = moto_ec2.make_origin_network(account, region, ORIGIN_NETWORK)
    running: dict[str, float] = world.neighbours.setdefault("running_since", {})
    taken: set[str] = set(moto_ec2.instances(account, region))
    addresses: set[str] = set()
    for server in servers:
        wanted = str(server.hints_instance_id)
        if wanted in taken:
            continue
        taken.add(wanted)
        address = source_address(server)
        made = moto_ec2.run(
            account,
            region,
            moto_ec2.LaunchPlan(None, 0, subnet, server.spec.instance_type),
            tags={"Name": server.spec.hostname, **server.spec.tags},
            disks=server.spec.disks,
            private_ip=None if address in addresses else address,
        )
        addresses.add(address)
        moto_ec2.set_running(account, region, made)
        moto_ec2.rename(account, region, made, wanted)
        running[wanted] = world.now - server.spec.protected_for
    world.dirty += 1


def _of_the_fleet(world: World) -> list[SourceServer]:
    return [
        server
        for region in world.regions.values()
        for server in region.servers.values()
        if server.direction == "FAILOVER" and server.spec.origin.region and server.hints_instance_id
    ]


def _home(server: SourceServer) -> tuple[str, str]:
    origin = server.spec.origin
    return origin.account or server.account, str(origin.region)
