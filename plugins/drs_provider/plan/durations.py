"""Durations as plans write them: ``90s``, ``15m``, ``1h30m``, ``1d`` or ISO 8601 (``PT45M``)."""

import re
from datetime import timedelta

from drs_provider.formatting import timespan

SHORT_PATTERN = r"(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?"
ISO_PATTERN = r"P(?=[0-9T])([0-9]+W)?([0-9]+D)?(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+S)?)?"
PATTERN = rf"^({SHORT_PATTERN}|{ISO_PATTERN})$"
EXAMPLES = ("90s", "15m", "1h30m", "1d", "PT45M")
"""Shown in messages and in the schema."""

EXPECTED = f"a duration such as {', '.join(EXAMPLES[:-1])} or {EXAMPLES[-1]}"

_DURATION = re.compile(PATTERN.replace("$", r"\Z"))
_PART = re.compile(r"([0-9]+)([WDHMSwdhms])")
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_LONGEST = timedelta(days=3_650)


def parse_duration(text: str) -> timedelta:
    """Read a duration; ValueError with an operator's words where the text is none or is beyond ten years."""
    if not _DURATION.match(text):
        raise ValueError(f"expected {EXPECTED}, found {text!r}")
    parts = _PART.findall(text)
    if any(len(amount) > 10 for amount, _ in parts):  # noqa: PLR2004 - longer numbers only overflow
        raise ValueError(f"expected a duration of at most {timespan(_LONGEST)}, found {text!r}")
    seconds = sum(int(amount) * _SECONDS[unit.lower()] for amount, unit in parts)
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"expected a duration of at most {timespan(_LONGEST)}, found {text!r}")
    return timedelta(seconds=seconds)
