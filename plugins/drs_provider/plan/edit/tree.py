"""A YAML document as a tree that knows where every part is written, its anchors and aliases too."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

_LOADER: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


@dataclass
class YamlPart:
    """A part of a document: ``start`` and ``end`` count characters of the text.

    The end is that of what is written there, without comments and blank lines behind it. ``content`` is where it
    begins behind its anchor. ``kind``: scalar, alias, mapping or list. ``name``: the anchor that an alias names.
    """

    kind: str
    start: int
    end: int
    content: int
    is_flow: bool = False
    anchor: str = ""
    name: str = ""
    entries: "list[tuple[YamlPart, YamlPart]]" = field(default_factory=list)
    items: "list[YamlPart]" = field(default_factory=list)
    text: str = ""
    """Of a scalar: its value as a text."""


def read_tree(text: str) -> list[YamlPart]:
    """Return the root of every document of a text that is known to be YAML."""
    events = iter(yaml.parse(text, Loader=_LOADER))
    return [_part(next(events), events, text) for event in events if isinstance(event, DocumentStartEvent)]


def _part(event: Any, events: Iterator[Any], text: str) -> YamlPart:
    start = _index(event.start_mark)
    if isinstance(event, AliasEvent):
        return YamlPart("alias", start, _index(event.end_mark), start, name=str(event.anchor))
    anchor = str(event.anchor or "")
    content = _behind_anchor(text, start, anchor)
    if isinstance(event, ScalarEvent):
        end = _index(event.end_mark)
        if event.style is None and end > start:
            end = start + len(text[start:end].rstrip())
        return YamlPart("scalar", start, end, content, anchor=anchor, text=str(event.value))
    if isinstance(event, MappingStartEvent):
        return _mapping(event, events, text, YamlPart("mapping", start, start, content, bool(event.flow_style), anchor))
    if isinstance(event, SequenceStartEvent):
        return _list(event, events, text, YamlPart("list", start, start, content, bool(event.flow_style), anchor))
    raise TypeError(f"{type(event).__name__} where a value begins")


def _mapping(event: Any, events: Iterator[Any], text: str, part: YamlPart) -> YamlPart:
    part.end = _index(event.end_mark)
    for following in events:
        if isinstance(following, MappingEndEvent):
            if part.is_flow:
                part.end = _index(following.end_mark)
            break
        key = _part(following, events, text)
        value = _part(next(events), events, text)
        part.entries.append((key, value))
        part.end = max(key.end, value.end)
    return part


def _list(event: Any, events: Iterator[Any], text: str, part: YamlPart) -> YamlPart:
    part.end = _index(event.end_mark)
    for following in events:
        if isinstance(following, SequenceEndEvent):
            if part.is_flow:
                part.end = _index(following.end_mark)
            break
        part.items.append(_part(following, events, text))
        part.end = part.items[-1].end
    return part


def _behind_anchor(text: str, start: int, anchor: str) -> int:
    if not anchor:
        return start
    end = start + 1 + len(anchor)
    while end < len(text) and text[end] in " \t":
        end += 1
    return end


def _index(mark: Any) -> int:
    return int(mark.index)
