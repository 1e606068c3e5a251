"""Plans over HTTP: looked at, created, changed and deleted in their files."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from drs_provider.plan.loader import read_folder
from drs_provider.services.groups import save
from kit.console import Console, FakeAccount, server

ROOT = Path(__file__).parents[3]
PLANS = "/api/v1/recovery-plans"
SHOP = """# the shop's
kind: RecoveryPlan
name: shop
title: The shop # for people
drill: {network: shared}
waves:
  # data first
  - name: database
    groups: [shop-db] # all
"""
GROUPS = """kind: ProtectionGroup
name: shop-db
region: us-west-2
servers: [s-00000000000000001, s-00000000000000002]
---
kind: ProtectionGroup
name: shop-web
region: us-west-2
servers: [s-00000000000000003]
"""
PAYROLL = """kind: ProtectionGroup
name: payroll-db
region: us-west-2
servers: [s-00000000000000004]
---
kind: RecoveryPlan
name: payroll
drill: {network: shared}
waves: [{name: all, groups: [payroll-db]}]
"""
WHOLE = """kind: RecoveryPlan
name: whole
drill: {network: shared}
waves: [{name: all, before: [{kind: plan, name: first, plan: shop}]}]
"""
EVIL = "</script><b>\u202e\U0001f4a3 'x' \"y\""


@pytest.fixture
def console(tmp_path: Path) -> Console:
    plans = tmp_path / "plans"
    (plans / "groups").mkdir(parents=True)
    (plans / "groups" / "shop.yaml").write_text(GROUPS)
    (plans / "shop.yaml").write_text(SHOP)
    servers = [server(number, f"server{number}") for number in range(1, 5)]
    accounts = {("aws_default", "us-west-2"): FakeAccount(servers=servers)}
    return Console(plans, accounts, readable={"*"}, editable={"*"})


def read(client, name="shop"):
    answer = client.get(f"{PLANS}/{name}/definition")
    return answer.json(), {"If-Match": answer.headers["etag"]}


def a_plan(name="new", **fields):
    waves = [{"name": "web", "groups": ["shop-web"]}]
    return {"kind": "RecoveryPlan", "name": name, "drill": {"network": "shared"}, "waves": waves, **fields}


def files(console):
    found = sorted(console.plans.rglob("*"))
    return {path.relative_to(console.plans).as_posix(): path.read_bytes() for path in found if path.is_file()}


def test_a_plan_is_changed_in_place_and_told_to_the_audit_log(console):
    client = console.client()
    plan, headers = read(client)
    assert (plan["file"], plan["line"], plan["problems"], plan["is_editable"]) == ("shop.yaml", 2, [], True)
    waves = [*plan["definition"]["waves"], {"name": "web", "groups": ["shop-web"]}]
    wanted = {**plan["definition"], "waves": waves}

    answer = client.put(f"{PLANS}/shop", json=wanted, headers=headers)

    assert (answer.status_code, answer.json()["is_saved"]) == (200, True), answer.text
    added = "  - name: web\n    groups:\n      - shop-web\n"
    assert (console.plans / "shop.yaml").read_text() == SHOP + added
    assert answer.headers["etag"] == read(client)[1]["If-Match"] != headers["If-Match"]
    extra = {"plan": "shop", "file": "shop.yaml", "before": plan["definition"], "after": wanted}
    assert console.audit == [("drs_plan_changed", extra)]


def test_some_keys_are_patched_and_null_removes(console):
    client = console.client()
    _, headers = read(client)

    answer = client.patch(
        f"{PLANS}/shop", json={"title": None, "rto": "1h", "drill": {"keep_for": "1h"}}, headers=headers
    )

    assert answer.json()["is_saved"] is True, answer.text
    expected = (
        SHOP.replace("title: The shop # for people\n", "").replace("shared}", "shared, keep_for: 1h}") + "rto: 1h\n"
    )
    assert (console.plans / "shop.yaml").read_text() == expected


def test_of_two_who_save_the_same_plan_one_wins_and_the_other_is_told(console):
    client = console.client()
    plan, headers = read(client)
    answers = {}

    def save_as(title):
        answers[title] = client.put(f"{PLANS}/shop", json={**plan["definition"], "title": title}, headers=headers)

    threads = [threading.Thread(target=save_as, args=(title,)) for title in ("mine", "yours")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answer.status_code for answer in answers.values()) == [200, 412]
    (lost,) = (answer for answer in answers.values() if answer.status_code == 412)
    (won,) = (title for title, answer in answers.items() if answer.status_code == 200)
    assert lost.json()["detail"].startswith("somebody has changed it since you have read it")
    assert read(client)[0]["definition"]["title"] == won
    assert len(console.audit) == 1


def test_a_change_without_what_was_read_is_refused(console):
    for method, body in (("PUT", a_plan("shop")), ("PATCH", {"title": "x"}), ("DELETE", None)):
        assert console.client().request(method, f"{PLANS}/shop", json=body).status_code == 428


def test_a_plan_is_created_in_a_file_of_its_own_or_at_the_end_of_another(console):
    client = console.client()

    own = client.post(PLANS, json={"definition": a_plan(title=EVIL)})
    there = client.post(PLANS, json={"definition": a_plan("second"), "file": "shop.yaml"})

    assert (own.status_code, there.status_code) == (201, 201), there.text
    assert (console.plans / "new.yaml").read_text().startswith("kind: RecoveryPlan\nname: new\n")
    assert (console.plans / "shop.yaml").read_text().startswith(f"{SHOP}---\nkind: RecoveryPlan\nname: second\n")
    assert read_folder(console.plans).plans["new"].plan.title == EVIL
    assert [event for event, _ in console.audit] == ["drs_plan_created", "drs_plan_created"]
    assert client.post(PLANS, json={"definition": a_plan()}).json()["detail"] == (
        "there is a plan called 'new' already, in new.yaml:1"
    )


def test_a_plan_is_deleted_unless_another_plan_runs_it(console):
    client = console.client()
    (console.plans / "whole.yaml").write_text(WHOLE)
    _, headers = read(client)

    kept = client.delete(f"{PLANS}/shop", headers=headers)

    assert kept.status_code == 422, kept.text
    assert kept.json()["errors"][0]["where"].startswith("whole.yaml:4:")
    assert "shop" in kept.json()["errors"][0]["what"]
    (console.plans / "whole.yaml").unlink()
    assert client.delete(f"{PLANS}/shop", headers=headers).json()["is_saved"] is True
    assert list(files(console)) == ["groups/shop.yaml"]


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        ({"waves": [{"name": "database", "groups": ["shop-bd"]}]}, "shop.yaml:9:", "no group called"),
        ({"waves": []}, "shop.yaml:6:8: waves", "expected at least one entry"),
        ({"rto": "soon"}, "shop.yaml:", "expected"),
        ({"tittle": "x"}, "shop.yaml:", "unknown key 'tittle'"),
        (
            {"waves": [{"name": "a", "groups": ["shop-db"], "depends_on": ["a"]}]},
            "shop.yaml:",
            "a",
        ),
    ],
    ids=["unknown group", "no waves", "no duration", "unknown key", "circle"],
)
def test_what_is_wrong_is_said_with_file_and_line_and_nothing_is_saved(console, change, where, what):
    client = console.client()
    plan, headers = read(client)
    before = files(console)
    wanted = {**plan["definition"], **change}

    answer = client.put(f"{PLANS}/shop", json=wanted, headers=headers)
    preview = client.post(f"{PLANS}/preview", json={"definition": wanted}).json()

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["errors"][0]["where"].startswith(where), answer.text
    assert what in answer.json()["errors"][0]["what"]
    assert preview["problems"] == answer.json()["errors"]
    assert (files(console), console.audit) == (before, [])


def test_a_preview_foretells_both_modes_with_what_they_use(console):
    client = console.client()
    plan, _ = read(client)
    waves = [
        *plan["definition"]["waves"],
        {"name": "web", "groups": ["shop-web"]},
        {"name": "beside", "depends_on": [], "groups": []},
    ]
    waves[2]["before"] = [{"kind": "wait", "name": "a", "for": "5s"}]

    preview = client.post(f"{PLANS}/preview", json={"definition": {**plan["definition"], "rto": "10m", "waves": waves}})

    found = preview.json()
    assert found["problems"] == [], found
    assert found["patch"].startswith("--- a/shop.yaml\n+++ b/shop.yaml\n")
    outlook = found["outlook"]
    assert outlook["rows"] == [["database", "beside"], ["web"]]
    assert outlook["servers"] == {"database": 2, "web": 1, "beside": 0}
    in_waves, ahead = outlook["modes"]
    assert (in_waves["launch"], in_waves["seconds"], in_waves["is_within_rto"]) == ("in_waves", 1070.0, False)
    assert (ahead["launch"], ahead["seconds"], ahead["is_within_rto"]) == ("ahead", 595.0, True)
    assert in_waves["critical_path"] == ahead["critical_path"] == ["database", "web"]
    assert (in_waves["quotas"][0]["servers"], ahead["quotas"][0]["servers"]) == (2, 3)
    assert (in_waves["is_chosen"], ahead["is_chosen"]) == (True, False)
    assert console.audit == []


def test_who_may_not_change_the_plan_changes_nothing(console):
    console.editable = {"drs.other"}
    client = console.client()
    plan, headers = read(client)
    assert plan["is_editable"] is False
    before = files(console)

    answers = [
        client.put(f"{PLANS}/shop", json={**plan["definition"], "title": "x"}, headers=headers),
        client.patch(f"{PLANS}/shop", json={"title": "x"}, headers=headers),
        client.delete(f"{PLANS}/shop", headers=headers),
        client.post(PLANS, json={"definition": a_plan()}),
        client.post(f"{PLANS}/preview", json={"definition": a_plan()}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 5
    assert files(console) == before


def test_a_new_plan_is_for_who_may_change_every_dag_or_has_the_right_to_its_dag_already(console):
    client = console.client()
    new = {"definition": {**a_plan(), "name": "fresh"}}

    def created():
        return [client.post(where, json=new).status_code for where in (f"{PLANS}?dry_run=true", f"{PLANS}/preview")]

    console.editable = {"drs.shop"}
    assert created() == [403, 403]
    console.editable = {"drs.shop", "drs.fresh"}
    assert created() == [200, 200]
    console.editable = {"*"}
    assert created() == [200, 200]


@pytest.mark.parametrize(
    ("wave", "said"),
    [
        ({"name": "x", "groups": ["payroll-db"]}, "you may not use group 'payroll-db': there is none of this name"),
        ({"name": "x", "groups": ["pay-nobody"]}, "you may not use group 'pay-nobody': there is none of this name"),
        ({"name": "x", "before": [{"kind": "plan", "name": "p", "plan": "payroll"}]}, "you may not run plan 'payroll'"),
        ({"name": "x", "after": [{"kind": "dag", "name": "p", "dag_id": "wages"}]}, "you may not run DAG 'wages'"),
    ],
)
def test_a_plan_reaches_nothing_that_its_author_may_not_change(console, wave, said):
    (console.plans / "payroll.yaml").write_text(PAYROLL)
    console.readable, console.editable = {"drs.shop"}, {"drs.shop"}
    client = console.client()
    plan, headers = read(client)
    wanted = {**plan["definition"], "waves": [*plan["definition"]["waves"], wave]}

    for answer in (
        client.put(f"{PLANS}/shop", json=wanted, headers=headers),
        client.post(f"{PLANS}/preview", json={"definition": wanted}),
    ):
        assert (answer.status_code, answer.json()["detail"][: len(said)]) == (403, said)
    assert (console.plans / "shop.yaml").read_text() == SHOP


def test_a_plan_that_the_caller_may_not_read_is_not_there(console):
    (console.plans / "payroll.yaml").write_text(PAYROLL)
    console.readable = console.editable = {"drs.shop"}
    client = console.client()

    for method, path in (
        ("GET", "/payroll/definition"),
        ("PUT", "/payroll"),
        ("PATCH", "/payroll"),
        ("DELETE", "/payroll"),
    ):
        body = {} if method in {"PUT", "PATCH"} else None
        answer = client.request(method, f"{PLANS}{path}", json=body, headers={"If-Match": "*"})
        assert answer.status_code == 404
        assert "payroll" not in answer.text
    file = client.post(f"{PLANS}/preview", json={"definition": a_plan("shop2"), "file": "payroll.yaml"})
    assert (file.status_code, "s-0000" in file.text) == (403, False)


@pytest.mark.parametrize("how", ["setting", "link"])
def test_where_nothing_may_be_written_the_change_is_given_as_a_patch(console, how, tmp_path):
    if how == "link":
        (console.plans / "shop.yaml").rename(tmp_path / "plans" / ".shop")
        (console.plans / "shop.yaml").symlink_to(".shop")
    console.may_write = how != "setting"
    client = console.client()
    _, headers = read(client)

    answer = client.patch(f"{PLANS}/shop", json={"rto": "1h"}, headers=headers).json()

    assert (answer["is_saved"], bool(answer["why_not"])) == (False, True)
    repository = tmp_path / "elsewhere"
    repository.mkdir()
    (repository / "shop.yaml").write_text(SHOP)
    subprocess.run(["git", "apply"], input=answer["patch"].encode(), cwd=repository, check=True)
    assert (repository / "shop.yaml").read_text() == f"{SHOP}rto: 1h\n"
    assert (console.plans / "shop.yaml").read_text() == SHOP


def test_a_change_without_a_line_in_the_audit_log_is_not_made(console, monkeypatch):
    client = console.client()
    _, headers = read(client)

    def full(*_):
        raise RuntimeError("the database is full")

    monkeypatch.setattr(console, "audit", type("Full", (list,), {"append": full})())

    assert client.patch(f"{PLANS}/shop", json={"rto": "1h"}, headers=headers).status_code == 500
    assert (console.plans / "shop.yaml").read_text() == SHOP


WRITER = """
import itertools, sys
from pathlib import Path
from drs_provider.services.groups.save import PLANS, DocumentEditor
from drs_provider.services.groups.catalog import read_catalog
folder = Path(sys.argv[1])
editor = DocumentEditor(folder, True, lambda event, line: None, PLANS)
print("ready", flush=True)
for number in itertools.count():
    definition = {**read_catalog(folder).written_plans["shop"].definition, "title": ("one", "two")[number % 2] * 5000}
    editor.change("shop", definition, read=lambda digest: None, check=lambda catalog: None)
"""


def test_a_killed_process_leaves_the_old_or_the_new_plan(console):
    path = console.plans / "shop.yaml"
    texts = {SHOP, *(SHOP.replace("The shop", title * 5000) for title in ("one", "two"))}
    for delay in (0.0, 0.01, 0.03):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(console.plans)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT / "plugins")},
        )
        writer.stdout.readline()
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait(10)
        writer.stdout.close()
        assert path.read_text() in texts
        assert list(read_folder(console.plans).plans) == ["shop"]


def test_a_right_that_ends_before_the_change_is_made_ends_the_change(console, monkeypatch):
    client = console.client()
    _, headers = read(client)
    taken = save.catalog_of_contents
    monkeypatch.setattr(save, "catalog_of_contents", lambda *given: console.editable.clear() or taken(*given))

    assert client.patch(f"{PLANS}/shop", json={"rto": "1h"}, headers=headers).status_code == 403
    assert (console.plans / "shop.yaml").read_text() == SHOP
