"""What Airflow's provider registry is told is complete, and true."""

import ast
import importlib
import inspect
import json
from pathlib import Path

import airflow
import drs_provider
import pytest
from airflow.sdk import BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator
from airflow.sdk.module_loading import import_string
from airflow.triggers.base import BaseTrigger
from drs_provider import configuration
from drs_provider.operators.base import DrsOperator, DrsSensor
from drs_provider.provider_info import INTEGRATION, get_provider_info
from jsonschema import validate

PACKAGE = Path(drs_provider.__file__).parent
ROOT = Path(__file__).parents[2]
BASES = {DrsOperator, DrsSensor}
"""What operators and sensors derive from: nobody puts these into a DAG."""


def defined_in(kind, base):
    """The modules of a folder that define a class of this kind."""
    for path in sorted((PACKAGE / kind).glob("*.py")):
        module = importlib.import_module(f"drs_provider.{kind}.{path.stem}")
        own = [
            found for found in vars(module).values() if inspect.isclass(found) and found.__module__ == module.__name__
        ]
        if any(issubclass(found, base) and found not in BASES for found in own):
            yield module.__name__


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        ("hooks", BaseHook),
        ("operators", BaseOperator),
        ("sensors", BaseSensorOperator),
        ("triggers", BaseTrigger),
    ],
)
def test_every_module_with_something_of_a_kind_is_named(kind, base):
    named = [module for entry in get_provider_info()[kind] for module in entry["python-modules"]]

    assert sorted(named) == sorted(defined_in(kind, base))
    assert {entry["integration-name"] for entry in get_provider_info()[kind]} == {INTEGRATION}


def test_every_link_is_named():
    links = [import_string(name) for name in get_provider_info()["extra-links"]]

    assert [link.__name__ for link in links] == ["DrsJobLink", "DrsRecoveryInstanceLink", "PlanRunLink"]
    assert all(issubclass(link, BaseOperatorLink) for link in links)


def test_the_options_are_those_that_are_read():
    tree = ast.parse(Path(configuration.__file__).read_text(encoding="utf-8"))
    read = {
        call.args[0].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "_setting"
    }
    options = get_provider_info()["config"]["drs"]["options"]

    assert set(options) == read
    assert [name for name, option in options.items() if option.get("sensitive")] == ["signing_key"]
    assert all(f"DRS_{name.upper()} goes before it." in option["description"] for name, option in options.items())


def test_it_has_the_form_that_airflow_wants_and_the_logo_is_there():
    info = get_provider_info()
    validate(
        info, json.loads(Path(airflow.__file__).with_name("provider_info.schema.json").read_text(encoding="utf-8"))
    )

    assert [entry["integration-name"] for entry in info["integrations"]] == [INTEGRATION]
    assert all((ROOT / guide.removeprefix("/")).is_file() for guide in info["integrations"][0]["how-to-guide"])
    assert (PACKAGE.parent / info["integrations"][0]["logo"]).read_text(encoding="utf-8").startswith("<svg ")
