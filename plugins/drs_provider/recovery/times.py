"""Instants and durations as DRS writes them."""

import re
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(
    r"(?P<sign>-?)P(?=.)(?:(?P<weeks>\d+(?:\.\d+)?)W)?(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?=.)(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 instant; the real service sends ``+00:00`` where its own model demands ``Z``.

    An instant without an offset is taken as UTC. Raises ValueError on anything else.
    """
    parsed = datetime.fromisoformat(text)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def parse_duration(text: str) -> timedelta:
    """Read an ISO 8601 duration as DRS writes them: ``P0D``, ``PT30S``, ``P2DT1H32M12.136909S``.

    Years and months have no fixed length and are refused. Raises ValueError.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no ISO 8601 duration of weeks, days, hours, minutes and seconds")
    parts = {unit: float(value) for unit, value in found.groupdict().items() if unit != "sign" and value}
    length = timedelta(**parts)
    return -length if found["sign"] else length


def duration_words(length: timedelta) -> str:
    """Say a duration in the two largest units that matter: ``2 d 1 h``, ``15 min``, ``3.2 s``."""
    seconds = length.total_seconds()
    if seconds < 0:
        return f"-{duration_words(-length)}"
    if seconds < 60:  # noqa: PLR2004  (seconds in a minute)
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    named = zip((whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60), ("d", "h", "min", "s"), strict=True)
    parts = [(count, unit) for count, unit in named]
    first = next(place for place, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)
