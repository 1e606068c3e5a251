"""All runs in memory, a row for each: reports are read once, and again only where they were written again.

Nobody who looks waits for the store. A thread of its own lists it and reads what is new; what is not read yet is shown
as Airflow knows it, and how many those are is said. A row has about a kilobyte, and there is a most of them.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Event, Lock, Thread
from typing import Any, Final

from drs_provider.rules.history.row import HistoryRow, PastRun, merged, row_of_record
from drs_provider.rules.inventory.past_launches import PastLaunches
from drs_provider.rules.run.handover import KeptReport
from drs_provider.services.history.launch_book import LaunchBook
from drs_provider.services.history.report_row import ReadReport, read_kept
from drs_provider.services.history.stored import StoredReport, list_reports, read_stored

log = logging.getLogger(__name__)

FRESH_FOR: Final = 30.0
"""Seconds for which the store is not listed again, unless a run has ended since."""

MOST_WAIT: Final = 0.1
"""Seconds that somebody who looks waits for a listing: enough for a small store, and nobody notices."""

MOST_ROWS: Final = 20_000
"""Rows that are held, of the newest runs: about 20 MiB."""

KEPT_WITHIN: Final = 0.05
"""Seconds in one look for reports that only Airflow's database has; the next look goes on."""

NO_ANSWER: Final = "the store of the reports has not answered yet"

Kept = Callable[[str, str], KeptReport | None]
"""Reads what a run has kept of its report in Airflow's database, by DAG and run id."""


@dataclass(frozen=True)
class History:
    """All runs that somebody may see.

    :param pending: runs whose report is not read yet: what Airflow knows of them is shown
    :param left_out: reports beyond the most that are held, of the oldest runs
    :param problem: why the store of the reports cannot be read, without a full stop; empty: it can
    """

    rows: tuple[HistoryRow, ...]
    pending: int = 0
    left_out: int = 0
    problem: str = ""


@dataclass
class _Stored:
    """What is known of the store. Read and written with the lock held."""

    written: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    rows: dict[tuple[str, str], HistoryRow] = field(default_factory=dict)
    to_read: int = 0
    left_out: int = 0
    problem: str = ""
    has_listed: bool = False


