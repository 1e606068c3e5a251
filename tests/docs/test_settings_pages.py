"""What the pages on installing, MWAA and Kubernetes say of settings: they exist, and their defaults are these."""

import re
from itertools import chain
from pathlib import Path

import pytest
import yaml
from airflow.configuration import retrieve_configuration_description
from drs_provider.provider_info import get_provider_info
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
INSTALL, MWAA, KUBERNETES = (
    (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("install.md", "mwaa.md", "kubernetes.md")
)
OPTIONS = {
    section: set(told["options"])
    for section, told in chain(
        retrieve_configuration_description(include_providers=False).items(), get_provider_info()["config"].items()
    )
}
OF_PROVIDERS = {"kubernetes_executor", "celery"}
"""Sections of providers that are not installed here."""


def unknown(section, names):
    return [] if section in OF_PROVIDERS else sorted(set(names) - OPTIONS.get(section, set()))


ROWS = re.findall(r"(?m)^\| `\[(\w+)\] (\w+)`((?:, `\w+`)*) \| ([^|]+) \|", INSTALL)


@pytest.mark.parametrize(("section", "first", "more", "defaults"), ROWS, ids=[row[1] for row in ROWS])
def test_a_setting_that_counts_in_the_rto_has_the_default_that_the_page_says(section, first, more, defaults):
    told = retrieve_configuration_description(include_providers=False)[section]["options"]
    names = [first, *re.findall(r"\w+", more)]
    said = [each.strip().removesuffix(" s").lower() for each in defaults.split(",")]

    assert [str(told[name]["default"]).lower().removesuffix(".0") for name in names] == said


def test_the_table_of_such_settings_has_been_read():
    assert len(ROWS) > 15


def test_amazon_mwaas_options_exist():
    named = re.findall(r"(?m)^\| `(\w+)\.(\w+)` \|", MWAA)

    assert len(named) > 5
    assert {f"{section}.{name}": unknown(section, [name]) for section, name in named if unknown(section, [name])} == {}


def test_the_floors_on_both_pages_are_those_of_the_package():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    floors = {
        need.name.removeprefix("apache-airflow-providers-"): next(
            each.version for each in need.specifier if each.operator == ">="
        )
        for need in map(Requirement, re.findall(r'(?m)^  "((?:apache-airflow|botocore)[^"]*)",$', text))
        if ">=" in str(need.specifier)
    }

    assert f"| Airflow | {floors['apache-airflow']} and newer, below 4 |" in INSTALL
    assert f"amazon from {floors['amazon']}, standard from {floors['standard']}," in INSTALL
    assert f"| botocore | from {floors['botocore']};" in INSTALL
    assert f"amazon {floors['amazon']}, standard {floors['standard']}, botocore {floors['botocore']}." in MWAA


BLOCKS = [yaml.safe_load(block) for block in re.findall(r"(?s)```yaml\n(.*?)```", KUBERNETES)]


def test_the_charts_values_set_options_that_exist_as_the_texts_that_the_chart_wants():
    settings = [block["config"] for block in BLOCKS if "config" in block]

    assert len(settings) == 2
    for config in settings:
        assert {section: unknown(section, names) for section, names in config.items() if unknown(section, names)} == {}
        assert {type(value) for names in config.values() for value in names.values()} == {str}


def test_the_values_and_the_image_name_one_airflow():
    (values,) = (block for block in BLOCKS if "airflowVersion" in block)

    assert f"FROM apache/airflow:{values['airflowVersion']}-python" in KUBERNETES
    assert values["images"]["airflow"]["tag"].startswith(f"{values['airflowVersion']}-")


def test_a_pod_template_has_what_the_executor_looks_for():
    (pod,) = (block for block in BLOCKS if block.get("kind") == "Pod")

    (container,) = pod["spec"]["containers"]
    assert (container["name"], pod["spec"]["restartPolicy"]) == ("base", "Never")
    assert {mount["name"] for mount in container["volumeMounts"]} <= {each["name"] for each in pod["spec"]["volumes"]}
