"""What is attached to a network and leads out of it, or lets others in, whether or not a route leads there."""

import json
from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Any, Final

from drs_provider.rules.answers import Answer
from drs_provider.rules.isolation.facts import Leak, NetworkFacts, is_of_a_service
from drs_provider.rules.isolation.filters import open_doors
from drs_provider.rules.isolation.routes import behind_gateway, kind_of, other_side

ALLOWED_SERVICES: Final = ("ssm", "ssmmessages", "ec2messages", "logs")
"""AWS services whose private endpoint may stand in a drill network: what the steps of a plan need."""

NEEDS_POLICY: Final = ("ssm", "logs")
"""Those of them that can do more than to serve the agent, unless the endpoint's policy forbids it."""

_GONE: Final = frozenset(
    {"deleted", "deleting", "detached", "detaching", "rejected", "failed", "expired", "disassociated"}
)
_AMAZON_DNS: Final = frozenset({"AmazonProvidedDNS", "169.254.169.253", "fd00:ec2::253"})
_AMAZON_TIME: Final = frozenset({"169.254.169.123", "fd00:ec2::123"})
_HARMLESS_RULES: Final = frozenset({"SYSTEM", "RECURSIVE"})
"""Resolver rules by which a VPC's own resolver answers, as it does without any rule."""


def attachments_out(facts: NetworkFacts, named: frozenset[str]) -> Iterator[Leak]:
    """Find everything attached to the VPC that leads out or lets in.

    :param named: the words of the paths of the routes that were found: what they lead through is not told again
    """
    yield from _foreign_owners(facts)
    yield from _gateways(facts, named)
    yield from _vpc_endpoints(facts, named)
    yield from _ways_in(facts)
    yield from _names(facts)
    yield from _lattice(facts)
    yield from _interfaces(facts)


def notes_of(facts: NetworkFacts) -> Iterator[str]:
    """Say what is worth knowing and leads nowhere."""
    yield from open_doors(facts)
    for table in facts.route_tables:
        for route in table.get("Routes") or ():
            if route.get("State") == "blackhole":
                where = route.get("DestinationCidrBlock") or route.get("DestinationPrefixListId") or "somewhere"
                yield f"route table {table['RouteTableId']} has a route to {where} that leads nowhere (blackhole)"
    for zone in facts.hosted_zones:
        yield f"names of the private hosted zone {zone['Name'].rstrip('.')} resolve here, as they do in production"


def _foreign_owners(facts: NetworkFacts) -> Iterator[Leak]:
    owner = facts.vpc.get("OwnerId")
    if owner and owner != facts.account:
        yield Leak(
            path=f"VPC {facts.vpc_id} → account {owner}",
            what="the VPC belongs to another account, whose gateways and peerings cannot all be seen from here",
            next_step="Use a drill network of the recovery account itself",
        )
    for subnet in facts.subnets:
        if subnet.get("OwnerId") and subnet["OwnerId"] not in (facts.account, owner):
            yield Leak(
                path=f"subnet {subnet['SubnetId']} → account {subnet['OwnerId']}",
                what="the subnet belongs to another account",
                next_step="Use a drill network of the recovery account itself",
            )


def _gateways(facts: NetworkFacts, named: frozenset[str]) -> Iterator[Leak]:
    for gateway, more in _attached(facts):
        if gateway in named:
            continue
        name, reached = kind_of(gateway)
        yield Leak(
            path=" → ".join((f"VPC {facts.vpc_id}", f"{name} {gateway}", *more)),
            what=f"{reached} is one route away",
            next_step=f"Detach {gateway} from the VPC, or use a network without it",
        )


