"""Which source servers each wave of a run launches: groups resolved against what DRS knows at that moment."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from functools import partial
from typing import Any

from drs_provider.plan.model import Member, ProtectionGroup, RecoveryPlan
from drs_provider.rules.run.request import DRILL, RunRequest


@dataclass(frozen=True, order=True)
class Target:
    """An account and Region as a plan names them: the Airflow connection, and the recovery Region.

    ``region`` is empty where the group leaves it to the connection.
    """

    aws_conn_id: str
    region: str

    def __str__(self) -> str:
        return f"{self.region or 'the Region'} of connection {self.aws_conn_id}"


@dataclass(frozen=True)
class RosterServer:
    """A source server in a run. ``known`` is false when DRS does not list it in its group's account and Region.

    ``order`` is its boot order in its group, ``settings`` the launch settings that it shall have in this run.
    """

    server_id: str
    hostname: str
    group: str
    critical: bool
    target: Target
    known: bool
    lag: timedelta | None = None
    order: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def as_json(self) -> dict[str, Any]:
        """What travels in XCom, and what the report and the board read."""
        return {
            "server_id": self.server_id,
            "hostname": self.hostname,
            "group": self.group,
            "critical": self.critical,
            "region": self.target.region,
            "lag": None if self.lag is None else self.lag.total_seconds(),
            "order": self.order,
            "settings": dict(self.settings),
        }


@dataclass(frozen=True)
class Roster:
    """``waves`` maps every wave of the plan, chosen or not, to its servers; ``problems`` are reasons to refuse."""

    waves: Mapping[str, tuple[RosterServer, ...]]
    excluded: tuple[RosterServer, ...]
    problems: tuple[str, ...]

    @property
    def servers(self) -> tuple[RosterServer, ...]:
        """Every server that the run may launch."""
        return tuple(server for servers in self.waves.values() for server in servers)


def target_of(group: ProtectionGroup) -> Target:
    """Where a group's source servers are."""
    return Target(group.aws_conn_id, group.region or "")


def targets_of(groups: Sequence[ProtectionGroup]) -> tuple[Target, ...]:
    """The accounts and Regions of some groups, each once, in the order of the groups."""
    return tuple(dict.fromkeys(target_of(group) for group in groups))


def call_roll(
    plan: RecoveryPlan,
    groups: Mapping[str, ProtectionGroup],
    found: Mapping[Target, Sequence[Mapping[str, Any]]],
    request: RunRequest,
    other_groups: Sequence[ProtectionGroup] = (),
) -> Roster:
    """Resolve the groups of a plan.

    ``found`` holds DescribeSourceServers' items per target, ``other_groups`` the groups of all other plans: a server
    in two groups is a conflict wherever the second one stands.
    """
    resolved = {name: _members(group, found, request.mode) for name, group in groups.items()}
    problems = [*_empty(resolved, groups), *_conflicts(resolved, found, other_groups)]
    excluded, unknown = _excluded(request.exclude_servers, resolved)
    problems += unknown
    out = {server.server_id for server in excluded}
    waves = {
        wave.name: tuple(
            server
            for name in wave.groups
            for server in resolved[name]
            if wave.name in request.waves and server.server_id not in out
        )
        for wave in plan.waves
    }
    has_steps_only = any(not wave.groups and wave.name in request.waves for wave in plan.waves)
    if not problems and not any(waves.values()) and not has_steps_only:
        problems.append("nothing is left to launch: the chosen waves and excluded servers leave no server")
    return Roster(waves, excluded, tuple(problems))


def _members(
    group: ProtectionGroup, found: Mapping[Target, Sequence[Mapping[str, Any]]], mode: str
) -> tuple[RosterServer, ...]:
    target = target_of(group)
    known = {str(server["sourceServerID"]): server for server in found.get(target, ())}
    settings_of = partial(_settings, group, mode=mode)
    named = [_server(group, member, known.get(member.id), settings_of(member)) for member in group.servers]
    names = {member.id for member in group.servers}
    common = settings_of(None)
    selected = [
        _server(group, Member(id=str(server["sourceServerID"])), server, common)
        for server in _selected(group, known.values())
        if server["sourceServerID"] not in names
    ]
    return (*named, *sorted(selected, key=lambda server: (natural(server.hostname), server.server_id)))


def _server(
    group: ProtectionGroup, member: Member, described: Mapping[str, Any] | None, settings: Mapping[str, Any]
) -> RosterServer:
    from drs_provider.rules.servers import hostname_of, lag_of

    return RosterServer(
        server_id=member.id,
        hostname=hostname_of(described, member.id),
        group=group.name,
        critical=member.critical,
        target=target_of(group),
        known=described is not None,
        lag=lag_of(described) if described is not None else None,
        order=member.order,
        settings=settings,
    )


