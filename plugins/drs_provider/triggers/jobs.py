"""Waiting for DRS jobs to end."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

from airflow.triggers.base import BaseTrigger, TriggerEvent

from drs_provider import clock
from drs_provider.formatting import parse_instant
from drs_provider.rules.launch.jobs import Ended, Running, phase, read_job
from drs_provider.rules.run.connection import AwsArguments
from drs_provider.triggers.answer_delay import not_before
from drs_provider.triggers.job_logs import Logged
from drs_provider.triggers.job_poller import GIVES_WAY_SECONDS, JobWatcher, Refused, Seen, Trouble, watcher_for

if TYPE_CHECKING:
    from drs_provider.triggers.one_shot import Whose
    from drs_provider.triggers.phase_record import PhaseRecord

Until = Literal["all", "any"]
Rank = Literal["recovery", "drill", ""]
Outcome = Literal["ended", "ending", "timed_out", "vanished", "refused"]

VISIBLE_AFTER = timedelta(minutes=2)
"""DescribeJobs may not show a new job at once; absent for longer, a job counts as vanished."""


class DrsJobEvent(TypedDict):
    """What the task that waits is told.

    ``ended``: all (or any, as asked) of the jobs have ended; ``ending``: they end within seconds; ``timed_out``: the
    deadline passed; ``vanished``: DRS no longer lists ``job_ids``, and none of the others runs any more; ``refused``:
    AWS will not answer, ``detail`` says why. ``job_ids`` are those concerned. ``at``: when it was seen, as an ISO
    instant.
    """

    outcome: Outcome
    job_ids: list[str]
    detail: str
    at: NotRequired[str]


class Watch(TypedDict):
    """Jobs of one connection and Region: ``aws`` are the keyword arguments of the hook, as one."""

    aws: AwsArguments
    job_ids: list[str]


class DrsJobTrigger(BaseTrigger):
    """Fire when the jobs have ended, whatever became of their servers, or when waiting makes no sense any longer.

    All triggers of one connection and Region in a triggerer share one DescribeJobs per period. Nothing happens on
    kill: DRS cannot cancel a job, and Airflow also kills a trigger when it moves to another triggerer.

    :param watches: jobs to watch, by connection and Region
    :param since: ISO instant since when the jobs exist; they may be invisible for two minutes from then
    :param deadline: ISO instant after which the trigger fires ``timed_out``; survives a restart of the triggerer
    :param until: fire when ``all`` of the jobs have ended, or ``any``
    :param rank: who waits here for room to start a job, if that is what is waited for: a ``drill`` that could go on
        lets a ``recovery`` that waits in the same triggerer start first
    :param shown_for: the task that waits, where the board shows what DRS does with its servers meanwhile
        (``handover.LaunchPhases``, as an XCom of that task); None: nobody looks
    :param tells_ending: fire ``ending`` once every server of every job has ended, seconds before the jobs do: whoever
        waits goes on waiting in a process of its own, and loses no time
    """

    def __init__(
        self,
        *,
        watches: Sequence[Watch],
        since: str,
        deadline: str,
        until: Until = "all",
        rank: Rank = "",
        shown_for: "Whose | None" = None,
        tells_ending: bool = False,
    ) -> None:
        super().__init__()
        self.tells_ending = tells_ending
        self.watches = list(watches)
        self.since = since
        self.deadline = deadline
        self.until: Until = until
        self.rank: Rank = rank
        self.shown_for = shown_for
        self.record = _record_for(shown_for) if shown_for else None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        arguments = {
            "watches": [dict(watch) for watch in self.watches],
            "since": self.since,
            "deadline": self.deadline,
            "until": self.until,
            "rank": self.rank,
            **({"shown_for": self.shown_for} if self.shown_for else {}),
            **({"tells_ending": True} if self.tells_ending else {}),
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch until there is something to say, and say it once."""
        began = time.monotonic()
        watchers = [watcher_for(watch["aws"]) for watch in self.watches]
        event = await self.watch(watchers, now=clock.now)
        event["at"] = clock.now().isoformat()
        if self.record:
            await self.record.close()
        await not_before(self, began)
        yield TriggerEvent(event)

    async def watch(self, watchers: Sequence[JobWatcher], *, now: Callable[[], datetime]) -> DrsJobEvent:
        """Listen to one watcher per watch; the first bad news ends it, else the last (or any) end of a job."""
        with ExitStack() as waiting:
            if self.rank == "recovery":
                for watcher in watchers:
                    waiting.enter_context(watcher.recovery_waiting())
            event = await self._watch(watchers, now=now)
        if self.rank == "drill" and event["outcome"] == "ended":
            for watcher in watchers:
                if watcher.recovery_goes_first:
                    self.log.info(
                        "A recovery waits for the same room: this drill continues %d s later", GIVES_WAY_SECONDS
                    )
                    await watcher.give_way()
        return event

    async def _watch(self, watchers: Sequence[JobWatcher], *, now: Callable[[], datetime]) -> DrsJobEvent:
        pairs = zip(watchers, self.watches, strict=True)
        listening = {asyncio.create_task(self._listen(watcher, watch["job_ids"], now=now)) for watcher, watch in pairs}
        waiting, ended, ending, vanished = listening, list[str](), list[str](), list[str]()
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for event in [task.result() for task in done]:
                    if event["outcome"] == "ended":
                        ended += event["job_ids"]
                    elif event["outcome"] == "ending":
                        ending += event["job_ids"]
                    elif event["outcome"] == "vanished":
                        vanished += event["job_ids"]
                    else:
                        return event
                if self.until == "any":
                    break
            if vanished:
                return _event("vanished", vanished)
            return _event("ending", [*ended, *ending]) if ending else _event("ended", ended)
        finally:
            for task in listening:
                task.cancel()
            # The tasks must have let go of their watchers before this trigger ends.
            await asyncio.gather(*listening, return_exceptions=True)

    async def _listen(self, watcher: JobWatcher, job_ids: Sequence[str], *, now: Callable[[], datetime]) -> DrsJobEvent:
        said = ""
        async with watcher.watching(job_ids, with_logs=self.record is not None) as news:
            while (left := (parse_instant(self.deadline) - now()).total_seconds()) > 0:
                try:
                    # Not wait_for(): before Python 3.12 it may swallow a cancellation that meets an answer.
                    async with asyncio.timeout(left):
                        heard = await news.get()
                except TimeoutError:
                    break
                match heard:
                    case Refused(error):
                        return _event("refused", job_ids, str(error))
                    case Trouble(error, pause):
                        self.log.warning("%s; retrying in %.1f s", error, pause)
                    case Logged() as logged:
                        if self.record:
                            self.record.note(logged)
                    case Seen() as seen:
                        if seen.jobs and (says := phase(map(read_job, seen.jobs.values()))) != said:
                            said = says
                            self.log.info("%s", said)
                        if event := self._read(job_ids, seen):
                            return event
        return _event("timed_out", job_ids, f"deadline {self.deadline}")

    def _read(self, job_ids: Sequence[str], seen: Seen) -> DrsJobEvent | None:
        ended = [job for job in job_ids if job in seen.jobs and isinstance(read_job(seen.jobs[job]), Ended)]
        if len(ended) == len(job_ids) or (self.until == "any" and ended):
            return _event("ended", ended)
        if self.tells_ending and all(job in seen.jobs and _is_ending(read_job(seen.jobs[job])) for job in job_ids):
            return _event("ending", job_ids)
        # Only a completed job can be deleted: one that is not listed any more is over.
        is_late = seen.at - parse_instant(self.since) > VISIBLE_AFTER
        vanished = [job for job in job_ids if job not in seen.jobs] if is_late else []
        if vanished and (self.until == "any" or len(vanished) + len(ended) == len(job_ids)):
            return _event("vanished", vanished)
        return None


def _is_ending(state: Running | Ended) -> bool:
    return isinstance(state, Ended) or state.every_server_ended


def _record_for(whose: "Whose") -> "PhaseRecord":
    """Return what leaves the phases where the board looks: for tasks of plans, who ask for it."""
    from drs_provider.triggers.phase_record import PhaseRecord

    return PhaseRecord(whose)


def _event(outcome: Outcome, job_ids: Sequence[str], detail: str = "") -> DrsJobEvent:
    return DrsJobEvent(outcome=outcome, job_ids=list(job_ids), detail=detail)
