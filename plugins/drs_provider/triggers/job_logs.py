"""Looks at the logs of running jobs, rarely, for the board: nothing waits for them and nothing fails with them."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from drs_provider import clock
from drs_provider.exceptions import AwsError, DrsProviderError
from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.backoff import next_log_look
from drs_provider.rules.launch.jobs import ENDED_STATUS, created_at_of, servers_of
from drs_provider.rules.launch.phases import newest_events

T = TypeVar("T")

JOBS_AT_A_LOOK: Final = 5
"""Logs that are read in one look: however many jobs run, so many calls in a period."""

AFTER_A_REFUSAL: Final = timedelta(minutes=2)
"""For how long no log is read after AWS did not answer: an API that throttles has better things to do."""

AFTER_A_DENIAL: Final = timedelta(hours=1)
"""The same where AWS says no: somebody may give the permission meanwhile."""

AskLog = Callable[[str], Sequence[Answer]]
"""Blocking: a job's id in, the items of its log out; raises the errors of ``drs_provider.exceptions``."""

log = logging.getLogger(__name__)


class InThread(Protocol):
    """Runs something that blocks in a thread of its own, as ``clock.in_thread`` does."""

    def __call__(self, work: Callable[[], T]) -> Coroutine[Any, Any, T]:
        """Run it."""
        ...


@dataclass(frozen=True)
class Logged:
    """What the log of a job said at an instant: the newest event of each of its servers, by server id."""

    at: datetime
    job_id: str
    events: Mapping[str, str]


class JobLogs:
    """Read the logs of running jobs of one account and Region: few at a time, the longest unread first.

    A look is begun when DescribeJobs has just answered, and runs beside it: DescribeJobs is never kept waiting. After
    a refusal nothing is read for a while.
    """

    def __init__(
        self, ask: AskLog, *, now: Callable[[], datetime] = clock.now, in_thread: InThread = clock.in_thread
    ) -> None:
        self._ask, self._now, self._in_thread = ask, now, in_thread
        self._read_at: dict[str, datetime] = {}
        self._not_before: datetime | None = None
        self._look: asyncio.Task[None] | None = None

    def look(self, jobs: Iterable[Answer], tell: Callable[[Logged], None]) -> None:
        """Begin to read the logs of those jobs that run, if it is time; return at once.

        :param jobs: jobs that somebody wants to be told of, as DescribeJobs has just described them
        """
        is_too_soon = self._not_before is not None and self._now() < self._not_before
        if is_too_soon or (self._look and not self._look.done()):
            return
        running = {str(job["jobID"]): job for job in jobs if job.get("status") != ENDED_STATUS}
        self._read_at = {job_id: at for job_id, at in self._read_at.items() if job_id in running}
        chosen = sorted(running, key=lambda job_id: (job_id in self._read_at, self._read_at.get(job_id)))
        if chosen:
            now = self._now()
            ages = [now - (created_at_of(running[job_id]) or now) for job_id in chosen]
            self._not_before = now + timedelta(seconds=next_log_look(min(ages)))
            self._look = asyncio.create_task(
                self._read({job_id: servers_of(running[job_id]) for job_id in chosen[:JOBS_AT_A_LOOK]}, tell)
            )

    def stop(self) -> None:
        """Forget the look that is under way."""
        if self._look:
            self._look.cancel()

    async def _read(self, jobs: Mapping[str, tuple[str, ...]], tell: Callable[[Logged], None]) -> None:
        for job_id, servers in jobs.items():
            try:
                events = await self._in_thread(partial(self._events, job_id, servers))
            except DrsProviderError as error:
                self._refused(job_id, error)
                return
            except Exception:
                # Outermost: a defect here must cost nobody more than words on a page.
                log.exception("Reading the log of %s failed; the board estimates the phases", job_id)
                self._not_before = self._now() + AFTER_A_DENIAL
                return
            self._read_at[job_id] = self._now()
            tell(Logged(self._read_at[job_id], job_id, events))

    def _events(self, job_id: str, servers: Sequence[str]) -> Mapping[str, str]:
        return newest_events(self._ask(job_id), servers)

    def _refused(self, job_id: str, error: DrsProviderError) -> None:
        retry_after = error.retry_after_seconds if isinstance(error, AwsError) else None
        pause = max(AFTER_A_REFUSAL, timedelta(seconds=retry_after or 0)) if error.retryable else AFTER_A_DENIAL
        self._not_before = self._now() + pause
        log.warning("The log of %s cannot be read, the board estimates the phases: %s", job_id, error)
