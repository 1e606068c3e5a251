"""Removing the networks of drills by their run's tag."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from drs_provider.aws.refusals import translated
from drs_provider.aws.traces import TracesHook
from drs_provider.errors import AwsError
from drs_provider.recovery.identity import RUN

NETWORK_KINDS: Final = frozenset({"vpc-endpoint", "security-group", "subnet", "vpc"})
"""EC2's words for the parts of a drill's network; in the order of their removal."""


class TaggedNetworksHook(TracesHook):
    """A :class:`TracesHook` that also takes away what a run has of networks."""

    def remove(self, run: str) -> tuple[tuple[str, ...], dict[str, str]]:
        """Remove what can be removed now of a run's networks; may be called any number of times.

        :param run: the run's key
        :return: the ids that went, and by id why what is left is left
        """
        ec2 = self._beside("ec2")
        gone: list[str] = []
        left: dict[str, str] = {}

        def each(operation: str, member: str, name: str, delete: Callable[[Mapping[str, Any]], Any]) -> None:
            for one in self._filtered(operation, f"tag:{RUN}", (run,)):
                if str(one.get("State", "")).lower() in ("deleted", "deleting"):
                    continue
                try:
                    with translated(f"ec2:{name}"):
                        delete(one)
                except AwsError as error:
                    if not error.code.endswith(".NotFound"):
                        left[one[member]] = str(error)
                        continue
                gone.append(one[member])

        each(
            "describe_vpc_endpoints",
            "VpcEndpointId",
            "DeleteVpcEndpoints",
            lambda one: ec2.delete_vpc_endpoints(VpcEndpointIds=[one["VpcEndpointId"]]),
        )
        for group in self._filtered("describe_security_groups", f"tag:{RUN}", (run,)):
            self._revoke(group)
        each(
            "describe_security_groups",
            "GroupId",
            "DeleteSecurityGroup",
            lambda one: ec2.delete_security_group(GroupId=one["GroupId"]),
        )
        each("describe_subnets", "SubnetId", "DeleteSubnet", lambda one: ec2.delete_subnet(SubnetId=one["SubnetId"]))
        each("describe_vpcs", "VpcId", "DeleteVpc", lambda one: ec2.delete_vpc(VpcId=one["VpcId"]))
        return tuple(gone), left

    def _revoke(self, group: Mapping[str, Any]) -> None:
        """Take every rule of a group away: groups that name each other cannot be deleted."""
        ec2 = self._beside("ec2")
        for member, revoke in (
            ("IpPermissions", ec2.revoke_security_group_ingress),
            ("IpPermissionsEgress", ec2.revoke_security_group_egress),
        ):
            if group.get(member):
                with translated("ec2:RevokeSecurityGroupIngress"):
                    revoke(GroupId=group["GroupId"], IpPermissions=group[member])
