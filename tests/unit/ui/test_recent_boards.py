"""Boards that several people look at: drawn once, never old, and never for the wrong eyes."""

import gzip
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.run.state import TaskSnapshot
from drs_provider.ui import recent_boards
from drs_provider.ui.board import BoardRto, board_of
from drs_provider.ui.forecast import USUAL, Forecasts
from drs_provider.ui.read_model import RunData
from drs_provider.ui.recent_boards import DRAWN_FOR, FRESH_FOR, MOST_RUNS, READ_FOR, RecentBoards, ShownBoard

NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)
A_MOMENT = timedelta(milliseconds=10)
TASKS = {
    "preflight.check": frozenset(),
    "web.start_recovery": frozenset({"preflight.check"}),
    "web.recovery_job": frozenset({"web.start_recovery"}),
}


def a_run(run_id="r", state="running", preflight="running"):
    return RunData(
        "drs.shop",
        run_id,
        state,
        started_at=NOW - timedelta(minutes=5),
        mode="drill",
        tasks={task: TaskSnapshot(preflight if task == "preflight.check" else None) for task in TASKS},
        upstream=TASKS,
    )


class CountedRuns:
    """Runs that say how often they were read, and what was known of them then."""

    def __init__(self, *runs):
        self.runs = {run.run_id: run for run in runs}
        self.read, self.stopped = [], ()

    def run(self, dag_id, run_id, before=None):
        self.read.append(before)
        found = self.runs.get(run_id)
        return before if before is not None and found == before else found

    def stopped_parts(self, now):
        return self.stopped


class CountedForecasts:
    """A forecast, and how many boards were drawn with it."""

    def __init__(self):
        self.asked = 0

    def __call__(self) -> Forecasts:
        self.asked += 1
        return USUAL


def show(boards, runs, now, run_id="r", forecasts=None):
    return boards.show("drs.shop", run_id, runs, forecasts or CountedForecasts(), now)


def test_everybody_who_asks_within_a_moment_gets_the_same_board_and_the_run_is_read_once():
    boards, runs, forecasts = RecentBoards(), CountedRuns(a_run()), CountedForecasts()

    first, second = (show(boards, runs, NOW + n * A_MOMENT, forecasts=forecasts) for n in range(2))

    assert first is second
    assert (len(runs.read), forecasts.asked) == (1, 1)


def test_what_was_written_since_is_shown_once_the_moment_is_over():
    boards, runs = RecentBoards(), CountedRuns(a_run())
    before = show(boards, runs, NOW)
    runs.runs["r"] = a_run(preflight="failed")

    still, after = show(boards, runs, NOW + FRESH_FOR - A_MOMENT), show(boards, runs, NOW + FRESH_FOR)

    assert still is before
    assert (b'"status":"failed"' in before.body, b'"status":"failed"' in after.body) == (False, True)
    assert after.etag != before.etag


def test_a_part_of_airflow_that_stops_is_shown_although_nothing_was_written():
    boards, runs = RecentBoards(), CountedRuns(a_run())
    before = show(boards, runs, NOW)
    runs.stopped = ("scheduler",)

    after = show(boards, runs, NOW + FRESH_FOR)

    assert after.etag != before.etag


def test_a_run_in_which_nothing_was_written_is_drawn_again_only_after_a_while():
    boards, runs, forecasts = RecentBoards(), CountedRuns(a_run()), CountedForecasts()
    instants = [NOW, NOW + FRESH_FOR, NOW + DRAWN_FOR - A_MOMENT, NOW + DRAWN_FOR + FRESH_FOR]

    drawn = [(show(boards, runs, now, forecasts=forecasts), forecasts.asked)[1] for now in instants]

    assert (drawn, len(runs.read)) == ([1, 1, 1, 2], 4)


def test_a_run_is_read_as_a_whole_from_time_to_time():
    boards, runs = RecentBoards(), CountedRuns(a_run())
    instants = [NOW, NOW + FRESH_FOR, NOW + READ_FOR, NOW + READ_FOR + FRESH_FOR]

    for now in instants:
        show(boards, runs, now)

    assert [before is None for before in runs.read] == [True, False, True, False]


def test_a_clock_that_is_set_back_keeps_no_board():
    boards, runs = RecentBoards(), CountedRuns(a_run())
    show(boards, runs, NOW)

    show(boards, runs, NOW - timedelta(hours=1))

    assert runs.read == [None, None]


def test_a_run_that_there_is_not_is_not_remembered():
    boards, runs = RecentBoards(), CountedRuns()
    absent = show(boards, runs, NOW)
    runs.runs["r"] = a_run()

    assert (absent, show(boards, runs, NOW) is None) == (None, False)


