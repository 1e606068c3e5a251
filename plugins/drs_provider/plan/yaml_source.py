"""The bytes of a plan file, taken apart into YAML documents that remember where everything stood."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import CollectionEndEvent, CollectionStartEvent
from yaml.nodes import MappingNode, Node, ScalarNode
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.scanner import Scanner

from drs_provider.plan.odd_characters import OddCharacter, byte_order_marks, suspects
from drs_provider.plan.problems import Problem

MOST_BYTES = 2 * 1024 * 1024
MOST_VALUES = 100_000
MOST_LEVELS = 40
_MOST_SUSPECTS = 20
"""Odd characters that are tried as the cause of a syntax error: each costs to read the document again."""

Location = tuple[str | int, ...]
"""The way to a value: keys of mappings, positions in lists."""

_DOCUMENT_START = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_DIRECTIVE = re.compile(r"^%.*$", re.MULTILINE)


@dataclass
class YamlDocument:
    """One YAML document as plain data; the nodes stay, to find the line of whatever is wrong later."""

    path: Path
    first_line: int
    root: Node
    text: str = ""
    """What the nodes' marks count in."""
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
) -> tuple[list[YamlDocument], list[Problem]]:
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
    documents: list[YamlDocument] = []
    problems: list[Problem] = []
    skipped = False
    for first_line, part in document_parts(text):
        if not wanted(part):
            skipped = True
            continue
        problems.extend(_read_part(path, first_line, part, documents))
    if not (documents or problems or skipped):
        said = "the file is empty" if not text.strip() else "the file holds comments only"
        problems.append(Problem(path, 1, 1, "file", said, "write a plan or a group into it, or remove it"))
    return documents, problems


def document_parts(text: str) -> Iterator[tuple[int, str]]:
    """Cut a file where its documents begin: the line of each part, counted from 1, and its text."""
    # ``---`` at the beginning of a line starts a document wherever it stands, also inside an open quote. Cutting
    # here keeps broken syntax in its own document.
    starts = [0, *(match.start() for match in _DOCUMENT_START.finditer(text)), len(text)]
    line = 1
    for start, end in pairwise(starts):
        part = text[start:end]
        yield line, part
        line += part.count("\n")


def _read_part(path: Path, first_line: int, part: str, documents: list[YamlDocument]) -> Iterator[Problem]:
    directive = _DIRECTIVE.search(part)
    if directive:
        line = first_line + part.count("\n", 0, directive.start())
        yield Problem(path, line, 1, "document", f"a YAML directive ({directive[0].strip()})", "remove the line")
        return
    if mark := byte_order_marks(part):
        what = f"{mark.name} in the middle of the file"
        hint = "it is invisible and comes from joining files; delete it"
        yield Problem(path, first_line + mark.line, mark.column + 1, "YAML", what, hint)
        return
    try:
        for root in compose(part, MOST_LEVELS):
            if isinstance(root, ScalarNode) and not root.value and not root.style:
                continue
            document = YamlDocument(path, first_line, root, part)
            try:
                document.data = _Construction(document).value(root, 0)
            except _TooMuchError as refused:
                yield document.problem(refused.node, "YAML", refused.what, refused.hint)
            else:
                documents.append(document)
    except YAMLError as error:
        said = say_syntax_error(error, part)
        if odd := _odd_cause(part, said):
            yield Problem(path, first_line + odd.line, odd.column + 1, "YAML", odd.what, odd.hint)
            return
        opened = "" if said.opened_at is None else f"; it began in line {first_line + said.opened_at}"
        yield Problem(path, first_line + said.line, said.column + 1, "YAML", said.what + opened, said.hint)


def _odd_cause(text: str, said: "SyntaxProblem") -> OddCharacter | None:
    """Find the odd character without which YAML would not stumble where it does."""
    if text.isascii():
        return None
    for odd, mended in islice(suspects(text, said.line), _MOST_SUSPECTS):
        try:
            list(compose(mended, MOST_LEVELS))
        except YAMLError as error:
            other = say_syntax_error(error, mended)
            if (other.line, other.what) == (said.line, said.what):
                continue
        return odd
    return None


