"""What each role can do to a plan's runs by each way, through Airflow's real API server; every try leaves a trace.

What a role may write by Airflow's own rules still decides nothing here: the run's page names it as not believed, or
says who did it. What becomes of such a run: ``tests/airflow/dag/test_edited_documents.py``.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from drs_provider.rules.run.handover import GivenOrders
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.services.signed import believed
from kit.signatures import signed, unsigned

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

DAG_ID, RUN_ID, TASK, ASKS, REPORT = (
    "drs.web-shop",
    "attacked",
    "preflight.check",
    "web.start_recovery",
    "finish.report",
)
DAG, ANY = f"/api/v2/dags/{DAG_ID}", "/api/v2/dags/~/dagRuns/~"
RUN, OURS = f"{DAG}/dagRuns/{RUN_ID}", f"/drs/runs/{DAG_ID}/{RUN_ID}"
TASKS = f"{RUN}/taskInstances"
XCOM, STORE = f"{TASKS}/{TASK}/xcomEntries", f"{TASKS}/{REPORT}/state-store"
PART = {"plan": "web-shop", "mode": "recovery"}
ORDER = {"kind": "cancel", "message": "cancelled by cto"}
MARK = {"task_id": TASK, "new_state": "failed"}
HERE = {"dag_id": DAG_ID, "dag_run_id": RUN_ID}
STARTED = datetime(2026, 11, 23, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Way:
    """A way to try something.

    :ivar needs: what a role must be allowed to; "nobody": no role of this table
    :ivar answers: what the server says to who may: Airflow refuses some things to everybody
    :ivar event: the line that is in the audit log afterwards where it was done
    :ivar shown: what the page of the run then says about it; USER stands for who did it
    """

    needs: str
    method: str
    path: str
    body: object = None
    answers: int = 200
    event: str | None = None
    shown: str | None = None


def recovery(**more: object) -> Mapping[str, Any]:
    conf = {"mode": "recovery", "confirm": "web-shop", "reason": "because I can", **more}
    return {"logical_date": None, "conf": conf}


def update(**entity: str) -> Mapping[str, Any]:
    return {"actions": [{"action": "update", "entities": [entity]}]}


MARKED = f"{TASK} marked as failed by USER"
NOT_BELIEVED = f"XCom preflight of {TASK}"
WAYS = {
    "edit an XCom": Way("xcoms", "PATCH", f"{XCOM}/preflight", {"value": {"mode": "recovery"}}, shown=NOT_BELIEVED),
    "write an XCom": Way("xcoms new", "POST", XCOM, {"key": "answer", "value": {"by": "cto"}}, 201),
    "delete an XCom": Way("xcoms gone", "DELETE", f"{XCOM}/preflight", None, 204),
    "write an order into the store": Way(
        "tasks",
        "PUT",
        f"{TASKS}/{ASKS}/state-store/drs_order",
        {"value": ORDER, "expires_at": None},
        204,
        "drs_request",
        f"task state store entry drs_order of {ASKS}",
    ),
    "edit the store": Way(
        "tasks", "PATCH", f"{STORE}/{GivenOrders.KEY}", {"value": {"orders": [ORDER]}}, 200, "drs_request"
    ),
    "delete from the store": Way("tasks gone", "DELETE", f"{STORE}/{GivenOrders.KEY}", None, 204, "drs_request"),
    "empty the store": Way("tasks gone", "DELETE", STORE, None, 204, "drs_request"),
    "mark a task": Way("tasks", "PATCH", f"{TASKS}/{TASK}", {"new_state": "failed"}, shown=MARKED),
    "mark many tasks": Way("tasks", "PATCH", TASKS, update(**MARK), event="drs_request", shown=MARKED),
    "mark tasks of any run": Way(
        "tasks", "PATCH", f"{ANY}/taskInstances", update(**MARK, **HERE), event="drs_request", shown=MARKED
    ),
    "mark a group": Way("tasks", "PATCH", f"{RUN}/taskGroupInstances/preflight", {"new_state": "failed"}, shown=MARKED),
    "delete a task": Way("tasks gone", "DELETE", f"{TASKS}/{TASK}", event="drs_request"),
    "clear a task": Way(
        "tasks", "POST", f"{DAG}/clearTaskInstances", {"dry_run": False, "dag_run_id": RUN_ID, "task_ids": [TASK]}
    ),
    "note on a task": Way("tasks", "PATCH", f"{TASKS}/{TASK}", {"note": "approved by cto"}),
    "clear the run": Way("runs", "POST", f"{RUN}/clear", {"dry_run": False}),
    "end the run": Way("runs", "PATCH", RUN, {"state": "failed"}, shown="marked as failed by USER"),
    "end many runs": Way("runs", "PATCH", f"{DAG}/dagRuns", update(dag_run_id=RUN_ID, state="failed")),
    "note on the run": Way("runs", "PATCH", RUN, {"note": "Verdict: passed"}),
    "delete the run": Way("runs gone", "DELETE", RUN, None, 409),
    "start a recovery": Way("start", "POST", f"{DAG}/dagRuns", recovery()),
    "start as another": Way("start", "POST", f"{DAG}/dagRuns", {**recovery(), "triggering_user_name": "cto"}, 422),
    "start as a part": Way("start", "POST", f"{DAG}/dagRuns", recovery(started_by=PART)),
    "continue a run of others": Way("start", "POST", f"{DAG}/dagRuns", recovery(continue_run="hello.0123456789ab")),
    "start in no mode": Way("start", "POST", f"{DAG}/dagRuns", recovery(mode=" Recovery"), 400),
    "start by backfill": Way(
        "start",
        "POST",
        "/api/v2/backfills",
        {"dag_id": DAG_ID, "from_date": "2026-11-01T00:00:00Z", "to_date": "2026-11-20T00:00:00Z"},
        400,
    ),
    "answer for another": Way(
        "nobody", "PATCH", f"{TASKS}/{ASKS}/-1/hitlDetails", {"chosen_options": ["Continue"], "params_input": {}}
    ),
    "order": Way(
        "runs",
        "POST",
        f"{OURS}/orders",
        {"kind": "cancel", "by": "cto", "tasks": [ASKS], "is_recorded": True},
        shown="cancelled by USER",
    ),
    "put an order back": Way("runs", "PUT", f"{OURS}/orders", {"entries": {ASKS: ORDER}}, 422),
    "pause the plan": Way("plan", "PATCH", DAG, {"is_paused": True}),
    "set another installation": Way(
        "config", "POST", "/api/v2/variables", {"key": "drs_installation_id", "value": "theirs"}, 201
    ),
    "set another account": Way(
        "config", "POST", "/api/v2/connections", {"connection_id": "aws_attacked", "conn_type": "aws"}, 201
    ),
}

OF_A_DAG = frozenset(("xcoms", "xcoms new", "xcoms gone", "tasks", "tasks gone", "runs", "runs gone", "start", "plan"))
SIMPLE = {"vera": frozenset(), "mallory": OF_A_DAG, "otto": OF_A_DAG | {"config"}}
"""A viewer, a user and an op of SimpleAuthManager, and what they may."""


@pytest.fixture
def attacked(going_on):
    """Begin a fresh run that asks cto a question, and take everything away that was done before."""

    def begin() -> None:
        from airflow.models.connection import Connection
        from airflow.models.dag import DagModel
        from airflow.models.dagrun import DagRun
        from airflow.models.hitl import HITLDetail
        from airflow.models.serialized_dag import SerializedDagModel
        from airflow.models.task_state_store import TaskStateStoreModel
        from airflow.models.taskinstance import TaskInstance
        from airflow.models.variable import Variable
        from airflow.models.xcom import XComModel
        from airflow.utils.state import DagRunState
        from airflow.utils.types import DagRunTriggeredByType, DagRunType

        here = {"dag_id": DAG_ID, "run_id": RUN_ID}
        with _session() as session:
            session.query(DagRun).filter(DagRun.dag_id == DAG_ID, DagRun.run_id != going_on[1]).delete()
            session.query(Variable).filter_by(key="drs_installation_id").delete()
            session.query(Connection).filter_by(conn_id="aws_attacked").delete()
            session.query(DagModel).filter_by(dag_id=DAG_ID).update({"is_paused": False})
            checked = session.query(XComModel).filter_by(dag_id=DAG_ID, run_id=going_on[1], key="preflight").one()
            preflight = unsigned(XComModel.deserialize_value(checked))
        with _session() as session:
            run = SerializedDagModel.get_dag(DAG_ID, session=session).create_dagrun(
                run_id=RUN_ID,
                run_after=STARTED,
                logical_date=STARTED,
                data_interval=(STARTED, STARTED),
                conf={"mode": "drill"},
                run_type=DagRunType.MANUAL,
                triggered_by=DagRunTriggeredByType.TEST,
                state=DagRunState.RUNNING,
                start_date=STARTED,
                session=session,
            )
            session.flush()
            asks = session.query(TaskInstance).filter_by(**here, task_id=ASKS).one()
            asks.state = "awaiting_input"
            cto = [{"id": "cto", "name": "cto"}]
            session.add(HITLDetail(ti_id=asks.id, options=["Continue"], subject="Go on?", body="", assignees=cto))
            kept = signed(GivenOrders(orders=()), DAG_ID, RUN_ID, REPORT, stored_in="task_state_store")
            entry = {"dag_run_id": run.id, "map_index": -1, "key": GivenOrders.KEY, "value": json.dumps(kept)}
            session.add(TaskStateStoreModel(**here, task_id=REPORT, **entry))
            left = signed(preflight, DAG_ID, RUN_ID, TASK, key="preflight")
            XComModel.set("preflight", left, **here, task_id=TASK, serialize=False, session=session)

    begin()
    yield begin
    begin()
    from airflow.models.dagrun import DagRun

    with _session() as session:
        session.query(DagRun).filter_by(dag_id=DAG_ID, run_id=RUN_ID).delete()


def _session():
    from airflow.utils.session import create_session

    return create_session()


def everything():
    """All that any way of the table could change."""
    from airflow.models.connection import Connection
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.models.hitl import HITLDetail
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.variable import Variable
    from airflow.models.xcom import XComModel
    from sqlalchemy import select

    columns = (
        (DagModel.dag_id, DagModel.is_paused),
        (DagRun.run_id, DagRun.state, DagRun.clear_number),
        (TaskInstance.id, TaskInstance.state, TaskInstance.max_tries),
        (XComModel.run_id, XComModel.task_id, XComModel.key, XComModel.value),
        (TaskStateStoreModel.run_id, TaskStateStoreModel.task_id, TaskStateStoreModel.key, TaskStateStoreModel.value),
        (HITLDetail.ti_id, HITLDetail.chosen_options),
        (Variable.key,),
        (Connection.conn_id,),
    )
    with _session() as session:
        notes = [(run.run_id, run.note) for run in session.scalars(select(DagRun))]
        return [sorted(map(str, session.execute(select(*names)))) for names in columns] + [notes]


def lines_of(user):
    """Events in the audit log that name somebody."""
    from airflow.models.log import Log
    from sqlalchemy import select

    with _session() as session:
        return list(session.scalars(select(Log.event).where(Log.owner == user).order_by(Log.id)))


def page(client, headers):
    """What the page of the run says that concerns people: what is not believed, and who did what."""
    board = client.get(f"{OURS}/board", headers=headers).json()
    place = Origin(DAG_ID, RUN_ID, REPORT, GivenOrders.KEY, stored_in="task_state_store")
    from drs_provider.ui.airflow_orders import AirflowRunStore

    with _session() as session:
        kept = AirflowRunStore(session, "nobody").get(DAG_ID, RUN_ID, REPORT, GivenOrders.KEY)
    orders = GivenOrders.read(believed(kept, place))
    return [shown["place"] for shown in board["edited"]] + [
        order.message for order in (orders.orders if orders else ())
    ]


def tried(client, headers, user, name, may):
    """Try a way, and say in words what is not as it should be."""
    tried_way = WAYS[name]
    before, known = everything(), len(lines_of(user))
    body = {} if tried_way.body is None else {"json": tried_way.body}
    answer = client.request(tried_way.method, tried_way.path, headers=headers, **body)
    lines = lines_of(user)[known:]
    if tried_way.needs not in may:
        # Where many DAGs may be named in the body, Airflow refuses in the body.
        if answer.status_code != 403 and '"status_code":403' not in answer.text:
            yield f"answered with {answer.status_code} instead of 403: {answer.text[:200]}"
        if not {"drs_refused", tried_way.event}.intersection(lines):
            yield f"no trace but {lines}"
        if everything() != before:
            yield "something has changed"
        return
    if answer.status_code != tried_way.answers:
        yield f"answered with {answer.status_code} instead of {tried_way.answers}: {answer.text[:200]}"
    if answer.status_code < 400 and (not lines or tried_way.event not in (None, *lines)):
        yield f"no trace but {lines}"
    if answer.status_code >= 400 and everything() != before:
        yield "something has changed"
    shown = (tried_way.shown or "").replace("USER", user)
    if shown and not any(shown in line for line in page(client, headers)):
        yield f"the page says {page(client, headers)}"


def all_tried(client, headers, user, may, attacked):
    found = {}
    for name, tried_way in WAYS.items():
        if problems := [*tried(client, headers, user, name, may)]:
            found[name] = problems
        if tried_way.needs in may or problems:
            attacked()
    return found


@pytest.mark.parametrize("user", SIMPLE)
def test_a_role_of_simple_auth_manager_does_what_it_may_and_leaves_a_trace(api, sign_in, attacked, user):
    assert all_tried(api, sign_in(user), user, SIMPLE[user], attacked) == {}


def test_who_is_not_signed_in_changes_nothing_and_fills_no_table(api, attacked):
    from airflow.models.log import Log

    with _session() as session:
        known = session.query(Log).count()
    before = everything()
    answers = {
        name: api.request(tried_way.method, tried_way.path, **({"json": tried_way.body} if tried_way.body else {}))
        for name, tried_way in WAYS.items()
    }

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(WAYS, 401)
    assert everything() == before
    with _session() as session:
        assert session.query(Log).count() == known


# -- rights per DAG ---------------------------------------------------------------------------------------------------

READ = [
    ("can_read", name) for name in ("Website", "DAG Runs", "Task Instances", "XComs", "HITL Detail", "DAG Versions")
]
ON_THIS, ON_ANOTHER = f"DAG:{DAG_ID}", "DAG:drs.hello"
SEES = [*READ, ("can_read", ON_THIS)]
STARTS = [*SEES, ("can_edit", ON_THIS), ("can_create", "DAG Runs")]
RUNS = [*STARTS, ("can_edit", "DAG Runs"), ("can_edit", "Task Instances")]
ANSWERS = [*SEES, ("can_edit", ON_THIS), ("can_edit", "HITL Detail")]
ELSEWHERE = [
    *READ,
    *((action, ON_ANOTHER) for action in ("can_read", "can_edit", "can_delete")),
    *(
        (f"can_{verb}", name)
        for verb in ("create", "edit", "delete")
        for name in ("DAG Runs", "Task Instances", "XComs")
    ),
    ("can_edit", "HITL Detail"),
]
FAB = {
    "sees": (SEES, frozenset()),
    "starts": (STARTS, frozenset(("start", "plan"))),
    "runs": (RUNS, frozenset(("start", "plan", "runs", "tasks"))),
    "answers": (ANSWERS, frozenset(("plan",))),
    "elsewhere": (ELSEWHERE, frozenset()),
}
"""Roles with rights per DAG: what FabAuthManager gives them, and what they may."""


@pytest.fixture(scope="module")
def fab(airflow_db, going_on, api):
    """The same Airflow with FabAuthManager and a user of each role; the other auth manager is back afterwards."""
    if not os.environ.get("CI"):
        pytest.importorskip("airflow.providers.fab", reason="the FAB provider is not installed: run make test")
    from airflow.api_fastapi import app as airflow_api
    from fastapi.testclient import TestClient

    before = airflow_api._AuthManagerState.instance
    settings = {
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__FAB__UPDATE_FAB_PERMS": "False",
    }
    kept = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    airflow_api.purge_cached_app()
    from airflow.providers.fab.auth_manager.models.db import FABDBManager

    with _session() as session:
        FABDBManager(session).initdb()
    with TestClient(airflow_api.create_app(), base_url="http://testserver") as client:
        manager = airflow_api.get_auth_manager()
        with manager.flask_app.app_context():
            security = manager.security_manager
            for action, resource in {right for rights, _ in FAB.values() for right in rights}:
                security.create_permission(action, resource)
            security.bulk_sync_roles([{"role": role, "perms": rights} for role, (rights, _) in FAB.items()])
            for role in FAB:
                security.add_user(role, role, role, f"{role}@example.com", security.find_role(role), password=role)
        yield client
    airflow_api.purge_cached_app()
    airflow_api._AuthManagerState.instance = before
    for name, value in kept.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.mark.parametrize("role", FAB)
def test_a_role_with_rights_per_dag_does_what_it_may_and_leaves_a_trace(fab, attacked, role):
    token = fab.post("/auth/token", json={"username": role, "password": role}).json()["access_token"]

    assert all_tried(fab, {"Authorization": f"Bearer {token}"}, role, FAB[role][1], attacked) == {}


# -- the five roles ---------------------------------------------------------------------------------------------------


@pytest.fixture
def five_roles(fab):
    """The roles as ``drs roles sync`` makes them in FAB's tables, and a user of each."""
    from airflow.api_fastapi.app import get_auth_manager
    from drs_provider.airflow_internals.auth_managers import sync_fab_roles
    from drs_provider.rules.roles.permissions import fab_permissions

    wanted = fab_permissions(["web-shop"])
    planned = sync_fab_roles(wanted, dry_run=True)
    given = sync_fab_roles(wanted)
    again = sync_fab_roles(wanted)
    manager = get_auth_manager()
    names = {"DRS read-only": "rita", "DRS operator": "oskar", "DRS recovery manager": "renate"}
    names |= {"DRS plan manager": "petra", "DRS administrator": "adele"}
    with manager.flask_app.app_context():
        security = manager.security_manager
        for role, name in names.items():
            if security.find_user(name) is None:
                security.add_user(name, name, name, f"{name}@example.com", security.find_role(role), password=name)
    return planned, given, again, wanted


