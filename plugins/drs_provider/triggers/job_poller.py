"""One DescribeJobs per account, Region and period, for all triggers of this triggerer process."""

import asyncio
import contextvars
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from drs_provider import clock
from drs_provider.exceptions import AwsError, CredentialsExpired, DrsProviderError
from drs_provider.formatting import parse_instant
from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.backoff import LEAST_SECONDS, next_poll, pause_after_refusal
from drs_provider.rules.launch.jobs import Running, read_job
from drs_provider.rules.run.connection import AwsArguments
from drs_provider.triggers.job_logs import JobLogs, Logged

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook

Ask = Callable[[Sequence[str]], Sequence[Answer]]
"""Blocking: job ids in, the jobs that DRS knows out; raises the errors of ``drs_provider.exceptions``."""

GIVES_WAY_SECONDS = 20
"""How long a drill stands back for a recovery that waits beside it: the time of some task starts."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """What DescribeJobs said at an instant: the watched jobs that DRS knows, by id."""

    at: datetime
    jobs: Mapping[str, Answer]


@dataclass(frozen=True)
class Trouble:
    """No answer this time; the watcher asks again in ``pause_seconds``."""

    error: DrsProviderError
    pause_seconds: float


@dataclass(frozen=True)
class Refused:
    """AWS will not answer however often it is asked; the watching is over."""

    error: DrsProviderError


News = Seen | Trouble | Refused | Logged


def _jitter() -> float:
    return random.uniform(0.9, 1.1)


def _now() -> datetime:
    return clock.now()


class JobWatcher:
    """Ask about all watched jobs of one account and Region in one call, and tell every subscriber.

    The loop starts with the first subscriber and ends with the last. Throttling, 5xx and lost connections slow it
    down and never end it; any other refusal goes to every subscriber at once. Must be used from one event loop.
    """

    def __init__(
        self,
        ask: Ask,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = _now,
        jitter: Callable[[], float] = _jitter,
        logs: JobLogs | None = None,
    ) -> None:
        self._ask = ask
        self._sleep = sleep
        self._now = now
        self._jitter = jitter
        self._logs = logs
        self._subscribers: dict[asyncio.Queue[News], frozenset[str]] = {}
        self._log_readers: set[asyncio.Queue[News]] = set()
        self._joined = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._recoveries = 0
        self._recovery_left_at: datetime | None = None

    @contextmanager
    def recovery_waiting(self) -> Iterator[None]:
        """Let drills that wait for the same room know, as long as the context is open and shortly after."""
        self._recoveries += 1
        try:
            yield
        finally:
            self._recoveries -= 1
            self._recovery_left_at = self._now()

    @property
    def recovery_goes_first(self) -> bool:
        """Whether a recovery waits for room, or has just been told that there is some."""
        left = self._recovery_left_at
        return bool(self._recoveries) or (left is not None and (self._now() - left).total_seconds() < GIVES_WAY_SECONDS)

    async def give_way(self) -> None:
        """Wait until a recovery that was told of the room has had the time to take it."""
        await self._sleep(GIVES_WAY_SECONDS)

    @asynccontextmanager
    async def watching(
        self, job_ids: Sequence[str], *, with_logs: bool = False
    ) -> AsyncIterator["asyncio.Queue[News]"]:
        """Watch these jobs as long as the context is open; the queue brings what is heard of them.

        :param with_logs: now and then also what their logs say, as far as AWS answers
        """
        queue: asyncio.Queue[News] = asyncio.Queue()
        self._subscribers[queue] = frozenset(job_ids)
        if with_logs:
            self._log_readers.add(queue)
        self._joined.set()
        if self._loop is None or self._loop.done():
            # An empty context: the loop serves many tasks and must not log into the log of the first.
            self._loop = asyncio.create_task(self._watch(), context=contextvars.Context())
        try:
            yield queue
        finally:
            del self._subscribers[queue]
            self._log_readers.discard(queue)
            if not self._log_readers and self._logs:
                self._logs.stop()
            if not self._subscribers and self._loop:
                self._loop.cancel()
                self._loop = None

    async def _watch(self) -> None:
        refusals = 0
        while self._subscribers:
            self._joined.clear()
            try:
                seen = await self._look()
            except DrsProviderError as error:
                if not error.retryable:
                    self._tell_all(Refused(error))
                    return
                refusals += 1
                pause = self._pause_after(error, refusals)
                self._tell_all(Trouble(error, pause))
                await self._sleep(pause)
            except Exception as error:
                # Outermost loop: a defect must not leave all waiting tasks waiting for ever.
                log.exception("Watching DRS jobs failed")
                self._tell_all(Refused(DrsProviderError(f"watching DRS jobs failed: {error!r}")))
                return
            else:
                refusals = 0
                for queue, wanted in self._subscribers.items():
                    queue.put_nowait(Seen(seen.at, {job: seen.jobs[job] for job in wanted & seen.jobs.keys()}))
                self._read_logs(seen)
                await self._rest(seen)

    def _read_logs(self, seen: Seen) -> None:
        """Look into logs where somebody wants to show them; whatever goes wrong with that, jobs are watched on."""
        wanted = frozenset[str]().union(*(self._subscribers[queue] for queue in self._log_readers))
        try:
            if self._logs and wanted:
                self._logs.look([seen.jobs[job] for job in sorted(wanted & seen.jobs.keys())], self._tell_of_log)
        except Exception:
            log.exception("Reading the logs of DRS jobs failed; their phases are not shown")

    def _tell_of_log(self, logged: Logged) -> None:
        for queue in self._log_readers:
            if logged.job_id in self._subscribers[queue]:
                queue.put_nowait(logged)

    async def _look(self) -> Seen:
        wanted = sorted(frozenset[str]().union(*self._subscribers.values()))
        jobs = await asyncio.to_thread(self._ask, wanted)
        return Seen(self._now(), {job["jobID"]: job for job in jobs})

    def _pause_after(self, error: DrsProviderError, refusals: int) -> float:
        retry_after = error.retry_after_seconds if isinstance(error, AwsError) else None
        return pause_after_refusal(refusals, retry_after, jitter=self._jitter())

    async def _rest(self, seen: Seen) -> None:
        """Sleep until the most urgent job is due; a new subscriber is served after the shortest period."""
        due = min((self._period(job, seen.at) for job in seen.jobs.values()), default=LEAST_SECONDS)
        sleeping = asyncio.ensure_future(self._sleep(due))
        joining = asyncio.ensure_future(self._joined.wait())
        try:
            await asyncio.wait({sleeping, joining}, return_when=asyncio.FIRST_COMPLETED)
            if not sleeping.done():
                await self._sleep(LEAST_SECONDS)
        finally:
            sleeping.cancel()
            joining.cancel()

    def _period(self, job: Answer, at: datetime) -> float:
        state = read_job(job)
        created = job.get("creationDateTime")
        with suppress(ValueError):
            age = at - (parse_instant(created) if created else at)
            ended = not isinstance(state, Running) or state.any_server_ended
            return next_poll(age, any_server_ended=ended, jitter=self._jitter())
        return LEAST_SECONDS

    def _tell_all(self, news: News) -> None:
        for queue in self._subscribers:
            queue.put_nowait(news)


_WATCHERS: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, JobWatcher]]" = WeakKeyDictionary()


def watcher_for(aws: AwsArguments) -> JobWatcher:
    """Return the watcher that all triggers with these connection parameters share in this event loop."""
    watchers = _WATCHERS.setdefault(asyncio.get_running_loop(), {})
    key = json.dumps(aws, sort_keys=True, default=str)
    if key not in watchers:
        desk = _Desk(aws)
        watchers[key] = JobWatcher(desk.jobs, logs=JobLogs(desk.log))
    return watchers[key]


def asker(aws: AwsArguments) -> Ask:
    """Return a function that asks through a hook of these parameters; a session that ended is replaced by a new one."""
    return _Desk(aws).jobs


class _Desk:
    """Asks through one hook, made when it is first needed, and again when its session has ended."""

    def __init__(self, aws: AwsArguments) -> None:
        self._aws = aws
        self._hook: DrsHook | None = None

    def jobs(self, job_ids: Sequence[str]) -> Sequence[Answer]:
        return self._ask(lambda hook: hook.jobs(job_ids))

    def log(self, job_id: str) -> Sequence[Answer]:
        return self._ask(lambda hook: hook.job_log(job_id))

    def _ask(self, question: "Callable[[DrsHook], Sequence[Answer]]") -> Sequence[Answer]:
        from drs_provider.hooks.drs import DrsHook

        hook = self._hook = self._hook or DrsHook(**self._aws, patience=0)
        try:
            return question(hook)
        except CredentialsExpired:
            self._hook = None
            raise
