"""Clearing runs of a plan with an RTO in Airflow's real API server, and what becomes of their deadlines."""

import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from drs_provider.rules.run.handover import GivenOrders
from drs_provider.services.airflow_client import AirflowClient, Login
from drs_provider.services.run_control import RunControl
from drs_provider.ui.listeners.deadlines import EndingDeadlines

pytestmark = pytest.mark.airflow

DAG_ID = "drs.web-shop"
RTO = timedelta(minutes=45)


def _session():
    from airflow.utils.session import create_session

    return create_session()


def _states(session, run_id, **states):
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import update

    here = (TaskInstance.dag_id == DAG_ID, TaskInstance.run_id == run_id)
    session.execute(update(TaskInstance).where(*here).values(state="upstream_failed"))
    for task, state in states.items():
        named = TaskInstance.task_id == task.replace("__", ".")
        session.execute(update(TaskInstance).where(*here, named).values(state=state))


@pytest.fixture
def failed(api, going_on, request):
    """A drill whose first wave has failed ten minutes after it was asked for; yields its id."""
    from airflow.models.dagrun import DagRun
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    run_id, asked = re.sub(r"[^\w]", "-", f"manual__{request.node.name}"), datetime.now(UTC) - timedelta(minutes=10)
    with _session() as session:
        SerializedDagModel.get_dag(DAG_ID, session=session).create_dagrun(
            run_id=run_id,
            run_after=asked,
            logical_date=None,
            data_interval=None,
            conf={"mode": "drill"},
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.FAILED,
            start_date=asked,
            session=session,
        )
        _states(session, run_id, preflight__check="success", database__recovery_job="failed")
    with _session() as session:  # the run that goes on would stand in the way of a retry
        other = session.query(DagRun).filter_by(dag_id=DAG_ID, run_id=going_on[1]).one()
        other.state = DagRunState.FAILED
    yield run_id
    with _session() as session:
        session.query(DagRun).filter_by(dag_id=DAG_ID, run_id=run_id).delete()
        other = session.query(DagRun).filter_by(dag_id=DAG_ID, run_id=going_on[1]).one()
        other.state = DagRunState.RUNNING


def deadlines(run_id):
    """How long after it was asked for a run must be over, and whether that was missed."""
    from airflow.models.dagrun import DagRun
    from airflow.models.deadline import Deadline

    with _session() as session:
        run = session.query(DagRun).filter_by(dag_id=DAG_ID, run_id=run_id).one()
        found = session.query(Deadline).filter_by(dagrun_id=run.id).all()
        return sorted((deadline.deadline_time - run.run_after, deadline.missed) for deadline in found)


def told(run_id, event):
    """Tell the listener what Airflow tells it of a run, in the session that saves the run."""
    from airflow.models.dagrun import DagRun

    with _session() as session:
        run = session.query(DagRun).filter_by(dag_id=DAG_ID, run_id=run_id).one()
        run.end_date = None if event == "running" else datetime.now(UTC)
        getattr(EndingDeadlines(), f"on_dag_run_{event}")(run, "")


def orders_of(api, sign_in, run_id):
    """What is recorded for the run's report."""
    path = f"{path_of(run_id)}/taskInstances/finish.report/state-store/{GivenOrders.KEY}"
    return GivenOrders.read(api.get(path, headers=sign_in("adam")).json()["value"]).orders


def path_of(run_id):
    return f"/api/v2/dags/{DAG_ID}/dagRuns/{quote(run_id, safe='')}"


def test_a_deadline_counts_from_when_the_run_was_asked_for(failed):
    assert deadlines(failed) == [(RTO, False)]


def test_a_failed_task_is_cleared_and_the_deadline_stays(api, sign_in, failed):
    body = {"dry_run": False, "dag_run_id": failed, "task_ids": ["database.recovery_job"], "include_downstream": True}

    answer = api.post(f"/api/v2/dags/{DAG_ID}/clearTaskInstances", json=body, headers=sign_in("adam"))

    assert answer.status_code == 200, answer.text
    assert api.get(path_of(failed), headers=sign_in("adam")).json()["state"] == "queued"
    assert deadlines(failed) == [(RTO, False)]


def test_a_failed_run_is_cleared_as_a_whole(api, sign_in, failed):
    body = {"dry_run": False, "only_failed": False}

    answer = api.post(f"{path_of(failed)}/clear", json=body, headers=sign_in("adam"))

    assert answer.status_code == 200, answer.text
    assert deadlines(failed) == [(RTO, False)]


def test_airflows_own_reference_would_be_answered_with_500(api, sign_in, failed):
    """If this test fails, Airflow is mended (apache/airflow#70368), and ``RunAskedFor`` is a matter of taste."""
    from airflow.models.deadline import Deadline
    from airflow.models.deadline_alert import DeadlineAlert

    with _session() as session:
        alerts = session.query(DeadlineAlert).join(Deadline, Deadline.deadline_alert_id == DeadlineAlert.id).all()
        before = {alert.id: alert.reference for alert in alerts}
        for alert in alerts:
            alert.reference = {"reference_type": "DagRunQueuedAtDeadline"}
    try:
        with pytest.raises(TypeError):  # the test's client hands on what a server answers with 500
            api.post(f"{path_of(failed)}/clear", json={"dry_run": False}, headers=sign_in("adam"))
    finally:
        with _session() as session:
            for alert in session.query(DeadlineAlert).filter(DeadlineAlert.id.in_(before)):
                alert.reference = before[alert.id]


