"""Every text of every page stands out from what is behind it, light and dark: WCAG 2.2 AA, as the browser paints it."""

import time
from pathlib import Path
from urllib.parse import quote

import pytest
from drs_provider.report.measure import measure
from drs_provider.report.store import write_report
from drs_provider.ui import pages
from drs_provider.ui.answer_links import OpenQuestion
from fastapi.responses import HTMLResponse
from kit.browser import serving
from kit.chrome import CHROMIUM, chrome
from kit.console import NOW, Console, FakeAccount, server
from kit.evidence import a_passed_drill
from kit.past_runs import a_record, a_report, put_report
from kit.run_pages import (
    REPORTED,
    RunsInMemory,
    a_failed_wave,
    a_reported_run,
    a_run_that_waits_for_people,
    an_edited_run,
    pages_of_runs,
)

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")]

MEASURE = (Path(__file__).parents[2] / "kit" / "contrast.js").read_text()
PLANS = """
kind: ProtectionGroup
name: shop-db
region: us-west-2
description: The data
servers: [s-00000000000000001]
---
kind: ProtectionGroup
name: shop-web
region: us-west-2
servers: [s-00000000000000002]
---
kind: RecoveryPlan
name: shop
title: The shop
owner: ann
rto: 5m
rpo: 1m
drill: {network: shared}
waves:
  - name: database
    groups: [shop-db]
    pause_before: {message: Is it there?, approvers: [ann]}
    after: [{kind: http, name: answers, url: "https://shop.example", expect_status: 200}]
  - {name: web, groups: [shop-web]}
"""
WRONG = "kind: RecoveryPlan\nname: wrong\nwaves: [{name: a, groups: [nobody]}]\n"
RUNS = [a_record(number) for number in range(4)]
COMPARED = "&".join(f"run={quote(f'{run.dag_id}/{run.run_id}', safe='')}" for run in RUNS[:2])
SETTLED = 0.4
"""Seconds in which the scripts of a page have fetched and drawn what it shows."""
CONSOLE = {
    "servers.html.j2": ("/servers", "/servers?view=unprotected"),
    "server.html.j2": ("/server?id=s-00000000000000001",),
    "groups.html.j2": ("/groups",),
    "group.html.j2": ("/group", "/group?name=shop-db"),
    "plan.html.j2": ("/plan?name=shop", "/plan?name=wrong"),
    "plan_editor.html.j2": ("/plan-editor", "/plan-editor?name=shop"),
    "plan_runbook.html.j2": ("/plan-runbook?name=shop",),
    "history.html.j2": ("/history", "/history?plan=shop"),
    "history_comparison.html.j2": (f"/history-comparison?{COMPARED}",),
    "refusal.html.j2": ("/group?name=none",),
    "answer.html.j2": ("/answer-page",),
}
RUN_PAGES = {
    "plans.html.j2": ("/plans",),
    "run.html.j2": tuple(
        f"/runs/drs.web-shop/{quote(run, safe='')}" for run in ("failing", "asking", "edited 6", REPORTED)
    ),
    "the report": (f"/reports/drs.web-shop/{quote(REPORTED, safe='')}/report.html",),
}


def a_console(folder):
    (folder / "plans").mkdir()
    (folder / "plans" / "shop.yaml").write_text(PLANS)
    (folder / "plans" / "wrong.yaml").write_text(WRONG)
    figure = {"target_seconds": 2700.0, "measured_seconds": 3000.0, "outcome": "missed"}
    for number, run in enumerate(RUNS[:3]):
        started = {"started_at": run.started_at.isoformat()}
        more = {"objectives": {"rto": figure, "rpo": figure}, "verdict": "failed"} if number else {}
        put_report(folder / "reports", a_report(run.dag_id, run.run_id, run=started, **more))
    servers = [
        server(1, "db1", App="shop"),
        server(2, "web1", state="STALLED", lag="P1D"),
        server(3, "spare"),
    ]
    points = [{"timestamp": "2026-11-22T05:05:00Z", "snapshotID": "pit-1"}]
    accounts = {
        ("aws_default", "us-west-2"): FakeAccount(servers=servers, points=points),
        ("aws_other", "us-east-1"): FakeAccount(error=TimeoutError("it is silent")),
    }
    everything = {"*", "drs.shop", "drs.wrong"}
    more = (("aws_other", "us-east-1"),)
    console = Console(folder / "plans", accounts, readable=everything, editable=everything, past=tuple(RUNS), more=more)
    app = console.client().app
    asked = OpenQuestion(subject="Go on?", body="Is it up?", options=("Continue", "Stop"))
    answer = pages.answer_page(title=asked.subject, person="ann", asked=asked, until=NOW, token="t")
    app.get("/answer-page")(lambda: HTMLResponse(answer))
    index = console.history.index
    index.look(RUNS, everything)
    assert index.wait(10)
    return app


def some_runs(folder):
    (folder / "plans").mkdir()
    (folder / "plans" / "shop.yaml").write_text(PLANS)
    (folder / "plans" / "wrong.yaml").write_text(WRONG)
    write_report(measure(a_passed_drill()), folder / "reports")
    runs = RunsInMemory([a_failed_wave(), a_run_that_waits_for_people(), an_edited_run(6), a_reported_run()])
    app = pages_of_runs(folder, runs, readable=("drs.shop", "drs.wrong", "drs.web-shop"), problems=True)
    app.get("/runs/{dag_id}/{run_id}/rights")(lambda: {"pause": True, "order": True, "answer": True})
    return app


def test_every_page_is_measured():
    templates = {file.name for file in (Path(pages.__file__).parent / "templates").glob("*.html.j2")}

    assert templates == {*CONSOLE, *RUN_PAGES} - {"the report"}


def test_every_text_stands_out_in_light_and_dark(tmp_path):
    weak, measured = {}, {}
    with chrome(tmp_path / "profile") as tab:
        for name, app, table in (("console", a_console, CONSOLE), ("runs", some_runs, RUN_PAGES)):
            (tmp_path / name).mkdir()
            with serving(app(tmp_path / name)) as address:
                for path in (path for paths in table.values() for path in paths):
                    for theme in ("light", "dark"):
                        tab.look(dark=theme == "dark")
                        tab.go(f"{address}{path}")
                        time.sleep(SETTLED)
                        found = tab.run(MEASURE)
                        measured[path, theme] = found["seen"]
                        if found["found"]:
                            weak[path, theme] = found["found"]

    assert weak == {}
    assert min(measured.values()) > 2, measured
