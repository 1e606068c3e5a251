"""The ways out of a network that its route tables know."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any, Final

from drs_provider.rules.answers import Answer
from drs_provider.rules.isolation.facts import Leak, NetworkFacts
from drs_provider.rules.isolation.filters import what_doors_say

_TARGETS: Final = (
    "NatGatewayId",
    "EgressOnlyInternetGatewayId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "CarrierGatewayId",
    "LocalGatewayId",
    "CoreNetworkArn",
    "OdbNetworkArn",
    "NetworkInterfaceId",
    "InstanceId",
    "GatewayId",
)
"""Members of a route that name its target; the first one that is there counts (an instance's route names two)."""

_DESTINATIONS: Final = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")

_NOT_TARGETS: Final = frozenset({*_DESTINATIONS, "Origin", "State", "InstanceOwnerId", "IpAddress"})

KINDS: Final = (
    ("igw-", "internet gateway", "the internet"),
    ("eigw-", "egress-only internet gateway", "the internet, over IPv6"),
    ("nat-", "NAT gateway", "whatever the NAT gateway reaches, most often the internet"),
    ("vgw-", "virtual private gateway", "networks at the other end of a VPN or Direct Connect"),
    ("tgw-", "transit gateway", "every network that the transit gateway routes to"),
    ("pcx-", "peering connection", "the peered VPC"),
    ("cagw-", "carrier gateway", "a telecommunication carrier's network"),
    ("lgw-", "local gateway", "the network on premises behind an Outpost"),
    ("vpce-", "VPC endpoint", "the service behind the endpoint"),
    ("eni-", "network interface", "whatever forwards packets behind that network interface"),
    ("i-", "instance", "whatever that instance forwards packets to"),
    ("arn:aws:networkmanager", "Cloud WAN core network", "every network of the core network"),
    ("arn:aws:odb", "Oracle database network", "a database network"),
)
"""What the beginning of an id says about it: its kind, and what is reached through it."""


def kind_of(target: str) -> tuple[str, str]:
    """Return what a target is called, and what is reached through it; an unknown kind is no reason to trust it."""
    return next(
        ((name, reached) for prefix, name, reached in KINDS if target.startswith(prefix)),
        ("unknown target", "something that this version does not know"),
    )


def routes_out(facts: NetworkFacts) -> Iterator[Leak]:
    """Find every active route that leads out, for the subnets that use it; the main table serves all the others."""
    for table in facts.route_tables:
        users, is_main = _users(facts, table)
        if not users and not is_main:
            continue
        for route in table.get("Routes") or ():
            target = target_of(route)
            if target is None or not _leads_out(facts, route, target):
                continue
            name, reached = kind_of(target)
            destination = next((str(route[key]) for key in _DESTINATIONS if route.get(key)), "an unknown destination")
            table_name = f"route table {table['RouteTableId']}{' (main)' if is_main else ''}"
            yield Leak(
                path=" → ".join(
                    (_subnets(users), table_name, destination, f"{name} {target}", *_beyond(facts, target))
                ),
                what=f"{reached} can be reached{what_doors_say(facts, users, destination)}",
                next_step=f"Delete the route to {destination} from {table['RouteTableId']}, or use another network",
            )


def target_of(route: Answer) -> str | None:
    """Return where a route leads; None: it stays in the VPC. A member that is not known counts as a target."""
    for key in _TARGETS:
        if route.get(key):
            return None if route[key] == "local" else str(route[key])
    other = [str(value) for key, value in route.items() if key not in _NOT_TARGETS and value and isinstance(value, str)]
    return other[0] if other else None


def _leads_out(facts: NetworkFacts, route: Answer, target: str) -> bool:
    """A black hole leads nowhere, unless it may wake up: a stopped instance's interface is one until it is started."""
    inner = _is_inside(facts, target)
    if route.get("State") == "blackhole" and not target.startswith(("eni-", "i-")):
        return False
    return not (inner and _stays(facts, route))


def _is_inside(facts: NetworkFacts, target: str) -> bool:
    """Whether a route's target is an interface or instance of this VPC."""
    here = {
        interface["NetworkInterfaceId"]
        for interface in facts.network_interfaces
        if not interface.get("RequesterManaged")
    }
    return target in here or any(instance["InstanceId"] == target for instance in facts.instances)


def _stays(facts: NetworkFacts, route: Answer) -> bool:
    """Whether a route's destination lies in the VPC itself: a detour through an appliance, and no way out."""
    destination = route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock")
    if not destination:
        return False
    wanted = ip_network(destination, strict=False)
    return any(
        wanted.version == own.version and wanted.subnet_of(own)  # type: ignore[arg-type]  # the versions are equal
        for own in map(ip_network, facts.cidrs)
    )


def _users(facts: NetworkFacts, table: Answer) -> tuple[tuple[str, ...], bool]:
    """Return the subnets that use a route table, and whether it is the main one."""
    associations = [association for association in table.get("Associations") or () if _is_in_force(association)]
    is_main = any(association.get("Main") for association in associations)
    explicit = {
        association["SubnetId"]
        for other in facts.route_tables
        for association in other.get("Associations") or ()
        if association.get("SubnetId") and _is_in_force(association)
    }
    own = {association["SubnetId"] for association in associations if association.get("SubnetId")}
    rest = {str(subnet["SubnetId"]) for subnet in facts.subnets} - explicit if is_main else set()
    return tuple(sorted(own | rest)), is_main


def _is_in_force(association: Mapping[str, Any]) -> bool:
    return (association.get("AssociationState") or {}).get("State", "associated") in ("associated", "associating")


def _subnets(users: tuple[str, ...]) -> str:
    if not users:
        return "any new subnet"
    return f"subnet{'s'[: len(users) != 1]} {', '.join(users)}"


def _beyond(facts: NetworkFacts, target: str) -> tuple[str, ...]:
    """Say what stands behind a target, as far as it is known."""
    if target.startswith("pcx-"):
        return tuple(
            other_side(facts, peering) for peering in facts.peerings if peering["VpcPeeringConnectionId"] == target
        )
    if target.startswith("vgw-"):
        return tuple(behind_gateway(facts, target))
    if target.startswith("vpce-"):
        return tuple(
            f"service {endpoint['ServiceName']}"
            for endpoint in facts.vpc_endpoints
            if endpoint["VpcEndpointId"] == target and endpoint.get("ServiceName")
        )
    return ()


def other_side(facts: NetworkFacts, peering: Answer) -> str:
    """Name the VPC at the other end of a peering connection."""
    sides = [peering.get("RequesterVpcInfo") or {}, peering.get("AccepterVpcInfo") or {}]
    other = next((side for side in sides if side.get("VpcId") != facts.vpc_id), {})
    where = f" of account {other['OwnerId']}" if other.get("OwnerId") and other["OwnerId"] != facts.account else ""
    return f"VPC {other.get('VpcId', 'unknown')}{where}"


def behind_gateway(facts: NetworkFacts, gateway: str) -> Iterator[str]:
    """Name the VPN connections of a virtual private gateway."""
    names = [
        str(connection["VpnConnectionId"])
        for connection in facts.vpn_connections
        if connection.get("VpnGatewayId") == gateway and connection.get("State") not in ("deleted", "deleting")
    ]
    if names:
        yield f"VPN connection{'s'[: len(names) != 1]} {', '.join(sorted(names))}"
