"""Rules that hold between documents, in whichever files they stand."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from drs_provider.plan.documents import Location
from drs_provider.plan.findings import LABELS, Finding
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan
from drs_provider.plan.parsing import Parsed
from drs_provider.plan.problems import nearest


def add_library_problems(parsed: Sequence[Parsed]) -> None:
    """Add to every document what is wrong with it in the company of the others."""
    add_problems_of_references(parsed)
    add_problems_of_shared_servers(parsed)


def add_problems_of_references(parsed: Sequence[Parsed]) -> None:
    """Add what is wrong with names, and with what plans say of their groups."""
    _unique_names(parsed)
    groups = _groups(parsed)
    for one in parsed:
        if isinstance(one.model, RecoveryPlan):
            one.add_guessed([*_known_groups(one.model, groups), *_possible_tolerance(one.model, groups)])


def add_problems_of_shared_servers(parsed: Sequence[Parsed]) -> None:
    """Add to groups, and to the plans that use them, that a server belongs to another group as well.

    The only problem that another file can give to a plan in which nothing is ambiguous: hence a step of its own.
    """
    _servers_in_one_group([one for one in parsed if isinstance(one.model, ProtectionGroup)])
    groups = _groups(parsed)
    for one in parsed:
        if isinstance(one.model, RecoveryPlan):
            one.add_guessed(_known_groups(one.model, groups))


def _groups(parsed: Sequence[Parsed]) -> Mapping[str, Sequence[Parsed]]:
    groups = defaultdict(list)
    for one in parsed:
        if one.kind == "ProtectionGroup":
            groups[one.name].append(one)
    return groups


def _unique_names(parsed: Sequence[Parsed]) -> None:
    by_name: dict[tuple[str, str], list[Parsed]] = defaultdict(list)
    for one in parsed:
        if one.name:
            by_name[one.kind, one.name].append(one)
    for (kind, name), alike in by_name.items():
        # Nobody can know which of them is meant, so none of them runs.
        for one in alike if len(alike) > 1 else ():
            others = ", ".join(other.place for other in alike if other is not one)
            what = f"there is another {LABELS[kind]} called {name!r}, in {others}"
            one.add([Finding(("name",), what, "rename one")])


def _servers_in_one_group(groups: Sequence[Parsed]) -> None:
    named: dict[str, list[tuple[Parsed, int]]] = defaultdict(list)
    for group in groups:
        for position, member in enumerate(group.model.servers if isinstance(group.model, ProtectionGroup) else ()):
            if not (named[member.id] and named[member.id][-1][0] is group):
                named[member.id].append((group, position))
    for server, places in named.items():
        for group, position in places if len(places) > 1 else ():
            others = ", ".join(_member_place(*other) for other in places if other[0] is not group)
            what = f"{server} is in group {others} too"
            group.add(
                [Finding(("servers", position), what, "a server belongs to one group; remove it from the others")]
            )


def _member_place(group: Parsed, position: int) -> str:
    document = group.document
    servers = next(value for key, value in document.root.value if key.value == "servers")
    return f"{group.name!r} ({document.path}:{document.first_line + servers.value[position].start_mark.line})"


def _known_groups(plan: RecoveryPlan, groups: Mapping[str, Sequence[Parsed]]) -> Iterator[Finding]:
    for location, name in _references(plan):
        if name not in groups:
            yield Finding(location, f"no group called {name!r}", nearest(name, groups))
            continue
        broken = next((group for group in groups[name] if group.problems), None)
        if broken:
            problem = min(broken.problems)
            yield Finding(location, f"group {name!r} has a problem of its own", f"{problem.path}:{problem.line}")


def _references(plan: RecoveryPlan) -> Iterator[tuple[Location, str]]:
    for position, wave in enumerate(plan.waves):
        for place, name in enumerate(wave.groups):
            yield ("waves", position, "groups", place), name


def _possible_tolerance(plan: RecoveryPlan, groups: Mapping[str, Sequence[Parsed]]) -> Iterator[Finding]:
    for position, wave in enumerate(plan.waves):
        share, critical = wave.tolerate_failures, 0
        for name in wave.groups:
            group = groups[name][0].model if name in groups else None
            if not isinstance(group, ProtectionGroup) or group.select is not None:
                break  # how many there are is known only when the run resolves them
            critical += sum(member.critical for member in group.servers)
        else:
            if wave.groups and not share.is_percentage and share.amount > critical:
                what = f"{share} may fail, but the wave has {critical} critical server{'s'[: critical != 1]}"
                hint = "lower it; servers with critical: false never fail a wave"
                yield Finding(("waves", position, "tolerate_failures"), what, hint)
