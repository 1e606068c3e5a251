"""The row of the history that a stored report gives, read without the rest of it: a report may have many servers."""

from dataclasses import dataclass, replace
from sys import intern
from typing import Final

from pydantic import AwareDatetime, Field, ValidationError, field_validator

from drs_provider.report.result import Counts, ObjectiveResult, ObjectiveResults, Outcome, ReportPart
from drs_provider.rules.history.comparison import RunDetail, WaveFigures
from drs_provider.rules.history.row import Figure, HistoryRow, PastRun, row_of_record
from drs_provider.rules.inventory.past_launches import PastLaunch
from drs_provider.rules.purpose import PurposeName
from drs_provider.rules.run.handover import KeptReport
from drs_provider.rules.run.names import plan_behind
from drs_provider.rules.run.state import RunStatus, ServerStatus, ended_status

_OLDER_CLEANUPS: Final = {"done": "completed"}
"""Words of version 1 of the report, as ``older_versions`` has them."""

_TRIED: Final = frozenset({ServerStatus.LAUNCHED, ServerStatus.FAILED})
"""What became of servers that a run has tried to launch."""


class _Parent(ReportPart):
    plan: str
    run_id: str


class _Run(ReportPart):
    dag_id: str
    run_id: str
    mode: PurposeName
    plan: str
    title: str = ""
    triggered_by: str | None = None
    part_of: _Parent | None = None
    started_at: AwareDatetime
    reason: str | None = None


class _Dollars(ReportPart):
    dollars: float


class _Drill(ReportPart):
    estimated: _Dollars | None = None
    measured: _Dollars | None = None


class _Cleanup(ReportPart):
    state: str

    @field_validator("state")
    @classmethod
    def _in_words_of_now(cls, state: str) -> str:
        return _OLDER_CLEANUPS.get(state, state)


class _Commit(ReportPart):
    status: str


class _Judged(ReportPart):
    severity: str


class _Preflight(ReportPart):
    findings: tuple[_Judged, ...] = ()


class _Server(ReportPart):
    server_id: str
    status: str
    launched_at: AwareDatetime | None = None


class _Wave(ReportPart):
    name: str
    state: str
    duration_seconds: float | None = None
    rto_seconds: float | None = None
    rpo_seconds: float | None = None
    servers: tuple[_Server, ...] = ()


class _Anything(ReportPart):
    """Something that is only counted."""


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What the history takes of a report: its row, and what became of each server that it has tried to launch."""

    row: HistoryRow
    launches: tuple[tuple[str, PastLaunch], ...] = ()


class ReportHead(ReportPart):
    """What of ``report.json`` a row of the history needs; everything else is passed over unread."""

    run: _Run
    finished_at: AwareDatetime
    elapsed_seconds: float
    verdict: Outcome
    verdict_reason: str
    objectives: ObjectiveResults
    counts: Counts
    cleanup: _Cleanup
    drill: _Drill = _Drill()
    commit: _Commit | None = None
    preflight: _Preflight | None = None
    errors: tuple[_Anything, ...] = ()
    edited: tuple[_Anything, ...] = ()
    outside: dict[str, str] = Field(default_factory=dict)
    waves: tuple[_Wave, ...] = ()

    def row(self) -> HistoryRow:
        """Return the row."""
        run, counts = self.run, self.counts
        measured, estimated = self.drill.measured, self.drill.estimated
        cost = measured or estimated
        return HistoryRow(
            dag_id=run.dag_id,
            run_id=run.run_id,
            plan=run.plan or plan_behind(run.dag_id) or run.dag_id,
            mode=run.mode,
            result=RunStatus(self.verdict),
            source="report",
            started_at=run.started_at,
            ended_at=self.finished_at,
            duration_seconds=self.elapsed_seconds,
            user=run.triggered_by,
            title=run.title,
            reason=run.reason or "",
            why=self.verdict_reason,
            rto=_figure(self.objectives.rto),
            rpo=_figure(self.objectives.rpo),
            servers=counts.servers,
            launched=counts.launched,
            failed=counts.failed,
            exceptions=counts.failed + counts.not_started + len(self.errors) + len(self.edited) + len(self.outside),
            warnings=self._warnings(),
            cost_dollars=cost.dollars if cost else None,
            is_cost_measured=measured is not None,
            cleanup=self.cleanup.state,
            commit=self.commit.status if self.commit else "",
            part_of=f"{run.part_of.plan}, run {run.part_of.run_id}" if run.part_of else "",
        )

    def read(self) -> ReadReport:
        """Return the row, and what became of the servers."""
        row, run = self.row(), self.run
        return ReadReport(
            row,
            tuple(
                (
                    intern(server.server_id),
                    PastLaunch(
                        run.dag_id,
                        run.run_id,
                        row.plan,
                        run.mode,
                        intern(server.status),
                        server.launched_at or run.started_at,
                    ),
                )
                for wave in self.waves
                for server in wave.servers
                if server.status in _TRIED
            ),
        )

    def detail(self) -> RunDetail:
        """Return the row, with the figures of the waves."""
        waves = {
            wave.name: WaveFigures(wave.state, wave.duration_seconds, wave.rto_seconds, wave.rpo_seconds)
            for wave in self.waves
        }
        return RunDetail(self.row(), waves)

    def _warnings(self) -> int | None:
        if self.preflight is None:
            return None
        return sum(finding.severity == "warning" for finding in self.preflight.findings)


def read_report(text: str | bytes) -> ReadReport:
    """Read what the history takes of a report's JSON.

    :raises ValueError: it is no report, or one of a later form
    """
    return ReportHead.model_validate_json(text).read()


def read_detail(text: str | bytes) -> RunDetail:
    """Read of a report's JSON what two runs are compared by.

    :raises ValueError: it is no report, or one of a later form
    """
    return ReportHead.model_validate_json(text).detail()


def _figure(result: ObjectiveResult) -> Figure:
    return Figure(result.target_seconds, result.measured_seconds, result.outcome)


def read_kept(kept: KeptReport, record: PastRun) -> ReadReport:
    """Give what the history takes of a run, by what it has kept of its report in Airflow.

    Where that is shortened, it is a row without figures, and no servers.
    """
    base = replace(row_of_record(record), result=ended_status(record.state, kept.verdict), why=kept.reason)
    if kept.report is None:
        return ReadReport(base)
    try:
        found = ReportHead.model_validate(kept.report).read()
    except ValidationError:
        return ReadReport(base)
    return found if found.row.key == record.key else ReadReport(base)


def detail_of_kept(kept: KeptReport | None, row: HistoryRow) -> RunDetail:
    """Give what a run is compared by, from what it has kept of its report; without waves where it has kept none."""
    if kept is None or kept.report is None:
        return RunDetail(row)
    try:
        return ReportHead.model_validate(kept.report).detail()
    except ValidationError:
        return RunDetail(row)
