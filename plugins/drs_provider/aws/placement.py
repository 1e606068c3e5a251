"""Which subnets get addresses back when servers are launched again."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from drs_provider.aws.launch_settings import LaunchSettingsHook
from drs_provider.recovery.readiness import is_live


def freed_subnets(
    hook: LaunchSettingsHook, servers: Collection[str], instances: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Return by server id the subnet of its live recovery instance: a launch terminates that one first.

    :param instances: items of DescribeRecoveryInstances
    """
    own = {
        str(one["ec2InstanceID"]): str(one["sourceServerID"])
        for one in instances
        if is_live(one) and one.get("ec2InstanceID") and one["sourceServerID"] in servers
    }
    found = hook.ec2_instances(tuple(own)) if own else {}
    return {own[name]: str(one["SubnetId"]) for name, one in found.items() if one.get("SubnetId")}
