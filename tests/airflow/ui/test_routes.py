"""The pages as Airflow serves them: mounted by its plugin manager, behind its own sign-in."""

import json
from pathlib import Path

import pytest
from drs_provider.report.measure import measure
from drs_provider.report.store import write_report
from drs_provider.rules.run.handover import KeptDrill, Launch, RunOrder
from kit.evidence import a_passed_drill
from kit.signatures import signed

pytestmark = pytest.mark.airflow

RUN = "/drs/runs/drs.web-shop/manual__2026-11-22T05%3A00%3A00%2B00%3A00"
ROUTES = [
    "/drs/plans",
    "/drs/plans.json",
    RUN,
    f"{RUN}/board",
    "/drs/reports/drs.web-shop/any/report.html",
    "/drs/reports/drs.web-shop/any/report.json",
    "/drs/history",
    "/drs/history-comparison?run=drs.web-shop/a&run=drs.web-shop/b",
    "/drs/api/v1/history",
    "/drs/api/v1/history?format=csv",
    "/drs/api/v1/history/plans",
    "/drs/api/v1/history/comparison?run=drs.web-shop/a&run=drs.web-shop/b",
    "/drs/api/v1/reports",
    "/drs/api/v1/reports/drs.web-shop/any",
]


@pytest.mark.parametrize("route", ROUTES)
def test_nobody_sees_anything_without_signing_in(api, going_on, route):
    assert api.get(route).status_code == 401


@pytest.mark.parametrize("route", ["/drs/docs", "/drs/openapi.json", "/drs/redoc", "/drs/"])
def test_there_is_no_route_beside_those(api, route):
    assert api.get(route).status_code == 404


@pytest.mark.parametrize("user", ["vera", "adam"])
def test_who_may_read_the_runs_sees_the_board(api, going_on, sign_in, user):
    board = api.get(f"{RUN}/board", headers=sign_in(user)).json()

    waves = {wave["name"]: wave for wave in board["waves"]}
    assert (board["mode"], board["preflight"], board["is_plan"], board["has_report"]) == (
        "drill",
        "passed",
        True,
        False,
    )
    assert {name: wave["status"] for name, wave in waves.items()} == {
        "database": "failed",
        "application": "launching",
        "monitoring": "waiting",
        "web": "waiting",
    }
    assert {name: wave["depends_on"] for name, wave in waves.items()} == {
        "database": [],
        "application": ["database"],
        "monitoring": ["database"],
        "web": ["application"],
    }
    assert waves["database"]["reason"] == "1 server failed"
    assert [(server["hostname"], server["status"], server["reason"]) for server in waves["database"]["servers"]] == [
        ("<b>db2</b>", "failed", "no capacity"),
        ("db1", "launched", None),
    ]
    assert waves["application"]["counts"] == {"launching": 1}


@pytest.fixture
def forged(going_on):
    """Put values into the places of tasks as anybody may who can edit XComs or the task state store."""
    from airflow.models.dagrun import DagRun
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    dag_id, run_id = going_on
    here, before = {"dag_id": dag_id, "run_id": run_id}, []

    def xcom(task_id, key, value):
        with create_session() as session:
            found = session.query(XComModel).filter_by(**here, task_id=task_id, key=key).one_or_none()
            before.append((task_id, key, found and XComModel.deserialize_value(found)))
            XComModel.set(key, value, **here, task_id=task_id, serialize=False, session=session)

    def entry(task_id, key, value):
        with create_session() as session:
            run = session.query(DagRun).filter_by(**here).one()
            more = {"map_index": -1, "dag_run_id": run.id, "value": json.dumps(value)}
            session.add(TaskStateStoreModel(**here, task_id=task_id, key=key, **more))

    yield xcom, entry
    with create_session() as session:
        session.execute(delete(TaskStateStoreModel))
        for task_id, key, value in reversed(before):
            session.execute(delete(XComModel).where(XComModel.task_id == task_id, XComModel.key == key))
            if value is not None:
                XComModel.set(key, value, **here, task_id=task_id, serialize=False, session=session)


UNSIGNED = "it has no signature, so it was not written by this run's own tasks"
EDITED = "it is not what was written: somebody has edited it, or brought it here from elsewhere"
ALL_UP = {"version": 2, "servers": [{"server_id": "s-0app0000000000001", "hostname": "app1", "status": "launched"}]}


