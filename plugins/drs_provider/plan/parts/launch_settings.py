"""What a plan may say about how a server is launched."""

from typing import Annotated, Literal

from pydantic import Field

from drs_provider.plan.fields import Address, Flag, InstanceType, Json, PlanPart, SecurityGroupId, SubnetId, Text


class Fallback(PlanPart):
    """What is tried, in order, when EC2 has no capacity for the first choice."""

    instance_types: tuple[InstanceType, ...] = ()
    """Instance types to try next."""
    subnet_ids: tuple[SubnetId, ...] = ()
    """Subnets, and so Availability Zones, to try next."""


class LaunchAction(PlanPart):
    """A DRS post-launch action: an SSM document that DRS runs on the launched instance."""

    code: Text
    """The SSM document, for example AWS-RunShellScript."""
    name: Text
    """What the action is called in DRS."""
    optional: Flag = False
    """Whether the launch counts as good when the action fails."""
    parameters: Json = Field(default_factory=dict)
    """The document's parameters: the name of an SSM parameter for each, or {dynamic: NAME}; DRS takes no values."""


class LaunchSettings(PlanPart):
    """Settings applied to a source server before it is launched; what is left out is left alone."""

    instance_type: InstanceType | None = None
    """EC2 instance type, for example m6i.large."""
    subnet_id: SubnetId | None = None
    """Subnet of the recovery instance."""
    security_group_ids: Annotated[tuple[SecurityGroupId, ...], Field(min_length=1)] | None = None
    """Security groups of the recovery instance."""
    instance_profile: Text | None = None
    """IAM instance profile, by name."""
    private_ip: Address | None = None
    """A fixed private IPv4 address; only where one server is meant."""
    right_sizing: Literal["none", "basic", "in_aws"] | None = None
    """How DRS chooses the instance type by itself."""
    copy_private_ip: Flag | None = None
    """Give the instance the private address of its source server."""
    copy_tags: Flag | None = None
    """Copy the source server's tags to the instance."""
    os_byol: Flag | None = None
    """Bring your own operating-system licence."""
    disposition: Literal["started", "stopped"] | None = None
    """Whether the instance is running or stopped after the launch."""
    recovery_mode: Literal["optimal", "fast"] | None = None
    """fast skips the conversion where the agent allows it."""
    protect: Flag | None = None
    """EC2 termination protection after a real recovery; on where nothing is said."""
    fallback: Fallback | None = None
    """What to try when capacity is missing."""
    actions: tuple[LaunchAction, ...] | None = None
    """DRS post-launch actions, in order; left out, those that there are stay."""
