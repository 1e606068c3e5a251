"""Ways into and out of a VPC that moto does not know: endpoints for people, Outposts, Route 53 profiles.

They exist as soon as the control plane says so: ``POST /_simulator/network_edges`` with
``{"operation": "DescribeClientVpnEndpoints", "region": "us-west-2", "items": [{…}]}``, the items in botocore's words;
an empty list takes them away. A network interface of moto's becomes one of a service with
``{"interface": "eni-…", "region": "us-west-2", "type": "lambda", "description": "…"}``.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from drs_simulator.errors import BadInput
from drs_simulator.neighbours.answers import Asked, answers, paged
from drs_simulator.world import moto_ec2
from drs_simulator.world.resources import Key
from drs_simulator.world.world import World

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator

EDGES: dict[str, tuple[str, str, Callable[[dict[str, object]], object]]] = {
    "DescribeInstanceConnectEndpoints": ("ec2", "InstanceConnectEndpoints", lambda endpoint: endpoint.get("VpcId")),
    "DescribeClientVpnEndpoints": ("ec2", "ClientVpnEndpoints", lambda endpoint: endpoint.get("VpcId")),
    "DescribeVerifiedAccessEndpoints": ("ec2", "VerifiedAccessEndpoints", lambda _: None),
    "DescribeLocalGatewayRouteTableVpcAssociations": (
        "ec2",
        "LocalGatewayRouteTableVpcAssociations",
        lambda association: association.get("VpcId"),
    ),
    "ListProfileAssociations": (
        "route53profiles",
        "ProfileAssociations",
        lambda association: association.get("ResourceId"),
    ),
}
"""By operation: its service, the member of the answer, and the VPC that an item belongs to."""


def install(simulator: "Simulator") -> None:
    """Answer for the operations, and let the control plane say what there is."""
    for operation, (service, _, _) in EDGES.items():
        answers(simulator, service, {operation: partial(describe, operation=operation)})
    simulator.overlays.control("network_edges", partial(_control, simulator))


def _kept(world: World, key: Key) -> dict[str, list[dict[str, object]]]:
    kept: dict[Key, dict[str, list[dict[str, Any]]]] = world.neighbours.setdefault("network_edges", {})
    return kept.setdefault(key, {})


def describe(asked: Asked, *, operation: str) -> dict[str, object]:
    """Return what the control plane has put there, of one VPC where the request names one."""
    _, member, vpc_of = EDGES[operation]
    shown = _kept(asked.world, asked.key).get(operation, [])
    filters = asked.request.get("Filters") or []
    wanted = [
        value for condition in filters if condition.get("Name") == "vpc-id" for value in condition.get("Values") or []
    ]
    wanted += [asked.request["ResourceId"]] if asked.request.get("ResourceId") else []
    return paged(asked.request, [edge for edge in shown if not wanted or vpc_of(edge) in wanted], member, most=1000)


def _control(simulator: "Simulator", method: str, rest: str, body: object) -> object:
    if method != "POST" or rest or not isinstance(body, dict):
        raise BadInput("network_edges: POST an object with operation and items, or with interface and type")
    key = (str(body.get("account") or simulator.world.fleet.accounts[0].id), str(body.get("region") or ""))
    with simulator.world.lock:
        if key not in simulator.world.regions:
            raise BadInput(f"network_edges: no account and Region {key[0]}/{key[1]} in the fleet")
        if body.get("interface"):
            return _make_a_services(key, body)
        operation, items = body.get("operation"), body.get("items")
        if operation not in EDGES or not isinstance(items, list):
            raise BadInput(f"network_edges: operation must be one of {', '.join(sorted(EDGES))}, items a list")
        _kept(simulator.world, key)[operation] = items
    return {"operation": operation, "items": len(items)}


def _make_a_services(key: Key, body: dict[str, object]) -> object:
    interface = moto_ec2.ec2(*key).enis.get(body["interface"])
    if interface is None:
        raise BadInput(f"network_edges: no network interface {body['interface']}")
    interface.interface_type = str(body.get("type") or "interface")
    interface.requester_managed = True
    interface.description = str(body.get("description") or "")
    return {"interface": body["interface"]}
