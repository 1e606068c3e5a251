"""The schemas in ``plans/schema`` are fresh, and editors agree with us about every plan."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from drs_provider.plan.schema import schema_text, schemas
from kit.plan_files import cases_in
from unit.plan.test_language import EVERYTHING, GROUPS

PLANS = Path(__file__).parents[3] / "plans"
FILES = sorted(PLANS.rglob("*.yaml"))
NAMES = {"RecoveryPlan": "recovery-plan", "ProtectionGroup": "protection-group"}


def validator(kind):
    return jsonschema.Draft202012Validator(schemas()[NAMES[kind]])


@pytest.mark.parametrize("name", NAMES.values())
def test_a_schema_is_a_schema_and_fresh(name):
    jsonschema.Draft202012Validator.check_schema(schemas()[name])

    assert (PLANS / "schema" / f"{name}.json").read_text() == schema_text(schemas()[name]), (
        "run: drs schema --write plans/schema"
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_plan_of_ours_is_valid_for_an_editor(file):
    for document in yaml.safe_load_all(file.read_text()):
        validator(document["kind"]).validate(document)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_plan_of_ours_tells_editors_its_schema(file):
    first = file.read_text().split("\n")[0]
    named = first.removeprefix("# yaml-language-server: $schema=")

    assert (file.parent / named).resolve() in {PLANS / "schema" / f"{name}.json" for name in NAMES.values()}


def test_the_whole_language_is_valid_for_an_editor():
    # Editors read YAML 1.2, where ``on`` is a text.
    text = EVERYTHING.replace(" on: [", ' "on": [')
    for document in [*yaml.safe_load_all(text), *yaml.safe_load_all(GROUPS)]:
        validator(document["kind"]).validate(document)


@pytest.mark.parametrize(
    ("text", "said"),
    [case for case in cases_in(Path(__file__).parent / "broken") if "unknown key" in case.values[1][0]],
)
def test_an_unknown_key_is_marked_by_an_editor_too(text, said):
    document = next(yaml.safe_load_all(text))

    assert list(validator(document["kind"]).iter_errors(document))


def test_every_field_is_described():
    for name, schema in schemas().items():
        for part, body in {name: schema, **schema["$defs"]}.items():
            form = next((option for option in body.get("anyOf", ()) if "properties" in option), body)
            undescribed = [key for key, value in form["properties"].items() if "description" not in value]
            assert set(undescribed) <= {"kind"}, part


def test_a_schema_has_no_null():
    assert '"null"' not in json.dumps(schemas())
