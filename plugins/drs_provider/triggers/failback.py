"""Following servers on their way there and back, for hours or days, without a worker."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from airflow.triggers.base import BaseTrigger, TriggerEvent

from drs_provider import clock
from drs_provider.exceptions import CredentialsExpired, DrsProviderError
from drs_provider.formatting import parse_instant
from drs_provider.rules.launch.backoff import pause_after_refusal
from drs_provider.rules.run.connection import AwsArguments
from drs_provider.triggers.answer_delay import not_before
from drs_provider.triggers.one_shot import Whose

if TYPE_CHECKING:
    from drs_provider.hooks.failback import FailbackHook
    from drs_provider.rules.failback.next_step import NextStep
    from drs_provider.rules.run.handover import FailbackProgress
    from drs_provider.services.failback.read import CircleReader, CirclesRead

FollowGoal = Literal["ready", "failed_back", "reprotected", "resting"]
"""Where servers are awaited; the same as of ``services.failback.follow``."""

log = logging.getLogger(__name__)


class FollowedServers(TypedDict):
    """Servers that are protected in one account and Region. ``origin``: None: the same connection, everywhere."""

    aws: AwsArguments
    origin: AwsArguments | None
    server_ids: list[str]


class DrsFailbackEvent(TypedDict):
    """``over``: every server is where it was to be, or does not get there by waiting; ``due``: one needs a call;
    ``timed_out``; ``refused``: AWS will not answer.
    """

    outcome: Literal["over", "due", "timed_out", "refused"]
    detail: str


class DrsFailbackTrigger(BaseTrigger):
    """Fire when no server is on its way any longer, or one of them needs a call. Only looks; changes nothing.

    :param watches: the servers, by where they are protected
    :param goal: where they are awaited: ``ready`` in the origin, ``failed_back``, ``reprotected`` or ``resting``
    :param deadline: ISO instant after which the trigger fires ``timed_out``; survives a restart of the triggerer
    :param poll_seconds: pause between two looks
    :param acts: whether a server that needs a call fires ``due``; else somebody else makes it, and it is waited for
    :param shown_for: the task that waits, for which the progress of every server is left; None: for nobody
    """

    def __init__(
        self,
        *,
        watches: Sequence[FollowedServers],
        goal: FollowGoal,
        deadline: str,
        poll_seconds: float = 30.0,
        acts: bool = True,
        shown_for: Whose | None = None,
    ) -> None:
        super().__init__()
        self.watches = list(watches)
        self.goal: FollowGoal = goal
        self.deadline = deadline
        self.poll_seconds = poll_seconds
        self.acts = acts
        self.shown_for = shown_for

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        names = ("watches", "goal", "deadline", "poll_seconds", "acts", "shown_for")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until there is something to say, and say it once."""
        began = time.monotonic()
        from drs_provider.services.failback.read import CircleReader

        readers = [CircleReader(watch["aws"], origin=watch["origin"], hook_of=_impatient) for watch in self.watches]
        event = await self.wait(readers, now=clock.now)
        await not_before(self, began)
        yield TriggerEvent(event)

    async def wait(
        self,
        readers: Sequence["CircleReader"],
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = lambda: random.uniform(0.9, 1.1),
    ) -> DrsFailbackEvent:
        """Look with the readers, one per watch; throttling and lost answers only slow it down."""
        refusals, said = 0, f"not looked at before {self.deadline}"
        shown: FailbackProgress | None = None
        while True:
            try:
                reads = await clock.in_thread(partial(self._read, readers))
            except DrsProviderError as error:
                if not error.retryable:
                    return DrsFailbackEvent(outcome="refused", detail=str(error))
                refusals += 1
                pause = pause_after_refusal(refusals, getattr(error, "retry_after_seconds", None), jitter=jitter())
                said = str(error)
                self.log.warning("%s; retrying in %.1f s", error, pause)
            else:
                refusals, pause = 0, self.poll_seconds * jitter()
                shown = await self._show(reads, shown)
                steps = self._steps(reads)
                if self.acts and any(step.kind == "call" for step in steps.values()):
                    return DrsFailbackEvent(outcome="due", detail="")
                pending = {name: step.why for name, step in steps.items() if step.kind in {"call", "wait", "people"}}
                if not pending:
                    return DrsFailbackEvent(outcome="over", detail="")
                said = "; ".join(f"{name}: {why}" for name, why in pending.items())
            if now() + timedelta(seconds=pause) >= parse_instant(self.deadline):
                return DrsFailbackEvent(outcome="timed_out", detail=said)
            await sleep(pause)

    def _read(self, readers: Sequence["CircleReader"]) -> list["CirclesRead"]:
        try:
            reads = [reader.read(watch["server_ids"]) for reader, watch in zip(readers, self.watches, strict=True)]
            for read in reads:
                read.ensure_answered()
        except CredentialsExpired:
            for reader in readers:
                reader.renew()
            raise
        return reads

    def _steps(self, reads: Sequence["CirclesRead"]) -> Mapping[str, "NextStep"]:
        from drs_provider.services.failback.follow import steps_towards

        return {name: step for read in reads for name, step in steps_towards(self.goal, read).items()}

    async def _show(
        self, reads: Sequence["CirclesRead"], shown: "FailbackProgress | None"
    ) -> "FailbackProgress | None":
        """Leave how far every server is, where that is new; a page that shows less must not fail a failback."""
        from drs_provider.services.failback.follow import progress_lines, progress_of_all

        progress = progress_of_all(reads)
        if shown is not None and shown.servers == progress.servers:
            return shown
        for line in progress_lines(progress):
            self.log.info("%s", line)
        if self.shown_for is not None:
            try:
                await clock.in_thread(partial(_leave, progress, self.shown_for))
            except Exception as error:  # noqa: BLE001
                log.warning("The progress of the way back is not shown: %s", error)
        return progress


def _impatient(aws: AwsArguments) -> "FailbackHook":
    from drs_provider.hooks.failback import FailbackHook

    return FailbackHook(**aws, patience=0)


def _leave(progress: "FailbackProgress", whose: Whose) -> None:
    from drs_provider.airflow_internals.tasks import write_xcom
    from drs_provider.rules.run.handover.signature import Origin
    from drs_provider.services.signed import keys

    where = {"dag_id": whose["dag_id"], "run_id": whose["run_id"], "task_id": whose["task_id"]}
    place = Origin(where["dag_id"], where["run_id"], where["task_id"], progress.KEY)
    write_xcom(progress.KEY, keys().seal(progress.to_json(), place, attempt=whose["attempt"]), **where)
