"""Whether the launch settings that servers shall have can work, told all at once and before anything is changed."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from drs_provider.rules.answers import Answer
from drs_provider.rules.settings.candidates import AccountAnswers, Candidate, Lookups, SettingsFinding
from drs_provider.rules.settings.interfaces import names_in
from drs_provider.rules.settings.launch_template import primary_interface
from drs_provider.rules.settings.values import OVERRIDING_RIGHT_SIZING, Change, Settings, normal

_RESERVED_FIRST = 4
"""Of every subnet AWS keeps the first four addresses and the last one."""


def lookups(candidates: Sequence[Candidate], *, whole: bool = False) -> Lookups:
    """Return what has to be known of the surroundings of these servers.

    :param whole: also of the instance types and further network interfaces that only their launch templates name
    """
    results = [candidate.result for candidate in candidates if _can_be_checked(candidate)]
    own = {kind for candidate in candidates if whole and _can_be_checked(candidate) and (kind := own_type(candidate))}
    wanted = [normal(candidate.wanted) for candidate in candidates if _can_be_checked(candidate)]

    def every(key: str, settings: Sequence[Settings]) -> tuple[str, ...]:
        return tuple(sorted({values[key] for values in settings if values.get(key)}))

    others = [candidate.wanted.get("fallback") or {} for candidate in candidates if _can_be_checked(candidate)]

    def or_else(key: str) -> set[str]:
        return {value for fallback in others for value in fallback.get(key) or ()}

    subnets, groups, existing = names_in(interface for result in results if whole for interface in result["interfaces"])
    return Lookups(
        subnet_ids=tuple(sorted({*every("subnet_id", results), *or_else("subnet_ids"), *subnets})),
        group_ids=tuple(
            sorted({*groups, *(group for result in results for group in result["security_group_ids"] or ())})
        ),
        instance_types=tuple(sorted({*every("instance_type", wanted), *or_else("instance_types"), *own})),
        profiles=every("instance_profile", wanted),
        addresses=every("private_ip", results),
        default_vpc=any(not result["subnet_id"] for result in results),
        existing=existing,
    )


def own_type(candidate: Candidate) -> str | None:
    """Return the instance type that counts and that its launch template alone names; None: there is no such type."""
    if "instance_type" in normal(candidate.wanted) or candidate.result["right_sizing"] in OVERRIDING_RIGHT_SIZING:
        return None
    kind: str | None = candidate.result["instance_type"]
    return kind


def validate(candidates: Sequence[Candidate], around: AccountAnswers) -> tuple[SettingsFinding, ...]:
    """Return everything that speaks against these settings, over all servers, in their order.

    Looked at is what a server *would have*: a subnet that is wanted together with the security groups and the address
    that its launch template has already.
    """
    findings: list[SettingsFinding] = []
    for candidate in candidates:
        if candidate.source is None:
            what = "DRS knows no such source server in this account and Region"
            findings.append(candidate.refusal(what, "check the id, the connection's account and the Region", "unknown"))
        elif candidate.template is None:
            name = candidate.configuration.get("ec2LaunchTemplateID") or "without an id"
            what = f"its EC2 launch template {name} has no default version or does not exist"
            findings.append(
                candidate.refusal(what, "save the server's launch settings in the DRS console once", "template")
            )
        else:
            findings += [finding for rule in _RULES for finding in rule(candidate, around)]
    return (*findings, *_shared_addresses(candidates, around))


def _can_be_checked(candidate: Candidate) -> bool:
    return candidate.source is not None and candidate.template is not None


def _subnet_of(candidate: Candidate, around: AccountAnswers) -> Answer | None:
    return around.subnets.get(str(candidate.result["subnet_id"]))


def _vpc_of(candidate: Candidate, around: AccountAnswers) -> str | None:
    subnet = _subnet_of(candidate, around)
    if subnet is not None:
        return str(subnet["VpcId"])
    return None if candidate.result["subnet_id"] else around.default_vpc


def _subnet(candidate: Candidate, around: AccountAnswers) -> Iterator[SettingsFinding]:
    subnet_id = candidate.result["subnet_id"]
    if subnet_id and subnet_id not in around.subnets:
        what = f"subnet {subnet_id} does not exist in this account and Region"
        yield candidate.refusal(what, f"correct subnet_id{_whose(candidate, 'subnet_id')}", "subnet_id")
    elif not subnet_id and around.default_vpc is None and not _existing_interface(candidate):
        what = "its launch template names no subnet and there is no default VPC: DRS would fail without a reason"
        yield candidate.refusal(what, "set subnet_id", "subnet_id")


def _groups(candidate: Candidate, around: AccountAnswers) -> Iterator[SettingsFinding]:
    vpc = _vpc_of(candidate, around)
    whose = _whose(candidate, "security_group_ids")
    for group_id in candidate.result["security_group_ids"] or ():
        group = around.groups.get(group_id)
        if group is None:
            what = f"security group {group_id} does not exist in this account and Region"
            yield candidate.refusal(what, f"correct security_group_ids{whose}", "security_group_ids")
        elif vpc is not None and group["VpcId"] != vpc:
            where = candidate.result["subnet_id"] or "the default VPC"
            what = f"security group {group_id} is in {group['VpcId']}, but {where} is in {vpc}"
            step = f"give security groups of that VPC in security_group_ids{whose}"
            yield candidate.refusal(what, step, "security_group_ids")


def _named_groups(candidate: Candidate, _: AccountAnswers) -> Iterator[SettingsFinding]:
    named = (candidate.template or {}).get("SecurityGroups") or ()
    moved = {"subnet_id", "private_ip"} & normal(candidate.wanted).keys()
    if named and moved and "security_group_ids" not in normal(candidate.wanted):
        what = f"its launch template names security groups by name ({', '.join(named)}), which goes with no subnet"
        yield candidate.refusal(what, "give security_group_ids too", "security_group_ids")


def _fixed_interface(candidate: Candidate, _: AccountAnswers) -> Iterator[SettingsFinding]:
    interface = _existing_interface(candidate)
    network = [key for key in ("subnet_id", "security_group_ids", "private_ip") if key in normal(candidate.wanted)]
    if interface and network:
        what = f"its launch template attaches the network interface {interface}, which has a network of its own"
        yield candidate.refusal(
            what, f"take {', '.join(network)} out, or the interface out of the template", network[0]
        )


def _existing_interface(candidate: Candidate) -> str | None:
    interface: str | None = (primary_interface(candidate.template or {}) or {}).get("NetworkInterfaceId")
    return interface


def _address(candidate: Candidate, around: AccountAnswers) -> Iterator[SettingsFinding]:
    address, subnet = candidate.result["private_ip"], _subnet_of(candidate, around)
    whose = _whose(candidate, "private_ip")
    if address and not candidate.result["subnet_id"]:
        what = f"address {address} needs a subnet, and neither the settings nor the launch template name one"
        yield candidate.refusal(what, "set subnet_id", "private_ip")
    if not address or subnet is None:
        return
    network = IPv4Network(subnet["CidrBlock"])
    name = f"{subnet['SubnetId']} ({network})"
    if IPv4Address(address) not in network:
        yield candidate.refusal(f"address {address} is not in {name}", f"correct private_ip{whose}", "private_ip")
    elif _is_reserved(IPv4Address(address), network):
        what = f"address {address} is reserved by AWS in {name}: the first four and the last of every subnet are"
        yield candidate.refusal(what, f"choose another private_ip{whose}", "private_ip")
    else:
        yield from _taken(candidate, address, subnet, around)


def _is_reserved(address: IPv4Address, network: IPv4Network) -> bool:
    return int(address) - int(network.network_address) < _RESERVED_FIRST or address == network.broadcast_address


def _taken(candidate: Candidate, address: str, subnet: Answer, around: AccountAnswers) -> Iterator[SettingsFinding]:
    for interface in around.interfaces:
        held = {interface.get("PrivateIpAddress")} | {
            each.get("PrivateIpAddress") for each in interface.get("PrivateIpAddresses") or ()
        }
        holder = (interface.get("Attachment") or {}).get("InstanceId")
        # A launch terminates the server's own previous instance first, so its address is free by then.
        if interface.get("SubnetId") != subnet["SubnetId"] or address not in held or holder in candidate.instances:
            continue
        by = f"instance {holder}" if holder else f"network interface {interface.get('NetworkInterfaceId')}"
        what = f"address {address} is taken in {subnet['SubnetId']} by {by}"
        yield candidate.refusal(what, "choose another private_ip, or free the address", "private_ip")


def _copied_address(candidate: Candidate, around: AccountAnswers) -> Iterator[SettingsFinding]:
    result, subnet = candidate.result, _subnet_of(candidate, around)
    if not result["copy_private_ip"]:
        return
    if result["private_ip"]:
        what = f"copy_private_ip is on{_whose(candidate, 'copy_private_ip')} and private_ip is {result['private_ip']}"
        yield candidate.refusal(
            what + ": only one of them can hold", "set copy_private_ip: false, or drop private_ip", "private_ip"
        )
        return
    address = _source_address(candidate)
    if address and subnet is not None and IPv4Address(address) not in IPv4Network(subnet["CidrBlock"]):
        what = (
            f"copy_private_ip is on, and its address {address} is not in {subnet['SubnetId']} ({subnet['CidrBlock']})"
        )
        yield candidate.warning(what, "the launch may fail: set copy_private_ip: false", "copy_private_ip")


def _source_address(candidate: Candidate) -> str | None:
    interfaces = ((candidate.source or {}).get("sourceProperties") or {}).get("networkInterfaces") or ()
    ips = next((each.get("ips") for each in interfaces if each.get("isPrimary")), None) or ()
    return next((str(ip) for ip in ips if ":" not in str(ip)), None)


def _instance_type(candidate: Candidate, around: AccountAnswers) -> Iterator[SettingsFinding]:
    wanted = normal(candidate.wanted).get("instance_type")
    if not wanted:
        return
    subnet, zones = _subnet_of(candidate, around), around.zones.get(wanted, frozenset())
    if not zones:
        what = f"instance type {wanted} is not offered in this Region"
        yield candidate.refusal(what, "correct instance_type", "instance_type")
    elif subnet is not None and subnet["AvailabilityZone"] not in zones:
        what = f"instance type {wanted} is not offered in {subnet['AvailabilityZone']}, where {subnet['SubnetId']} is"
        step = f"choose another instance_type, or a subnet in {', '.join(sorted(zones))}"
        yield candidate.refusal(what, step, "instance_type")
    method = candidate.result["right_sizing"]
    if method in OVERRIDING_RIGHT_SIZING:
        what = (
            f"right_sizing is {method}{_whose(candidate, 'right_sizing')}: DRS chooses the type and overrides {wanted}"
        )
        yield candidate.warning(what, "set right_sizing: none for instance_type to count", "right_sizing")


def _fallback(candidate: Candidate, around: AccountAnswers) -> Iterator[SettingsFinding]:
    """Find what could not be used when capacity is missing: then is no time to learn it."""
    fallback, vpc = candidate.wanted.get("fallback") or {}, _vpc_of(candidate, around)
    for kind in fallback.get("instance_types") or ():
        if not around.zones.get(kind):
            what = f"instance type {kind} is not offered in this Region"
            yield candidate.refusal(what, "correct fallback.instance_types", "fallback")
    for subnet_id in fallback.get("subnet_ids") or ():
        subnet = around.subnets.get(subnet_id)
        if subnet is None:
            what = f"subnet {subnet_id} does not exist in this account and Region"
            yield candidate.refusal(what, "correct fallback.subnet_ids", "fallback")
        elif vpc is not None and subnet["VpcId"] != vpc and candidate.result["security_group_ids"]:
            what = f"subnet {subnet_id} is in {subnet['VpcId']}, but its security groups are in {vpc}"
            yield candidate.refusal(what, "give subnets of that VPC in fallback.subnet_ids", "fallback")


def _profile(candidate: Candidate, around: AccountAnswers) -> Iterator[SettingsFinding]:
    name = normal(candidate.wanted).get("instance_profile")
    if name and around.profiles.get(name, False) is None:
        what = f"whether the instance profile {name} exists is not known: the role may not call iam:GetInstanceProfile"
        yield candidate.warning(what, "add the permission to the role of the Airflow connection", "instance_profile")
    elif name and not around.profiles.get(name):
        what = f"instance profile {name} does not exist in this account"
        yield candidate.refusal(what, "create it, or correct instance_profile", "instance_profile")


def _launch_into(candidate: Candidate, _: AccountAnswers) -> Iterator[SettingsFinding]:
    into = (candidate.configuration.get("launchIntoInstanceProperties") or {}).get("launchIntoEC2InstanceID")
    on = [key for key in ("copy_tags", "copy_private_ip") if normal(candidate.wanted).get(key)]
    if into and on:
        what = f"it is launched into the existing instance {into}, for which DRS refuses {' and '.join(on)}"
        yield candidate.refusal(what, f"set {' and '.join(on)} to false", on[0])


def _shared_addresses(candidates: Sequence[Candidate], around: AccountAnswers) -> Iterator[SettingsFinding]:
    """Find addresses that several servers shall have in one VPC: the second launch would fail."""
    sharing: dict[tuple[str | None, str], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        if _can_be_checked(candidate) and candidate.result["private_ip"]:
            sharing[_vpc_of(candidate, around), candidate.result["private_ip"]].append(candidate)
    for (_, address), owners in sharing.items():
        for candidate in owners if len(owners) > 1 else ():
            others = ", ".join(other.hostname for other in owners if other is not candidate)
            what = f"address {address} is given to {others} as well"
            yield candidate.refusal(what, "give every server a private_ip of its own", "private_ip")


def _whose(candidate: Candidate, key: str) -> str:
    """Say that a value is not the plan's: it is already there, and stays."""
    return "" if key in normal(candidate.wanted) else " (as DRS has it now; nothing is set)"


