"""How the end of a recovery stands, from what Airflow and the documents say: whole words, never better than known."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.run.handover import (
    CleanedUpInstance,
    CommitDecision,
    CommitRecord,
    FailureMessage,
    LaunchedInstance,
    RolledBack,
)
from drs_provider.rules.run.state import CommitStatus, LeftDocuments, RunSnapshot, RunStatus, commit_state, state_of
from drs_provider.rules.run.state.snapshot import left_in, outline_of_edges, tasks_from_states

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ASKS, BACK, BACK_2 = "finish.commit", "finish.roll_back", "finish.roll_back_2"
EDGES = {
    "preflight.check": set(),
    "db.start_recovery": {"preflight.check"},
    "db.recovery_job": {"db.start_recovery"},
    "finish.clean_up": {"db.recovery_job"},
    "finish.look_over": {"finish.clean_up"},
    ASKS: {"finish.look_over"},
    BACK: {ASKS},
    BACK_2: {ASKS},
    "finish.report": {BACK, BACK_2},
    "finish.verdict": {"finish.report"},
}
UP = (LaunchedInstance(instance_id="i-1", server_id="s-1", hostname="db1"),)
THERE = LaunchedInstance(instance_id="i-7", server_id="s-7", hostname="db7", where="aws_east, us-east-2")
GONE = (CleanedUpInstance(instance_id="i-1", server_id="s-1"),)


def record(kind=None, **more):
    decision = kind and CommitDecision(kind=kind, by="ann", at=AT, **more)
    return CommitRecord(
        began_at=AT, until=AT + timedelta(hours=1), approvers=("ann", "bob"), instances=UP, decision=decision
    )


def snapshot(states, left, **more):
    documents = {(task, document.KEY): document.to_json() for task, document in left}
    tasks = tasks_from_states({**dict.fromkeys(EDGES), **states})
    return RunSnapshot(outline_of_edges(EDGES), tasks, left_in(documents), **{"run_state": "running", **more})


def stands(states, *left, **more):
    taken = snapshot(states, left, **more)
    found = commit_state(taken, LeftDocuments(taken))
    return found and (found.status, found.words)


DECIDED = "roll back decided by ann at 2026-03-01 12:00:00 UTC"
HALF = RolledBack(left={"i-2": "it is committed"}, not_replicated={"s-1": "its replication is STALLED"})


@pytest.mark.parametrize(
    ("states", "left", "found"),
    [
        ({}, [], None),
        ({ASKS: "skipped"}, [(ASKS, record())], None),
        (
            {ASKS: "awaiting_input"},
            [(ASKS, record())],
            (
                CommitStatus.WAITING,
                ("not committed: waits for ann, bob until 2026-03-01 13:00:00 UTC; then it is asked again, and nothing "
                "changes"),
            ),
        ),
        (
            {ASKS: "success"},
            [(ASKS, record())],
            (
                CommitStatus.UNDECIDED,
                "nobody has decided whether the recovery stands: the task that asks ended without an answer",
            ),
        ),
        (
            {ASKS: "success"},
            [(ASKS, record("commit"))],
            (CommitStatus.COMMITTED, "committed by ann at 2026-03-01 12:00:00 UTC"),
        ),
        (
            {ASKS: "success", BACK: "deferred"},
            [(ASKS, record("roll_back"))],
            (CommitStatus.ROLLING_BACK, f"{DECIDED}; it goes on"),
        ),
        (
            {ASKS: "success", BACK: "success", BACK_2: "skipped"},
            [(ASKS, record("roll_back")), (BACK, RolledBack(terminated=GONE))],
            (CommitStatus.ROLLED_BACK, "rolled back by ann at 2026-03-01 12:00:00 UTC; 1 instance terminated"),
        ),
        (
            {ASKS: "success", BACK: "success", BACK_2: "success"},
            [(ASKS, record("roll_back"))],
            (
                CommitStatus.INCOMPLETE,
                (f"{DECIDED}; the roll back is incomplete; finish.roll_back is green and left no result; "
                "finish.roll_back_2 is green and left no result"),
            ),
        ),
        (
            {ASKS: "success", BACK: "success", BACK_2: "success"},
            [(ASKS, record("roll_back")), (BACK, RolledBack(terminated=GONE))],
            (
                CommitStatus.INCOMPLETE,
                f"{DECIDED}; the roll back is incomplete; finish.roll_back_2 is green and left no result",
            ),
        ),
        (
            {ASKS: "success", BACK: "success", BACK_2: "skipped"},
            [
                (ASKS, record("roll_back").model_copy(update={"instances": (*UP, THERE)})),
                (BACK, RolledBack(terminated=GONE)),
            ],
            (
                CommitStatus.INCOMPLETE,
                (f"{DECIDED}; the roll back is incomplete; finish.roll_back_2 was skipped, and nobody rolled back "
                "aws_east, us-east-2"),
            ),
        ),
        (
            {ASKS: "success", BACK: "success", BACK_2: "failed"},
            [
                (ASKS, record("roll_back")),
                (BACK, RolledBack(terminated=GONE)),
                (BACK_2, FailureMessage(message="AccessDenied: no")),
            ],
            (CommitStatus.INCOMPLETE, f"{DECIDED}; the roll back is incomplete; AccessDenied: no"),
        ),
        (
            {ASKS: "success", BACK: "skipped", BACK_2: "skipped"},
            [(ASKS, record("roll_back"))],
            (
                CommitStatus.INCOMPLETE,
                (f"{DECIDED}; the roll back is incomplete; finish.roll_back, finish.roll_back_2 was skipped, and "
                "nobody rolled back db1"),
            ),
        ),
        (
            {ASKS: "success", BACK: "failed", BACK_2: "success"},
            [
                (ASKS, record("roll_back")),
                (BACK, HALF),
                (BACK_2, RolledBack(terminated=GONE)),
            ],
            (
                CommitStatus.INCOMPLETE,
                (f"{DECIDED}; the roll back is incomplete; still there: i-2: it is committed; source s-1: its "
                "replication is STALLED"),
            ),
        ),
        (
            {ASKS: "success", BACK: "failed", BACK_2: "skipped"},
            [(ASKS, record("roll_back")), (BACK, FailureMessage(message="AccessDenied: no"))],
            (CommitStatus.INCOMPLETE, f"{DECIDED}; the roll back is incomplete; AccessDenied: no"),
        ),
    ],
)  # fmt: skip
def test_how_it_stands(states, left, found):
    assert stands(states, *left) == found


def test_a_run_that_ended_before_its_roll_back_is_not_rolled_back():
    found = stands({ASKS: "success", BACK: None}, (ASKS, record("roll_back")), run_state="failed")

    assert found == (CommitStatus.INCOMPLETE, f"{DECIDED}; the run ended before the roll back did")


@pytest.mark.parametrize(
    ("states", "left", "status"),
    [
        ({ASKS: "awaiting_input"}, record(), RunStatus.WAITING_FOR_ANSWER),
        ({ASKS: "success", BACK: "deferred"}, record("roll_back"), RunStatus.ROLLING_BACK),
        ({ASKS: "success", BACK: "skipped", BACK_2: "skipped"}, record("commit"), RunStatus.REPORTING),
    ],
)
def test_a_run_that_waits_or_rolls_back_says_so_and_is_not_failed(states, left, status):
    done = {
        "preflight.check": "success",
        "db.start_recovery": "success",
        "db.recovery_job": "success",
        "finish.clean_up": "skipped",
        "finish.look_over": "skipped",
    }
    assert state_of(snapshot({**done, **states}, [(ASKS, left)])).status is status
