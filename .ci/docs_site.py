"""What mkdocs does not do by itself for the site.

mkdocs calls the functions named ``on_…`` (``hooks`` in mkdocs.yml).

- Documents that lie outside of docs/ become pages of the site (`OUTSIDE`), and links to them lead there. A link to any
  other file of the repository becomes its text: the site has no copy of it.
- ``<!-- example: NAME -->`` with the link below it becomes the piece of that example between ``# [START NAME]`` and
  ``# [END NAME]``: what a page shows is what the tests run.
- A page that would load something from another host fails the build.
"""

import os
import posixpath
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]

OUTSIDE: Final = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "vulnerabilities.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
    "requirements/constraints/README.md": "tested-versions.md",
}
"""Page of the site for each document outside of docs/."""

_LINK: Final = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")
_FENCE: Final = re.compile(r"(^```.*?^```[^\S\n]*$)", re.MULTILINE | re.DOTALL)
_EXAMPLE: Final = re.compile(r"^<!-- example: (\w+) -->\n\[[^\]]+\]\(([^)]+)\)$", re.MULTILINE)
_LOADED: Final = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=["']?(?:https?:)?//[^"'\s>]+"""
)
_LINKED: Final = re.compile(r"""<link\b[^>]*\bhref=["']?(?:https?:)?//[^"'\s>]+[^>]*>""")
_ROLE: Final = re.compile(r":(?:class|meth|func|mod|attr|exc):(?=`|<code>)")


class ExampleMissing(ValueError):
    """A page names a piece of an example that is not there."""


def example(name: str, path: Path) -> str:
    """Return the piece of an example DAG with this name, as a block of code. Raises ExampleMissing."""
    found = re.search(
        rf"^ *# \[START {name}\]\n(.*?)^ *# \[END {name}\]$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    if found is None:
        raise ExampleMissing(f"{path.name} has no lines between # [START {name}] and # [END {name}]")
    return f'```python title="{path.name}"\n{textwrap.dedent(found[1]).strip()}\n```'


def with_examples(text: str, source: Path) -> str:
    """Put the pieces of examples into a page."""
    return _EXAMPLE.sub(lambda found: example(found[1], source.parent / found[2]), text)


def with_links(text: str, source: str, page: str) -> str:
    """Lead the links of a document to where the site has them.

    :param source: the document, from the root of the repository
    :param page: its page, from the root of the site
    """

    def led(found: re.Match[str]) -> str:
        image, words, target, anchor = found[1], found[2], found[3], found[4] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        place = OUTSIDE.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if place is None or place == "adr":
            return words
        return f"{image}[{words}]({os.path.relpath(place, posixpath.dirname(page) or '.')}{anchor})"

    # What a fence encloses is code: every second part.
    parts = _FENCE.split(text)
    return "".join(part if number % 2 else _LINK.sub(led, part) for number, part in enumerate(parts))


def loaded_from_elsewhere(html: str) -> list[str]:
    """Return what a page would load from another host; a link that a reader may follow is none."""
    links = [link for link in _LINKED.findall(html) if 'rel="canonical"' not in link]
    return [*_LOADED.findall(html), *links]


def on_files(files: Any, *, config: Any) -> Any:
    """Add the documents from outside of docs/."""
    from mkdocs.structure.files import File

    for source, page in OUTSIDE.items():
        content = with_links((ROOT / source).read_text("utf-8"), source, page)
        files.append(File.generated(config, page, content=content))
    logo = (ROOT / "plugins/drs_provider/logo.svg").read_bytes()
    files.append(File.generated(config, "images/logo.svg", content=logo))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Put in the pieces of examples, and lead links out of docs/ elsewhere."""
    if page.file.src_uri in OUTSIDE.values():
        return markdown
    source = f"docs/{page.file.src_uri}"
    return with_links(with_examples(markdown, ROOT / source), source, page.file.src_uri)


def on_page_content(html: str, *, page: Any, config: Any, files: Any) -> str:
    """Take out what only Sphinx reads in a docstring."""
    return _ROLE.sub("", html)


def on_post_build(*, config: Any) -> None:
    """Refuse a site that loads something from another host. Raises SystemExit."""
    if found := sorted(_pages_that_load(Path(config.site_dir))):
        raise SystemExit("the site would load from other hosts:\n" + "\n".join(found))


def _pages_that_load(site: Path) -> Iterator[str]:
    for page in site.rglob("*.html"):
        for what in loaded_from_elsewhere(page.read_text("utf-8")):
            yield f"{page.relative_to(site)}: {what}"
