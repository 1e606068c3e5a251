"""What an unquoted YAML 1.1 scalar stands for, and which ones would surprise their author."""

import re
from typing import Any

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
