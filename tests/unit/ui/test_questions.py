"""What the board says of people: who is asked what, since when, and what somebody ordered."""

from datetime import UTC, datetime

import pytest
from drs_provider.rules.run.state import TaskSnapshot
from drs_provider.ui.board import board_of
from drs_provider.ui.questions import questions_of
from drs_provider.ui.read_model import RunData

NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)
ASKED = {
    "at": "2026-11-22T05:00:00+00:00",
    "until": "2026-11-22T05:30:00+00:00",
    "try": 1,
    "subject": "Recover shop? Approval 1 of 2",
    "people": ["ann", "eve"],
}
UPSTREAM = {
    "preflight.check": frozenset(),
    "preflight.approval": frozenset({"preflight.check"}),
    "db.start_recovery": frozenset({"preflight.approval"}),
    "db.recovery_job": frozenset({"db.start_recovery"}),
    "web.delay": frozenset({"db.recovery_job"}),
    "web.pause": frozenset({"web.delay"}),
    "web.start_recovery": frozenset({"web.pause"}),
    "web.recovery_job": frozenset({"web.start_recovery"}),
}


def a_run(state="running", tasks=(), left=()):
    return RunData(
        dag_id="drs.shop",
        run_id="manual__2026-11-22T05:00:00+00:00",
        state=state,
        tasks={name: TaskSnapshot(word) for name, word in dict(tasks).items()},
        upstream=UPSTREAM,
        left=dict(left),
    )


def test_a_pending_approval_says_who_is_asked_until_when_and_where_to_answer():
    (question,) = questions_of(
        a_run(tasks={"preflight.approval": "awaiting_input"}, left={("preflight.approval", "asked"): ASKED})
    )

    assert (question.kind, question.wave, question.people) == ("approval", None, ["ann", "eve"])
    assert question.subject == "Recover shop? Approval 1 of 2"
    assert (question.since.minute, question.until.minute) == (0, 30)
    assert question.path == (
        "/dags/drs.shop/runs/manual__2026-11-22T05%3A00%3A00%2B00%3A00/tasks/preflight.approval/required_actions"
    )


def test_a_pause_belongs_to_its_wave():
    (question,) = questions_of(a_run(tasks={"web.pause": "awaiting_input"}, left={("web.pause", "asked"): ASKED}))

    assert (question.kind, question.wave) == ("pause", "web")


@pytest.mark.parametrize("state", ["success", "failed", "skipped", "upstream_failed"])
def test_what_is_answered_is_asked_no_more(state):
    assert questions_of(a_run(tasks={"web.pause": state}, left={("web.pause", "asked"): ASKED})) == []


def test_a_run_that_is_over_asks_nothing():
    run = a_run("failed", tasks={"web.pause": "awaiting_input"}, left={("web.pause", "asked"): ASKED})

    assert questions_of(run) == []


@pytest.mark.parametrize("asked", [None, "x", {}, {"at": "x", "until": "y"}, {"at": ASKED["at"]}])
def test_what_cannot_be_read_is_not_shown(asked):
    assert questions_of(a_run(tasks={"web.pause": "awaiting_input"}, left={("web.pause", "asked"): asked})) == []


def test_a_cancelled_run_says_by_whom():
    words = "cancelled by ann: wrong plan"
    board = board_of(
        a_run(tasks={"db.start_recovery": "failed"}, left={("db.start_recovery", "drs_order"): words}), NOW
    )

    assert (board.orders, board.cancelled) == ([words], words)


def test_a_wave_behind_a_delay_and_a_pause_still_says_what_it_waits_for():
    waves = {wave.name: wave.depends_on for wave in board_of(a_run(), NOW).waves}

    assert waves == {"db": [], "web": ["db"]}


def test_a_wave_says_which_points_its_servers_are_pinned_to():
    early, late = (
        {"snapshot_id": f"pit-{minute}", "at": f"2026-11-22T04:{minute}:00+00:00", "why": "point_in_time"}
        for minute in ("10", "20")
    )
    servers = [{"server_id": f"s-{n}", "hostname": f"db{n}", "point": early if n < 3 else None} for n in (1, 2, 3)]
    target = {"aws_conn_id": "aws_default", "region": "us-west-2", "servers": servers}
    left = {
        ("preflight.check", "preflight"): {
            "plan": "shop",
            "digest": "d",
            "checked_at": "2026-11-22T05:00:00+00:00",
            "needs_approval": False,
            "passed": True,
            "mode": "recovery",
            "waves": {"db": {"selected": True, "targets": [target]}},
        },
        ("db.start_recovery", "launch"): {"jobs": [], "points": {"s-2": late}},
    }
    tasks = {"preflight.check": "success", "db.start_recovery": "success"}

    db, web = board_of(a_run(tasks=tasks, left=left), NOW).waves

    assert (db.points.servers, db.points.oldest.minute, db.points.newest.minute) == (2, 10, 20)
    assert web.points is None
