"""The live board and the report in a real browser, over runs in memory."""

import itertools
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from drs_provider.report.measure import measure
from drs_provider.report.store import write_report
from fastapi import FastAPI
from kit.browser import CHROMIUM, page_after_scripts, serving
from kit.evidence import a_passed_drill
from kit.run_pages import (
    NOW,
    REPORTED,
    RunsInMemory,
    a_failed_wave,
    a_reported_run,
    a_run_that_waits_for_people,
    an_edited_run,
    pages_of_runs,
)

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")]


@pytest.fixture(scope="module")
def app(tmp_path_factory) -> FastAPI:
    folder = tmp_path_factory.mktemp("pages")
    write_report(measure(a_passed_drill()), folder / "reports")
    shown = (a_failed_wave(), a_reported_run(), a_run_that_waits_for_people(), an_edited_run(1), an_edited_run(6))
    return pages_of_runs(folder, RunsInMemory(shown))


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
    shown = RunsInMemory([a_failed_wave()])
    app = pages_of_runs(tmp_path, shown, now=lambda: NOW + timedelta(minutes=next(clock)))

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
