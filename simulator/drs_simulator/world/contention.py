"""Faults that act the moment they are added or taken back: foreign jobs, vanishing instances, held servers."""

from drs_simulator.faults.engine import Subject, concerns
from drs_simulator.faults.kinds import AnyFault
from drs_simulator.quotas import SERVERS_PER_JOB
from drs_simulator.world import moto_ec2
from drs_simulator.world.behind_drs import end_later
from drs_simulator.world.failback import JUST_BEFORE, copies_go_on
from drs_simulator.world.jobs import create_job, fault_lets_go, log
from drs_simulator.world.resources import Job, Region
from drs_simulator.world.world import World, happening


def fault_added(world: World, name: str, fault: AnyFault) -> None:
    """Do what a fault does by itself, without a call that it strikes."""
    now = world.now
    if fault.do == "foreign_job":
        world.at(now + fault.after, foreign_job_begins, name)
        if fault.lasts is not None:
            world.at(now + fault.after + fault.lasts, fault_lets_go, name)
    elif fault.do == "terminated_behind_drs":
        world.at(now + fault.after, instances_vanish, name)
    elif fault.do == "deleted_template":
        world.at(now + fault.after, templates_vanish, name)
    elif fault.do == "stalled_copy" and fault.lasts is not None:
        world.at(now + fault.after + fault.lasts - JUST_BEFORE, copies_go_on, name)
    world.advance()


def fault_ending(world: World, name: str) -> None:
    """A fault is about to be taken back: what only it knows is done now."""
    copies_go_on(world, world.now, name)


def fault_removed(world: World, name: str) -> None:
    """What the fault held goes on."""
    fault_lets_go(world, world.now, name)


@happening
def foreign_job_begins(world: World, due: float, name: str) -> None:
    """Somebody else's job takes the servers that the fault names, as far as they are free."""
    fault = world.faults.get(name)
    if fault is None:
        return
    left = fault.count if fault.count is not None else SERVERS_PER_JOB.value
    for region in tuple(world.regions.values()):
        wanted = [
            server.id
            for server in region.servers.values()
            if server.id not in region.busy
            and concerns(
                fault,
                Subject(
                    operation="StartRecovery", account=server.account, region=server.region, servers=(server.facts,)
                ),
            )
        ][: int(left)]
        if wanted:
            left -= len(wanted)
            _hold(world, due, region, wanted, name)


def _hold(world: World, due: float, region: Region, servers: list[str], name: str) -> Job:
    job = create_job(
        world, region, dict.fromkeys(servers, ()), job_type="LAUNCH", initiated_by="START_RECOVERY", tags={}
    )
    job.held_by = name
    job.status = "STARTED"
    job.history.append((due, "STARTED"))
    log(world, job, due, "JOB_START")
    return job


@happening
def instances_vanish(world: World, due: float, name: str) -> None:
    """Recovery instances that live are terminated in EC2; DRS was not asked."""
    fault = world.faults.get(name)
    if fault is None:
        return
    for region in tuple(world.regions.values()):
        for instance in tuple(region.instances.values()):
            server = region.servers.get(instance.server_id)
            if server is None or instance.terminated_s is not None:
                continue
            subject = Subject(
                account=instance.account, region=instance.region, servers=(server.facts,), job=instance.job_id
            )
            if world.faults.strike(frozenset({"terminated_behind_drs"}), subject, lambda candidate: candidate is fault):
                end_later(world, due, region.key, instance.id, fault)


@happening
def templates_vanish(world: World, _due: float, name: str) -> None:
    """Somebody deletes the EC2 launch templates of servers."""
    fault = world.faults.get(name)
    if fault is None:
        return
    for region in tuple(world.regions.values()):
        for server in tuple(region.servers.values()):
            template = server.launch.get("ec2LaunchTemplateID")
            if template is not None and world.faults.strike(
                frozenset({"deleted_template"}), world.subject(server), lambda candidate: candidate is fault
            ):
                moto_ec2.delete_launch_template(region.account, region.name, str(template))
