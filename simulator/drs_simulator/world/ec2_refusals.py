"""What EC2 refuses at a launch: the launch template's data held against what exists, with EC2's error codes."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from itertools import chain
from typing import Any

from moto.iam.models import iam_backends

Data = Mapping[str, Any]
"""A launch template's data, or a part of it, in EC2's words."""

RESERVED_FIRST = 4
"""Of every subnet AWS keeps the first four addresses and the last one."""

IPV6 = ("Ipv6Addresses", "Ipv6AddressCount", "Ipv6Prefixes", "Ipv6PrefixCount", "PrimaryIpv6")


class LaunchRefused(Exception):
    """EC2 would not run the instance; the text goes into the job log as rawError."""


def index_of(interface: Data) -> int:
    """Return an interface's device index; 0 where none is given."""
    return int(interface.get("DeviceIndex") or 0)


def ensure_possible(backend: Any, data: Data) -> None:
    """Raise LaunchRefused with what EC2 would say of a launch template's data.

    :param backend: moto's EC2 of the account and Region
    """
    for check in _CHECKS:
        for words in check(backend, data):
            raise LaunchRefused(words)


def ensure_addresses(backend: Any, subnet: Any, addresses: Sequence[str]) -> None:
    """Raise LaunchRefused unless a subnet can give all these private addresses to a new interface."""
    network = IPv4Network(subnet.cidr_block)
    for text in addresses:
        address = _address(text)
        if address not in network:
            raise LaunchRefused(
                f"InvalidParameterValue: Address {text} does not fall within the subnet's address range"
            )
        if int(address) - int(network.network_address) < RESERVED_FIRST or address == network.broadcast_address:
            raise LaunchRefused(f"InvalidParameterValue: Address {text} is in subnet's reserved address range")
        if text in taken_in(backend, subnet):
            raise LaunchRefused(f"InvalidIPAddress.InUse: Address {text} is in use.")


def taken_in(backend: Any, subnet: Any) -> set[str]:
    """Return the addresses of a subnet that interfaces have; those of terminated instances have given theirs back."""
    return {
        str(address)
        for interface in backend.enis.values()
        if interface.subnet.id == subnet.id and not _is_terminated(interface.instance)
        for address in (
            interface.private_ip_address,
            *(each.get("PrivateIpAddress") for each in interface.private_ip_addresses),
        )
        if address
    }


def free_address(backend: Any, subnet: Any, besides: Sequence[str] = ()) -> str:
    """Return an address of a subnet that nothing has, in order; LaunchRefused where it is full.

    :param besides: addresses that are given away in the same launch
    """
    network = IPv4Network(subnet.cidr_block)
    taken = {*taken_in(backend, subnet), *besides}
    first, last = int(network.network_address) + RESERVED_FIRST, int(network.broadcast_address)
    # From where the last one was found: a subnet of thousands is not counted through at every launch.
    begin = min(max(getattr(subnet, "next_free", first), first), last)
    for number in chain(range(begin, last), range(first, begin)):
        if (text := str(IPv4Address(number))) not in taken:
            subnet.next_free = number + 1
            return text
    raise LaunchRefused(
        f"InsufficientFreeAddressesInSubnet: There are not enough free addresses in subnet '{subnet.id}' to satisfy "
        "the requested number of instances."
    )


def _is_terminated(instance: Any) -> bool:
    return instance is not None and instance.state_code & 0xFF == 48  # noqa: PLR2004 - EC2's code of terminated


def _address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise LaunchRefused(
            f"InvalidParameterValue: Value ({text}) for parameter privateIpAddress is invalid."
        ) from None


def _key_pair(backend: Any, data: Data) -> Iterator[str]:
    name = data.get("KeyName")
    if name and name not in backend.key_pairs:
        yield f"InvalidKeyPair.NotFound: The key pair '{name}' does not exist"


def _profile(backend: Any, data: Data) -> Iterator[str]:
    profile = data.get("IamInstanceProfile") or {}
    known = iam_backends[backend.account_id]["aws"].instance_profiles.values()
    name, arn = profile.get("Name"), profile.get("Arn")
    if name and name not in {found.name for found in known}:
        yield (
            f"InvalidParameterValue: Value ({name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM "
            "Instance Profile name"
        )
    elif arn and arn not in {found.arn for found in known}:
        yield (
            f"InvalidParameterValue: Value ({arn}) for parameter iamInstanceProfile.arn is invalid. Invalid IAM "
            "Instance Profile ARN"
        )


