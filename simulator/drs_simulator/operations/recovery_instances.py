"""Recovery instances: what can be read of them, and how DRS parts with them."""

from dataclasses import replace

from drs_simulator.errors import Conflict
from drs_simulator.faults.kinds import AnyFault
from drs_simulator.operations.registry import Answer, Context, Request, operation, page
from drs_simulator.world import moto_ec2, views
from drs_simulator.world.failback import is_replicated, reverse_server
from drs_simulator.world.resources import RecoveryInstance


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
    answer = page(context, request, shown, lambda record: _told(context, record, running.get(record.id)))
    told: list[object] = answer["items"]  # type: ignore[assignment]  # an answer holds anything
    # Left out after the pages are cut: the place of the others in them stays.
    return {**answer, "items": [item for item in told if item is not None]}


def _told(context: Context, record: RecoveryInstance, instance: object) -> dict[str, object] | None:
    """Return what an answer says of an instance: everything, unless a fault says otherwise; None: it is left out."""
    if _strike(context, record, "not_shown") is not None:
        return None
    answer, fault = views.recovery_instance(context.world, record, instance), _strike(context, record, "omits")
    left_out = fault.members if fault is not None and fault.do == "omits" else frozenset()
    return {member: value for member, value in answer.items() if member not in left_out}


def _strike(context: Context, record: RecoveryInstance, kind: str) -> AnyFault | None:
    """Return the fault of a kind that strikes what is said of an instance, counted."""
    server = context.region.servers.get(record.server_id)
    facts = (server.facts,) if server else ()
    armed = context.world.faults.strike(frozenset({kind}), replace(context.subject, servers=facts, job=record.job_id))
    return armed.fault if armed else None


@operation("DisconnectRecoveryInstance")
def disconnect_recovery_instance(context: Context, request: Request) -> Answer:
    """Part with a recovery instance: its agent goes, the EC2 instance stays, and there is no way back any more.

    One that is being replicated cannot be disconnected (documented for the failed-back instance).
    """
    record = context.instance(request["recoveryInstanceID"])
    if record.server_id in context.region.busy:
        raise Conflict(f"Recovery instance {record.id} is being processed by a job", resourceId=record.id)
    if is_replicated(context.world, record) and context.world.fleet.failback.deletes_connected:
        raise Conflict(f"Recovery instance {record.id} cannot be disconnected during failback", resourceId=record.id)
    record.is_disconnected = True
    return {}


@operation("DeleteRecoveryInstance")
def delete_recovery_instance(context: Context, request: Request) -> Answer:
    """Forget a recovery instance; the EC2 instance is not touched.

    It must be disconnected, gone from EC2, or have been reversed after a failback (the live primary: observed).
    """
    record = context.instance(request["recoveryInstanceID"])
    instance = moto_ec2.find(record.account, record.region, record.id)
    is_gone = record.terminated_s is not None or moto_ec2.state_of(instance) in {"NOT_FOUND", "TERMINATED"}
    back = reverse_server(context.world, record)
    is_primary = record.was_reversed and (record.is_from_failback or (back is not None and back.id == record.server_id))
    is_primary = is_primary and context.world.fleet.failback.deletes_connected
    if not (record.is_disconnected or is_gone or is_primary):
        raise Conflict(f"Recovery instance {record.id} must be disconnected first", resourceId=record.id)
    del context.region.instances[record.id]
    context.world.server_of_instance.pop(record.id, None)
    server = context.region.servers.get(record.server_id)
    if server is not None and server.instance_id == record.id:
        server.instance_id = None
    return {}
