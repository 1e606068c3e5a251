"""What plans with steps meet in tests: groups, an endpoint with a connection, a runbook, another DAG."""

import json
import threading

import pytest
from kit.endpoints import open_endpoint

GROUPS = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001, s-00000000000000002]
---
kind: ProtectionGroup
name: web
region: us-west-2
servers: [s-00000000000000011]
---
"""
PASSWORD = "correct-horse-battery-staple"
SIGNING = "sign-with-this"


@pytest.fixture
def endpoint():
    with open_endpoint() as opened:
        yield opened


@pytest.fixture
def chat(endpoint, monkeypatch):
    """The Airflow connection of the webhook: user, password, and a secret to sign with."""
    connection = {
        "conn_type": "http",
        "host": "127.0.0.1",
        "schema": "http",
        "port": endpoint.server_port,
        "login": "drs",
        "password": PASSWORD,
        "extra": {"secret": SIGNING},
    }
    monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps(connection))
    endpoint.answers["/"] = (200, "echo")
    return endpoint


def shop(waves, before="", after=""):
    return f"{GROUPS}kind: RecoveryPlan\nname: shop\ndrill: {{network: shared}}\nwaves:\n{waves}{before}{after}"


NAP = {
    "schemaVersion": "0.3",
    "parameters": {"Server": {"type": "String", "default": "none"}},
    "mainSteps": [{"name": "nap", "action": "aws:sleep", "inputs": {"Duration": "PT30S"}}],
}


@pytest.fixture
def runbook(simulator):
    """An automation document that sleeps for half a minute."""
    simulator.client("ssm").create_document(
        Name="Shop-Failover", DocumentType="Automation", Content=json.dumps(NAP), DocumentFormat="JSON"
    )


def steps_of(ended):
    found = {step["name"]: step for step in ended.report["steps"]}
    return found | {step["name"]: step for wave in ended.report["waves"] for step in wave["steps"]}


SWITCH = """\
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG("dns_switch", schedule=None, is_paused_upon_creation=False):
    EmptyOperator(task_id="switch")
"""


@pytest.fixture
def other_dag(plans, airflow_db, tmp_path):
    """Another DAG that Airflow knows, whose runs a thread ends: nothing schedules them here."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState

    (tmp_path / "switch.py").write_text(SWITCH)
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(DagBag(str(tmp_path / "switch.py"), bundle_name="recovery-plans"), "recovery-plans", None)
    over, ended = threading.Event(), []

    def end_runs():
        while not over.wait(0.2):
            with create_session() as session:
                for dag_run in session.query(DagRun).filter(DagRun.dag_id == "dns_switch", DagRun.run_id.like("drs%")):
                    if dag_run.state == DagRunState.QUEUED and not dag_run.conf.get("hangs"):
                        dag_run.state = DagRunState.FAILED if dag_run.conf.get("fails") else DagRunState.SUCCESS
                        ended.append((dag_run.run_id, dag_run.conf))

    thread = threading.Thread(target=end_runs)
    thread.start()
    yield ended
    over.set()
    thread.join()
