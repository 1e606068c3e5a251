"""What a failed task said, kept for the report: Airflow tells one task nothing of another's error."""

import logging
from typing import Any

ERROR = "error"
"""XCom key of a failed task's last words."""

_LONGEST = 4000

log = logging.getLogger(__name__)


def remember_failure(context: Any) -> None:
    """Keep the error of a task that failed for good (an Airflow ``on_failure_callback``)."""
    exception = context.get("exception")
    words = str(exception) or type(exception).__name__ if exception else "failed without an error; see its log"
    try:
        context["ti"].xcom_push(key=ERROR, value=words[:_LONGEST])
    except Exception:  # the task has failed already: losing the text must not hide the failure itself
        log.exception("the error of this task will be missing from the report")
