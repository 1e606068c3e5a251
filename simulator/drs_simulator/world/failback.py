"""The way back of recovery instances: agents, the servers that replicate them, and failback clients.

An instance that came from EC2 is replicated by a source server in its origin Region (`reverse_server`). One from a data
centre is replicated to the machine on which a person has booted the failback client: a `FailbackClient`, which only the
control plane makes, for no operation of DRS does.
"""

from dataclasses import replace

from drs_simulator import ids
from drs_simulator.errors import BadInput
from drs_simulator.faults.kinds import StalledCopy
from drs_simulator.world import moto_ec2
from drs_simulator.world.jobs import JOB_WATCHERS
from drs_simulator.world.replication import Observed, Replication, Weather, observed, sync_seconds
from drs_simulator.world.resources import FailbackClient, Job, RecoveryInstance, SourceServer
from drs_simulator.world.world import World, happening

RESCAN_SHARE = 3.0
"""A rescan takes a third of an initial sync (ours: no measurement)."""

NOT_REPLICATING = frozenset({"STOPPED", "DISCONNECTED"})

JUST_BEFORE = 1e-3
"""Simulated seconds before a fault's end at which what it held goes on: at its end nobody can tell what it held."""


def agent_is_seen(world: World, record: RecoveryInstance, server: SourceServer) -> bool:
    """Whether the agent of a recovery instance has reported to DRS."""
    age = world.now - record.launched_s
    return age >= world.fleet.failback.initialized_after and world.silences(server) is None


def reverse_server(world: World, record: RecoveryInstance) -> SourceServer | None:
    """Return the source server that replicates this instance, if there is one."""
    if record.reverse_server is None:
        return None
    account, region, server_id = record.reverse_server
    found = world.regions.get((account, region))
    return found.servers.get(server_id) if found else None


def is_replicated(world: World, record: RecoveryInstance) -> bool:
    """Whether an instance is on its way back: it cannot be terminated or disconnected then."""
    back = reverse_server(world, record)
    if back is not None:
        return back.replication.steady not in NOT_REPLICATING
    return record.client is not None and not record.client.is_over


def rescanned(replication: Replication, disks: tuple[int, ...], now: float, *, reconnects: bool) -> Replication:
    """Return a replication that begins again with what it has: its disks are only compared.

    Stopped or disconnected, it has nothing any more: then everything is copied.

    :param reconnects: it begins with an agent that is not seen yet
    """
    if replication.steady in NOT_REPLICATING:
        return replace(replication, steady=None, began=now, is_rescan=False, sync_seconds=sync_seconds(disks))
    whole = sync_seconds(disks) / RESCAN_SHARE
    return replace(replication, steady=None, began=now, is_rescan=True, is_reconnecting=reconnects, sync_seconds=whole)


# -- failback clients -----------------------------------------------------------------------------------------------


def pair(world: World, record: RecoveryInstance, *, to_original: bool) -> FailbackClient:
    """A person has booted the failback client, and it has found its recovery instance. Raises BadInput."""
    server = world.regions[record.account, record.region].servers.get(record.server_id)
    if server is None or server.spec.origin.region is not None:
        raise BadInput(f"failback_clients: {record.id} came from EC2: use ReverseReplication")
    state = moto_ec2.state_of(moto_ec2.find(record.account, record.region, record.id))
    if record.is_disconnected or state != "RUNNING":
        raise BadInput(f"failback_clients: {record.id} must be connected and running, is {state}")
    if not agent_is_seen(world, record, server):
        raise BadInput(f"failback_clients: the agent of {record.id} has not been seen yet")
    if record.client is not None and not record.client.is_over:
        raise BadInput(f"failback_clients: {record.id} has a failback client: let it be stopped first (StopFailback)")
    fresh = Replication(steady=None, began=world.now, lag=server.spec.lag, sync_seconds=sync_seconds(server.spec.disks))
    if to_original:
        fresh = replace(fresh, is_rescan=True, sync_seconds=fresh.sync_seconds / RESCAN_SHARE)
    record.client = FailbackClient(ids.stable("s-", record.id, world.now), fresh, to_original)
    record.failback_state, record.failback_began = "FAILBACK_IN_PROGRESS", world.stamp()
    record.failback_job, record.failback_launch_type = None, None
    return record.client


def lose_client(world: World, record: RecoveryInstance) -> None:
    """The failback client is not seen any more: its screen was closed, or the machine rebooted. Raises BadInput."""
    if record.client is None or record.client.is_over:
        raise BadInput(f"failback_clients: {record.id} has no failback client")
    if record.client.lost_s is None:
        record.client.lost_s = world.now


