"""Reports, kept plans and the check of their place on S3: Airflow's object storage over s3fs against moto's S3.

Needs s3fs, which our own lock does not have (its aiobotocore wants an older botocore): these tests step aside there and
run in `make test-s3`, and beside Amazon MWAA's list (`make test-matrix`).
"""

import json

import boto3
import pytest
from drs_provider.dag.plan_store import keep_plan, kept_plans
from drs_provider.dag.report_place import look_at_report_place
from drs_provider.plan.loader import read_folder
from drs_provider.report.measure import measure
from drs_provider.report.store import read_report, report_file, stored_reports, to_json, write_report
from kit.evidence import a_passed_drill

pytest.importorskip("s3fs", reason="s3fs is not installed: make test-s3 has it")
pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

BUCKET = "dr-reports"
PLAN = """\
kind: ProtectionGroup
name: db
servers: [s-00000000000000001]
---
kind: RecoveryPlan
name: shop
drill: {network: shared}
waves: [{name: database, groups: [db]}]
"""


@pytest.fixture(scope="module")
def s3_address():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_address, monkeypatch):
    """An empty bucket, which the connection ``aws_reports`` reaches, and reports in it."""
    client = boto3.client("s3", endpoint_url=s3_address, region_name="us-west-2")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    extra = {"region_name": "us-west-2", "endpoint_url": s3_address}
    login = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_REPORTS", json.dumps(login))
    monkeypatch.setenv("DRS_REPORTS", f"s3://aws_reports@{BUCKET}/of-drs")
    yield client
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def place(s3):
    from airflow.sdk import ObjectStoragePath
    from drs_provider.configuration import reports_location

    return ObjectStoragePath(reports_location())


def names_in(client):
    return {item["Key"] for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])}


def test_a_report_is_written_found_and_served_from_s3(s3, place):
    report = measure(a_passed_drill())
    run = (report.run.dag_id, report.run.run_id)

    written = write_report(report, place)

    assert {name.rpartition("/")[2] for name in names_in(s3)} == {"report.html", "report.json"}
    assert all(name.startswith("of-drs/drs.web-shop/") for name in names_in(s3))
    assert written.json_path.startswith(f"s3://aws_reports@{BUCKET}/of-drs/")
    assert read_report(place, *run) == report
    assert list(stored_reports(place, run[0])) == [report]
    assert report_file(lambda: place, *run, "report.json", lambda: None) == to_json(report)
    assert write_report(report, place) == written  # once more: the same run's own


def test_what_is_not_there_is_no_report(s3, place):
    assert read_report(place, "drs.shop", "none") is None
    assert list(stored_reports(place, "drs.shop")) == []
    assert report_file(lambda: place, "drs.shop", "none", "report.json", lambda: None) is None


def test_a_plan_is_kept_on_s3_and_found_there_when_its_file_is_broken(s3, tmp_path):
    folder = tmp_path / "plans"
    folder.mkdir()
    (folder / "shop.yaml").write_text(PLAN)
    shop = read_folder(folder).plans["shop"]

    keep_plan(shop, folder, run_id="manual__1")
    (folder / "shop.yaml").write_text(PLAN.replace("waves:", "wives:"))

    (kept,) = kept_plans(folder, read_folder(folder))
    assert (kept.runnable, kept.run_id) == (shop, "manual__1")
    assert names_in(s3) == {"of-drs/kept_plans/shop.yaml"}


@pytest.mark.parametrize("executor", ["LocalExecutor", "CeleryExecutor"])
def test_a_bucket_that_can_be_written_speaks_against_no_run(s3, monkeypatch, executor):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)

    assert list(look_at_report_place().findings("shop", "refusal")) == []


def test_a_bucket_that_is_not_there_is_told_before_a_run_needs_it(s3, monkeypatch):
    monkeypatch.setenv("DRS_REPORTS", "s3://aws_reports@no-such-bucket/of-drs")

    (finding,) = look_at_report_place().findings("shop", "refusal")

    assert finding.severity == "refusal"
    assert finding.what.startswith(
        "its report cannot be written: nothing can be written to s3://aws_reports@no-such-bucket/of-drs: "
    )
    assert "bucket" in finding.what.lower()
