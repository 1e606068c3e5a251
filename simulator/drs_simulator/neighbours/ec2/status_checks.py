"""EC2's status checks and capacity: `initializing` for some minutes, `impaired` and no capacity by fault."""

from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from moto.core.exceptions import ServiceException
from moto.ec2.exceptions import EC2ClientError

from drs_simulator.faults.engine import Subject
from drs_simulator.neighbours import boots
from drs_simulator.neighbours.answers import Asked, Refused, answers, paged
from drs_simulator.neighbours.ec2_instances import (
    began_running,
    facts_of,
    holds,
    platform_of,
    running_since,
    stopped_running,
    subjects,
    variation,
)
from drs_simulator.neighbours.ssm import agents
from drs_simulator.protocol.wire import Reply
from drs_simulator.world import moto_ec2
from drs_simulator.world.stopped_sources import source_stops

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator

CHECKS_TAKE = {"linux": 120.0, "windows": 240.0}
"""Simulated seconds from running to 2/2 checks, before the instance's own variation of a quarter."""

NOT_RUNNING = {"Status": "not-applicable"}


def install(simulator: "Simulator") -> None:
    """Answer for the status checks, and stand before what needs capacity."""
    answers(
        simulator,
        "ec2",
        {
            "DescribeInstanceStatus": describe_instance_status,
            "RunInstances": run_instances,
            "StartInstances": start_instances,
            "StopInstances": stop_instances,
        },
    )


def describe_instance_status(asked: Asked) -> dict[str, object]:
    """Return the checks of running instances; of all with IncludeAllInstances."""
    request = asked.request
    known = moto_ec2.instances(*asked.key)
    wanted = request.get("InstanceIds") or []
    unknown = [name for name in wanted if name not in known]
    if unknown:
        several = f"s '{', '.join(unknown)}' do" if unknown[1:] else f" '{unknown[0]}' does"
        raise Refused("InvalidInstanceID.NotFound", f"The instance ID{several} not exist")
    shown = [_status(asked, known[name]) for name in wanted or known]
    if not request.get("IncludeAllInstances"):
        shown = [status for status in shown if status["InstanceState"]["Name"] == "running"]
    for condition in request.get("Filters") or []:
        shown = [item for item in shown if _passes(item, condition["Name"], condition.get("Values") or [])]
    return paged(request, shown, "InstanceStatuses", most=1000, refuse="InvalidNextToken")


def _passes(item: dict[str, Any], name: str, values: list[str]) -> bool:
    instance, system = item["InstanceStatus"], item["SystemStatus"]
    actual = {
        "availability-zone": item["AvailabilityZone"],
        "instance-state-name": item["InstanceState"]["Name"],
        "instance-state-code": str(item["InstanceState"]["Code"]),
        "instance-status.status": instance["Status"],
        "instance-status.reachability": instance.get("Details", [{}])[0].get("Status", ""),
        "system-status.status": system["Status"],
        "system-status.reachability": system.get("Details", [{}])[0].get("Status", ""),
    }
    if name not in actual:
        raise Refused("InvalidParameterValue", f"The filter '{name}' is invalid")
    return any(fnmatchcase(actual[name], value) for value in values)


def _status(asked: Asked, instance: Any) -> dict[str, Any]:
    world = asked.world
    since = running_since(world, asked.key, instance)
    system = checked = NOT_RUNNING
    if since is not None:
        bad = holds(world, "impaired", subjects(world, asked.key, instance, "ec2:DescribeInstanceStatus"))
        takes = CHECKS_TAKE[platform_of(world, instance)] * variation(instance.id, "status checks")
        word = "ok" if world.now >= since + takes else "initializing"
        system = _summary(word)
        checked = system if bad is None else _summary("impaired", asked.stamp(min(max(bad, since), world.now)))
    return {
        "AvailabilityZone": str(instance.availability_zone),
        "InstanceId": instance.id,
        "InstanceState": {"Code": instance.state_code, "Name": instance.state},
        "InstanceStatus": checked,
        "SystemStatus": system,
    }


_DETAIL = {"ok": "passed", "initializing": "initializing", "impaired": "failed"}


def _summary(word: str, since: datetime | None = None) -> dict[str, Any]:
    detail: dict[str, object] = {"Name": "reachability", "Status": _DETAIL[word]}
    if since is not None:
        detail["ImpairedSince"] = since
    return {"Status": word, "Details": [detail]}


