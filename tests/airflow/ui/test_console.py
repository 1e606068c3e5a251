"""The console and its API as Airflow serves them: who may do what, by Airflow's own roles, and what is written down."""

import json
from contextlib import contextmanager

import pytest
from drs_provider.plan.loader import read_folder
from kit.console import FakeAccount, server

pytestmark = pytest.mark.airflow

SERVERS, GROUPS = "/drs/api/v1/source-servers", "/drs/api/v1/protection-groups"
READS = ["/drs/servers", "/drs/groups", "/drs/api/v1/openapi.json", "/drs/api/v1/accounts", SERVERS, GROUPS]
NEW = {"kind": "ProtectionGroup", "name": "new", "region": "ap-southeast-1", "servers": ["s-0new0000000000001"]}


@pytest.fixture
def plans(tmp_path, monkeypatch, going_on):
    """A plans folder of this test's own, and accounts in memory, in a Region of which nobody knows yet."""
    from drs_provider.hooks import console, quick

    folder = tmp_path / "plans"
    folder.mkdir()
    (folder / "shop.yaml").write_text(
        "kind: ProtectionGroup\nname: shop-db\nregion: ap-southeast-1\nservers:\n  - s-00000000000000001 # first\n---\n"
        "kind: RecoveryPlan\nname: web-shop\ndrill: {network: shared}\nwaves: [{name: db, groups: [shop-db]}]\n"
    )
    account = FakeAccount(region="ap-southeast-1", servers=[server(1, "db1"), server(2, "lost")])
    monkeypatch.setenv("DRS_PLANS_FOLDER", str(folder))
    monkeypatch.setattr(quick, "QuickHook", lambda **_: account)
    monkeypatch.setattr(console, "ConsoleHook", lambda **_: account)
    return folder


def log_of(event):
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return [(line.owner, json.loads(line.extra)) for line in session.scalars(select(Log).where(Log.event == event))]


@pytest.mark.parametrize("path", READS)
def test_nobody_reads_anything_without_signing_in(api, plans, path):
    assert api.get(path).status_code == 401


@pytest.mark.parametrize("user", ["vera", "mallory", "otto", "adam"])
def test_who_may_read_dags_reads_all(api, plans, sign_in, user):
    for path in READS:
        assert api.get(path, headers=sign_in(user)).status_code == 200
    found = api.get(SERVERS, headers=sign_in(user)).json()["servers"]
    assert [(entry["hostname"], entry["plans"]) for entry in found] == [("db1", ["web-shop"]), ("lost", [])]


def test_the_document_names_where_the_api_is(api, plans, sign_in):
    document = api.get("/drs/api/v1/openapi.json", headers=sign_in("vera")).json()

    assert document["servers"] == [{"url": "/drs/api/v1"}]


@pytest.mark.parametrize("user", ["vera", "mallory"])
def test_who_may_not_change_connections_changes_no_group(api, plans, sign_in, user):
    headers = {**sign_in(user), "If-Match": "*"}
    for method, path, body in (
        ("POST", GROUPS, {"definition": NEW}),
        ("PUT", f"{GROUPS}/shop-db", NEW),
        ("DELETE", f"{GROUPS}/shop-db", None),
    ):
        answer = api.request(method, path, headers=headers, json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert [path.name for path in plans.iterdir()] == ["shop.yaml"]
    assert (user, {"method": "DELETE", "path": f"{GROUPS}/shop-db", "status": 403}) in log_of("drs_refused")


def test_a_change_is_in_the_file_and_in_airflows_audit_log(api, plans, sign_in):
    group = api.get(f"{GROUPS}/shop-db", headers=sign_in("otto"))
    wanted = {**group.json()["definition"], "servers": ["s-00000000000000001", "s-00000000000000002"]}
    headers = {**sign_in("otto"), "If-Match": group.headers["etag"]}

    answer = api.put(f"{GROUPS}/shop-db", headers=headers, json=wanted)

    assert answer.json()["is_saved"] is True, answer.text
    assert "  - s-00000000000000001 # first\n  - s-00000000000000002\n---\n" in (plans / "shop.yaml").read_text()
    members = read_folder(plans).groups["shop-db"].servers
    assert [member.id for member in members] == wanted["servers"]
    assert ("otto", {
        "group": "shop-db", "file": "shop.yaml", "before": group.json()["definition"], "after": wanted,
    }) in log_of("drs_group_changed")  # fmt: skip
    assert api.put(f"{GROUPS}/shop-db", headers=headers, json=wanted).status_code == 412


def test_the_line_is_kept_before_the_file_is_changed(api, plans, sign_in, monkeypatch):
    """Whatever ends the request after the change: its transaction is another one."""
    from drs_provider.services.groups import save

    group = api.get(f"{GROUPS}/shop-db", headers=sign_in("otto"))
    headers = {**sign_in("otto"), "If-Match": group.headers["etag"]}
    wanted = {**group.json()["definition"], "description": "kept"}
    seen = []
    staged = save.staged

    @contextmanager
    def looks(path, content):
        with staged(path, content) as write:

            def looks_and_writes():
                lines = log_of("drs_group_changed")  # by a session of its own
                seen.extend(extra["after"] for _, extra in lines if extra["after"] == wanted)
                write()

            yield looks_and_writes

    monkeypatch.setattr(save, "staged", looks)

    assert api.put(f"{GROUPS}/shop-db", headers=headers, json=wanted).status_code == 200
    assert seen == [wanted]


def test_airflows_cookie_serves_its_own_pages_only(api, plans, sign_in):
    cookie = {"Cookie": f"_token={sign_in('otto')['Authorization'].removeprefix('Bearer ')}"}
    body = {"json": NEW}

    assert api.get(SERVERS, headers=cookie).status_code == 200
    own = api.post(f"{GROUPS}/resolve", headers={**cookie, "Sec-Fetch-Site": "same-origin"}, **body)
    other = api.post(f"{GROUPS}/resolve", headers={**cookie, "Sec-Fetch-Site": "same-site"}, **body)
    assert (own.status_code, other.status_code) == (200, 403)


def test_a_connection_of_airflows_database_is_asked(api, airflow_db, going_on, monkeypatch):
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session
    from drs_provider.rules.run.roster import Target
    from drs_provider.ui.console.airflow_sources import console_hook

    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # as airflow.api_fastapi.main does
    with create_session() as session:
        session.add(Connection(conn_id="console_test", conn_type="aws", extra='{"region_name": "eu-west-1"}'))
    try:
        assert console_hook(Target("console_test", "")).region == "eu-west-1"
    finally:
        with create_session() as session:
            session.query(Connection).filter(Connection.conn_id == "console_test").delete()
