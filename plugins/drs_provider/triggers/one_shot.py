"""Doing in the triggerer, once, what has an effect and may take long: a Lambda function, a webhook."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from airflow.triggers.base import BaseTrigger, TriggerEvent

from drs_provider import clock
from drs_provider.exceptions import AwsError
from drs_provider.formatting import parse_instant
from drs_provider.rules.launch.backoff import pause_after_refusal
from drs_provider.triggers.answer_delay import not_before

if TYPE_CHECKING:
    from drs_provider.rules.run.handover.signature import Origin


class OnceEvent(TypedDict):
    """``answered``: ``succeeded``, ``summary`` and ``output`` tell how; ``refused``: nothing was done, ``summary``
    says why; ``unknown``: it may or may not have been done.
    """

    outcome: Literal["answered", "refused", "unknown"]
    succeeded: bool
    summary: str
    output: str


class Whose(TypedDict):
    """The task instance that waits, and the attempt of its step."""

    dag_id: str
    run_id: str
    task_id: str
    attempt: int


class OneShotTrigger(BaseTrigger):
    """Act once. A trigger that is started again by another triggerer finds the mark of the first, and does not act.

    A step that is ``repeatable`` acts again in that case.

    :param whose: task and attempt, under which the mark is left
    :param deadline: ISO instant until when an answer is waited for
    """

    def __init__(self, *, whose: Whose, deadline: str, repeatable: bool) -> None:
        super().__init__()
        self.whose, self.deadline, self.repeatable = whose, deadline, repeatable

    def act(self, seconds: float) -> OnceEvent:
        """Do it, blocking, waiting for the answer at most so many seconds.

        Raises AwsError when nothing was done; ``Throttled`` and what never reached AWS is then tried again.
        """
        raise NotImplementedError

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Act once, and say once how it went."""
        began = time.monotonic()
        event = await self.go(Marks(self.whose), now=clock.now)
        await not_before(self, began)
        yield TriggerEvent(event)

    async def go(
        self,
        marks: "Marks",
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> OnceEvent:
        """Leave the mark, act, and try again only where nothing can have been done."""
        if not self.repeatable and await clock.in_thread(marks.is_there):
            return unknown("the triggerer that did it has died before the answer came")
        await clock.in_thread(marks.leave)
        refusals = 0
        while (left := (parse_instant(self.deadline) - now()).total_seconds()) > 0:
            try:
                return await clock.in_thread(partial(self.act, left))
            except AwsError as error:
                if not error.retryable:
                    return refused(str(error))
                refusals += 1
                pause = pause_after_refusal(refusals, error.retry_after_seconds)
                self.log.warning("%s; nothing was done, retrying in %.1f s", error, pause)
                last = str(error)
                await sleep(min(pause, left))
        return refused(last if refusals else "the time was over before it began")


class Marks:
    """The mark of a trigger that has begun to act, in XCom: it goes when the task itself begins again."""

    def __init__(self, whose: Whose) -> None:
        self.attempt = whose["attempt"]
        self._where = {"dag_id": whose["dag_id"], "run_id": whose["run_id"], "task_id": whose["task_id"]}

    def is_there(self) -> bool:
        """Say whether another trigger has begun this attempt."""
        from drs_provider.airflow_internals.tasks import read_xcom
        from drs_provider.rules.run.handover import ActionBegun
        from drs_provider.services.signed import opened

        found = opened(read_xcom(ActionBegun.KEY, **self._where), ActionBegun, self._place())
        return found is not None and found.attempt == self.attempt

    def leave(self) -> None:
        """Leave the mark."""
        from drs_provider.airflow_internals.tasks import write_xcom
        from drs_provider.rules.run.handover import ActionBegun
        from drs_provider.services.signed import keys

        mark = keys().seal(ActionBegun(attempt=self.attempt).to_json(), self._place(), attempt=self.attempt)
        write_xcom(ActionBegun.KEY, mark, **self._where)

    def _place(self) -> "Origin":
        from drs_provider.rules.run.handover import ActionBegun
        from drs_provider.rules.run.handover.signature import Origin

        return Origin(self._where["dag_id"], self._where["run_id"], self._where["task_id"], ActionBegun.KEY)


class LambdaOnce(OneShotTrigger):
    """Invoke a Lambda function once and wait for its answer."""

    def __init__(
        self,
        *,
        whose: Whose,
        deadline: str,
        repeatable: bool,
        aws_conn_id: str | None,
        region_name: str | None,
        function: str,
        payload: str,
    ) -> None:
        super().__init__(whose=whose, deadline=deadline, repeatable=repeatable)
        self.aws_conn_id, self.region_name, self.function, self.payload = aws_conn_id, region_name, function, payload

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        names = ("whose", "deadline", "repeatable", "aws_conn_id", "region_name", "function", "payload")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    def act(self, seconds: float) -> OnceEvent:
        """Invoke; an answer that gets lost is an unknown outcome."""
        from drs_provider.hooks.step_services import StepHook, had_no_effect
        from drs_provider.rules.step_answers import read_function

        hook = StepHook(aws_conn_id=self.aws_conn_id, region_name=self.region_name)
        try:
            payload, error = hook.invoke(self.function, self.payload.encode(), seconds=seconds)
        except AwsError as lost:
            if had_no_effect(lost):
                raise
            return unknown(str(lost))
        succeeded, summary, output = read_function(payload, error)
        return OnceEvent(outcome="answered", succeeded=succeeded, summary=summary, output=output)


class WebhookOnce(OneShotTrigger):
    """Post a JSON body once to the address of an Airflow HTTP connection."""

    def __init__(
        self,
        *,
        whose: Whose,
        deadline: str,
        repeatable: bool,
        http_conn_id: str,
        payload: str,
        event_id: str,
        keep_answer: bool = False,
    ) -> None:
        super().__init__(whose=whose, deadline=deadline, repeatable=repeatable)
        self.http_conn_id, self.payload, self.event_id, self.keep_answer = http_conn_id, payload, event_id, keep_answer

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        names = ("whose", "deadline", "repeatable", "http_conn_id", "payload", "event_id")
        arguments = {name: getattr(self, name) for name in names} | ({"keep_answer": True} if self.keep_answer else {})
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    def act(self, seconds: float) -> OnceEvent:
        """Post; what cannot have been heard is refused, what may have been is unknown."""
        from drs_provider.triggers.webhook import post

        heard = post(self.http_conn_id, self.payload.encode(), event_id=self.event_id, seconds=seconds)
        kept = self.keep_answer
        return OnceEvent(
            outcome=heard.outcome,
            succeeded=heard.succeeded,
            summary=f"{heard.summary}: {heard.said}" if kept and heard.said else heard.summary,
            output=heard.output if kept else "",
        )


def unknown(why: str) -> OnceEvent:
    """Say that nobody knows whether it was done."""
    return OnceEvent(outcome="unknown", succeeded=False, summary=why, output="")


def refused(why: str) -> OnceEvent:
    """Say that it was not done."""
    return OnceEvent(outcome="refused", succeeded=False, summary=why, output="")
