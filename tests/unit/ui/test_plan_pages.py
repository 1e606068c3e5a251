"""The pages of a plan: what they show, that it is shown as text, and who sees the editor."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from drs_provider.plan.model import RecoveryPlan, Wave
from drs_provider.plan.step_kinds import step_kinds
from drs_provider.ui.console.plan_forms import plan_forms
from kit.console import Console, FakeAccount, server

EVIL = "</script><img src=x onerror=alert(1)>\"' \u05d0\u05d1 \U0001f4a3 {{ 7 * 7 }}"
QUOTED = "'" + EVIL.replace("'", "''") + "'"
PLANS = f"""
kind: ProtectionGroup
name: shop-db
region: us-west-2
description: {QUOTED}
servers: [s-00000000000000001]
---
kind: RecoveryPlan
name: shop
title: {QUOTED}
description: {QUOTED}
owner: {QUOTED}
rto: 5m
drill: {{network: shared}}
waves:
  - name: database
    groups: [shop-db]
    pause_before: {{message: {QUOTED}, approvers: [{QUOTED}]}}
    after: [{{kind: webhook, name: hook, http_conn_id: chat, payload: {{text: hello}}}}]
"""
PAGES = ("/plan?name=shop", "/plan-editor?name=shop", "/plan-runbook?name=shop")


class Seen(HTMLParser):
    """Every tag, text and attribute of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.attributes = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def console(tmp_path: Path) -> Console:
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "shop.yaml").write_text(PLANS)
    return Console(plans, {("aws_default", "us-west-2"): FakeAccount(servers=[server(1, EVIL)])})


@pytest.mark.parametrize("path", PAGES)
def test_texts_of_others_are_shown_as_texts(console, path):
    answer = console.client().get(path)
    seen = Seen(answer.text)

    assert answer.status_code == 200
    assert (seen.tags.count("script"), seen.tags.count("img")) == (1, 0)
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    said = [*seen.texts, *(json.loads(value)["title"] for name, value in seen.attributes if name == "data-definition")]
    assert any(EVIL in text for text in said)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", [*PAGES, "/plan-editor"])
def test_no_page_asks_another_host_for_anything(console, path):
    seen = Seen(console.client().get(path).text)
    addresses = [value for name, value in seen.attributes if name in {"href", "src", "action"}]

    assert addresses
    assert [address for address in addresses if ":" in address or address.startswith("/")] == []
    assert ("target", "_top") not in seen.attributes


def test_the_page_of_a_plan_says_how_long_it_takes_and_leads_on(console):
    answer = console.client().get("/plan?name=shop")
    seen = Seen(answer.text)
    text = " ".join(" ".join(seen.texts).split())

    assert "in waves as planned 8m 55s ✗ longer" in text
    assert "us-west-2, aws_default: 1 of 500 servers, 1 of 20 jobs" in text
    links = {value for name, value in seen.attributes if name == "href"}
    assert {
        "plan-editor?name=shop",
        "../dags/drs.shop",
        "history?plan=shop",
        "plan-runbook?name=shop",
        "group?name=shop-db",
    } <= links
    outlook = json.loads(next(value for name, value in seen.attributes if name == "data-outlook"))
    assert outlook["rows"] == [["database"]]


def test_a_broken_plan_says_what_is_wrong_and_can_be_edited(console):
    text = (console.plans / "shop.yaml").read_text()
    (console.plans / "shop.yaml").write_text(text.replace("rto: 5m", "rto: soon"))
    client = console.client()

    page = html.unescape(client.get("/plan?name=shop").text)
    line = text.splitlines().index("rto: 5m") + 1

    assert f"shop.yaml:{line}:6: rto" in page
    assert "plan-editor?name=shop" in page
    assert client.get("/plan-editor?name=shop").status_code == 200
    assert client.get("/plan-runbook?name=shop").status_code == 409


def test_only_who_may_change_the_plan_sees_the_editor(console):
    console.editable = {"drs.other"}
    assert console.client().get("/plan-editor?name=shop").status_code == 403
    assert "plan-editor" not in console.client().get("/plan?name=shop").text
    console.editable, console.may_edit = {"drs.shop"}, False
    assert console.client().get("/plan-editor?name=shop").status_code == 403
    assert "plan-editor" not in console.client().get("/plan?name=shop").text


@pytest.mark.parametrize("path", PAGES)
def test_a_plan_that_the_caller_may_not_read_is_not_there(console, path):
    console.readable = {"drs.other"}

    answer = console.client().get(path)

    assert answer.status_code == 404
    assert EVIL not in html.unescape(answer.text)


def test_the_editor_has_a_place_for_every_field_of_the_language():
    forms = plan_forms()
    shown = {field["path"][0] for section in forms["sections"] for field in section["fields"]}

    named = {field.alias or name for name, field in RecoveryPlan.model_fields.items()}
    assert named - shown == {"kind", "name", "waves", "before", "after"}
    of_wave = {field["path"][0] for field in forms["wave"]}
    assert set(Wave.model_fields) - of_wave == {"name", "groups", "depends_on", "pause_before", "before", "after"}
    for kind in step_kinds():
        keys = {field.alias or name for name, field in kind.model.model_fields.items()}
        assert keys - {field["path"][0] for field in forms["steps"][kind.name]["fields"]} == {"kind"}


def test_the_plans_page_leads_to_the_editor_for_those_who_may_use_it():
    from drs_provider.ui.pages import plans_page
    from drs_provider.ui.plan_list import PlanList, PlanRow

    row = dict.fromkeys(("description", "owner"), "") | {"file": "plans/shop.yaml", "waves": []}
    nothing = dict.fromkeys(("rto_seconds", "rpo_seconds", "last_run", "last_run_at", "last_status"))
    plans = PlanList(plans=[PlanRow(name="shop", dag_id="drs.shop", title=EVIL, **row, **nothing)], broken=[])

    for editable, is_author in (({"shop"}, True), ({"other"}, True), (set(), False)):
        page, _ = plans_page(plans, editable=editable, is_author=is_author)
        found = re.findall(r'href="(plan[a-z-]*[^"]*)"', page)
        left_out = {"plan-editor?name=shop": "shop" not in editable, "plan-editor": not is_author}
        expected = ["plan-editor", "plan?name=shop", "plan-editor?name=shop", "plan-runbook?name=shop"]
        assert found == [address for address in expected if not left_out.get(address)]


def test_a_refusal_has_words_for_people_and_json_for_programs(console):
    console.editable = {"drs.other"}
    client = console.client()

    page = client.get("/plan-editor?name=shop", headers={"Accept": "text/html,*/*;q=0.8"})

    assert (page.status_code, page.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert page.headers["cache-control"] == "no-store"
    assert "script-src 'sha256-" in page.headers["content-security-policy"]
    assert "You may not see or change this" in page.text
    assert "you may not change this plan" in page.text
    evil = client.get(f"/{html.escape(EVIL)}", headers={"Accept": "text/html"})
    assert (evil.status_code, "There is no such page" in evil.text, EVIL in evil.text) == (404, True, False)
    asked = client.get("/plan-editor?name=shop", headers={"Accept": "application/json"})
    assert (asked.status_code, asked.json()) == (403, {"detail": "you may not change this plan"})
