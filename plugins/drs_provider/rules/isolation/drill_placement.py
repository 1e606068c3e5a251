"""Where a server of a drill lands instead of in production: production's subnets and groups mapped to the drill's."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Protocol

from drs_provider.exceptions import RunRefused
from drs_provider.rules.answers import Answer
from drs_provider.rules.isolation.moved_interfaces import InterfaceMove
from drs_provider.rules.launch.tags import COPY_OF
from drs_provider.rules.settings.interfaces import Interface, names_in


class ProductionPlacement(Protocol):
    """Where a launch would put a server in production; None: nobody knows, or the launch template does not say."""

    @property
    def subnet_id(self) -> str | None:
        """The subnet of production."""
        ...

    @property
    def security_group_ids(self) -> Sequence[str] | None:
        """The security groups of production."""
        ...

    @property
    def private_ip(self) -> str | None:
        """The private address."""
        ...

    @property
    def vpc_id(self) -> str | None:
        """The VPC of production."""
        ...

    @property
    def interfaces(self) -> Sequence[Interface] | None:
        """What the launch template's interfaces say besides (``rules.settings.interfaces.read_interfaces``)."""
        ...


@dataclass(frozen=True)
class KnownPlacement:
    """A :class:`Placement`."""

    subnet_id: str | None = None
    security_group_ids: Sequence[str] | None = None
    private_ip: str | None = None
    vpc_id: str | None = None
    interfaces: Sequence[Interface] | None = None

    @classmethod
    def of(cls, placement: ProductionPlacement) -> "KnownPlacement":
        """Copy what any other placement says."""
        return cls(
            placement.subnet_id,
            placement.security_group_ids,
            placement.private_ip,
            placement.vpc_id,
            placement.interfaces,
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "KnownPlacement":
        """Read these fields of a placement; what is absent is not known."""
        groups, interfaces = data.get("security_group_ids"), data.get("interfaces")
        return cls(
            data.get("subnet_id"),
            None if groups is None else tuple(map(str, groups)),
            data.get("private_ip"),
            data.get("vpc_id"),
            None if interfaces is None else tuple(interfaces),
        )


class DefaultPlacement(Protocol):
    """Where servers land whose launch template names no subnet or no security group."""

    @property
    def subnet_id(self) -> str | None:
        """The drill's copy of the default subnet."""
        ...

    @property
    def security_group_ids(self) -> Sequence[str]:
        """The drill's copy of the default security group."""
        ...


class DrillNetwork(Protocol):
    """What stands for one network of production; see ``PreparedNetwork``, which tasks leave."""

    @property
    def production_vpc(self) -> str:
        """The VPC of production."""
        ...

    @property
    def is_default_vpc(self) -> bool:
        """Whether that is the default VPC."""
        ...

    @property
    def vpc_id(self) -> str:
        """The VPC of the drill."""
        ...

    @property
    def cidrs(self) -> Mapping[str, str]:
        """The addresses of the subnets of both sides, by id."""
        ...

    @property
    def subnets(self) -> Mapping[str, str]:
        """The drill's subnets by those of production."""
        ...

    @property
    def security_groups(self) -> Mapping[str, str]:
        """The drill's security groups by those of production."""
        ...

    @property
    def default(self) -> DefaultPlacement:
        """Where servers land whose launch template names no place."""
        ...


@dataclass(frozen=True)
class Landing:
    """A network of production that servers of a run would land in, and what they use of it; ids sorted.

    ``vpc_id`` is None where no launch template names a subnet: DRS then takes the default VPC.
    """

    vpc_id: str | None
    subnets: tuple[str, ...]
    groups: tuple[str, ...]


def landings(placements: Iterable[ProductionPlacement]) -> tuple[Landing, ...]:
    """Gather where servers would land, by VPC."""
    subnets: dict[str | None, set[str]] = {}
    groups: dict[str | None, set[str]] = {}
    for place in placements:
        vpc = place.vpc_id or None
        other_subnets, other_groups, _ = names_in(place.interfaces or ())
        subnets.setdefault(vpc, set()).update([place.subnet_id] if place.subnet_id else [], other_subnets)
        groups.setdefault(vpc, set()).update(place.security_group_ids or (), other_groups)
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

        def rank(other: Answer, name: str = name, subnet: Answer = subnet) -> tuple[int, str]:
            tags = {tag["Key"]: tag["Value"] for tag in other.get("Tags") or ()}
            if tags.get(COPY_OF) == name:
                return 0, str(other["SubnetId"])
            if other.get("CidrBlock") == subnet.get("CidrBlock"):
                return 1, str(other["SubnetId"])
            return 2 + (other.get("AvailabilityZone") != subnet.get("AvailabilityZone")), str(other["SubnetId"])

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


def drill_settings(
    settings: Mapping[str, Any], placement: ProductionPlacement, networks: Sequence[DrillNetwork]
) -> dict[str, Any]:
    """Return a server's launch settings, put into the drill network.

    A fallback's subnet that the network has no copy of stays the first one.

    :param settings: its effective launch settings in the plan's words
    :raises RunRefused: nothing of the drill networks stands for this place: nothing may be launched then
    """
    asked = settings.get("subnet_id")
    place = KnownPlacement.of(placement)
    if asked in network_of(placement, networks).subnets:
        place = replace(place, subnet_id=asked)
    address = settings.get("private_ip") or placement.private_ip
    return {**settings, **in_drill_network(place, {**settings, "private_ip": address}, networks)}


def in_drill_network(
    placement: ProductionPlacement, settings: Mapping[str, Any], networks: Sequence[DrillNetwork]
) -> dict[str, Any]:
    """Return the launch settings that put a server into the drill network, to be laid over its other ones.

    Always ``subnet_id`` and ``security_group_ids``, and ``interfaces`` where it is known what the launch template has
    of them: all of them stand in the drill network then, and nothing else. ``private_ip`` besides, where the drill's
    subnet has other addresses than production's: the same place in it (``10.0.1.10`` in ``10.0.1.0/24`` becomes
    ``10.9.1.10`` in ``10.9.1.0/24``); and ``copy_private_ip: False`` there, for the source's own address would not fit.

    :param placement: where the server would land in production, as preflight found it
    :param settings: its effective launch settings in the plan's words; ``private_ip`` also where the template has it
    :param networks: the drill networks of the server's account and Region: ``PreparedNetworks.networks``
    :raises RunRefused: nothing of the drill network stands for this place: nothing may be launched then
    """
    part = network_of(placement, networks)
    wanted = placement.subnet_id
    subnet = part.subnets.get(wanted) if wanted else part.default.subnet_id
    groups = [part.security_groups.get(group) for group in placement.security_group_ids or ()]
    groups = groups or list(part.default.security_group_ids)
    known = [group for group in groups if group is not None]
    if subnet is None or not groups or len(known) < len(groups):
        missing = wanted or "the default subnet" if subnet is None else "its security groups"
        raise RunRefused(
            f"the drill network {part.vpc_id} has nothing that stands for {missing}: the launch settings were "
            "changed after preflight. Clear preflight to check again"
        )
    found: dict[str, Any] = {"subnet_id": subnet, "security_group_ids": sorted(set(known))}
    if placement.interfaces is not None:
        move = InterfaceMove(
            subnets=part.subnets,
            groups=part.security_groups,
            cidrs=part.cidrs,
            first=(wanted, subnet),
            default_groups=part.default.security_group_ids,
            move_address=_moved,
        )
        found["interfaces"] = move.moved(placement.interfaces)
    cidr = part.cidrs.get(subnet)
    if cidr is None or wanted is None or cidr == part.cidrs.get(wanted):
        return found
    if settings.get("private_ip"):
        found["private_ip"] = _moved(str(settings["private_ip"]), part.cidrs.get(wanted), cidr)
    return {**found, "copy_private_ip": False}


def network_of(placement: ProductionPlacement, networks: Sequence[DrillNetwork]) -> DrillNetwork:
    """Return the drill network that stands for the VPC of a placement."""
    vpc, subnet = placement.vpc_id, placement.subnet_id
    for network in networks:
        if network.production_vpc == vpc or (
            vpc is None and (subnet in network.subnets or (not subnet and network.is_default_vpc))
        ):
            return network
    raise RunRefused(
        f"no drill network was prepared for {vpc or subnet or 'the default VPC'}: the launch settings were changed "
        "after preflight. Clear preflight to check again"
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
