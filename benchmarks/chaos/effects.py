"""Every operation with an effect that the product sends: their answers get lost. Pure."""

from collections.abc import Collection, Iterator
from random import Random
from typing import Literal

Part = Literal[
    "always",
    "network",
    "leftovers",
    "actions",
    "ssm_command",
    "ssm_automation",
    "lambda",
    "notify",
    "sources",
    "way_back",
    "machines",
    "ahead",
]
"""What a plan must have for an operation to be sent in its runs."""

EFFECTS: dict[tuple[str, str], Part] = {
    ("drs", "StartRecovery"): "always",
    ("drs", "TerminateRecoveryInstances"): "always",
    ("drs", "TagResource"): "always",
    ("drs", "UntagResource"): "always",
    ("drs", "UpdateLaunchConfiguration"): "always",
    ("ec2", "CreateLaunchTemplateVersion"): "always",
    ("ec2", "ModifyLaunchTemplate"): "always",
    ("ec2", "DeleteLaunchTemplateVersions"): "always",
    ("ec2", "ModifyInstanceAttribute"): "always",
    ("ec2", "CreateTags"): "always",
    ("ec2", "DeleteVolume"): "leftovers",
    ("ec2", "DeleteNetworkInterface"): "leftovers",
    ("drs", "PutLaunchAction"): "actions",
    ("drs", "DeleteLaunchAction"): "actions",
    ("ec2", "CreateVpc"): "network",
    ("ec2", "AssociateVpcCidrBlock"): "network",
    ("ec2", "ModifyVpcAttribute"): "network",
    ("ec2", "CreateSubnet"): "network",
    ("ec2", "CreateSecurityGroup"): "network",
    ("ec2", "AuthorizeSecurityGroupIngress"): "network",
    ("ec2", "AuthorizeSecurityGroupEgress"): "network",
    ("ec2", "RevokeSecurityGroupIngress"): "network",
    ("ec2", "RevokeSecurityGroupEgress"): "network",
    ("ec2", "CreateVpcEndpoint"): "network",
    ("ec2", "DeleteVpcEndpoints"): "network",
    ("ec2", "DeleteSecurityGroup"): "network",
    ("ec2", "DeleteSubnet"): "network",
    ("ec2", "DeleteVpc"): "network",
    ("ssm", "SendCommand"): "ssm_command",
    ("ssm", "CancelCommand"): "ssm_command",
    ("ssm", "StartAutomationExecution"): "ssm_automation",
    ("ssm", "StopAutomationExecution"): "ssm_automation",
    ("lambda", "Invoke"): "lambda",
    ("sns", "Publish"): "notify",
    ("ec2", "StopInstances"): "sources",
    ("drs", "ReverseReplication"): "way_back",
    ("drs", "StartFailbackLaunch"): "machines",
    ("drs", "StopFailback"): "machines",
    ("ec2", "StartInstances"): "ahead",
}

NEVER_IN_A_RUN = frozenset(
    {
        ("drs", "StopReplication"),
        ("drs", "DisconnectSourceServer"),
        ("drs", "StartReplication"),
        ("drs", "UpdateFailbackReplicationConfiguration"),
        ("drs", "DisconnectRecoveryInstance"),
        ("drs", "DeleteRecoveryInstance"),
        ("drs", "DeleteSourceServer"),
    }
)
"""What the package can do, and no run of a plan does: one for people alone, the others of the way back."""

_LOST: dict[str, float] = {"always": 0.4, "network": 0.25}
_LOST_ELSE = 0.4


def faults_of(random: Random, parts: Collection[Part], servers: str) -> Iterator[dict[str, object]]:
    """Yield faults at the operations that a plan with these parts sends.

    :param servers: pattern of the plan's source servers, for the operation whose answers are lost to this run alone
    """
    for (service, operation), part in EFFECTS.items():
        luck = [random.random() for _ in range(3)]
        counts = random.randint(1, 2), random.randint(1, 3)
        if part not in parts and part != "always":
            continue
        about = {"servers": [servers]} if operation == "StartRecovery" else {}
        where = {"service": service, "operation": operation, **about}
        rare = 1.0 if part == "always" else 0.5
        if luck[0] < _LOST.get(part, _LOST_ELSE):
            yield {**where, "do": "commit_then_drop", "count": counts[0]}
        if luck[1] < 0.15 * rare:
            yield {**where, "do": "server_error", "count": 1}
        if luck[2] < 0.15 * rare:
            yield {**where, "do": "throttle", "count": counts[1], "retry_after": 1}
