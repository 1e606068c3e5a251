"""Text for people: foreign text made harmless, instants, durations, counts and lists."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

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


_MINUTE, _HOUR, _DAY = 60, 3600, 86400

_OF_NETWORKS = ("vpc-", "vpce-", "subnet-", "sg-")


def duration(length: float | timedelta | None) -> str:
    """Write a length of time as people read it: ``850 ms``, ``9.4 s``, ``3m 05s``, ``1h 02m``, ``2d 01h``.

    :param length: seconds, or a timedelta; None: it was not measured
    """
    if length is None:
        return "not measured"
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if 0 < seconds < 0.9995:  # noqa: PLR2004 - what would round up to 1000 ms is a second
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 else "< 1 ms"  # noqa: PLR2004 - never rounded to zero
    if seconds < 59.95:  # noqa: PLR2004 - what would round up to 60.0 s is a minute
        return f"{seconds:.1f} s".replace(".0 s", " s")
    return _minutes_and_more(round(seconds))


def _minutes_and_more(seconds: int) -> str:
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}m {seconds % _MINUTE:02d}s".removesuffix(" 00s")
    seconds = round(seconds / _MINUTE) * _MINUTE
    if seconds < _DAY:
        return f"{seconds // _HOUR}h {seconds % _HOUR // _MINUTE:02d}m".removesuffix(" 00m")
    return f"{seconds // _DAY}d {seconds % _DAY // _HOUR:02d}h".removesuffix(" 00h")


def instant_words(at: datetime | None) -> str:
    """Write an instant in UTC, to the second."""
    return "not measured" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock_words(at: datetime | None) -> str:
    """Write the time of day in UTC."""
    return "not measured" if at is None else at.astimezone(UTC).strftime("%H:%M:%S")


def share(part: float | None) -> str:
    """Write a share of one as per cent."""
    return "not measured" if part is None else f"{part * 100:.1f} %"


def plural(count: int, noun: str) -> str:
    """``1 server``, ``2 servers``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def size(count: int) -> str:
    """Write a number of bytes: ``512 MiB``, ``1.5 GiB``; ``0`` for none."""
    if not count:
        return "0"
    gibibytes = count / 2**30
    return f"{gibibytes:.1f} GiB" if gibibytes >= 1 else f"{max(count // 2**20, 1)} MiB"


MANY = 12
"""How many names a log line lists."""


def some(names: Sequence[str], at_most: int = 5, separator: str = ", ") -> str:
    """List the first few names and say how many more there are."""
    more = len(names) - at_most
    shown = separator.join(names[:at_most])
    return f"{shown} and {more} more" if more > 0 else shown


def joined(names: Sequence[str]) -> str:
    """Write names as in a sentence: ``web, app and db``."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def still_there(ids: Iterable[str]) -> str:
    """``2 drill instances and 1 part of the drill network are still there``."""
    names = list(ids)
    instances = sum(name.startswith("i-") for name in names)
    parts = sum(name.startswith(_OF_NETWORKS) for name in names)
    others = len(names) - instances - parts
    said = [plural(instances, "drill instance")] if instances else []
    said += [f"{parts} part{'s'[: parts != 1]} of the drill network"] if parts else []
    said += [f"{others} other thing{'s'[: others != 1]} of the drill"] if others else []
    return f"{' and '.join(said)} {'is' if len(names) == 1 else 'are'} still there"


def timespan(value: timedelta | None) -> str:
    """Write a length of time the one short way of plans: ``1d``, ``1h30m``, ``1m30s``; seconds are the finest.

    :param value: None: the plan sets none
    """
    if value is None:
        return "none"
    left, written = round(value.total_seconds()), ""
    for unit, seconds in (("d", _DAY), ("h", _HOUR), ("m", _MINUTE), ("s", 1)):
        amount, left = divmod(left, seconds)
        written += f"{amount}{unit}" if amount else ""
    return written or "0s"


def escaped(value: str) -> str:
    """Text of people inside Markdown, so that nothing in it is markup."""
    for char in "\\`*_{}[]()#+!|~":
        value = value.replace(char, f"\\{char}")
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
