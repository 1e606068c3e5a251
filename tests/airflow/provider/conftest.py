"""A simulator that the tasks of these tests talk to through the connection aws_default."""

import json
from pathlib import Path

import pytest
from drs_simulator.pytest_plugin import start_drs_simulator  # noqa: F401  (a fixture)

EXAMPLES = Path(__file__).parents[3] / "plugins" / "drs_provider" / "example_dags"


@pytest.fixture(autouse=True)
def examples_bundle(monkeypatch):
    """The example DAGs are the only bundle: ``dag.test()`` stores the bundle of the DAG that it runs."""
    bundle = {
        "name": "provider-examples",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(EXAMPLES)},
    }
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):  # noqa: F811  (the fixture)
    """A simulator with two servers: a DRS job of nine minutes takes about a second."""
    return start_drs_simulator(speed=600)


@pytest.fixture
def simulator(one_simulator, monkeypatch):
    """The simulator as new, behind the connection."""
    one_simulator.reset()
    extra = {"region_name": "us-west-2", "endpoint_url": one_simulator.url}
    connection = {"conn_type": "aws", "login": "AKIAEXAMPLE", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    return one_simulator
