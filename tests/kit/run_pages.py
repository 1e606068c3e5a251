"""The pages of runs over runs in memory, and runs to show there."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from drs_provider.plan.loader import Library
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.rules.run.state import TaskSnapshot
from drs_provider.ui.app import create_app
from drs_provider.ui.read_model import Access, LastRun, RunData, Sources
from fastapi import FastAPI, HTTPException
from kit.evidence import a_passed_drill

NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)
EVIL = "<img src=x onerror=document.title='evil'>"
REPORTED = a_passed_drill().run.run_id


class RunsInMemory:
    """Where the pages learn about runs, without Airflow. ``asked`` counts how often a run was."""

    def __init__(
        self,
        runs: Iterable[RunData] = (),
        newest: Mapping[str, LastRun] | None = None,
        checks: Mapping[str, LastRun] | None = None,
        *,
        paused: Iterable[str] = (),
        library: Library | None = None,
        broken: Mapping[str, str] | None = None,
    ) -> None:
        self.library = library or Library()
        self.broken = broken or {}
        self.paused_dags = frozenset(paused)
        self.asked = 0
        self.checks = checks or {}
        self.runs = {(run.dag_id, run.run_id): run for run in runs}
        self.last = newest or {}

    def run(self, dag_id: str, run_id: str, before: RunData | None = None) -> RunData | None:
        self.asked += 1
        return self.runs.get((dag_id, run_id))

    def left(self, dag_id: str, run_id: str, task_id: str, key: str) -> object:
        run = self.runs.get((dag_id, run_id))
        return run.left.get((task_id, key)) if run else None

    def newest(self, dag_ids: Iterable[str]) -> Mapping[str, LastRun]:
        return {dag_id: self.last[dag_id] for dag_id in dag_ids if dag_id in self.last}

    def newest_checks(self, dag_ids: Iterable[str]) -> Mapping[str, LastRun]:
        return {dag_id: self.checks[dag_id] for dag_id in dag_ids if dag_id in self.checks}

    def plans(self, folder):
        return self.library

    def broken_files(self):
        return self.broken

    def paused(self, dag_ids):
        return self.paused_dags.intersection(dag_ids)

    def stopped_parts(self, now):
        return ()


def pages_of_runs(
    folder: Path,
    runs: RunsInMemory,
    *,
    readable: Iterable[str] = ("drs.web-shop",),
    problems: bool = False,
    reports: Callable[[], object] | None = None,
    now: Callable[[], datetime] = lambda: NOW,
) -> FastAPI:
    """The app: plans are in ``plans``, reports in ``reports`` below the folder; whoever asks may read some DAGs."""

    def only_readable(dag_id: str) -> None:
        if dag_id not in readable:
            raise HTTPException(403, "Forbidden")

    access = Access(
        may_read_run=only_readable,
        readable_dags=lambda: set(readable),
        may_read_problems=lambda: problems,
        may_read_runs=lambda: None,
    )
    return create_app(
        Sources(
            runs=lambda: runs,
            access=access,
            plans_folder=lambda: folder / "plans",
            reports_folder=reports or (lambda: folder / "reports"),
            now=now,
        )
    )


def in_region(servers):
    return {
        "selected": True,
        "targets": [{"aws_conn_id": "aws_default", "region": "us-west-2", "servers": servers}],
    }


def passed_preflight(mode):
    """What preflight leaves that has passed, without its waves."""
    return {
        "plan": "shop",
        "digest": "d",
        "checked_at": "2026-11-22T05:00:00+00:00",
        "needs_approval": False,
        "passed": True,
        "mode": mode,
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
                **passed_preflight("drill"),
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
                **passed_preflight("recovery"),
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
