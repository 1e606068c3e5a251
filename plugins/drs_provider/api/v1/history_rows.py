"""What the routes of the history answer, as their document describes it."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from drs_provider.rules.history.comparison import ComparedFigure
from drs_provider.rules.history.row import HistoryRow
from drs_provider.rules.history.series import PlanHistory
from drs_provider.rules.run.state import RunStatus


class RunFigure(BaseModel):
    """A recovery time or recovery point, in seconds; null: not measured, or no objective."""

    target_seconds: float | None
    measured_seconds: float | None
    outcome: Literal["met", "missed", "not_measured", "no_objective"]


class HistoryRun(BaseModel):
    """One run; null where nobody knows."""

    plan: str
    title: str
    dag_id: str
    run_id: str
    mode: str
    result: RunStatus
    why: str
    user: str | None
    reason: str
    started_at: datetime | None
    ended_at: datetime | None
    duration_seconds: float | None
    rto: RunFigure
    rpo: RunFigure
    servers: int | None
    launched: int | None
    failed: int | None
    exceptions: int | None
    warnings: int | None
    cost_dollars: float | None
    is_cost_measured: bool
    cleanup: str
    commit: str
    part_of: str
    has_report: bool
    report: str | None = None
    """Address of the report below the API's own, such as ``reports/drs.shop/…?format=html``; null: there is none."""

    @classmethod
    def of(cls, row: HistoryRow, report: str | None) -> "HistoryRun":
        """Describe a row."""
        return cls.model_validate({**row.as_json(), "report": report})


class HistoryAnswer(BaseModel):
    """A page of the history.

    ``next`` goes into ``after`` for the next page; null: there is none. ``pending``: runs whose reports are not
    read yet, which are shown as Airflow knows them. ``problem``: why the reports cannot be read; empty: they can.
    """

    runs: list[HistoryRun]
    next: str | None
    total: int
    pending: int
    left_out: int
    problem: str


class PlanPoint(BaseModel):
    """One run of a plan's series."""

    at: datetime
    dag_id: str
    run_id: str
    mode: str
    result: RunStatus
    is_good: bool
    rto: RunFigure
    rpo: RunFigure


class PlanSeries(BaseModel):
    """The runs of one plan together."""

    plan: str
    runs: int
    good: int
    success_share: float | None
    last_good_drill: str | None
    last_good_drill_at: datetime | None
    days_since_good_drill: int | None
    points: list[PlanPoint]

    @classmethod
    def of(cls, history: PlanHistory) -> "PlanSeries":
        """Describe the history of a plan."""
        return cls.model_validate(history.as_json())


class PlanSeriesAnswer(BaseModel):
    """The series of every plan that is asked for, by name."""

    plans: list[PlanSeries]
    pending: int
    problem: str


class ComparisonLine(BaseModel):
    """One figure of two runs, in words; ``is_worse`` is null where neither is better."""

    what: str
    left: str
    right: str
    change: str
    is_worse: bool | None

    @classmethod
    def of(cls, figure: ComparedFigure) -> "ComparisonLine":
        """Describe a figure."""
        return cls.model_validate(figure.as_json())


class RunComparison(BaseModel):
    """Two runs side by side."""

    left: HistoryRun
    right: HistoryRun
    lines: list[ComparisonLine]
