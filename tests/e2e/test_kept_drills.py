"""A drill that is kept for people, on a real scheduler; and a sweeper that cleans up what another Airflow has left."""

import json
import sys
import time
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from botocore.exceptions import ClientError
from drs_provider.cli import main as drs
from drs_simulator.client import SimulatorHandle

from benchmarks.killed_drills import FLEET, PLAN, SERVERS, killed
from benchmarks.whole_account import account, differences
from demo.ports import any_port
from demo.stack import PROJECT, Settings, Stack

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="the stack looks after its processes as Linux does"),
]

PREFIX = "drs-orchestrator:"
KEEP = "/api/v2/dags/drs.shop/dagRuns/{run}/taskInstances/finish.keep/-1/hitlDetails"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    (folder / "plans").mkdir()
    plan = PLAN.replace("network: NETWORK", "network: isolated, keep_for: 1h")
    (folder / "plans" / "shop.yaml").write_text(plan)
    (folder / "fleet.json").write_text(json.dumps(FLEET))
    settings = Settings(
        state=folder / "state",
        plans=folder / "plans",
        fleets=(folder / "fleet.json",),
        speed=600,
        port=any_port(),
        airflow={"PYTHONPATH": str(PROJECT / "plugins")},  # this tree, also where another one is installed
    )
    with Stack(settings) as stack:
        wait(stack, lambda: all(stack.airflow.knows_dag(dag_id) for dag_id in ("drs.shop", "drs.sweeper")))
        yield stack


@pytest.fixture
def simulator(stack):
    handle = SimulatorHandle(stack.simulator.address)
    handle.client("ssm").put_parameter(Name="dr.register", Value="echo", Type="String", Overwrite=True)
    return handle


def wait(stack, look, seconds=400):
    until = time.monotonic() + seconds
    while not (seen := answered(look)):
        assert time.monotonic() < until, f"still {seen}"
        stack.check(0.3)
    return seen


def answered(look):
    """A machine that is busy with other tests answers late; then it is asked again."""
    with suppress(httpx.TimeoutException):
        return look()
    return None


def ended(stack, dag_id, run_id):
    return wait(stack, lambda: (state := stack.airflow.run(dag_id, run_id)["state"]) in ("success", "failed") and state)


def jobs(simulator):
    return [job for job in simulator.client("drs").describe_jobs(filters={})["items"] if job["tags"]]


def expiries(simulator):
    return {datetime.fromisoformat(job["tags"][f"{PREFIX}expires"]) for job in jobs(simulator)}


def kept(stack, run_id):
    """Airflow takes it away for a moment, when the task goes on after an answer."""
    return stack.airflow.result("drs.shop", run_id, "finish.keep", "kept") or {"extended": None}


def test_a_kept_drill_is_extended_from_a_shell_and_in_airflow_and_ended_from_a_shell(stack, simulator, monkeypatch):
    before = account(simulator)
    monkeypatch.setenv("DRS_AIRFLOW_URL", stack.airflow.address)
    monkeypatch.setenv("DRS_AIRFLOW_USER", "admin")
    monkeypatch.setenv("DRS_AIRFLOW_PASSWORD", stack.password)
    run_id = stack.airflow.trigger("drs.shop", {"mode": "drill"})

    def state():
        return {task["task_id"]: task["state"] for task in stack.airflow.tasks("drs.shop", run_id)}["finish.keep"]

    def asked(extended):
        """Wait for the question, and until the scheduler has heard that the asking has ended: else it asks again."""
        wait(stack, lambda: kept(stack, run_id)["extended"] == extended and state() == "awaiting_input")
        time.sleep(6)

    asked(0)
    first, until = expiries(simulator), datetime.fromisoformat(kept(stack, run_id)["until"])

    assert drs.main(["run", "extend", "shop", "--by", "1d"]) == 0
    asked(1)
    assert datetime.fromisoformat(kept(stack, run_id)["until"]) == until + timedelta(days=1)
    assert min(expiries(simulator)) > max(first)
    with httpx.Client(base_url=stack.airflow.address, trust_env=False) as client:
        token = client.post("/auth/token", json={"username": "admin", "password": stack.password}).json()
        client.headers["Authorization"] = f"Bearer {token['access_token']}"
        body = {"chosen_options": ["Extend by 4h"], "params_input": {}}
        client.patch(KEEP.format(run=run_id), json=body).raise_for_status()
    asked(2)
    assert drs.main(["run", "end", "shop"]) == 0

    assert ended(stack, "drs.shop", run_id) == "success"
    left = stack.airflow.result("drs.shop", run_id, "finish.report")
    report = json.loads(Path(left["json_path"].removeprefix("file://")).read_text())
    assert report["verdict"] == "passed"
    assert (report["drill"]["kept"]["extended"], report["drill"]["kept"]["by"]) == (2, "admin")
    assert report["drill"]["measured"]["dollars"] > 0
    simulator.advance("2h")
    assert differences(before, account(simulator)) == []


def expire(simulator):
    """Let everything that bears a run's tags be over since long."""
    drs, ec2 = simulator.client("drs"), simulator.client("ec2")
    over = "2026-01-01T00:00:00Z"
    for job in jobs(simulator):
        drs.tag_resource(resourceArn=job["arn"], tags={f"{PREFIX}expires": over})
    for instance in drs.describe_recovery_instances(filters={})["items"]:
        drs.tag_resource(resourceArn=instance["arn"], tags={f"{PREFIX}expires": over})
    for server in drs.describe_source_servers(filters={"sourceServerIDs": list(SERVERS)})["items"]:
        if f"{PREFIX}before-drill-expires" in server["tags"]:
            drs.tag_resource(resourceArn=server["arn"], tags={f"{PREFIX}before-drill-expires": over})
    tagged = ec2.describe_tags(Filters=[{"Name": "key", "Values": [f"{PREFIX}expires"]}])["Tags"]
    for name in sorted({resource["ResourceId"] for resource in tagged}):
        with suppress(ClientError):  # EC2 goes on showing tags of what is gone
            ec2.create_tags(Resources=[name], Tags=[{"Key": f"{PREFIX}expires", "Value": over}])


@pytest.mark.usefixtures("airflow_db")
def test_the_sweeper_of_an_airflow_with_new_tables_removes_what_the_lost_one_has_left(stack, simulator, airflow_home):
    before = account(simulator)
    assert killed(60, home=airflow_home, url=simulator.url, network="isolated", only_writes=True)
    assert differences(before, account(simulator))
    simulator.advance("1h")
    expire(simulator)

    run_id = stack.airflow.trigger("drs.sweeper", {})

    assert ended(stack, "drs.sweeper", run_id) == "success"
    simulator.advance("2h")
    assert differences(before, account(simulator)) == []
