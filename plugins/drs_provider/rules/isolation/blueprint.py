"""What an isolated copy of a production network looks like: its addresses, its groups, and nothing outside."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_network
from typing import Any, Final

from drs_provider.rules.answers import Answer
from drs_provider.rules.isolation.facts import own_cidrs

ENDPOINT_PREFIX: Final = 28
"""Prefix length of the subnet that private endpoints get for themselves: they must not take a server's address."""

_SPARE: Final = ("100.64.0.0/24", "198.19.0.0/24")
"""Ranges that EC2 lets every VPC have besides its own, where that one is full."""

_RESERVED_NAME: Final = "default"


@dataclass(frozen=True)
class SubnetCopy:
    """One subnet to make; ``copy_of`` is what it stands for: a subnet of production, or ``endpoints``."""

    copy_of: str
    cidr: str
    zone: str


@dataclass(frozen=True)
class GroupCopy:
    """One security group to make. ``ingress`` and ``egress`` are IpPermissions that still name production's groups."""

    copy_of: str
    name: str
    description: str
    ingress: tuple[Answer, ...] = ()
    egress: tuple[Answer, ...] = ()


@dataclass(frozen=True)
class Production:
    """What EC2 says of the network that servers would land in: the VPC, all its subnets, the groups in question.

    ``prefix_lists`` holds the CIDRs of the customer-managed prefix lists that the groups name.
    """

    vpc: Answer
    subnets: tuple[Answer, ...]
    groups: tuple[Answer, ...]
    prefix_lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Blueprint:
    """An isolated network: what is made, in this order. ``notes`` say what could not be copied."""

    production_vpc: str
    cidrs: tuple[str, ...]
    subnets: tuple[SubnetCopy, ...]
    groups: tuple[GroupCopy, ...]
    endpoint_subnet: SubnetCopy | None = None
    notes: tuple[str, ...] = ()


def blueprint(production: Production, subnet_ids: Iterable[str], *, endpoints: bool = False) -> Blueprint:
    """Draw the isolated copy of a network.

    :param subnet_ids: the subnets that servers would land in; only these are copied
    :param endpoints: whether private endpoints get a subnet
    """
    cidrs = tuple(own for own in own_cidrs(production.vpc) if ip_network(own).version == 4)  # noqa: PLR2004
    wanted = set(subnet_ids)
    subnets = tuple(
        SubnetCopy(str(subnet["SubnetId"]), str(subnet["CidrBlock"]), str(subnet["AvailabilityZone"]))
        for subnet in sorted(production.subnets, key=lambda subnet: str(subnet["SubnetId"]))
        if subnet["SubnetId"] in wanted and subnet.get("CidrBlock")
    )
    spare = _endpoint_subnet(cidrs, production.subnets, subnets) if endpoints else None
    if spare is not None and not any(_part_of(spare.cidr, own) for own in cidrs):
        cidrs = (*cidrs, next(spare_range for spare_range in _SPARE if _part_of(spare.cidr, spare_range)))
    return Blueprint(
        production_vpc=str(production.vpc["VpcId"]),
        cidrs=cidrs,
        subnets=subnets,
        groups=copies_of(production, cidrs),
        endpoint_subnet=spare,
        notes=tuple(_not_copied(production, wanted)),
    )


def copies_of(production: Production, cidrs: Sequence[str]) -> tuple[GroupCopy, ...]:
    """Copy security groups for a network of these ranges; what leads outside is left out.

    A rule for a range keeps the part of it that lies in the network: ``0.0.0.0/0`` becomes the network's own ranges.
    A rule for a part of the production VPC that the network has not got stands for the whole network. A rule for
    another group stays where that group is copied too. IPv6 and AWS's own prefix lists always lead outside.
    """
    copied = {str(group["GroupId"]) for group in production.groups}
    return tuple(
        GroupCopy(
            copy_of=str(group["GroupId"]),
            name=_name(group),
            description=f"Copy of {group['GroupId']} for a drill, without rules for anything outside",
            ingress=tuple(_inside(group.get("IpPermissions"), production, cidrs, copied)),
            egress=tuple(_inside(group.get("IpPermissionsEgress"), production, cidrs, copied)),
        )
        for group in sorted(production.groups, key=lambda group: str(group["GroupId"]))
    )


