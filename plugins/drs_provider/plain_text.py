"""Making text of others harmless for terminals: what steers one is written out instead of being obeyed."""

import re

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and line feed, what turns the direction of writing, and halves of characters."""


def plain(text: str) -> str:
    r"""Write characters that steer a terminal as ``\x1b``; line feeds and tabs stay, Windows' line ends become ours."""
    return _STEERING.sub(_written_out, text.replace("\r\n", "\n"))


def plain_line(text: str) -> str:
    """The same as one line, for names: a line break would begin a line of its own in a log."""
    return " ".join(plain(text).split())


def _written_out(found: "re.Match[str]") -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004  (the most that two digits write)
