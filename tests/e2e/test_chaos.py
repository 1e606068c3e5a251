"""A small campaign and a part of the sweep, with a real Airflow: `make chaos` and `make chaos-sweep` do the rest.

They share one stack: starting one takes as long as all of these runs.
"""

import sys

import pytest

from benchmarks.chaos import sweep
from benchmarks.chaos.scenarios import scenario

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="the stack looks after its processes as Linux does"),
]

RECOVERY, DRILL = 24183, 17332
"""Seeds of two small runs that between them lose every kind of process but the DAG processor, which no run needs."""


def test_runs_keep_every_rule_whichever_process_dies_and_after_whichever_call(tmp_path):
    chosen = [scenario(seed) for seed in (RECOVERY, DRILL)]
    assert {kill.victim for scenario in chosen for kill in scenario.kills} == {
        "task", "worker", "scheduler", "triggerer", "api-server", "machine"
    }  # fmt: skip
    assert (chosen[0].mode, chosen[1].mode, chosen[1].network) == ("recovery", "drill", "isolated")
    assert chosen[0].approval
    assert all("ssm_command" in {step.kind for step in scenario.steps} for scenario in chosen)
    assert sum(len(scenario.servers) for scenario in chosen) < 10
    points = ["StartRecovery", 20, "TerminateRecoveryInstances"]

    problems, struck, calls = sweep.sweep(points, tmp_path, 8, lambda _: None, beside=chosen)

    assert problems == []
    assert struck == 3
    assert calls > 30
