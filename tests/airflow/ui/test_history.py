"""The history as Airflow serves it: its own runs, with and without a report, behind its own sign-in."""

from datetime import UTC, datetime

import pytest
from drs_provider.report.measure import measure
from drs_provider.report.store import kept_report
from kit.evidence import a_passed_drill
from kit.signatures import signed

pytestmark = pytest.mark.airflow

API = "/drs/api/v1/history"


@pytest.fixture
def kept(going_on):
    """Have the run that is over keep its report in Airflow alone, as where the API server has another disk."""
    from airflow.models.dagrun import DagRun
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete, update

    report = measure(a_passed_drill())
    run = report.run.model_copy(update={"dag_id": "drs.hello", "run_id": "ended", "plan": "hello"})
    document = kept_report(report.model_copy(update={"run": run}))
    here = {"dag_id": "drs.hello", "task_id": "finish.report", "run_id": "ended"}
    with create_session() as session:
        value = signed(document, "drs.hello", "ended", "finish.report")
        XComModel.set(document.KEY, value, **here, serialize=False, session=session)
        # Whoever has looked before knows that it had none; it was cleared, and has ended again.
        session.execute(update(DagRun).where(DagRun.run_id == "ended").values(end_date=datetime.now(UTC)))
    yield
    with create_session() as session:
        session.execute(delete(XComModel).where(XComModel.run_id == "ended", XComModel.key == document.KEY))


def test_every_run_is_there_with_what_airflow_and_its_report_say(api, kept, sign_in):
    def runs():
        answer = api.get(API, params={"plan": ["web-shop", "hello"]}, headers=sign_in("vera")).json()
        return answer["pending"], {run["run_id"]: run for run in answer["runs"]}

    for _ in range(20):
        pending, found = runs()
        if not pending and "ended" in found and found["ended"]["result"] != "unknown":
            break

    running = found["manual__2026-11-22T05:00:00+00:00"]
    assert (running["plan"], running["mode"], running["result"], running["user"]) == (
        "web-shop",
        "drill",
        "running",
        None,
    )
    assert (found["ended"]["result"], found["ended"]["has_report"]) == ("passed", True)
    assert found["ended"]["rto"]["measured_seconds"] == measure(a_passed_drill()).objectives.rto.measured_seconds


@pytest.mark.parametrize("user", ["vera", "adam"])
def test_whoever_may_read_runs_sees_page_and_export(api, going_on, sign_in, user):
    page = api.get("/drs/history?q=manual__2026-11-22T05", headers=sign_in(user))
    exported = api.get(f"{API}?format=csv&partial=true&plan=web-shop", headers=sign_in(user))

    assert page.status_code == 200
    assert "../dags/drs.web-shop/runs/manual__2026-11-22T05%3A00%3A00%2B00%3A00/plugin/drs-run" in page.text
    assert exported.text.count("\r\n") >= 2
