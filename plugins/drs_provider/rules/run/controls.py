"""What a person ordered while a run went on: to start nothing more, or to leave out a wave.

An order lies in the task state store of the tasks that start a wave, where Airflow's API lets a person write and the
task itself can read; it is read when the wave's turn comes. The run's note shows it to people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

ORDER = "drs_order"
"""Key in the task state store of a task that starts a wave, and of the XCom under which it leaves what it obeyed."""

CANCEL, SKIP, NONE = "cancel", "skip", "none"

LONGEST_NOTE = 1000
"""Characters of a run's note, by Airflow's API."""

_LONGEST_REASON = 300


@dataclass(frozen=True)
class Order:
    """``kind`` is cancel, skip or none; ``words`` say it with who gave it and why."""

    kind: str
    words: str

    def as_json(self) -> dict[str, str]:
        """Give what lies in the store."""
        return {"kind": self.kind, "words": self.words}


def cancellation(who: str | None, reason: str | None) -> Order:
    """Word the order to start nothing more in a run."""
    return Order(CANCEL, _words("cancelled", who, reason))


def skip(wave: str, who: str | None, reason: str | None) -> Order:
    """Word the order to leave out a wave that has not started."""
    return Order(SKIP, _words(f"wave {wave} skipped", who, reason))


def retry(wave: str, who: str | None, reason: str | None) -> Order:
    """Word the order to run a failed wave again; it takes back what was ordered before."""
    return Order(NONE, _words(f"wave {wave} retried", who, reason))


def read_order(stored: Any) -> Order | None:
    """Read what lies in the store; nothing, an order that was taken back, and what is no order are None."""
    if not isinstance(stored, Mapping) or stored.get("kind") not in (CANCEL, SKIP):
        return None
    return Order(stored["kind"], str(stored.get("words") or stored["kind"]))


def added(note: str | None, line: str) -> str:
    """Add a line to a note; where it would grow too long, the oldest lines go."""
    lines = [*(note or "").splitlines(), line]
    while len("\n".join(lines)) > LONGEST_NOTE and len(lines) > 1:
        lines.pop(0)
    return "\n".join(lines)[:LONGEST_NOTE]


def _words(what: str, who: str | None, reason: str | None) -> str:
    by = f" by {who}" if who else ""
    why = " ".join((reason or "").split())[:_LONGEST_REASON]
    return f"{what}{by}" + (f": {why}" if why else "")


END: Final = "End now"

BY: Final = {"30m": timedelta(minutes=30), "1h": timedelta(hours=1), "4h": timedelta(hours=4), "1d": timedelta(days=1)}
"""By how much a kept drill can be extended, as often as somebody asks for it."""

EXTEND: Final = tuple(f"Extend by {by}" for by in BY)

KEEP_TASK: Final = "finish.keep"


def by_of(option: str) -> timedelta:
    """Return by how much an option extends. Raises KeyError for one that does not."""
    return BY[option.removeprefix("Extend by ")]
