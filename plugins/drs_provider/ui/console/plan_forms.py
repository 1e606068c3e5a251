"""The fields of the plan editor, taken from the plan's own schema: a new field or kind of step is there by itself."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Final

from pydantic import JsonValue

from drs_provider.plan.schema import schemas
from drs_provider.plan.step_kinds import step_kinds

_LONG: Final = frozenset({"description", "message", "body", "expect_text"})
_REFERENCE: Final = "#/$defs/"
_ELSEWHERE: Final = {
    "plan": frozenset({"kind", "name", "waves", "before", "after"}),
    "wave": frozenset({"name", "groups", "depends_on", "pause_before", "before", "after"}),
    "step": frozenset({"kind"}),
}
"""What the editor shows in ways of its own."""
_FORMS: Final = {
    "boolean": "flag",
    "integer": "number",
    "number": "number",
    "list": "list",
    "long": "long",
    "string": "text",
}

Schema = Mapping[str, JsonValue]


@dataclass(frozen=True)
class FormField:
    """A field of a form.

    ``path`` leads to it from what the form is about. ``form``: text, long, number, share, flag, choice, list, json, or
    any (a text, or JSON). ``default`` in words; empty: there is none.
    """

    path: tuple[str, ...]
    form: str
    about: str = ""
    choices: tuple[str, ...] = ()
    is_required: bool = False
    default: str = ""


@cache
def plan_forms() -> dict[str, JsonValue]:
    """Return the fields of a plan by its sections, of a wave, of a pause, and of every kind of step, as JSON."""
    schema: Schema = schemas()["recovery-plan"]
    parts = _mapping(schema["$defs"])
    sections: dict[str, list[FormField]] = {"Plan": []}
    for key, inside in _mapping(schema["properties"]).items():
        if key in _ELSEWHERE["plan"]:
            continue
        fields = list(_fields(key, _mapping(inside), parts, schema))
        if len(fields) == 1 and fields[0].path == (key,) and fields[0].form != "json":
            sections["Plan"] += fields
        else:
            sections[key.capitalize()] = fields
    kinds = {kind.name: _part(kind.model.__name__, parts, _ELSEWHERE["step"]) for kind in step_kinds()}
    return {
        "order": list(_mapping(schema["properties"])),
        "sections": [{"title": title, "fields": _plain(fields)} for title, fields in sections.items()],
        "wave": _plain(_part("Wave", parts, _ELSEWHERE["wave"])),
        "pause": _plain(_part("Pause", parts, frozenset())),
        "steps": {kind.name: {"title": kind.title, "fields": _plain(kinds[kind.name])} for kind in step_kinds()},
    }


def _plain(fields: list[FormField]) -> list[JsonValue]:
    return [{**asdict(field), "path": list(field.path), "choices": list(field.choices)} for field in fields]


def _part(name: str, parts: Schema, elsewhere: frozenset[str]) -> list[FormField]:
    part = _mapping(parts[name])
    properties = _mapping(part["properties"]).items()
    return [
        field
        for key, inside in properties
        if key not in elsewhere
        for field in _fields(key, _mapping(inside), parts, part)
    ]


def _fields(key: str, schema: Schema, parts: Schema, owner: Schema, above: tuple[str, ...] = ()) -> Iterator[FormField]:
    """Give the fields that one key of a part becomes: those of the part that it holds, or itself."""
    path = (*above, key)
    reference = str(schema.get("$ref", ""))
    if reference.startswith(_REFERENCE):
        part = _mapping(parts[reference.removeprefix(_REFERENCE)])
        for inside, value in _mapping(part.get("properties", {})).items():
            yield from _fields(inside, _mapping(value), parts, part, path)
        return
    required = owner.get("required")
    form, choices = _form(key, schema)
    default = schema.get("default")
    words = "" if default is None or isinstance(default, dict | list) else str(default)
    is_required = isinstance(required, list) and key in required
    yield FormField(path, form, str(schema.get("description", "")), choices, is_required, words)


def _form(key: str, schema: Schema) -> tuple[str, tuple[str, ...]]:
    choices = schema.get("enum")
    if isinstance(choices, list):
        return "choice", tuple(str(choice) for choice in choices)
    if "const" in schema:
        return "choice", (str(schema["const"]),)
    forms = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(forms, list):
        kinds = {str(_mapping(form).get("type", "object")) for form in forms}
        return ("share" if kinds == {"integer", "string"} else "any"), ()
    kind = str(schema.get("type"))
    if kind == "array" and _mapping(schema.get("items", {})).get("type") == "string":
        kind = "list"
    elif kind == "string" and key in _LONG:
        kind = "long"
    return _FORMS.get(kind, "json"), ()


def _mapping(value: JsonValue) -> Schema:
    return value if isinstance(value, dict) else {}
