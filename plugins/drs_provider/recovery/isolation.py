"""Whether anything outside a drill network can be reached from inside it, or reaches into it.

A way out counts whether or not a security group or a network ACL stops it today: those are edited in a second, and a
drill launches with the groups that it is told to. So every active route to somewhere else and every attachment to
something else is a :class:`Leak`. Security groups and ACLs alone lead nowhere; what they say stands beside the path.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

Answer = Mapping[str, Any]
"""One thing as EC2 (or the service it belongs to) describes it: botocore's parsed answer."""


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
            str(one[key])
            for one in vpc.get(name) or ()
            if (one.get(state) or {}).get("State", "associated") in ("associated", "associating")
        ]
    return tuple(dict.fromkeys(ranges))


NOT_OF_THE_VERDICT = ("account", "security_groups", "network_acls", "prefix_lists", "instances", "hosted_zones")
"""Facts that decide no leak by themselves or that a drill itself changes; a change of theirs is no change of the
network."""


@dataclass(frozen=True)
class Proof:
    """What was looked at, and what was found.

    ``looked_at`` counts the answers by kind; ``prints`` is a fingerprint of every kind that decides, to tell what has
    changed since; ``notes`` are things worth knowing that lead nowhere.
    """

    vpc_id: str
    looked_at: Mapping[str, int]
    leaks: tuple[Leak, ...]
    notes: tuple[str, ...] = ()
    prints: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_isolated(self) -> bool:
        """Whether nothing outside was found to be within reach."""
        return not self.leaks

    def as_json(self) -> dict[str, Any]:
        """Return what travels in XCom and stands in the report."""
        return {
            "vpc_id": self.vpc_id,
            "isolated": self.is_isolated,
            "leaks": [{"path": one.path, "what": one.what, "next_step": one.next_step} for one in self.leaks],
            "notes": list(self.notes),
            "looked_at": dict(self.looked_at),
            "prints": dict(self.prints),
        }


def prove(facts: NetworkFacts) -> Proof:
    """Decide whether a network is isolated: look at everything, and name every way out that there is."""
    # Not at the top: both read NetworkFacts.
    from drs_provider.recovery.isolation_attachments import attachments_out, notes_of
    from drs_provider.recovery.isolation_routes import routes_out

    routes = tuple(routes_out(facts))
    # Whatever a route leads through is named once, with the whole path.
    seen = frozenset(word.strip(",") for leak in routes for word in leak.path.split())
    others = tuple(attachments_out(facts, seen))
    return Proof(
        vpc_id=facts.vpc_id,
        looked_at={name: len(value) for name, value in _parts(facts)},
        leaks=tuple(dict.fromkeys((*routes, *others))),
        notes=tuple(notes_of(facts)),
        prints={
            name: _print(name, value, facts.account) for name, value in _parts(facts) if name not in NOT_OF_THE_VERDICT
        },
    )


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Return what differs between the fingerprints of two proofs, in words: ``route tables``."""
    return tuple(name.replace("_", " ") for name in now if before.get(name) != now[name])


def _parts(facts: NetworkFacts) -> Iterable[tuple[str, Any]]:
    for one in fields(facts):
        if one.name not in ("account", "vpc"):
            yield one.name, getattr(facts, one.name)
    yield "vpc", (facts.vpc,)


_PASSING = frozenset(
    {"State", "Status", "CreationTimestamp", "CreateTime", "AvailableIpAddressCount", "Tags", "TagSet"}
)
"""Members that change without the network becoming another one."""


def _print(name: str, answers: Iterable[Answer], account: str) -> str:
    # Every launch and termination adds or takes away an interface that is nobody's but the account's own.
    kept = [
        _lasting(one, deep=name == "route_tables")
        for one in answers
        if name != "network_interfaces" or is_of_a_service(one) or one.get("OwnerId", account) != account
    ]
    text = json.dumps(sorted(kept, key=_canonical), default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def is_of_a_service(interface: Answer) -> bool:
    """Tell whether a network interface belongs to an AWS service and not to an instance or its owner."""
    return bool(interface.get("RequesterManaged")) or interface.get("InterfaceType", "interface") not in (
        "interface",
        "efa",
        "efa-only",
        "trunk",
        "branch",
    )


def _lasting(value: Any, *, deep: bool = False) -> Any:
    """Leave aside what passes; the state of a route is no passing one."""
    if isinstance(value, Mapping):
        kept = {key: one for key, one in value.items() if key not in _PASSING or (deep and key == "State")}
        return {key: _lasting(one, deep=deep) for key, one in kept.items()}
    if isinstance(value, (list, tuple)):
        items = [_lasting(one, deep=deep) for one in value]
        return sorted(items, key=_canonical)
    return value