class HistoryIndex:
    """The history of one process: as many rows as there are runs, and no report."""

    def __init__(
        self,
        folder: Callable[[], Any],
        *,
        clock: Callable[[], float] = time.monotonic,
        most_rows: int = MOST_ROWS,
        most_wait: float = MOST_WAIT,
    ) -> None:
        self._folder, self._clock = folder, clock
        self._most_rows, self._most_wait = most_rows, most_wait
        self._stored, self._door = _Stored(), Lock()
        self._kept: dict[tuple[str, str], tuple[object, HistoryRow | None]] = {}
        self._book = LaunchBook()
        self._listed_at: float | None = None
        self._last_end: datetime | None = None
        self._idle = Event()
        self._idle.set()

    def look(self, records: Iterable[PastRun], readable: Iterable[str], kept: Kept | None = None) -> History:
        """Give the row of every run, from its report, else from what it has kept of it, else from Airflow.

        :param records: the runs that Airflow knows
        :param readable: ids of the DAGs whose runs may be seen
        :param kept: reads what a run has kept of its report, where the store has none
        """
        shown = frozenset(readable)
        known = {record.key: record for record in records if record.dag_id in shown}
        self._refresh(max((record.ended_at for record in known.values() if record.ended_at), default=None))
        with self._door:
            rows = {row.key: row for row in self._stored.rows.values() if row.dag_id in shown}
            state = replace(self._stored, rows={}, written={})
        found = [merged(row, known.get(key)) for key, row in rows.items()]
        others = [record for key, record in known.items() if key not in rows]
        is_whole = state.has_listed and not state.to_read
        kept_rows, unread = self._from_kept(others, kept if is_whole else None)
        found += [kept_rows.get(record.key) or row_of_record(record) for record in others]
        problem = state.problem if state.has_listed else NO_ANSWER
        return History(tuple(found), state.to_read + unread, state.left_out, problem)

    def launches(self) -> PastLaunches:
        """Say what the runs of all plans did with each server: the very same object where nothing is new."""
        self._refresh(None)
        with self._door:
            state = self._stored
            return self._book.launches(state.to_read, state.problem if state.has_listed else NO_ANSWER)

    def wait(self, seconds: float) -> bool:
        """Wait until everything is read, for tests and programs; tell whether it is."""
        return self._idle.wait(seconds)

    def _refresh(self, last_end: datetime | None) -> None:
        """Have the store listed where that was long ago, or a run has ended since; wait for it a moment."""
        with self._door:
            is_fresh = self._listed_at is not None and self._clock() - self._listed_at < FRESH_FOR
            has_news = last_end is not None and (self._last_end is None or last_end > self._last_end)
            if self._idle.is_set() and (has_news or not is_fresh):
                self._listed_at, self._last_end = self._clock(), last_end or self._last_end
                self._idle.clear()
                Thread(target=self._read_store, name="drs-history", daemon=True).start()
        self._idle.wait(self._most_wait)

    def _read_store(self) -> None:
        try:
            folder = self._folder()
            listed = sorted(list_reports(folder), key=lambda report: report.when, reverse=True)
            self._take(folder, listed)
            problem = ""
        except Exception as error:  # noqa: BLE001 - whatever the store of the reports says
            log.warning("the reports cannot be read for the history: %r", error)
            problem = f"the store of the reports cannot be read: {type(error).__name__}"
        with self._door:
            self._stored.problem, self._stored.to_read, self._stored.has_listed = problem, 0, True
        self._idle.set()

    def _take(self, folder: Any, listed: list[StoredReport]) -> None:
        held = listed[: self._most_rows]
        places = {report.place for report in held}
        with self._door:
            stored = self._stored
            stored.left_out = len(listed) - len(held)
            for gone in stored.written.keys() - places:
                stored.written.pop(gone)
                self._put(gone, None)
            fresh = [report for report in held if stored.written.get(report.place) != report.written]
            stored.to_read = len(fresh)
        refused = 0
        for number, report in enumerate(fresh, 1):
            try:
                found = read_stored(folder, report)
            except Exception as error:  # the store's answer to this one object; it is asked for again next time
                refused += 1
                log.info("report %s cannot be read for the history: %r", report.place, error)
                if refused == number == len(fresh):
                    raise
                found, report = None, StoredReport(report.place, ())  # noqa: PLW2901
            with self._door:
                stored.written[report.place] = report.written
                stored.to_read = len(fresh) - number
                self._put(report.place, found)

    def _put(self, place: tuple[str, str], found: ReadReport | None) -> None:
        """Take what a report says in place of what it said before; None: it says nothing any more."""
        before = self._stored.rows.pop(place, None)
        if before is not None:
            self._book.forget(before.key)
        if found is not None:
            self._stored.rows[place] = found.row
            self._book.take(found.launches)

    def _from_kept(
        self, records: Iterable[PastRun], kept: Kept | None
    ) -> tuple[Mapping[tuple[str, str], HistoryRow], int]:
        """Give the rows of runs that are over and whose report only Airflow has, and how many are not read yet."""
        ended = sorted((each for each in records if each.has_ended), key=lambda each: str(each.ended_at), reverse=True)
        until, unread = self._clock() + KEPT_WITHIN, 0
        found: dict[tuple[str, str], HistoryRow] = {}
        for record in ended:
            known = self._kept.get(record.key)
            if known is None or known[0] != record.ended_at:
                if kept is None or self._clock() > until:
                    unread += kept is not None
                    continue
                left = kept(record.dag_id, record.run_id)
                read = read_kept(left, record) if left else None
                known = (record.ended_at, read.row if read else None)
                self._keep(record.key, known, read)
            if known[1] is not None:
                found[record.key] = known[1]
        return found, unread

    def _keep(
        self, key: tuple[str, str], known: tuple[object, HistoryRow | None], read: ReadReport | None = None
    ) -> None:
        with self._door:
            if self._kept.get(key):
                self._book.forget(key)
            self._kept[key] = known
            if read is not None:
                self._book.take(read.launches)
            while len(self._kept) > self._most_rows:
                self._kept.pop(next(iter(self._kept)))
