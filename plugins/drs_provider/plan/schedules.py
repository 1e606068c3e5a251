"""Whether a drill's schedule is a cron expression or a preset that Airflow runs, and its time zone exists."""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from drs_provider.plan.problems import nearest

PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly", "@once")
"""Airflow's presets, without ``@continuous``: a drill that starts whenever one has ended never lets go of DRS."""

_A_LEAP_YEAR_BEGINS = datetime(2024, 1, 1, tzinfo=UTC)
_CRON_FIELDS = 5


@lru_cache(maxsize=1024)
def check_schedule(text: str) -> tuple[str, str] | None:
    """Say what is wrong with a schedule and what to do, or None where Airflow will run it."""
    if text.startswith("@"):
        if text in PRESETS:
            return None
        if text == "@continuous":
            return "a drill cannot run without end", "give a cron expression, for example '0 5 * * SUN'"
        return f"no preset called {text!r}", nearest(text, PRESETS)
    fields = len(text.split())
    if fields != _CRON_FIELDS:
        return (
            f"expected a cron expression of five fields or a preset, found {text!r}",
            "minute hour day month weekday, for example '0 5 * * SUN'",
        )
    return _check_cron(text)


def _check_cron(text: str) -> tuple[str, str] | None:
    # croniter is what Airflow reads cron with. It loads dateutil: only plans with a cron expression pay for that.
    from croniter import CroniterBadCronError, CroniterBadDateError, croniter

    try:
        croniter(text, _A_LEAP_YEAR_BEGINS).get_next(datetime)
    except CroniterBadDateError:
        return f"{text!r} names a date that never comes", ""
    except (CroniterBadCronError, ValueError, KeyError, TypeError, IndexError):
        return f"{text!r} is not a cron expression", "minute hour day month weekday, for example '0 5 * * SUN'"
    return None


@lru_cache(maxsize=256)
def check_timezone(text: str) -> tuple[str, str] | None:
    """Say what is wrong with a time zone and what to do, or None where it exists."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = nearest(text, available_timezones())
        return f"no time zone called {text!r}", hint if "did you mean" in hint else "for example 'Europe/Berlin'"
    return None