def _attached(facts: NetworkFacts) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the id of every gateway, attachment and peering in force, with what stands behind it."""
    for answers, key, attachments in (
        (facts.internet_gateways, "InternetGatewayId", "Attachments"),
        (facts.egress_only_gateways, "EgressOnlyInternetGatewayId", "Attachments"),
        (facts.carrier_gateways, "CarrierGatewayId", ""),
        (facts.nat_gateways, "NatGatewayId", ""),
        (facts.vpn_gateways, "VpnGatewayId", "VpcAttachments"),
        (facts.local_gateway_associations, "LocalGatewayId", ""),
    ):
        for gateway in answers:
            if gateway.get("State") not in _GONE and (not attachments or _is_attached(facts, gateway.get(attachments))):
                yield gateway[key], tuple(behind_gateway(facts, gateway[key]))
    for attachment in facts.transit_gateway_attachments:
        if attachment.get("State") not in _GONE:
            yield attachment["TransitGatewayId"], (f"attachment {attachment['TransitGatewayAttachmentId']}",)
    for peering in facts.peerings:
        if (peering.get("Status") or {}).get("Code") not in _GONE:
            yield peering["VpcPeeringConnectionId"], (other_side(facts, peering),)


def _is_attached(facts: NetworkFacts, attachments: Any) -> bool:
    return any(
        attachment.get("VpcId") == facts.vpc_id and attachment.get("State") not in _GONE
        for attachment in attachments or ()
    )


def _vpc_endpoints(facts: NetworkFacts, named: frozenset[str]) -> Iterator[Leak]:
    for endpoint in facts.vpc_endpoints:
        name, kind = endpoint["VpcEndpointId"], str(endpoint.get("VpcEndpointType") or "Gateway")
        if str(endpoint.get("State", "")).lower() in _GONE or name in named:
            continue
        if kind == "Gateway" and not endpoint.get("RouteTableIds"):
            continue  # no route table knows it
        service = str(
            endpoint.get("ServiceName")
            or endpoint.get("ResourceConfigurationArn")
            or endpoint.get("ServiceNetworkArn")
            or "unknown"
        )
        allowed = kind == "Interface" and service.split(".")[:2] == ["com", "amazonaws"]
        short = service.rpartition(".")[2] if allowed else ""
        if short in ALLOWED_SERVICES and (
            short not in NEEDS_POLICY or not is_open_policy(endpoint.get("PolicyDocument"))
        ):
            continue
        path = f"VPC {facts.vpc_id} → {kind.lower()} endpoint {name} → {service}"
        if short in ALLOWED_SERVICES:
            yield Leak(
                path,
                "the endpoint's policy allows everything, so a drill server may change things of production there",
                f"Give {name} the policy that docs/drill-network.md shows",
            )
        else:
            yield Leak(
                path, "the service behind the endpoint can be reached", f"Delete {name}, or use a network without it"
            )


def is_open_policy(document: Any) -> bool:
    """Whether an endpoint's policy allows any action of a service; no policy, or one that cannot be read, does."""
    try:
        statements = json.loads(document)["Statement"] if isinstance(document, str) else document["Statement"]
    except (TypeError, KeyError, ValueError):
        return True
    for statement in [statements] if isinstance(statements, Mapping) else statements:
        if statement.get("Effect") != "Allow":
            continue
        actions = statement.get("Action", "*")
        if any(str(action) == "*" or str(action).endswith(":*") for action in _listed(actions)):
            return True
    return False


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _ways_in(facts: NetworkFacts) -> Iterator[Leak]:
    here = {balancer["LoadBalancerArn"] for balancer in facts.load_balancers if balancer.get("VpcId") == facts.vpc_id}
    for service in facts.vpc_endpoint_services:
        balancers = [*(service.get("NetworkLoadBalancerArns") or ()), *(service.get("GatewayLoadBalancerArns") or ())]
        mine = sorted(name for name in balancers if name in here)
        if mine and str(service.get("ServiceState", "")).lower() not in _GONE:
            yield Leak(
                path=f"other VPCs → endpoint service {service['ServiceId']} → {', '.join(mine)}",
                what="clients outside reach servers inside through PrivateLink, and cannot tell them from production",
                next_step=f"Delete the endpoint service {service['ServiceId']}, or use a network without it",
            )
    for endpoint in facts.instance_connect_endpoints:
        if not str(endpoint.get("State", "")).startswith("delete"):
            name = endpoint["InstanceConnectEndpointId"]
            yield Leak(
                path=f"EC2 Instance Connect endpoint {name} → subnet {endpoint.get('SubnetId')}",
                what="people outside reach every server of the VPC through it",
                next_step=f"Delete {name}, or use a network without it",
            )
    for endpoint in facts.client_vpn_endpoints:
        if (endpoint.get("Status") or {}).get("Code") not in _GONE:
            name = endpoint["ClientVpnEndpointId"]
            yield Leak(
                path=f"VPN clients → client VPN endpoint {name} → VPC {facts.vpc_id}",
                what="people who are connected to production too reach servers inside",
                next_step=f"Delete {name} or its associations, or use a network without it",
            )
    for endpoint in facts.verified_access_endpoints:
        if (endpoint.get("Status") or {}).get("Code") not in _GONE:
            name = endpoint["VerifiedAccessEndpointId"]
            yield Leak(
                path=f"the internet → Verified Access endpoint {name} → VPC {facts.vpc_id}",
                what="people outside reach an application inside",
                next_step=f"Delete {name}, or use a network without it",
            )


