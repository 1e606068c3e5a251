"""The site is whole: every page is in it, every part has a how-to and a reference, and nothing comes from elsewhere.

`make docs` builds it, and is where links and anchors are held; this is what it cannot see.
"""

import importlib.util
import inspect
import re
from pathlib import Path

import pytest
import yaml
from airflow.sdk import BaseOperator, BaseSensorOperator
from airflow.triggers.base import BaseTrigger
from drs_provider.operators.base import DrsOperator, DrsSensor
from drs_provider.operators.failback import DrsFailbackOperator
from drs_provider.operators.launch_settings import DrsSettingsOperator
from drs_provider.operators.source_instances import DrsSourceInstancesOperator
from drs_provider.operators.source_replication import DrsEndReplicationOperator
from drs_provider.provider_info import get_provider_info

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "plugins" / "drs_provider" / "example_dags"
BASES = {
    DrsOperator,
    DrsSensor,
    DrsFailbackOperator,
    DrsSettingsOperator,
    DrsSourceInstancesOperator,
    DrsEndReplicationOperator,
}
"""What others derive from: nobody puts these into a DAG."""
PAGES = sorted(DOCS.rglob("*.md"))


@pytest.fixture(scope="module")
def site():
    """What mkdocs calls while it builds the site."""
    spec = importlib.util.spec_from_file_location("docs_site", ROOT / ".ci" / "docs_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def config():
    class Loader(yaml.SafeLoader):
        """Reads what mkdocs makes Python objects of as plain mappings."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, _, node: loader.construct_mapping(node))
    return yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader=Loader)  # noqa: S506  (a SafeLoader)


def parts(kind, base):
    """The public classes of a kind, from the modules that the provider names."""
    for entry in get_provider_info()[kind]:
        for name in entry["python-modules"]:
            module = importlib.import_module(name)
            for found in vars(module).values():
                is_own = inspect.isclass(found) and found.__module__ == name and not found.__name__.startswith("_")
                if is_own and issubclass(found, base) and found not in BASES and not inspect.isabstract(found):
                    yield found


def snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def in_nav(entry):
    match entry:
        case str():
            yield entry
        case dict():
            yield from in_nav(list(entry.values()))
        case list():
            for inner in entry:
                yield from in_nav(inner)


def test_every_page_is_in_the_navigation_once(site, config):
    named = list(in_nav(config["nav"]))
    pages = [page.relative_to(DOCS).as_posix() for page in PAGES]

    assert sorted(named) == sorted([*pages, *site.OUTSIDE.values()])


@pytest.mark.parametrize(("kind", "base"), [("operators", BaseOperator), ("sensors", BaseSensorOperator)])
def test_every_operator_and_sensor_has_a_how_to_with_a_piece_of_an_example_that_uses_it(kind, base, site):
    text = "\n".join(page.read_text() for page in (DOCS / "operators").glob("*.md"))
    missing = []
    for found in parts(kind, base):
        one_kind = kind.removesuffix("s")
        name = f"howto_{one_kind}_{snake(found.__name__).removesuffix('_' + one_kind)}"
        shown = re.search(rf"<!-- example: {name} -->\n\[(\w+\.py)\]", text)
        if shown is None or f"{found.__name__}(" not in site.example(name, EXAMPLES / shown[1]):
            missing.append(name)

    assert missing == []


@pytest.mark.parametrize(("kind", "base"), [("hooks", object), ("triggers", BaseTrigger)])
def test_every_hook_and_trigger_is_on_its_page(kind, base):
    text = (DOCS / "operators" / f"{kind}.md").read_text()
    names = [found.__name__ for found in parts(kind, base) if kind == "triggers" or found.__name__.endswith("Hook")]

    assert len(names) >= 8
    assert [name for name in names if f"`{name}`" not in text and name != "Probe"] == []


@pytest.mark.parametrize("kind", ["hooks", "operators", "sensors", "triggers"])
def test_every_module_that_the_provider_names_is_in_the_reference(kind):
    text = (DOCS / "reference" / f"{kind}.md").read_text()
    modules = [name for entry in get_provider_info()[kind] for name in entry["python-modules"]]

    assert [name for name in modules if f"::: {name}\n" not in text] == []


def test_every_piece_of_an_example_is_shown_and_every_shown_one_is_there(site):
    shown = [name for page in PAGES for name in re.findall(r"<!-- example: (\w+) -->", page.read_text())]
    there = [name for file in EXAMPLES.glob("*.py") for name in re.findall(r"# \[START (\w+)\]", file.read_text())]

    assert sorted(shown) == sorted(there)
    for page in PAGES:
        assert "<!-- example:" not in site.with_examples(page.read_text(), page)


def test_a_piece_that_is_not_there_is_said(site):
    with pytest.raises(site.ExampleMissing) as caught:
        site.example("howto_operator_gone", EXAMPLES / "example_drs_hook.py")

    assert str(caught.value) == (
        "example_drs_hook.py has no lines between # [START howto_operator_gone] and # [END howto_operator_gone]"
    )


@pytest.mark.parametrize(
    ("source", "page", "text", "led"),
    [
        ("docs/a.md", "a.md", "[b](b.md#c)", "[b](b.md#c)"),
        ("docs/operators/a.md", "operators/a.md", "[b](../plans.md)", "[b](../plans.md)"),
        ("docs/a.md", "a.md", "[report](../SECURITY.md#x)", "[report](vulnerabilities.md#x)"),
        ("docs/adr/a.md", "adr/a.md", "[how](../../CONTRIBUTING.md)", "[how](../contributing.md)"),
        ("README.md", "index.md", "[docs/plans.md](docs/plans.md)", "[docs/plans.md](plans.md)"),
        (
            "README.md",
            "index.md",
            "![the graph](docs/images/graph-running.png)",
            "![the graph](images/graph-running.png)",
        ),
        ("requirements/constraints/README.md", "tested-versions.md", "[x](../../docs/install.md)", "[x](install.md)"),
        ("docs/a.md", "a.md", "[the file](../plugins/drs_plugin.py)", "the file"),
        ("docs/a.md", "a.md", "[x](https://example.org/y)", "[x](https://example.org/y)"),
        ("docs/a.md", "a.md", "[x](#here)", "[x](#here)"),
        ("docs/a.md", "a.md", "```\n[x](../y.py)\n```\n[x](../y.py)", "```\n[x](../y.py)\n```\nx"),
    ],
)
def test_a_link_leads_to_where_the_site_has_it(source, page, text, led, site):
    assert site.with_links(text, source, page) == led


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<script src="https://cdn.example/x.js"></script>', ['<script src="https://cdn.example/x.js']),
        ("<img alt=a src=//cdn.example/x.png>", ["<img alt=a src=//cdn.example/x.png"]),
        ('<link rel="stylesheet" href="https://f.example/a">', ['<link rel="stylesheet" href="https://f.example/a">']),
        ('<link rel="canonical" href="https://example.org/a">', []),
        ('<a href="https://example.org">x</a><script src="assets/x.js"></script><img src="a.png">', []),
    ],
)
def test_what_a_page_loads_from_another_host_is_found(html, found, site):
    assert site.loaded_from_elsewhere(html) == found


def test_the_theme_asks_nobody_for_fonts_and_no_page_needs_a_script_that_it_would_fetch(config):
    assert config["theme"]["font"] is False
    assert config["strict"] is True
    assert [page.name for page in PAGES if "```mermaid" in page.read_text()] == []
