"""What the network interfaces of an EC2 launch template say besides subnet, groups and address of the first one.

DRS manages the interface with device index 0. All the others are passed through at a launch, and so is what the first
one has beyond its place: more addresses, IPv6, a public address. A launch that shall land in another network has to
take all of it along (DRS user guide, "Key considerations for EC2 launch templates").
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from drs_provider.rules.answers import Answer

Interface = Mapping[str, Any]
"""One network interface in EC2's words, as a launch template's data has it."""

IPV6: Final = ("Ipv6Addresses", "Ipv6AddressCount", "Ipv6Prefixes", "Ipv6PrefixCount", "PrimaryIpv6")
PUBLIC: Final = ("AssociatePublicIpAddress", "AssociateCarrierIpAddress")
EXISTING: Final = "NetworkInterfaceId"

_BEYOND_PLACE: Final = (
    *IPV6,
    *PUBLIC,
    "SecondaryPrivateIpAddressCount",
    "Ipv4Prefixes",
    "Ipv4PrefixCount",
    EXISTING,
)
"""Members of the first interface that are about its network and are no setting of a plan."""

_WHOLE_NUMBERS: Final = ("DeviceIndex", "NetworkCardIndex", "Ipv6AddressCount", "Ipv6PrefixCount", "Ipv4PrefixCount")


def index_of(interface: Interface) -> int:
    """Return an interface's device index; 0 where none is given."""
    return int(interface.get("DeviceIndex") or 0)


def primary_position(interfaces: Sequence[Interface]) -> int | None:
    """Return where the interface stands that an instance boots with; None: it is not described."""
    return next((at for at, interface in enumerate(interfaces) if index_of(interface) == 0), None)


def read_interfaces(template: Answer) -> list[dict[str, Any]]:
    """Return what a launch template's interfaces say beyond the settings of a plan, in a normal form.

    The first element has the device index 0 where the first interface has anything beyond subnet, groups and primary
    address; the others are whole interfaces. Empty: there is nothing of the kind.
    """
    interfaces: Sequence[Answer] = template.get("NetworkInterfaces") or ()
    position = primary_position(interfaces)
    first = {} if position is None else _beyond_place(interfaces[position])
    others = [_normal(interface) for at, interface in enumerate(interfaces) if at != position]
    ordered = sorted(others, key=lambda other: (int(other.get("NetworkCardIndex") or 0), index_of(other)))
    return [*([{"DeviceIndex": 0, **first}] if first else []), *ordered]


def with_interfaces(interface: Answer, wanted: Iterable[Interface]) -> list[dict[str, Any]]:
    """Return all interfaces of a new version: this first one, with what is wanted beyond its place, and the others.

    :param interface: the first interface, with its subnet, groups and address as they shall be
    :param wanted: as :func:`read_interfaces` returns it
    """
    chosen = [deepcopy(dict(other)) for other in wanted]
    first = chosen.pop(0) if chosen and _is_first(chosen[0]) else {}
    kept = {key: value for key, value in interface.items() if key not in (*_BEYOND_PLACE, "PrivateIpAddresses")}
    primary = [address for address in interface.get("PrivateIpAddresses") or () if address.get("Primary")]
    more = first.pop("PrivateIpAddresses", [])
    if more and not primary and kept.get("PrivateIpAddress"):
        primary = [{"Primary": True, "PrivateIpAddress": kept.pop("PrivateIpAddress")}]
    addresses = {"PrivateIpAddresses": [*primary, *more]} if primary or more else {}
    return [{**kept, **addresses, **{key: value for key, value in first.items() if key != "DeviceIndex"}}, *chosen]


def names_in(interfaces: Iterable[Interface]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the ids of the subnets, security groups and existing interfaces that interfaces name, each sorted."""
    known = tuple(interfaces)
    return (
        tuple(sorted({str(interface["SubnetId"]) for interface in known if interface.get("SubnetId")})),
        tuple(sorted({str(group) for interface in known for group in interface.get("Groups") or ()})),
        tuple(sorted({str(interface[EXISTING]) for interface in known if interface.get(EXISTING)})),
    )


def described(interface: Interface) -> str:
    """Word an interface for people: ``device index 1 in subnet-0a, 10.0.1.9``."""
    where = f" in {interface['SubnetId']}" if interface.get("SubnetId") else ""
    existing = f" as {interface[EXISTING]}" if interface.get(EXISTING) else ""
    address = primary_address(interface)
    return f"device index {index_of(interface)}{where}{existing}{f', {address}' if address else ''}"


def primary_address(interface: Interface) -> str | None:
    """Return the primary private address that an interface names; None: EC2 chooses."""
    named = [address for address in interface.get("PrivateIpAddresses") or () if address.get("Primary")]
    address = named[0].get("PrivateIpAddress") if named else interface.get("PrivateIpAddress")
    return str(address) if address else None


def _is_first(interface: Interface) -> bool:
    """Tell what the first interface has beyond its place from a whole interface: only that has a place."""
    return index_of(interface) == 0 and not (interface.get("SubnetId") or interface.get("Groups"))


def _beyond_place(interface: Answer) -> dict[str, Any]:
    found = {key: value for key, value in _normal(interface).items() if key in _BEYOND_PLACE}
    more = [address for address in interface.get("PrivateIpAddresses") or () if not address.get("Primary")]
    return {**found, **({"PrivateIpAddresses": [dict(address) for address in more]} if more else {})}


def _normal(interface: Answer) -> dict[str, Any]:
    """Return an interface as EC2 takes it, without what says nothing, its groups in order."""
    copied: dict[str, Any] = {key: deepcopy(value) for key, value in interface.items() if value not in (None, "", [])}
    for address in copied.get("Ipv6Addresses") or ():
        address.pop("IsPrimaryIpv6", None)
    for key in _WHOLE_NUMBERS:
        if key in copied:
            copied[key] = int(copied[key])
    if "Groups" in copied:
        copied["Groups"] = sorted(set(copied["Groups"]))
    return copied
