"""The live board, from what tasks have left so far; nothing counts as done before somebody said so."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.rules.run.state import TaskSnapshot, state_of
from drs_provider.ui.board import Board, board_of, snapshot_of
from drs_provider.ui.read_model import DOCUMENTS, RunData
from drs_provider.ui.xcom_values import unwrapped
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)
UPSTREAM = {
    "preflight.check": frozenset(),
    "db.start_recovery": frozenset({"preflight.check"}),
    "db.start_recovery_2": frozenset({"preflight.check"}),
    "db.recovery_job": frozenset({"db.start_recovery", "db.start_recovery_2"}),
    "db.servers": frozenset({"db.start_recovery"}),
    "app.start_recovery": frozenset({"db.recovery_job"}),
    "app.recovery_job": frozenset({"app.start_recovery"}),
    "finish.clean_up": frozenset({"app.recovery_job"}),
    "finish.report": frozenset({"finish.clean_up"}),
}


def member(name: str) -> dict[str, Any]:
    return {"server_id": f"s-{name}", "hostname": name, "group": "g", "critical": name != "optional"}


def in_region(*names: str) -> dict[str, Any]:
    return {"aws_conn_id": "aws_default", "region": "us-west-2", "servers": [member(name) for name in names]}


PREFLIGHT = {
    "plan": "shop",
    "digest": "d",
    "checked_at": "2026-11-22T05:00:00+00:00",
    "needs_approval": False,
    "passed": True,
    "mode": "drill",
    "findings": [{"severity": "warning", "what": "lag"}],
    "waves": {
        "db": {"selected": True, "targets": [in_region("db1", "db2"), in_region("db3")]},
        "app": {"selected": True, "targets": [in_region("optional")]},
    },
}


def a_run(
    states: dict[str, str | None] | None = None, left: dict[tuple[str, str], Any] | None = None, **facts: Any
) -> RunData:
    tasks = {task: TaskSnapshot(state, NOW, NOW) for task, state in (states or {}).items()}
    return RunData(
        **(
            {
                "dag_id": "drs.shop",
                "run_id": "r",
                "state": "running",
                "started_at": NOW,
                "tasks": tasks,
                "upstream": UPSTREAM,
                "left": left or {},
            }
            | facts
        )
    )


def result(name: str, status: str, **facts: Any) -> dict[str, Any]:
    critical = name != "optional"
    return {"server_id": f"s-{name}", "hostname": name, "critical": critical, "status": status, **facts}


def wave_of(board: Board, name: str):
    return next(wave for wave in board.waves if wave.name == name)


def test_before_anything_happened_everything_waits():
    board = board_of(a_run(mode="drill"), NOW)

    assert (board.mode, board.preflight, board.has_report, board.status) == ("drill", "waiting", False, "checking")
    assert [(wave.name, wave.status, wave.depends_on) for wave in board.waves] == [
        ("db", "waiting", []),
        ("app", "waiting", ["db"]),
    ]


@pytest.mark.parametrize(
    ("states", "left", "shown"),
    [
        ({"preflight.check": "running"}, {}, "running"),
        ({"preflight.check": "queued"}, {}, "waiting"),
        ({"preflight.check": "success"}, {("preflight.check", "preflight"): PREFLIGHT}, "passed"),
        ({"preflight.check": "failed"}, {("preflight.check", "preflight"): PREFLIGHT | {"passed": False}}, "refused"),
        ({"preflight.check": "failed"}, {}, "refused"),
    ],
)
def test_preflight_has_passed_only_when_it_said_so(states, left, shown):
    assert board_of(a_run(states, left), NOW).preflight == shown


@pytest.mark.parametrize(
    ("start", "watch", "verdict", "run_state", "shown"),
    [
        (None, None, None, "running", "waiting"),
        ("queued", None, None, "running", "waiting"),
        ("running", None, None, "running", "launching"),
        ("success", "deferred", None, "running", "launching"),
        ("up_for_retry", None, None, "running", "launching"),
        ("success", "success", "launched", "running", "launched"),
        ("success", "success", "completed_with_exceptions", "running", "completed_with_exceptions"),
        ("success", "success", None, "running", "unproven"),
        ("success", "failed", None, "running", "failed"),
        ("failed", "upstream_failed", None, "running", "failed"),
        ("upstream_failed", "upstream_failed", None, "running", "not_started"),
        ("skipped", "skipped", None, "running", "skipped"),
        (None, None, None, "failed", "not_started"),
    ],
)
def test_a_wave_stands_where_its_tasks_stand(start, watch, verdict, run_state, shown):
    left = {("app.recovery_job", "return_value"): {"verdict": verdict}} if verdict else {}
    run = a_run({"app.start_recovery": start, "app.recovery_job": watch}, left, state=run_state)

    assert wave_of(board_of(run, NOW), "app").status == shown


def test_servers_of_all_accounts_and_regions_are_shown_failed_ones_first():
    left = {
        ("preflight.check", "preflight"): PREFLIGHT,
        ("db.start_recovery", "launch"): {"jobs": [{"job_id": "j1", "servers": ["s-db1", "s-db2"]}]},
        ("db.start_recovery_2", "launch"): {"jobs": [{"job_id": "j2", "servers": ["s-db3"]}]},
        ("db.recovery_job", "servers"): [
            result("db1", "launched", instance_id="i-1"),
            result("db3", "failed", reason="no capacity"),
        ],
    }
    states = {"preflight.check": "success", "db.start_recovery": "success", "db.start_recovery_2": "success"}
    wave = wave_of(board_of(a_run({**states, "db.recovery_job": "deferred"}, left), NOW), "db")

    assert [(server.hostname, server.status, server.reason) for server in wave.servers] == [
        ("db3", "failed", "no capacity"),
        ("db1", "launched", None),
        ("db2", "launching", None),
    ]
    assert (wave.jobs, wave.counts) == (["j1", "j2"], {"failed": 1, "launched": 1, "launching": 1})


def test_a_launched_server_with_a_reason_against_it_has_failed():
    left = {
        ("preflight.check", "preflight"): PREFLIGHT,
        ("app.recovery_job", "servers"): [result("optional", "launched", reason="it stopped")],
    }
    states = {"preflight.check": "success", "app.start_recovery": "success", "app.recovery_job": "deferred"}
    (server,) = wave_of(board_of(a_run(states, left), NOW), "app").servers

    assert (server.status, server.reason, server.critical) == ("failed", "it stopped", False)


def test_the_report_and_its_verdict_are_shown_once_the_report_task_has_left_them():
    report = {"json": "j", "html": "h", "verdict": "failed", "why": "Wave db failed."}
    states = {"finish.report": "success"}
    board = board_of(a_run(states, {("finish.report", "return_value"): report}, state="failed"), NOW)

    assert (board.has_report, board.status, board.reason, board.is_over) == (True, "failed", "Wave db failed.", True)


def test_a_run_that_ended_without_a_report_says_so():
    board = board_of(a_run(state="failed"), NOW)

    assert (board.status, board.has_report, board.airflow_state) == ("unknown", False, "failed")
    assert board.reason == "report missing: the result of the run is unknown"


def test_why_preflight_refused_stands_on_the_board():
    left = {("preflight.check", "error"): "two servers do not replicate"}

    assert board_of(a_run({"preflight.check": "failed"}, left), NOW).reason == "two servers do not replicate"


@pytest.mark.parametrize(
    ("states", "shown"),
    [
        ({}, "not_run"),
        ({"finish.clean_up": None}, "waiting"),
        ({"finish.clean_up": "success", "finish.clean_up_2": "failed"}, "incomplete"),
        ({"finish.clean_up": "deferred", "finish.clean_up_2": "success"}, "running"),
        ({"finish.clean_up": "skipped"}, "not_run"),
    ],
)
def test_clean_up_is_as_good_as_its_worst_part(states, shown):
    assert board_of(a_run(states), NOW).cleanup == shown


def test_what_nobody_believes_stands_on_the_board_with_the_reason_and_what_to_do():
    board = board_of(
        a_run(
            disbelieved={
                Origin("drs.shop", "r", "preflight.check", "preflight"): "it is not what was written",
                Origin("drs.shop", "r", "app.start_recovery", "drs_order", -1, "task_state_store"): "no signature",
            }
        ),
        NOW,
    )

    assert [edited.model_dump() for edited in board.edited] == [
        {
            "place": "XCom preflight of preflight.check",
            "reason": "it is not what was written",
            "next_step": "Airflow's audit log says who edited it: clear preflight.check, to write it again",
        },
        {
            "place": "task state store entry drs_order of app.start_recovery",
            "reason": "no signature",
            "next_step": (
                "Airflow's audit log says who wrote it: delete this entry of the task's state store and clear "
                "app.start_recovery"
            ),
        },
    ]


def test_a_run_whose_documents_are_its_own_shows_nothing_of_the_kind():
    assert board_of(a_run(left={("preflight.check", "preflight"): PREFLIGHT}), NOW).edited == []


def test_a_dag_that_is_no_plan_is_told_apart():
    board = board_of(a_run(upstream={"extract": frozenset()}), NOW)

    assert (board.is_plan, board.waves) == (False, [])


KEYS = st.sampled_from(
    ["waves", "db", "targets", "servers", "server_id", "status", "jobs", "verdict", "findings", "mode"]
)
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
STATES = st.sampled_from([None, "queued", "running", "success", "failed", "skipped", "upstream_failed", "removed"])


@given(
    st.dictionaries(st.sampled_from(sorted(UPSTREAM)), STATES),
    st.sampled_from(["preflight", "launch", "servers", "error", "return_value"]),
    st.sampled_from(sorted(UPSTREAM)),
    ODD,
)
def test_whatever_a_task_leaves_the_board_stays_up(states, key, task, value):
    board = board_of(a_run(states, {(task, key): value}), NOW)

    assert len(board.waves) == 2


def test_everything_that_the_state_asks_for_is_read_from_the_database():
    asked_for = set()
    for word in ("success", "failed", "skipped", "deferred"):
        run = a_run(dict.fromkeys(UPSTREAM, word), state="failed")
        snapshot = snapshot_of(replace(run, upstream={**UPSTREAM, "preflight.approval": frozenset()}))
        state_of(replace(snapshot, left=lambda _task, key: asked_for.add(key)))

    assert asked_for
    assert asked_for <= {document.KEY for document in DOCUMENTS}


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (
            {"a": {"__classname__": "builtins.tuple", "__version__": 1, "__data__": ["x", {"b": [1]}]}},
            {"a": ["x", {"b": [1]}]},
        ),
        ([(1, 2)], [[1, 2]]),
        ("text", "text"),
        ({"__classname__": "kept, for it has no data"}, {"__classname__": "kept, for it has no data"}),
    ],
)
def test_envelopes_of_the_task_sdk_are_taken_off(sent, seen):
    assert unwrapped(sent) == seen


LAUNCHED = {"db.start_recovery": "success", "db.start_recovery_2": "success", "db.recovery_job": "deferred"}
JOBS = {
    ("preflight.check", "preflight"): PREFLIGHT,
    ("db.start_recovery", "launch"): {
        "jobs": [{"job_id": "j1", "servers": ["s-db1", "s-db2"], "created_at": "2026-11-22T05:09:30+00:00"}]
    },
    ("db.start_recovery_2", "launch"): {"jobs": [{"job_id": "j2", "servers": ["s-db3"]}]},
}


def phases(job, **servers):
    return {"jobs": {job: {"seen_at": "2026-11-22T05:09:50+00:00", "servers": servers}}}


@pytest.mark.parametrize(
    ("left", "of_servers", "of_wave"),
    [
        pytest.param({}, [None, None, None], "probably taking snapshots", id="nobody has read a log"),
        pytest.param(
            phases("j1", CONVERSION_START=["s-db1"], LAUNCH_START=["s-db2"]),
            ["converting", "launching", None],
            "1 converting, 1 launching",
            id="the log of one of two jobs",
        ),
        pytest.param(
            phases("j0", LAUNCH_FAILED=["s-db1"]),
            [None, None, None],
            "probably taking snapshots",
            id="of a job before the servers were launched again",
        ),
        pytest.param(
            phases("j1", WARMING_UP=["s-db1"]), [None, None, None], "probably taking snapshots", id="an unknown event"
        ),
        pytest.param({"jobs": "edited"}, [None, None, None], "probably taking snapshots", id="unreadable"),
    ],
)
def test_a_launching_server_shows_what_the_log_of_its_job_says(left, of_servers, of_wave):
    run = a_run({"preflight.check": "success", **LAUNCHED}, {**JOBS, ("db.recovery_job", "phases"): left})
    board = board_of(run, NOW)
    wave = wave_of(board, "db")

    assert [server.phase for server in wave.servers] == of_servers
    assert wave.phase == of_wave
    assert board.activity.now == [f"wave db: DRS launches 3 servers, {of_wave}"]


def test_a_server_whose_launch_is_over_has_no_phase():
    left = {
        **JOBS,
        ("db.recovery_job", "phases"): phases("j1", LAUNCH_START=["s-db1"], CONVERSION_FAIL=["s-db2"]),
        ("db.recovery_job", "servers"): [result("db1", "launched"), result("db2", "failed", reason="no capacity")],
    }
    wave = wave_of(board_of(a_run({"preflight.check": "success", **LAUNCHED}, left), NOW), "db")

    assert {server.hostname: server.phase for server in wave.servers} == {"db1": None, "db2": None, "db3": None}


def test_a_wave_whose_servers_are_all_launched_is_in_no_phase():
    left = {
        **JOBS,
        ("db.recovery_job", "servers"): [result(name, "launched") for name in ("db1", "db2", "db3")],
    }
    board = board_of(a_run({"preflight.check": "success", **LAUNCHED}, left), NOW)

    assert (wave_of(board, "db").status, wave_of(board, "db").phase) == ("launching", None)
    assert board.activity.now == ["wave db: DRS launches 3 servers"]
