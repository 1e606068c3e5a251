"""Reads what people write (fleets, faults) strictly, and says what is wrong where, with the nearest known key."""

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from drs_simulator.errors import BadInput

T = TypeVar("T")


class _NoDuplicateKeys(yaml.SafeLoader):
    """Refuses a mapping that says the same key twice: the first would be lost without a word."""


def _mapping(loader: _NoDuplicateKeys, node: yaml.MappingNode) -> dict[object, object]:
    seen = set()
    for key, _ in node.value:
        if key.value in seen:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} stands twice", key.start_mark)
        seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


_NoDuplicateKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load(path: Path) -> object:
    """Read a YAML or JSON file. Raises BadInput with file, line and column."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_NoDuplicateKeys)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise BadInput(f"{where}: {getattr(error, 'problem', None) or error}") from error


def checked(
    adapter: TypeAdapter[T], data: object, source: str, known: Mapping[str, type[BaseModel]] | None = None
) -> T:
    """Hold data against a model. Raises BadInput listing everything that is wrong, one line each.

    :param known: model by tag, for discriminated unions whose tag stands in the error's location.
    """
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        lines = [f"{source}: {line}" for line in _lines(error, adapter, known or {})]
        raise BadInput("\n".join(lines)) from error


def _lines(error: ValidationError, adapter: TypeAdapter[Any], known: Mapping[str, type[BaseModel]]) -> Iterator[str]:
    properties = _keys_by_place(adapter)
    faults = error.errors(include_url=False)
    for fault in faults:
        if fault["type"] == "too_short" and any(_lies_in(other["loc"], fault["loc"]) for other in faults):
            continue  # pydantic counts only the members that are right; what is wrong with the others is said
        path = [part for part in fault["loc"] if part not in known]
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".") or "the file"
        match fault["type"]:
            case "extra_forbidden":
                tags = [part for part in fault["loc"] if part in known]
                names = sorted(_keys(known[str(tags[-1])])) if tags else properties(path[:-1])
                yield f"{where}: no such key{nearest(str(path[-1]), names)}"
            case "missing":
                yield f"{where}: is required"
            case "union_tag_invalid":
                got = fault["ctx"]["tag"]
                yield f"{where}.do: no fault does {got!r}{nearest(got, sorted(known))}"
            case "union_tag_not_found":
                yield f"{where}.do: is required: what the fault does, one of {', '.join(sorted(known))}"
            case _:
                shown = json.dumps(fault["input"], default=str)
                message = fault["msg"].removeprefix("Value error, ")
                yield f"{where}: {message}" + (
                    "" if message.startswith(repr(fault["input"])) else f" (it is {shown[:80]})"
                )


def _lies_in(place: tuple[object, ...], outer: tuple[object, ...]) -> bool:
    return len(place) > len(outer) and place[: len(outer)] == outer


def _keys(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _keys_by_place(adapter: TypeAdapter[object]) -> Any:
    schema = adapter.json_schema()

    def at(path: list[object]) -> list[str]:
        here = schema
        for part in path:
            here = _inner(_resolved(here, schema), part)
        return sorted(_resolved(here, schema).get("properties", {}))

    return at


def _resolved(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    while True:
        if "$ref" in node:
            node = root["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        elif "anyOf" in node:
            node = next((choice for choice in node["anyOf"] if choice.get("type") != "null"), {})
        else:
            return node


def _inner(node: dict[str, Any], part: object) -> dict[str, object]:
    if isinstance(part, int):
        return node.get("items", {})
    return node.get("properties", {}).get(part, {})


def nearest(name: str, names: list[str]) -> str:
    """Return `` (did you mean 'x'?)`` or `` (known: …)``."""
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f" (did you mean {close[0]!r}?)"
    return f" (known: {', '.join(names)})" if names else ""
