"""The pages as Airflow serves them: mounted by its plugin manager, behind its own sign-in."""

from pathlib import Path

import pytest
from drs_provider.report.measure import measure
from drs_provider.report.store import write_report
from kit.evidence import a_passed_drill

pytestmark = pytest.mark.airflow

RUN = "/drs/runs/drs.web-shop/manual__2026-11-22T05%3A00%3A00%2B00%3A00"
ROUTES = [
    "/drs/plans",
    "/drs/plans.json",
    RUN,
    f"{RUN}/board",
    "/drs/reports/drs.web-shop/any/report.html",
    "/drs/reports/drs.web-shop/any/report.json",
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


def test_a_run_that_does_not_exist_is_said_to_be_missing(api, going_on, sign_in):
    answer = api.get("/drs/runs/drs.web-shop/never/board", headers=sign_in("vera"))

    assert (answer.status_code, answer.json()) == (404, {"detail": "DAG drs.web-shop has no run never"})


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
