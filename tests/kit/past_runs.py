"""Runs of the history, and reports of them on disk."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from drs_provider.report.measure import measure
from drs_provider.report.store import report_parts, to_json
from drs_provider.rules.history.row import Figure, HistoryRow, PastRun
from drs_provider.rules.run.handover import KeptReport
from drs_provider.rules.run.state import RunStatus
from kit.evidence import a_passed_drill

START = datetime(2026, 11, 1, 5, tzinfo=UTC)
MARKUP = "<script>alert(1)</script>"
HOSTILE = f'=cmd|"/c calc"!A1 {MARKUP} \u202egnp.exe \U0001f480 \U00020bb7 {{{{ 7*7 }}}} \x1b[31m'
"""A formula, markup, a turn of the direction of writing, characters of four bytes, a template, and a terminal's."""


def a_row(number: int = 0, **changes: Any) -> HistoryRow:
    """A good drill of the shop, ``number`` days after the first one."""
    began = START + timedelta(days=number)
    facts: dict[str, Any] = {
        "dag_id": "drs.shop",
        "run_id": f"manual__{began.isoformat()}",
        "plan": "shop",
        "mode": "drill",
        "result": RunStatus.PASSED,
        "source": "report",
        "started_at": began,
        "ended_at": began + timedelta(minutes=40),
        "duration_seconds": 2400.0,
        "user": "ann",
        "title": "Shop",
        "why": "All 3 servers were launched",
        "rto": Figure(2700.0, 1800.0 + number, "met"),
        "rpo": Figure(300.0, 60.0, "met"),
        "servers": 3,
        "launched": 3,
        "failed": 0,
        "exceptions": 0,
        "warnings": 1,
        "cost_dollars": 1.5,
        "cleanup": "completed",
    }
    return HistoryRow(**(facts | changes))


def a_record(number: int = 0, **changes: Any) -> PastRun:
    """What Airflow knows of such a run."""
    began = START + timedelta(days=number)
    facts: dict[str, Any] = {
        "dag_id": "drs.shop",
        "run_id": f"manual__{began.isoformat()}",
        "state": "success",
        "mode": "drill",
        "user": "ann",
        "asked_at": began,
        "started_at": began,
        "ended_at": began + timedelta(minutes=41),
    }
    return PastRun(**(facts | changes))


_BODY = json.loads(to_json(measure(a_passed_drill())))


def a_report(dag_id: str = "drs.shop", run_id: str = "manual__1", **changes: Any) -> dict[str, Any]:
    """The JSON of a report; ``run`` changes its facts about the run."""
    run = {**_BODY["run"], "dag_id": dag_id, "run_id": run_id, "plan": dag_id.removeprefix("drs.")}
    return {**_BODY, **changes, "run": {**run, **changes.get("run", {})}}


def put_report(folder: Path, body: Mapping[str, Any]) -> Path:
    """Write a report as the store has it."""
    home = folder.joinpath(*report_parts(body["run"]["dag_id"], body["run"]["run_id"]))
    home.mkdir(parents=True, exist_ok=True)
    (home / "report.json").write_text(json.dumps(body), encoding="utf-8")
    return home / "report.json"


class PastRunsInMemory:
    """Where the history learns about runs, without Airflow."""

    def __init__(
        self, records: Iterable[PastRun] = (), kept: Mapping[tuple[str, str], KeptReport] | None = None
    ) -> None:
        self.all, self.kept = list(records), kept or {}

    def records(self, dag_ids: Iterable[str]) -> list[PastRun]:
        chosen = set(dag_ids)
        return [record for record in self.all if record.dag_id in chosen]

    def kept_report(self, dag_id: str, run_id: str) -> KeptReport | None:
        return self.kept.get((dag_id, run_id))