@pytest.mark.parametrize("event", ["success", "failed"])
def test_a_deadline_ends_with_its_run(failed, event):
    told(failed, event)

    assert deadlines(failed) == []


def test_a_run_that_a_person_marks_as_failed_has_no_upcoming_deadline(api, sign_in, failed):
    from airflow.models.dagrun import DagRun

    with _session() as session:
        session.query(DagRun).filter_by(dag_id=DAG_ID, run_id=failed).one().state = "running"

    answer = api.patch(path_of(failed), json={"state": "failed"}, headers=sign_in("adam"))

    assert answer.status_code == 200, answer.text
    assert deadlines(failed) == []
    assert [order.message for order in orders_of(api, sign_in, failed)] == ["the run marked as failed by adam"]


def test_a_deadline_that_was_missed_stays_missed(failed):
    from airflow.models.deadline import Deadline

    with _session() as session:
        for deadline in session.query(Deadline).join(Deadline.dagrun).filter_by(dag_id=DAG_ID, run_id=failed):
            deadline.missed = True

    told(failed, "failed")

    assert deadlines(failed) == [(RTO, True)]


def test_a_deadline_that_passed_before_the_end_is_airflows_to_handle(failed):
    from airflow.models.deadline import Deadline

    with _session() as session:
        for deadline in session.query(Deadline).join(Deadline.dagrun).filter_by(dag_id=DAG_ID, run_id=failed):
            deadline.deadline_time = datetime.now(UTC) - timedelta(minutes=1)

    told(failed, "failed")

    assert len(deadlines(failed)) == 1


def test_a_run_that_is_cleared_after_its_end_has_its_deadline_again(api, sign_in, failed):
    told(failed, "failed")
    told(failed, "running")
    assert deadlines(failed) == []  # nobody has cleared it

    api.post(f"{path_of(failed)}/clear", json={"dry_run": False, "only_failed": False}, headers=sign_in("adam"))
    told(failed, "running")

    assert deadlines(failed) == [(RTO, False)]
    told(failed, "running")
    assert deadlines(failed) == [(RTO, False)]


def test_a_run_that_is_cleared_after_its_rto_gets_no_deadline_that_has_passed(api, sign_in, failed):
    from airflow.models.dagrun import DagRun

    told(failed, "failed")
    with _session() as session:
        session.query(DagRun).filter_by(dag_id=DAG_ID, run_id=failed).one().run_after -= RTO
    api.post(f"{path_of(failed)}/clear", json={"dry_run": False, "only_failed": False}, headers=sign_in("adam"))

    told(failed, "running")

    assert deadlines(failed) == []


def test_other_dags_keep_what_they_have():
    told_of = SimpleNamespace(dag_id="somebody.elses")
    for event in ("success", "failed", "running"):
        getattr(EndingDeadlines(), f"on_dag_run_{event}")(told_of, "")


def test_a_failed_wave_is_retried_from_the_command_line_and_the_run_tells_of_it(api, failed):
    login = Login("adam", "admin-password")
    with AirflowClient("http://testserver", login, api._transport) as client:
        client.log_in()
        control = RunControl(client)

        steered = control.retry("web-shop", "database", failed, "the cause is gone")

        assert steered.message == (
            "wave database runs again: servers that are up are kept, the others are launched; then application, web "
            "and monitoring"
        )
        assert (steered.run.state.airflow_state, steered.run.note) == (
            "queued",
            "wave database retried by adam: the cause is gone",
        )
        stored = GivenOrders.read(client.stored(DAG_ID, failed, "finish.report", GivenOrders.KEY))
    assert [(order.kind, order.by, order.wave, order.reason) for order in stored.orders] == [
        ("retry", "adam", "database", "the cause is gone")
    ]
    assert deadlines(failed) == [(RTO, False)]


def test_a_mark_is_recorded_with_who_when_and_why(api, sign_in, failed):
    path = f"{path_of(failed)}/taskInstances/application.recovery_job"
    before = datetime.now(UTC)

    for body in ({"new_state": "success", "note": "came up by hand"}, {"new_state": "failed"}):
        answer = api.patch(path, json=body, headers=sign_in("adam"))
        assert answer.status_code == 200, answer.text

    orders = orders_of(api, sign_in, failed)
    assert [(order.kind, order.by, order.wave, order.message) for order in orders] == [
        ("mark", "adam", "application", "application.recovery_job marked as success by adam: came up by hand"),
        ("mark", "adam", "application", "application.recovery_job marked as failed by adam: came up by hand"),
    ]
    assert all(before <= order.at <= datetime.now(UTC) for order in orders)
