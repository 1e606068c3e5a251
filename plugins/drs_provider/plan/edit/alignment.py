"""Which items of a list that is written are which of the list that is wanted."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from pydantic import JsonValue

from drs_provider.plan.edit.tree import YamlPart

AlignmentStep = tuple[str, int, int, int, int]
"""What SequenceMatcher says of a stretch of two lists."""


def align(old: Sequence[JsonValue], wanted: Sequence[JsonValue]) -> list[AlignmentStep]:
    """Say which items of a list are which of another one: those of one name, those of one id, those that are equal."""
    before, after = ([_identity(item) for item in items] for items in (old, wanted))
    return list(SequenceMatcher(None, before, after, autojunk=False).get_opcodes())


def _identity(item: JsonValue) -> str:
    if isinstance(item, dict):
        return next((f"{key} {item[key]!r}" for key in ("name", "id") if isinstance(item.get(key), str)), repr(item))
    return repr(item)


def has_anchors(part: YamlPart) -> bool:
    """Whether a part has anchors, or means others."""
    inside = [*part.items, *(found for entry in part.entries for found in entry)]
    return bool(part.anchor) or part.kind == "alias" or any(map(has_anchors, inside))
