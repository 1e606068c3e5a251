"""What the tasks before a wave's turn have left of it: who launched ahead, and who launched again what had failed."""

from typing import TYPE_CHECKING

from airflow.sdk import Context

from drs_provider.operators.other_tasks import pull_newest, pull_unawaited

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import Launch, Tries


def launched_ahead(context: Context, ahead_task: str) -> "Launch | None":
    """Return what was launched ahead; None: nothing was.

    :raises HandoverUnreadable: somebody has changed what lies there
    """
    from drs_provider.rules.run.handover import Launch

    return pull_newest(context, ahead_task, Launch) if ahead_task else None


def launched_again(context: Context, relaunch_task: str, ahead_task: str) -> "Launch | None":
    """Return the same with what was launched again since; None: nothing was.

    No wave waits for the task that launches again: where both tasks were cleared, what it has left of its life before
    lies there until it begins. That one does not know the jobs that were launched ahead now.
    """
    from drs_provider.rules.run.handover import Launch

    ahead = launched_ahead(context, ahead_task)
    again = pull_unawaited(context, relaunch_task, Launch) if relaunch_task and ahead else None
    return again if ahead and again and {*ahead.job_ids} <= {*again.job_ids} else None


def tried_again(context: Context, relaunch_task: str, ahead_task: str) -> "Tries | None":
    """Return what had failed ahead and was launched again; None: nothing was."""
    from drs_provider.rules.run.handover import Tries

    is_there = launched_again(context, relaunch_task, ahead_task) is not None
    return pull_unawaited(context, relaunch_task, Tries) if is_there else None
