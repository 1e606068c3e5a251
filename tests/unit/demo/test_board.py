"""The board: Airflow's task states and DRS's jobs, summed up per wave."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk import TaskInstanceState
from rich.console import Console

from demo.board import Phase, ServerNow, Wave, WaveState, board, clock, wave_state
from demo.screen import LOOK, Header, PlainScreen, screen_for

NOW = datetime(2026, 1, 1, 12, 0, 10, tzinfo=UTC)
START = "2026-01-01T12:00:00Z"


@pytest.mark.parametrize(
    ("states", "meaning"),
    [
        pytest.param([None, None], WaveState.WAITING, id="nothing has begun"),
        pytest.param([], WaveState.WAITING, id="no task is known yet"),
        pytest.param(["scheduled", None], WaveState.WAITING, id="about to begin"),
        pytest.param(["running", None], WaveState.RUNNING, id="launching"),
        pytest.param(["success", "deferred"], WaveState.RUNNING, id="watching"),
        pytest.param(["success", None], WaveState.RUNNING, id="between two tasks"),
        pytest.param(["success", "up_for_retry"], WaveState.RUNNING, id="will try again"),
        pytest.param(["success", "success"], WaveState.DONE, id="done"),
        pytest.param(["success", "skipped"], WaveState.DONE, id="done, a step was left out"),
        pytest.param(["skipped", "skipped"], WaveState.SKIPPED, id="not chosen"),
        pytest.param(["success", "failed"], WaveState.FAILED, id="failed"),
        pytest.param(["failed", "upstream_failed"], WaveState.FAILED, id="failed early"),
        pytest.param(["upstream_failed", "upstream_failed"], WaveState.NOT_STARTED, id="an earlier wave failed"),
        pytest.param(["awaiting_input", None], WaveState.PAUSED, id="asks a person"),
    ],
)
def test_a_wave_says_what_its_tasks_mean(states, meaning):
    assert wave_state(states) == meaning


@pytest.mark.parametrize("state", TaskInstanceState)
def test_a_wave_is_done_only_by_success(state):
    assert (wave_state([state.value]) == WaveState.DONE) == (state == TaskInstanceState.SUCCESS)


def test_every_state_has_a_symbol_of_its_own():
    assert set(LOOK) == set(WaveState)
    assert len({symbol for symbol, _ in LOOK.values()}) == len(WaveState)


def task(name, state, start=None, end=None):
    return {"task_id": name, "state": state, "start_date": start, "end_date": end}


def test_a_wave_counts_every_server_once_with_its_newest_job():
    earlier = NOW - timedelta(seconds=9)
    [wave] = board(
        ["db"],
        [
            task("preflight.check", "success", START, START),
            task("db.start_recovery", "success", START, START),
            task("db.recovery_job", "deferred", START),
            task("db.servers", "failed", START, START),
        ],
        {"db": ["s-1", "s-2", "s-3"]},
        [
            ServerNow("s-1", "j-2", NOW, Phase.CONVERSION),
            ServerNow("s-1", "j-1", earlier, Phase.FAILED),
            ServerNow("s-2", "j-1", earlier, Phase.LAUNCHED),
            ServerNow("s-9", "j-9", NOW, Phase.FAILED),
        ],
        NOW,
    )

    assert wave == Wave("db", WaveState.RUNNING, 2, 3, {Phase.CONVERSION: 1, Phase.LAUNCHED: 1}, timedelta(seconds=10))


def test_a_wave_that_is_over_has_stopped_its_clock():
    end = "2026-01-01T12:00:04Z"
    [wave] = board(["db"], [task("db.start_recovery", "success", START, end)], {}, [], NOW)

    assert wave.elapsed == timedelta(seconds=4)


@pytest.mark.parametrize(
    ("length", "said"),
    [(None, ""), (timedelta(0), "0:00"), (timedelta(seconds=65), "1:05"), (timedelta(hours=2), "2:00:00")],
)
def test_durations_read_like_a_clock(length, said):
    assert clock(length) == said


def header(seconds):
    return Header("drs.web-shop", "drill", timedelta(seconds=seconds), timedelta(minutes=45), 60)


def test_without_a_terminal_only_changes_are_printed_as_plain_lines():
    written = io.StringIO()
    screen = screen_for(Console(file=written))
    waiting = Wave("web", WaveState.WAITING, 0, 50, {}, None)
    running = Wave("web", WaveState.RUNNING, 1, 50, {Phase.LAUNCHED: 3, Phase.FAILED: 1}, timedelta(seconds=4))
    with screen:
        for second, wave in enumerate([waiting, waiting, running, running]):
            screen.show(header(second), [wave])

    assert isinstance(screen, PlainScreen)
    assert written.getvalue().splitlines() == [
        "drs.web-shop · drill · elapsed 0:00 · RTO objective 45:00 · DRS time x60",
        " 0:00  · web              waiting       50 servers",
        " 0:02  ▶ web              running       3/50 launched, 1 failed, 1 job",
    ]


def test_the_table_fits_80_columns_with_the_longest_names():
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=80, color_system=None)
    phases = {Phase.LAUNCHED: 500, Phase.FAILED: 100, Phase.CONVERSION: 200, Phase.LAUNCHING: 200}
    waves = [
        Wave("a" * 63, WaveState.NOT_STARTED, 20, 1000, phases, timedelta(hours=10)),
        Wave("monitoring", WaveState.PAUSED, 20, 1000, phases, timedelta(hours=10)),
    ]
    with screen_for(console) as screen:
        screen.show(header(1), waves)

    last = [line for line in written.getvalue().splitlines() if "monitoring" in line][-1]
    assert " ".join(last.split()) == "? monitoring paused 20 500/1000 100 10:00:00 200 conv, 200 launch"
    assert len(last.rstrip()) <= 80