def test_nothing_is_shown_as_edited_where_all_is_the_tasks_own(api, going_on, forged, sign_in):
    xcom, _ = forged
    xcom("web.servers", "return_value", "what a task returns for people to read")

    assert api.get(f"{RUN}/board", headers=sign_in("vera")).json()["edited"] == []


def test_what_somebody_put_into_the_place_of_a_task_is_said_and_not_believed(api, going_on, forged, sign_in):
    xcom, entry = forged
    launch = Launch.from_json({"region": "us-west-2", "aws_conn_id": "aws_default", "jobs": []})
    order = RunOrder(kind="cancel", message="cancelled by adam: everything is fine")
    xcom("application.recovery_job", "servers", ALL_UP)
    xcom("application.recovery_job", "return_value", {"version": 1, "verdict": "passed", "jobs": [], "servers": []})
    xcom("web.start_recovery", "launch", signed(launch, *going_on, "application.start_recovery"))
    entry("web.start_recovery", "drs_order", order.to_json())
    entry(
        "monitoring.start_recovery",
        "drs_order",
        signed(order, *going_on, "monitoring.start_recovery", stored_in="task_state_store"),
    )

    board = api.get(f"{RUN}/board", headers=sign_in("vera")).json()

    assert {shown["place"]: shown["reason"] for shown in board["edited"]} == {
        "XCom return_value of application.recovery_job": UNSIGNED,
        "XCom servers of application.recovery_job": UNSIGNED,
        "XCom launch of web.start_recovery": EDITED,
        "task state store entry drs_order of web.start_recovery": UNSIGNED,
    }
    assert board["edited"][0]["next_step"] == (
        "Airflow's audit log says who edited it: clear web.start_recovery, to write it again"
    )
    waves = {wave["name"]: (wave["status"], wave["counts"]) for wave in board["waves"]}
    assert (waves["application"], waves["web"][0]) == (("launching", {"launching": 1}), "waiting")
    assert board["cancelled"] is None


def test_the_list_of_plans_believes_what_a_task_wrote_and_nothing_else(api, going_on, forged, sign_in, monkeypatch):
    def listed():
        plans = api.get("/drs/plans.json", headers=sign_in("vera")).json()["plans"]
        return next(plan["kept_until"] for plan in plans if plan["name"] == "web-shop")

    keep, (xcom, _) = "web.start_recovery", forged
    from drs_provider.ui import airflow_runs

    monkeypatch.setattr(airflow_runs, "KEEP_TASK", keep)  # this plan keeps no drill, so another task stands for it
    kept = KeptDrill.from_json({"until": "2026-11-22T09:00:00+00:00"})
    xcom(keep, kept.KEY, kept.to_json())
    assert listed() is None

    xcom(keep, kept.KEY, signed(kept, *going_on, keep))
    assert listed() == "2026-11-22T09:00:00Z"


def test_a_run_that_does_not_exist_is_said_to_be_missing(api, going_on, sign_in):
    answer = api.get("/drs/runs/drs.web-shop/never/board", headers=sign_in("vera"))

    assert (answer.status_code, answer.json()) == (404, {"detail": "DAG drs.web-shop has no run never"})


def test_who_has_the_board_already_gets_its_name_and_no_body_and_nobody_else_does(api, going_on, sign_in):
    seen = api.get(f"{RUN}/board", headers=sign_in("vera"))
    known = {"If-None-Match": seen.headers["etag"]}

    again = api.get(f"{RUN}/board", headers=sign_in("adam") | known)

    assert (again.status_code, again.content) == (304, b"")
    assert api.get(f"{RUN}/board", headers=known).status_code == 401


def test_the_page_of_a_run_lets_only_its_own_script_run(api, going_on, sign_in):
    answer = api.get(RUN, headers=sign_in("vera"))

    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200
    assert "script-src 'sha256-" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    assert answer.headers["cache-control"] == "no-store"


def test_the_plans_page_lists_every_plan_with_its_last_run(api, going_on, sign_in):
    plans = api.get("/drs/plans.json", headers=sign_in("vera")).json()

    shop = next(plan for plan in plans["plans"] if plan["name"] == "web-shop")
    assert [wave["name"] for wave in shop["waves"]] == ["database", "application", "web", "monitoring"]
    assert (shop["rto_seconds"], shop["rpo_seconds"]) == (2700.0, 300.0)
    assert (shop["last_run"], shop["last_status"]) == ("manual__2026-11-22T05:00:00+00:00", "running")
    hello = next(plan for plan in plans["plans"] if plan["name"] == "hello")
    assert (hello["last_run"], hello["last_status"]) == ("ended", "passed")
    assert "Web shop" in api.get("/drs/plans", headers=sign_in("vera")).text