def test_a_run_that_is_deleted_is_gone_once_the_moment_is_over():
    boards, runs = RecentBoards(), CountedRuns(a_run())
    show(boards, runs, NOW)
    runs.runs.clear()

    assert show(boards, runs, NOW + FRESH_FOR) is None


def test_every_run_has_its_own_board():
    boards, runs = RecentBoards(), CountedRuns(a_run("r"), a_run("s", state="failed"))

    bodies = [show(boards, runs, NOW, run_id).body for run_id in ("r", "s", "r", "s")]

    assert [f'"run_id":"{name}"'.encode() in body for name, body in zip("rsrs", bodies, strict=True)] == [True] * 4


def test_no_more_runs_are_kept_than_there_is_room_for_and_the_longest_unasked_go_first():
    boards, runs = RecentBoards(), CountedRuns(*(a_run(f"r{n}") for n in range(MOST_RUNS + 1)))
    for n in range(MOST_RUNS):
        show(boards, runs, NOW, f"r{n}")
    show(boards, runs, NOW, "r0")
    show(boards, runs, NOW, f"r{MOST_RUNS}")
    runs.read.clear()

    show(boards, runs, NOW, "r0")
    show(boards, runs, NOW, "r1")

    assert runs.read == [None]


def test_no_more_bytes_are_kept_than_there_is_room_for_but_the_last_board(monkeypatch):
    monkeypatch.setattr(recent_boards, "MOST_BYTES", 1)
    monkeypatch.setattr(recent_boards, "FEWEST_RUNS", 1)
    boards, runs = RecentBoards(), CountedRuns(a_run("r"), a_run("s"))

    for run_id in ("r", "r", "s", "r"):
        show(boards, runs, NOW, run_id)

    assert runs.read == [None] * 3


def test_a_few_boards_are_kept_whatever_their_size(monkeypatch):
    monkeypatch.setattr(recent_boards, "MOST_BYTES", 1)
    boards, runs = RecentBoards(), CountedRuns(a_run("r"), a_run("s"))

    for run_id in ("r", "s", "r", "s"):
        show(boards, runs, NOW, run_id)

    assert runs.read == [None] * 2


def test_of_many_who_ask_at_the_same_moment_one_reads():
    boards, runs = RecentBoards(), CountedRuns(a_run())
    at_once, found = threading.Barrier(8), []

    def ask():
        at_once.wait()
        found.append(show(boards, runs, NOW))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(runs.read), len(found), len({id(board) for board in found})) == (1, 8, 1)


def test_after_an_error_the_next_who_asks_looks_again():
    boards, runs = RecentBoards(), CountedRuns(a_run())

    def broken():
        raise OSError("the database is away")

    with pytest.raises(OSError, match="the database is away"):
        boards.show("drs.shop", "r", runs, broken, NOW)

    assert show(boards, runs, NOW) is not None


def test_time_alone_changes_the_name_of_a_board_not():
    board = board_of(a_run(), NOW)
    rto = BoardRto(is_known=True, target_seconds=60.0, so_far_seconds=1.0, is_there=False, expected_seconds=600.0)
    told = board.model_copy(update={"rto": rto})
    later = {"so_far_seconds": 4.0, "expected_seconds": 603.0}

    def etag(**changes):
        return ShownBoard.of(told.model_copy(update=changes)).etag

    assert etag(now=NOW + timedelta(seconds=3), rto=rto.model_copy(update=later)) == etag()
    assert etag(rto=rto.model_copy(update={"expected_seconds": 700.0})) != etag()
    assert etag(rto=rto.model_copy(update={"target_seconds": 90.0})) != etag()
    assert etag(rto=rto.model_copy(update={"is_there": True})) != etag()
    assert etag(is_paused=True) != etag()


@pytest.mark.parametrize(
    ("header", "is_known"),
    [
        (None, False),
        ("", False),
        ('W/"other"', False),
        ("{etag}", True),
        ("{strong}", True),
        ('"x", {etag}', True),
        ("*", True),
    ],
)
def test_who_names_the_board_has_it(header, is_known):
    shown = ShownBoard.of(board_of(a_run(), NOW))
    asked = header and header.format(etag=shown.etag, strong=shown.etag.removeprefix("W/"))

    assert shown.is_known(asked) is is_known


def test_only_a_big_board_is_packed():
    small = ShownBoard(b"{}", '"e"')
    big = replace(small, body=b"x" * 10_000)

    assert small.packed is None
    assert gzip.decompress(big.packed or b"") == big.body
