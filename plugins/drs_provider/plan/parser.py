"""One YAML document into one model, or every problem that it has by itself."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from drs_provider.plan.across_files.plan_steps import plan_step_findings
from drs_provider.plan.checks import group_findings, plan_findings
from drs_provider.plan.disposition import stopped_but_checked
from drs_provider.plan.fields import found
from drs_provider.plan.findings import LABELS, PlanFinding, place, say_where
from drs_provider.plan.launched_by_then import needs_launched_servers
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan
from drs_provider.plan.problems import Problem, nearest
from drs_provider.plan.templates import template_names
from drs_provider.plan.yaml_source import Location, YamlDocument

KINDS: dict[str, type[ProtectionGroup | RecoveryPlan]] = {
    "ProtectionGroup": ProtectionGroup,
    "RecoveryPlan": RecoveryPlan,
}

NOTHING = "there is no value"
FREE_DATA = ("payload", "conf", "parameters")
"""Keys whose values are handed on as they are: there, nothing is a value too."""


@dataclass
class Parsed:
    """A document and what came of it.

    ``model`` is what the document says, also where a rule is broken; ``problems`` decides whether it may be used.
    Where the shape is wrong the model lacks the wrong parts and serves only to find more problems.
    """

    document: YamlDocument
    kind: str
    name: str
    model: ProtectionGroup | RecoveryPlan | None
    problems: list[Problem]
    left_out: tuple[Location, ...] = ()

    @property
    def place(self) -> str:
        """Where the document's name stands, as ``path:line``."""
        mark = next((key for key, _ in self.document.root.value if key.value == "name"), self.document.root)
        return f"{self.document.path}:{self.document.first_line + mark.start_mark.line}"

    def add(self, findings: Iterable[PlanFinding], *, if_new: bool = False) -> None:
        """Take problems over. A place where nothing could be read keeps that problem; ``if_new``, whatever it has."""
        taken = {
            (problem.line, problem.column)
            for problem in self.problems
            if if_new or problem.where == "YAML" or problem.what == NOTHING
        }
        for finding in findings:
            problem = place(self.document, finding)
            if (problem.line, problem.column) not in taken and problem not in self.problems:
                self.problems.append(problem)

    def add_guessed(self, findings: Iterable[PlanFinding]) -> None:
        """Take over findings about the model, but none about parts that it lacks."""
        self.add(finding for finding in findings if not any(_touch(finding.location, out) for out in self.left_out))


def _touch(entry: Location, other: Location) -> bool:
    shorter = min(len(entry), len(other))
    return entry[:shorter] == other[:shorter]


def parse_document(document: YamlDocument) -> Parsed:
    """Read a document as what its ``kind`` says, and gather all that is wrong with it alone."""
    data = document.data
    parsed = Parsed(document, "", "", None, document.problems)
    if not isinstance(data, dict):
        parsed.add(
            [PlanFinding((), f"expected a mapping with a kind, found {found(data)}", "begin with kind: RecoveryPlan")]
        )
        return parsed
    kind, name = data.get("kind"), data.get("name")
    if not isinstance(kind, str) or kind not in KINDS:
        parsed.add([_kind_finding(data)])
        return parsed
    if document.has_nothing:
        parsed.add(_left_without_value(data, ()))
    parsed.kind, parsed.name = kind, name if isinstance(name, str) else ""
    try:
        parsed.model = KINDS[kind].model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        from drs_provider.plan.messages import findings_of

        findings = tuple(findings_of(error, KINDS[kind], document))
        parsed.add(findings)
        parsed.left_out = tuple(finding.location for finding in findings)
        parsed.model = _without(data, error, KINDS[kind])
    parsed.add(template_names(data), if_new=True)
    parsed.add_guessed(_own_findings(parsed.model))
    return parsed


def _own_findings(model: ProtectionGroup | RecoveryPlan | None) -> Iterator[PlanFinding]:
    if isinstance(model, ProtectionGroup):
        yield from group_findings(model)
    elif isinstance(model, RecoveryPlan):
        yield from plan_findings(model)


def _left_without_value(data: Any, location: Location) -> Iterator[PlanFinding]:
    if data is None:
        yield PlanFinding(location, NOTHING, "give it one, or remove the key")
    elif isinstance(data, list):
        for position, item in enumerate(data):
            yield from _left_without_value(item, (*location, position))
    elif isinstance(data, dict):
        for key, value in data.items():
            if key not in FREE_DATA:
                yield from _left_without_value(value, (*location, key))


def _kind_finding(data: dict[str, Any]) -> PlanFinding:
    if "kind" not in data:
        return PlanFinding(
            (), "kind is missing", "write kind: RecoveryPlan or kind: ProtectionGroup", subject=say_where(data)
        )
    kind = data["kind"]
    hint = nearest(kind, KINDS) if isinstance(kind, str) else "write RecoveryPlan or ProtectionGroup"
    what = f"no kind called {kind!r}" if isinstance(kind, str) else f"expected a kind, found {found(kind)}"
    return PlanFinding(("kind",), what, hint)


def _without(
    data: dict[str, Any], error: ValidationError, model: type[ProtectionGroup | RecoveryPlan]
) -> ProtectionGroup | RecoveryPlan | None:
    """Read the document without its wrong parts, so that one typing error does not hide a circle of waves."""
    rest = deepcopy(data)
    # From the back, so that the positions of list items that are still to go do not move.
    for location in sorted((detail["loc"] for detail in error.errors()), key=_order, reverse=True):
        _remove(rest, location)
    try:
        return model.model_validate(rest, by_alias=True, by_name=False)
    except ValidationError:
        return None