def _names(facts: NetworkFacts) -> Iterator[Leak]:
    for rule in facts.resolver_rules:
        if rule.get("RuleType") in _HARMLESS_RULES:
            continue
        targets = (
            ", ".join(str(address.get("Ip") or address.get("Ipv6")) for address in rule.get("TargetIps") or ())
            or "elsewhere"
        )
        domain = str(rule.get("DomainName", "")).rstrip(".") or "all domains"
        yield Leak(
            path=f"DNS of VPC {facts.vpc_id} → resolver rule {rule['Id']} → {domain} → {targets}",
            what="names are resolved by a name server outside, and lead to production",
            next_step=f"Disassociate {rule['Id']} from the VPC, or use a network without it",
        )
    for endpoint in facts.resolver_endpoints:
        direction = str(endpoint.get("Direction", "")).lower()
        yield Leak(
            path=f"VPC {facts.vpc_id} → Route 53 resolver endpoint {endpoint['Id']} ({direction})",
            what="names are resolved across the border of the network",
            next_step=f"Delete {endpoint['Id']}, or use a network without it",
        )
    for profile in facts.dns_profiles:
        yield Leak(
            path=f"DNS of VPC {facts.vpc_id} → Route 53 profile {profile.get('ProfileId')}",
            what="its resolver rules and zones hold for the VPC, and cannot all be seen from here",
            next_step=f"Disassociate the profile {profile.get('ProfileId')}, or use a network without it",
        )
    for options in facts.dhcp_options:
        yield from _dhcp(facts, options)


def _dhcp(facts: NetworkFacts, options: Answer) -> Iterator[Leak]:
    """Servers that DHCP names must be Amazon's own or stand in the VPC."""
    kinds = {
        "domain-name-servers": ("name server", _AMAZON_DNS),
        "ntp-servers": ("time server", _AMAZON_TIME),
        "netbios-name-servers": ("NetBIOS name server", frozenset()),
    }
    for entry in options.get("DhcpConfigurations") or ():
        what, own = kinds.get(entry["Key"], ("", frozenset()))
        for value in (entry_value["Value"] for entry_value in entry.get("Values") or ()) if what else ():
            if value not in own and not _is_in(facts, value):
                yield Leak(
                    path=f"VPC {facts.vpc_id} → DHCP options {options['DhcpOptionsId']} → {what} {value}",
                    what=f"every server uses a {what} outside",
                    next_step=f"Associate DHCP options with Amazon's own {what}, or use a network that has them",
                )


def _is_in(facts: NetworkFacts, value: str) -> bool:
    try:
        address = ip_address(value)
    except ValueError:
        return False
    return any(address in ip_network(own) for own in facts.cidrs)


def _lattice(facts: NetworkFacts) -> Iterator[Leak]:
    for association in facts.lattice_associations:
        if str(association.get("status", "")).upper() not in ("DELETED", "DELETE_IN_PROGRESS", "CREATE_FAILED"):
            name = association.get("serviceNetworkName") or association.get("serviceNetworkId")
            yield Leak(
                path=f"VPC {facts.vpc_id} → VPC Lattice association {association['id']} → service network {name}",
                what="the services of the service network can be reached, without any route",
                next_step=f"Delete the association {association['id']}, or use a network without it",
            )


def _interfaces(facts: NetworkFacts) -> Iterator[Leak]:
    endpoints = {name for endpoint in facts.vpc_endpoints for name in endpoint.get("NetworkInterfaceIds") or ()}
    for interface in facts.network_interfaces:
        name, owner = interface["NetworkInterfaceId"], interface.get("OwnerId")
        kind = str(interface.get("InterfaceType") or "interface")
        if owner and owner != facts.account:
            yield Leak(
                path=f"network interface {name} → account {owner}",
                what="something of another account stands in the network",
                next_step=f"Stop sharing the subnet {interface.get('SubnetId')}, or use a network that is not shared",
            )
        elif is_of_a_service(interface) and name not in endpoints and kind not in ("nat_gateway", "transit_gateway"):
            said = str(interface.get("Description") or interface.get("RequesterId") or "no description")
            yield Leak(
                path=f"network interface {name} ({said}) → {_service(kind, interface)}",
                what="something of an AWS service stands in the network, and may be connected to more than the network",
                next_step="Delete what it belongs to, or use a network without it",
            )
    yield from _between_networks(facts)


def _service(kind: str, interface: Answer) -> str:
    words = {"lambda": "Lambda", "network_load_balancer": "a network load balancer", "vpc_endpoint": "a VPC endpoint"}
    return words.get(kind) or (
        f"service {interface.get('RequesterId')}" if kind == "interface" else kind.replace("_", " ")
    )


def _between_networks(facts: NetworkFacts) -> Iterator[Leak]:
    for instance in facts.instances:
        if (instance.get("State") or {}).get("Name") in ("terminated", "shutting-down"):
            continue
        elsewhere = {
            str(interface["VpcId"]): str(interface["NetworkInterfaceId"])
            for interface in instance.get("NetworkInterfaces") or ()
            if interface.get("VpcId") and interface["VpcId"] != facts.vpc_id
        }
        for vpc, interface in sorted(elsewhere.items()):
            yield Leak(
                path=f"instance {instance['InstanceId']} → network interface {interface} → VPC {vpc}",
                what="the instance stands in both networks, and can pass on what it gets",
                next_step=f"Detach {interface} from {instance['InstanceId']}, or use a network without it",
            )
