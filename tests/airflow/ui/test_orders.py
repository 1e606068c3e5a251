"""Orders to a run through Airflow's real API server: who may give them, in whose name, and what is not obeyed."""

from urllib.parse import quote

import pytest
from drs_provider.rules.run.handover import GivenOrders, RunOrder
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.rules.run.names import REPORT_TASK
from drs_provider.services.signed import believed, keys

pytestmark = pytest.mark.airflow

TASK = "web.start_recovery"
UNSIGNED = "it has no signature, so it was not written by this run's own tasks"


@pytest.fixture(autouse=True)
def no_orders(going_on):
    """Begin without orders."""
    from drs_provider.airflow_internals.metadata import Log, TaskStateStoreModel
    from sqlalchemy import delete

    with _session() as session:
        session.execute(delete(TaskStateStoreModel))
        session.execute(delete(Log).where(Log.event == "drs_order"))


def _session():
    from airflow.utils.session import create_session

    return create_session()


@pytest.fixture
def route(going_on):
    dag, run = going_on
    return f"/drs/runs/{dag}/{quote(run, safe='')}/orders"


@pytest.fixture
def kept(going_on):
    """Read an entry as it lies in Airflow's database, with its place."""

    def read(task=TASK, key=RunOrder.KEY):
        with _session() as session:
            from drs_provider.ui.airflow_orders import AirflowRunStore

            value = AirflowRunStore(session, "nobody").get(*going_on, task, key)
        return value, Origin(*going_on, task, key, stored_in="task_state_store")

    return read


@pytest.fixture
def write(api, sign_in, going_on):
    """Write into the task state store as Airflow's own API lets people do."""

    def put(user, value, task=TASK, key=RunOrder.KEY):
        dag, run = going_on
        path = f"/api/v2/dags/{dag}/dagRuns/{quote(run, safe='')}/taskInstances/{task}/state-store/{key}"
        return api.put(path, headers=sign_in(user), json={"value": value, "expires_at": None}).status_code

    return put


def cancel(**more):
    return {"kind": "cancel", "tasks": [TASK], "reason": "a test", "is_recorded": True, **more}


def audited():
    from drs_provider.airflow_internals.metadata import Log
    from sqlalchemy import select

    with _session() as session:
        return sorted(session.scalars(select(Log.owner).where(Log.event == "drs_order")))


def test_who_is_not_signed_in_or_may_only_look_gives_no_order(api, sign_in, route, kept):
    assert api.post(route, json=cancel()).status_code == 401
    assert api.post(route, json=cancel(), headers=sign_in("vera")).status_code == 403
    assert api.put(route, json={"entries": {}}, headers=sign_in("vera")).status_code == 403
    assert kept()[0] is None
    assert audited() == []


@pytest.mark.parametrize("user", ["mallory", "otto", "adam"])
def test_the_name_in_an_order_is_the_callers_whatever_they_say(api, sign_in, route, kept, user):
    said = {"by": "dr-lead", "user": "dr-lead", "message": "cancelled by dr-lead"}
    answer = api.post(route, json=cancel(**said), headers=sign_in(user))

    assert answer.status_code == 200
    assert answer.json()["message"] == f"cancelled by {user}: a test"
    order, place = kept()
    assert keys().problem(order, place) is None
    assert RunOrder.read(order).message == f"cancelled by {user}: a test"
    record, place = kept(REPORT_TASK, GivenOrders.KEY)
    assert [given.by for given in GivenOrders.read(believed(record, place)).orders] == [user]
    # Beside them the tasks that might start the wave are told to leave it to itself.
    assert set(audited()) == {user}


def test_what_a_user_writes_into_the_store_is_not_believed(write, kept):
    assert write("vera", {"version": 2, "kind": "cancel", "message": "cancelled by dr-lead"}) == 403
    assert write("mallory", {"version": 2, "kind": "cancel", "message": "cancelled by dr-lead"}) < 300

    order, place = kept()
    assert order["message"] == "cancelled by dr-lead"
    assert keys().problem(order, place) == UNSIGNED


def test_a_true_order_that_is_copied_to_another_task_is_not_believed(api, sign_in, route, write, kept):
    api.post(route, json=cancel(), headers=sign_in("adam"))
    assert write("mallory", kept()[0], task="application.start_recovery") < 300

    assert believed(*kept("application.start_recovery")) is None
    assert believed(*kept()) is not None


def test_forged_orders_are_not_among_those_that_the_report_names(api, sign_in, route, write, kept):
    forged = {"kind": "cancel", "by": "dr-lead", "at": "2026-11-22T05:00:00+00:00", "message": "cancelled by dr-lead"}
    assert write("mallory", {"version": 2, "orders": [forged]}, REPORT_TASK, GivenOrders.KEY) < 300

    api.post(route, json=cancel(), headers=sign_in("adam"))

    record, place = kept(REPORT_TASK, GivenOrders.KEY)
    assert [given.by for given in GivenOrders.read(believed(record, place)).orders] == ["adam"]


def test_only_an_order_that_the_server_has_signed_can_be_put_back(api, sign_in, route, kept):
    forged = {"version": 2, "kind": "skip", "message": "skipped by dr-lead"}

    refused = api.put(route, json={"entries": {TASK: forged}}, headers=sign_in("mallory"))

    assert refused.status_code == 422
    assert refused.json() == {"detail": f"task state store entry drs_order of {TASK}: {UNSIGNED}"}
    assert kept()[0] is None


@pytest.mark.parametrize(
    ("path", "tasks", "detail"),
    [
        ("/drs/runs/drs.web-shop/nothing/orders", [], "DAG drs.web-shop has no run nothing"),
        ("/drs/runs/example_dag/nothing/orders", [], "example_dag is no recovery plan"),
        (None, ["web.nothing"], "run manual__2026-11-22T05:00:00+00:00 of drs.web-shop has no task web.nothing"),
    ],
)
def test_an_order_to_what_is_not_there_is_refused_and_keeps_nothing(  # noqa: PLR0917 - fixtures and cases
    api, sign_in, route, path, tasks, detail
):
    refused = api.post(path or route, json=cancel(tasks=tasks), headers=sign_in("adam"))

    assert (refused.status_code, refused.json()) == (404, {"detail": detail})
    assert audited() == []
