"""What EC2 refuses to delete while it is in use, and moto does not: parts of VPCs, and network interfaces."""

from typing import TYPE_CHECKING, Any

from drs_simulator.neighbours.answers import Asked, Refused, answers
from drs_simulator.protocol.wire import Reply
from drs_simulator.world import moto_ec2

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator


def install(simulator: "Simulator") -> None:
    """Stand before the deletes."""
    answers(
        simulator,
        "ec2",
        {
            "DeleteNetworkInterface": delete_network_interface,
            "DeleteSubnet": delete_subnet,
            "DeleteSecurityGroup": delete_security_group,
            "DeleteVpc": delete_vpc,
            "DeleteVpcEndpoints": delete_vpc_endpoints,
        },
    )


def delete_network_interface(asked: Asked) -> Reply:
    """Refuse for an interface that is attached to an instance: only the instance's end takes it along."""
    name = str(asked.request.get("NetworkInterfaceId"))
    if any(interface.id == name and interface.instance is not None for interface in _interfaces(asked)):
        raise Refused("InvalidParameterValue", f"Network interface '{name}' is currently in use.")
    return asked.forward()


def delete_subnet(asked: Asked) -> Reply:
    """Refuse for a subnet with network interfaces in it."""
    name = str(asked.request.get("SubnetId"))
    if any(interface.subnet.id == name for interface in _interfaces(asked)):
        raise Refused("DependencyViolation", f"The subnet '{name}' has dependencies and cannot be deleted.")
    return asked.forward()


def delete_security_group(asked: Asked) -> Reply:
    """Refuse for a group that an interface uses or another group names."""
    name = str(asked.request.get("GroupId"))
    used = any(group.id == name for interface in _interfaces(asked) for group in interface.group_set)
    if used or name in _named(asked, name):
        raise Refused("DependencyViolation", f"resource {name} has a dependent object")
    return asked.forward()


def delete_vpc(asked: Asked) -> Reply:
    """Refuse for a VPC with an internet gateway, an attachment, an endpoint or groups of its own."""
    name, backend = str(asked.request.get("VpcId")), moto_ec2.ec2(*asked.key)
    gateways = any(gateway.vpc and gateway.vpc.id == name for gateway in backend.internet_gateways.values())
    groups = any(group.name != "default" for group in backend.groups.get(name, {}).values())
    endpoints = any(endpoint.vpc_id == name for endpoint in backend.vpc_end_points.values())
    attached = any(
        attachment.vpc_id == name and attachment.state not in ("deleted", "deleting")
        for attachment in backend.transit_gateway_attachments.values()
        if hasattr(attachment, "vpc_id")
    )
    if gateways or groups or endpoints or attached:
        raise Refused("DependencyViolation", f"The vpc '{name}' has dependencies and cannot be deleted.")
    reply = asked.forward()
    if name not in backend.vpcs:
        # What EC2 makes with a VPC goes with it; moto keeps these two.
        for acl in [acl.id for acl in backend.network_acls.values() if acl.vpc_id == name]:
            del backend.network_acls[acl]
        backend.groups.pop(name, None)
    return reply


def delete_vpc_endpoints(asked: Asked) -> Reply:
    """Forget what is deleted: moto would show it for ever."""
    reply = asked.forward()
    known = moto_ec2.ec2(*asked.key).vpc_end_points
    for name in [name for name, endpoint in known.items() if endpoint.state == "deleted"]:
        del known[name]
    return reply


def _interfaces(asked: Asked) -> list[Any]:
    """Return the interfaces that are in use: those of a terminated instance are gone, as EC2 takes them away."""
    backend = moto_ec2.ec2(*asked.key)
    gone = {
        name for name, instance in moto_ec2.instances(*asked.key).items() if moto_ec2.state_of(instance) == "TERMINATED"
    }
    return [interface for interface in backend.enis.values() if getattr(interface.instance, "id", None) not in gone]


def _named(asked: Asked, name: str) -> set[str]:
    """Return the groups that rules of other groups name."""
    groups = [
        group for known in moto_ec2.ec2(*asked.key).groups.values() for group in known.values() if group.id != name
    ]
    rules = [rule for group in groups for rule in (*group.ingress_rules, *group.egress_rules)]
    return {str(rule.source_group.get("GroupId")) for rule in rules}
