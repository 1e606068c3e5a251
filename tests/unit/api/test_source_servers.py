"""The inventory over HTTP: filters, order, pages, and what is left out for whom."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from drs_provider.exceptions import AccessDenied
from kit.console import Console, FakeAccount, server

GROUPS = """
kind: ProtectionGroup
name: shop-db
region: us-west-2
select: {tags: {App: shop}}
---
kind: ProtectionGroup
name: hidden
region: us-west-2
servers: [s-00000000000000004]
---
kind: RecoveryPlan
name: shop
rpo: 5m
drill: {network: shared}
waves: [{name: database, groups: [shop-db]}]
---
kind: RecoveryPlan
name: secret
drill: {network: shared}
waves: [{name: database, groups: [hidden]}]
"""
EVIL = "<img src=x onerror=alert(1)>\u202e\U0001f4a3"

SHOWN = "<img src=x onerror=alert(1)>\\u202e\U0001f4a3"
"""A character that turns a text around is written out: it would steer whatever shows the name."""


@pytest.fixture
def console(tmp_path: Path) -> Console:
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "shop.yaml").write_text(GROUPS)
    servers = [
        server(1, "db2", lag="PT10M", App="shop", Tier="db"),
        server(2, "db1", App="shop", Tier="web"),
        server(3, EVIL, state="STALLED"),
        server(4, "secret-1"),
        {**server(5, "quiet"), "dataReplicationInfo": {}},
    ]
    return Console(plans, {("aws_default", "us-west-2"): FakeAccount(servers=servers)})


def names(answer):
    assert answer.status_code == 200, answer.text
    return [found["hostname"] for found in answer.json()["servers"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [SHOWN, "db1", "db2", "quiet"]),
        ("sort=-hostname", ["quiet", "db2", "db1", SHOWN]),
        ("sort=-lag_seconds", ["db2", "db1", SHOWN, "quiet"]),
        ("sort=lag_seconds", ["db1", SHOWN, "db2", "quiet"]),
        ("view=unprotected", [SHOWN, "quiet"]),
        ("view=lagging", [SHOWN, "db2"]),
        ("q=TIER%3Ddb", ["db2"]),
        ("q=shop-db", ["db1", "db2"]),
        ("tag=App&tag=Tier%3Dweb", ["db1"]),
        ("tag=App%3D", []),
        ("plan=shop&state=CONTINUOUS", ["db1", "db2"]),
        ("group=hidden", []),
        ("account=111122223333&region=us-west-2&q=db1", ["db1"]),
        ("account=999922223333", []),
    ],
)
def test_a_list_holds_what_was_asked_for_in_the_order_that_was_asked_for(console, query, expected):
    assert names(console.client().get(f"/api/v1/source-servers?{query}")) == expected


def test_servers_of_plans_that_the_caller_may_not_read_are_left_out_everywhere(console):
    client = console.client()

    assert client.get("/api/v1/source-servers/s-00000000000000004").status_code == 404
    assert client.get("/api/v1/source-servers?q=secret").json()["total"] == 0
    console.readable = {"drs.secret"}
    assert names(console.client().get("/api/v1/source-servers?q=secret")) == ["secret-1"]


@pytest.mark.parametrize("sort", ["hostname", "-hostname", "lag_seconds", "-lag_seconds", "group", "-plan", "state"])
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_hold_every_server_once_in_the_order_of_the_whole_list(console, sort, limit):
    client = console.client()
    whole = names(client.get("/api/v1/source-servers", params={"sort": sort}))

    found, after = [], ""
    while after is not None:
        page = client.get("/api/v1/source-servers", params={"sort": sort, "limit": limit, "after": after})
        found += names(page)
        after = page.json()["next"]

    assert found == whole


def test_what_appears_between_two_pages_moves_none_of_the_others(console):
    client = console.client()
    page = client.get("/api/v1/source-servers?limit=2").json()
    account = console.accounts["aws_default", "us-west-2"]
    account.servers.insert(0, server(9, "aa-new"))
    console.now += timedelta(minutes=1)
    client.get("/api/v1/accounts")
    for thread in threading.enumerate():
        if thread.name == "drs-inventory":
            thread.join(5)

    assert names(client.get("/api/v1/source-servers", params={"limit": 2, "after": page["next"]})) == ["db2", "quiet"]
    assert client.get("/api/v1/source-servers").json()["total"] == 5


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("sort=colour", 422, "sort: no field 'colour'; known: account, agent_version, "),
        ("after=rubbish", 422, "after: this is no page of this list in this order"),
        ("after=WzEsMiwzXQ", 422, "after: this is no page of this list in this order"),
        ("sort=state&after=WyJob3N0bmFtZSIsICJhIiwgImIiXQ", 422, "after: this is no page of this list"),
        ("after=WyJob3N0bmFtZSIsIE5hTiwgImIiXQ", 422, "after: this is no page"),
        ("limit=0", 422, "the request does not have the form of this route"),
        ("limit=1001", 422, "the request does not have the form of this route"),
        ("view=none", 422, "the request does not have the form of this route"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_problem_document(console, query, status, said):
    answer = console.client().get(f"/api/v1/source-servers?{query}")

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    document = answer.json()
    assert (document["status"], document["type"]) == (status, "about:blank")
    assert document["detail"].startswith(said)


def test_one_server_has_its_newest_recovery_point_for_one_call(console):
    account = console.accounts["aws_default", "us-west-2"]
    detail = console.client().get("/api/v1/source-servers/s-00000000000000001").json()

    assert (detail["newest_recovery_point"], detail["recovery_point_problem"]) == ("2026-11-22T05:05:00Z", "")
    assert (detail["hostname"], detail["objective_seconds"]) == ("db2", 300.0)
    assert account.calls.count("s-00000000000000001") == 1


def test_an_account_that_cannot_be_asked_is_shown_with_the_reason(console):
    console.more = (("other", "eu-west-1"),)
    console.accounts["other", "eu-west-1"] = FakeAccount(
        "999922223333", "eu-west-1", error=AccessDenied("DescribeSourceServers", "AccessDeniedException", "not you")
    )
    found = console.client().get("/api/v1/accounts").json()["accounts"]

    here, there = sorted(found, key=lambda account: account["account"])
    assert (here["servers"], here["age_seconds"], here["problem"]) == (4, 0.0, "")  # one is of a hidden plan
    assert (there["servers"], there["asked_at"], there["age_seconds"]) == (0, None, None)
    assert there["problem"].startswith("DescribeSourceServers: AccessDeniedException: not you")


def test_a_list_asks_aws_once_however_often_it_is_looked_at(console):
    client = console.client()
    for _ in range(5):
        client.get("/api/v1/source-servers")

    assert console.accounts["aws_default", "us-west-2"].calls == ["account", "servers"]
