"""How figures are written for people."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_OF_NETWORKS = ("vpc-", "vpce-", "subnet-", "sg-")


def duration(seconds: float | None) -> str:
    """Write seconds as people read them: ``850 ms``, ``9.4 s``, ``3m 05s``, ``1h 02m``; ``None`` was not measured."""
    if seconds is None:
        return "not measured"
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


def some(names: Sequence[str], at_most: int = 5) -> str:
    """List the first few names and say how many more there are."""
    more = len(names) - at_most
    shown = ", ".join(names[:at_most])
    return f"{shown} and {more} more" if more > 0 else shown


def still_there(ids: Iterable[str]) -> str:
    """``2 drill instances and 1 part of the drill network are still there``."""
    names = list(ids)
    instances = sum(one.startswith("i-") for one in names)
    parts = sum(one.startswith(_OF_NETWORKS) for one in names)
    others = len(names) - instances - parts
    said = [plural(instances, "drill instance")] if instances else []
    said += [f"{parts} part{'s'[: parts != 1]} of the drill network"] if parts else []
    said += [f"{others} other thing{'s'[: others != 1]} of the drill"] if others else []
    return f"{' and '.join(said)} {'is' if len(names) == 1 else 'are'} still there"