def find_client_again(world: World, record: RecoveryInstance) -> None:
    """A failback client that was lost is back; it goes on where it stood. Raises BadInput."""
    client = record.client
    if client is None or client.lost_s is None:
        raise BadInput(f"failback_clients: {record.id} has no failback client that was lost")
    client.replication.began += world.now - client.lost_s
    client.lost_s = None


def client_replication(world: World, record: RecoveryInstance, client: FailbackClient) -> Observed:
    """Return how far the copy to a failback client is."""
    if client.is_over:
        return Observed("STOPPED", None, last_good=client.replication.began)
    server = world.regions[record.account, record.region].servers.get(record.server_id)
    weather = world.weather(server) if server is not None else Weather()
    silenced = world.silences(server) if server is not None else None
    if client.lost_s is not None:
        weather = Weather(stalled_since=client.lost_s, stall_error="FAILBACK_CLIENT_NOT_SEEN")
        return observed(client.replication, client.lost_s, weather)
    # What stalls the source's own replication does not concern the way back.
    since = silenced.begins_at if silenced is not None else None
    return observed(client.replication, world.now, Weather(copy_stall=weather.copy_stall, stalled_since=since))


def state_of(world: World, record: RecoveryInstance) -> str:
    """Return `failback.state` of a recovery instance."""
    state = record.failback_state
    if state != "FAILBACK_IN_PROGRESS":
        return state
    answers = world.fleet.failback
    if record.client is not None:
        if record.failback_job is not None:
            return answers.while_launching
        is_ready = client_replication(world, record, record.client).state == "CONTINUOUS"
        return "FAILBACK_READY_FOR_LAUNCH" if is_ready else state
    back = reverse_server(world, record)
    if back is None:
        return "FAILBACK_NOT_STARTED"
    return (
        "FAILBACK_READY_FOR_LAUNCH" if world.replication_of(back).state == "CONTINUOUS" else answers.state_before_ready
    )


# -- what ends with a job -------------------------------------------------------------------------------------------


def failback_is_complete(world: World, due: float, job: Job) -> None:
    """What a launch means for the instance that its server replicates, or that a failback client copies."""
    if job.type != "LAUNCH":
        return
    if job.initiated_by == "FAILBACK":
        _clients_are_converted(world, due, job)
        return
    region = world.regions[job.key]
    for part in job.participants.values():
        server = region.servers.get(part.id)
        if part.status != "LAUNCHED" or server is None or server.direction != "FAILBACK":
            continue
        owner = world.server_of_instance.get(server.hints_instance_id or "")
        record = world.regions[owner.key].instances.get(str(server.hints_instance_id)) if owner is not None else None
        if record is None:
            continue
        record.failback_job, record.failback_launch_type = job.id, "DRILL" if job.is_drill else "RECOVERY"
        if world.fleet.failback.completes and not job.is_drill:
            record.failback_state = "FAILBACK_COMPLETED"


def _clients_are_converted(world: World, due: float, job: Job) -> None:
    region = world.regions[job.key]
    for part in job.participants.values():
        server = region.servers.get(part.id)
        for record in region.instances.values():
            if record.server_id != part.id or record.failback_job != job.id or record.client is None:
                continue
            if part.status != "LAUNCHED":
                record.failback_state, record.failback_job = "FAILBACK_ERROR", None
                continue
            record.failback_state = "FAILBACK_COMPLETED"
            record.client.is_over = True
            if server is not None and record.client.to_original:
                # The agent of the original machine goes on; nothing is installed again.
                server.replication = rescanned(server.replication, server.spec.disks, due, reconnects=True)


JOB_WATCHERS.append(failback_is_complete)


# -- copies that stood still ----------------------------------------------------------------------------------------


@happening
def copies_go_on(world: World, due: float, name: str) -> None:
    """A fault that holds copies ends: what stood still goes on from there."""
    armed = world.faults.armed(name)
    if armed is None or not isinstance(armed.fault, StalledCopy) or not armed.is_active(due):
        return
    for server in world.servers():
        stall = world.weather(server).copy_stall
        if stall is not None and world.holds("stalled_copy", server) is armed:
            _shift(server.replication, stall.begins(server.replication), due)
    for region in tuple(world.regions.values()):
        for record in region.instances.values():
            known = region.servers.get(record.server_id)
            if record.client is None or known is None or world.holds("stalled_copy", known) is not armed:
                continue
            stall = world.weather(known).copy_stall
            if stall is not None:
                _shift(record.client.replication, stall.begins(record.client.replication), due)


def _shift(replication: Replication, stood: float | None, due: float) -> None:
    if stood is not None and stood < due:
        replication.began += due - stood
