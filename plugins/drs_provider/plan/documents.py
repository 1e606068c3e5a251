"""The bytes of a plan file, taken apart into YAML documents that remember where everything stood."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode

from drs_provider.plan.problems import Problem
from drs_provider.plan.scalars import read_plain
from drs_provider.plan.syntax import YAMLError, compose, say_syntax_error

MOST_BYTES = 2 * 1024 * 1024
MOST_VALUES = 100_000
MOST_LEVELS = 40

Location = tuple[str | int, ...]
"""The way to a value: keys of mappings, positions in lists."""

_DOCUMENT_START = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_DIRECTIVE = re.compile(r"^%.*$", re.MULTILINE)


@dataclass
class Document:
    """One YAML document as plain data; the nodes stay, to find the line of whatever is wrong later."""

    path: Path
    first_line: int
    root: Node
    data: Any = None
    problems: list[Problem] = field(default_factory=list)
    has_nothing: bool = False
    """Whether a key or a list item somewhere was left without a value."""

    def problem(self, node: Node, where: str, what: str, hint: str = "") -> Problem:
        """Say that something is wrong at a node."""
        mark = node.start_mark
        return Problem(self.path, self.first_line + mark.line, mark.column + 1, where, what, hint)


def read_documents(
    path: Path, content: bytes, wanted: Callable[[str], bool] = lambda _: True
) -> tuple[list[Document], list[Problem]]:
    """Take a file's bytes apart; what is no YAML becomes problems. ``wanted`` may skip documents by their text."""
    if len(content) > MOST_BYTES:
        said = f"the file is larger than {MOST_BYTES // 1024 // 1024} MiB"
        return [], [Problem(path, 1, 1, "file", said, "spread its documents over several files")]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        return [], [Problem(path, line, column, "file", "the file is not UTF-8 text", "save it as UTF-8")]
    documents: list[Document] = []
    problems: list[Problem] = []
    skipped = False
    for first_line, part in _parts(text):
        if not wanted(part):
            skipped = True
            continue
        problems.extend(_read_part(path, first_line, part, documents))
    if not (documents or problems or skipped):
        said = "the file is empty" if not text.strip() else "the file holds comments only"
        problems.append(Problem(path, 1, 1, "file", said, "write a plan or a group into it, or remove it"))
    return documents, problems


def _parts(text: str) -> Iterator[tuple[int, str]]:
    # ``---`` at the beginning of a line starts a document wherever it stands, also inside an open quote. Cutting
    # here keeps broken syntax in its own document.
    starts = [0, *(match.start() for match in _DOCUMENT_START.finditer(text)), len(text)]
    line = 1
    for start, end in pairwise(starts):
        part = text[start:end]
        yield line, part
        line += part.count("\n")


def _read_part(path: Path, first_line: int, part: str, documents: list[Document]) -> Iterator[Problem]:
    directive = _DIRECTIVE.search(part)
    if directive:
        line = first_line + part.count("\n", 0, directive.start())
        yield Problem(path, line, 1, "document", f"a YAML directive ({directive[0].strip()})", "remove the line")
        return
    try:
        for root in compose(part, MOST_LEVELS):
            if isinstance(root, ScalarNode) and not root.value and not root.style:
                continue
            document = Document(path, first_line, root)
            try:
                document.data = _Construction(document).value(root, 0)
            except _TooMuchError as refused:
                yield document.problem(refused.node, "YAML", refused.what, refused.hint)
            else:
                documents.append(document)
    except YAMLError as error:
        said = say_syntax_error(error, part)
        opened = "" if said.opened_at is None else f"; it began in line {first_line + said.opened_at}"
        yield Problem(path, first_line + said.line, said.column + 1, "YAML", said.what + opened, said.hint)


class _TooMuchError(Exception):
    """The document is larger than any plan; reading it further would only cost memory."""

    def __init__(self, node: Node, what: str, hint: str) -> None:
        super().__init__(node, what, hint)
        self.node, self.what, self.hint = node, what, hint


class _Construction:
    """Plain data from nodes: dicts, lists and scalars; whatever is not that becomes a problem of the document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.values = 0

    def value(self, node: Node, level: int) -> Any:
        if node.tag:
            written = node.tag.replace("tag:yaml.org,2002:", "!!")
            self._say(node, f"the YAML tag {written} is not allowed", "write the plain value")
        if isinstance(node, ScalarNode):
            if node.style:
                return node.value
            value, odd = read_plain(node.value)
            self.document.has_nothing |= value is None
            if odd:
                self._say(node, f"{node.value} without quotes is {odd} in YAML", f'put it in quotes: "{node.value}"')
            return value
        self.values += len(node.value)
        if self.values > MOST_VALUES:
            hint = "aliases of aliases multiply; write less, or several documents"
            raise _TooMuchError(node, f"more than {MOST_VALUES} values in one document", hint)
        if level >= MOST_LEVELS:
            hint = "an alias that contains itself does this too"
            raise _TooMuchError(node, f"nested more than {MOST_LEVELS} levels deep", hint)
        if isinstance(node, MappingNode):
            return self._mapping(node, level)
        return [self.value(item, level + 1) for item in node.value]

    def _mapping(self, node: MappingNode, level: int) -> dict[str, Any]:
        read: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self._say(key, "a key must be a text", "a { or [ in front of the colon wants quotes")
            elif key.value == "<<" and not key.style:
                self._say(key, "merge keys (<<) are not allowed", "write the keys out")
            elif key.value in read:
                first = next(other for other, _ in node.value if other.value == key.value)
                line = self.document.first_line + first.start_mark.line
                self._say(key, f"the key {key.value!r} is written twice", f"first in line {line}")
            else:
                if key.tag:
                    self.value(key, level)
                # A key is always the text that was written: YAML 1.1 would make True of ``on``.
                read[key.value] = self.value(value, level + 1)
        return read

    def _say(self, node: Node, what: str, hint: str) -> None:
        self.document.problems.append(self.document.problem(node, "YAML", what, hint))