_Rule = Callable[[Candidate, AccountAnswers], Iterator[SettingsFinding]]
_RULES: tuple[_Rule, ...] = (
    _subnet,
    _groups,
    _named_groups,
    _fixed_interface,
    _address,
    _copied_address,
    _instance_type,
    _fallback,
    _profile,
    _launch_into,
)


def placement(candidate: Candidate, around: AccountAnswers) -> dict[str, Any]:
    """Return where a launch would put a server: subnet, VPC, zone, groups, address, interfaces; None: nobody knows.

    Without a subnet in settings and launch template DRS takes one of the default VPC: then only the VPC is known.
    """
    result = candidate.result
    subnet = around.subnets.get(str(result["subnet_id"])) or {}
    default = None if result["subnet_id"] else around.default_vpc
    return {
        "subnet_id": result["subnet_id"],
        "security_group_ids": result["security_group_ids"],
        "private_ip": result["private_ip"],
        "vpc_id": subnet.get("VpcId") or default,
        "availability_zone": subnet.get("AvailabilityZone"),
        "interfaces": result["interfaces"] if candidate.template is not None else None,
    }


def misplacement(wanted: Settings, instance: Answer) -> tuple[Change, ...]:
    """Return where an EC2 instance differs from what was asked for: ``wanted`` is that, ``now`` what it has.

    Compared are subnet, security groups, type, private address and profile, and only those that are set. The type is
    left out where ``right_sizing`` says that DRS chooses it.

    :param wanted: the server's effective settings
    :param instance: the instance as EC2's DescribeInstances shows it
    """
    asked = normal(wanted)
    found = _read_instance(instance)
    if asked.get("right_sizing") in OVERRIDING_RIGHT_SIZING:
        del found["instance_type"]
    return tuple(Change(key, found[key], value) for key, value in asked.items() if key in found and found[key] != value)


def _read_instance(instance: Answer) -> dict[str, Any]:
    interfaces = instance.get("NetworkInterfaces") or ()
    first: Answer = next(
        (
            interface
            for interface in interfaces
            if int((interface.get("Attachment") or {}).get("DeviceIndex") or 0) == 0
        ),
        {},
    )
    groups = {group["GroupId"] for group in first.get("Groups") or instance.get("SecurityGroups") or ()}
    profile = str((instance.get("IamInstanceProfile") or {}).get("Arn") or "").rpartition("/")[2]
    return {
        "instance_type": instance.get("InstanceType"),
        "subnet_id": first.get("SubnetId") or instance.get("SubnetId"),
        "security_group_ids": sorted(groups) or None,
        "instance_profile": profile or None,
        "private_ip": first.get("PrivateIpAddress") or instance.get("PrivateIpAddress"),
    }
