"""Waiting for recovery points that hold everything that was written before."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

from airflow.triggers.base import BaseTrigger, TriggerEvent

from drs_provider import clock
from drs_provider.exceptions import AwsError, DrsProviderError
from drs_provider.formatting import parse_instant
from drs_provider.rules.launch.backoff import pause_after_refusal
from drs_provider.rules.run.connection import AwsArguments
from drs_provider.triggers.answer_delay import not_before

if TYPE_CHECKING:
    from drs_provider.services.migration.final_sync import SyncLook


class SyncPlace(TypedDict):
    """Servers of one account and Region: the hook's arguments, and the servers' names by id."""

    aws: AwsArguments
    servers: dict[str, str]


class WrittenMark(TypedDict):
    """What was there when writes had stopped: the newest recovery point, and the lag in seconds."""

    newest_id: str
    lag_seconds: float


class FinalSyncTrigger(BaseTrigger):
    """Fire when every server has a recovery point that holds all that was written, or when it is time to look up.

    Whoever is waked looks again: the event says no more than that.

    :param places: the servers, by account and Region
    :param marks: by server id
    :param quiesced_at: ISO instant from which on nothing is written
    :param until: ISO instant at which it fires whatever there is
    :param poll_seconds: pause between two looks
    """

    def __init__(
        self,
        *,
        places: Sequence[SyncPlace],
        marks: dict[str, WrittenMark],
        quiesced_at: str,
        until: str,
        poll_seconds: float,
    ) -> None:
        super().__init__()
        self.places, self.marks = list(places), dict(marks)
        self.quiesced_at, self.until, self.poll_seconds = quiesced_at, until, poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        names = ("places", "marks", "quiesced_at", "until", "poll_seconds")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until there is something to say, and say it once."""
        began = time.monotonic()
        words = await self._wait()
        await not_before(self, began)
        yield TriggerEvent({"waiting": words})

    async def _wait(self) -> str:
        refusals, words, left = 0, "", set(self.marks)
        while True:
            try:
                found = await clock.in_thread(partial(self._look, frozenset(left)))
            except DrsProviderError as error:
                if not error.retryable:
                    return str(error)
                refusals += 1
                retry_after = error.retry_after_seconds if isinstance(error, AwsError) else None
                pause = pause_after_refusal(refusals, retry_after, jitter=random.uniform(0.9, 1.1))
                self.log.warning("%s; retrying in %.1f s", error, pause)
            else:
                left = set(found.late)  # newer points only come: who has one is not asked again
                if not left:
                    return ""
                if found.words != words:
                    self.log.info("The last sync goes on: %s", found.words)
                refusals, words, pause = 0, found.words, self.poll_seconds * random.uniform(0.9, 1.1)
            if clock.now() + timedelta(seconds=pause) >= parse_instant(self.until):
                return words
            await asyncio.sleep(pause)

    def _look(self, left: Collection[str]) -> "SyncLook":
        from drs_provider.hooks.drs import DrsHook
        from drs_provider.rules.migration.final_sync import SyncMark
        from drs_provider.services.migration.final_sync import look

        marks = {
            server: SyncMark(mark["newest_id"], timedelta(seconds=mark["lag_seconds"]))
            for server, mark in self.marks.items()
        }
        places = [
            (DrsHook(**place["aws"], patience=0), here)
            for place in self.places
            if (here := [server for server in place["servers"] if server in left])
        ]
        names = {server: name for place in self.places for server, name in place["servers"].items()}
        return look(places, marks, names, quiesced_at=parse_instant(self.quiesced_at))