def test_a_written_report_is_served_as_it_was_written(api, going_on, sign_in, airflow_home):
    report = measure(a_passed_drill())
    written = write_report(report, airflow_home / "reports")
    route = "/drs/reports/drs.web-shop/scheduled__2026-11-22T05%3A00%3A00%2B00%3A00"

    html = api.get(f"{route}/report.html", headers=sign_in("vera"))
    data = api.get(f"{route}/report.json", headers=sign_in("vera"))

    assert html.text == Path(written.html_path).read_text()
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    assert data.text == Path(written.json_path).read_text()
    assert data.headers["content-type"] == "application/json"
    assert api.head(f"{route}/report.html", headers=sign_in("vera")).status_code == 200
    for answer in (html, data):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("sandbox ")
        assert "allow-scripts" not in policy
        assert "allow-forms" not in policy
        assert "default-src 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_no_route_tells_where_anything_is_on_the_server(api, going_on, sign_in, airflow_home):
    places = (str(airflow_home), f"{Path.home()}/", str(Path(__file__).parents[3]))
    for route in (
        "/drs/reports/drs.web-shop/nothing/report.html",
        "/drs/reports/drs.web-shop/nothing/report.json",
        "/drs/runs/drs.web-shop/nothing/board",
        f"/drs/runs/{going_on[0]}/{going_on[1]}/board",
        "/drs/plans.json",
        "/drs/plans",
    ):
        text = api.get(route, headers=sign_in("adam")).text
        assert [place for place in places if place in text] == [], route


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("drs.web-shop/../report.json", 404, id="a run called dot dot"),
        pytest.param("drs.web-shop/%2e%2e/report.json", 404, id="the same, encoded"),
        pytest.param("%2e%2e/%2e%2e/report.json", 404, id="a DAG called dot dot"),
        pytest.param("drs.web-shop/x/..%2f..%2f..%2fpasswords.json", 404, id="a slash in the name of the file"),
        pytest.param("drs.web-shop/x/passwords.json", 422, id="another file"),
        pytest.param("drs.web-shop/x%2f..%2f..%2f../report.json", 404, id="slashes in the run"),
    ],
)
def test_no_path_leads_out_of_the_reports_folder(  # noqa: PLR0917 - fixtures
    api, going_on, sign_in, airflow_home, path, status
):
    (airflow_home / "report.json").write_text("not to be read")
    (airflow_home / "reports" / "drs.web-shop").mkdir(parents=True, exist_ok=True)
    (airflow_home / "reports" / "report.json").write_text("not to be read")
    (airflow_home / "reports" / "drs.web-shop" / "report.json").write_text("not to be read")

    answer = api.get(f"/drs/reports/{path}", headers=sign_in("adam"))

    assert answer.status_code == status
    assert "not to be read" not in answer.text


