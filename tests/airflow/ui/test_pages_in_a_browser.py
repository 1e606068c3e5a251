"""The live board and the report in a real browser, over runs in memory."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.report.measure import measure
from drs_provider.report.store import write_report
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.rules.run.state import TaskSnapshot
from drs_provider.ui.app import create_app
from drs_provider.ui.read_model import Access, RunData, Sources
from fastapi import FastAPI
from kit.browser import CHROMIUM, page_after_scripts, serving
from kit.evidence import a_passed_drill

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")]

NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)
EVIL = "<img src=x onerror=document.title='evil'>"
REPORTED = a_passed_drill().run.run_id


def in_region(servers):
    return {
        "selected": True,
        "targets": [{"aws_conn_id": "aws_default", "region": "us-west-2", "servers": servers}],
    }


def a_failed_wave() -> RunData:
    server = {"server_id": "s-1", "hostname": EVIL, "critical": True}
    result = {"server_id": "s-1", "hostname": EVIL, "critical": True, "status": "failed", "reason": EVIL}
    return RunData(
        dag_id="drs.web-shop",
        run_id="failing",
        state="running",
        started_at=NOW,
        tasks={
            "preflight.check": TaskSnapshot("success", NOW, NOW),
            "db.start_recovery": TaskSnapshot("success", NOW, NOW),
            "db.recovery_job": TaskSnapshot("failed", NOW, NOW),
        },
        upstream={
            "preflight.check": frozenset(),
            "db.start_recovery": frozenset({"preflight.check"}),
            "db.recovery_job": frozenset({"db.start_recovery"}),
        },
        left={
            ("preflight.check", "preflight"): {
                "plan": "shop",
                "digest": "d",
                "checked_at": "2026-11-22T05:00:00+00:00",
                "needs_approval": False,
                "passed": True,
                "mode": "drill",
                "waves": {"db": in_region([server])},
            },
            ("db.recovery_job", "servers"): [result],
            ("db.recovery_job", "error"): EVIL,
        },
    )


def a_reported_run() -> RunData:
    return RunData(
        dag_id="drs.web-shop",
        run_id=REPORTED,
        state="success",
        tasks={"finish.report": TaskSnapshot("success", NOW, NOW)},
        upstream={"preflight.check": frozenset(), "finish.report": frozenset({"preflight.check"})},
        left={
            ("finish.report", "return_value"): {
                "verdict": "passed",
                "why": "All 100 servers were launched.",
                "json": "j",
                "html": "h",
            }
        },
    )


def a_run_that_waits_for_people() -> RunData:
    asked = {
        "at": "2026-11-22T05:04:00+00:00",
        "until": "2026-11-22T05:34:00+00:00",
        "subject": f"Recover web-shop? {EVIL}",
        "people": ["ann", EVIL],
    }
    point = {"snapshot_id": "pit-1", "at": "2026-11-22T04:50:00+00:00", "why": "source_unreachable"}
    servers = [{"server_id": f"s-{n}", "hostname": f"db{n}", "critical": True, "point": point} for n in range(12)]
    pause = {**asked, "subject": "Continue with wave web of web-shop?", "at": "2026-11-22T05:06:00+00:00"}
    return RunData(
        dag_id="drs.web-shop",
        run_id="asking",
        state="running",
        started_at=NOW,
        tasks={
            "preflight.approval": TaskSnapshot("awaiting_input", NOW),
            "web.pause": TaskSnapshot("awaiting_input", NOW),
            "preflight.check": TaskSnapshot("success", NOW, NOW),
            "db.start_recovery": TaskSnapshot("skipped", NOW, NOW),
        },
        upstream={
            "preflight.check": frozenset(),
            "preflight.approval": frozenset({"preflight.check"}),
            "db.start_recovery": frozenset({"preflight.approval"}),
            "db.recovery_job": frozenset({"db.start_recovery"}),
            "web.pause": frozenset({"db.recovery_job"}),
            "web.start_recovery": frozenset({"web.pause"}),
            "web.recovery_job": frozenset({"web.start_recovery"}),
        },
        left={
            ("preflight.check", "preflight"): {
                "plan": "shop",
                "digest": "d",
                "checked_at": "2026-11-22T05:00:00+00:00",
                "needs_approval": False,
                "passed": True,
                "mode": "recovery",
                "findings": [
                    {"severity": "warning", "hostname": f"db{n}", "what": what, "next_step": "wait"}
                    for n in range(2, 7)
                    for what in ("STALLED", f"it lags {n} h behind")
                ],
                "waves": {"db": in_region(servers)},
            },
            ("preflight.approval", "asked"): asked,
            ("web.pause", "asked"): pause,
            ("db.start_recovery", "drs_order"): "left out by ann: it is up already",
        },
    )


def an_edited_run(places: int) -> RunData:
    where = [Origin("drs.web-shop", "edited", f"{EVIL}{number}", "launch") for number in range(places)]
    return replace(a_failed_wave(), run_id=f"edited {places}", disbelieved=dict.fromkeys(where, f"not written {EVIL}"))


class Runs:
    def run(self, dag_id, run_id, before=None):
        runs = (a_failed_wave(), a_reported_run(), a_run_that_waits_for_people(), an_edited_run(1), an_edited_run(6))
        return {run.run_id: run for run in runs}.get(run_id)

    def left(self, dag_id, run_id, task_id, key):
        return None

    def newest(self, dag_ids):
        return {}

    def newest_checks(self, dag_ids):
        return {}

    def paused(self, dag_ids):
        return frozenset()

    def stopped_parts(self, now):
        return ()


@pytest.fixture(scope="module")
def app(tmp_path_factory) -> FastAPI:
    folder = tmp_path_factory.mktemp("pages")
    write_report(measure(a_passed_drill()), folder / "reports")
    access = Access(
        may_read_run=lambda: None,
        readable_dags=lambda: {"drs.web-shop"},
        may_read_problems=lambda: False,
        may_read_runs=lambda: None,
    )
    return create_app(
        Sources(
            runs=Runs,
            access=access,
            plans_folder=lambda: folder / "plans",
            reports_folder=lambda: folder / "reports",
            now=lambda: NOW,
        )
    )


@pytest.fixture(scope="module")
def address(app) -> Iterator[str]:
    with serving(app) as opened:
        yield opened


def test_the_board_shows_a_failed_server_with_its_reason_as_text(address, tmp_path):
    page = page_after_scripts(f"{address}/runs/drs.web-shop/failing", tmp_path)

    said = "&lt;img src=x onerror=document.title='evil'&gt;"
    assert '<li class="failed" title="' in page
    assert f"✕ {said}: {said}</li>" in page
    assert "<img" not in page.split("<script>")[0]
    assert "<title>Recovery: drs.web-shop</title>" in page
    assert "0 of 1 server launched · 1 failed · 0 s · starts at once" in page


def test_a_board_on_which_nothing_is_new_is_asked_for_by_its_name_and_counts_on(tmp_path):
    answers, clock = [], itertools.count()
    access = Access(
        may_read_run=lambda: None,
        readable_dags=lambda: {"drs.web-shop"},
        may_read_problems=lambda: False,
        may_read_runs=lambda: None,
    )
    app = create_app(
        Sources(
            runs=Runs,
            access=access,
            plans_folder=lambda: tmp_path / "plans",
            reports_folder=lambda: tmp_path / "reports",
            now=lambda: NOW + timedelta(minutes=next(clock)),
        )
    )

    @app.middleware("http")
    async def seen(request, call_next):
        answer = await call_next(request)
        if request.url.path.endswith("/board"):
            answers.append(answer.status_code)
        return answer

    with serving(app) as opened:
        page = page_after_scripts(f"{opened}/runs/drs.web-shop/failing", tmp_path, milliseconds=8000)

    assert (answers[0], set(answers[1:])) == (200, {304})
    (minutes,) = re.findall(r"RTO so far (\d+)m 00s</b>", page)
    assert 1 <= int(minutes) < len(answers)
    assert '<li class="failed" title="' in page


def test_the_board_says_who_is_asked_and_where_to_answer(address, tmp_path):
    page = page_after_scripts(f"{address}/runs/drs.web-shop/asking", tmp_path)

    assert "? waiting for approval" in page
    assert (
        "approvers: ann, &lt;img src=x onerror=document.title='evil'&gt; · since 2026-11-22 05:04:00 UTC (6m 00s)"
        in page
    )
    assert "until 2026-11-22 05:34:00 UTC (24m 00s left)" in page
    assert 'href="/dags/drs.web-shop/runs/asking/tasks/preflight.approval/required_actions" data-airflow=""' in page
    assert "12 servers pinned to recovery points of 2026-11-22 04:50:00 UTC" in page
    assert "left out by ann: it is up already" in page
    assert ">Preflight found 10 things</summary>" in page
    assert ">5 servers: STALLED</p>" in page
    assert ">db2, db3, db4, db5, db6</p>" in page
    assert "<img" not in page.split("<script>")[0]
    assert "<title>Recovery: drs.web-shop</title>" in page


@pytest.mark.parametrize("base", ["", "/airflow", "/drs", "/drs/runs"])
def test_links_into_airflow_stand_below_the_path_that_it_lives_under(app, tmp_path, base):
    below = FastAPI()
    below.mount(f"{base}/drs", app)
    with serving(below) as opened:
        page = page_after_scripts(f"{opened}{base}/drs/runs/drs.web-shop/asking", tmp_path)

    assert f'href="{base}/dags/drs.web-shop/runs/asking/tasks/preflight.approval/required_actions"' in page


@pytest.mark.parametrize(("places", "folded"), [(1, False), (6, True)])
def test_what_nobody_believes_is_a_warning_with_its_reason_as_text(address, tmp_path, places, folded):
    page = page_after_scripts(f"{address}/runs/drs.web-shop/edited%20{places}", tmp_path)

    said = "&lt;img src=x onerror=document.title='evil'&gt;"
    card = (
        '<article class="card"><span class="chip warn">warning</span>'
        f'<p class="text">not believed: XCom launch of {said}0: not written {said}</p>'
        f'<p class="text soft small">Airflow\'s audit log says who edited it: clear {said}0, to write it again</p>'
    )
    edited = page.split('<div id="edited" role="status">')[1].split('<div id="findings">')[0]
    assert card in edited
    assert edited.count("<article") == places
    assert (">6 records of this run not believed</summary>" in edited) is folded
    assert "<img" not in page.split("<script>")[0]


def test_the_board_gives_way_to_the_report_once_it_is_written(address, tmp_path):
    page = page_after_scripts(f"{address}/runs/drs.web-shop/{REPORTED.replace('+', '%2B')}", tmp_path)

    assert '<body class="has-report">' in page
    frame = re.search(r'<iframe title="Report of the run" src="([^"]+)"', page)
    assert frame
    assert frame[1] == f"/reports/drs.web-shop/{REPORTED.replace('+', '%2B')}/report.html"


def test_a_run_that_cannot_be_read_is_said_on_the_board(address, tmp_path):
    page = page_after_scripts(f"{address}/runs/drs.web-shop/never", tmp_path)

    assert "The board is out of date: Airflow answers 404. It retries automatically." in page