class _TooMuchError(Exception):
    """The document is larger than any plan; reading it further would only cost memory."""

    def __init__(self, node: Node, what: str, hint: str) -> None:
        super().__init__(node, what, hint)
        self.node, self.what, self.hint = node, what, hint


class _Construction:
    """Plain data from nodes: dicts, lists and scalars; whatever is not that becomes a problem of the document."""

    def __init__(self, document: YamlDocument) -> None:
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


__all__ = ["PythonComposer", "YAMLError", "compose", "say_syntax_error"]


class _Untyped:
    """Leaves scalars as they are written: YAML's own typing costs time and surprises people."""

    def resolve(self, _kind: Any, _value: Any, _implicit: Any) -> str:
        return ""

    def descend_resolver(self, _parent: Any, _index: Any) -> None:
        """Keep no path."""

    def ascend_resolver(self) -> None:
        """Keep no path."""


class PythonComposer(_Untyped, Reader, Scanner, Parser, Composer):
    """What reads YAML where PyYAML was built without libyaml; the same, twenty times slower."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)


_Composer: Any = PythonComposer

if yaml.__with_libyaml__:
    from yaml.cyaml import CParser  # type: ignore[attr-defined] # the stubs leave it out

    class _FastComposer(_Untyped, CParser):
        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)

    _Composer = _FastComposer

# Composing recurses: in C without any limit, in Python with a low one. In C, only texts that could go deep pay for
# looking first.
_MAY_GO_DEEP = re.compile(r"(?:[-?:][ \t]+){40}")

_MANY_BRACKETS = 1_000


def compose(text: str, most_levels: int, composer_of: Callable[[str], Any] = _Composer) -> Iterator[Node]:
    """Give the text's documents as nodes without types; raise YAMLError where the text is no YAML."""
    brackets = text.count("[") + text.count("{")
    if brackets > _MANY_BRACKETS or _MAY_GO_DEEP.search(text) or not yaml.__with_libyaml__:
        _refuse_depth(text, most_levels)
    composer = composer_of(text)
    while composer.check_node():
        yield composer.get_node()


def _refuse_depth(text: str, most_levels: int) -> None:
    composer, level = _Composer(text), 0
    while (event := composer.get_event()) is not None:
        level += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if level > most_levels:
            raise MarkedYAMLError(problem=f"nested more than {most_levels} levels deep", problem_mark=event.start_mark)


# Compiled where a file has one: that takes longer than reading a plan.
_CONTROL_CHARACTER = r"[^\x09\x0A\x0D\x20-\x7E\x85\xA0-\uD7FF\uE000-\uFFFD\U00010000-\U0010ffff]"

_WORDING = (
    ("mapping values are not allowed", "a second colon, or a line that is indented too far", "quote texts with ': '"),
    ("did not find expected key", "this line does not fit the lines above", "look at its indentation"),
    ("did not find expected '-' indicator", "this line does not fit the list above", "look at its indentation"),
    ("expected <block end>", "this line does not fit the lines above", "look at its indentation"),
    ("did not find expected ',' or ']'", "a list is not closed", "a ',' or ']' is missing"),
    ("did not find expected ',' or '}'", "a mapping is not closed", "a ',' or '}' is missing"),
    ("found unexpected end of stream", "a quoted text is not closed", "the closing quote is missing"),
    ("found unexpected document indicator", "a quoted text is not closed", "the closing quote is missing"),
    ("could not find expected ':'", "a key without a colon", "write key: value"),
    (
        "found unknown escape character",
        "an unknown escape in a text",
        r"inside double quotes write \\ for one \, or use single quotes",
    ),
    ("found undefined alias", "an alias whose anchor does not exist", "a text that begins with * wants quotes"),
    ("block sequence entries are not allowed", "a list cannot begin here", "begin it on a line of its own"),
    ("did not find expected node content", "a value is missing here, or it wants quotes", ""),
    ("did not find expected alphabetic or numeric", "a text that begins with & or * wants quotes", ""),
    ("did not find expected <document start>", "this line does not fit the lines above", "look at its indentation"),
)


