"""A problem that knows its place in the data, and the way from there to line and column."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from drs_provider.plan.odd_characters import OddCharacter, in_a_word
from drs_provider.plan.problems import Problem
from drs_provider.plan.yaml_source import Location, YamlDocument

LABELS = {"RecoveryPlan": "plan", "ProtectionGroup": "group"}


@dataclass(frozen=True)
class PlanFinding:
    """Something wrong at a location of a document.

    ``at_key`` points at the key instead of its value. ``subject`` says whose problem it is where that is not the
    location itself.
    """

    location: Location
    what: str
    hint: str = ""
    at_key: bool = False
    subject: str | None = None


def place(document: YamlDocument, finding: PlanFinding) -> Problem:
    """Give the finding its line and column."""
    where, node = say_where(document.data), document.root
    steps = list(_walk(document.root, finding.location))
    if steps:
        key, value = steps[-1]
        node = key if finding.at_key and key is not None else value
        where = say_path(document.data, finding.location[: len(steps)])
    if isinstance(node, ScalarNode) and (odd := in_a_word(node.value)) and odd.is_shown_in(finding.what):
        return _with_odd(document, node, odd, finding, where)
    return document.problem(node, finding.subject or where, finding.what, finding.hint)


def _with_odd(document: YamlDocument, node: ScalarNode, odd: OddCharacter, finding: PlanFinding, where: str) -> Problem:
    """Point at the character that nobody can see, or that looks like another one: it is why the value is wrong."""
    problem = document.problem(node, finding.subject or where, finding.what, f"{odd.name} is in it: {odd.hint}")
    lines = document.text.split("\n")
    for number in range(node.start_mark.line, min(node.end_mark.line, len(lines) - 1) + 1):
        begin = node.start_mark.column if number == node.start_mark.line else 0
        at = lines[number].find(odd.character, begin)
        if at >= 0:
            return replace(problem, line=document.first_line + number, column=at + 1)
    return problem


def node_at(document: YamlDocument, location: Location) -> Node:
    """Give the node at a location, or the nearest one above it."""
    steps = list(_walk(document.root, location))
    return steps[-1][1] if steps else document.root


def _walk(node: Node, location: Location) -> Iterator[tuple[Node | None, Node]]:
    for part in location:
        key: Node | None = None
        if isinstance(node, MappingNode):
            pair = next(((k, v) for k, v in node.value if isinstance(k, ScalarNode) and k.value == part), None)
            if pair is None:
                return
            key, node = pair
        elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        else:
            return
        yield key, node


def say_where(data: Any) -> str:
    """Call a document what its author calls it: ``plan web-shop``."""
    if not isinstance(data, dict):
        return "document"
    label = LABELS.get(str(data.get("kind")), "document")
    name = data.get("name")
    return f"{label} {name}" if isinstance(name, str) and name else label


def say_path(data: Any, location: Location) -> str:
    """Write a location for people: list items by their name or id where they have one, else by position from 0."""
    written = ""
    for part in location:
        if isinstance(part, str):
            written += f".{part}" if written else part
            data = data.get(part) if isinstance(data, dict) else None
            continue
        data = data[part] if isinstance(data, list) and part < len(data) else None
        name = (data.get("name") or data.get("id")) if isinstance(data, dict) else None
        written += f".{name}" if isinstance(name, str) else f"[{part}]"
    return written
