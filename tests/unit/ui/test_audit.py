"""Which requests leave a line in Airflow's audit log, and that none goes out without it."""

import asyncio
import sys
from types import SimpleNamespace

import pytest
from drs_provider.ui.audit.rule import event_of, is_watched
from drs_provider.ui.audit.trail import AuditTrail, writer

PLAN, OTHER = "/api/v2/dags/drs.web-shop", "/api/v2/dags/their_dag"
TASKS = f"{PLAN}/dagRuns/r/taskInstances"


@pytest.mark.parametrize(
    ("method", "path", "watched"),
    [
        ("GET", PLAN, False),
        ("HEAD", PLAN, False),
        ("PATCH", PLAN, True),
        ("POST", f"{PLAN}/dagRuns", True),
        ("PATCH", OTHER, False),
        ("POST", f"{OTHER}/dagRuns", False),
        ("PATCH", "/api/v2/dags/~/dagRuns/~/taskInstances", True),
        ("POST", "/api/v2/variables", True),
        ("POST", "/api/v2/connections", True),
        ("POST", "/api/v2/backfills", True),
        ("POST", "/drs/runs/drs.web-shop/r/orders", True),
        ("POST", "/drs/answers", False),
        ("POST", "/auth/token", False),
        ("POST", "/execution/task-instances/x/run", False),
    ],
)
def test_what_may_change_a_recovery_is_watched(method, path, watched):
    assert is_watched(method, path) == watched


@pytest.mark.parametrize(
    ("method", "path", "status", "event"),
    [
        ("POST", f"{PLAN}/dagRuns", 403, "drs_refused"),
        ("POST", f"{PLAN}/dagRuns", 200, None),
        ("POST", f"{PLAN}/dagRuns", 401, None),
        ("PUT", f"{TASKS}/t/state-store/a/b", 204, "drs_request"),
        ("PUT", f"{TASKS}/t/state-store/a/b", 403, "drs_refused"),
        ("PUT", f"{TASKS}/t/state-store/a/b", 404, None),
        ("PATCH", f"{TASKS}/t/state-store/a", 200, "drs_request"),
        ("DELETE", f"{TASKS}/t/state-store", 204, "drs_request"),
        ("DELETE", f"{TASKS}/t", 200, "drs_request"),
        ("PATCH", TASKS, 200, "drs_request"),
        ("PATCH", f"{TASKS}/t", 200, None),
        ("PATCH", f"{TASKS}/t/xcomEntries/preflight", 200, None),
    ],
)
def test_a_refusal_has_a_line_and_what_airflow_logs_itself_has_no_second_one(method, path, status, event):
    assert event_of(method, path, status) == event


@pytest.fixture
def asked(monkeypatch):
    """Send a request through the middleware to a server that answers with a status; return what happened, in order."""

    def ask(method, path, status, *, user="mallory", fails=False):
        happened = []

        async def user_of(_scope):
            return user

        async def add_to_audit_log(event, who, _extra, **place):
            if fails:
                raise OSError("the database is locked")
            happened.append((event, who, place["dag_id"]))

        stand_in = SimpleNamespace(user_of=user_of, add_to_audit_log=add_to_audit_log)
        monkeypatch.setitem(sys.modules, "drs_provider.airflow_internals.api_server", stand_in)

        async def server(scope, _receive, send):
            happened.append(("served", writer()))
            scope["path_params"] = {"dag_id": "drs.web-shop"}
            await send({"type": "http.response.start", "status": status})
            await send({"type": "http.response.body"})

        async def send(message):
            happened.append(message["type"])

        scope = {"type": "http", "method": method, "path": f"/below{path}", "root_path": "/below"}
        asyncio.run(AuditTrail(server)(scope, None, send))
        return happened

    return ask


ANSWERED = ["http.response.start", "http.response.body"]


def test_the_line_stands_before_the_answer_goes_out(asked):
    assert asked("POST", f"{PLAN}/dagRuns", 403) == [
        ("served", "mallory"),
        ("drs_refused", "mallory", "drs.web-shop"),
        *ANSWERED,
    ]
    assert writer() is None


def test_what_is_only_read_and_who_is_unknown_write_nothing(asked):
    assert asked("GET", f"{PLAN}/dagRuns", 403) == [("served", None), *ANSWERED]
    assert asked("POST", f"{PLAN}/dagRuns", 403, user=None) == [("served", None), *ANSWERED]


def test_an_answer_goes_out_also_where_no_line_can_be_written(asked, caplog):
    assert asked("POST", f"{PLAN}/dagRuns", 403, fails=True) == [("served", "mallory"), *ANSWERED]
    assert "could not be written into Airflow's audit log" in caplog.text
    assert f"drs_refused: POST '{PLAN}/dagRuns' by mallory, answered with 403" in caplog.text


def test_a_path_cannot_add_lines_to_the_log(asked, caplog):
    asked("POST", f"{PLAN}/dagRuns\nERROR all is lost", 403)
    assert "\nERROR" not in caplog.text
    assert "/dagRuns\\nERROR all is lost" in caplog.text