def _order(location: Location) -> tuple[tuple[bool, int, str], ...]:
    return tuple((isinstance(part, int), part if isinstance(part, int) else 0, str(part)) for part in location)


def _remove(data: Any, location: Location) -> None:
    for position, part in enumerate(location):
        if isinstance(data, dict) and isinstance(part, str) and part in data:
            if position == len(location) - 1:
                del data[part]
                return
            inside = data[part]
            if not isinstance(inside, dict | list):
                del data[part]
                return
            data = inside
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            if position == len(location) - 1 or not isinstance(data[part], dict | list):
                return  # positions in the findings must stay true: a list with a wrong item is not read further
            data = data[part]


def add_library_problems(parsed: Sequence[Parsed]) -> None:
    """Add to every document what is wrong with it in the company of the others."""
    add_problems_of_references(parsed)
    add_problems_of_shared_servers(parsed)


def add_problems_of_references(parsed: Sequence[Parsed]) -> None:
    """Add what is wrong with names, and with what plans say of their groups."""
    _unique_names(parsed)
    groups = _groups(parsed)
    for entry in parsed:
        if isinstance(entry.model, RecoveryPlan):
            known = {name: found[0].model for name, found in groups.items()}
            models = {name: model for name, model in known.items() if isinstance(model, ProtectionGroup)}
            entry.add_guessed(
                [
                    *_known_groups(entry.model, groups),
                    *_possible_tolerance(entry.model, groups),
                    *stopped_but_checked(entry.model, models),
                    *needs_launched_servers(entry.model, models),
                ]
            )


def add_problems_of_shared_servers(parsed: Sequence[Parsed]) -> None:
    """Add to groups, and to the plans that use them, that a server belongs to another group as well.

    The only problem that another file can give to a plan in which nothing is ambiguous: hence a step of its own.
    """
    _servers_in_one_group([entry for entry in parsed if isinstance(entry.model, ProtectionGroup)])
    groups = _groups(parsed)
    for entry in parsed:
        if isinstance(entry.model, RecoveryPlan):
            entry.add_guessed(_known_groups(entry.model, groups))


def add_problems_of_plan_steps(parsed: Sequence[Parsed]) -> dict[str, tuple[Problem, ...]]:
    """Add to plans what is wrong with those that they run as steps; return that, by the name of the plan.

    Other files decide over it, so it is a step of its own too: a run that goes on is not to lose its DAG for it.
    """
    plans = {entry.name: entry.model for entry in reversed(parsed) if isinstance(entry.model, RecoveryPlan)}
    names = {entry.name for entry in parsed if entry.kind == "RecoveryPlan"}
    groups = {name: found[0].model for name, found in _groups(parsed).items()}
    models = {name: model for name, model in groups.items() if isinstance(model, ProtectionGroup)}
    added: dict[str, tuple[Problem, ...]] = {}
    for entry in parsed:
        if isinstance(entry.model, RecoveryPlan):
            before = len(entry.problems)
            entry.add_guessed(plan_step_findings(entry.model, names, plans, models))
            if len(entry.problems) > before:
                added[entry.name] = tuple(entry.problems[before:])
    return added


def _groups(parsed: Sequence[Parsed]) -> Mapping[str, Sequence[Parsed]]:
    groups = defaultdict(list)
    for entry in parsed:
        if entry.kind == "ProtectionGroup":
            groups[entry.name].append(entry)
    return groups


def _unique_names(parsed: Sequence[Parsed]) -> None:
    by_name: dict[tuple[str, str], list[Parsed]] = defaultdict(list)
    for entry in parsed:
        if entry.name:
            by_name[entry.kind, entry.name].append(entry)
    for (kind, name), alike in by_name.items():
        # Nobody can know which of them is meant, so none of them runs.
        for entry in alike if len(alike) > 1 else ():
            others = ", ".join(other.place for other in alike if other is not entry)
            what = f"there is another {LABELS[kind]} called {name!r}, in {others}"
            entry.add([PlanFinding(("name",), what, "rename one")])


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
                [PlanFinding(("servers", position), what, "a server belongs to one group; remove it from the others")]
            )


def _member_place(group: Parsed, position: int) -> str:
    document = group.document
    servers = next(value for key, value in document.root.value if key.value == "servers")
    return f"{group.name!r} ({document.path}:{document.first_line + servers.value[position].start_mark.line})"


def _known_groups(plan: RecoveryPlan, groups: Mapping[str, Sequence[Parsed]]) -> Iterator[PlanFinding]:
    for location, name in _references(plan):
        if name not in groups:
            yield PlanFinding(location, f"no group called {name!r}", nearest(name, groups))
            continue
        broken = next((group for group in groups[name] if group.problems), None)
        if broken:
            problem = min(broken.problems)
            yield PlanFinding(location, f"group {name!r} has a problem of its own", f"{problem.path}:{problem.line}")


def _references(plan: RecoveryPlan) -> Iterator[tuple[Location, str]]:
    for position, wave in enumerate(plan.waves):
        for entry, name in enumerate(wave.groups):
            yield ("waves", position, "groups", entry), name


def _possible_tolerance(plan: RecoveryPlan, groups: Mapping[str, Sequence[Parsed]]) -> Iterator[PlanFinding]:
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
                yield PlanFinding(("waves", position, "tolerate_failures"), what, hint)
