"""How long a wave's task keeps its worker near the end of the wave, so that the next one begins without delay.

Airflow needs a second or two to wake a task that waits in the triggerer. Where the end is near, the task waits in its
own process instead, for a bounded time.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from drs_provider.rules.launch.results import Ready

FOR_JOBS: Final = timedelta(seconds=15)
"""From the launch of a job's last server to the end of the job: two to three seconds (drs-api, 2.1)."""
FOR_BOOTS: Final = timedelta(seconds=30)
"""From a start to EC2's *running*."""
FOR_CHECKS: Final = timedelta(seconds=90)
"""From :data:`CHECKS_AFTER` to passed status checks: EC2 makes them once a minute."""
CHECKS_AFTER: Final = timedelta(seconds=60)
"""Until then no status check has passed: nobody waits for it in a process."""
CROWDED: Final = timedelta(seconds=3)
"""A task that is woken later than this is one of too many: it keeps no worker from the others."""


JOBS_EVERY: Final = 0.25
"""Seconds between two looks at jobs that end now: one call each."""
BOOTS_EVERY: Final = 0.25
"""The same for instances that boot, of which EC2 alone is asked."""
CHECKS_EVERY: Final = 0.5
"""The same for status checks, which take longest: two calls each."""
WHOLE_LOOK_EVERY: Final = timedelta(seconds=2)
"""How long at most EC2 alone is asked: what else there is to see of a wave is looked at as often."""
_ON_THE_WAY: Final = ("stopped", "pending", "initializing")


def is_crowded(told_at: datetime | None, now: datetime) -> bool:
    """Tell whether Airflow took long to wake the task.

    :param told_at: when the trigger had something to say; None: nobody knows
    """
    return told_at is not None and now - told_at > CROWDED


def hold_for(ready: "Ready", *, is_near: bool) -> timedelta:
    """Say how long a wave whose jobs have ended is waited for in its process.

    :param is_near: the trigger said that its end is near
    """
    if is_near:
        return FOR_CHECKS
    return timedelta(0) if ready == "status_checks" else FOR_BOOTS


def looks_every(ready: "Ready") -> float:
    """Say how many seconds lie between two looks at instances."""
    return CHECKS_EVERY if ready == "status_checks" else BOOTS_EVERY


def near_at(ready: "Ready", now: datetime, *, was_near: bool) -> datetime | None:
    """Say when the trigger shall tell that the end is near; None: it shall not.

    :param was_near: it has told so before
    """
    return now + CHECKS_AFTER if ready == "status_checks" and not was_near else None


def is_on_its_way(word: str) -> bool:
    """Tell whether there is no use yet in looking at a wave whole, for the sake of an instance.

    :param word: EC2's word for its state, or what it says against its status checks
    """
    return any(known in word for known in _ON_THE_WAY)
