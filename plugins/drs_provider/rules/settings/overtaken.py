"""A launch template that others changed during a drill: what of the present default is the drill's, and what theirs.

Others make a new version on top of the drill's and make that the default; AWS's own samples do so daily. Put back is
what still has the drill's value; what has another value than the drill gave it is theirs, and stays. It is a merge of
three: the version before the drill, the drill's, and the present default.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from drs_provider.rules.answers import Answer
from drs_provider.rules.settings.launch_template import as_request

_ABSENT: Final = object()
_KEYED: Final = {"NetworkInterfaces": ("NetworkCardIndex", "DeviceIndex")}
"""Lists whose items have a place: the members that name it. The order of other lists says nothing."""

_NETWORK_IDS: Final = ("subnet-", "sg-", "eni-")


@dataclass(frozen=True)
class Merged:
    """What a launch template's default shall say: nothing of the drill, and everything of others.

    ``left``: ids of the drill's network that others have copied to a place where the drill did not put them: nobody
    can say what should stand there.
    """

    data: Answer
    left: tuple[str, ...] = ()


def merged(before: Answer, drill: Answer, now: Answer) -> Merged:
    """Take a drill's changes out of the present default of a launch template.

    :param before: data of the version that was the default before the drill
    :param drill: data of the version that the drill made
    :param now: data of the present default
    """
    was, made, is_now = as_request(before), as_request(drill), as_request(now)
    found = _consistent(_mapping(was, made, is_now), is_now)
    return Merged(found, tuple(sorted(ids_of_drill(before, drill) & _ids(found))))


def ids_of_drill(before: Answer, drill: Answer) -> frozenset[str]:
    """Return the ids of subnets, groups and interfaces that a drill's version names and the one before it does not."""
    return _ids(drill) - _ids(before)


def places_named(data: Answer) -> tuple[str, ...]:
    """Return the ids of all subnets, security groups and network interfaces that a version names, sorted."""
    return tuple(sorted(_ids(data)))


def same(some: Answer, other: Answer) -> bool:
    """Tell whether two versions say the same, whatever the order of their lists."""
    return _text(as_request(some)) == _text(as_request(other))


def _value(was: Any, made: Any, is_now: Any, key: str) -> Any:
    if _text(is_now) == _text(made):
        return was
    if isinstance(made, Mapping) and isinstance(is_now, Mapping):
        return _mapping(was if isinstance(was, Mapping) else {}, made, is_now)
    if _is_list(made) and _is_list(is_now):
        return _list(was if _is_list(was) else [], made, is_now, key)
    return is_now


def _mapping(was: Mapping[str, Any], made: Mapping[str, Any], is_now: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for key in dict.fromkeys((*is_now, *was)):
        mine, theirs = made.get(key, _ABSENT), is_now.get(key, _ABSENT)
        old = was.get(key, _ABSENT)
        value = theirs if _text(mine) == _text(old) else _value(old, mine, theirs, key)
        if value is not _ABSENT:
            found[key] = value
    return found


def _list(was: Sequence[Any], made: Sequence[Any], is_now: Sequence[Any], key: str) -> list[Any]:
    places = _KEYED.get(key)
    if places is not None and all(isinstance(item, Mapping) for item in (*was, *made, *is_now)):
        by_place = [
            {tuple(int(item.get(place) or 0) for place in places): item for item in items}
            for items in (was, made, is_now)
        ]
        if all(len(found) == len(items) for found, items in zip(by_place, (was, made, is_now), strict=True)):
            old, mine, theirs = ({str(place): item for place, item in found.items()} for found in by_place)
            found = _mapping(old, mine, theirs)
            return [
                _at_its_place(item, theirs.get(name) or old.get(name) or {}, places) for name, item in found.items()
            ]
    old, mine = ({_text(item): item for item in items} for items in (was, made))
    kept = [item for item in is_now if _text(item) in old or _text(item) not in mine]
    taken = len(kept) < len(is_now)
    present = {_text(item) for item in kept}
    back = [item for text, item in old.items() if text not in mine and text not in present]
    return [*back, *kept] if taken else kept


def _at_its_place(item: Mapping[str, Any], source: Mapping[str, Any], places: Sequence[str]) -> dict[str, Any]:
    """Leave an item where it is, although the drill has put it there: without its place it would be the first."""
    return {**item, **{place: source[place] for place in places if source.get(place) and not item.get(place)}}


def _consistent(data: dict[str, Any], now: Answer) -> dict[str, Any]:
    """Leave out of what goes back what EC2 does not take beside what others have set."""
    if any(interface.get("Groups") for interface in data.get("NetworkInterfaces") or ()):
        data = {key: value for key, value in data.items() if key not in ("SecurityGroupIds", "SecurityGroups")}
    if data.get("InstanceType") and data.get("InstanceRequirements"):
        theirs = "InstanceType" if now.get("InstanceType") == data["InstanceType"] else "InstanceRequirements"
        other = "InstanceRequirements" if theirs == "InstanceType" else "InstanceType"
        data = {key: value for key, value in data.items() if key != other}
    return data


def _ids(value: Any) -> frozenset[str]:
    if isinstance(value, Mapping):
        return frozenset().union(*(_ids(inner) for inner in value.values()))
    if _is_list(value):
        return frozenset().union(*(_ids(inner) for inner in value))
    return frozenset({value}) if isinstance(value, str) and value.startswith(_NETWORK_IDS) else frozenset()


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _text(value: Any) -> str:
    """Write a value so that equal ones are equal texts, whatever the order of their lists."""
    if value is _ABSENT:
        return ""
    return json.dumps(_ordered(value), sort_keys=True, default=str)


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _ordered(inner) for key, inner in value.items()}
    if _is_list(value):
        return sorted(
            (_ordered(inner) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True, default=str)
        )
    return value
