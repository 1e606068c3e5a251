"""The demo's Airflow can only reach the simulator, whatever the person's own environment says."""

import json
from pathlib import Path

from demo.environment import Places, Secrets, airflow, simulator
from demo.ports import Ports

PLACES = Places(Path("/project"), Path("/state"), Path("/plans"))
PORTS = Ports(api=1, simulator=2, worker_log=3, trigger_log=4)
OWN = {
    "PATH": "/bin",
    "AWS_PROFILE": "production",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ENDPOINT_URL_DRS": "https://real",
    "AIRFLOW_HOME": "/real",
    "AIRFLOW_CONN_AWS_DEFAULT": "real",
    "DRS_REPORTS": "s3://real",
}


def built():
    return airflow(OWN, PLACES, PORTS, Secrets("pw", b"0" * 32))


def test_nothing_of_a_persons_own_aws_or_airflow_gets_in():
    assert "/bin" in built().values()
    assert not [name for name, value in built().items() if "real" in value or value == "production"]
    assert {name for name in simulator(OWN, PLACES) if name.startswith(("AWS", "AIRFLOW"))} == set()


def test_the_connection_sends_every_service_to_the_simulator_sts_too():
    connection = json.loads(built()["AIRFLOW_CONN_AWS_DEFAULT"])

    assert connection["extra"] == {
        "region_name": "us-west-2",
        "endpoint_url": "http://127.0.0.1:2",
        "service_config": {"sts": {"endpoint_url": "http://127.0.0.1:2"}},
    }


def test_another_api_port_moves_every_address_that_names_it():
    named = {name: value for name, value in built().items() if "127.0.0.1:1" in value}

    assert named == {
        "AIRFLOW__API__BASE_URL": "http://127.0.0.1:1",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://127.0.0.1:1/execution/",
    }
    assert built()["AIRFLOW__API__PORT"] == "1"
