"""XComs, reports and kept plans in object storage, with a real Airflow; and an API server that has no plans.

In files, and on moto's S3 where s3fs is installed: our lock has none, for its aiobotocore wants an older botocore, but
`make test-s3` has.
"""

import importlib.util
import json
import sys
import time
from contextlib import ExitStack

import boto3
import httpx
import pytest

from benchmarks.chaos.campaign import AIRFLOW
from benchmarks.killed_drills import FLEET, PLAN, SERVERS
from demo.ports import any_port
from demo.stack import PROJECT, Settings, Stack

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="the stack looks after its processes as Linux does"),
]
BUCKET = "dr-reports"
WAVES = {"database": "launched", "web": "launched"}
BACKEND = "airflow.providers.common.io.xcom.backend.XComObjectStorageBackend"
WITHOUT_S3 = pytest.mark.skipif(importlib.util.find_spec("s3fs") is None, reason="no s3fs: make test-s3 has it")


class Place:
    """A place for XComs, one for reports, and what lies there."""

    def __init__(self, xcoms, reports, names, read, airflow):
        self.xcoms, self.reports, self.names, self.read, self.airflow = xcoms, reports, names, read, airflow


def in_files(folder, _):
    def names():
        return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}

    root = f"file://{folder}"
    return Place(f"{root}/xcoms", f"{root}/of-drs", names, lambda name: (folder / name).read_text(), {})


def on_s3(_, stack):
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    stack.callback(server.stop)
    address = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client(
        "s3", endpoint_url=address, region_name="us-west-2", aws_access_key_id="test", aws_secret_access_key="test"
    )
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    extra = {"region_name": "us-west-2", "endpoint_url": address}
    login = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}

    def names():
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {item["Key"] for page in pages for item in page.get("Contents", [])}

    def read(name):
        return client.get_object(Bucket=BUCKET, Key=name)["Body"].read().decode()

    root = f"s3://aws_reports@{BUCKET}"
    return Place(f"{root}/xcoms", f"{root}/of-drs", names, read, {"AIRFLOW_CONN_AWS_REPORTS": json.dumps(login)})


class Standing(Stack):
    """The stack with a person who looks at it."""

    def get(self, path, port=None):
        """Ask an API server for a page; as the admin."""
        address = self.airflow.address if port is None else f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=address, timeout=120, trust_env=False) as client:
            login = {"username": "admin", "password": self.password}
            token = client.post("/auth/token", json=login).raise_for_status().json()["access_token"]
            return client.get(path, headers={"Authorization": f"Bearer {token}"})

    def plan(self, name, port):
        """Return a row of the list of plans; None: it has none of that name."""
        listed = self.get("/drs/plans.json", port).raise_for_status().json()
        return next((plan for plan in listed["plans"] if plan["name"] == name), None)

    def until(self, is_so, what, seconds=400):
        give_up = time.monotonic() + seconds
        while not (found := is_so()):
            assert time.monotonic() < give_up, f"not so: {what}"
            self.check(0.3)
        return found


def bare_api_server(stack, folder):
    """Start an API server that has neither plans nor DAGs; return its port."""
    port = any_port()
    nowhere = {"DRS_PLANS_FOLDER": str(folder / "no-plans"), "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "no-dags")}
    stack.processes.start(
        "bare-api-server",
        [sys.executable, "-m", "airflow", "api-server", "--port", str(port)],
        stack.airflow_environment() | nowhere,
        PROJECT,
    )

    def answers():
        try:
            return httpx.get(f"http://127.0.0.1:{port}/api/v2/version", timeout=5, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    stack.until(answers, "the second API server answers")
    return port


@pytest.mark.parametrize("place_of", [in_files, pytest.param(on_s3, marks=WITHOUT_S3)])
def test_a_drill_leaves_everything_in_object_storage_and_a_server_without_plans_shows_it(place_of, tmp_path):
    plans, store = tmp_path / "plans", tmp_path / "store"
    plans.mkdir()
    store.mkdir()
    file = plans / "shop.yaml"
    file.write_text(PLAN.replace("NETWORK", "isolated"))
    (tmp_path / "fleet.json").write_text(json.dumps(FLEET))
    with ExitStack() as opened:
        place = place_of(store, opened)
        settings = Settings(
            state=tmp_path / "state",
            plans=plans,
            fleets=(tmp_path / "fleet.json",),
            speed=300,
            ready_within=600,
            port=any_port(),
            airflow={
                **AIRFLOW,
                **place.airflow,
                "AIRFLOW__CORE__XCOM_BACKEND": BACKEND,
                "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH": place.xcoms,
                "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_THRESHOLD": "0",
                "DRS_REPORTS": place.reports,
                "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "15",
                "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "15",
            },
        )
        stack = opened.enter_context(Standing(settings))
        stack.await_dag("drs.shop")
        parameter = {"Name": "dr.register", "Value": "echo registered", "Type": "String"}
        ssm = boto3.client(
            "ssm",
            endpoint_url=stack.simulator.address,
            region_name="us-west-2",
            aws_access_key_id="demo",
            aws_secret_access_key="demo",
        )
        ssm.put_parameter(**parameter)
        port = bare_api_server(stack, tmp_path)
        run_id = stack.airflow.trigger("drs.shop", {"mode": "drill"}, run_id="drill-1")

        def ended():
            state = stack.airflow.run("drs.shop", run_id)["state"]
            return state if state in ("success", "failed") else None

        stack.until(lambda: "of-drs/kept_plans/shop.yaml" in place.names() or ended(), "the plan is kept")
        file.write_text(PLAN.replace("waves:", "wives:"))

        assert stack.until(ended, "the run has ended") == "success"
        file.write_text(PLAN.replace("NETWORK", "isolated"))
        (written,) = [name for name in place.names() if name.endswith("report.json")]
        assert written.startswith("of-drs/drs.shop/")
        report = json.loads(place.read(written))
        assert report["verdict"] == "passed"
        launched = {server["server_id"] for wave in report["waves"] for server in wave["servers"]}
        assert launched == set(SERVERS)

        # Airflow's table has addresses only; what the pages show came through the backend.
        entries = "/api/v2/dags/drs.shop/dagRuns/drill-1/taskInstances/finish.report/xcomEntries/return_value"
        assert stack.get(f"{entries}?deserialize=false").json()["value"].startswith(f"{place.xcoms}/drs.shop/drill-1/")
        for server in (None, port):
            shop = stack.until(lambda server=server: stack.plan("shop", server), f"{server} lists the plan")
            assert (shop["last_run"], shop["last_status"], shop["verified"]) == ("drill-1", "passed", True), server
            board = stack.get("/drs/runs/drs.shop/drill-1/board", server).raise_for_status().json()
            assert board["status"] == "passed", server
            assert {wave["name"]: wave["status"] for wave in board["waves"]} == WAVES, server
            assert {shown["server_id"] for wave in board["waves"] for shown in wave["servers"]} == set(SERVERS), server
            assert "shop" in stack.get("/drs/runs/drs.shop/drill-1", server).raise_for_status().text
            left = stack.get("/drs/runs/drs.shop/drill-1/left/finish.report/return_value", server)
            assert left.raise_for_status().json()["value"]["verdict"] == "passed"
            for name in ("report.json", "report.html"):
                kept = stack.get(f"/drs/reports/drs.shop/drill-1/{name}", server).raise_for_status()
                assert "passed" in kept.text
            (past,) = stack.get("/drs/api/v1/history", server).raise_for_status().json()["runs"]
            assert past["result"] == "passed"
        said = stack.processes.log("bare-api-server").read_text(errors="replace")
        assert "Traceback" not in said
