"""The verbs over a whole way back with steps, pauses and a drill: nobody starts by them what the run does not do."""

from datetime import UTC, datetime

import pytest
from drs_provider.exceptions import RunRefused
from drs_provider.plan.loader import read_folder
from drs_provider.rules.failback.shape import compile_failback
from drs_provider.rules.launch.results import ServerResult
from drs_provider.rules.launch.tags import short_run_id
from drs_provider.rules.run import names
from drs_provider.rules.run.handover import (
    PreflightResult,
    PreflightServer,
    PreflightTarget,
    PreflightWave,
    ServerResults,
)
from drs_provider.rules.run.run_view import how_to_start
from drs_provider.rules.run.state import TaskSnapshot
from drs_provider.services.airflow_api import DagRunRecord
from drs_provider.services.run_control import RunControl
from kit.failback_plans import EVERYTHING
from kit.in_memory_airflow import InMemoryAirflow

AT = datetime(2026, 11, 22, 5, tzinfo=UTC)
DAG, RUN = "drs.shop.failback", "manual__1"
SHORT = short_run_id(DAG, RUN)
WATCHES = ("web.recovery_job", "database.recovery_job")
PROTECTS = ("finish.protect_again", "finish.protect_again_2")


@pytest.fixture
def shape(tmp_path):
    (tmp_path / "plan.yaml").write_text(EVERYTHING, encoding="utf-8")
    return compile_failback(read_folder(tmp_path).plans["shop"])


def way_back(shape, mode, states, *, run="running", rest="skipped", checked=True):
    """An Airflow with a run of the way back; ``rest`` is the state of every task that is not named."""
    tasks = {task: states.get(task, "success" if task == "preflight.check" else rest) for task in shape.upstream}
    place = PreflightTarget(aws_conn_id="a", region="r", servers=(PreflightServer(server_id="s-1", hostname="db1"),))
    waves = {
        wave.name: PreflightWave(selected=True, targets=(place,) if wave.has_servers else ()) for wave in shape.waves
    }
    found = PreflightResult(
        plan="shop", digest="d", passed=True, mode=mode, checked_at=AT, needs_approval=False, waves=waves
    )
    documents = {("preflight.check", PreflightResult.KEY): found.to_json()} if checked else {}
    up = ServerResults(
        servers=(ServerResult(server_id="s-1", hostname="db1", critical=True, status="launched", instance_id="i-4"),)
    )
    documents |= {(task, up.KEY): up.to_json() for task in WATCHES if tasks[task] == "success"}
    return InMemoryAirflow(
        DAG,
        shape.upstream,
        [DagRunRecord(DAG, RUN, run, conf={"mode": mode}, asked_for_at=AT, started_at=AT)],
        {task: TaskSnapshot(state, AT if state else None) for task, state in tasks.items()},
        documents,
        waves=tuple(wave.name for wave in shape.waves),
    )


def with_everything_after(shape, tasks):
    """What Airflow clears with some tasks and everything downstream."""
    found = set(tasks)
    while more := {task for task, above in shape.upstream.items() if above & found} - found:
        found |= more
    return found


@pytest.mark.parametrize("wave", ["database", "web"])
@pytest.mark.parametrize("mode", ["reprotect", None])
def test_a_retry_of_a_reprotection_begins_nothing_of_the_failback(shape, wave, mode):
    """What is skipped since preflight would begin once it is cleared: steps that stop writes, launches, questions."""
    failed = dict.fromkeys(shape.wave_of[wave].reverse_tasks, "failed")
    airflow = way_back(shape, "reprotect", failed, run="failed")
    airflow.records[0].conf["mode"] = mode
    answered = RunControl(airflow).retry("shop.failback", wave, None, None).message

    (cleared,) = [tasks for verb, *tasks in airflow.changed if verb == "clear"]
    begins = with_everything_after(shape, cleared)
    assert sorted(cleared) == sorted(shape.wave_of[wave].reverse_tasks)
    assert {task for task in begins if not names.is_teller(task)} == {*cleared, "finish.report", "finish.verdict"}
    assert [task for verb, task, *_ in airflow.changed if verb == "keep"] == list(shape.wave_of[wave].reverse_tasks)
    assert answered == (
        f"wave {wave} runs again: what was reversed is kept and not copied again, the others are reversed"
    )


def test_a_cancelled_reprotection_gives_orders_to_its_reversals_alone(shape):
    airflow = way_back(shape, "reprotect", dict.fromkeys(shape.reverse_tasks, "deferred"))
    RunControl(airflow).cancel("shop.failback", None, None)

    assert {task for verb, task, *_ in airflow.changed if verb == "keep"} == {*shape.reverse_tasks}


def test_a_failback_is_none_of_a_reprotection_before_preflight_has_said_so(shape):
    run = RunControl(way_back(shape, "failback", {}, rest=None, checked=False)).look("shop.failback")

    assert [(wave.goes_back, wave.status.value) for wave in run.waves] == [(False, "waiting")] * 3


def test_the_retry_of_a_failback_does_not_begin_its_skipped_reversals(shape):
    states = {"web.start_recovery": "failed", **dict.fromkeys(WATCHES, "upstream_failed")}
    airflow = way_back(shape, "failback", states, run="failed", rest="upstream_failed")
    for task in shape.reverse_tasks:
        airflow.snapshots[task] = TaskSnapshot("skipped")
    RunControl(airflow).retry("shop.failback", "web", None, None)

    assert [tasks for verb, *tasks in airflow.changed if verb == "clear"] == [["web.start_recovery"]]
    assert not {task for verb, task, *_ in airflow.changed if verb == "keep"} & {*shape.reverse_tasks}


