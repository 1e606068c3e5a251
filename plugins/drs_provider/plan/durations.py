"""Durations as plans write them: ``90s``, ``15m``, ``1h30m``, ``1d``, ``13w`` or ISO 8601 (``PT45M``, ``PT0.5H``)."""

import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from drs_provider.formatting import timespan

SHORT_PATTERN = r"(?=[0-9])([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?"
_AMOUNT = r"[0-9]+([.,][0-9]+(?=[WDHMS]$))?"
"""A whole number; the last part of all may have a fraction."""
ISO_PATTERN = rf"P(?=[0-9T])({_AMOUNT}W)?({_AMOUNT}D)?(T(?=[0-9])({_AMOUNT}H)?({_AMOUNT}M)?({_AMOUNT}S)?)?"
PATTERN = rf"^({SHORT_PATTERN}|{ISO_PATTERN})$"
EXAMPLES = ("90s", "15m", "1h30m", "1d", "13w", "PT45M")
"""Shown in messages and in the schema."""

EXPECTED = f"a duration such as {', '.join(EXAMPLES[:-1])} or {EXAMPLES[-1]}"

_DURATION = re.compile(PATTERN.replace("$", r"\Z"))
_PART = re.compile(r"([0-9]+(?:[.,][0-9]+)?)([WDHMSwdhms])")
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_LONGEST = timedelta(days=3_650)
_MOST_DIGITS = 24
"""Of one number; longer ones only overflow."""

_LOOSE = re.compile(r"\s*([0-9]+(?:[.,][0-9]+)?)\s*([a-zµ]+)\.?\s*(?:,|and|und|et)?", re.IGNORECASE)
_UNITS = {
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), "w"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
}
_BELOW = {"w": "d", "d": "h", "h": "m", "m": "s"}
_NO_FIXED_LENGTH = {
    **dict.fromkeys(("mo", "mon", "month", "months"), "month"),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), "year"),
}
_IN_DAYS = {"month": "30d", "year": "365d"}


def parse_duration(text: str) -> timedelta:
    """Read a duration; ValueError with an operator's words where the text is none or is beyond ten years."""
    if not _DURATION.match(text):
        raise ValueError(f"expected {EXPECTED}, found {text!r}")
    parts = _PART.findall(text)
    seconds = Decimal(0)
    for amount, unit in parts:
        if len(amount) > _MOST_DIGITS:
            raise ValueError(f"expected a duration of at most {timespan(_LONGEST)}, found {text!r}")
        seconds += Decimal(amount.replace(",", ".")) * _SECONDS[unit.lower()]
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"expected a duration of at most {timespan(_LONGEST)}, found {text!r}")
    return _length(seconds)


def _length(seconds: Decimal) -> timedelta:
    return timedelta(seconds=int(seconds), microseconds=round(seconds % 1 * 1_000_000))


def write_duration(value: timedelta) -> str:
    """Write a duration so that reading it gives the same one: the short way, or ISO 8601 where it has a fraction."""
    whole, micros = divmod(value, timedelta(seconds=1))
    if not micros:
        return timespan(value)
    fraction = f"{micros.microseconds:06d}".rstrip("0")
    return f"PT{whole}.{fraction}S"


def duration_hint(text: str) -> str:
    """Word what was probably meant by a text that is no duration: ``for example 90m``; empty: nobody knows."""
    if text[:1] in ("P", "p") and re.fullmatch(r"[0-9.,YMWDTHSymwdths]*", text[1:]):
        return _iso_hint(text)
    if unit := re.fullmatch(r"(?:.*([wdhm]))?[0-9]+", text, re.IGNORECASE):
        whole = text.lower() + (_BELOW[unit[1].lower()] if unit[1] else "m")
        return f"for example {whole}" if _DURATION.match(whole) else ""
    parts = list(_LOOSE.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        return ""
    words = [(part[1].replace(",", "."), part[2].lower()) for part in parts]
    endless = next((word for _, word in words if word in _NO_FIXED_LENGTH), None)
    return _length_of(_NO_FIXED_LENGTH[endless]) if endless else _meant(words)


def _meant(words: Sequence[tuple[str, str]]) -> str:
    """Word what numbers with words for units mean; empty: nobody knows."""
    if any(word not in _UNITS or len(number) > _MOST_DIGITS for number, word in words):
        return ""
    total = sum((Decimal(number) * _SECONDS[_UNITS[word]] for number, word in words), Decimal(0))
    if not 0 < total <= _LONGEST.total_seconds():
        return ""
    # Whole numbers in the right order stay as they were meant; all else is written afresh.
    written = "".join(f"{number}{_UNITS[word]}" for number, word in words)
    return f"for example {written if _DURATION.match(written) else write_duration(_length(total))}"


def _iso_hint(text: str) -> str:
    upper = text.upper()
    day = upper.partition("T")[0]
    if "Y" in day:
        return _length_of("year")
    if "M" in day:
        return f"{_length_of('month')}; minutes stand behind a T: PT{day[1:]}" if upper == day else _length_of("month")
    if text != upper and _DURATION.match(upper):
        return f"for example {upper}"
    if re.search(r"[.,][0-9]+[WDHMS](?=.)", upper):
        return "only the last part may have a fraction"
    if re.fullmatch(r"P[0-9.,]+[HMS].*", upper):
        return f"for example PT{upper[1:]}"
    return ""


def _length_of(word: str) -> str:
    return f"a {word} has no fixed length; write days, for example {_IN_DAYS[word]}"
