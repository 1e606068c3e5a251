"""When the tasks around a launch worked, for the report of their run."""

import logging
from typing import Any

from airflow.sdk import Context

from drs_provider import clock
from drs_provider.services.signed import leave

log = logging.getLogger(__name__)


class LeavesTimes:
    """Mix in for tasks whose time the report counts: leaves their times when they succeed.

    As a method: Airflow writes the source of a function that is given as ``post_execute`` into every task of the DAG.
    """

    def post_execute(self, context: Context, result: Any = None) -> None:
        """Leave the times; called by Airflow after the last leg of a task that has succeeded."""
        leave_times(context)


def leave_times(context: Context) -> None:
    """Leave when the task began, over all its legs, and that it ends now; never raises."""
    from drs_provider.rules.run.handover import TaskTimes

    ti, now = context["ti"], clock.now()
    began = getattr(ti, "start_date", None) or now
    try:
        leave(ti, TaskTimes(began_at=min(began, now), ended_at=now))
    except Exception:  # the work is done: losing its times must not undo it
        log.exception("the times of this task will be missing from the report")
