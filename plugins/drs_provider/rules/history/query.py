"""Which runs of the history somebody asks for, in which order, and where the next page goes on."""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from drs_provider.rules.history.row import HistoryRow

MOST_ON_A_PAGE: Final = 500

_Sortable = float | str | None
_Key = tuple[bool, float | str, str, str]
"""Whether there is a value (rows without one come last, whichever way), the value, DAG id and run id."""

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


class CursorUnreadable(ValueError):
    """A cursor is not one that this history has given for this order."""


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


@dataclass(frozen=True)
class RunPage:
    """Some runs of a history.

    :param next_cursor: where the next page goes on; None: this is the last one
    :param total: how many runs are asked for altogether
    """

    rows: tuple[HistoryRow, ...]
    total: int
    next_cursor: str | None = None


def selected(rows: Iterable[HistoryRow], query: HistoryQuery) -> list[HistoryRow]:
    """Return all runs that are asked for, in order; those without a value to sort by come last, whichever way."""
    return _sorted([row for row in rows if query.matches(row)], query.order)


def page_of(rows: Iterable[HistoryRow], query: HistoryQuery, *, limit: int, cursor: str | None = None) -> RunPage:
    """Return a page of the runs that are asked for.

    The cursor names the last run that was shown, not its number: runs that come in between shift nothing, and nobody
    sees a run twice or misses one that was there.

    :param limit: runs on the page, 1 to ``MOST_ON_A_PAGE``
    :raises CursorUnreadable: the cursor is none of this order
    """
    found = [row for row in rows if query.matches(row)]
    ahead = found
    if cursor:
        last = _read_cursor(cursor, query.order)
        ahead = [row for row in found if _is_after(_key(row, query.order), last, down=_is_down(query.order))]
    shown = _sorted(ahead, query.order)[: max(1, min(limit, MOST_ON_A_PAGE))]
    next_cursor = _write_cursor(shown[-1], query.order) if len(shown) < len(ahead) else None
    return RunPage(tuple(shown), len(found), next_cursor)


def _sorted(rows: Iterable[HistoryRow], order: str) -> list[HistoryRow]:
    keyed = [(_key(row, order), row) for row in rows]
    down = _is_down(order)
    there = sorted((each for each in keyed if not each[0][0]), key=_first, reverse=down)
    missing = sorted((each for each in keyed if each[0][0]), key=_first, reverse=down)
    return [row for _, row in (*there, *missing)]


def _first(keyed: tuple[_Key, HistoryRow]) -> _Key:
    return keyed[0]


def _is_after(key: _Key, last: _Key, *, down: bool) -> bool:
    if key[0] != last[0]:
        return key[0]
    return key < last if down else key > last


def _is_down(order: str) -> bool:
    return order.startswith("-")


def _key(row: HistoryRow, order: str) -> _Key:
    value = ORDERS[order.removeprefix("-")](row)
    return (value is None, "" if value is None else value, row.dag_id, row.run_id)


def _write_cursor(row: HistoryRow, order: str) -> str:
    body = json.dumps([order, *_key(row, order)], ensure_ascii=False)
    return base64.urlsafe_b64encode(body.encode("utf-8", "surrogatepass")).decode().rstrip("=")


_PARTS: Final = 5
_NO_CURSOR: Final = "the cursor is not one that this history has given: start from the first page"


def _read_cursor(cursor: str, order: str) -> _Key:
    try:
        body = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        read = json.loads(body.decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise CursorUnreadable(
            "the cursor is not one that this history has given: start from the first page"
        ) from error
    if not isinstance(read, list) or len(read) != _PARTS or read[0] != order:
        raise CursorUnreadable(f"the cursor is not one of the order {order!r}: start from the first page")
    _, is_missing, value, dag_id, run_id = read
    expected = str if order.removeprefix("-") in _TEXTS else float
    is_value = isinstance(value, (int, float) if expected is float else str) and not isinstance(value, bool)
    if not isinstance(is_missing, bool) or not (is_missing or is_value) or not _are_texts(dag_id, run_id):
        raise CursorUnreadable(_NO_CURSOR)
    return (is_missing, "" if is_missing else value, dag_id, run_id)


_TEXTS: Final = frozenset({"plan", "mode", "result", "user"})
"""Orders by text; the others are by number."""


def _are_texts(*values: object) -> bool:
    return all(isinstance(value, str) for value in values)


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
