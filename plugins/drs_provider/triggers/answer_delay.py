"""Answering later on later tries, for Airflow may take a task for lost whose trigger answers at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from airflow.triggers.base import BaseTrigger

MOST_SECONDS = 60.0
_FIRST_SECONDS = 5.0


def least_seconds(try_number: int) -> float:
    """Return how long a trigger of a try does not answer: not at all at first, then 5 s, twice that, up to a minute.

    Airflow 3.3 loses a task whose trigger answers before the scheduler has heard that the leg before has ended: it
    sees the task queued for its next leg, takes the end of the last one for that leg's death, and tries again. Where
    its loop takes ten seconds, a job that has ended already eats every try that way, and the run fails although all
    went well (seen on a machine with ten times the load that it can carry).
    """
    return 0.0 if try_number <= 1 else min(_FIRST_SECONDS * 2 ** (try_number - 2), MOST_SECONDS)


async def not_before(
    trigger: BaseTrigger,
    began: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Wait until a trigger that began then may answer.

    :param began: what ``clock`` said when the trigger started to run
    """
    left = least_seconds(getattr(trigger.task_instance, "try_number", None) or 1) - (clock() - began)
    if left > 0:
        trigger.log.info("The task was tried before: answering in %.0f s, so that Airflow does not lose it again", left)
        await sleep(left)
