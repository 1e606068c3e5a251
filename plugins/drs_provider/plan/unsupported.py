"""Parts of the plan language that are understood, but refused by name until their behaviour is built.

A row goes when what it names works. Nothing else has to change for that.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from drs_provider.plan.documents import Location
from drs_provider.plan.findings import Finding, say_path, say_where


def _is_empty(value: object) -> bool:
    return value in ({}, [], ())


@dataclass(frozen=True)
class Unsupported:
    """A key of a kind that is refused; ``*`` in the path is any list item.

    ``may_be`` tells the values that ask for nothing and are therefore fine. With ``values`` only these values are
    refused, and the message names the value.
    """

    kind: str
    path: str
    reason: str
    may_be: Callable[[object], bool] = lambda _: False
    values: tuple[object, ...] = ()
    default: str = ""


UNSUPPORTED = ()
"""Every part of the language that is not built yet."""


def unsupported_parts(data: dict[str, Any], rows: tuple[Unsupported, ...] = UNSUPPORTED) -> Iterator[Finding]:
    """Find what a document asks for and cannot have yet."""
    for row in rows:
        if row.kind != data.get("kind"):
            continue
        path = tuple(row.path.split("."))
        places = tuple(_places(data, path, ()))
        for location, value in places:
            if not row.may_be(value) and _is_meant(value, row.values):
                shown = f" {value}" if isinstance(value, str) and row.values else ""
                what = f"{say_path(data, location)}{shown} is not supported yet"
                yield Finding(location, what, row.reason, at_key=True, subject=say_where(data))
        if row.default and not places and isinstance(data.get(path[0], {}), dict):
            what = f"{row.path} is left out, and its default, {row.default}, is not supported yet"
            yield Finding(path, what, row.reason, at_key=True, subject=say_where(data))


def _is_meant(value: object, values: tuple[object, ...]) -> bool:
    return not values or value in values or (isinstance(value, dict) and dict in values)


def _places(data: Any, path: tuple[str, ...], location: Location) -> Iterator[tuple[Location, Any]]:
    if not path:
        yield location, data
    elif path[0] == "*" and isinstance(data, list):
        for position, item in enumerate(data):
            yield from _places(item, path[1:], (*location, position))
    elif isinstance(data, dict) and path[0] in data:
        yield from _places(data[path[0]], path[1:], (*location, path[0]))
