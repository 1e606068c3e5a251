"""Every route of the API and its pages, with what guards it."""

import json

import pytest
from fastapi.routing import APIRoute
from kit.console import Console, FakeAccount

READ, EDIT, OWN_PAGES = "may_read", "may_edit_groups", "own pages or a token"
RUNS, RUN = "may_read_runs", "may_read_run"
START, PAUSE, ORDER, ANSWER, PREFLIGHT = "may_start", "may_pause", "may_order", "may_answer", "may_preflight"
GUARDS = {
    ("GET", "/servers"): {READ},
    ("GET", "/groups"): {READ},
    ("GET", "/server"): {READ},
    ("GET", "/group"): {READ},
    ("GET", "/api/v1/openapi.json"): {READ},
    ("GET", "/api/v1/accounts"): {READ},
    ("GET", "/api/v1/source-servers"): {READ},
    ("GET", "/api/v1/source-servers/{server_id}"): {READ},
    ("GET", "/api/v1/source-servers/{server_id}/recovery-points"): {READ},
    ("GET", "/api/v1/source-servers/{server_id}/runs"): {READ},
    ("GET", "/api/v1/source-servers/{server_id}/launch-settings"): {READ},
    ("GET", "/api/v1/launch-choices"): {READ, EDIT},
    ("POST", "/api/v1/protection-groups/check-launch"): {READ, EDIT, OWN_PAGES},
    ("GET", "/api/v1/protection-groups"): {READ},
    ("GET", "/api/v1/protection-groups/{name}"): {READ},
    ("POST", "/api/v1/protection-groups/resolve"): {READ, EDIT, OWN_PAGES},
    ("POST", "/api/v1/protection-groups"): {READ, EDIT, OWN_PAGES},
    ("PUT", "/api/v1/protection-groups/{name}"): {READ, EDIT, OWN_PAGES},
    ("DELETE", "/api/v1/protection-groups/{name}"): {READ, EDIT, OWN_PAGES},
    ("GET", "/plan"): {READ},
    ("GET", "/plan-editor"): {READ, EDIT},
    ("GET", "/plan-runbook"): {READ},
    ("GET", "/api/v1/recovery-plans/{name}/definition"): {READ},
    ("POST", "/api/v1/recovery-plans/preview"): {READ, EDIT, OWN_PAGES},
    ("POST", "/api/v1/recovery-plans"): {READ, EDIT, OWN_PAGES},
    ("PUT", "/api/v1/recovery-plans/{name}"): {READ, EDIT, OWN_PAGES},
    ("PATCH", "/api/v1/recovery-plans/{name}"): {READ, EDIT, OWN_PAGES},
    ("DELETE", "/api/v1/recovery-plans/{name}"): {READ, EDIT, OWN_PAGES},
    ("GET", "/history"): {RUNS},
    ("GET", "/history-comparison"): {RUNS},
    ("GET", "/api/v1/history"): {RUNS},
    ("GET", "/api/v1/history/plans"): {RUNS},
    ("GET", "/api/v1/history/comparison"): {RUNS},
    ("GET", "/api/v1/reports"): {RUNS},
    ("GET", "/api/v1/reports/{dag_id}/{run_id}"): {RUN},
    ("GET", "/api/v1/health"): {READ, RUNS},
    ("GET", "/api/v1/recovery-plans"): {READ},
    ("GET", "/api/v1/recovery-plans/{name}"): {READ},
    ("GET", "/api/v1/recovery-plans/{name}/graph"): {READ},
    ("GET", "/api/v1/recovery-plans/{name}/prediction"): {READ, RUNS},
    ("POST", "/api/v1/recovery-plans/validate"): {READ, OWN_PAGES},
    ("POST", "/api/v1/recovery-plans/{name}/preflight"): {READ, OWN_PAGES, PREFLIGHT},
    ("GET", "/api/v1/runs"): {RUNS},
    ("GET", "/api/v1/runs/{dag_id}/{run_id}"): {RUN},
    ("GET", "/api/v1/runs/{dag_id}/{run_id}/wait"): {RUN},
    ("POST", "/api/v1/runs/{dag_id}"): {OWN_PAGES, START},
    ("POST", "/api/v1/runs/{dag_id}/resume"): {OWN_PAGES, PAUSE},
    ("POST", "/api/v1/runs/{dag_id}/{run_id}/pause"): {OWN_PAGES, PAUSE},
    ("POST", "/api/v1/runs/{dag_id}/{run_id}/cancel"): {OWN_PAGES, ORDER},
    ("POST", "/api/v1/runs/{dag_id}/{run_id}/skip"): {OWN_PAGES, ORDER},
    ("POST", "/api/v1/runs/{dag_id}/{run_id}/retry"): {OWN_PAGES, ORDER},
    ("POST", "/api/v1/runs/{dag_id}/{run_id}/continue"): {OWN_PAGES, ORDER},
    ("POST", "/api/v1/runs/{dag_id}/{run_id}/answer"): {OWN_PAGES, ANSWER},
    ("POST", "/api/v1/runs/{dag_id}/{run_id}/end"): {OWN_PAGES, ANSWER},
    ("POST", "/api/v1/runs/{dag_id}/{run_id}/extend"): {OWN_PAGES, ANSWER},
}


@pytest.fixture
def console(tmp_path):
    (tmp_path / "plans").mkdir()
    group = "kind: ProtectionGroup\nname: a\nregion: us-west-2\nservers: [s-00000000000000001]\n"
    (tmp_path / "plans" / "a.yaml").write_text(group)
    return Console(tmp_path / "plans", {("aws_default", "us-west-2"): FakeAccount()})


