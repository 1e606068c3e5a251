"""Boards as they were drawn a moment ago, for everybody who may see the run: it is read and drawn once for all of them.

A board says nothing of who looks at it, so it is kept by run alone; whether the viewer may see the run is asked of
Airflow before anything is looked up here, at every request.
"""

import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Lock
from typing import Final

from drs_provider.ui.board import Board, board_of
from drs_provider.ui.forecast import Forecasts
from drs_provider.ui.read_model import RunData, Runs

FRESH_FOR: Final = timedelta(seconds=1.5)
"""How long a board is shown without a look at the run: shorter than between two polls of a page."""

DRAWN_FOR: Final = timedelta(seconds=10)
"""How long a board stands of a run in which nothing was written: what only time changes on it is a guess anyway."""

READ_FOR: Final = timedelta(minutes=2)
"""After so long a run is read as a whole: what an XCom backend holds may change without a word in Airflow's tables."""

MOST_RUNS: Final = 50
FEWEST_RUNS: Final = 4
"""So many are kept whatever their size: two large ones must not drive each other out at every poll."""

MOST_BYTES: Final = 1024 * 1024
"""Of all boards that are kept: about four of 2,000 servers, with 20 MiB each that they are drawn from."""

_PACKED_AS: Final = 1
"""gzip's level: names and ids of many servers are packed to a tenth by the quickest."""

_PACKED_FROM: Final = 1024
"""Bytes; a smaller answer is sent as it is."""

_ABOUT: Final = 60.0
"""Seconds by which what is expected may differ without being news."""

_ALWAYS: Final = datetime(2000, 1, 1, tzinfo=UTC)
_TAG_LENGTH: Final = 32


@dataclass(frozen=True)
class ShownBoard:
    """A board as it is sent; ``etag`` is the same while it shows the same, but for how much time has passed.

    :ivar body: its JSON
    """

    body: bytes
    etag: str

    @classmethod
    def of(cls, board: Board) -> "ShownBoard":
        """Write a board."""
        return cls(board.model_dump_json().encode(), _etag(board))

    @cached_property
    def packed(self) -> bytes | None:
        """Its JSON packed with gzip, once for all who ask; None: it is too small."""
        return gzip.compress(self.body, _PACKED_AS) if len(self.body) >= _PACKED_FROM else None

    def is_known(self, if_none_match: str | None) -> bool:
        """Whether the header ``If-None-Match`` names it (RFC 9110, 13.1.2: weak comparison)."""
        named = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
        return self.etag.removeprefix("W/") in named or "*" in named


@dataclass
class _Entry:
    door: Lock = field(default_factory=Lock)
    run: RunData | None = None
    shown: ShownBoard | None = None
    stopped: tuple[str, ...] = ()
    looked_at: datetime | None = None
    drawn_at: datetime | None = None
    read_at: datetime | None = None


class RecentBoards:
    """The boards of this process: few, and each for a short time."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._door = Lock()

    def show(
        self, dag_id: str, run_id: str, runs: Runs, forecast: Callable[[], Forecasts], now: datetime
    ) -> ShownBoard | None:
        """Give the board of a run, as of less than :data:`FRESH_FOR` ago; None: there is no such run.

        Of those who ask at the same moment one looks, and the others wait for it.
        """
        entry = self._entry((dag_id, run_id))
        with entry.door:
            if entry.shown is None or not _is_within(entry.looked_at, FRESH_FOR, now):
                self._look(entry, dag_id, run_id, runs, forecast, now)
            shown = entry.shown
        self._make_room((dag_id, run_id), is_there=shown is not None)
        return shown

    def _look(  # noqa: PLR0917  (what a board is drawn from)
        self, entry: _Entry, dag_id: str, run_id: str, runs: Runs, forecast: Callable[[], Forecasts], now: datetime
    ) -> None:
        before = entry.run if _is_within(entry.read_at, READ_FOR, now) else None
        run = runs.run(dag_id, run_id, before)
        if run is None:
            entry.run = entry.shown = None
            return
        stopped = runs.stopped_parts(now)
        is_same = run is entry.run and stopped == entry.stopped
        if not is_same or entry.shown is None or not _is_within(entry.drawn_at, DRAWN_FOR, now):
            entry.shown = ShownBoard.of(board_of(run, now, forecast(), stopped))
            entry.drawn_at = now
        if before is None:
            entry.read_at = now
        entry.run, entry.stopped, entry.looked_at = run, stopped, now

    def _entry(self, key: tuple[str, str]) -> _Entry:
        with self._door:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            return entry

    def _make_room(self, key: tuple[str, str], *, is_there: bool) -> None:
        """Forget a run that there is not, and those that nobody has asked for the longest, until the rest has room."""
        with self._door:
            if not is_there:
                self._entries.pop(key, None)
            sizes = {name: len(shown.body) for name, entry in self._entries.items() if (shown := entry.shown)}
            whole = sum(sizes.values())
            while len(self._entries) > MOST_RUNS or (whole > MOST_BYTES and len(self._entries) > FEWEST_RUNS):
                oldest, _ = self._entries.popitem(last=False)
                whole -= sizes.get(oldest, 0)


def _is_within(at: datetime | None, most: timedelta, now: datetime) -> bool:
    return at is not None and timedelta(0) <= now - at < most


def _etag(board: Board) -> str:
    """Name what a board shows, whenever it was drawn: whoever has it can tell by itself how much time has passed."""
    rto = board.rto
    if rto and not rto.is_there:
        expected = None if rto.expected_seconds is None else round(rto.expected_seconds / _ABOUT) * _ABOUT
        rto = rto.model_copy(update={"so_far_seconds": 0.0, "expected_seconds": expected})
    told = board.model_copy(update={"now": _ALWAYS, "rto": rto}).model_dump_json()
    return f'W/"{hashlib.sha256(told.encode()).hexdigest()[:_TAG_LENGTH]}"'
