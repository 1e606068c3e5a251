"""The board: Airflow's task states and DRS's jobs, summed up per wave."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.run.state import (
    RunSnapshot,
    TaskSnapshot,
    WaveStatus,
    left_in,
    outline_of_edges,
    state_of,
)
from rich.console import Console

from demo.board import Phase, ServerNow, Wave, board, clock
from demo.screen import Header, PlainScreen, screen_for

NOW = datetime(2026, 1, 1, 12, 0, 10, tzinfo=UTC)
START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def run_with(states, **facts):
    """A run of one wave, ``db``, of three servers."""
    upstream = {
        "preflight.check": [],
        "db.start_recovery": ["preflight.check"],
        "db.recovery_job": ["db.start_recovery"],
    }
    members = [{"server_id": f"s-{number}", "hostname": f"db{number}"} for number in (1, 2, 3)]
    target = {"aws_conn_id": "aws_default", "region": "us-west-2", "servers": members}
    preflight = {
        "plan": "shop",
        "digest": "d",
        "checked_at": START.isoformat(),
        "needs_approval": False,
        "passed": True,
        "mode": "drill",
        "waves": {"db": {"selected": True, "targets": [target]}},
    }
    tasks = {"preflight.check": TaskSnapshot("success", START, START), **states}
    left = {("preflight.check", "preflight"): preflight, **facts}
    return state_of(RunSnapshot(outline_of_edges(upstream), tasks, left_in(left)))


def test_a_wave_counts_every_server_once_with_its_newest_job():
    earlier = NOW - timedelta(seconds=9)
    state = run_with(
        {
            "db.start_recovery": TaskSnapshot("success", START, START),
            "db.recovery_job": TaskSnapshot("deferred", START),
        }
    )

    [wave] = board(
        state,
        [
            ServerNow("s-1", "j-2", NOW, Phase.CONVERSION),
            ServerNow("s-1", "j-1", earlier, Phase.FAILED),
            ServerNow("s-2", "j-1", earlier, Phase.LAUNCHED),
            ServerNow("s-9", "j-9", NOW, Phase.FAILED),
        ],
        NOW,
    )

    phases = {Phase.CONVERSION: 1, Phase.LAUNCHED: 1}
    assert wave == Wave("db", WaveStatus.LAUNCHING, 2, 3, phases, timedelta(seconds=10))


def test_a_wave_that_is_over_has_stopped_its_clock():
    state = run_with({"db.start_recovery": TaskSnapshot("failed", START, START + timedelta(seconds=4))})

    [wave] = board(state, [], NOW)

    assert (wave.status, wave.elapsed) == (WaveStatus.FAILED, timedelta(seconds=4))


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
    waiting = Wave("web", WaveStatus.WAITING, 0, 50, {}, None)
    running = Wave("web", WaveStatus.LAUNCHING, 1, 50, {Phase.LAUNCHED: 3, Phase.FAILED: 1}, timedelta(seconds=4))
    with screen:
        for second, wave in enumerate([waiting, waiting, running, running]):
            screen.show(header(second), [wave])

    assert isinstance(screen, PlainScreen)
    assert written.getvalue().splitlines() == [
        "drs.web-shop · drill · elapsed 0:00 · RTO objective 45:00 · DRS time x60",
        " 0:00  ○ web              waiting       50 servers",
        " 0:02  … web              launching     3/50 launched, 1 failed, 1 job",
    ]


def test_the_table_fits_80_columns_with_the_longest_names():
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=80, color_system=None)
    phases = {Phase.LAUNCHED: 500, Phase.FAILED: 100, Phase.CONVERSION: 200, Phase.LAUNCHING: 200}
    waves = [
        Wave("a" * 63, WaveStatus.NOT_STARTED, 20, 1000, phases, timedelta(hours=10)),
        Wave("monitoring", WaveStatus.WAITING_FOR_ANSWER, 20, 1000, phases, timedelta(hours=10)),
    ]
    with screen_for(console) as screen:
        screen.show(header(1), waves)

    last = [line for line in written.getvalue().splitlines() if "monitoring" in line][-1]
    assert " ".join(last.split()) == "? monitoring waiting for an 20 500/1000 100 10:00:00 200 conv, 200"
    assert len(last.rstrip()) <= 80