def _settings(group: ProtectionGroup, member: Member | None, *, mode: str) -> dict[str, Any]:
    """What the plan says of a server's launch, as plain JSON: the group's word, the member's over it, the drill's."""
    from drs_provider.rules.settings.values import effective

    layers = (group.launch, member.launch if member else None, group.drill_launch)
    plain = [one.model_dump(mode="json", exclude_none=True) if one else None for one in layers]
    return effective(plain[0], plain[1], plain[2], mode=mode)


def _selected(group: ProtectionGroup, servers: Any) -> Iterator[Mapping[str, Any]]:

    if group.select is None:
        return
    wanted = group.select.model_dump(by_alias=True, exclude_none=True)
    for server in servers:
        if matches(server.get("tags", {}), wanted):
            yield server


def in_words(tags: Mapping[str, Sequence[str]]) -> str:
    """A selection's tags as people say them: ``App=shop, Tier=db|cache``."""
    return ", ".join(f"{key}={'|'.join(values)}" for key, values in tags.items())


def natural(text: str) -> tuple[Any, ...]:
    """Sort key that puts web2 before web10."""
    parts: list[Any] = []
    number = ""
    for char in f"{text}\0":
        if char.isdigit():
            number += char
            continue
        if number:
            parts.append((0, int(number), ""))
            number = ""
        parts.append((1, 0, char))
    return tuple(parts)


def _empty(resolved: Mapping[str, Sequence[RosterServer]], groups: Mapping[str, ProtectionGroup]) -> Iterator[str]:
    for name, servers in resolved.items():
        if not servers:
            group = groups[name]
            tags = in_words(group.select.tags) if group.select else "of no selection"
            yield (
                f"group {name}: no source server in {target_of(group)} has the tags {tags}: "
                "check the tags of the source servers in DRS, and the group's region and aws_conn_id"
            )


def _conflicts(
    resolved: Mapping[str, Sequence[RosterServer]],
    found: Mapping[Target, Sequence[Mapping[str, Any]]],
    other_groups: Sequence[ProtectionGroup],
) -> Iterator[str]:
    holders: dict[tuple[Target, str], list[str]] = defaultdict(list)
    hostnames: dict[tuple[Target, str], str] = {}
    everything = dict(resolved)
    for group in other_groups:
        if group.name not in everything:
            everything[group.name] = tuple(server for server in _members(group, found, DRILL) if server.known)
    for name, servers in everything.items():
        for server in servers:
            holders[server.target, server.server_id].append(name)
            hostnames[server.target, server.server_id] = server.hostname
    for (target, server_id), names in holders.items():
        if len(names) > 1 and any(name in resolved for name in names):
            yield (
                f"{hostnames[target, server_id]} ({server_id}) is in {len(names)} groups, {' and '.join(names)}: "
                "a server belongs to one; change a tag or a selection"
            )


def _excluded(
    asked: Sequence[str], resolved: Mapping[str, Sequence[RosterServer]]
) -> tuple[tuple[RosterServer, ...], list[str]]:
    everyone = [server for servers in resolved.values() for server in servers]
    out: list[RosterServer] = []
    problems = []
    for name in asked:
        hits = [server for server in everyone if name in (server.server_id, server.hostname)]
        out += hits
        if not hits:
            near = get_close_matches(name, [s.hostname for s in everyone] + [s.server_id for s in everyone], n=1)
            hint = f"did you mean {near[0]!r}?" if near else "it is in none of the plan's groups"
            problems.append(f"exclude_servers: no server called {name!r} ({hint})")
    return tuple(dict.fromkeys(out)), problems


def matches(tags: Mapping[str, str], selection: Mapping[str, Any]) -> bool:
    """Tell whether a server with these tags is selected.

    :param tags: the source server's tags
    :param selection: ``{"tags": {key: value | [values]}, "not": {"tags": {...}}}`` as in a plan: every key must match,
        a list means any of, ``*`` stands for any run of characters (and nothing else is special); letters count. A
        server that ``not`` matches as a whole is out. A selection without tags selects nothing.
    """
    wanted = selection.get("tags") or {}
    unwanted = (selection.get("not") or {}).get("tags") or {}
    return _all_match(tags, wanted) and not _all_match(tags, unwanted)


def _all_match(tags: Mapping[str, str], wanted: Mapping[str, Any]) -> bool:
    return bool(wanted) and all(key in tags and _any_of(tags[key], values) for key, values in wanted.items())


def _any_of(value: str, patterns: Any) -> bool:
    choices = (patterns,) if isinstance(patterns, str) else patterns
    return any(_wildcard(str(pattern)).fullmatch(value) for pattern in choices)


def _wildcard(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)
