"""The network interfaces that an instance is launched with, besides what moto makes of the first one."""

from collections.abc import Mapping, Sequence
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models import elastic_network_interfaces
from moto.ec2.utils import random_eni_attach_id

from drs_simulator.world.ec2_refusals import (
    Data,
    LaunchRefused,
    ensure_addresses,
    free_address,
    index_of,
)


class NetworkInterface(elastic_network_interfaces.NetworkInterface):
    """A network interface with its own security groups: moto gives every one those of its instance besides.

    It has moto's class name, by which moto's serialisers know what its ``id`` is called.
    """

    @property
    def group_set(self) -> Any:
        """The groups that the interface was made with."""
        return self._group_set


class InterfacePlan:
    """One interface of a launch: where it stands, and with which addresses and groups.

    :param existing: moto's interface where the launch template names one
    """

    def __init__(self, data: Data, subnet: Any, *, existing: Any = None) -> None:
        self.data, self.subnet, self.existing = data, subnet, existing
        self.primary: str | None = None
        self.more: tuple[str, ...] = ()

    @property
    def stays(self) -> bool:
        """Whether it outlives its instance."""
        kept = self.data.get("DeleteOnTermination") in (False, "false")
        return kept or (self.existing is not None and "DeleteOnTermination" not in self.data)

    def choose_addresses(self, backend: Any, besides: Sequence[str], primary: str | None = None) -> list[str]:
        """Choose the addresses, those that are named and those that EC2 chooses; LaunchRefused where they are not free.

        :param besides: addresses that other interfaces of the same launch have been given
        :param primary: the primary address where the launch gives one that is not the interface's
        """
        if self.existing is not None:
            self.primary = str(self.existing.private_ip_address)
            return []
        listed: Sequence[Mapping[str, Any]] = self.data.get("PrivateIpAddresses") or ()
        first = [str(each["PrivateIpAddress"]) for each in listed if each.get("Primary") in (True, "true")]
        named = primary or next(iter(first), None) or self.data.get("PrivateIpAddress") or None
        more = [str(each["PrivateIpAddress"]) for each in listed if each.get("Primary") not in (True, "true")]
        ensure_addresses(backend, self.subnet, [*([str(named)] if named else []), *more])
        given = [*besides, *more]
        self.primary = str(named) if named else free_address(backend, self.subnet, given)
        given.append(self.primary)
        for _ in range(int(self.data.get("SecondaryPrivateIpAddressCount") or 0)):
            more.append(free_address(backend, self.subnet, given))
            given.append(more[-1])
        self.more = tuple(more)
        return [self.primary, *more]


def plans_of(backend: Any, interfaces: Sequence[Data], subnet: Any) -> list[InterfacePlan]:
    """Return what is launched, the first interface first; a launch without any gets one in this subnet.

    :param subnet: moto's subnet of the first interface
    """
    ordered = sorted(
        interfaces, key=lambda interface: (int(interface.get("NetworkCardIndex") or 0), index_of(interface))
    )
    plans = []
    for interface in ordered or [{"DeviceIndex": 0}]:
        existing = backend.enis.get(str(interface.get("NetworkInterfaceId")))
        wanted = interface.get("SubnetId")
        place = existing.subnet if existing is not None else _subnet(backend, str(wanted)) if wanted else subnet
        plans.append(InterfacePlan(interface, place, existing=existing))
    return plans


def _subnet(backend: Any, name: str) -> Any:
    found = next((zone[name] for zone in backend.subnets.values() if name in zone), None)
    if found is None:
        raise LaunchRefused(f"InvalidSubnetID.NotFound: The subnet ID '{name}' does not exist")
    return found


def finish_first(instance: Any, plan: InterfacePlan) -> None:
    """Give the interface that moto has made what moto leaves out."""
    interface = instance.nics[0]
    interface.delete_on_termination = not plan.stays  # as EC2 does by default, and moto only when it is asked to
    interface.outlives = plan.stays
    interface.private_ip_addresses += [{"Primary": False, "PrivateIpAddress": address} for address in plan.more]
    _give_ipv6(interface, plan.data)


def attach_others(backend: Any, instance: Any, plans: Sequence[InterfacePlan]) -> None:
    """Make and attach all interfaces but the first."""
    for number, plan in enumerate(plans, start=1):
        index = index_of(plan.data)
        # moto keeps an instance's interfaces by device index; a second network card counts from 0 again.
        index = index if index not in instance.nics else max(instance.nics) + number
        interface = plan.existing
        if interface is None:
            interface = NetworkInterface(  # type: ignore[abstract]  # moto makes them itself
                backend,
                plan.subnet,
                plan.primary or "",
                device_index=index,
                group_ids=[str(group) for group in plan.data.get("Groups") or ()],
                description=plan.data.get("Description"),
            )
            interface.private_ip_addresses += [{"Primary": False, "PrivateIpAddress": address} for address in plan.more]
            _give_ipv6(interface, plan.data)
            backend.enis[interface.id] = interface
        interface.delete_on_termination = not plan.stays
        interface.outlives = plan.stays
        interface.instance = instance
        interface.attachment_id = random_eni_attach_id()
        interface.attach_time = utcnow()
        interface.status, interface.device_index = "in-use", index
        instance.nics[index] = interface


def _give_ipv6(interface: Any, data: Data) -> None:
    named = [str(each["Ipv6Address"]) for each in data.get("Ipv6Addresses") or ()]
    ranges = [each.get("ipv6CidrBlock") for each in interface.subnet.ipv6_cidr_block_associations.values()]
    prefix = str(ranges[0]).partition("/")[0] if ranges else ""
    count = int(data.get("Ipv6AddressCount") or 0) if prefix else 0
    interface.ipv6_addresses = [*named, *(f"{prefix}{number:x}" for number in range(0x10, 0x10 + count))]


def release(instance: Any) -> None:
    """Let go of a terminated instance's interfaces: EC2 deletes those that were made with it, and keeps the others."""
    for interface in tuple(instance.nics.values()):
        if getattr(interface, "outlives", False):
            # moto asks a terminated instance for its first interface: the instance goes on naming it.
            interface.instance = interface.attachment_id = interface.attach_time = None
            interface.status = "available"
            continue
        for address in interface.private_ip_addresses:
            interface.subnet.del_subnet_ip(address.get("PrivateIpAddress"))
        instance.ec2_backend.enis.pop(interface.id, None)
    instance._private_ips.clear()  # noqa: SLF001 - moto gives addresses back only when Python collects the instance
