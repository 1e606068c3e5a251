"""The board of a run of the way back: every server with its bytes, its share, its estimate, and why it is held."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.run.handover import FailbackProgress, FailbackServer, PreflightResult
from drs_provider.rules.run.state import TaskSnapshot
from drs_provider.ui.board import board_of
from drs_provider.ui.read_model import RunData

NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)
TASK = "db.reverse_replication"
UPSTREAM = {
    "preflight.check": frozenset(),
    TASK: frozenset({"preflight.check"}),
    "finish.report": frozenset({TASK}),
    "finish.verdict": frozenset({"finish.report"}),
}
MEMBERS = [{"server_id": f"s-{name}", "hostname": name} for name in ("db1", "db2", "db3")]
PREFLIGHT = {
    "plan": "shop",
    "digest": "d",
    "checked_at": "2026-11-22T05:00:00+00:00",
    "needs_approval": False,
    "passed": True,
    "mode": "reprotect",
    "waves": {"db": {"selected": True, "targets": [{"aws_conn_id": "a", "region": "r", "servers": MEMBERS}]}},
}
PROGRESS = FailbackProgress(
    at=NOW,
    servers=(
        FailbackServer(
            server_id="s-db1",
            hostname="db1",
            stage="copying",
            share=0.39,
            done_bytes=39 * 2**30,
            total_bytes=100 * 2**30,
            done_at=NOW + timedelta(hours=5),
        ),
        FailbackServer(server_id="s-db2", hostname="db2", stage="ready"),
        FailbackServer(server_id="s-db3", hostname="db3", stage="stuck", stuck_at="copying", why="it has stalled"),
    ),
)


def a_board(state="deferred"):
    run = RunData(
        dag_id="drs.shop.failback",
        run_id="r",
        state="running",
        started_at=NOW,
        tasks={"preflight.check": TaskSnapshot("success", NOW, NOW), TASK: TaskSnapshot(state, NOW, None)},
        upstream=UPSTREAM,
        left={("preflight.check", PreflightResult.KEY): PREFLIGHT, (TASK, PROGRESS.KEY): PROGRESS.to_json()},
    )
    return board_of(run, NOW)


def test_a_copy_shows_its_bytes_its_share_and_the_estimate():
    (wave,) = a_board().waves

    assert (wave.status, wave.goes_back, wave.counts) == ("copying", True, {"copying": 2, "ready": 1})
    assert [(server.hostname, server.status, server.phase, server.reason) for server in wave.servers] == [
        ("db1", "copying", "39 % of 100.0 GiB, about 5h left, as DRS estimates", None),
        ("db2", "ready", None, None),
        ("db3", "copying", None, "it has stalled"),
    ]


def test_the_page_says_what_goes_on_and_knows_no_recovery_time():
    board = a_board()

    assert (board.title, board.mode, board.is_plan) == ("REPROTECT of shop", "reprotect", True)
    assert board.activity.now == ["wave db: DRS copies 3 servers to their origin, 1 ready"]
    assert board.activity.next == ["the report"]
    assert (board.rto, board.cleans_up, [row.task for row in board.final_tasks]) == (None, False, [])


def a_failback(**states):
    """A failback whose only wave is launched by now; the tasks of its end follow one another."""
    order = ["preflight.check", "db.start_recovery", "db.recovery_job"]
    ends = ("protect_again", "agree", "remove_recovered", "at_rest", "stop_failback", "report")
    order += [f"finish.{name}" for name in ends]
    found = {"preflight.check": "success", "db.start_recovery": "success", **states}
    run = RunData(
        dag_id="drs.shop.failback",
        run_id="r",
        state="running",
        started_at=NOW,
        tasks={task: TaskSnapshot(found.get(task), NOW if found.get(task) else None, None) for task in order},
        upstream={task: frozenset(order[place - 1 : place]) for place, task in enumerate(order)},
        left={("preflight.check", PreflightResult.KEY): {**PREFLIGHT, "mode": "failback"}},
    )
    return board_of(run, NOW)


@pytest.mark.parametrize(
    ("states", "then"),
    [
        ({"db.recovery_job": "deferred"}, "protect again from the origin"),
        ({"db.recovery_job": "success", "finish.protect_again": "deferred"}, "agree to the clean-up"),
        (
            dict.fromkeys(("db.recovery_job", "finish.protect_again", "finish.agree"), "success")
            | {"finish.remove_recovered": "running"},
            "look whether all is at rest",
        ),
        (
            dict.fromkeys(
                ("db.recovery_job", "finish.protect_again", "finish.agree", "finish.remove_recovered"), "success"
            )
            | {"finish.at_rest": "running"},
            "the report",
        ),
    ],
)
def test_a_failback_says_what_its_next_stage_does(states, then):
    assert a_failback(**states).activity.next == [then]


@pytest.mark.parametrize(
    ("state", "is_shown"), [(None, False), ("skipped", False), ("running", True), ("failed", True)]
)
def test_what_ends_failbacks_is_shown_only_where_somebody_has_ordered_it(state, is_shown):
    board = a_failback(**{"db.recovery_job": "failed", "finish.stop_failback": state})

    assert ("End failbacks after a cancel" in [row.name for row in board.final_tasks]) is is_shown