LAUNCHED = {**dict.fromkeys(WATCHES, "success"), **dict.fromkeys(("web.start_recovery", "announce.say"), "success")}
AGAIN = f"trigger {DAG} in Airflow with mode failback"


@pytest.mark.parametrize(
    ("states", "left"),
    [
        (
            {},
            (
                "production stays where it was recovered, and is copied to its origin as before: what has stopped its "
                "writes already must be taken back by people"
            ),
        ),
        (
            {**LAUNCHED, PROTECTS[0]: "deferred", PROTECTS[1]: "success"},
            (
                "what runs in its origin already is not protected from there until another run does it, and what was "
                f"recovered is kept: {AGAIN}"
            ),
        ),
        (
            {**LAUNCHED, **dict.fromkeys(PROTECTS, "success")},
            (
                "what runs in its origin is protected from there, and what was recovered is kept as far as it is not "
                f"removed yet: to go on, {AGAIN}"
            ),
        ),
    ],
    ids=["nothing is launched", "not protected", "protected"],
)
def test_a_cancelled_failback_says_where_production_is_and_who_protects_it(shape, states, left):
    airflow = way_back(shape, "failback", states, rest=None)
    answered = RunControl(airflow).cancel("shop.failback", None, None).message

    assert answered.endswith(f"; {left}; then the report is written")
    assert "drill" not in answered


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({PROTECTS[0]: "deferred", PROTECTS[1]: "success"}, "running"),
        ({PROTECTS[0]: "scheduled", PROTECTS[1]: None}, "running"),
        ({**dict.fromkeys(PROTECTS, "success"), "finish.agree": "awaiting_input"}, "waiting_for_answer"),
        ({**dict.fromkeys(PROTECTS, "success"), "finish.remove_recovered": "running"}, "running"),
        ({"finish.at_rest_2": None}, "running"),
        ({"finish.report": "running"}, "reporting"),
    ],
)
def test_a_failback_runs_until_all_is_protected_again_removed_and_at_rest(shape, states, expected):
    """Both may take days, and nothing of the report is written before."""
    airflow = way_back(shape, "failback", {**LAUNCHED, "finish.report": None, "finish.verdict": None, **states})
    for task in shape.start_tasks:
        airflow.snapshots[task] = TaskSnapshot("success", AT)

    assert RunControl(airflow).look("shop.failback").state.status == expected


@pytest.mark.parametrize(
    ("runs", "mode", "wave", "words"),
    [
        ("shop", None, None, "drs run start shop"),
        ("shop", "drill", "web", "drs run start shop --wave web"),
        ("shop", "recovery", None, "drs run start shop --mode recovery"),
        ("shop", "failback", None, "drs run start shop"),
        ("shop.failback", None, None, f"trigger {DAG} in Airflow"),
        ("shop.failback", "drill", "web", f"trigger {DAG} in Airflow with wave web"),
        ("shop.failback", "failback_drill", "web", f"trigger {DAG} in Airflow with mode failback_drill and wave web"),
    ],
)
def test_a_way_back_is_started_in_airflow_and_never_by_the_plans_command(runs, mode, wave, words):
    assert how_to_start(runs, mode, wave=wave) == words


ENDS = ("finish.stop_failback", "finish.stop_failback_2")


def test_a_cancel_ends_the_failbacks_of_machines_only_where_it_says_so(shape):
    def ordered(**more):
        airflow = way_back(shape, "failback", dict.fromkeys(("web.start_recovery", *ENDS)), rest=None)
        said = RunControl(airflow).cancel("shop.failback", None, None, **more).message
        return {task for verb, task, *_ in airflow.changed if verb == "keep"}, said

    (kept, words), (ended, told) = ordered(), ordered(stops_failback=True)

    assert not kept & {*ENDS}
    assert ended == kept | {*ENDS}
    assert told == (
        f"{words}; the failbacks of its machines in data centres, where it has any, that are not converted are ended "
        "then (StopFailback), whatever runs of other plans follow them: for another failback people have to boot each "
        "from the failback client again, and it is copied again"
    )


@pytest.mark.parametrize(
    ("mode", "states", "words"),
    [
        ("reprotect", {}, "converts no machine of a data centre: cancel it without that"),
        ("failback", {ENDS[0]: "skipped"}, "too late to end failbacks with"),
    ],
)
def test_a_cancel_that_can_end_no_failback_cancels_nothing(shape, mode, states, words):
    waiting = {**dict.fromkeys(shape.reverse_tasks, "deferred"), **dict.fromkeys(ENDS), **states}
    airflow = way_back(shape, mode, waiting, rest=None)
    with pytest.raises(RunRefused, match=words):
        RunControl(airflow).cancel("shop.failback", None, None, stops_failback=True)

    assert airflow.changed == []


def test_a_retry_takes_back_the_order_to_end_failbacks(shape):
    """Else they would be ended after the wave that was run again."""
    states = {"web.start_recovery": "failed", **dict.fromkeys(WATCHES, "upstream_failed")}
    airflow = way_back(shape, "failback", states, run="failed", rest="upstream_failed")
    for task in shape.reverse_tasks:
        airflow.snapshots[task] = TaskSnapshot("skipped")
    RunControl(airflow).retry("shop.failback", "web", None, None)

    assert {*ENDS} <= {task for verb, task, *_ in airflow.changed if verb == "keep"}
