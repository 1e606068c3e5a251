"""Every file, folder and page that a document of the project names is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "plugins" / "drs_provider"
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "simulator/*.md")
    for page in ROOT.glob(pattern)
)
# What `path` may begin with: a folder at the root, of the provider's package, or of the simulator's.
_BASES = (ROOT, PACKAGE, ROOT / "simulator" / "drs_simulator")
_TOPS = {folder.name for base in _BASES for folder in base.iterdir() if folder.is_dir()}
# What `make up` makes, and git does not keep.
_MADE = "docker/secrets"
_CODE = re.compile(r"`([\w.-]+(?:/[\w.-]+)*/?)`")
_LINK = re.compile(r"\]\((?!https?://)([^)#]*)(?:#([^)]*))?\)")
_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def paths_in(text: str) -> Iterator[str]:
    """Yield what stands in backquotes and begins with a folder of the project."""
    for named in _CODE.findall(_BLOCK.sub("", text)):
        if "/" in named and named.split("/")[0] in _TOPS:
            yield named


def anchors_in(text: str) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page):
    missing = [
        named
        for named in paths_in((ROOT / page).read_text())
        if not named.startswith(_MADE)
        and not any((base / named).exists() or (base / f"{named}.py").exists() for base in _BASES)
    ]

    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_a_link_leads_to_a_page_and_a_heading(page):
    broken = []
    for target, anchor in _LINK.findall((ROOT / page).read_text()):
        file = (ROOT / page).parent / target if target else ROOT / page
        if not file.exists() or (anchor and anchor not in anchors_in(file.read_text())):
            broken.append(f"{target}#{anchor}")

    assert broken == []


def test_references_are_found():
    text = (
        "See `rules/run/shape.py`, `a/b.py`, `/etc/passwd` and [here](docs/plans.md#steps).\n```\n`dag/gone.py`\n```\n"
    )

    assert list(paths_in(text)) == ["rules/run/shape.py"]
    assert _LINK.findall(text) == [("docs/plans.md", "steps")]
    assert sum(len(list(paths_in((ROOT / page).read_text()))) for page in PAGES) > 50
