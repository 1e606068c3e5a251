"""A drill's process is killed after one of its AWS calls: the sweeper alone brings the whole account back.

Every call in turn: ``python -m benchmarks.killed_drills``. Here one in the middle of the security groups of the drill's
network, one of the launch settings, and one while the second wave is launched.
"""

import pytest

from benchmarks.killed_drills import FLEET, connection, judged

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]


@pytest.mark.parametrize(("call", "network"), [(60, "isolated"), (130, "isolated"), (52, "shared")])
@pytest.mark.usefixtures("airflow_db")
def test_the_sweeper_alone_brings_the_account_back(call, network, start_drs_simulator, airflow_home, monkeypatch):
    simulator = start_drs_simulator(FLEET, speed=600)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(simulator.url))

    found = judged(simulator, call, home=airflow_home, network=network)

    assert found.was_killed
    assert found.wrong == []
