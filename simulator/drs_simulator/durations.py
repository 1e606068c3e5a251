"""Lengths of time as people write them (``90s``, ``10m``, ``1h30m``) and as DRS writes them (``PT1M30S``)."""

import re
import sys
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def seconds_of(text: object) -> float:
    """Read a length of time in seconds from ``1h30m``, ``90s``, ``250ms`` or a plain number.

    Raises ValueError with what was expected where the text is none of these.
    """
    if isinstance(text, bool):
        raise ValueError(f"{text!r} is no length of time: write 90s, 10m, 2h, 1d or 1h30m")  # noqa: TRY004 - pydantic collects ValueError
    if isinstance(text, int | float):
        return float(min(text, sys.float_info.max))
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no length of time: write 90s, 10m, 2h, 1d or 1h30m")  # noqa: TRY004 - pydantic collects ValueError
    bare = text.strip()
    if bare and _PART.sub("", bare) == "":
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(bare))
    try:
        return float(bare)
    except ValueError:
        raise ValueError(f"{text!r} is no length of time: write 90s, 10m, 2h, 1d or 1h30m") from None


def iso_duration(seconds: float) -> str:
    """Write seconds as DRS does: ``P0D`` for nothing, else days, hours, minutes and fractional seconds."""
    if seconds <= 0:
        return "P0D"
    whole = timedelta(seconds=seconds)
    hours, rest = divmod(whole.seconds, 3600)
    minutes, left = divmod(rest, 60)
    fraction = f"{left + whole.microseconds / 1e6:.6f}".rstrip("0").rstrip(".")
    date = f"{whole.days}D" if whole.days else ""
    time = (
        (f"{hours}H" if hours else "")
        + (f"{minutes}M" if minutes else "")
        + (f"{fraction}S" if fraction != "0" else "")
    )
    return f"P{date}{'T' + time if time else ''}"


LONGEST = 10 * 365 * 86400.0
"""Seconds: nothing in the simulator lasts longer than ten years."""

Seconds = Annotated[float, BeforeValidator(seconds_of), Field(ge=0, le=LONGEST, allow_inf_nan=False)]
