"""How the code is laid out and named, counted: folders stay small, modules are nouns, values have types."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT / "plugins" / "drs_provider", ROOT / "simulator" / "drs_simulator")
WRITTEN = (*PACKAGES, ROOT / "benchmarks", ROOT / "demo", ROOT / "docker", ROOT / "dags", ROOT / "tests")
NOUNS = {"formatting", "mapping", "timing"}
"""They end as gerunds do, and are what the field calls the thing: an error mapping, the timing of a run."""


def modules(*folders):
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_no_folder_has_twenty_modules(package):
    sizes = {}
    for path in modules(package):
        sizes[path.parent] = sizes.get(path.parent, 0) + (path.name != "__init__.py")

    assert {str(folder.relative_to(ROOT)): size for folder, size in sizes.items() if size >= 20} == {}


def test_no_module_is_named_by_a_gerund():
    last_words = {path: path.stem.rpartition("_")[2] for path in modules(*WRITTEN)}

    gerunds = [path for path, word in last_words.items() if re.fullmatch(r"\w{3,}ing", word) and word not in NOUNS]
    assert [str(path.relative_to(ROOT)) for path in gerunds] == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_any_is_rare(package):
    texts = [path.read_text(encoding="utf-8") for path in modules(package)]
    lines = sum(text.count("\n") for text in texts)

    found = sum(len(re.findall(r"\bAny\b", text)) for text in texts)
    assert found * 1000 < 20 * lines, f"{found} times in {lines} lines"


def test_no_loop_variable_is_called_one():
    assert [where for path in modules(*WRITTEN) for where in _loops_over_one(path)] == []


def _loops_over_one(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            names = {name.id for name in ast.walk(node.target) if isinstance(name, ast.Name)}
            if "one" in names:
                yield f"{path.relative_to(ROOT)}:{node.target.lineno}"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_no_name_of_a_class_stands_for_two_things(package):
    found = {}
    for path in modules(package):
        for name in re.findall(r"^class ([A-Z]\w+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            found.setdefault(name, []).append(str(path.relative_to(package)))

    assert {name: places for name, places in found.items() if len(places) > 1} == {}
