"""One run of the history: what was asked for, how it ended, and its figures against the objectives of its plan."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import JsonValue

from drs_provider.rules.purpose import DRILL, find_purpose
from drs_provider.rules.run.names import plan_behind
from drs_provider.rules.run.state import RunStatus, ended_status

FigureOutcome = Literal["met", "missed", "not_measured", "no_objective"]

Source = Literal["report", "airflow"]
"""Where a row is from: the report of the run, or what Airflow says of a run that has left none, or not yet."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A recovery time or recovery point, in seconds; None: nobody has measured it, or the plan sets no objective."""

    target_seconds: float | None = None
    measured_seconds: float | None = None
    outcome: FigureOutcome = "not_measured"

    def as_json(self) -> dict[str, JsonValue]:
        """Return plain JSON."""
        return {
            "target_seconds": self.target_seconds,
            "measured_seconds": self.measured_seconds,
            "outcome": self.outcome,
        }


NO_FIGURE: Final = Figure()


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One run; None where nobody knows, which is never zero.

    :param started_at: when it was started; of one that waits for its start, when it was asked for
    :param duration_seconds: until its report was written, or until Airflow ended it; of one that goes on, None
    :param why: the sentence behind the result
    :param exceptions: how many things its result has against it: failed and unstarted servers, failed tasks, edits
    :param warnings: how many warnings its preflight had
    :param cost_dollars: measured, else estimated before it (``is_cost_measured`` tells which)
    :param cleanup: the word for how its clean-up ended; empty: nobody knows
    """

    dag_id: str
    run_id: str
    plan: str
    mode: str
    result: RunStatus
    source: Source
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: float | None = None
    user: str | None = None
    title: str = ""
    reason: str = ""
    why: str = ""
    rto: Figure = NO_FIGURE
    rpo: Figure = NO_FIGURE
    servers: int | None = None
    launched: int | None = None
    failed: int | None = None
    exceptions: int | None = None
    warnings: int | None = None
    cost_dollars: float | None = None
    is_cost_measured: bool = False
    cleanup: str = ""
    commit: str = ""
    part_of: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """DAG id and run id: what no other run has."""
        return self.dag_id, self.run_id

    @property
    def has_report(self) -> bool:
        """Whether the run has left a report that can be read."""
        return self.source == "report"

    @property
    def is_drill(self) -> bool:
        """Whether it proves its plan where it goes well."""
        purpose = find_purpose(self.mode)
        return purpose is not None and purpose.proves_plan

    @property
    def is_good(self) -> bool:
        """Whether nothing speaks against it: exceptions do."""
        purpose = find_purpose(self.mode)
        return purpose is not None and self.result == purpose.good_verdict

    @property
    def has_ended(self) -> bool:
        """Whether it is over."""
        return self.ended_at is not None

    def as_json(self) -> dict[str, JsonValue]:
        """Return plain JSON: seconds as numbers, instants in ISO 8601."""
        return {
            "plan": self.plan,
            "title": self.title,
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "mode": self.mode,
            "result": str(self.result),
            "why": self.why,
            "user": self.user,
            "reason": self.reason,
            "started_at": _text(self.started_at),
            "ended_at": _text(self.ended_at),
            "duration_seconds": self.duration_seconds,
            "rto": self.rto.as_json(),
            "rpo": self.rpo.as_json(),
            "servers": self.servers,
            "launched": self.launched,
            "failed": self.failed,
            "exceptions": self.exceptions,
            "warnings": self.warnings,
            "cost_dollars": self.cost_dollars,
            "is_cost_measured": self.is_cost_measured,
            "cleanup": self.cleanup,
            "commit": self.commit,
            "part_of": self.part_of,
            "has_report": self.has_report,
        }


@dataclass(frozen=True, slots=True)
class PastRun:
    """What Airflow says of a run by itself.

    :param state: Airflow's word
    :param mode: what it was asked to be; None: its parameters do not say, as of a drill by schedule
    :param asked_at: when it was asked for or due
    """

    dag_id: str
    run_id: str
    state: str
    mode: str | None = None
    user: str | None = None
    reason: str = ""
    asked_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str]:
        """DAG id and run id."""
        return self.dag_id, self.run_id

    @property
    def has_ended(self) -> bool:
        """Whether Airflow has ended it."""
        return self.state in {"success", "failed"}


def row_of_record(record: PastRun) -> HistoryRow:
    """Give the row of a run of which there is no report: it goes on, left none, or its report cannot be read."""
    ended = record.ended_at if record.has_ended else None
    began = record.started_at or record.asked_at
    duration = (ended - record.started_at).total_seconds() if ended and record.started_at else None
    return HistoryRow(
        dag_id=record.dag_id,
        run_id=record.run_id,
        plan=plan_behind(record.dag_id) or record.dag_id,
        mode=_whole(record.mode or DRILL.name),
        result=ended_status(record.state, None),
        source="airflow",
        started_at=began,
        ended_at=ended,
        duration_seconds=duration,
        user=None if record.user is None else _whole(record.user),
        reason=_whole(record.reason),
        why="report missing: the result of the run is unknown" if ended else "",
    )


def merged(row: HistoryRow, record: PastRun | None) -> HistoryRow:
    """Give the row of a report together with what Airflow says of its run now.

    A run that was cleared goes on again: what its report said holds no longer. A run that Airflow has forgotten is
    what its report says.
    """
    if record is None or record.has_ended:
        return row
    return replace(
        row,
        result=ended_status(record.state, None),
        ended_at=None,
        duration_seconds=None,
        why=f"goes on again; before that: {str(row.result).replace('_', ' ')}. {row.why}",
    )


def _whole(text: str) -> str:
    """Replace halves of characters, which a run's parameters may have and no page or file can hold."""
    return text.encode("utf-8", "replace").decode()


def _text(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None