OF_RUN, READ, EDIT, ID, LINK = "a run", "any DAG", "groups", "signed in", "its own link"
GUARDS = {
    "requires_access_dag.<locals>.inner": OF_RUN,
    "_may_read": READ,
    "_may_edit_groups": EDIT,
}
ROUTES = {
    "GET /plans.json": {ID},
    "GET /plans": {ID},
    "GET /runs/{dag_id}/{run_id}/board": {OF_RUN},
    "GET /runs/{dag_id}/{run_id}/rights": {OF_RUN},
    "GET /runs/{dag_id}/{run_id}/left/{task_id}/{key}": {OF_RUN},
    "GET /runs/{dag_id}/{run_id}": {OF_RUN},
    "GET /reports/{dag_id}/{run_id}/{name}": {OF_RUN},
    "HEAD /reports/{dag_id}/{run_id}/{name}": {OF_RUN},
    "GET /history": {OF_RUN},
    "GET /history-comparison": {OF_RUN},
    "POST /runs/{dag_id}/{run_id}/orders": {OF_RUN},
    "PUT /runs/{dag_id}/{run_id}/orders": {OF_RUN},
    "GET /answers": {LINK},
    "POST /answers": {LINK},
    "GET /api/v1/openapi.json": {READ},
    "GET /api/v1/accounts": {READ},
    "GET /api/v1/source-servers": {READ},
    "GET /api/v1/source-servers/{server_id}": {READ},
    "GET /api/v1/source-servers/{server_id}/recovery-points": {READ},
    "GET /api/v1/source-servers/{server_id}/runs": {READ},
    "GET /api/v1/source-servers/{server_id}/launch-settings": {READ},
    "GET /api/v1/launch-choices": {READ, EDIT},
    "POST /api/v1/protection-groups/check-launch": {READ, EDIT},
    "GET /api/v1/protection-groups": {READ},
    "POST /api/v1/protection-groups/resolve": {READ, EDIT},
    "GET /api/v1/protection-groups/{name}": {READ},
    "POST /api/v1/protection-groups": {READ, EDIT},
    "PUT /api/v1/protection-groups/{name}": {READ, EDIT},
    "DELETE /api/v1/protection-groups/{name}": {READ, EDIT},
    "GET /api/v1/history": {OF_RUN},
    "GET /api/v1/history/plans": {OF_RUN},
    "GET /api/v1/history/comparison": {OF_RUN},
    "GET /api/v1/reports": {OF_RUN},
    "GET /api/v1/reports/{dag_id}/{run_id}": {OF_RUN},
    "GET /api/v1/recovery-plans/{name}/definition": {READ},
    "POST /api/v1/recovery-plans/preview": {READ, EDIT},
    "POST /api/v1/recovery-plans": {READ, EDIT},
    "PUT /api/v1/recovery-plans/{name}": {READ, EDIT},
    "PATCH /api/v1/recovery-plans/{name}": {READ, EDIT},
    "DELETE /api/v1/recovery-plans/{name}": {READ, EDIT},
    "GET /api/v1/health": {OF_RUN, READ},
    "GET /api/v1/recovery-plans": {READ},
    "GET /api/v1/recovery-plans/{name}": {READ},
    "GET /api/v1/recovery-plans/{name}/graph": {READ},
    "GET /api/v1/recovery-plans/{name}/prediction": {OF_RUN, READ},
    "GET /api/v1/runs": {OF_RUN},
    "GET /api/v1/runs/{dag_id}/{run_id}": {OF_RUN},
    "GET /api/v1/runs/{dag_id}/{run_id}/wait": {OF_RUN},
    "POST /api/v1/recovery-plans/validate": {READ},
    "POST /api/v1/recovery-plans/{name}/preflight": {READ},
    "POST /api/v1/runs/{dag_id}": {OF_RUN},
    "POST /api/v1/runs/{dag_id}/resume": {OF_RUN},
    "POST /api/v1/runs/{dag_id}/{run_id}/answer": {OF_RUN},
    "POST /api/v1/runs/{dag_id}/{run_id}/cancel": {OF_RUN},
    "POST /api/v1/runs/{dag_id}/{run_id}/continue": {OF_RUN},
    "POST /api/v1/runs/{dag_id}/{run_id}/end": {OF_RUN},
    "POST /api/v1/runs/{dag_id}/{run_id}/extend": {OF_RUN},
    "POST /api/v1/runs/{dag_id}/{run_id}/pause": {OF_RUN},
    "POST /api/v1/runs/{dag_id}/{run_id}/retry": {OF_RUN},
    "POST /api/v1/runs/{dag_id}/{run_id}/skip": {OF_RUN},
    "GET /plan": {READ},
    "GET /plan-editor": {READ, EDIT},
    "GET /plan-runbook": {READ},
    "GET /servers": {READ},
    "GET /groups": {READ},
    "GET /server": {READ},
    "GET /group": {READ},
}


def calls_of(dependant):
    for dependency in dependant.dependencies:
        yield getattr(dependency.call, "__qualname__", "")
        yield from calls_of(dependency)


def guards_of(routes, prefix=""):
    found = {}
    for route in routes:
        if not hasattr(route, "dependant"):
            found |= guards_of(route.app.routes, prefix + route.path)
            continue
        calls = set(calls_of(route.dependant))
        guards = {GUARDS[call] for call in calls & GUARDS.keys()} or ({ID} if "get_user" in calls else {LINK})
        found |= {f"{method} {prefix}{route.path}": guards for method in route.methods}
    return found


def test_every_route_that_airflow_serves_has_the_guard_that_is_written_here(api):
    from drs_provider.ui.airflow_runs import airflow_app

    assert guards_of(airflow_app().routes) == ROUTES