@dataclass(frozen=True)
class SyntaxProblem:
    """What is wrong with the YAML itself; lines and columns count from 0. ``opened_at`` is where it began."""

    line: int
    column: int
    what: str
    hint: str = ""
    opened_at: int | None = None


def say_syntax_error(error: YAMLError, text: str) -> SyntaxProblem:
    """Say where the text stops being YAML, what is wrong there and what to do."""
    if isinstance(error, ReaderError):
        match = re.search(_CONTROL_CHARACTER, text)
        at = match.start() if match else 0
        column = at - text.rfind("\n", 0, at) - 1
        return SyntaxProblem(text.count("\n", 0, at), column, "a control character", "remove it")
    mark = error.problem_mark or error.context_mark if isinstance(error, MarkedYAMLError) else None
    if not isinstance(error, MarkedYAMLError) or mark is None:
        return SyntaxProblem(0, 0, f"not readable: {error}")
    problem = str(error.problem)
    if "cannot start any token" in problem:
        return _say_character(text, mark.line, mark.column)
    what, hint = next(((what, hint) for words, what, hint in _WORDING if words in problem), (problem, ""))
    opened_at = error.context_mark.line if error.context_mark and "not closed" in what else None
    return SyntaxProblem(mark.line, mark.column, what, hint, opened_at)


def _say_character(text: str, line: int, column: int) -> SyntaxProblem:
    lines = text.split("\n")
    character = lines[line][column] if line < len(lines) and column < len(lines[line]) else ""
    if character == "\t":
        return SyntaxProblem(line, column, "a tab; YAML is indented with spaces", "replace the tab")
    return SyntaxProblem(line, column, f"a text cannot begin with {character}", "put it in quotes")


_WORDS: dict[str, bool | None] = {
    **{written: True for word in ("yes", "true", "on") for written in (word, word.title(), word.upper())},
    **{written: False for word in ("no", "false", "off") for written in (word, word.title(), word.upper())},
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})\Z", re.ASCII)

_FLOAT = re.compile(r"([-+]?[0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?\Z", re.ASCII)

# What else is not a text in YAML 1.1, exactly as PyYAML has it: what any other tool writes as a text is a text here.
_ODD = (
    (re.compile(r"[-+]?0[0-7_]+\Z", re.ASCII), "an octal number"),
    (re.compile(r"[-+]?0x[0-9a-fA-F_]+\Z", re.ASCII), "a hexadecimal number"),
    (re.compile(r"[-+]?0b[01_]+\Z", re.ASCII), "a binary number"),
    (re.compile(r"[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+\Z", re.ASCII), "a number to the base of 60"),
    (re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*\Z", re.ASCII), "a number to the base of 60"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII), "a date"),
    (
        re.compile(
            r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]*)?"
            r"([ \t]*(Z|[-+][0-9]{1,2}(:[0-9]{2})?))?\Z",
            re.ASCII,
        ),
        "a date",
    ),
    (re.compile(r"[-+]?[1-9][0-9_]*\Z", re.ASCII), "a number"),
    (re.compile(r"([-+]?[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?\Z", re.ASCII), "a number"),
    (re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z"), "a number"),
)


def read_plain(text: str) -> tuple[Any, str]:
    """Give the value, and what YAML 1.1 would take the text for where that is no plain value of a plan."""
    if text in _WORDS:
        return _WORDS[text], ""
    if text[0] not in "0123456789+-.":
        return text, ""
    if _INTEGER.match(text):
        return int(text), ""
    if _FLOAT.match(text):
        value = float(text)
        return (value, "") if abs(value) < 1e300 else (text, "a number")  # noqa: PLR2004 - beyond is infinity
    return text, next((name for pattern, name in _ODD if pattern.match(text)), "")
