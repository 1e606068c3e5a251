"""EC2 instances that were stopped: their agents are not seen, so what replicates them stalls until they run again.

What an agent sends while its machine shuts down becomes one more recovery point (ours: AWS does not say).
"""

from drs_simulator.world.world import World


def source_stops(world: World, instance_id: str) -> None:
    """Note that an instance is being stopped now."""
    if instance_id not in world.stopped_since:
        world.stopped_since[instance_id] = world.now
        world.source_stops.setdefault(instance_id, []).append(world.now)


def source_runs(world: World, instance_id: str) -> None:
    """Note that an instance runs (again): a copy that stood still goes on from there."""
    since = world.stopped_since.pop(instance_id, None)
    if since is None:
        return
    for server in world.servers():
        replication = server.replication
        if server.hints_instance_id == instance_id and replication.steady is None and replication.began < world.now:
            replication.began += world.now - max(since, replication.began)
