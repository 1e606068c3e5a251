"""Which version of a launch template to go on from after a drill: the one before it, or what others have made since."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from drs_provider.rules.settings.drill_memory import BeforeDrill
from drs_provider.rules.settings.launch_template import TEMPLATE_FIELDS, read_template
from drs_provider.rules.settings.overtaken import merged, same

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import TemplateVersion

Versions = Mapping[int | None, "TemplateVersion | None"]
"""Versions of one launch template by number; None: the default one. The value is None where there is no such one."""


@dataclass(frozen=True)
class Settlement:
    """What the launch template is to have once nothing of a drill is in its default version.

    ``base``: the version; with ``is_new`` its data is still to be made a version, on top of the present default, whose
    number it has. ``undecided``: why nobody can say; then ``base`` is the present default.
    """

    base: "TemplateVersion | None"
    is_new: bool = False
    undecided: str = ""


def settle_template(versions: Versions, before: BeforeDrill | None) -> Settlement:
    """Decide from the default before the drill, the version that the drill made, and the present default.

    A version that is older than the drill's has nothing of it: somebody has chosen it, and it stays.
    """
    now = versions[None]
    if now is None or before is None or before.version is None:
        return Settlement(now)
    was, made = (versions.get(number) for number in before.version)
    if now.number == before.version[0] or now.number < before.version[1]:
        return Settlement(now)
    if now.number == before.version[1]:
        return Settlement(was) if was else Settlement(now, undecided=_gone(before.version[0], "before"))
    return _overtaken(now, was, made, before.version)


def _overtaken(
    now: "TemplateVersion",
    was: "TemplateVersion | None",
    made: "TemplateVersion | None",
    numbers: tuple[int, int],
) -> Settlement:
    """Decide about a default that others have made since the drill's."""
    if was is None or made is None:
        other = was or made
        if other is not None and _is_unconcerned(now, other, is_before=was is not None):
            return Settlement(now)
        lost = _gone(numbers[0], "before") if was is None else _gone(numbers[1], "in the drill")
        return Settlement(now, undecided=f"{lost}, so nobody can say what of version {now.number} is the drill's")
    found = merged(was.data, made.data, now.data)
    if found.left:
        names = ", ".join(found.left)
        return Settlement(now, undecided=f"version {now.number}, which others made since, names {names} of the drill")
    if same(found.data, now.data):
        return Settlement(now)
    if same(found.data, was.data):
        return Settlement(was)
    return Settlement(replace(now, data=found.data), is_new=True)


def _is_unconcerned(now: "TemplateVersion", other: "TemplateVersion", *, is_before: bool) -> bool:
    """Tell whether the default has nothing of a drill for certain, with one of the other two versions alone.

    :param other: the version before the drill, or the drill's
    """
    live, known = read_template(now.data), read_template(other.data)
    if is_before:
        return live == known
    return not any(live[field] and live[field] == known[field] for field in TEMPLATE_FIELDS)


def _gone(number: int, when: str) -> str:
    return f"version {number}, which was the default {when}, no longer exists"
