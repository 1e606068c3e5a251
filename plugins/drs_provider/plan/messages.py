"""What pydantic found wrong, in the words of an operator."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from yaml.nodes import ScalarNode

from drs_provider.plan.fields import WORDED, PlanPart, found
from drs_provider.plan.findings import LABELS, PlanFinding, node_at, say_path, say_where
from drs_provider.plan.model import NETWORK_FORMS
from drs_provider.plan.problems import nearest
from drs_provider.plan.step_kinds import step_kinds
from drs_provider.plan.steps import Step
from drs_provider.plan.yaml_source import Location, YamlDocument

Words = tuple[str, str]
"""What is wrong, and what to do about it."""


def findings_of(error: ValidationError, model: type[PlanPart], document: YamlDocument) -> Iterator[PlanFinding]:
    """Translate every error; locations lose the marks that unions leave in them."""
    for detail in error.errors(include_url=False):
        # pydantic counts only the good items of a list: a list of bad ones is not an empty list.
        if detail["type"] != "too_short" or not detail["input"]:
            yield _finding(detail, _follow(model, detail["loc"], document.data), document)


def _finding(detail: ErrorDetails, followed: "_Followed", document: YamlDocument) -> PlanFinding:
    kind, value, location = detail["type"], detail["input"], followed.location
    if kind == "missing":
        return PlanFinding(location[:-1], f"{location[-1]} is missing")
    if kind == "extra_forbidden":
        hint = nearest(str(location[-1]), _keys(followed.owner))
        what = f"unknown key {location[-1]!r}"
        return PlanFinding(location, what, hint, at_key=True, subject=_parent(document.data, location))
    if kind == "union_tag_not_found":
        kinds = sorted(mark for part in _parts_of(followed.annotation) for mark in _marks(part))
        return PlanFinding(location, "kind is missing", f"known: {', '.join(kinds)}")
    if location and location[-1] == "[key]":
        return PlanFinding(
            location[:-1],
            "expected a text as key, found an empty one",
            at_key=True,
            subject=_parent(document.data, location[:-1]),
        )
    context = detail.get("ctx", {})
    what, hint = (context["what"], context["hint"]) if kind == WORDED else _say(kind, value, context)
    node = node_at(document, location)
    if (
        "expected a text" in what
        and not isinstance(value, str)
        and isinstance(node, ScalarNode)
        and not node.style
        and node.value
    ):
        hint = f'put it in quotes: "{node.value}"'
    return PlanFinding(location, what, hint)


def _parent(data: Any, location: Location) -> str:
    return say_path(data, location[:-1]) or say_where(data)


def _say(kind: str, value: Any, context: Mapping[str, Any]) -> Words:
    wording = _WORDING.get(kind)
    return wording(value, context) if wording else (f"not valid: {kind.replace('_', ' ')}, found {found(value)}", "")


def _literal(value: Any, context: Mapping[str, Any]) -> Words:
    expected = str(context["expected"])
    choices = expected.replace("'", "").replace(" or ", ", ").split(", ")
    listed = ", ".join(choices[:-1]) + f" or {choices[-1]}" if len(choices) > 1 else choices[0]
    hint = nearest(value, choices) if isinstance(value, str) else ""
    otherwise = "a standing drill network is written {vpc: vpc-…}" if choices == ["isolated", "shared"] else ""
    if choices == ["in_waves", "ahead"] and isinstance(value, Mapping):
        otherwise = "launch settings of servers are written in the launch of their group"
    return f"expected {listed}, found {found(value)}", hint if "did you mean" in hint else otherwise


def _tag(_: Any, context: Mapping[str, Any]) -> Words:
    return f"no kind called {context['tag']!r} here", nearest(str(context["tag"]), _quoted(context["expected_tags"]))


def _quoted(listed: str) -> list[str]:
    return [word.strip().strip("'") for word in listed.split(",")]


def _list(value: Any, _: Mapping[str, Any]) -> Words:
    simple = isinstance(value, str | int | float) and not isinstance(value, bool)
    return f"expected a list, found {found(value)}", f"write [{value}]" if simple else ""


def _mapping(value: Any, _: Mapping[str, Any]) -> Words:
    return f"expected a mapping, found {found(value)}", ""


def _text(value: Any, _: Mapping[str, Any]) -> Words:
    return f"expected a text, found {found(value)}", ""


_WORDING: Mapping[str, Callable[[Any, Mapping[str, Any]], Words]] = {
    "string_type": _text,
    "string_too_short": lambda *_: ("expected a text, found an empty one", "write it, or remove the key"),
    "too_long": lambda value, context: (
        f"expected at most {context['max_length']} characters, found {len(value)}",
        "",
    ),
    "bool_type": lambda value, _: (f"expected true or false, found {found(value)}", ""),
    "int_type": lambda value, _: (f"expected a whole number, found {found(value)}", ""),
    "float_type": lambda value, _: (f"expected a number, found {found(value)}", ""),
    "finite_number": lambda value, _: (f"expected a number, found {found(value)}", ""),
    "greater_than": lambda value, context: (f"expected a number above {context['gt']:g}, found {value}", ""),
    "greater_than_equal": lambda value, context: (f"expected {context['ge']} or more, found {value}", ""),
    "less_than_equal": lambda value, context: (f"expected {context['le']} or less, found {value}", ""),
    "tuple_type": _list,
    "mapping_type": _mapping,
    "dict_type": _mapping,
    "model_type": _mapping,
    "model_attributes_type": _mapping,
    "too_short": lambda *_: ("expected at least one entry, found none", ""),
    "literal_error": _literal,
    "union_tag_invalid": _tag,
}


@dataclass(frozen=True)
class _Followed:
    """Where an error is: the location as the author sees it, the model that owns its last key, the value's type."""

    location: Location
    owner: type[PlanPart] | None
    annotation: Any


