"""The network, type and profile of an EC2 launch template: where they stand, and how a new version changes them."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from drs_provider.rules.answers import Answer
from drs_provider.rules.settings.interfaces import primary_address, primary_position, read_interfaces, with_interfaces

TEMPLATE_FIELDS: Final = (
    "instance_type",
    "subnet_id",
    "security_group_ids",
    "instance_profile",
    "private_ip",
    "interfaces",
)
"""What a run sets in a launch template. ``interfaces`` is no setting of a plan: a drill in a network of its own moves
them (``rules.settings.interfaces``)."""

_NETWORK: Final = frozenset({"subnet_id", "private_ip", "security_group_ids", "interfaces"})

_ONLY_ANSWERED: Final = (
    ("NetworkInterfaces", "*", "Ipv6Addresses", "*", "IsPrimaryIpv6"),
    ("MetadataOptions", "State"),
    ("Operator", "Managed"),
    ("Operator", "HiddenByDefault"),
)
"""Members that EC2 tells of a launch template's data and does not take in a new version (botocore's model)."""


@dataclass(frozen=True)
class NewVersion:
    """What CreateLaunchTemplateVersion is sent. ``is_whole``: the data is everything, and no SourceVersion is named.

    EC2 takes every top-level member that is not sent from the source version, and the sent ones as they are. So a
    member can be changed on top of a source, but not removed.
    """

    data: Answer
    is_whole: bool = False

    def on(self, source: Answer) -> dict[str, Any]:
        """Return the data that the new version has in the end."""
        return dict(self.data) if self.is_whole else {**as_request(source), **self.data}


def primary_interface(template: Answer) -> Answer | None:
    """Return the network interface that an instance boots with; None where the template describes none."""
    interfaces: Sequence[Answer] = template.get("NetworkInterfaces") or ()
    position = primary_position(interfaces)
    return None if position is None else interfaces[position]


def read_template(template: Answer) -> dict[str, Any]:
    """Return a launch template's settings by the plan's names; None: the template does not say.

    Subnet and address can stand in a network interface only. Security groups stand there as well where there is one,
    for EC2 refuses a launch that names them in both places.
    """
    interface = primary_interface(template) or {}
    groups = interface.get("Groups") or template.get("SecurityGroupIds")
    profile = template.get("IamInstanceProfile") or {}
    name = profile.get("Name") or str(profile.get("Arn") or "").rpartition("/")[2]
    return {
        "instance_type": template.get("InstanceType"),
        "subnet_id": interface.get("SubnetId"),
        "security_group_ids": sorted(set(groups)) if groups else None,
        "instance_profile": name or None,
        "private_ip": primary_address(interface),
        "interfaces": read_interfaces(template),
    }


def new_version(template: Answer, wanted: Answer) -> NewVersion | None:
    """Return the version that changes these settings and nothing else; None where none of them is the template's.

    :param template: ``LaunchTemplateData`` of the default version, as EC2 describes it
    :param wanted: new values by the plan's names; only what is to be changed
    """
    wanted = {field: value for field, value in wanted.items() if field in TEMPLATE_FIELDS}
    if not wanted:
        return None
    given: dict[str, Any] = {}
    removed: set[str] = set()
    if "instance_type" in wanted:
        given["InstanceType"] = wanted["instance_type"]
        removed.add("InstanceRequirements")
    if "instance_profile" in wanted:
        given["IamInstanceProfile"] = {"Name": wanted["instance_profile"]}
    if wanted.keys() & _NETWORK:
        removed |= _place(template, wanted, given)
    if _has_snapshots(template):
        # EC2 leaves the snapshots of the source's volumes out of a new version unless they are sent.
        given["BlockDeviceMappings"] = template["BlockDeviceMappings"]
    if removed & template.keys():
        kept = {key: value for key, value in as_request(template).items() if key not in removed}
        return NewVersion({**kept, **given}, is_whole=True)
    return NewVersion(given)


def as_request(template: Answer) -> dict[str, Any]:
    """Return a template's data as EC2 takes it: without the members that it only tells."""
    copied: dict[str, Any] = deepcopy(dict(template))
    for path in _ONLY_ANSWERED:
        _drop(copied, path)
    return copied


def lost(expected: Answer, found: Answer) -> tuple[str, ...]:
    """Return the top-level members that a new version should have and has not; their values may be worded anew."""
    return tuple(sorted(key for key, value in expected.items() if value and not found.get(key)))


def _place(template: Answer, wanted: Answer, given: dict[str, Any]) -> set[str]:
    """Write the network settings to where this template has them; return the members that have to go."""
    has_interfaces = bool(template.get("NetworkInterfaces"))
    if not has_interfaces and set(wanted) & _NETWORK == {"security_group_ids"}:
        given["SecurityGroupIds"] = list(wanted["security_group_ids"])
        return {"SecurityGroups"}
    interfaces = as_request({"NetworkInterfaces": template.get("NetworkInterfaces") or []})["NetworkInterfaces"]
    position = primary_position(interfaces)
    if position is None:
        position = 0
        interfaces.insert(0, {"DeviceIndex": 0})
    interface = interfaces[position]
    groups = wanted.get("security_group_ids") or interface.get("Groups") or template.get("SecurityGroupIds")
    if groups:
        interface["Groups"] = list(groups)
    if "subnet_id" in wanted:
        interface["SubnetId"] = wanted["subnet_id"]
    if "private_ip" in wanted:
        _give_address(interface, wanted["private_ip"])
    if "interfaces" in wanted:
        interfaces = with_interfaces(interface, wanted["interfaces"])
    given["NetworkInterfaces"] = interfaces
    return {"SecurityGroupIds", "SecurityGroups"}


def _give_address(interface: dict[str, Any], address: str) -> None:
    named = next((address for address in interface.get("PrivateIpAddresses") or () if address.get("Primary")), None)
    if named is None:
        interface["PrivateIpAddress"] = address
    else:
        named["PrivateIpAddress"] = address
        interface.pop("PrivateIpAddress", None)


def _has_snapshots(template: Answer) -> bool:
    return any((mapping.get("Ebs") or {}).get("SnapshotId") for mapping in template.get("BlockDeviceMappings") or ())


def _drop(value: Any, path: tuple[str, ...]) -> None:
    if path[0] == "*":
        for member in value if isinstance(value, list) else ():
            _drop(member, path[1:])
    elif isinstance(value, dict) and path[0] in value:
        if len(path) == 1:
            del value[path[0]]
        else:
            _drop(value[path[0]], path[1:])
