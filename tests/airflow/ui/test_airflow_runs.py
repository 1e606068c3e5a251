"""A run that is looked at again and again: of what Airflow's database has of it only what is new is read."""

from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from drs_provider.plan.loader import read_folder
from drs_provider.rules.run.handover import FailureMessage, GivenOrders, Launch, RunOrder
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.rules.run.names import REPORT_TASK
from kit.signatures import signed

pytestmark = pytest.mark.airflow

ROOT = Path(__file__).parents[3]
TASK = "application.recovery_job"
PLACE = (TASK, FailureMessage.KEY)


@pytest.fixture
def looks(api, going_on):
    """Looks at the run, each in a session of its own, with what was read before."""
    from airflow.utils.session import create_session
    from drs_provider.ui.airflow_runs import AirflowRuns

    def look(before=None):
        with create_session() as session:
            return AirflowRuns(session).run(*going_on, before)

    return look


@pytest.fixture
def change(going_on):
    """Changes what lies in the run, and takes it back at the end."""
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete, update

    here = {"dag_id": going_on[0], "run_id": going_on[1], "task_id": TASK}

    def error(text):
        value = signed(FailureMessage(message=text), *going_on, TASK)
        with create_session() as session:
            XComModel.set(FailureMessage.KEY, value, **here, serialize=False, session=session)

    def no_error():
        with create_session() as session:
            at = (XComModel.dag_id == going_on[0], XComModel.run_id == going_on[1], XComModel.task_id == TASK)
            session.execute(delete(XComModel).where(*at, XComModel.key == FailureMessage.KEY))

    def state(name):
        with create_session() as session:
            at = (TaskInstance.dag_id == going_on[0], TaskInstance.task_id == TASK)
            session.execute(update(TaskInstance).where(*at).values(state=name))

    yield SimpleNamespace(error=error, no_error=no_error, state=state)
    no_error()
    state("deferred")
    with create_session() as session:
        session.execute(delete(TaskStateStoreModel))


def test_a_run_in_which_nothing_was_written_is_the_very_same(looks):
    before = looks()

    assert looks(before) is before


def test_what_was_written_is_read_again_and_the_rest_is_not(looks, change):
    before = looks()
    change.error("no capacity")

    after = looks(before)
    again = looks(after)

    assert after.left[PLACE]["message"] == "no capacity"
    assert again is after
    assert PLACE not in before.left
    same = [place for place in before.left if after.left[place] is before.left[place]]
    assert (len(same), after.upstream is before.upstream) == (len(before.left), True)


def test_what_was_edited_is_read_again_and_not_believed(looks, change, api, going_on, sign_in):
    change.error("no capacity")
    before = looks()
    path = f"/api/v2/dags/{going_on[0]}/dagRuns/{quote(going_on[1], safe='')}/taskInstances/{TASK}/xcomEntries/error"
    edited = {"value": {"version": 2, "message": "all is well"}, "map_index": -1}

    answer = api.patch(path, headers=sign_in("adam"), json=edited)
    after = looks(before)

    assert answer.status_code == 200
    assert PLACE in before.left
    assert PLACE not in after.left
    assert [str(place) for place in after.disbelieved] == [f"XCom error of {TASK}"]


def test_what_is_gone_is_gone(looks, change):
    change.error("no capacity")
    before = looks()
    change.no_error()

    assert PLACE not in looks(before).left


def test_a_task_that_goes_on_is_seen(looks, change):
    before = looks()
    change.state("success")

    after = looks(before)

    assert (before.tasks[TASK].state, after.tasks[TASK].state) == ("deferred", "success")


def test_orders_that_are_recorded_one_after_the_other_are_all_seen(looks, change, api, going_on, sign_in):
    """The plugin's own route writes past the defaults of Airflow's table."""
    route = f"/drs/runs/{going_on[0]}/{quote(going_on[1], safe='')}/orders"
    order = {"kind": "skip", "wave": "web", "tasks": ["web.start_recovery"], "reason": "a test", "is_recorded": True}
    before, counted = looks(), []

    for _ in range(2):
        assert api.post(route, json=order, headers=sign_in("otto")).status_code == 200
        before = looks(before)
        counted.append(len(GivenOrders.from_json(before.left[REPORT_TASK, GivenOrders.KEY]).orders))

    assert counted == [1, 2]
    assert before.disbelieved == {}


