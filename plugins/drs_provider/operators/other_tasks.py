"""What other tasks of the same run left: read as the newest try wrote it, for anybody may put an older value back."""

import logging
from typing import TYPE_CHECKING, TypeVar

from airflow.sdk import Context

from drs_provider.airflow_internals.tasks import newest_try
from drs_provider.exceptions import HandoverUnreadable
from drs_provider.services.signed import pull

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import Document

D = TypeVar("D", bound="Document")

log = logging.getLogger(__name__)


def newest_try_of(context: Context, task_id: str) -> int | None:
    """Return the number of the newest try of a task of this run; None: there is only one, or Airflow does not say.

    Airflow is asked only where somebody has cleared tasks of the run: what it retries by itself was never the task's
    last word.
    """
    run = context.get("dag_run")
    return newest_try(run, task_id) if getattr(run, "clear_number", 0) else None


def pull_newest(context: Context, task_id: str, document: type[D], key: str | None = None) -> D | None:
    """Read a document that an unmapped task of this run left; None: it left none.

    :raises HandoverUnreadable: what lies there was not written by the newest try of that task, or cannot be read
    """
    return pull(context["ti"], task_id, document, key, newest_try=newest_try_of(context, task_id))


def pull_unawaited(context: Context, task_id: str, document: type[D]) -> D | None:
    """Read a document of a task that nobody waits for: what does not count is not left.

    Airflow counts a new try when it schedules a task, and removes what the try before has left only when the new one
    begins: whoever waits for the task never reads in between, whoever does not may.
    """
    try:
        return pull_newest(context, task_id, document)
    except HandoverUnreadable as error:
        log.info("%s is not taken for left: %s", document.TITLE, error)
        return None
