"""Which fleet a rehearsal runs against: one supposed from the plan, a file, or the live account's."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from drs_provider.exceptions import UsageError
from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import LaunchSettings, ProtectionGroup, VpcNetwork
from drs_provider.rehearsal.account_fleet import AccountFacts
from drs_provider.rehearsal.fleet import supposed_fleet
from drs_provider.rules.launch.jobs import LONGEST_JOB
from drs_provider.rules.run.roster import Target, matches, target_of, targets_of

_RETRY_SECONDS = 20.0
"""Seconds for which a call is repeated that gets no answer: somebody waits before a terminal."""
_OTHERWISE = (
    "nothing was rehearsed. docs/rehearse.md lists the permissions that reading needs; without --from-account the "
    "fleet is made up from the plan"
)


@dataclass(frozen=True)
class ChosenFleet:
    """Fleet files for the simulator, in words, and the account and Region of every target of the plan."""

    paths: tuple[Path, ...]
    words: str
    places: Mapping[Target, tuple[str, str]]
    assumptions: tuple[str, ...] = ()


def supposed(runnable: RunnablePlan, home: Path, *, selected: int, region: str) -> ChosenFleet:
    """Make a fleet up from the plan."""
    fleet = supposed_fleet(runnable.plan, runnable.groups, selected=selected, default_region=region)
    words = f"on a fleet made up from the plan, {_servers(fleet.content)} servers"
    return ChosenFleet((_written(fleet.content, home),), words, fleet.regions, fleet.assumptions)


def of_files(runnable: RunnablePlan, paths: Sequence[Path], accounts: Mapping[str, str], *, region: str) -> ChosenFleet:
    """Take fleet files as they are, and find the account in them that each connection of the plan means.

    :param accounts: account id by connection, where somebody has said so
    """
    regions = [found for path in paths for found in _regions_of(path)]
    places = {}
    for target in targets_of(list(runnable.groups.values())):
        groups = [group for group in runnable.groups.values() if target_of(group) == target]
        places[target] = _place(target, groups, regions, accounts, region)
    words = f"on the fleet of {', '.join(str(path) for path in paths)}"
    return ChosenFleet(tuple(paths), words, places)


def of_accounts(runnable: RunnablePlan, home: Path, *, now: datetime) -> ChosenFleet:
    """Read the live accounts of the plan's connections; nothing is changed there."""
    from drs_provider.rehearsal.account_fleet import fleet_of_accounts

    facts = {}
    # What Airflow and AWS's libraries log on the way is no part of what is foretold.
    with redirect_stdout(sys.stderr):
        from drs_provider.rehearsal.account_reader import UNREADABLE

        for target in targets_of(list(runnable.groups.values())):
            try:
                facts[target] = _read(target, runnable, now)
            except UNREADABLE as error:
                raise UsageError(f"cannot read {target}: {error}; {_OTHERWISE}") from error
    fleet = fleet_of_accounts(facts, now=now)
    named = ", ".join(f"{account} in {region}" for account, region in dict.fromkeys(fleet.regions.values()))
    words = f"on {_servers(fleet.content)} servers as account {named} had them at {now:%Y-%m-%d %H:%M} UTC"
    return ChosenFleet((_written(fleet.content, home),), words, fleet.regions, fleet.assumptions)


def _read(target: Target, runnable: RunnablePlan, now: datetime) -> AccountFacts:
    from drs_provider.rehearsal.account_reader import ReadOnlyHook

    groups = [group for group in runnable.groups.values() if target_of(group) == target]
    settings = [launch for group in groups for launch in _settings(group)]
    network = runnable.plan.drill.network
    hook = ReadOnlyHook(aws_conn_id=target.aws_conn_id, region_name=target.region or None, patience=_RETRY_SECONDS)
    return hook.read(
        lambda server: any(is_member(server, group) for group in groups),
        subnet_ids=[
            subnet
            for launch in settings
            for subnet in (launch.subnet_id, *(launch.fallback.subnet_ids if launch.fallback else ()))
            if subnet
        ],
        group_ids=[group for launch in settings for group in launch.security_group_ids or ()],
        vpc_ids=[network.vpc] if isinstance(network, VpcNetwork) else [],
        profiles=[launch.instance_profile for launch in settings if launch.instance_profile],
        since=now - LONGEST_JOB,
    )


def _settings(group: ProtectionGroup) -> Iterator[LaunchSettings]:
    yield from (group.launch, group.drill_launch, *(member.launch for member in group.servers))


def is_member(server: Mapping[str, Any], group: ProtectionGroup) -> bool:
    """Tell whether a source server belongs to a group, by its id or its tags."""
    if any(member.id == server["sourceServerID"] for member in group.servers):
        return True
    return group.select is not None and matches(
        server.get("tags") or {}, group.select.model_dump(by_alias=True, exclude_none=True)
    )


def _servers(content: Mapping[str, Any]) -> int:
    return sum(len(region["servers"]) for account in content["accounts"] for region in account["regions"])


def _written(content: Mapping[str, Any], home: Path) -> Path:
    path = home / "fleet.yaml"
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return path


@dataclass(frozen=True)
class _FleetRegion:
    account: str
    name: str
    servers: tuple[Mapping[str, Any], ...]


def _regions_of(path: Path) -> Iterator[_FleetRegion]:
    """Read what must be known of a fleet file; whether it is a good one is for the simulator to say."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    with suppress(AttributeError, KeyError, TypeError):
        for account in content["accounts"]:
            for region in account.get("regions") or ():
                yield _FleetRegion(str(account["id"]), str(region["name"]), tuple(_each(region.get("servers") or ())))


def _each(servers: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for server in servers:
        for number in range(1, int(server.get("count", 1)) + 1):
            name = str(server.get("id") or "")
            with suppress(KeyError, IndexError, ValueError):
                name = name.format(n=number)
            yield {"sourceServerID": name, "tags": server.get("tags") or {}}


def _place(
    target: Target,
    groups: Sequence[ProtectionGroup],
    regions: Sequence[_FleetRegion],
    accounts: Mapping[str, str],
    default_region: str,
) -> tuple[str, str]:
    """Find the account and Region that a target means: as said, else where its servers are, else the only one."""
    said = accounts.get(target.aws_conn_id)
    fitting = [region for region in regions if target.region in ("", region.name) and said in (None, region.account)]
    holding = [
        region for region in fitting if any(is_member(server, group) for server in region.servers for group in groups)
    ]
    for found in (holding, fitting):
        if len({(region.account, region.name) for region in found}) == 1:
            return found[0].account, found[0].name
    if not fitting and said is None and len({region.account for region in regions}) == 1:
        return regions[0].account, target.region or default_region
    if said is not None and not fitting:
        return said, target.region or default_region
    raise UsageError(
        f"nothing says which account of the fleet connection {target.aws_conn_id} means in "
        f"{target.region or 'its Region'}: give --account {target.aws_conn_id}=ACCOUNT"
    )
