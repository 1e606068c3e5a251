"""The network interfaces of a launch template, moved from production's network into a drill's.

Nothing of production's place stays: subnets and groups become those of the drill, addresses keep their place in the
subnet, and what leads outside (IPv6, public addresses) is left out, for a drill network has neither.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from drs_provider.exceptions import RunRefused
from drs_provider.rules.settings.interfaces import (
    EXISTING,
    IPV6,
    PUBLIC,
    Interface,
    described,
    index_of,
    primary_address,
)


class InterfaceMove:
    """How interfaces of one server are moved.

    :param subnets: the drill's subnets by production's
    :param groups: the drill's security groups by production's
    :param cidrs: addresses of the subnets of both sides, by id
    :param first: production's and the drill's subnet of the first interface
    :param default_groups: of an interface that names no group
    :param move_address: (address, production's range, the drill's range) to the same place in the other one
    """

    def __init__(
        self,
        *,
        subnets: Mapping[str, str],
        groups: Mapping[str, str],
        cidrs: Mapping[str, str],
        first: tuple[str | None, str],
        default_groups: Sequence[str],
        move_address: Callable[[str, str | None, str], str],
    ) -> None:
        self._subnets, self._groups, self._cidrs = subnets, groups, cidrs
        self._first, self._default_groups, self._move_address = first, tuple(default_groups), move_address

    def moved(self, interfaces: Iterable[Interface]) -> list[dict[str, Any]]:
        """Return the interfaces as they stand in the drill network.

        :param interfaces: as ``rules.settings.interfaces.read_interfaces`` returns them
        :raises RunRefused: nothing of the drill network stands for one of them
        """
        found = [self._in_drill(interface) for interface in interfaces]
        return [interface for interface in found if interface != {"DeviceIndex": 0}]

    def _in_drill(self, interface: Interface) -> dict[str, Any]:
        if interface.get(EXISTING):
            raise RunRefused(
                f"its launch template attaches an existing network interface ({described(interface)}), which cannot be "
                "moved into the drill network. Take it out of the launch template"
            )
        kept = {key: value for key, value in interface.items() if key not in IPV6}
        kept = {key: value for key, value in kept.items() if key not in PUBLIC or value in (False, "false")}
        if not (is_beyond_place := index_of(interface) == 0 and not interface.get("SubnetId")):
            kept["SubnetId"] = self._subnet(interface)
            kept["Groups"] = self._groups_of(interface)
        production = self._first[0] if is_beyond_place else interface.get("SubnetId") or self._first[0]
        drill = self._first[1] if is_beyond_place else kept["SubnetId"]
        return self._with_addresses(kept, self._cidrs.get(str(production)), self._cidrs.get(drill))

    def _subnet(self, interface: Interface) -> str:
        wanted = interface.get("SubnetId")
        if not wanted:
            return self._first[1]
        if wanted not in self._subnets:
            raise RunRefused(
                f"the drill network has nothing that stands for {wanted} ({described(interface)} of its launch "
                "template): the launch settings were changed after preflight. Clear preflight to check again"
            )
        return self._subnets[wanted]

    def _groups_of(self, interface: Interface) -> list[str]:
        named = interface.get("Groups") or ()
        groups = [self._groups[group] for group in named if group in self._groups] or list(self._default_groups)
        if not groups or (named and len(groups) < len(named)):
            raise RunRefused(
                f"the drill network has nothing that stands for the security groups of {described(interface)} of its "
                "launch template: the launch settings were changed after preflight. Clear preflight to check again"
            )
        return sorted(set(groups))

    def _with_addresses(self, interface: dict[str, Any], production: str | None, drill: str | None) -> dict[str, Any]:
        """Give an interface its addresses in the drill's subnet, where that has others than production's."""
        if drill is None or production == drill:
            return interface
        if address := primary_address(interface):
            interface = _with_primary(interface, self._move_address(address, production, drill))
        if interface.get("PrivateIpAddresses"):
            interface["PrivateIpAddresses"] = [
                address
                if address.get("Primary") or not address.get("PrivateIpAddress")
                else {**address, "PrivateIpAddress": self._move_address(address["PrivateIpAddress"], production, drill)}
                for address in interface["PrivateIpAddresses"]
            ]
        # A prefix has no place in another range; EC2 gives as many as there were.
        if prefixes := interface.pop("Ipv4Prefixes", None):
            interface["Ipv4PrefixCount"] = len(prefixes)
        return interface


def _with_primary(interface: dict[str, Any], address: str) -> dict[str, Any]:
    named = [
        {**each, "PrivateIpAddress": address} if each.get("Primary") else each
        for each in interface.get("PrivateIpAddresses") or ()
    ]
    if any(each.get("Primary") for each in named):
        return {
            **{key: value for key, value in interface.items() if key != "PrivateIpAddress"},
            "PrivateIpAddresses": named,
        }
    return {**interface, "PrivateIpAddress": address}


def astray(wanted: Mapping[str, Any], instance: Mapping[str, Any]) -> tuple[str, ...]:
    """Name every network interface of a launched instance that stands elsewhere than its settings say.

    :param wanted: settings that put a server into a drill network: ``subnet_id``, ``security_group_ids``,
        ``interfaces``; without ``interfaces`` nobody has asked for a network
    :param instance: the instance as EC2's DescribeInstances shows it
    """
    if "interfaces" not in wanted:
        return ()
    asked: Sequence[Interface] = wanted["interfaces"] or ()
    subnets = {wanted.get("subnet_id"), *(interface.get("SubnetId") for interface in asked)}
    groups = {
        *(wanted.get("security_group_ids") or ()),
        *(group for interface in asked for group in interface.get("Groups") or ()),
    }
    found = []
    for interface in instance.get("NetworkInterfaces") or ():
        number = (interface.get("Attachment") or {}).get("DeviceIndex") or 0
        others = sorted(
            str(group["GroupId"]) for group in interface.get("Groups") or () if group["GroupId"] not in groups
        )
        if interface.get("SubnetId") not in subnets:
            found.append(
                f"{interface.get('NetworkInterfaceId')} (device index {number}) in {interface.get('SubnetId')}"
            )
        elif others:
            found.append(f"{interface.get('NetworkInterfaceId')} (device index {number}) with {', '.join(others)}")
    return tuple(found)


def allowed_subnets(wanted: Mapping[str, Any]) -> list[str]:
    """Return the subnets of the drill network that a server's interfaces may stand in."""
    asked = wanted.get("interfaces") or ()
    return sorted({str(wanted["subnet_id"]), *(str(other["SubnetId"]) for other in asked if other.get("SubnetId"))})