def test_roles_are_made_once_and_their_holders_are_found(five_roles):
    from drs_provider.airflow_internals.auth_managers import RoleHolders, holders_of

    planned, given, again, wanted = five_roles
    assert {role: len(found) for role, found in given.items()} == {role: len(found) for role, found in wanted.items()}
    assert planned == given
    assert again == {role: [] for role in wanted}
    assert holders_of(["DRS recovery manager"]) == RoleHolders(("renate",))
    assert holders_of(["DRS recovery manager", "DRS operator"]) == RoleHolders(("oskar", "renate"))
    assert holders_of(["no such role"]) == RoleHolders()


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("rita", frozenset()),
        ("oskar", frozenset(("start", "plan", "runs"))),
        ("renate", frozenset(("start", "plan", "runs"))),
    ],
)
def test_each_of_the_five_roles_does_what_it_may(fab, five_roles, attacked, name, may):
    token = fab.post("/auth/token", json={"username": name, "password": name}).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}

    assert all_tried(fab, headers, name, may, attacked) == {}
    assert fab.get("/drs/api/v1/history", headers=headers).status_code == 200


EVERYBODY, STARTERS = {"rita", "oskar", "renate", "petra", "adele"}, {"oskar", "renate", "adele"}
AUTHORS, PAUSERS = {"petra", "adele"}, {"oskar", "renate", "petra", "adele"}
API, HERE_IN_API = "/drs/api/v1", f"/drs/api/v1/runs/{DAG_ID}/{RUN_ID}"
WAVE = {"wave": "monitoring", "reason": "not today"}
FRESH = {"kind": "RecoveryPlan", "name": "fresh", "drill": {"network": "shared"}}
FRESH |= {"waves": [{"name": "only", "groups": ["shop-db"]}]}
OURS_BY_ROLE = {
    "plans": (EVERYBODY, "GET", f"{API}/recovery-plans/web-shop", None),
    "groups": (EVERYBODY, "GET", f"{API}/protection-groups", None),
    "run": (EVERYBODY, "GET", HERE_IN_API, None),
    "change a plan": (AUTHORS, "PATCH", f"{API}/recovery-plans/web-shop?dry_run=true", {"title": "Another"}),
    "delete a group": (AUTHORS, "DELETE", f"{API}/protection-groups/shop-db?dry_run=true", None),
    "make a plan": (set(), "POST", f"{API}/recovery-plans?dry_run=true", {"definition": FRESH}),
    "pause": (PAUSERS, "POST", f"{HERE_IN_API}/pause", None),
    "resume": (PAUSERS, "POST", f"{API}/runs/{DAG_ID}/resume", None),
    "skip": (STARTERS, "POST", f"{HERE_IN_API}/skip", WAVE),
    "answer": (STARTERS, "POST", f"{HERE_IN_API}/answer", {"option": "Approve"}),
    "start": (STARTERS, "POST", f"{API}/runs/{DAG_ID}", {"mode": "drill", "reason": "why not"}),
}
"""Routes of our API, and who is let to them; what a route then says to them is told elsewhere."""


