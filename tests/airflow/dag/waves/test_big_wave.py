"""A wave of more servers than Airflow maps over (``[core] max_map_length``), from end to end.

The limit is set low here: with 1,100 servers and Airflow's own limit of 1,024 the same takes minutes.
"""

from datetime import UTC, datetime

import pytest
from drs_provider.ui.board import board_of
from kit.dag_runs import calls, instances

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

HOME = "111122223333"
MANY, LIMIT = 240, 100
PLAN = """
kind: ProtectionGroup
name: web
region: us-west-2
select: {tags: {App: shop}}
---
kind: RecoveryPlan
name: shop
rto: 45m
rpo: 5m
drill: {network: shared}
waves: [{name: web, groups: [web]}]
"""


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):
    network = {"vpc": "10.20.0.0/16", "subnets": {"big": "10.20.0.0/17"}}
    servers = {"id": "s-{n:017d}", "hostname": "web{n}", "count": MANY, "launch": {"subnet": "big"}, "lag": "2s"}
    region = {"name": "us-west-2", "network": network, "servers": [servers | {"tags": {"App": "shop"}}]}
    return start_drs_simulator({"accounts": [{"id": HOME, "regions": [region]}]}, speed=600)


def looked_at(ended):
    """The run as the pages read it."""
    from airflow.utils.session import create_session
    from drs_provider.ui.airflow_runs import AirflowRuns

    with create_session() as session:
        return AirflowRuns(session).run("drs.shop", ended.dag_run.run_id)


def test_a_wave_of_more_servers_than_airflow_maps_is_launched_watched_and_cleaned_up(run, simulator, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", str(LIMIT))

    ended = run(PLAN)

    assert ended.state == "success"
    assert len(ended.servers) == MANY
    assert set(ended.servers.values()) == {"launched"}
    assert len([task for task in ended.tasks if task.startswith("web.servers[")]) == 16
    assert [len(call["request"]["sourceServers"]) for call in calls(simulator, "StartRecovery")] == [100, 100, 40]
    assert set(instances(simulator).values()) <= {"terminated"}
    (wave,) = [wave for wave in board_of(looked_at(ended), datetime.now(UTC)).waves if wave.name == "web"]
    assert (wave.status, wave.counts, len(wave.jobs)) == ("launched", {"launched": MANY}, 3)
