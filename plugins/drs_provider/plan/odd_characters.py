"""Characters that look like another one, or like none: they come with what is pasted from a wiki, a mail or a chat."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["space", "nothing", "dash", "quote", "colon", "comma"]
"""What the character is taken for by who reads it."""

_SPACES = (
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u0085\u2028\u2029"
)
_NOTHING = "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff" + "".join(
    chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
)
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\u2022\u00b7\ufe58\ufe63\uff0d"
_QUOTES = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u2032\u2033\uff02\uff07"
_COLONS = "\uff1a\ufe55\u2236\ua789"
_COMMAS = "\uff0c\u3001\ufe50\u060c"

_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(_SPACES, "space"),
    **dict.fromkeys(_NOTHING, "nothing"),
    **dict.fromkeys(_DASHES, "dash"),
    **dict.fromkeys(_QUOTES, "quote"),
    **dict.fromkeys(_COLONS, "colon"),
    **dict.fromkeys(_COMMAS, "comma"),
}
_ANY: Final = re.compile(f"[{re.escape(''.join(_KINDS))}]")
_INVISIBLE: Final = re.compile(f"[{re.escape(_SPACES + _NOTHING)}]")

_NAMES: Final = {
    "\u00a0": "no-break space",
    "\u0085": "next-line character",
    "\u2011": "non-breaking hyphen",
    "\ufeff": "byte order mark",
    "\u201c": "curly quote",
    "\u201d": "curly quote",
    "\u201e": "curly quote",
    "\u2018": "curly quote",
    "\u2019": "curly quote",
    "\u201a": "curly quote",
}
_ADVICE: Final[dict[Kind, tuple[str, str]]] = {
    "space": ("where YAML wants a space", "delete it and type a space"),
    "nothing": ("which nobody can see", "delete it, or type the line anew"),
    "dash": ("where YAML wants a dash", "replace it with -"),
    "quote": ("where YAML wants a quote", "replace both with \" or '"),
    "colon": ("where YAML wants a colon", "replace it with :"),
    "comma": ("where YAML wants a comma", "replace it with ,"),
}


_MEANT: Final[dict[Kind, str]] = {
    "space": " ",
    "nothing": "",
    "dash": "-",
    "quote": '"',
    "colon": ": ",
    "comma": ",",
}


@dataclass(frozen=True)
class OddCharacter:
    """An odd character of a text; line and column count from 0."""

    character: str
    line: int
    column: int

    @property
    def kind(self) -> Kind:
        """What it is taken for."""
        return _KINDS[self.character]

    @property
    def name(self) -> str:
        """Call it by name and number: ``a no-break space (U+00A0)``."""
        name = _NAMES.get(self.character) or unicodedata.name(self.character, "character").lower()
        return f"{'an' if name[0] in 'aeiou' else 'a'} {name} (U+{ord(self.character):04X})"

    def is_shown_in(self, text: str) -> bool:
        """Tell whether a message shows it, as it is or written out."""
        return self.character in text or ascii(self.character)[1:-1] in text

    @property
    def what(self) -> str:
        """Say what is wrong with it where YAML itself is written."""
        return f"{self.name} {_ADVICE[self.kind][0]}"

    @property
    def hint(self) -> str:
        """Say what to do."""
        return _ADVICE[self.kind][1]


def suspects(text: str, line: int) -> Iterator[tuple[OddCharacter, str]]:
    """Give the odd characters that may be why YAML stopped to understand the text in a line, the nearest one first.

    Each comes with the text as it would be with what its line's odd characters are taken for: where YAML then stumbles
    elsewhere or not at all, the character was the cause. Only places of YAML's own signs count: what begins a line or a
    value, and what stands where a colon or space must.
    """
    lines = text.split("\n")
    for number in range(min(line, len(lines) - 1), -1, -1):
        written = lines[number]
        if not written.isascii() and (column := _column(written)) is not None:
            mended = _mended(written)
            yield (
                OddCharacter(written[column], number, column),
                "\n".join([*lines[:number], mended, *lines[number + 1 :]]),
            )


def _mended(line: str) -> str:
    """Write a line with what its odd characters are taken for."""
    if all(letter == "-" or _KINDS.get(letter) == "dash" for letter in line.rstrip()):
        return "---"
    after_a_sign = re.sub(f"(?<=[:-])[{re.escape(_NOTHING)}]", " ", line)
    return _ANY.sub(lambda found: _MEANT[_KINDS[found[0]]], after_a_sign)


def _column(line: str) -> int | None:
    if line.lstrip(_SPACES + _NOTHING + " \t").startswith("#"):
        head = re.match(f"[ \t]*([{re.escape(_SPACES + _NOTHING)}])", line)
        return head.start(1) if head else None
    for match in _ANY.finditer(line):
        if _stands_for_a_sign(line, match.start()):
            return match.start()
    return None


def _stands_for_a_sign(line: str, at: int) -> bool:
    kind = _KINDS[line[at]]
    before = line[:at]
    blank = before.strip(_SPACES + _NOTHING + " \t")
    after_sign = not blank or (blank[-1] in ":-[{,?" and before[-1:] != blank[-1:]) or blank == "-"
    if kind in ("space", "nothing"):
        # Where a sign must be followed by a space, in the indentation, or in front of a key's colon.
        return not blank or blank[-1] in ":-[{,?" or line[at + 1 :].lstrip().startswith((":", "-"))
    if kind == "dash":
        return not blank or blank == "-"
    if kind == "quote":
        return after_sign
    is_key = re.fullmatch(r"(- )*[\w.-]+", blank) is not None
    return is_key if kind == "colon" else "[" in blank or "{" in blank


def in_a_word(text: str) -> OddCharacter | None:
    """Find the odd character of a key or a value that is no text for people: it has no space, or nobody sees it."""
    if text.isascii():
        return None
    is_item = text[1:2] == " " and _KINDS.get(text[0]) == "dash"
    pattern = _INVISIBLE if " " in text and not is_item else _ANY
    match = pattern.search(text)
    if match is None:
        return None
    line = text.count("\n", 0, match.start())
    return OddCharacter(match[0], line, match.start() - text.rfind("\n", 0, match.start()) - 1)


def byte_order_marks(text: str) -> OddCharacter | None:
    """Find a byte order mark: two files were joined, and what it stands before is not what it looks like."""
    at = text.find("\ufeff")
    if at < 0:
        return None
    return OddCharacter("\ufeff", text.count("\n", 0, at), at - text.rfind("\n", 0, at) - 1)
