"""Waves whose servers are replicated to their origin: nothing that nobody saw is called ready."""

from datetime import UTC, datetime

import pytest
from drs_provider.rules.failback.state import Stage
from drs_provider.rules.run.handover import (
    FailbackOutcome,
    FailbackProgress,
    FailbackServer,
    FailureMessage,
    PreflightResult,
    PreflightServer,
    PreflightTarget,
    PreflightWave,
)
from drs_provider.rules.run.state import outline_of_edges, state_of, tasks_from_states
from drs_provider.rules.run.state.copy_state import READY_STAGES
from drs_provider.rules.run.state.snapshot import RunSnapshot, left_in
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 11, 22, 5, tzinfo=UTC)
FIRST, SECOND = "db.reverse_replication", "db.reverse_replication_2"
EDGES = {
    "preflight.check": (),
    FIRST: ("preflight.check",),
    SECOND: ("preflight.check",),
    "finish.report": (FIRST, SECOND),
    "finish.verdict": ("finish.report",),
}
SERVERS = (PreflightServer(server_id="s-1", hostname="db1"), PreflightServer(server_id="s-2", hostname="db2"))
PREFLIGHT = PreflightResult(
    plan="shop",
    digest="abc",
    passed=True,
    mode="reprotect",
    checked_at=AT,
    needs_approval=False,
    waves={
        "db": PreflightWave(
            selected=True,
            targets=(
                PreflightTarget(aws_conn_id="here", region="us-west-2", servers=SERVERS[:1]),
                PreflightTarget(aws_conn_id="there", region="us-west-2", servers=SERVERS[1:]),
            ),
        )
    },
)


def progress(server_id, stage, **more):
    hostname = {"s-1": "db1", "s-2": "db2"}[server_id]
    server = FailbackServer(server_id=server_id, hostname=hostname, stage=stage, **more)
    return FailbackProgress(at=AT, servers=(server,))


def outcome(*, done=(), left=()):
    return FailbackOutcome(is_complete=not left, done=dict.fromkeys(done, "ready"), left=dict(left))


def wave(first, second, *documents, run_state="running", preflight=PREFLIGHT):
    """The wave of a run whose two tasks have these states and left these documents."""
    left = {("preflight.check", PreflightResult.KEY): preflight.to_json()} if preflight else {}
    left |= {(task, document.KEY): document.to_json() for task, document in documents}
    states = {"preflight.check": "success", FIRST: first, SECOND: second}
    snapshot = RunSnapshot(outline_of_edges(EDGES), tasks_from_states(states), left_in(left), run_state)
    (found,) = state_of(snapshot).waves
    return found


def told(found):
    return found.status.value, [(server.status.value, server.reason) for server in found.servers or ()]


ON_ITS_WAY = [(FIRST, progress("s-1", "copying", share=0.5)), (SECOND, progress("s-2", "ready"))]
DONE = [(FIRST, outcome(done=["s-1"])), (SECOND, outcome(done=["s-2"]))]
LEFT = [(FIRST, outcome(left={"s-1": "it is stuck"})), (SECOND, outcome(done=["s-2"]))]


@pytest.mark.parametrize(
    ("first", "second", "documents", "more", "expected"),
    [
        (None, None, [], {}, ("waiting", [("waiting", None), ("waiting", None)])),
        ("running", "scheduled", [], {}, ("copying", [("waiting", None), ("waiting", None)])),
        ("deferred", "deferred", ON_ITS_WAY, {}, ("copying", [("copying", None), ("ready", None)])),
        (
            "deferred",
            "success",
            [(FIRST, progress("s-1", "stuck", why="STALLED")), *DONE[1:]],
            {},
            ("copying", [("copying", "STALLED"), ("ready", None)]),
        ),
        (
            "deferred",
            "success",
            [(FIRST, progress("s-1", "recovered", needs="boot it")), *DONE[1:]],
            {},
            ("copying", [("copying", "boot it"), ("ready", None)]),
        ),
        ("success", "success", [*ON_ITS_WAY, *DONE], {}, ("ready", [("ready", None), ("ready", None)])),
        (
            "success",
            "skipped",
            DONE[:1],
            {},
            ("completed_with_exceptions", [("ready", None), ("not_started", None)]),
        ),
        (
            "success",
            "success",
            [*ON_ITS_WAY, *LEFT],
            {},
            ("completed_with_exceptions", [("stuck", "it is stuck"), ("ready", None)]),
        ),
        ("failed", "success", [*ON_ITS_WAY, *LEFT], {}, ("failed", [("stuck", "it is stuck"), ("ready", None)])),
        ("success", "success", DONE[:1], {}, ("unproven", [("ready", None), ("not_started", None)])),
        ("skipped", "skipped", [], {}, ("skipped", [("skipped", None), ("skipped", None)])),
        ("upstream_failed", "upstream_failed", [], {}, ("not_started", [("not_started", None)] * 2)),
        (None, None, [], {"run_state": "failed"}, ("not_started", [("not_started", None)] * 2)),
        (
            "failed",
            "failed",
            ON_ITS_WAY,
            {"run_state": "failed"},
            (
                "failed",
                [("stuck", "the run no longer follows it; what DRS copies goes on"), ("ready", None)],
            ),
        ),
        (None, None, [], {"preflight": None}, ("waiting", [])),
    ],
)
def test_a_wave_is_as_far_as_somebody_saw_its_servers(first, second, documents, more, expected):
    assert told(wave(first, second, *documents, **more)) == expected


def test_the_stages_that_count_as_ready_are_stages():
    assert READY_STAGES == (Stage.READY, Stage.LAUNCHING, Stage.FAILED_BACK, Stage.REPROTECTING, Stage.REPROTECTED)


def test_the_reason_of_a_failed_wave_is_its_tasks_last_word():
    found = wave("failed", "success", (FIRST, FailureMessage(message="db1: boom")), *LEFT)

    assert (found.reason, found.cause) == ("db1: boom", "servers")
    assert found.arrived == "1 of 2 servers ready"


_STATES = st.sampled_from([None, "running", "deferred", "success", "failed", "skipped", "upstream_failed", "removed"])
_STAGES = st.sampled_from(["recovered", "reversing", "copying", "ready", "stuck", "failed_back"])


@given(
    states=st.tuples(_STATES, _STATES),
    stages=st.tuples(st.none() | _STAGES, st.none() | _STAGES),
    ends=st.tuples(*[st.sampled_from(["none", "done", "left"])] * 2),
    run_state=st.sampled_from(["running", "success", "failed"]),
)
def test_a_wave_is_ready_only_if_every_task_of_it_said_so(states, stages, ends, run_state):
    documents = []
    for task, server_id, stage, end in zip((FIRST, SECOND), ("s-1", "s-2"), stages, ends, strict=True):
        documents += [(task, progress(server_id, stage))] if stage else []
        documents += [(task, outcome(done=[server_id]))] if end == "done" else []
        documents += [(task, outcome(left={server_id: "no"}))] if end == "left" else []
    found = wave(*states, *documents, run_state=run_state)

    if found.status == "ready":
        assert (states, ends) == (("success", "success"), ("done", "done"))
    if found.status.is_over and not found.status.is_done and found.status != "not_started":
        assert found.reason
    assert "copying" not in [server.status for server in found.servers] or not found.status.is_over
