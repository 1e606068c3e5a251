"""Whether recovered instances are where, and what, their launch settings asked for."""

from collections.abc import Mapping
from typing import Any

from drs_provider.recovery.settings import OVERRIDING_RIGHT_SIZING, Change, normal


def misplacement(wanted: Mapping[str, Any], instance: Mapping[str, Any]) -> tuple[Change, ...]:
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


def _read_instance(instance: Mapping[str, Any]) -> dict[str, Any]:
    interfaces = instance.get("NetworkInterfaces") or ()
    first: Mapping[str, Any] = next(
        (one for one in interfaces if int((one.get("Attachment") or {}).get("DeviceIndex") or 0) == 0), {}
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
