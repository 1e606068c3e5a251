"""A plan of the campaign, run in peace: the judge finds nothing wrong with what the product really leaves."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from kit.dag_runs import Run

from benchmarks.chaos.documents import WEBHOOK_CONN_ID, documents, fleet
from benchmarks.chaos.judge import judge, strangers
from benchmarks.chaos.judge_cloud import over_quota
from benchmarks.chaos.listener import Listener
from benchmarks.chaos.record import Heard, Said, read_record
from benchmarks.chaos.scenarios import SMALL, Scenario, Server, Step, Wave
from benchmarks.chaos.surroundings import networks_left, prepare
from demo.environment import INSTALLATION

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

ROOT = Path(__file__).parents[3]

FALLBACK = (
    ("instance_type", "r5.large"),
    ("right_sizing", "none"),
    ("fallback", {"instance_types": ["r5a.large"]}),
)
ACTION = {"code": "AWSDisasterRecovery-ValidateNetworkConnectivity", "name": "probe", "optional": True}


def server(number, **more):
    return Server(f"s-{7:09d}{number:08d}", f"c7-{number}", **more)


EVERYTHING = Scenario(
    7,
    "drill",
    (
        Wave(
            "w0",
            (server(0), server(1, order=2)),
            launch=FALLBACK,
            steps=(
                Step("url", "http", "before", lost=1),
                Step("command", "ssm_command"),
                Step("book", "ssm_automation"),
            ),
        ),
        Wave(
            "w1",
            (server(2),),
            ("w0",),
            drill_launch=(("actions", [ACTION]),),
            delay=1,
            steps=(Step("function", "lambda"), Step("hook", "webhook"), Step("breath", "wait", "before")),
        ),
    ),
    ({"servers": [server(0).id], "do": "no_capacity", "instance_type": "r5.large"},),
    (),
    network="isolated",
    account=SMALL,
)


@pytest.fixture
def listener(monkeypatch):
    listener = Listener({EVERYTHING.mark(step): step.lost for step in EVERYTHING.steps})
    monkeypatch.setenv(f"AIRFLOW_CONN_{WEBHOOK_CONN_ID.upper()}", listener.address)
    yield listener
    listener.close()


@pytest.fixture
def simulator(start_drs_simulator, tmp_path, monkeypatch):
    (tmp_path / "fleet.yaml").write_text(yaml.safe_dump(fleet([EVERYTHING])))
    simulator = start_drs_simulator(tmp_path / "fleet.yaml", speed=600)
    extra = {"region_name": "us-west-2", "endpoint_url": simulator.url}
    login = {"conn_type": "aws", "login": SMALL.id, "password": "secret", "extra": extra}
    monkeypatch.setenv(f"AIRFLOW_CONN_{SMALL.conn_id.upper()}", json.dumps(login))
    monkeypatch.setenv("DRS_INSTALLATION", INSTALLATION)
    prepare(simulator.url)
    simulator.fault(EVERYTHING.faults[0])
    return simulator


@pytest.mark.usefixtures("airflow_db")
def test_a_drill_with_everything_that_a_plan_can_have_keeps_every_rule(simulator, plans, listener, tmp_path):
    texts = documents(EVERYTHING, listener.address)
    (plans / "plan.yaml").write_text(yaml.safe_dump_all(texts, sort_keys=False))
    before = simulator.state()

    dag = DagBag(str(ROOT / "dags" / "recovery_plans.py")).dags[EVERYTHING.dag_id]
    run = Run(dag.test(run_conf=EVERYTHING.conf), tmp_path / "reports")

    heard = Heard(listener.heard, listener.unanswered, listener.ready)
    more = {"calls": simulator.calls(), "networks": networks_left(simulator.url), "heard": heard}
    record = read_record(simulator.state(), before, **more)
    one = replace(EVERYTHING, run=run.dag_run.run_id)
    assert judge(one, Said(run.state, run.report), record) == []
    assert [*strangers([one], record), *over_quota(record)] == []
    # It was really done, and not passed over.
    assert run.report["verdict"] == "passed"
    assert {step["state"] for wave in run.report["waves"] for step in wave["steps"]} == {"succeeded"}
    assert len(record.launches) == 4
