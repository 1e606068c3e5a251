"""Airflow's real API app over a database with one run of the web shop that is still going on."""

import json
import os
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from drs_provider.rules.run.handover import (
    Document,
    FailureMessage,
    Launch,
    PreflightResult,
    ServerResults,
    WrittenReport,
)
from kit.signatures import signed

ROOT = Path(__file__).parents[3]
DAG_ID = "drs.web-shop"
RUN_ID = "manual__2026-11-22T05:00:00+00:00"
PASSWORDS = {
    "vera": "viewer-password",
    "mallory": "user-password",
    "otto": "op-password",
    "adam": "admin-password",
}


@pytest.fixture(autouse=True)
def looked_at_every_time(monkeypatch):
    """Let a board be drawn for every request, for tests change the same run within moments."""
    from drs_provider.ui import recent_boards

    monkeypatch.setattr(recent_boards, "FRESH_FOR", timedelta(0))


@pytest.fixture(scope="session")
def api(airflow_db: Path, airflow_home: Path) -> Iterator:
    """The app with a viewer, vera, a user, mallory, an op, otto, and an admin, adam."""
    passwords = airflow_home / "passwords.json"
    passwords.write_text(json.dumps(PASSWORDS))
    settings = {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "vera:viewer,mallory:user,otto:op,adam:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of tests, " * 4,
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # starlette recommends another HTTP client than the one that Airflow brings
        from airflow.api_fastapi.app import create_app, purge_cached_app
        from fastapi.testclient import TestClient

    purge_cached_app()
    with TestClient(create_app(), base_url="http://testserver") as client:
        yield client
    purge_cached_app()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture(scope="session")
def sign_in(api):
    """Return the headers of a signed-in user."""

    def headers(name: str) -> dict[str, str]:
        answer = api.post("/auth/token", json={"username": name, "password": PASSWORDS[name]})
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    return headers


@pytest.fixture(scope="session")
def going_on(airflow_db: Path) -> tuple[str, str]:
    """A drill of the web shop: database launched but for one server, application launching, the rest waiting."""
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState

    bag = DagBag(str(ROOT / "dags" / "recovery_plans.py"), bundle_path=ROOT / "dags", bundle_name="dags-folder")
    assert bag.import_errors == {}
    with create_session() as session:
        session.merge(DagBundleModel(name="dags-folder"))
    with create_session() as session:
        sync_bag_to_db(bag, "dags-folder", None, session=session)
    _start_run(DAG_ID, RUN_ID, DagRunState.RUNNING)
    _start_run("drs.hello", "ended", DagRunState.SUCCESS)
    with create_session() as session:
        _leave_traces(session)
    return DAG_ID, RUN_ID


def _start_run(dag_id: str, run_id: str, state) -> None:
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    started = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
    with create_session() as session:
        SerializedDagModel.get_dag(dag_id, session=session).create_dagrun(
            run_id=run_id,
            run_after=started,
            logical_date=started,
            data_interval=(started, started),
            conf={"mode": "drill"},
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=state,
            start_date=started,
            session=session,
        )


def _leave_traces(session) -> None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from sqlalchemy import update

    def state(task_id: str, name: str) -> None:
        session.execute(
            update(TaskInstance)
            .where(TaskInstance.dag_id == DAG_ID, TaskInstance.run_id == RUN_ID, TaskInstance.task_id == task_id)
            .values(state=name, start_date=datetime(2026, 11, 22, 5, 0, 9, tzinfo=UTC))
        )

    def left(task_id: str, document: Document) -> None:
        value = signed(document, DAG_ID, RUN_ID, task_id)
        at = {"dag_id": DAG_ID, "task_id": task_id, "run_id": RUN_ID}
        XComModel.set(document.KEY, value, **at, serialize=False, session=session)

    members = {
        "database": [("s-0db00000000000001", "db1"), ("s-0db00000000000002", "<b>db2</b>")],
        "application": [("s-0app0000000000001", "app1")],
    }
    targets = {
        wave: {
            "selected": True,
            "targets": [
                {
                    "region": "us-west-2",
                    "aws_conn_id": "aws_default",
                    "servers": [
                        {"server_id": server_id, "hostname": hostname, "group": wave, "critical": True}
                        for server_id, hostname in servers
                    ],
                }
            ],
        }
        for wave, servers in members.items()
    }
    session.execute(
        update(TaskInstance)
        .where(TaskInstance.dag_id == DAG_ID, TaskInstance.run_id == RUN_ID, TaskInstance.task_id.like("preflight.%"))
        .values(state="skipped")
    )
    state("preflight.check", "success")
    found = {
        "plan": "web-shop",
        "digest": "d",
        "checked_at": "2026-11-22T05:00:05+00:00",
        "needs_approval": False,
        "passed": True,
        "mode": "drill",
        "findings": [],
        "waves": targets,
    }
    left("preflight.check", PreflightResult.from_json(found))
    for wave, watched in (("database", "failed"), ("application", "deferred")):
        ids = [server_id for server_id, _ in members[wave]]
        state(f"{wave}.start_recovery", "success")
        state(f"{wave}.recovery_job", watched)
        job = {"job_id": f"drsjob-{wave}", "servers": ids, "created_at": "2026-11-22T05:00:09+00:00", "adopted": False}
        launch = {"region": "us-west-2", "aws_conn_id": "aws_default", "jobs": [job]}
        left(f"{wave}.start_recovery", Launch.from_json(launch))
    launched = {"server_id": "s-0db00000000000001", "hostname": "db1", "status": "launched", "instance_id": "i-1"}
    failed = {"server_id": "s-0db00000000000002", "hostname": "<b>db2</b>", "status": "failed", "reason": "no capacity"}
    left(
        "database.recovery_job", ServerResults.from_json([server | {"critical": True} for server in (launched, failed)])
    )
    left("database.recovery_job", FailureMessage.from_json("1 server failed"))
    verdict = {"json": "j", "html": "h", "verdict": "passed", "why": "All 2 servers in 2 waves were launched."}
    report = WrittenReport.from_json(verdict)
    XComModel.set(
        report.KEY,
        signed(report, "drs.hello", "ended", "finish.report"),
        dag_id="drs.hello",
        task_id="finish.report",
        run_id="ended",
        serialize=False,
        session=session,
    )