def _capacity_reservation(_: Any, data: Data) -> Iterator[str]:
    target = (data.get("CapacityReservationSpecification") or {}).get("CapacityReservationTarget") or {}
    name = target.get("CapacityReservationId")
    if name:  # moto knows none
        yield f"InvalidCapacityReservationId.NotFound: The capacity reservation '{name}' does not exist"


def _tenancy(backend: Any, data: Data) -> Iterator[str]:
    placement = data.get("Placement") or {}
    hosts = {host.id: host for host in backend.hosts.values() if host.state == "available"}
    name = placement.get("HostId")
    if name and name not in hosts:
        yield f"InvalidHostID.NotFound: The host ID '{name}' does not exist"
    elif placement.get("Tenancy") == "host" and not hosts:
        yield "InsufficientCapacityOnHost: There is no Dedicated Host with enough capacity to launch the instance."


def _disks(backend: Any, data: Data) -> Iterator[str]:
    for mapping in data.get("BlockDeviceMappings") or ():
        disk = mapping.get("Ebs") or {}
        snapshot, key = disk.get("SnapshotId"), str(disk.get("KmsKeyId") or "")
        if snapshot and snapshot not in backend.snapshots:
            yield f"InvalidSnapshot.NotFound: The snapshot '{snapshot}' does not exist."
        if key.startswith("arn:") and key.split(":")[4] != backend.account_id:
            yield f"Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state: {key}"


def _groups(backend: Any, data: Data) -> Iterator[str]:
    names = {group.name for groups in backend.groups.values() for group in groups.values()}
    for name in data.get("SecurityGroups") or ():
        if name not in names:
            yield f"InvalidGroup.NotFound: The security group '{name}' does not exist in default VPC"


def _indexes(_: Any, data: Data) -> Iterator[str]:
    interfaces = data.get("NetworkInterfaces") or ()
    if interfaces and all(index_of(interface) for interface in interfaces):
        yield (
            "InvalidParameterCombination: The launch template describes network interfaces, and none of them has the "
            "device index 0"
        )
    cards = Counter((int(interface.get("NetworkCardIndex") or 0), index_of(interface)) for interface in interfaces)
    if any(count > 1 for count in cards.values()):
        yield "InvalidParameterValue: Each network interface requires a unique device index."
    public = [interface for interface in interfaces if interface.get("AssociatePublicIpAddress") in (True, "true")]
    if public and len(interfaces) > 1:
        yield (
            "InvalidParameterCombination: The associatePublicIPAddress parameter cannot be specified when launching "
            "with multiple network interfaces."
        )


def _existing(backend: Any, data: Data) -> Iterator[str]:
    for interface in data.get("NetworkInterfaces") or ():
        name = interface.get("NetworkInterfaceId")
        if not name:
            continue
        found = backend.enis.get(name)
        if found is None:
            yield f"InvalidNetworkInterfaceID.NotFound: The networkInterface ID '{name}' does not exist"
        elif found.instance is not None:
            yield f"InvalidNetworkInterface.InUse: Interface: [{name}] in use."


def _ipv6(backend: Any, data: Data) -> Iterator[str]:
    for interface in data.get("NetworkInterfaces") or ():
        subnet = _subnet(backend, interface)
        asked = [key for key in IPV6 if interface.get(key) not in (None, False, "false", [], 0, "0")]
        if asked and subnet is not None and not subnet.ipv6_cidr_block_associations:
            yield f"InvalidParameterValue: The subnet '{subnet.id}' has no IPv6 CIDR block, and {asked[0]} is given"


def _subnet(backend: Any, interface: Data) -> Any:
    wanted = interface.get("SubnetId")
    return next((zone[wanted] for zone in backend.subnets.values() if wanted in zone), None)


_CHECKS: tuple[Callable[[Any, Data], Iterator[str]], ...] = (
    _key_pair,
    _profile,
    _capacity_reservation,
    _tenancy,
    _disks,
    _groups,
    _indexes,
    _existing,
    _ipv6,
)
