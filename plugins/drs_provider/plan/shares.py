"""A share of a wave's servers: a whole number, or a percentage as ``10%``."""

import re
from dataclasses import dataclass

PATTERN = r"^(100|[1-9]?[0-9])%$"

_PERCENTAGE = re.compile(PATTERN.replace("$", r"\Z"))


@dataclass(frozen=True)
class Share:
    """So many servers, or so many of a hundred. ``str()`` is how a plan writes it."""

    amount: int
    is_percentage: bool = False

    def __str__(self) -> str:
        return f"{self.amount}%" if self.is_percentage else str(self.amount)

    def allows(self, failed: int, total: int) -> bool:
        """Tell whether this many failed servers out of the total are within the share.

        A percentage never rounds up: 10% of 9 servers allows none to fail.
        """
        if self.is_percentage:
            return failed * 100 <= self.amount * total
        return failed <= self.amount


def parse_share(written: object) -> Share:
    """Read a share; ValueError with an operator's words where it is none."""
    if isinstance(written, int) and not isinstance(written, bool) and written >= 0:
        return Share(written)
    if isinstance(written, str) and _PERCENTAGE.match(written):
        return Share(int(written[:-1]), is_percentage=True)
    raise ValueError("expected a whole number of servers, or a percentage from 0% to 100%")