@pytest.mark.parametrize("name", sorted(EVERYBODY))
def test_each_of_the_five_roles_is_let_to_what_it_may_in_our_api(fab, five_roles, attacked, monkeypatch, name):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody is to be asked
    token = fab.post("/auth/token", json={"username": name, "password": name}).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "If-Match": "*"}

    answers = {
        what: fab.request(method, path, headers=headers, **({"json": body} if body else {}))
        for what, (_, method, path, body) in OURS_BY_ROLE.items()
    }

    let = {what for what, answer in answers.items() if answer.status_code not in {401, 403}}
    said = {what: (answer.status_code, answer.text[:200]) for what, answer in answers.items()}
    assert answers["make a plan"].status_code == 403, said["make a plan"]  # that takes a right to every DAG
    assert let == {what for what, (who, *_) in OURS_BY_ROLE.items() if name in who}, said
    assert not [what for what, answer in answers.items() if answer.status_code >= 500], said


def started_by_api(client, headers):
    confirmed = {"mode": "recovery", "confirm": "web-shop", "reason": "the site is down"}
    return client.post(f"{API}/runs/{DAG_ID}", headers=headers, json=confirmed).json()["run"]["run_id"]


def started_by_airflow(client, headers):
    return client.post(f"{DAG}/dagRuns", headers=headers, json=recovery()).json()["dag_run_id"]


