"""What people may answer about a drill that is kept for them."""

from datetime import timedelta
from typing import Final

END: Final = "End now"

BY: Final = {"30m": timedelta(minutes=30), "1h": timedelta(hours=1), "4h": timedelta(hours=4), "1d": timedelta(days=1)}
"""By how much a kept drill can be extended, as often as somebody asks for it."""

EXTEND: Final = tuple(f"Extend by {by}" for by in BY)

KEEP_TASK: Final = "finish.keep"


def by_of(option: str) -> timedelta:
    """Return by how much an option extends. Raises KeyError for one that does not."""
    return BY[option.removeprefix("Extend by ")]
