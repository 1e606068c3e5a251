"""A fleet for the simulator, made from nothing but a plan."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from itertools import product
from typing import Any

from drs_provider.plan.fields import SERVER_ID_PATTERN
from drs_provider.plan.model import (
    LaunchSettings,
    ProtectionGroup,
    RecoveryPlan,
    Step,
    VpcNetwork,
    wave_dependencies,
)
from drs_provider.plan.templates import servers_of_step
from drs_provider.rules.run.roster import Target, matches, target_of, targets_of

FIRST_ACCOUNT = 111_122_223_333
"""Number of the account behind the first connection; the next connections get the next ones."""

_LAG = "2s"
_FEW_SUBNETS, _WIDE, _NARROW = 16, 20, 24
"""Up to so many subnets get 4,091 addresses each, more of them 251."""


@dataclass(frozen=True)
class SupposedFleet:
    """A fleet file's content, and where it leads.

    ``regions`` gives the account and Region of every target, ``assumptions`` what was made up, in sentences.
    """

    content: Mapping[str, Any]
    regions: Mapping[Target, tuple[str, str]]
    assumptions: tuple[str, ...] = ()


@dataclass
class _Vpc:
    """A VPC in the making: which subnets and security groups are named, which addresses they must hold."""

    vpc_id: str | None = None
    subnets: dict[str, list[str]] = field(default_factory=dict)
    groups: dict[str, None] = field(default_factory=dict)

    def as_json(self, name: str, number: int) -> dict[str, Any]:
        addresses = [IPv4Address(address) for wanted in self.subnets.values() for address in wanted]
        base = IPv4Network(f"{addresses[0]}/16", strict=False) if addresses else IPv4Network(f"10.{20 + number}.0.0/16")
        ids = list(self.subnets) or [""]
        blocks = list(base.subnets(new_prefix=_WIDE if len(ids) <= _FEW_SUBNETS else _NARROW))
        taken: dict[str, IPv4Network] = {}
        for subnet, wanted in self.subnets.items():
            fitting = [block for block in blocks if any(IPv4Address(address) in block for address in wanted)]
            if fitting:
                taken[subnet] = fitting[0]
        free = (block for block in blocks if block not in taken.values())
        cidrs = {subnet: taken.get(subnet) or next(free) for subnet in ids}
        labels = {subnet: f"{name}-{place}" for place, subnet in enumerate(ids, start=1)}
        return {
            "vpc": str(base),
            "subnets": {labels[subnet]: str(cidrs[subnet]) for subnet in ids},
            **({"vpc_id": self.vpc_id} if self.vpc_id else {}),
            **({"subnet_ids": {labels[subnet]: subnet for subnet in self.subnets}} if self.subnets else {}),
            **({"security_groups": {group: f"rehearsal-{group}" for group in self.groups}} if self.groups else {}),
        }


def supposed_fleet(
    plan: RecoveryPlan, groups: Mapping[str, ProtectionGroup], *, selected: int, default_region: str
) -> SupposedFleet:
    """Make a fleet in which the plan can run: its servers, and the networks and profiles that its settings name.

    :param selected: how many servers a group's ``select`` finds
    :param default_region: for groups that leave their Region to the connection
    """
    targets = targets_of(list(groups.values()))
    connections = list(dict.fromkeys(target.aws_conn_id for target in targets))
    accounts = {name: str(FIRST_ACCOUNT + number) for number, name in enumerate(connections)}
    regions = {target: (accounts[target.aws_conn_id], target.region or default_region) for target in targets}
    assumptions: list[str] = []
    content: dict[str, dict[str, dict[str, Any]]] = {}
    servers: dict[str, list[dict[str, Any]]] = {}
    for target, (account, region) in regions.items():
        members = [group for group in groups.values() if target_of(group) == target]
        built = content.setdefault(account, {}).setdefault(region, {"name": region, "servers": []})
        built.update(_networks(plan, members))
        for group in members:
            servers[group.name] = _servers(group, selected, assumptions)
            built["servers"] += servers[group.name]
    assumptions += _named_by_steps(plan, servers)
    unnamed = sorted({target.aws_conn_id for target in targets if not target.region})
    if unnamed:
        assumptions.append(f"the Region of {_listed('connection', unnamed)} is {default_region}")
    assumptions.append(f"every server replicates without trouble and lags {_LAG[:-1]} s behind")
    profiles = sorted(
        {
            settings.instance_profile
            for group in groups.values()
            for settings in _settings(group)
            if settings.instance_profile
        }
    )
    return SupposedFleet(
        {
            "accounts": [
                {
                    "id": account,
                    "regions": list(found.values()),
                    **({"instance_profiles": profiles} if profiles else {}),
                }
                for account, found in content.items()
            ]
        },
        regions,
        tuple(assumptions),
    )


def _named_by_steps(plan: RecoveryPlan, servers: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Give servers the hostnames that the plan's steps name, each one that is launched by then; say which."""
    known = {name for found in servers.values() for server in found for name in (server.get("id"), server["hostname"])}
    for step, groups in _steps_with_groups(plan):
        for name, _ in servers_of_step(step):
            free = [
                (group, server)
                for group in groups
                for server in servers[group]
                if server["hostname"].startswith(f"{group}-")
            ]
            if name in known or re.match(SERVER_ID_PATTERN, name) or not free:
                continue
            known.add(name)
            group, server = free[0]
            server["hostname"] = name
            yield f"{name}, which step {step.name} names, is a server of group {group} (a guess)"


