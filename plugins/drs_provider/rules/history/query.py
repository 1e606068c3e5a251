"""Which runs of the history somebody asks for, and in which order."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Final

from drs_provider.rules.history.row import HistoryRow

_Sortable = float | str | None

ORDERS: Final[dict[str, Callable[[HistoryRow], _Sortable]]] = {
    "started": lambda row: row.started_at.timestamp() if row.started_at else None,
    "plan": lambda row: row.plan,
    "mode": lambda row: row.mode,
    "result": lambda row: str(row.result),
    "user": lambda row: row.user,
    "duration": lambda row: row.duration_seconds,
    "rto": lambda row: row.rto.measured_seconds,
    "rpo": lambda row: row.rpo.measured_seconds,
    "exceptions": lambda row: row.exceptions,
    "cost": lambda row: row.cost_dollars,
}
"""What runs are sorted by; a ``-`` before the word turns the order round."""

NEWEST_FIRST: Final = "-started"


@dataclass(frozen=True)
class HistoryQuery:
    """Which runs; an empty field asks for all.

    :param user: a part of the name of who started the run
    :param text: words, all of which stand somewhere in the row
    :param since: runs that were started then or later
    :param until: runs that were started before
    :param order: a word of ``ORDERS``, with ``-`` before it for the other way round
    """

    plans: frozenset[str] = frozenset()
    modes: frozenset[str] = frozenset()
    results: frozenset[str] = frozenset()
    user: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    order: str = NEWEST_FIRST

    def matches(self, row: HistoryRow) -> bool:
        """Tell whether a run is asked for."""
        if self.plans and row.plan not in self.plans:
            return False
        if self.modes and row.mode not in self.modes:
            return False
        if self.results and str(row.result) not in self.results:
            return False
        if self.user and self.user.casefold() not in (row.user or "").casefold():
            return False
        return self._is_then(row) and self._has_words(row)

    def _is_then(self, row: HistoryRow) -> bool:
        if self.since is None and self.until is None:
            return True
        if row.started_at is None:
            return False
        after = self.since is None or row.started_at >= self.since
        return after and (self.until is None or row.started_at < self.until)

    def _has_words(self, row: HistoryRow) -> bool:
        if not self.text.strip():
            return True
        searched = "\n".join(
            (row.plan, row.title, row.run_id, row.mode, row.user or "", row.reason, row.why)
        ).casefold()
        return all(word in searched for word in self.text.casefold().split())


def selected(rows: Iterable[HistoryRow], query: HistoryQuery) -> list[HistoryRow]:
    """Return all runs that are asked for, in order; those without a value to sort by come last, whichever way."""
    value_of = ORDERS[query.order.removeprefix("-")]
    keyed = [(value_of(row), row) for row in sorted(rows, key=lambda row: row.key) if query.matches(row)]
    there = [(value, row) for value, row in keyed if value is not None]
    there.sort(key=itemgetter(0), reverse=query.order.startswith("-"))
    return [row for _, row in there] + [row for value, row in keyed if value is None]


_JUST_A_DAY: Final = len("2026-11-22")


def read_day(text: str, *, is_end: bool = False) -> datetime:
    """Read a day, or an instant, in ISO 8601; without an offset it is UTC.

    :param is_end: runs until then are asked for: of a day, its end
    :raises ValueError: it is neither; it says what to write
    """
    try:
        read = datetime.fromisoformat(text.strip())
        read = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
        return read + timedelta(days=1) if is_end and len(text.strip()) == _JUST_A_DAY else read
    except (ValueError, OverflowError):
        hint = "write a day such as 2026-11-22, or an instant such as 2026-11-22T05:00:00Z"
        raise ValueError(f"{text!r} is no day: {hint}") from None


def in_order_of_time(rows: Sequence[HistoryRow]) -> list[HistoryRow]:
    """Return the runs that have a start, the oldest first."""
    return sorted((row for row in rows if row.started_at), key=lambda row: (row.started_at or _ALWAYS, row.key))


_ALWAYS: Final = datetime(1, 1, 1, tzinfo=UTC)
