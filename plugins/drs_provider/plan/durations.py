"""Durations as plans write them: ``90s``, ``15m``, ``1h30m``, ``1d`` or ISO 8601 (``PT45M``)."""

import re
from datetime import timedelta

SHORT_PATTERN = r"(?=\d)(\d+d)?(\d+h)?(\d+m)?(\d+s)?"
ISO_PATTERN = r"P(?=[\dT])(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?"
PATTERN = rf"^({SHORT_PATTERN}|{ISO_PATTERN})$"
EXAMPLES = "90s, 15m, 1h30m, 1d or PT45M"

_DURATION = re.compile(PATTERN, re.ASCII)
_PART = re.compile(r"(\d+)([WDHMSwdhms])", re.ASCII)
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_LONGEST = timedelta(days=3_650)


def parse_duration(text: str) -> timedelta:
    """Read a duration; ValueError with an operator's words where the text is none or is beyond ten years."""
    if not _DURATION.match(text):
        raise ValueError(f"expected a duration such as {EXAMPLES}, found {text!r}")
    parts = _PART.findall(text)
    if any(len(amount) > 10 for amount, _ in parts):  # noqa: PLR2004 - longer numbers only overflow
        raise ValueError(f"expected a duration of at most {format_duration(_LONGEST)}, found {text!r}")
    seconds = sum(int(amount) * _SECONDS[unit.lower()] for amount, unit in parts)
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"expected a duration of at most {format_duration(_LONGEST)}, found {text!r}")
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """Write a duration the one short way, so that ``60m`` and ``1h`` give the same text; seconds are the finest."""
    left = round(duration.total_seconds())
    written = ""
    for unit in "dhms":
        amount, left = divmod(left, _SECONDS[unit])
        written += f"{amount}{unit}" if amount else ""
    return written or "0s"
