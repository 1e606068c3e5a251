"""What an account and Region has to choose from where launch settings are written: its networks, types and profiles."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from drs_provider.rules.answers import Answer


@dataclass(frozen=True)
class LaunchChoice:
    """One thing to choose: its id or name as a plan writes it, and what else people know it by."""

    value: str
    words: str = ""


@dataclass(frozen=True)
class LaunchChoices:
    """Everything that there is.

    :param problems: what could not be asked, by the field that it is for; the others are whole
    """

    subnets: tuple[LaunchChoice, ...] = ()
    security_groups: tuple[LaunchChoice, ...] = ()
    instance_types: tuple[LaunchChoice, ...] = ()
    instance_profiles: tuple[LaunchChoice, ...] = ()
    problems: Mapping[str, str] | None = None


def subnet_choices(subnets: Iterable[Answer]) -> tuple[LaunchChoice, ...]:
    """Word the items of DescribeSubnets: those of one VPC together, the default VPC's last."""
    found = sorted(subnets, key=lambda subnet: (bool(subnet.get("DefaultForAz")), subnet["VpcId"], subnet["SubnetId"]))
    return tuple(
        LaunchChoice(
            subnet["SubnetId"],
            _words(
                name_of(subnet.get("Tags")),
                subnet["VpcId"],
                subnet.get("AvailabilityZone"),
                subnet.get("CidrBlock"),
                f"{subnet.get('AvailableIpAddressCount', 0)} addresses free",
            ),
        )
        for subnet in found
    )


def group_choices(groups: Iterable[Answer]) -> tuple[LaunchChoice, ...]:
    """Word the items of DescribeSecurityGroups."""
    found = sorted(groups, key=lambda group: (str(group.get("VpcId")), str(group.get("GroupName"))))
    return tuple(
        LaunchChoice(group["GroupId"], _words(group.get("GroupName"), group.get("VpcId"), group.get("Description")))
        for group in found
    )


def type_choices(offerings: Iterable[Answer]) -> tuple[LaunchChoice, ...]:
    """Give the instance types that DescribeInstanceTypeOfferings lists."""
    return tuple(LaunchChoice(name) for name in sorted({offering["InstanceType"] for offering in offerings}))


def profile_choices(profiles: Iterable[Answer]) -> tuple[LaunchChoice, ...]:
    """Give the items of ListInstanceProfiles by name, with their roles."""
    return tuple(
        LaunchChoice(
            profile["InstanceProfileName"], ", ".join(f"role {role['RoleName']}" for role in profile.get("Roles") or ())
        )
        for profile in sorted(profiles, key=lambda profile: str(profile["InstanceProfileName"]))
    )


def name_of(tags: Sequence[Answer] | None) -> str:
    """Return the value of the tag ``Name``; empty: there is none."""
    return next((str(tag.get("Value")) for tag in tags or () if tag.get("Key") == "Name"), "")


def _words(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part)
