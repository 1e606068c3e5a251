"""JSON schemas of plans and groups, for editors that complete and check YAML while it is written."""

import ast
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from drs_provider.plan.durations import write_duration
from drs_provider.plan.fields import PlanPart, Share
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan
from drs_provider.plan.step_kinds import step_kinds

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ROOTS: Mapping[str, type[PlanPart]] = {"recovery-plan": RecoveryPlan, "protection-group": ProtectionGroup}


def schemas() -> dict[str, dict[str, Any]]:
    """Give the schema of every kind of document, under the name of its file without ``.json``."""
    descriptions = dict(_field_descriptions())
    return {name: _schema_of(root, descriptions) for name, root in _ROOTS.items()}


def schema_text(schema: Mapping[str, Any]) -> str:
    """Write a schema the one way in which it is kept in files."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _schema_of(root: type[PlanPart], descriptions: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    generated = root.model_json_schema(by_alias=True, schema_generator=_Draft, mode="validation")
    parts = {**generated.get("$defs", {}), root.__name__: generated}
    for part, schema in parts.items():
        for form in (schema, *schema.get("anyOf", ())):
            for key, value in form.get("properties", {}).items():
                value.pop("title", None)
                _describe(value, descriptions.get((part, key)))
            form.pop("title", None)
    generated.pop("$schema", None)
    return {"$schema": DIALECT, "title": root.__name__, **generated}


def _describe(schema: dict[str, Any], description: str | None) -> None:
    if description:
        schema["description"] = description
    if schema.get("default", 0) is None or isinstance(schema.get("default"), dict):
        # Nothing is what a key that is left out means; the word null is refused. Parts show their own defaults.
        del schema["default"]
    if "anyOf" in schema:
        schema["anyOf"] = [form for form in schema["anyOf"] if form != {"type": "null"}]
        if len(schema["anyOf"]) == 1:
            schema.update(schema.pop("anyOf")[0])


class _Draft(GenerateJsonSchema):
    schema_dialect = DIALECT

    def encode_default(self, dft: Any) -> Any:
        """Write defaults as a plan would."""
        if isinstance(dft, timedelta):
            return write_duration(dft)
        if isinstance(dft, Share):
            return dft.amount
        return super().encode_default(dft)


def _field_descriptions() -> Iterator[tuple[tuple[str, str], str]]:
    """Read the strings under the fields, as ``((class, key), text)``; inherited fields count for every class."""
    own: dict[tuple[str, str], str] = {}
    step_kinds()  # their modules are loaded now
    for module in dict.fromkeys(sys.modules[part.__module__] for part in _all_parts(PlanPart)):
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ClassDef):
                own.update({(node.name, field): text for field, text in _strings_under_fields(node)})
    for part in _all_parts(PlanPart):
        for name, field in part.model_fields.items():
            text = next((own[up.__name__, name] for up in part.__mro__ if (up.__name__, name) in own), None)
            if text:
                yield (part.__name__, field.alias or name), text


def _strings_under_fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(node.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


def _all_parts(part: type[PlanPart]) -> Iterator[type[PlanPart]]:
    for sub in part.__subclasses__():
        yield sub
        yield from _all_parts(sub)
