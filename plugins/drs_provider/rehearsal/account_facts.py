"""What is read of a live account for a rehearsal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drs_provider.recovery.quotas import Quotas

Answer = Mapping[str, Any]
"""One resource as AWS describes it."""


@dataclass(frozen=True)
class AccountFacts:
    """One account and Region, as AWS's own answers; ids are keys. Servers are only those that were asked for."""

    account: str
    region: str
    quotas: Quotas
    servers: Mapping[str, Answer]
    configurations: Mapping[str, Answer] = field(default_factory=dict)
    templates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Data of the default version of each server's launch template, by server id."""
    instances: Sequence[Answer] = ()
    vpcs: Mapping[str, Answer] = field(default_factory=dict)
    subnets: Mapping[str, Answer] = field(default_factory=dict)
    groups: Mapping[str, Answer] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    has_default_vpc: bool = False
    busy: Mapping[str, str] = field(default_factory=dict)
    """The running job that holds a server, by server id."""


def first_interface(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the network interface that a launch template gives the instance at launch; empty: none."""
    interfaces: Sequence[Mapping[str, Any]] = template.get("NetworkInterfaces") or ()
    return next((one for one in interfaces if one.get("DeviceIndex", 0) == 0), {})


def groups_of(template: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the security groups of a launch template."""
    return tuple(first_interface(template).get("Groups") or template.get("SecurityGroupIds") or ())


def profile_of(template: Mapping[str, Any]) -> str | None:
    """Return the name of a launch template's instance profile."""
    profile = template.get("IamInstanceProfile") or {}
    return profile.get("Name") or str(profile.get("Arn") or "").rsplit("/", 1)[-1] or None
