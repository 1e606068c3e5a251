"""The board of a run in a real browser, in a frame with Airflow's sandbox: it goes on, and holds still."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from drs_provider.report.measure import measure
from drs_provider.report.store import write_report
from drs_provider.rules.run.state import TaskSnapshot
from drs_provider.ui.read_model import RunData
from kit.browser import CHROMIUM
from kit.evidence import a_passed_drill
from kit.framed_page import driven_app
from kit.run_pages import NOW, RunsInMemory, in_region, pages_of_runs, passed_preflight

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")]

RUN = a_passed_drill().run.run_id
SERVER = {"server_id": "s-1", "hostname": "db1", "critical": True}
RUNNING = RunData(
    dag_id="drs.web-shop",
    run_id=RUN,
    state="running",
    started_at=NOW,
    tasks={
        "preflight.check": TaskSnapshot("success", NOW, NOW),
        "db.start_recovery": TaskSnapshot("success", NOW, NOW),
        "db.recovery_job": TaskSnapshot("running", NOW, None),
    },
    upstream={
        "preflight.check": frozenset(),
        "db.start_recovery": frozenset({"preflight.check"}),
        "db.recovery_job": frozenset({"db.start_recovery"}),
        "finish.report": frozenset({"db.recovery_job"}),
    },
    left={
        ("preflight.check", "preflight"): {**passed_preflight("drill"), "waves": {"db": in_region([SERVER])}},
    },
)
OVER = replace(
    RUNNING,
    state="failed",
    ended_at=NOW,
    tasks={
        **RUNNING.tasks,
        "db.recovery_job": TaskSnapshot("failed", NOW, NOW),
        "finish.report": TaskSnapshot("success", NOW, NOW),
    },
    left={
        **RUNNING.left,
        ("db.recovery_job", "servers"): [{**SERVER, "status": "failed", "reason": "no capacity"}],
        ("finish.report", "return_value"): {"verdict": "failed", "why": "db1 failed", "json": "j", "html": "h"},
    },
)
HELPERS = """
const has = () => page().body.classList.contains("has-report");
const button = (words) => [...page().querySelectorAll("button")].find((each) => each.textContent.startsWith(words));
"""


class Steps(RunsInMemory):
    """One run. ``states``: what it is, look by look; the last one stays."""

    def __init__(self, *states):
        super().__init__()
        self.states = list(states)

    def run(self, dag_id, run_id, before=None):
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


def a_console(folder, runs):
    clock = itertools.count()
    app = pages_of_runs(folder, runs, now=lambda: NOW + timedelta(minutes=next(clock)))
    app.get("/runs/{dag_id}/{run_id}/rights")(lambda: {"pause": True, "order": True, "answer": True})
    return app


PATH = f"/runs/drs.web-shop/{RUN.replace('+', '%2B')}"


def test_what_has_the_focus_and_what_is_pressed_stays_while_the_board_goes_on(tmp_path):
    lines = driven_app(
        a_console(tmp_path, Steps(RUNNING)),
        tmp_path,
        PATH,
        HELPERS
        + """
        const cancel = await until(() => button("Cancel"));
        const link = page().querySelector("#waves details.more summary");
        const minutes = () => page().getElementById("line").textContent;
        for (const held of [cancel, link]) {
          held.focus();
          const before = minutes();
          await until(() => minutes() !== before);
          log(`${page().activeElement === held} ${held.isConnected}`);
        }
        link.click();
        await until(() => page().querySelector("#waves table"));
        const table = page().querySelector("#waves table"), before = minutes();
        await until(() => minutes() !== before);
        log(`${page().querySelector("#waves table") === table} ${link.parentNode.open}`);
        link.click();
        const later = minutes();
        await until(() => minutes() !== later);
        log(`${page().querySelector("#waves table") === null} ${link.parentNode.open}`);
        cancel.click();
        log(page().getElementById("sure").open);
        """,
        milliseconds=30000,
    )

    assert lines == ["true true", "true true", "true true", "true false", "true"]


def test_the_board_of_a_run_that_is_over_lives_and_shows_how_the_run_goes_on(tmp_path):
    write_report(measure(a_passed_drill()), tmp_path / "reports")
    runs = Steps(OVER)
    app = a_console(tmp_path, runs)

    @app.post("/api/v1/runs/drs.web-shop/{run_id}/retry")
    def retry(run_id: str):
        runs.states = [OVER, RUNNING, RUNNING, OVER]
        return {"message": "The wave is retried", "warnings": []}

    lines = driven_app(
        app,
        tmp_path,
        PATH,
        HELPERS
        + """
        await until(has);
        field("show-board").click();
        log(`${has()} ${field("to-report").hidden}`);
        field("show-report").click();
        log(has());
        field("show-board").click();
        button("Retry wave").click();
        field("sure-yes").click();
        await until(() => field("steered").textContent.includes("retried"));
        const state = () => field("state").textContent;
        await until(() => state().includes("running"));
        log(`${has()} ${field("to-report").hidden} ${page().querySelectorAll("#report iframe").length}`);
        await until(has);
        log(`${state().includes("failed")} ${page().querySelectorAll("#report iframe").length}`);
        """,
        milliseconds=60000,
    )

    assert lines == ["false false", "true", "false true 0", "true 1"]
