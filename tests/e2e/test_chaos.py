"""A small campaign and a part of the sweep, with a real Airflow: `make chaos` and `make chaos-sweep` do the rest."""

import sys

import pytest

from benchmarks.chaos import run, sweep
from benchmarks.chaos.scenarios import scenario

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="the stack looks after its processes as Linux does"),
]

SEED = 2126


def test_three_runs_keep_every_rule_while_airflow_is_killed(tmp_path, capsys):
    assert any(one.kills for one in map(scenario, range(SEED, SEED + 3)))

    code = run.main(["--runs", "3", "--seed", str(SEED), "--state", str(tmp_path)])

    said = capsys.readouterr().out
    assert code == 0, said
    assert "3 of 3 runs kept every rule" in said


def test_a_drill_ends_the_same_whichever_call_its_task_dies_after(tmp_path):
    points = ["StartRecovery", 20, "TerminateRecoveryInstances"]

    problems, struck, calls = sweep.sweep(points, tmp_path, 4, lambda _: None)

    assert problems == []
    assert struck == 3
    assert calls > 30