def _name(group: Answer) -> str:
    """Every VPC has a group ``default`` of its own; no other may be called so."""
    name = str(group["GroupName"])
    return f"production-{name}" if name == _RESERVED_NAME else name


def _inside(rules: Any, production: Production, cidrs: Sequence[str], copied: set[str]) -> Iterator[dict[str, Any]]:
    for rule in rules or ():
        ranges = [str(ip_range["CidrIp"]) for ip_range in rule.get("IpRanges") or ()]
        for prefix_list in rule.get("PrefixListIds") or ():
            ranges += production.prefix_lists.get(prefix_list["PrefixListId"], ())
        kept = [text for wide in ranges for text in part_inside(wide, own_cidrs(production.vpc), cidrs)]
        pairs = [
            {"GroupId": pair["GroupId"]}
            for pair in rule.get("UserIdGroupPairs") or ()
            if pair.get("GroupId") in copied and not pair.get("VpcPeeringConnectionId")
        ]
        if not kept and not pairs:
            continue
        made: dict[str, Any] = {"IpProtocol": str(rule["IpProtocol"])}
        made |= {key: rule[key] for key in ("FromPort", "ToPort") if rule.get(key) is not None}
        if kept:
            made["IpRanges"] = [{"CidrIp": text} for text in dict.fromkeys(kept)]
        if pairs:
            made["UserIdGroupPairs"] = pairs
        yield made


def part_inside(text: str, production_cidrs: Sequence[str], cidrs: Sequence[str]) -> list[str]:
    """Return the part of a range that lies in the drill network, as CIDRs; none: it lies outside."""
    wide = ip_network(text, strict=False)
    if wide.version != 4:  # noqa: PLR2004
        return []
    found = []
    for own in cidrs:
        if _part_of(own, text):
            found.append(own)
        elif _part_of(text, own):
            found.append(str(wide))
    if not found and any(_part_of(text, own) for own in production_cidrs):
        return list(cidrs)
    return found


def _part_of(small_text: str, other: str) -> bool:
    small, big = ip_network(small_text, strict=False), ip_network(other, strict=False)
    return isinstance(small, IPv4Network) and isinstance(big, IPv4Network) and small.subnet_of(big)


def _endpoint_subnet(cidrs: Sequence[str], others: Sequence[Answer], subnets: Sequence[SubnetCopy]) -> SubnetCopy:
    """Find room that no subnet of production has, so that an endpoint never takes the address of a server."""
    taken = [IPv4Network(str(subnet["CidrBlock"])) for subnet in others if subnet.get("CidrBlock")]
    for own in (*cidrs, *_SPARE):
        room = next(_free(IPv4Network(own), taken), None)
        if room is not None:
            return SubnetCopy("endpoints", str(room), subnets[0].zone)
    raise ValueError("no room for the private endpoints")  # the spare ranges belong to no production VPC whole


def _free(own: IPv4Network, taken: Sequence[IPv4Network]) -> Iterator[IPv4Network]:
    """Yield the free blocks of a range from its end on, skipping whole taken subnets at a time."""
    size = 2 ** (32 - ENDPOINT_PREFIX)
    if own.prefixlen > ENDPOINT_PREFIX:
        return
    at = int(own.broadcast_address) + 1 - size
    while at >= int(own.network_address):
        block = IPv4Network((at, ENDPOINT_PREFIX))
        hit = next((network for network in taken if network.overlaps(block)), None)
        if hit is None:
            yield block
            at -= size
        else:
            at = min(at, int(hit.network_address)) - size
            at -= at % size


def _not_copied(production: Production, wanted: set[str]) -> Iterator[str]:
    if any(ip_network(own).version != 4 for own in own_cidrs(production.vpc)):  # noqa: PLR2004
        yield f"the IPv6 ranges of {production.vpc['VpcId']} are not copied: servers of the drill have IPv4 only"
    for subnet in production.subnets:
        if subnet["SubnetId"] in wanted and not subnet.get("CidrBlock"):
            yield f"subnet {subnet['SubnetId']} has IPv6 only and is not copied"
