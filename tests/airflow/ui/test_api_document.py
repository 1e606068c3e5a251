"""The API against its own document, through Airflow's real API server, as each role and as nobody (Schemathesis).

Whatever the document allows to ask is answered as the document says, never with a fault of the server, and nobody gets
more than their role has.
"""

import json

import pytest
from hypothesis import HealthCheck, given, settings

schemathesis = pytest.importorskip("schemathesis", reason="Schemathesis is missing: make test installs it")

from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default"), pytest.mark.timeout(300)]

API = "/drs/api/v1"
PROBLEM = "application/problem+json"
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
ROLES = {None: 2, "vera": 3, "mallory": 2, "otto": 2, "adam": 3}
"""Requests of each operation; enough of them all together, and not more than a minute."""

SAVES_NOTHING = {"POST /recovery-plans/validate"}
"""Sent with a body, and for everybody who may read."""


@pytest.fixture(scope="module")
def document(api, going_on, sign_in):
    return api.get(f"{API}/openapi.json", headers=sign_in("vera")).json()


def sent(api, case, headers):
    """Send a case; a wait is none, for the test does not have that long."""
    asked = case.as_transport_kwargs(base_url=f"http://testserver{API}")
    params = {**(asked.get("params") or {}), **({"seconds": "0"} if case.operation.path.endswith("/wait") else {})}
    body = {name: asked[name] for name in ("json",) if name in asked}
    if asked.get("data") is not None:
        body["content"] = asked["data"]
    given_headers = {
        name: value
        for name, value in (asked.get("headers") or {}).items()
        if name.lower() not in {"cookie", "authorization"}
    }
    return api.request(asked["method"], asked["url"], params=params, headers={**given_headers, **headers}, **body)


def ask(api, operation, user, headers):
    """Send some requests of an operation, and look at every answer."""

    @settings(max_examples=ROLES[user], deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy())
    def each(case):
        answer = sent(api, case, headers)
        where = (operation.label, answer.status_code, answer.text[:300])

        # A part of the path was "..": it is another address. A line break leads to no route of any app.
        if not answer.request.url.path.startswith(f"{API}/") or "\n" in answer.request.url.path:
            assert answer.status_code in {401, 403, 404, 405}, where
            return
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == PROBLEM, where
            assert json.loads(answer.text)["status"] == answer.status_code, where
        assert answer.status_code in {502, 503} or answer.status_code < 500, where
        assert user is not None or answer.status_code in {401, 404, 405}, where
        is_write = operation.method.upper() != "GET" and operation.label not in SAVES_NOTHING
        assert not (is_write and user == "vera" and answer.status_code < 300), where
        case.validate_response(Response.from_httpx(answer, verify=True), checks=CHECKS)

    each()


@pytest.mark.parametrize("user", ROLES, ids=str)
def test_whatever_the_document_allows_is_answered_as_it_says_and_within_the_role(api, document, sign_in, user):
    headers = sign_in(user) if user else {}
    api.cookies.clear()
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        ask(api, found.ok(), user, headers)


@pytest.mark.parametrize(
    "path",
    [
        "/runs/..%2f..%2fapi%2fv2%2fdags/x",
        "/runs/drs.web-shop/..%2F..%2F..%2Fauth%2Ftoken",
        "/runs/~/~",
        "/recovery-plans/..%2F..%2Fetc%2Fpasswd",
        "/recovery-plans/%2e%2e",
        "/recovery-plans/web-shop%00",
        "/reports/drs.web-shop/..%2F..%2Fsecret",
        "/protection-groups/%2e%2e%2f%2e%2e",
        "/runs/drs.web-shop/x%0d%0aX-Evil:%20yes",
        "/runs/drs.web-shop/%2e%2e",
        "/runs/drs.web-shop/%2e",
        "/runs/drs.web-shop/%2e%2e/wait",
        "/runs/%2e%2e/%2e%2e",
        "/runs/drs.web-shop/x%09y",
        "/source-servers/%2e%2e/runs",
        "/recovery-plans/web-shop%0a",
    ],
)
def test_tricks_with_paths_lead_nowhere(api, document, sign_in, path):
    answer = api.get(f"{API}{path}", headers=sign_in("adam"))

    assert answer.status_code in {403, 404, 422}, (answer.status_code, answer.text)
    assert answer.headers["content-type"] in {PROBLEM, "application/json"}
    assert "x-evil" not in answer.headers


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "EXPIRED"])
def test_a_token_that_does_not_count_opens_nothing(api, document, sign_in, token, monkeypatch):
    if token == "EXPIRED":
        import jwt

        found = sign_in("adam")["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(found, options={"verify_signature": False})
        head = jwt.get_unverified_header(found)
        secret = "a secret of tests, " * 4
        token = jwt.encode({**claims, "exp": 1_700_000_000}, secret, algorithm=head["alg"], headers=head)
    api.cookies.clear()
    for method, path in (("GET", "/runs"), ("POST", "/runs/drs.web-shop"), ("GET", "/recovery-plans")):
        headers = {"Authorization": f"Bearer {token}"}
        answer = api.request(method, f"{API}{path}", headers=headers, json={} if method == "POST" else None)
        assert answer.status_code in {401, 403}, answer.text
        assert answer.headers["content-type"] == PROBLEM