def _steps_with_groups(plan: RecoveryPlan) -> Iterator[tuple[Step, list[str]]]:
    """Give every step with the groups whose servers are launched when it begins, its own wave's first."""
    waits_for = wave_dependencies(plan)
    groups = {wave.name: list(wave.groups) for wave in plan.waves}
    for wave in plan.waves:
        above, todo = list[str](), list(waits_for[wave.name])
        while todo:
            name = todo.pop(0)
            if name not in above:
                above.append(name)
                todo += waits_for[name]
        earlier = [group for name in above for group in groups[name]]
        yield from ((step, earlier) for step in wave.before)
        yield from ((step, [*groups[wave.name], *earlier]) for step in wave.after)
    yield from ((step, [group for found in groups.values() for group in found]) for step in (*plan.before, *plan.after))


def _settings(group: ProtectionGroup) -> tuple[LaunchSettings, ...]:
    return (group.launch, group.drill_launch, *(member.launch for member in group.servers))


def _networks(plan: RecoveryPlan, groups: Sequence[ProtectionGroup]) -> dict[str, Any]:
    """The VPC that servers are recovered into and, where the plan names one, the VPC of its drills."""
    network = plan.drill.network
    main, drill = _Vpc(), _Vpc(network.vpc) if isinstance(network, VpcNetwork) else None
    for group in groups:
        for settings in (group.launch, *(member.launch for member in group.servers)):
            _note(settings, main)
        _note(group.drill_launch, drill or main)
    return {
        "network": main.as_json("recovery", 0),
        **({"networks": [drill.as_json("drill", 1)]} if drill else {}),
    }


def _note(settings: LaunchSettings, vpc: _Vpc) -> None:
    fallback = settings.fallback.subnet_ids if settings.fallback else ()
    for subnet in (settings.subnet_id, *fallback):
        if subnet:
            vpc.subnets.setdefault(subnet, [])
    if settings.subnet_id and settings.private_ip:
        vpc.subnets[settings.subnet_id].append(str(settings.private_ip))
    vpc.groups.update(dict.fromkeys(settings.security_group_ids or ()))


def _servers(group: ProtectionGroup, selected: int, assumptions: list[str]) -> list[dict[str, Any]]:
    tags = _tags(group)
    found = [
        {"id": member.id, "hostname": f"{group.name}-{number}", "lag": _LAG}
        for number, member in enumerate(group.servers, start=1)
    ]
    if group.select is None:
        return found
    if tags is None:
        assumptions.append(f"group {group.name}: no server can match its select, because its 'not' matches them all")
        return found
    assumptions.append(f"group {group.name}: {selected} server{'s'[: selected != 1]} found by tag (a guess)")
    names = (f"{group.name}-tagged-{number}" for number in range(1, selected + 1))
    return [*found, *({"hostname": name, "tags": tags, "lag": _LAG} for name in names)]


def _tags(group: ProtectionGroup) -> dict[str, str] | None:
    """Return tags that the group's ``select`` matches, or None where nothing can."""
    if group.select is None:
        return {}
    selection = group.select.model_dump(by_alias=True, exclude_none=True)
    wanted = selection["tags"]
    choices = [[value.replace("*", "x") for value in _several(values)] for values in wanted.values()]
    for values in product(*choices):
        tags = dict(zip(wanted, values, strict=True))
        if matches(tags, selection):
            return tags
    return None


def _several(values: str | Iterable[str]) -> Iterable[str]:
    return [values] if isinstance(values, str) else values


def _listed(noun: str, names: Sequence[str]) -> str:
    return f"{noun}{'s'[: len(names) != 1]} {', '.join(names)}"
