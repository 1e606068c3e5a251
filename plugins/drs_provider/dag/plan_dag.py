"""The DAG class of plans, and how often any of its tasks is tried."""

import logging
from typing import Any

from airflow.sdk import DAG, Context

from drs_provider.dag.task_times import leave_times
from drs_provider.services.signed import leave

CRASHES = 5
"""Times that a task's process may be killed, beyond a step's own retries: what AWS or a plan refuses fails at once."""

RUNS_AT_ONCE = 4
"""A recovery must never queue behind a drill that is kept for people, nor a failback behind what follows a copy for
days. Which runs may not overlap is for preflight."""


class PlanDag(DAG):
    """A DAG that Airflow's ``dag.test()`` can run although it has deadlines.

    Airflow 3.3.2 looks the deadlines of a test run up in its database, where ``dag.test()`` has not put them, and ends
    with an AttributeError. A test run has none therefore; the scheduler's runs have them.
    """

    def test(self, *args: Any, **kwargs: Any) -> Any:
        """Run the DAG in this process, without its deadlines."""
        deadline, self.deadline = self.deadline, None
        try:
            return super().test(*args, **kwargs)
        finally:
            self.deadline = deadline


_LONGEST = 4000

log = logging.getLogger(__name__)


def remember_failure(context: Context) -> None:
    """Keep the error and the times of a task that failed for good (an Airflow ``on_failure_callback``)."""
    from drs_provider.rules.run.handover import FailureMessage

    exception = context.get("exception")
    words = str(exception) or type(exception).__name__ if exception else "failed without an error; see its log"
    try:
        leave(context["ti"], FailureMessage(message=words[:_LONGEST]))
        leave_times(context)
    except Exception:  # the task has failed already: losing the text must not hide the failure itself
        log.exception("the error of this task will be missing from the report")
