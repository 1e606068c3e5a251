"""The live board and the report in a real browser, over runs in memory."""

import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from drs_provider.reporting.report import measure
from drs_provider.reporting.writing import write_report
from drs_provider.ui.app import create_app
from drs_provider.ui.read_model import Access, RunNow, Sources, TaskNow
from kit.evidence import a_passed_drill

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")]

NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)
EVIL = "<img src=x onerror=document.title='evil'>"
REPORTED = a_passed_drill().run.run_id


def a_failed_wave() -> RunNow:
    server = {"server_id": "s-1", "hostname": EVIL, "critical": True}
    result = {"server_id": "s-1", "status": "FAILED", "reason": EVIL}
    return RunNow(
        dag_id="drs.web-shop",
        run_id="failing",
        state="running",
        started_at=NOW,
        tasks={"db.start_recovery": TaskNow("success", NOW, NOW), "db.recovery_job": TaskNow("failed", NOW, NOW)},
        upstream={
            "preflight.check": frozenset(),
            "db.start_recovery": frozenset({"preflight.check"}),
            "db.recovery_job": frozenset({"db.start_recovery"}),
        },
        left={
            ("preflight.check", "preflight"): {
                "passed": True,
                "mode": "drill",
                "waves": {"db": {"targets": [{"servers": [server]}]}},
            },
            ("db.recovery_job", "servers"): [result],
            ("db.recovery_job", "error"): EVIL,
        },
    )


def a_reported_run() -> RunNow:
    return RunNow(
        dag_id="drs.web-shop",
        run_id=REPORTED,
        state="success",
        upstream={"preflight.check": frozenset()},
        left={("finish.report", "return_value"): {"verdict": "passed", "why": "All 100 servers were launched."}},
    )


class Runs:
    def run(self, dag_id, run_id):
        return {run.run_id: run for run in (a_failed_wave(), a_reported_run())}.get(run_id)

    def newest(self, dag_ids):
        return {}


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    import uvicorn

    folder = tmp_path_factory.mktemp("pages")
    write_report(measure(a_passed_drill()), folder / "reports")
    access = Access(may_read_run=lambda: None, readable_dags=lambda: {"drs.web-shop"}, may_read_problems=lambda: False)
    app = create_app(
        Sources(
            runs=Runs,
            access=access,
            plans_folder=lambda: folder / "plans",
            reports_folder=lambda: folder / "reports",
            now=lambda: NOW,
        )
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


def page_after_scripts(url: str, profile: Path) -> str:
    """The document as the browser holds it once its scripts have run."""
    done = subprocess.run(
        [
            CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={profile}", "--virtual-time-budget=2500", "--dump-dom", url),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=90,
    )
    return done.stdout


def test_the_board_shows_a_failed_server_with_its_reason_as_text(address, tmp_path):
    page = page_after_scripts(f"{address}/runs/drs.web-shop/failing", tmp_path)

    said = "&lt;img src=x onerror=document.title='evil'&gt;"
    assert '<li class="failed" title="' in page
    assert f"✕ {said}: {said}</li>" in page
    assert "<img" not in page.split("<script>")[0]
    assert "<title>Recovery: drs.web-shop</title>" in page
    assert "0 of 1 server launched · 1 failed · 0 s · starts at once" in page


def test_the_board_gives_way_to_the_report_once_it_is_written(address, tmp_path):
    page = page_after_scripts(f"{address}/runs/drs.web-shop/{REPORTED.replace('+', '%2B')}", tmp_path)

    assert '<body class="has-report">' in page
    frame = re.search(r'<iframe title="Report of the run" src="([^"]+)"', page)
    assert frame
    assert frame[1] == f"/reports/drs.web-shop/{REPORTED.replace('+', '%2B')}/report.html"


def test_a_run_that_cannot_be_read_is_said_on_the_board(address, tmp_path):
    page = page_after_scripts(f"{address}/runs/drs.web-shop/never", tmp_path)

    assert "The board is out of date: Airflow answers 404. It asks again by itself." in page
