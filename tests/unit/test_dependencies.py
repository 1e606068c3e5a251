"""What is imported is declared, what is declared is imported, and every list of versions keeps to it."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECTS = {
    "provider": (ROOT, (ROOT / "plugins" / "drs_provider", ROOT / "plugins" / "drs_plugin.py")),
    "simulator": (ROOT / "simulator", (ROOT / "simulator" / "drs_simulator",)),
}
OWN = {"drs_provider", "drs_simulator"}
NOT_DECLARED = {("simulator", "pytest"), ("provider", "apache-airflow-providers-fab")}
"""What only runs inside of it: the plugin for pytest is imported by pytest, FAB's tables where FAB manages users."""

LISTS = [
    path
    for path in sorted((ROOT / "requirements").rglob("*.txt"))
    if path.stem not in {"client", "docs", "installer", "postgresql", "release"}
]


def dependencies(project):
    table = tomllib.loads((PROJECTS[project][0] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(text) for text in table["dependencies"]]


def imported(project):
    """The imported modules by their dotted names, without those that are there for type checkers alone."""
    for place in PROJECTS[project][1]:
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            yield from _imported(ast.parse(path.read_text(encoding="utf-8")))


def _imported(node):
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    if isinstance(node, ast.Import):
        yield from (name.name for name in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield str(node.module)
    for child in ast.iter_child_nodes(node):
        yield from _imported(child)


def distribution_of(module, installed):
    """The distribution that a module comes from, as somebody would declare it."""
    parts = module.split(".")
    if parts[0] == "airflow":
        return f"apache-airflow-providers-{parts[2]}" if parts[1:2] == ["providers"] else "apache-airflow"
    return canonicalize_name(installed.get(parts[0], [parts[0]])[0])


@pytest.mark.parametrize("project", PROJECTS)
def test_what_is_imported_is_declared_and_what_is_declared_is_imported(project):
    installed = packages_distributions()
    known = sys.stdlib_module_names | OWN
    found = {distribution_of(module, installed) for module in imported(project) if module.split(".")[0] not in known}
    needed = {name for name in found if (project, name) not in NOT_DECLARED}

    assert needed == {canonicalize_name(requirement.name) for requirement in dependencies(project)}


def test_an_import_that_is_not_declared_would_be_seen():
    tree = ast.parse("if TYPE_CHECKING:\n import a\ndef f():\n from b.c import d\n import airflow.providers.http.hooks")

    assert list(_imported(tree)) == ["b.c", "airflow.providers.http.hooks"]
    assert distribution_of("airflow.providers.http.hooks", {}) == "apache-airflow-providers-http"
    assert distribution_of("airflow.sdk.exceptions", {}) == "apache-airflow"
    assert distribution_of("yaml.nodes", {"yaml": ["PyYAML"]}) == "pyyaml"


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("project", PROJECTS)
def test_every_list_of_versions_keeps_to_what_is_declared(project, path):
    pins = dict(re.findall(r"(?m)^([\w.-]+)==([^ ;\n]+)", path.read_text(encoding="utf-8")))

    assert {
        str(requirement): pins.get(canonicalize_name(requirement.name))
        for requirement in dependencies(project)
        if not requirement.specifier.contains(pins.get(canonicalize_name(requirement.name), "0"))
    } == {}


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_no_list_of_versions_holds_an_address(path):
    assert "://" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("cell", "pins"),
    [
        (
            "airflow-3.3.2",
            {"apache-airflow": "3.3.2", "apache-airflow-providers-amazon": "9.36.0", "botocore": "1.43.75"},
        ),
        ("mwaa-3.3.1", {"apache-airflow": "3.3.1", "apache-airflow-providers-amazon": "9.34.0", "botocore": "1.43.56"}),
    ],
)
def test_the_cells_of_the_matrix_are_what_they_are_called(cell, pins):
    text = (ROOT / "requirements" / "constraints" / f"{cell}.txt").read_text(encoding="utf-8")

    assert {name: re.findall(rf"(?m)^{name}==(.+)$", text) for name in pins} == {
        name: [version] for name, version in pins.items()
    }


def test_the_pythons_of_the_classifiers_are_those_that_are_tested():
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pythons = [text.rpartition(" ")[2] for text in table["classifiers"] if re.search(r"Python :: 3\.\d+$", text)]
    tested = re.search(r"(?m)^PYTHONS := (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8")).group(1).split()

    assert pythons == tested
    assert table["requires-python"] == f">={tested[0]}"
