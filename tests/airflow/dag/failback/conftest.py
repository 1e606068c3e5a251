"""A plan that has a way back, in an account whose servers come from another Region."""

from datetime import timedelta
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from kit.dag_runs import Run
from kit.failback_plans import FLEET, SHOP, WEST

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):
    """Twenty-five minutes of an initial copy take about a second."""
    return start_drs_simulator(FLEET, speed=1800)


@pytest.fixture(autouse=True)
def asks_often(monkeypatch):
    """Half a minute between two questions would be fifteen hours here."""
    monkeypatch.setattr("drs_provider.dag.failback.reverse.POLL_SECONDS", 0.2)
    monkeypatch.setattr("drs_provider.dag.failback.reverse.CALL_POLL_SECONDS", 0.2)
    monkeypatch.setattr("drs_provider.dag.failback.reverse.CALL_AGAIN", timedelta(seconds=1))


@pytest.fixture
def recovered(simulator):
    """Launch servers for good, as a recovery has."""

    def recovered(*servers):
        drs = simulator.client("drs", region_name=WEST)
        drs.start_recovery(isDrill=False, sourceServers=[{"sourceServerID": server_id} for server_id in servers])
        simulator.advance("40m")
        found = drs.describe_recovery_instances()["items"]
        return {instance["sourceServerID"]: instance["recoveryInstanceID"] for instance in found}

    return recovered


@pytest.fixture
def dag_of(plans, airflow_db):
    """The DAG of the way back of a plan of this text."""

    def dag_of(text=SHOP):
        (plans / "shop.yaml").write_text(text)
        bag = DagBag(str(ROOT / "dags" / "recovery_plans.py"))
        assert bag.import_errors == {}
        return bag.dags["drs.shop.failback"]

    return dag_of


@pytest.fixture
def go_back(dag_of, simulator, tmp_path, monkeypatch):
    """Run the way back of a plan of this text to its end, without retries."""

    def go_back(text=SHOP, *, folder="reports", **conf):
        monkeypatch.setenv("DRS_REPORTS", str(tmp_path / folder))
        dag = dag_of(text)
        for task in dag.tasks:
            task.retries = 0
        return Run(dag.test(run_conf={"mode": "reprotect", **conf}), tmp_path / folder)

    return go_back
