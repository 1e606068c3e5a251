"""When the tasks around a launch worked, for the report of their run."""

import logging
from datetime import datetime
from typing import Any

from airflow.sdk import Context

from drs_provider import clock
from drs_provider.operators.task_memory import task_memory
from drs_provider.services.signed import leave

log = logging.getLogger(__name__)


class LeavesTimes:
    """Mix in for tasks whose time the report counts: leaves their times when they succeed.

    As a method: Airflow writes the source of a function that is given as ``post_execute`` into every task of the DAG.
    """

    def post_execute(self, context: Context, result: Any = None) -> None:
        """Leave the times; called by Airflow after the last leg of a task that has succeeded."""
        leave_times(context)


def began_of_task(context: Context) -> datetime:
    """Return when this task was begun, or cleared, whatever leg or retry of it this is.

    :raises HandoverUnreadable: others have written into what the task remembers
    """
    from drs_provider.rules.run.handover import TaskBegan
    from drs_provider.services.store import load, save

    store, max_tries = task_memory(context), context["ti"].max_tries
    known = load(store, TaskBegan)
    if known is None or known.max_tries != max_tries:
        known = TaskBegan(max_tries=max_tries, at=clock.now())
        save(store, known)
    return known.at


def leave_times(context: Context) -> None:
    """Leave when the task began, over all its legs, and that it ends now; never raises."""
    from drs_provider.rules.run.handover import TaskTimes

    ti, now = context["ti"], clock.now()
    began = getattr(ti, "start_date", None) or now
    try:
        leave(ti, TaskTimes(began_at=min(began, now), ended_at=now))
    except Exception:  # the work is done: losing its times must not undo it
        log.exception("the times of this task will be missing from the report")
