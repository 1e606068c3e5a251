"""Waiting without a worker for an AWS that does not answer now."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import BaseOperator

from drs_provider.errors import AwsError

LOOK_AGAIN_AFTER = timedelta(seconds=15)
"""Least pause. The hook has repeated each read for minutes by then (``aws.weather``)."""


@contextmanager
def asking_later(
    task: BaseOperator, resume: Callable[..., Any], *, until: datetime, kwargs: Mapping[str, Any] | None = None
) -> Iterator[None]:
    """Defer the task where what is done inside meets throttling, an outage or an expired session; else change nothing.

    The next leg has a new hook, and so a new session.

    :param resume: method of the task that goes on, given the event of a DateTimeTrigger and ``kwargs``
    :param until: from then on the error is raised
    """
    try:
        yield
    except AwsError as error:
        now = datetime.now(UTC)
        if not error.retryable or now >= until:
            raise
        pause = max(LOOK_AGAIN_AFTER, timedelta(seconds=error.retry_after_seconds or 0)) * random.uniform(1.0, 1.3)
        task.log.warning("Waiting, this is no failure; looking again in %.0f s: %s", pause.total_seconds(), error)
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        trigger = DateTimeTrigger(moment=now + pause)
        task.defer(trigger=trigger, method_name=resume.__name__, kwargs=dict(kwargs or {}))
