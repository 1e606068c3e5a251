"""Where a server of a drill lands instead of in production: production's subnets and groups mapped to the drill's."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from drs_provider.exceptions import RunRefused
from drs_provider.rules.isolation.facts import Answer
from drs_provider.rules.launch.tags import COPY_OF

Network = Mapping[str, Any]
"""What the XCom ``network`` holds for one account and Region; :func:`network_json` says how it looks."""


@dataclass(frozen=True)
class Landing:
    """A network of production that servers of a run would land in, and what they use of it; ids sorted.

    ``vpc_id`` is None where no launch template names a subnet: DRS then takes the default VPC.
    """

    vpc_id: str | None
    subnets: tuple[str, ...]
    groups: tuple[str, ...]


def landings(placements: Iterable[Mapping[str, Any]]) -> tuple[Landing, ...]:
    """Gather where servers would land, by VPC.

    :param placements: ``{"subnet_id", "security_group_ids", "vpc_id", "availability_zone"}`` per server; None: unknown
    """
    subnets: dict[str | None, set[str]] = {}
    groups: dict[str | None, set[str]] = {}
    for place in placements:
        vpc = place.get("vpc_id") or None
        subnets.setdefault(vpc, set()).update([place["subnet_id"]] if place.get("subnet_id") else [])
        groups.setdefault(vpc, set()).update(place.get("security_group_ids") or ())
    order = sorted(subnets, key=lambda vpc: vpc or "")
    return tuple(Landing(vpc, tuple(sorted(subnets[vpc])), tuple(sorted(groups[vpc]))) for vpc in order)


def standing_subnets(production: Sequence[Answer], standing: Sequence[Answer]) -> tuple[dict[str, str], list[str]]:
    """Choose the subnet of a standing drill network for every subnet of production; second: what is worth knowing.

    In this order: the one that carries the tag ``drs-orchestrator:copy-of`` with production's id, the one with the same
    addresses, the first one of the same zone, the first one of any other zone.
    """
    chosen: dict[str, str] = {}
    notes = []
    for subnet in production:
        name, zone = str(subnet["SubnetId"]), subnet.get("AvailabilityZone")

        def rank(other: Answer, name: str = name, subnet: Answer = subnet, zone: Any = zone) -> tuple[int, str]:
            tags = {tag["Key"]: tag["Value"] for tag in other.get("Tags") or ()}
            if tags.get(COPY_OF) == name:
                return 0, str(other["SubnetId"])
            if other.get("CidrBlock") == subnet.get("CidrBlock"):
                return 1, str(other["SubnetId"])
            return 2 + (other.get("AvailabilityZone") != zone), str(other["SubnetId"])

        best = min(standing, key=rank, default=None)
        if best is None:
            continue
        chosen[name] = str(best["SubnetId"])
        if rank(best)[0] == 3:  # noqa: PLR2004  (another zone)
            notes.append(
                f"no subnet of the drill network is in {zone} as {name} is: its servers land in {best['SubnetId']} "
                f"({best.get('AvailabilityZone')})"
            )
    return chosen, notes


def network_json(
    *,
    production_vpc: str,
    is_default: bool,
    vpc_id: str,
    cidrs: Mapping[str, str],
    subnets: Mapping[str, str],
    groups: Mapping[str, str],
    default_subnet: str | None,
    default_group: str | None,
    proof: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what one network of production is replaced by.

    ``subnets`` and ``security_groups`` map production's ids to the drill's, ``cidrs`` are the addresses of the subnets
    of both sides by id, ``default`` is for servers whose launch template names no subnet or no group.
    """
    return {
        "production_vpc": production_vpc,
        "is_default_vpc": is_default,
        "vpc_id": vpc_id,
        "cidrs": dict(cidrs),
        "subnets": dict(subnets),
        "security_groups": dict(groups),
        "default": {"subnet_id": default_subnet, "security_group_ids": [default_group] if default_group else []},
        "proof": dict(proof),
        "notes": list(notes),
    }


def in_drill_network(placement: Mapping[str, Any], settings: Mapping[str, Any], network: Network) -> dict[str, Any]:
    """Return the launch settings that put a server into the drill network, to be laid over its other ones.

    Always ``subnet_id`` and ``security_group_ids``. ``private_ip`` besides, where the drill's subnet has other
    addresses than production's: the same place in it (``10.0.1.10`` in ``10.0.1.0/24`` becomes ``10.9.1.10`` in
    ``10.9.1.0/24``); and ``copy_private_ip: False`` there, for the source's own address would not fit.

    :param placement: where the server would land in production, as preflight found it
    :param settings: its effective launch settings in the plan's words; ``private_ip`` also where the template has it
    :param network: the value of the XCom ``network`` for the server's account and Region
    :raises RunRefused: nothing of the drill network stands for this place: nothing may be launched then
    """
    part = part_of(placement, network)
    wanted = placement.get("subnet_id")
    subnet = part["subnets"].get(wanted) if wanted else part["default"]["subnet_id"]
    groups = [part["security_groups"].get(group) for group in placement.get("security_group_ids") or ()]
    groups = groups or list(part["default"]["security_group_ids"])
    if subnet is None or not groups or None in groups:
        missing = wanted or "the default subnet" if subnet is None else "its security groups"
        raise RunRefused(
            f"the drill network {part['vpc_id']} has nothing that stands for {missing}: the launch settings were "
            "changed after preflight. Clear preflight to look again"
        )
    found: dict[str, Any] = {"subnet_id": subnet, "security_group_ids": sorted(set(groups))}
    cidr = part["cidrs"].get(subnet)
    if cidr is None or wanted is None or cidr == part["cidrs"].get(wanted):
        return found
    if settings.get("private_ip"):
        found["private_ip"] = _moved(str(settings["private_ip"]), part["cidrs"].get(wanted), cidr)
    return {**found, "copy_private_ip": False}


def part_of(placement: Mapping[str, Any], network: Network) -> Mapping[str, Any]:
    """Return the part of a network that stands for the VPC of a placement."""
    parts: Sequence[Mapping[str, Any]] = network["networks"]
    vpc, subnet = placement.get("vpc_id"), placement.get("subnet_id")
    for part in parts:
        if part["production_vpc"] == vpc or (
            vpc is None and (subnet in part["subnets"] or (not subnet and part["is_default_vpc"]))
        ):
            return part
    raise RunRefused(
        f"no drill network was prepared for {vpc or subnet or 'the default VPC'}: the launch settings were changed "
        "after preflight. Clear preflight to look again"
    )


def _moved(address: str, production: str | None, drill: str) -> str:
    """Return the same place in another subnet; the first four and the last address of it belong to AWS."""
    network = IPv4Network(drill)
    if IPv4Address(address) in network:
        return address
    base = int(IPv4Network(production).network_address) if production else int(IPv4Address(address)) & ~0xFF
    offset = int(IPv4Address(address)) - base
    if not 4 <= offset < network.num_addresses - 1:  # noqa: PLR2004
        raise RunRefused(
            f"the private address {address} has no counterpart in the drill's subnet {drill}: give the server another "
            "private_ip under drill_launch, or use network: isolated, which has production's addresses"
        )
    return str(network.network_address + offset)
