"""Where launch settings put a server, and whether a recovered instance is where, and what, they asked for."""

from collections.abc import Mapping
from typing import Any

from drs_provider.recovery.settings import OVERRIDING_RIGHT_SIZING, Change, normal
from drs_provider.recovery.settings_candidates import Candidate, Surroundings


def placement(one: Candidate, around: Surroundings) -> dict[str, Any]:
    """Return where a launch would put a server: subnet, VPC, zone, security groups, address; None: nobody knows.

    Without a subnet in settings and launch template DRS takes one of the default VPC: then only the VPC is known.
    """
    result = one.result
    subnet = around.subnets.get(str(result["subnet_id"])) or {}
    default = None if result["subnet_id"] else around.default_vpc
    return {
        "subnet_id": result["subnet_id"],
        "security_group_ids": result["security_group_ids"],
        "private_ip": result["private_ip"],
        "vpc_id": subnet.get("VpcId") or default,
        "availability_zone": subnet.get("AvailabilityZone"),
    }


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
