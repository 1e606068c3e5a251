"""Which source servers each wave of a run launches: groups resolved against what DRS knows at that moment."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from drs_provider.plan.model import Member, ProtectionGroup
from drs_provider.rules.purpose import DRILL, Purpose
from drs_provider.rules.servers import Answer, hostname_of, lag_of

if TYPE_CHECKING:
    from drs_provider.rules.settings.values import Settings


@dataclass(frozen=True, order=True)
class Target:
    """An account and Region as a plan names them: the Airflow connection, and the recovery Region.

    ``region`` is empty where the group leaves it to the connection.
    """

    aws_conn_id: str
    region: str

    def __str__(self) -> str:
        return f"{self.region or 'the Region'} of connection {self.aws_conn_id}"


@dataclass(frozen=True, order=True)
class Place:
    """An account and Region, resolved: however plans name them, two that are equal are one."""

    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.region} of account {self.account}"


@dataclass(frozen=True)
class RosterServer:
    """A source server in a run. ``known`` is false when DRS does not list it in its group's account and Region.

    ``order`` is its boot order in its group, ``settings`` the launch settings that it shall have in this run.
    ``goes_back_for``: of a FAILBACK server, the id of the server that it goes back for.
    """

    server_id: str
    hostname: str
    group: str
    critical: bool
    target: Target
    known: bool
    lag: timedelta | None = None
    order: int = 1
    settings: "Settings" = field(default_factory=dict, hash=False)
    goes_back_for: str = ""


@dataclass(frozen=True)
class Roster:
    """``waves`` maps every wave of the plan, chosen or not, to its servers; ``problems`` are reasons to refuse.

    ``lost``: by chosen wave, its groups in accounts and Regions that did not answer, with the servers that they name.
    ``unsure``: what was asked to be left out and may be in one of these.
    """

    waves: Mapping[str, tuple[RosterServer, ...]]
    excluded: tuple[RosterServer, ...]
    problems: tuple[str, ...]
    lost: "Mapping[str, Mapping[str, tuple[RosterServer, ...]]]" = field(default_factory=dict)
    unsure: tuple[str, ...] = ()

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
    groups: Mapping[str, ProtectionGroup],
    waves: Mapping[str, Sequence[str]],
    found: Mapping[Target, Sequence[Answer]],
    purpose: Purpose,
    *,
    chosen: Collection[str] | None = None,
    exclude: Sequence[str] = (),
    other_groups: Sequence[ProtectionGroup] = (),
    places: Mapping[Target, Place] | None = None,
) -> Roster:
    """Resolve the groups of a plan.

    A server is one server, however the groups that find it name its account and Region.

    :param groups: the plan's groups by name
    :param waves: the names of the groups of every wave of the plan
    :param found: DescribeSourceServers' items of every account and Region that was asked and has answered; nothing is
        launched in the others
    :param chosen: the waves that the run has; None: all
    :param exclude: ids or hostnames of servers that are left out
    :param other_groups: the groups of all other plans: a server in two groups is a conflict wherever the second stands
    :param places: what the accounts and Regions are, resolved; one that is not in it equals itself only
    """
    chosen, places = waves if chosen is None else chosen, places or {}
    resolved = {name: _members(group, found, purpose) for name, group in groups.items()}
    silent = {name for name, group in groups.items() if target_of(group) not in found}
    excluded, unknown, unsure = _excluded(exclude, resolved, may_be_elsewhere=bool(silent))
    heard = {name: servers for name, servers in resolved.items() if name not in silent}
    problems = [*_empty(heard, groups), *_conflicts(resolved, found, other_groups, places), *unknown]
    out = {server.server_id for server in excluded}
    left = {
        name: tuple(server for server in servers if server.server_id not in out) for name, servers in resolved.items()
    }
    launched = {
        wave: tuple(server for name in names if name not in silent and wave in chosen for server in left[name])
        for wave, names in waves.items()
    }
    lost = {
        wave: gone
        for wave, names in waves.items()
        if wave in chosen
        and (gone := {name: left[name] for name in names if name in silent and (left[name] or groups[name].select)})
    }
    has_steps_only = any(not names and wave in chosen for wave, names in waves.items())
    if not problems and not any(launched.values()) and not has_steps_only:
        problems.append("nothing is left to launch: the chosen waves and excluded servers leave no server")
    return Roster(launched, excluded, tuple(problems), lost, tuple(unsure))


def _members(
    group: ProtectionGroup, found: Mapping[Target, Sequence[Answer]], purpose: Purpose
) -> tuple[RosterServer, ...]:
    known = {str(source["sourceServerID"]): source for source in found.get(target_of(group), ())}
    named = [
        _server(group, member, known.get(member.id), settings_of_member(group, member, purpose))
        for member in group.servers
    ]
    names = {member.id for member in group.servers}
    common = settings_of_member(group, None, purpose)
    selected = [
        _server(group, Member(id=str(source["sourceServerID"])), source, common)
        for source in _selected(group, known.values())
        if source["sourceServerID"] not in names
    ]
    return (*named, *sorted(selected, key=lambda server: (natural(server.hostname), server.server_id)))


def _server(group: ProtectionGroup, member: Member, source: Answer | None, settings: "Settings") -> RosterServer:
    return RosterServer(
        server_id=member.id,
        hostname=hostname_of(source, member.id),
        group=group.name,
        critical=member.critical,
        target=target_of(group),
        known=source is not None,
        lag=lag_of(source) if source is not None else None,
        order=member.order,
        settings=settings,
    )


def settings_of_member(group: ProtectionGroup, member: Member | None, purpose: Purpose) -> "Settings":
    """What the plan says of a server's launch, as plain JSON: the group's word, the member's over it, the drill's."""
    from drs_provider.rules.settings.values import effective

    layers = (group.launch, member.launch if member else None, group.drill_launch)
    plain = [layer.model_dump(mode="json", exclude_none=True) if layer else None for layer in layers]
    return effective(plain[0], plain[1], plain[2], purpose=purpose)


def _selected(group: ProtectionGroup, sources: Iterable[Answer]) -> Iterator[Answer]:
    if group.select is None:
        return
    wanted = group.select.model_dump(by_alias=True, exclude_none=True)
    for source in sources:
        if matches(source.get("tags", {}), wanted):
            yield source


def in_words(tags: Mapping[str, Sequence[str]]) -> str:
    """A selection's tags as people say them: ``App=shop, Tier=db|cache``."""
    return ", ".join(f"{key}={'|'.join(values)}" for key, values in tags.items())


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that puts web2 before web10."""
    parts: list[tuple[int, int, str]] = []
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
    found: Mapping[Target, Sequence[Answer]],
    other_groups: Sequence[ProtectionGroup],
    places: Mapping[Target, Place],
) -> Iterator[str]:
    holders: dict[tuple[Place | Target, str], list[tuple[str, Target]]] = defaultdict(list)
    hostnames: dict[tuple[Place | Target, str], str] = {}
    everything = dict(resolved)
    for group in other_groups:
        if group.name not in everything:
            everything[group.name] = tuple(server for server in _members(group, found, DRILL) if server.known)
    for name, servers in everything.items():
        for server in servers:
            place = places.get(server.target, server.target)
            holders[place, server.server_id].append((name, server.target))
            hostnames[place, server.server_id] = server.hostname
    for (place, server_id), held in holders.items():
        names, targets = [name for name, _ in held], {target: None for _, target in held}
        if len(names) > 1 and any(name in resolved for name in names):
            spelled = f" ({' and '.join(map(str, targets))} are both {place})" if len(targets) > 1 else ""
            yield (
                f"{hostnames[place, server_id]} ({server_id}) is in {len(names)} groups, "
                f"{' and '.join(names)}{spelled}: a server belongs to one; change a tag or a selection"
            )


def named_twice(places: Mapping[Target, Place]) -> dict[Place, tuple[Target, ...]]:
    """Return the accounts and Regions that a plan names in more than one way, with the ways."""
    ways: dict[Place, list[Target]] = defaultdict(list)
    for target, place in places.items():
        ways[place].append(target)
    return {place: tuple(targets) for place, targets in ways.items() if len(targets) > 1}


def _excluded(
    asked: Sequence[str], resolved: Mapping[str, Sequence[RosterServer]], *, may_be_elsewhere: bool
) -> tuple[tuple[RosterServer, ...], list[str], list[str]]:
    """Return the servers that are left out, what is wrong, and the names that may be where nobody has answered."""
    everyone = [server for servers in resolved.values() for server in servers]
    out: list[RosterServer] = []
    problems, unsure = [], []
    for name in asked:
        hits = [server for server in everyone if name in (server.server_id, server.hostname)]
        out += hits
        if not hits:
            near = get_close_matches(name, [s.hostname for s in everyone] + [s.server_id for s in everyone], n=1)
            if may_be_elsewhere and not near:
                unsure.append(name)
                continue
            hint = f"did you mean {near[0]!r}?" if near else "it is in none of the plan's groups"
            problems.append(f"exclude_servers: no server called {name!r} ({hint})")
    return tuple(dict.fromkeys(out)), problems, unsure


PlainSelection = Mapping[str, Any]
"""A plan's ``select`` as plain JSON: ``{"tags": {key: value | [values]}, "not": {"tags": {...}}}``."""


def matches(tags: Mapping[str, str], selection: PlainSelection) -> bool:
    """Tell whether a server with these tags is selected.

    :param tags: the source server's tags
    :param selection: every key must match, a list means any of, ``*`` stands for any run of characters
        (and nothing else is special); letters count. A server that ``not`` matches as a whole is out. A selection
        without tags selects nothing.
    """
    wanted = selection.get("tags") or {}
    unwanted = (selection.get("not") or {}).get("tags") or {}
    return _all_match(tags, wanted) and not _all_match(tags, unwanted)


def _all_match(tags: Mapping[str, str], wanted: Mapping[str, str | Sequence[str]]) -> bool:
    return bool(wanted) and all(key in tags and _any_of(tags[key], values) for key, values in wanted.items())


def _any_of(value: str, patterns: str | Sequence[str]) -> bool:
    choices = (patterns,) if isinstance(patterns, str) else patterns
    return any(_wildcard(pattern).fullmatch(value) for pattern in choices)


def _wildcard(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)
