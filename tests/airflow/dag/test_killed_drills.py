"""A drill's process is killed after one of its AWS calls: the sweeper alone brings the account back.

Every call in turn: ``python -m benchmarks.killed_drills``. Here one in the middle of the launch settings, and one while
the second wave is launched.
"""

import pytest

from benchmarks.killed_drills import FLEET, connection, judged

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]


@pytest.mark.parametrize("call", [24, 52])
def test_the_sweeper_alone_brings_the_account_back(call, start_drs_simulator, airflow_home, airflow_db, monkeypatch):
    simulator = start_drs_simulator(FLEET, speed=600)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(simulator.url))

    was_killed, wrong = judged(simulator, call, home=airflow_home)

    assert was_killed
    assert wrong == []
