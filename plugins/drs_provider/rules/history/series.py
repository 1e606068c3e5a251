"""What the runs of one plan say together: its figures over time, how often it went well, its last good drill."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import JsonValue

from drs_provider.rules.history.query import in_order_of_time
from drs_provider.rules.history.row import Figure, HistoryRow
from drs_provider.rules.purpose import find_purpose


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One run that launched something, as a point over time."""

    at: datetime
    dag_id: str
    run_id: str
    mode: str
    result: str
    is_good: bool
    rto: Figure
    rpo: Figure

    def as_json(self) -> dict[str, JsonValue]:
        """Return plain JSON."""
        return {
            "at": self.at.astimezone(UTC).isoformat(),
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "mode": self.mode,
            "result": self.result,
            "is_good": self.is_good,
            "rto": self.rto.as_json(),
            "rpo": self.rpo.as_json(),
        }


@dataclass(frozen=True)
class PlanHistory:
    """The runs of a plan, together.

    :param points: its runs that launched something and are over, the oldest first
    :param good: how many of ``points`` went well, without exceptions
    :param last_good_drill: the newest drill that went well; None: none has
    :param days_since: whole days since it ended; None: there is none
    """

    plan: str
    runs: int
    points: tuple[SeriesPoint, ...]
    good: int
    last_good_drill: HistoryRow | None = None
    days_since: int | None = None

    @property
    def success_share(self) -> float | None:
        """The share of the runs that went well, 0 to 1; None: there was none."""
        return self.good / len(self.points) if self.points else None

    @property
    def drill_words(self) -> str:
        """Say when its last good drill was, for people."""
        if self.last_good_drill is None or self.days_since is None:
            return "no good drill yet"
        days = {0: "today", 1: "1 day ago"}.get(self.days_since, f"{self.days_since} days ago")
        return f"last good drill {days}"

    def as_json(self) -> dict[str, JsonValue]:
        """Return plain JSON."""
        last = self.last_good_drill
        return {
            "plan": self.plan,
            "runs": self.runs,
            "good": self.good,
            "success_share": self.success_share,
            "last_good_drill": last.run_id if last else None,
            "last_good_drill_at": last.ended_at.astimezone(UTC).isoformat() if last and last.ended_at else None,
            "days_since_good_drill": self.days_since,
            "points": [point.as_json() for point in self.points],
        }


def plan_histories(rows: Iterable[HistoryRow], now: datetime) -> list[PlanHistory]:
    """Return the history of every plan that has runs, by name."""
    by_plan: dict[str, list[HistoryRow]] = {}
    for row in rows:
        by_plan.setdefault(row.plan, []).append(row)
    return [plan_history(plan, found, now) for plan, found in sorted(by_plan.items())]


def plan_history(plan: str, rows: Iterable[HistoryRow], now: datetime) -> PlanHistory:
    """Return the history of one plan.

    :param rows: its runs, in any order
    """
    found = list(rows)
    points = tuple(_point(row, row.started_at) for row in in_order_of_time(found) if row.started_at and _counts(row))
    drills = [row for row in found if row.is_drill and row.is_good and row.ended_at]
    last = max(drills, key=lambda row: (row.ended_at or now, row.key), default=None)
    days = max(0, (now - last.ended_at).days) if last and last.ended_at else None
    return PlanHistory(plan, len(found), points, sum(point.is_good for point in points), last, days)


def _counts(row: HistoryRow) -> bool:
    """Whether a run is a point of the series: it is over, is known, and was to launch something."""
    purpose = find_purpose(row.mode)
    return row.has_ended and row.has_report and purpose is not None and purpose.launches


def _point(row: HistoryRow, at: datetime) -> SeriesPoint:
    return SeriesPoint(at, row.dag_id, row.run_id, row.mode, str(row.result), row.is_good, row.rto, row.rpo)
