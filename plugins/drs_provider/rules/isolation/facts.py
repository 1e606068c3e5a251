"""What is known of a network, and a way out of it: the data that the proof of isolation reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from drs_provider.rules.answers import Answer


@dataclass(frozen=True)
class Leak:
    """One way between the network and something outside.

    ``path`` runs from the inside out (``subnet a → route table b → 0.0.0.0/0 → internet gateway c``), ``what`` says
    what is reached, ``next_step`` what closes it.
    """

    path: str
    what: str
    next_step: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}. {self.next_step}"


@dataclass(frozen=True)
class NetworkFacts:
    """What AWS says about one VPC, from the point of view of one account; every part is a tuple of answers.

    ``vpc_endpoint_services`` are the PrivateLink services whose load balancers stand in the VPC (with their load
    balancers' ARNs), ``resolver_rules`` the Route 53 rules associated with it, ``dhcp_options`` its own set,
    ``prefix_lists`` the CIDRs of prefix lists by id.
    """

    account: str
    vpc: Answer
    subnets: tuple[Answer, ...] = ()
    route_tables: tuple[Answer, ...] = ()
    internet_gateways: tuple[Answer, ...] = ()
    egress_only_gateways: tuple[Answer, ...] = ()
    carrier_gateways: tuple[Answer, ...] = ()
    nat_gateways: tuple[Answer, ...] = ()
    vpn_gateways: tuple[Answer, ...] = ()
    vpn_connections: tuple[Answer, ...] = ()
    transit_gateway_attachments: tuple[Answer, ...] = ()
    peerings: tuple[Answer, ...] = ()
    vpc_endpoints: tuple[Answer, ...] = ()
    vpc_endpoint_services: tuple[Answer, ...] = ()
    load_balancers: tuple[Answer, ...] = ()
    security_groups: tuple[Answer, ...] = ()
    network_acls: tuple[Answer, ...] = ()
    network_interfaces: tuple[Answer, ...] = ()
    instances: tuple[Answer, ...] = ()
    instance_connect_endpoints: tuple[Answer, ...] = ()
    client_vpn_endpoints: tuple[Answer, ...] = ()
    verified_access_endpoints: tuple[Answer, ...] = ()
    local_gateway_associations: tuple[Answer, ...] = ()
    dhcp_options: tuple[Answer, ...] = ()
    resolver_rules: tuple[Answer, ...] = ()
    resolver_endpoints: tuple[Answer, ...] = ()
    dns_profiles: tuple[Answer, ...] = ()
    hosted_zones: tuple[Answer, ...] = ()
    lattice_associations: tuple[Answer, ...] = ()
    prefix_lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def vpc_id(self) -> str:
        """The VPC's id."""
        return str(self.vpc["VpcId"])

    @property
    def cidrs(self) -> tuple[str, ...]:
        """The VPC's IPv4 ranges, the first one first, then its IPv6 ranges."""
        return own_cidrs(self.vpc)


def own_cidrs(vpc: Answer) -> tuple[str, ...]:
    """Return the address ranges that a VPC has now, IPv4 and IPv6."""
    ranges = [str(vpc["CidrBlock"])] if vpc.get("CidrBlock") else []
    for name, key in (("CidrBlockAssociationSet", "CidrBlock"), ("Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock")):
        state = f"{key}State"
        ranges += [
            str(association[key])
            for association in vpc.get(name) or ()
            if (association.get(state) or {}).get("State", "associated") in ("associated", "associating")
        ]
    return tuple(dict.fromkeys(ranges))


def is_of_a_service(interface: Answer) -> bool:
    """Tell whether a network interface belongs to an AWS service and not to an instance or its owner."""
    return bool(interface.get("RequesterManaged")) or interface.get("InterfaceType", "interface") not in (
        "interface",
        "efa",
        "efa-only",
        "trunk",
        "branch",
    )
