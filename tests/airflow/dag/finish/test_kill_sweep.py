"""A sample of the kill sweep: a run whose process, or whose Airflow, dies after one writing call keeps every rule.

Every call of every kind: ``make chaos-sweep``.
"""

from functools import partial

import pytest
from drs_simulator.pytest_plugin import start_drs_simulator  # noqa: F401  (a fixture)

from benchmarks.kill_sweep.kinds import FLEET, kind_of
from benchmarks.kill_sweep.lives import environment
from benchmarks.kill_sweep.run import one_run

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):  # noqa: F811  (the fixture)
    return start_drs_simulator(dict(FLEET), speed=1)


@pytest.fixture
def killed(one_simulator, tmp_path, monkeypatch):
    for name, value in environment(one_simulator.url, tmp_path).items():
        monkeypatch.setenv(name, value)
    return partial(one_run, url=one_simulator.url, home=tmp_path, writes_only=True)


@pytest.mark.parametrize(
    ("kind", "operation", "elsewhere"),
    [
        ("roll_back", "drs:TerminateRecoveryInstances", False),
        ("roll_back", "drs:StartRecovery", True),
        ("migration", "ec2:StopInstances", False),
        ("migration", "ec2:StopInstances", True),
        ("migration_rolled_back", "drs:TerminateRecoveryInstances", True),
        ("reprotect", "drs:ReverseReplication", False),
        ("reprotect", "drs:ReverseReplication", True),
        ("failback", "drs:StartRecovery", True),
        ("failback_drill", "drs:StartRecovery", False),
    ],
)
def test_a_run_that_dies_after_a_call_ends_as_one_that_did_not(killed, kind, operation, elsewhere):
    judged = killed(kind_of(kind), at=operation, elsewhere=elsewhere)

    assert judged.struck.endswith(operation)
    assert judged.problems == ()