def run_instances(asked: Asked) -> Reply:
    """Let moto run instances where there is capacity."""
    before = set(moto_ec2.instances(*asked.key))
    _ensure_capacity(asked, *_wanted(asked), asked.call.operation)
    reply = asked.forward()
    for name in set(moto_ec2.instances(*asked.key)) - before:
        began_running(asked.world, name)
    return reply


def start_instances(asked: Asked) -> Reply:
    """Let moto start instances where there is capacity."""
    known = moto_ec2.instances(*asked.key)
    named = [known[name] for name in asked.request.get("InstanceIds") or [] if name in known]
    for instance in named:
        if moto_ec2.state_of(instance) not in _STARTABLE:
            said = f"The instance '{instance.id}' is not in a state from which it can be started."
            raise Refused("IncorrectInstanceState", said)
    # moto would let what is pending run at once.
    pending = [candidate for candidate in named if moto_ec2.state_of(candidate) == "PENDING"]
    stopped = [candidate for candidate in named if moto_ec2.state_of(candidate) == "STOPPED"]
    for instance in stopped:
        _ensure_capacity(asked, instance.instance_type, str(instance.availability_zone), "StartInstances", instance)
    reply = asked.forward()
    for instance in pending:
        moto_ec2.let_pend(instance)
    for instance in stopped:
        if moto_ec2.state_of(instance) == "RUNNING":
            boots.begin(asked.world, asked.key, instance)
    return reply


_STARTABLE = frozenset({"STOPPED", "PENDING", "RUNNING"})


def stop_instances(asked: Asked) -> Reply:
    """Let moto stop instances; their SSM agents are seen off."""
    known = moto_ec2.instances(*asked.key)
    named = [known[name] for name in asked.request.get("InstanceIds") or [] if name in known]
    for instance in named:
        agents.ping(asked.world, asked.key, instance)
    reply = asked.forward()
    for instance in named:
        if moto_ec2.state_of(instance) != "RUNNING":
            stopped_running(asked.world, instance.id)
            source_stops(asked.world, instance.id)
    return reply


def _ensure_capacity(asked: Asked, kind: str, zone: str | None, operation: str | None, instance: object = None) -> None:
    account, region = asked.key
    facts = facts_of(asked.world, instance) if instance is not None else ()
    lacks = asked.world.faults.strike(
        frozenset({"no_capacity"}),
        Subject("ec2", operation, account, region, facts),
        lambda fault: (
            fault.do == "no_capacity" and moto_ec2.fits(fault.instance_type, kind) and moto_ec2.fits(fault.zone, zone)
        ),
    )
    if lacks is not None:
        raise Refused(
            "InsufficientInstanceCapacity",
            f"We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone}). "
            "Our system will be working on provisioning additional capacity.",
            500,
        )


def _wanted(asked: Asked) -> tuple[str, str | None]:
    """Return instance type and zone of a RunInstances, from the request or from its launch template."""
    request, backend = asked.request, moto_ec2.ec2(*asked.key)
    template = _template(asked)
    kind = request.get("InstanceType") or template.get("InstanceType") or "m1.small"
    interfaces = request.get("NetworkInterfaces") or template.get("NetworkInterfaces") or [{}]
    subnet_id = request.get("SubnetId") or interfaces[0].get("SubnetId")
    zone = (request.get("Placement") or template.get("Placement") or {}).get("AvailabilityZone")
    if zone is None:
        try:
            subnets = [backend.get_subnet(subnet_id)] if subnet_id else list(backend.get_default_subnets().values())
        except EC2ClientError:
            return str(kind), None  # moto refuses the subnet by itself
        zone = subnets[0].availability_zone if subnets else None
    return str(kind), zone


def _template(asked: Asked) -> dict[str, Any]:
    given = asked.request.get("LaunchTemplate") or {}
    backend = moto_ec2.ec2(*asked.key)
    if not given:
        return {}
    try:
        name = given.get("LaunchTemplateName")
        template: Any = (
            backend.get_launch_template_by_name(name)
            if name
            else backend.get_launch_template(given["LaunchTemplateId"])
        )
        data: dict[str, object] = template.get_version(given.get("Version") or "$Default").data
    except (EC2ClientError, ServiceException, KeyError, ValueError):
        return {}  # moto refuses the template by itself
    return data
