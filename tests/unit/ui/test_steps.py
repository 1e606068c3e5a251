"""Steps on the live board: what goes on, what came of it, and what that makes of a wave."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from drs_provider.rules.run.state import TaskSnapshot
from drs_provider.ui.board import board_of
from drs_provider.ui.read_model import RunData
from drs_provider.ui.steps import BoardStep

NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)


def chain(*tasks):
    return {task: frozenset(tasks[place - 1 : place]) for place, task in enumerate(tasks)}


UPSTREAM = {
    **chain(
        "preflight.check",
        "before_waves.freeze",
        "before_waves.agree",
        "db.launch_settings",
        "db.delay",
        "db.pause",
        "db.zero",
        "db.check-it",
        "db.start_recovery",
        "db.recovery_job",
        "db.answers",
        "db.1st-look",
        "tidy.one",
        "tidy.two",
        "after_waves.switch",
        "finish.clean_up",
        "finish.report",
    ),
    "db.servers": frozenset({"db.start_recovery"}),
    "db.notifications": frozenset({"db.1st-look"}),
    "db.tag_instances": frozenset({"db.recovery_job"}),
}


def a_run(states=None, left=None, **facts):
    tasks = {task: TaskSnapshot(state, NOW, NOW) for task, state in (states or {}).items()}
    steps = {(task, "step"): result(task, said) for task, said in (left or {}).items()}
    known = {"dag_id": "drs.shop", "run_id": "r", "state": "running", "started_at": NOW}
    return RunData(**{**known, "tasks": tasks, "upstream": UPSTREAM, "left": steps, **facts})


def result(task, said):
    return said and {"name": task.rpartition(".")[2], **said}


def names(steps):
    return [step.name for step in steps]


def test_steps_stand_where_they_run_and_nothing_else_is_taken_for_one():
    board = board_of(a_run(), NOW)

    assert [wave.name for wave in board.waves] == ["db", "tidy"]
    assert (names(board.before), names(board.after)) == (["freeze", "agree"], ["switch"])
    db, tidy = board.waves
    assert (names(db.before), names(db.after)) == (["zero", "check-it"], ["answers", "1st-look"])
    assert (names(tidy.before), names(tidy.after), tidy.has_servers) == ([], ["one", "two"], False)
    assert {step.status for step in (*board.before, *db.before, *tidy.after)} == {"waiting"}


STATES = [
    pytest.param("awaiting_input", None, "running", "waiting_for_answer", id="people are asked"),
    pytest.param("deferred", None, "running", "running", id="its trigger waits"),
    pytest.param("up_for_retry", {"state": "failed"}, "running", "running", id="a failed attempt is tried again"),
    pytest.param("success", {"state": "succeeded"}, "running", "succeeded", id="it did what it should"),
    pytest.param("success", None, "running", "unproven", id="a person marked it"),
    pytest.param("skipped", {"state": "failed"}, "running", "tolerated", id="it failed, and the plan continues"),
    pytest.param("skipped", {"state": "skipped"}, "running", "skipped", id="it is not for this run"),
    pytest.param("failed", {"state": "failed"}, "running", "failed", id="it failed"),
    pytest.param("upstream_failed", None, "running", "not_started", id="something before it failed"),
    pytest.param("scheduled", None, "running", "waiting", id="its turn comes"),
    pytest.param(None, None, "failed", "not_started", id="the run is over"),
]


@pytest.mark.parametrize(("task", "said", "run", "state"), STATES)
def test_a_step_is_what_its_task_and_its_result_say(task, said, run, state):
    board = board_of(a_run({"before_waves.freeze": task}, {"before_waves.freeze": said}, state=run), NOW)

    assert board.before[0].status == state


def test_a_step_tells_its_kind_before_it_begins_and_its_words_in_one_line():
    said = {"state": "failed", "kind": "lambda", "summary": "no\nluck " + "x" * 500}
    run = a_run(
        {"before_waves.freeze": "skipped"},
        {"before_waves.freeze": said},
        classes={"db.answers": "AskTcp", "before_waves.freeze": "AskHttp"},
    )

    board = board_of(run, NOW)

    assert board.before[0] == BoardStep(
        name="freeze",
        task="before_waves.freeze",
        kind="lambda",
        status="tolerated",
        summary="no luck " + "x" * 392 + "…",
        started_at=NOW,
        ended_at=NOW,
    )
    assert board.waves[0].after[0].kind == "tcp"


UP = {"db.start_recovery": "success", "db.recovery_job": "success"}
WELL, BADLY = {"state": "succeeded"}, {"state": "failed", "summary": "no answer"}
WAVES = [
    pytest.param({"db.zero": "deferred"}, {}, ("preparing", None), id="steps before the launch"),
    pytest.param(
        {"db.zero": "failed", "db.start_recovery": "upstream_failed", "db.recovery_job": "upstream_failed"},
        {"db.zero": BADLY},
        ("not_started", "step zero: no answer"),
        id="a step before it failed",
    ),
    pytest.param(UP, {}, ("running_steps", None), id="steps are still to come"),
    pytest.param({**UP, "db.answers": "awaiting_input"}, {}, ("waiting_for_answer", None), id="people are asked"),
    pytest.param(
        {**UP, "db.answers": "success", "db.1st-look": "success"},
        {"db.answers": WELL, "db.1st-look": WELL},
        ("launched", None),
        id="all done",
    ),
    pytest.param(
        {**UP, "db.answers": "skipped", "db.1st-look": "success"},
        {"db.answers": BADLY, "db.1st-look": WELL},
        ("completed_with_exceptions", "step answers failed, and the plan continues"),
        id="one failed, and the plan continues",
    ),
    pytest.param(
        {**UP, "db.answers": "failed", "db.1st-look": "upstream_failed"},
        {"db.answers": BADLY},
        ("failed", "step answers: no answer"),
        id="one failed",
    ),
]


@pytest.mark.parametrize(("states", "steps", "wanted"), WAVES)
def test_a_wave_is_not_done_before_its_steps_are(states, steps, wanted):
    left = {(task, "step"): result(task, said) for task, said in steps.items()}
    left["db.recovery_job", "return_value"] = {"verdict": "launched"}

    db = board_of(replace(a_run(states), left=left), NOW).waves[0]

    assert (db.status, db.reason) == wanted


ALONE = [
    pytest.param({}, {}, "waiting", id="to come"),
    pytest.param({"tidy.one": "deferred"}, {}, "running_steps", id="going on"),
    pytest.param({"tidy.one": "success", "tidy.two": None}, {"tidy.one": WELL}, "running_steps", id="half of it"),
    pytest.param(
        {"tidy.one": "success", "tidy.two": "success"}, {"tidy.one": WELL, "tidy.two": WELL}, "completed", id="done"
    ),
    pytest.param({"tidy.one": "skipped", "tidy.two": "skipped"}, {}, "skipped", id="not in this run"),
    pytest.param({"tidy.one": "failed", "tidy.two": "upstream_failed"}, {"tidy.one": BADLY}, "failed", id="failed"),
    pytest.param({"tidy.one": "upstream_failed", "tidy.two": "upstream_failed"}, {}, "not_started", id="not begun"),
]


@pytest.mark.parametrize(("states", "steps", "state"), ALONE)
def test_a_wave_of_steps_only_is_what_its_steps_are(states, steps, state):
    assert board_of(a_run(states, steps), NOW).waves[1].status == state


def test_servers_of_a_later_stage_are_launching_as_soon_as_their_job_has_begun():
    members = [{"server_id": f"s-{number}", "hostname": f"db{number}"} for number in (1, 2, 3)]
    left = {
        ("preflight.check", "preflight"): {
            "plan": "shop",
            "digest": "d",
            "checked_at": "2026-11-22T05:00:00+00:00",
            "needs_approval": False,
            "passed": True,
            "mode": "drill",
            "cost": {"dollars": 12.5, "is_certain": False},
            "waves": {
                "db": {
                    "selected": True,
                    "targets": [{"aws_conn_id": "aws_default", "region": "us-west-2", "servers": members}],
                }
            },
        },
        ("db.start_recovery", "launch"): {"jobs": [{"job_id": "j-1", "servers": ["s-1"]}]},
        ("db.recovery_job", "drs_followed"): [
            {"job_id": "j-2", "servers": ["s-2"], "aws_conn_id": "aws_default", "region": "us-west-2"}
        ],
    }
    run = a_run({"preflight.check": "success", "db.start_recovery": "success", "db.recovery_job": "deferred"})

    board = board_of(replace(run, left=left), NOW)

    assert [server.status for server in board.waves[0].servers] == ["launching", "launching", "waiting"]
    assert board.waves[0].jobs == ["j-1", "j-2"]
    assert (board.cost.dollars, board.cost.is_certain) == (12.5, False)
