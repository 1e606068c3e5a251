"""What the board says of now, next, and for whom a run waits; its stages, its recovery time and its estimate."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.report.measure import measure
from drs_provider.rules.run.launch_times.timetable import WaveLoad
from drs_provider.rules.run.state import TaskSnapshot, state_of
from drs_provider.ui.board import board_of, snapshot_of, title_of
from drs_provider.ui.forecast import USUAL, Forecast, Forecasts, RunSoFar, expected_end, forecasts_from
from drs_provider.ui.read_model import RunData
from kit.evidence import a_passed_drill
from kit.recorded_runs import recorded

SCHEDULER = "Airflow's scheduler does not run: start it, the run continues by itself"
PAUSED = "the plan is paused: nothing new starts until somebody resumes it"


def instant(text):
    return datetime.fromisoformat(text) if text else None


def recorded_run(name, **facts):
    run = recorded(name)
    tasks = {
        task: TaskSnapshot(found["state"], instant(found["started_at"]), instant(found["ended_at"]))
        for task, found in run.tasks.items()
    }
    whole = RunData(
        dag_id=run.dag_id,
        run_id=name,
        state=run.state,
        started_at=instant(run.started_at),
        ended_at=instant(run.ended_at),
        mode=run.conf.get("mode"),
        tasks=tasks,
        upstream={task: frozenset(above) for task, above in run.upstream.items()},
        classes=run.classes,
        left=run.documents,
    )
    return replace(whole, **facts)


def board(name, *, minutes=4, stopped=(), forecast=USUAL, **facts):
    run = recorded_run(name, **facts)
    return board_of(run, run.started_at + timedelta(minutes=minutes), forecast, stopped)


@pytest.mark.parametrize(
    ("mode", "title"),
    [("drill", "DRILL of web-shop"), ("recovery", "RECOVERY of web-shop"), (None, "Run of web-shop")],
)
def test_the_title_says_first_what_the_run_is(mode, title):
    assert title_of("drs.web-shop", mode) == title


def test_a_launching_wave_is_now_and_the_one_behind_it_next():
    shown = board("launching", minutes=5)

    assert shown.activity.now == ["wave database: DRS launches 3 servers, probably launching instances"]
    assert shown.activity.next == ["wave web, after database"]
    assert shown.activity.waits == []


def test_a_question_names_who_is_asked_until_when_and_the_next_wave():
    shown = board("waiting-in-a-pause")

    assert shown.activity.now == []
    assert shown.activity.next == ["wave web"]
    assert shown.activity.waits == ["ann, bob: pause before wave web, until 2026-11-29 21:24:00 UTC"]


def test_a_paused_plan_and_a_dead_scheduler_are_what_the_run_waits_for():
    shown = board("launching", is_paused=True, stopped=("scheduler",))

    assert shown.activity.waits == [SCHEDULER, PAUSED]
    assert (shown.is_paused, shown.stopped) == (True, ["scheduler"])


def test_a_run_that_is_over_waits_for_nobody_even_where_the_scheduler_is_dead():
    shown = board("passed", is_paused=True, stopped=("scheduler",))

    assert (shown.activity.now, shown.activity.next, shown.activity.waits) == ([], [], [])
    assert (shown.is_paused, shown.stopped) == (False, [])


def test_preflight_and_clean_up_are_stages_with_their_tasks():
    shown = board("launching")

    assert [(row.name, row.status) for row in shown.preflight_tasks] == [("Check all servers", "succeeded")]
    assert [(row.name, row.status) for row in shown.final_tasks] == [
        ("Terminate drill instances", "waiting"),
        ("Look for what is left", "waiting"),
        ("Write the report", "waiting"),
    ]


def test_a_recovery_shows_no_clean_up_that_nobody_has_to_fear():
    assert [row.name for row in board("waiting-in-a-pause").final_tasks] == ["Write the report"]


def test_a_failed_run_gives_its_first_cause():
    cause = board("failed").cause

    assert (cause.who, cause.reason) == ("db2 (wave database)", "CONVERSION_FAIL: NoCapacity")


def kept_run(**document):
    run = recorded_run("launching")
    kept = {"began_at": "2026-11-29T21:20:00+00:00", "until": "2026-11-29T22:20:00+00:00", "extended": 2, **document}
    states = {task: TaskSnapshot("success") for task in run.tasks if not task.startswith("finish.")}
    return replace(
        run,
        tasks=run.tasks | states | {"finish.keep": TaskSnapshot("awaiting_input")},
        upstream=run.upstream | {"finish.keep": frozenset({"web.recovery_job"})},
        left=dict(run.left) | {("finish.keep", "kept"): kept},
    )


def test_a_kept_drill_says_until_when_and_where_it_is_ended():
    run = kept_run()
    shown = board_of(run, run.started_at)

    assert shown.kept.model_dump() == {
        "until": datetime(2026, 11, 29, 22, 20, tzinfo=UTC),
        "extended": 2,
        "path": "/dags/drs.shop/runs/launching/tasks/finish.keep/required_actions",
    }
    assert shown.activity.waits[-1] == "anyone who may answer: the drill is kept until 2026-11-29 22:20:00 UTC"


def test_a_drill_whose_keeping_has_ended_is_not_kept():
    run = kept_run(ended_at="2026-11-29T21:30:00+00:00")

    assert board_of(run, run.started_at).kept is None


def test_the_recovery_time_goes_on_until_the_service_is_there():
    going, over = board("launching").rto, board("passed").rto

    assert (going.so_far_seconds, going.is_there) == (240.0, False)
    assert going.expected_seconds > going.so_far_seconds
    assert (over.is_there, over.expected_seconds) == (True, None)
    assert over.so_far_seconds < 60


def test_the_objective_is_that_of_the_plan_the_run_began_with():
    run = recorded_run("launching")
    preflight = dict(run.left[("preflight.check", "preflight")]) | {"objectives": {"rto": "PT45M", "rpo": None}}
    run = replace(run, left=dict(run.left) | {("preflight.check", "preflight"): preflight})

    rto = board_of(run, run.started_at).rto
    assert (rto.is_known, rto.target_seconds) == (True, 45 * 60.0)
    assert board("launching").rto.is_known is False


def test_a_run_that_failed_expects_nothing():
    run = recorded_run("failed", state="running")
    state = state_of(snapshot_of(run))

    assert expected_end(RunSoFar(state), USUAL, run.started_at) is None


def test_the_estimate_is_taken_from_the_newest_run_that_launched_everything():
    report = measure(a_passed_drill())
    forecasts = forecasts_from([report])

    assert forecasts.ahead == USUAL.ahead
    assert forecasts.in_waves.source == "the drill of 2026-11-22 05:00 UTC"
    assert forecasts.in_waves.waves["database"] == report.waves[0].duration_seconds
    assert forecasts.in_waves.load(WaveLoad("unheard-of")) == WaveLoad("unheard-of")
    failed = report.model_copy(update={"counts": report.counts.model_copy(update={"failed": 1})})
    assert forecasts_from([failed, report]) == forecasts
    assert forecasts_from([failed]) == USUAL


@pytest.mark.parametrize(
    ("elapsed", "phase"),
    [(0, "taking snapshots"), (51, "taking snapshots"), (52, "converting"), (232, "launching instances")],
)
def test_the_phase_of_drs_is_guessed_from_the_age_of_the_job(elapsed, phase):
    assert USUAL.in_waves.phase("web", timedelta(seconds=elapsed)) == phase


def test_waves_that_wait_for_people_count_from_now_on():
    run = recorded_run("waiting-in-a-pause")
    now = run.started_at + timedelta(hours=2)

    so_far = RunSoFar(state_of(snapshot_of(run)))
    end = expected_end(so_far, Forecasts(in_waves=Forecast(waves={"web": 60.0})), now)
    assert end == now + timedelta(seconds=60)
