"""YAML text into nodes, with libyaml where it is there, and syntax errors in an operator's words."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import CollectionEndEvent, CollectionStartEvent
from yaml.nodes import Node
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.scanner import Scanner

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
