"""One thing that is wrong in a plan file, said so that a person can go there and mend it."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path


@dataclass(frozen=True, order=True)
class Problem:
    """A problem at one place of one file; ``line`` and ``column`` count from 1, as editors do.

    ``str()`` gives ``path:line:column: where: what (hint)``, which editors and CI systems turn into a link.
    """

    path: Path
    line: int
    column: int
    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        advice = f" ({self.hint})" if self.hint else ""
        return f"{self.path}:{self.line}:{self.column}: " + _one_line(f"{self.where}: {self.what}{advice}")


def _one_line(text: str) -> str:
    # Names and keys come from the file: a line break in one must not make two messages of it.
    return (
        text
        if text.isprintable()
        else "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """Word the hint that names what was probably meant, or everything possible where nothing is near."""
    choices = sorted(known)
    close = get_close_matches(word, choices, n=1) or get_close_matches(word.lower(), choices, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    few = 12
    listed = ", ".join(choices[:few]) + (", …" if len(choices) > few else "")
    return f"known: {listed}" if choices else ""