def started_by_command_line(client, headers):
    return _triggered("cli", "renate")


def started_by_another_dag(client, headers):
    return _triggered("operator", None)


def _triggered(how, name):
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.utils.types import DagRunTriggeredByType

    by = DagRunTriggeredByType(how)
    return trigger_dag(DAG_ID, triggered_by=by, triggering_user_name=name, conf=dict(recovery()["conf"])).run_id


NOT_ONE = "who started this run, is none of them"
BEGUN = [
    ("renate", started_by_api, None),
    ("renate", started_by_airflow, None),
    ("oskar", started_by_api, f"oskar, {NOT_ONE}"),
    ("oskar", started_by_airflow, f"oskar, {NOT_ONE}"),
    ("adele", started_by_api, f"adele, {NOT_ONE}"),
    ("renate", started_by_command_line, "started from Airflow's command line as 'renate'"),
    ("renate", started_by_another_dag, "Airflow does not say who started this run"),
]


@pytest.mark.parametrize(("name", "start", "said"), BEGUN, ids=[f"{who} {how.__name__}" for who, how, _ in BEGUN])
def test_preflight_asks_who_it_was_by_whatever_way_a_recovery_was_started(  # noqa: PLR0917 - fixtures
    fab, five_roles, attacked, monkeypatch, name, start, said
):
    """As the scheduler tells preflight: of the run as it stands in the database, with FAB's tables for the roles."""
    from airflow.models.dagrun import DagRun
    from airflow.models.task_state_store import TaskStateStoreModel
    from drs_provider.dag.people.managers import ensure_may_start
    from drs_provider.dag.people.starter_listener import MarkingStarters
    from drs_provider.exceptions import PreflightRefused
    from drs_provider.rules.purpose import RECOVERY
    from kit.fake_drs import MemoryStore

    monkeypatch.setenv("DRS_RECOVERY_MANAGERS", "role:DRS recovery manager")
    with _session() as session:
        session.query(DagRun).filter(DagRun.dag_id == DAG_ID, DagRun.run_id == RUN_ID).delete()
    token = fab.post("/auth/token", json={"username": name, "password": name}).json()["access_token"]
    run_id = start(fab, {"Authorization": f"Bearer {token}"})
    with _session() as session:
        run = session.query(DagRun).filter_by(dag_id=DAG_ID, run_id=run_id).one()
        MarkingStarters().on_dag_run_running(run, "started")
    store = MemoryStore()
    with _session() as session:
        run = session.query(DagRun).filter_by(dag_id=DAG_ID, run_id=run_id).one()
        (entry,) = session.query(TaskStateStoreModel).filter_by(run_id=run_id).all()
        store.set(entry.key, json.loads(entry.value), retention=None)
        facts = {"dag_id": DAG_ID, "run_id": run_id, "conf": {}, "clear_number": run.clear_number}
        dag_run = SimpleNamespace(triggering_user_name=run.triggering_user_name, **facts)
    ti = SimpleNamespace(dag_id=DAG_ID, run_id=run_id, task_id=TASK, map_index=-1, try_number=1, max_tries=0)
    ti.xcom_push = ti.xcom_pull = lambda **_: None
    context = {"ti": ti, "task_state_store": store, "dag_run": dag_run, "params": {}}

    if said is None:
        ensure_may_start(context, "web-shop", RECOVERY, None)
    else:
        with pytest.raises(PreflightRefused) as refused:
            ensure_may_start(context, "web-shop", RECOVERY, None)
        assert said in str(refused.value)
