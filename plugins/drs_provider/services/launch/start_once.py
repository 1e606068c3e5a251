"""Starting a job exactly once, although StartRecovery has no client token."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from drs_provider import clock
from drs_provider.exceptions import AwsError, Conflict, QuotaExceeded, ServiceUnavailable, Throttled
from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.backoff import pause_after_refusal
from drs_provider.rules.launch.tags import same_launch

LOOKS_AFTER_A_LOST_ANSWER = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before each look for our own job: a minute in all, for DescribeJobs may be behind StartRecovery."""

LOOKS_AFTER_A_CRASH = (0.0, 1.0, 2.0, 4.0, 8.0)
"""The same for a try that finds the intent of an earlier one, which has been dead for a while already."""

MOST_THROTTLES = 12
"""Times that StartRecovery is sent again after being throttled (which has no effect): about five minutes."""

STARTS = frozenset({"StartRecovery", "StartFailbackLaunch"})
"""The operations that errors of a refused start name; errors of a look for the job name DescribeJobs."""

log = logging.getLogger(__name__)


class Starter(Protocol):
    """What of the hook a start needs."""

    def jobs_since(self, when: datetime) -> tuple[Answer, ...]:
        """Return all jobs since then."""
        ...

    def start_recovery(
        self,
        server_ids: Sequence[str],
        *,
        is_drill: bool,
        tags: Mapping[str, str],
        snapshot_ids: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send StartRecovery once."""
        ...


@dataclass(frozen=True)
class StartRequest:
    """One StartRecovery: servers, drill or not, the tags that identify it, pinned points in time."""

    server_ids: tuple[str, ...]
    is_drill: bool
    tags: Mapping[str, str]
    snapshot_ids: Mapping[str, str]


def start_once(
    hook: Starter,
    launch: StartRequest,
    *,
    since: datetime,
    sleep: Callable[[float], None] = clock.sleep,
    most_throttles: int = MOST_THROTTLES,
) -> tuple[Answer, bool]:
    """Start the job of this launch; return it and whether it was found rather than started by this call.

    An answer that got lost (time-out, reset, 5xx) and a Conflict may both mean that *our* job exists: it is looked for
    by its tags, several times over a minute. Only if none is ours is the error raised. Other refusals are believed but
    for one look. Throttling has no effect, so the call is sent again, honouring Retry-After.

    :param since: our job cannot be older than this
    :param most_throttles: times that it is sent again after being throttled
    """
    throttles = 0
    while True:
        try:
            job = hook.start_recovery(
                launch.server_ids, is_drill=launch.is_drill, tags=launch.tags, snapshot_ids=launch.snapshot_ids
            )
        except Throttled as error:
            throttles += 1
            if throttles > most_throttles:
                raise
            pause = pause_after_refusal(throttles, error.retry_after_seconds)
            log.info("%s was throttled; sent again in %.1f s", error.operation, pause)
            sleep(pause)
        except (Conflict, ServiceUnavailable) as error:
            log.warning("%s; checking whether the job was started anyway", error)
            ours = find_ours(hook, launch, since=since, pauses=_looks_after(error), sleep=sleep)
            if ours is None:
                raise
            log.info("Job %s belongs to this run: adopted", ours["jobID"])
            return ours, True
        except QuotaExceeded:
            raise
        except AwsError as refusal:
            # DRS's model names few of its codes: one that nobody knows may stand for a job that exists.
            if ours := _glance(hook, launch, since=since):
                log.warning("%s; but job %s belongs to this run: adopted", refusal, ours["jobID"])
                return ours, True
            raise
        else:
            return job, False


def find_ours(
    hook: Starter, launch: StartRequest, *, since: datetime, pauses: Sequence[float], sleep: Callable[[float], None]
) -> Answer | None:
    """Look for the job of this launch, once after each pause; a look that fails counts as one that found nothing."""
    failure: AwsError | None = None
    for pause in pauses:
        sleep(pause)
        try:
            jobs = hook.jobs_since(since)
        except (Throttled, ServiceUnavailable) as error:
            failure = error
            continue
        failure = None
        for job in jobs:
            if same_launch(job.get("tags"), launch.tags):
                return job
    if failure:
        # Nothing was seen at the last look: to say "not ours" now would be a guess.
        raise failure
    return None


def _glance(hook: Starter, launch: StartRequest, *, since: datetime) -> Answer | None:
    try:
        return find_ours(hook, launch, since=since, pauses=(0.0,), sleep=lambda _: None)
    except AwsError:
        return None  # the refusal itself says more


def _looks_after(error: AwsError) -> Sequence[float]:
    # A Conflict that another job explains is found out quickly: if ours holds the servers, DRS has it already.
    return LOOKS_AFTER_A_CRASH if isinstance(error, Conflict) else LOOKS_AFTER_A_LOST_ANSWER