def test_an_order_that_is_forged_over_a_real_one_is_seen(looks, change, api, going_on, sign_in):
    run = quote(going_on[1], safe="")
    order = {"kind": "skip", "wave": "web", "tasks": ["web.start_recovery"], "reason": "a test"}
    assert api.post(f"/drs/runs/{going_on[0]}/{run}/orders", json=order, headers=sign_in("otto")).status_code == 200
    before = looks()
    path = f"/api/v2/dags/{going_on[0]}/dagRuns/{run}/taskInstances/web.start_recovery/state-store/{RunOrder.KEY}"
    forged = {"value": {"version": 2, "kind": "cancel", "message": "cancelled by adam"}, "expires_at": None}

    answer = api.put(path, headers=sign_in("mallory"), json=forged)
    after = looks(before)

    place = Origin(*going_on, "web.start_recovery", RunOrder.KEY, stored_in="task_state_store")
    assert answer.status_code < 300
    assert (place in before.disbelieved, place in after.disbelieved) == (False, True)


def test_a_look_with_nothing_known_reads_it_all(looks, change):
    change.error("no capacity")
    first, second = looks(), looks()

    assert first == second
    assert first is not second
    assert {key for _, key in first.left} >= {Launch.KEY, FailureMessage.KEY}


@pytest.fixture
def no_other_plans(going_on):
    """Leave the DAGs of other tests out, which share this database."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select, update

    ours = ("drs.hello", "drs.ledger", "drs.web-shop")
    with create_session(scoped=False) as session:
        others = session.scalars(select(DagModel.dag_id).where(DagModel.dag_id.not_in(ours), ~DagModel.is_stale)).all()
        session.execute(update(DagModel).where(DagModel.dag_id.in_(others)).values(is_stale=True))
    yield
    with create_session(scoped=False) as session:
        session.execute(update(DagModel).where(DagModel.dag_id.in_(others)).values(is_stale=False))


@pytest.fixture
def runs(api, no_other_plans):
    from airflow.utils.session import create_session
    from drs_provider.ui.airflow_runs import AirflowRuns

    with create_session() as session:
        yield AirflowRuns(session)


def test_plans_are_read_from_their_dags_where_their_files_are_not(runs, tmp_path):
    written = read_folder(ROOT / "plans")
    gone = tmp_path / "plans"

    library = runs.plans(gone)

    assert library.plans.keys() == written.plans.keys() == {"hello", "ledger", "web-shop"}
    for name, found in library.plans.items():
        assert (found.plan, found.groups, found.digest) == (
            written.plans[name].plan,
            written.plans[name].groups,
            written.plans[name].digest,
        )
        assert found.path == gone / written.plans[name].path.name
    assert library.groups.keys() == {group for plan in written.plans.values() for group in plan.groups}
    assert runs.plans(gone).plans["hello"] is library.plans["hello"]  # no version of a DAG is read twice
    assert runs.plans(tmp_path).plans["hello"].path == tmp_path / "hello.yaml"


def test_one_dag_that_cannot_be_read_is_said_and_the_others_are_shown(runs, tmp_path, monkeypatch):
    from drs_provider.ui import airflow_runs

    get_dag = airflow_runs.SerializedDagModel.get_dag

    def read(dag_id, session):
        if dag_id == "drs.hello":
            raise ValueError("unsure how to deserialize version 9")
        return get_dag(dag_id, session=session)

    monkeypatch.setattr(airflow_runs.SerializedDagModel, "get_dag", read)

    library = runs.plans(tmp_path / "nowhere")

    assert library.plans.keys() == {"ledger", "web-shop"}
    assert [str(problem) for problem in library.problems] == [
        "drs.hello:1:1: DAG: Airflow cannot read what it has stored of it: ValueError (see the log of the API server)"
    ]


def test_a_plan_whose_dag_is_gone_is_not_shown(runs, tmp_path):
    from airflow.models.dag import DagModel
    from sqlalchemy import update

    try:
        runs.session.execute(update(DagModel).where(DagModel.dag_id == "drs.hello").values(is_stale=True))
        assert runs.plans(tmp_path).plans.keys() == {"ledger", "web-shop"}
    finally:
        runs.session.rollback()


def test_import_errors_of_plan_files_are_told_and_those_of_other_files_are_not(runs):
    from airflow.models.errors import ParseImportError

    try:
        for file in ("../plans/crm.yaml", "x.yml", "mine.py", None):
            runs.session.add(ParseImportError(filename=file, stacktrace=f"of {file}"))
        runs.session.flush()
        assert runs.broken_files() == {"../plans/crm.yaml": "of ../plans/crm.yaml", "x.yml": "of x.yml"}
    finally:
        runs.session.rollback()


def test_the_page_of_plans_is_the_same_without_plan_files(api, no_other_plans, sign_in, monkeypatch, tmp_path):
    def shown():
        return api.get("/drs/plans.json", headers=sign_in("adam")).json()

    monkeypatch.setenv("DRS_PLANS_FOLDER", str(ROOT / "plans"))
    with_files = shown()
    monkeypatch.setenv("DRS_PLANS_FOLDER", str(tmp_path / "plans"))

    assert [plan["name"] for plan in with_files["plans"]] == ["hello", "ledger", "web-shop"]
    assert shown() == with_files