def calls_of(dependant):
    for dependency in dependant.dependencies:
        yield dependency.call
        yield from calls_of(dependency)


def guards_of(routes, console, prefix=""):
    from drs_provider.api.origin import refuse_other_origins

    access = console.sources.access
    named = {
        access.may_read: READ,
        access.may_edit_groups: EDIT,
        refuse_other_origins: OWN_PAGES,
        console.access.may_read_runs: RUNS,
        console.access.may_read_run: RUN,
        console.steering.rights.may_start: START,
        console.steering.rights.may_pause: PAUSE,
        console.steering.rights.may_order: ORDER,
        console.steering.rights.may_answer: ANSWER,
        console.plan_sources.may_preflight: PREFLIGHT,
    }
    found = {}
    for route in routes:
        if isinstance(route, APIRoute):
            calls = set(calls_of(route.dependant))
            for method in route.methods:
                found[method, prefix + route.path] = {name for call, name in named.items() if call in calls}
        else:
            found |= guards_of(route.app.routes, console, prefix + route.path)
    return found


def test_every_route_has_its_guard(console):
    assert guards_of(console.client().app.routes, console) == GUARDS


@pytest.mark.parametrize(("method", "path"), GUARDS, ids=str)
def test_who_is_not_signed_in_gets_nothing(console, method, path):
    console.may_read = console.may_edit = False
    body = {"json": {"definition": {}}} if method in {"POST", "PUT", "PATCH"} else {}

    answer = console.client().request(method, path, **body)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "s-0000" not in answer.text


@pytest.mark.parametrize(("method", "path"), [key for key, guards in GUARDS.items() if EDIT in guards], ids=str)
def test_who_may_only_read_changes_nothing(console, method, path):
    console.may_edit = False
    before = (console.plans / "a.yaml").read_bytes()

    answer = console.client().request(method, path.format(name="a"), json={"definition": {}}, headers={"If-Match": "*"})

    kind = "application/problem+json" if path.startswith("/api/") else "application/json"
    assert (answer.status_code, answer.headers["content-type"]) == (403, kind)
    assert (console.plans / "a.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 204),
        ({"Sec-Fetch-Site": "same-origin"}, 204),
        ({"Sec-Fetch-Site": "none"}, 204),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://testserver"}, 204),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Authorization": "Bearer token"}, 204),
        ({"Sec-Fetch-Site": "cross-site", "Authorization": "Basic YTpi"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Bearer token"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 204),
    ],
)
def test_a_page_of_another_host_changes_nothing(console, headers, status):
    body = json.dumps({"kind": "ProtectionGroup", "name": "a", "region": "us-west-2"})
    answer = console.client().post(
        "/api/v1/protection-groups/resolve", content=body, headers={"Content-Type": "application/json", **headers}
    )

    assert answer.status_code == (200 if status == 204 else status), answer.text


@pytest.mark.parametrize(("method", "path"), [key for key, guards in GUARDS.items() if OWN_PAGES in guards], ids=str)
def test_a_body_that_a_form_of_another_page_can_send_changes_nothing(console, method, path):
    before = (console.plans / "a.yaml").read_bytes()
    client, where = console.client(), path.format(name="a", dag_id="drs.a", run_id="r")

    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        headers = {"Content-Type": kind, "If-Match": "*", "Authorization": "Bearer token"}
        answer = client.request(method, where, content=b'{"definition": {}}', headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (415, "application/problem+json"), answer.text
    assert ((console.plans / "a.yaml").read_bytes(), console.audit) == (before, [])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/none", 404),
        ("GET", "/api/v1/docs", 404),
        ("PATCH", "/api/v1/accounts", 405),
        ("GET", "/api/v1/protection-groups/none", 404),
        ("GET", "/api/v1/protection-groups/..%2f..%2fetc%2fpasswd", 404),
    ],
)
def test_what_is_not_there_is_said_with_a_problem_document(console, method, path, status):
    answer = console.client().request(method, path)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status


def test_a_failure_of_the_server_is_a_problem_document_without_its_details(console):
    console.sources.latest_survey.append("rubbish")

    answer = console.client().get("/api/v1/accounts")

    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json()["detail"] == "this is a fault of the server; its log says more"


def test_the_document_describes_every_route_and_its_problems(console):
    document = console.client().get("/api/v1/openapi.json").json()

    described = {
        (method.upper(), f"/api/v1{path}") for path, methods in document["paths"].items() for method in methods
    }
    assert described == {key for key in GUARDS if key[1].startswith("/api/v1/") and "openapi" not in key[1]}
    assert document["servers"] == [{"url": "/api/v1"}]
    identities = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(set(identities)) == len(identities)
    assert {"history", "history_plans", "history_comparison", "reports", "read_report"} <= set(identities)
    for path in document["paths"].values():
        for operation in path.values():
            refused = operation["responses"]["422"]["content"]
            assert refused == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}


@pytest.mark.parametrize("is_told", [True, False])
def test_a_body_without_end_is_not_read(console, is_told):
    sent = []

    def chunks():
        for _ in range(100):
            sent.append(1)
            yield b"[" + b"1," * 50_000

    content = b"".join(chunks()) if is_told else chunks()
    answer = console.client().post(
        "/api/v1/protection-groups/resolve", content=content, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == (413 if is_told else 400)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", ["[" * 100_000, "{", "\x00", '"text"', "[1]", "null", "1e999", ""])
def test_a_body_that_is_no_definition_is_refused(console, body):
    answer = console.client().post(
        "/api/v1/protection-groups/resolve", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