def _follow(model: type[PlanPart], loc: tuple[int | str, ...], data: Any) -> _Followed:
    """Drop union marks from pydantic's location, and find the model that owns its last part."""
    location: list[str | int] = []
    annotation: Any = model
    owner: type[PlanPart] | None = None
    for part in loc:
        parts = _parts_of(annotation)
        marked = [owned for owned in parts if part in _marks(owned)]
        if marked or part in NETWORK_FORMS:
            annotation = marked[0] if marked else annotation
            continue
        if isinstance(part, int):
            annotation = _inside(annotation)
            data = data[part] if isinstance(data, list) and part < len(data) else None
        elif isinstance(data, str) and part != "[key]":
            break  # the short form of a member: there is no ``id`` to point at
        else:
            owner = parts[0] if len(parts) == 1 else None
            annotation = _field(owner, part) if owner else _inside(annotation)
            data = data.get(part) if isinstance(data, dict) else None
        location.append(part)
    return _Followed(tuple(location), owner, annotation)


def _parts_of(annotation: Any) -> list[type[PlanPart]]:
    """Give the models that a value of this annotation may be, looking through Annotated and unions, not into lists."""
    if annotation is Step:
        return [kind.model for kind in step_kinds()]
    if isinstance(annotation, type) and issubclass(annotation, PlanPart):
        return [annotation]
    origin = get_origin(annotation)
    if origin is Annotated:
        return _parts_of(get_args(annotation)[0])
    if origin in (tuple, Literal, None) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return []
    return [part for argument in get_args(annotation) for part in _parts_of(argument)]


def _marks(model: type[PlanPart]) -> tuple[str, ...]:
    # The documents' own kinds are no marks: documents are told apart before.
    kind = model.model_fields.get("kind")
    return get_args(kind.annotation) if kind and model.__name__ not in LABELS else ()


def _inside(annotation: Any) -> Any:
    if get_origin(annotation) is Annotated:
        return _inside(get_args(annotation)[0])
    arguments = [argument for argument in get_args(annotation) if argument not in (Ellipsis, type(None))]
    return arguments[-1] if arguments else None


def _field(model: type[PlanPart], key: str) -> Any:
    for name, field in model.model_fields.items():
        if (field.alias or name) == key:
            return field.annotation
    return None


def _keys(model: type[PlanPart] | None) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()] if model else []
