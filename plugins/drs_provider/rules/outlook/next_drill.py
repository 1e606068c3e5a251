"""When a plan's next drill starts by its schedule."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from drs_provider.plan.model import RecoveryPlan

_PRESETS: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}
"""Airflow's presets as cron expressions."""


def next_drill(plan: RecoveryPlan, now: datetime) -> datetime | None:
    """Return the next instant of the schedule, in UTC; None: no drill is scheduled, or only one for once."""
    schedule = _PRESETS.get(plan.drill.schedule or "", plan.drill.schedule)
    if schedule is None or schedule.startswith("@"):
        return None
    from croniter import croniter  # it loads dateutil: only plans with a schedule pay for that

    zone = ZoneInfo(plan.drill.timezone)
    found: datetime = croniter(schedule, now.astimezone(zone)).get_next(datetime)
    return found.astimezone(UTC)
