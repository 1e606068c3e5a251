"""Plans of a test in a folder of their own, and two accounts of a simulator that their DAGs talk to."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from drs_simulator.pytest_plugin import start_drs_simulator  # noqa: F401  (a fixture)
from kit.dag_runs import Run
from kit.step_world import chat, endpoint, other_dag, runbook  # noqa: F401  (fixtures)

ROOT = Path(__file__).parents[3]
HERE, THERE = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{THERE}:role/dr-operator"


def sid(number):
    return f"s-{number:017d}"


def _servers(first, count, hostname, tier):
    return [
        {"id": sid(first + n), "hostname": f"{hostname}{n + 1}", "tags": {"App": "shop", "Tier": tier}, "lag": "2s"}
        for n in range(count)
    ]


FLEET = {
    "accounts": [
        {
            "id": HERE,
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/22"}},
                    "servers": [*_servers(1, 3, "db", "db"), *_servers(11, 2, "web", "web")],
                }
            ],
        },
        {
            "id": THERE,
            "regions": [
                {
                    "name": "eu-central-1",
                    "network": {"vpc": "10.30.0.0/16", "subnets": {"prod": "10.30.0.0/22"}},
                    "servers": _servers(21, 2, "mail", "mail"),
                }
            ],
            "roles": [{"name": "dr-operator", "trust": HERE, "external_id": "secret-1"}],
        },
    ]
}


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):  # noqa: F811  (the fixture)
    """A DRS job of nine minutes takes about a second."""
    return start_drs_simulator(FLEET, speed=600)


@pytest.fixture
def fleet_file(tmp_path):
    """The fleet as a file, for a simulator of one's own."""
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps(FLEET))
    return path


@pytest.fixture
def simulator(one_simulator, monkeypatch):
    """The simulator as new, behind two connections: the second one takes a role in the other account."""
    one_simulator.reset()
    url = one_simulator.url
    endpoints = {"endpoint_url": url, "service_config": {"sts": {"endpoint_url": url}}}
    login = {"conn_type": "aws", "login": "AKIAEXAMPLE", "password": "secret"}
    here = {"region_name": "us-west-2", **endpoints}
    there = {
        "region_name": "eu-central-1",
        "role_arn": ROLE,
        "assume_role_kwargs": {"ExternalId": "secret-1"},
        **endpoints,
    }
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({**login, "extra": here}))
    monkeypatch.setenv("AIRFLOW_CONN_AWS_THERE", json.dumps({**login, "extra": there}))
    return one_simulator


@pytest.fixture
def plans(tmp_path, monkeypatch):
    """An empty plans folder, and the DAGs folder as the only bundle."""
    folder = tmp_path / "plans"
    folder.mkdir()
    monkeypatch.setenv("DRS_PLANS_FOLDER", str(folder))
    monkeypatch.setenv("DRS_REPORTS", str(tmp_path / "reports"))
    bundle = {
        "name": "recovery-plans",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(ROOT / "dags")},
    }
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
    return folder


@pytest.fixture
def looks_over_once(monkeypatch):
    """The last look does not wait a minute for what will not go away."""
    monkeypatch.setattr("drs_provider.dag.finish.leftovers.MOST_TIME", timedelta(0))


@pytest.fixture
def run(plans, airflow_db, simulator, tmp_path):
    """Run a plan of this text to its end, without retries but for the tasks that are named, which wait for none."""

    def run(text, retried=(), **conf):
        (plans / "shop.yaml").write_text(text)
        bag = DagBag(str(ROOT / "dags" / "recovery_plans.py"))
        assert bag.import_errors == {}
        dag = bag.dags["drs.shop"]
        for task in dag.tasks:
            if task.task_id in retried:
                task.retry_delay = timedelta(0)
            elif not hasattr(task, "partial_kwargs"):
                task.retries = 0  # a retry waits
        return Run(dag.test(run_conf={"mode": "drill", **conf}), tmp_path / "reports")

    return run
