"""Waiting for what steps have started in SSM: agents, commands, automations."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, TypedDict

from airflow.triggers.base import BaseTrigger, TriggerEvent

from drs_provider import clock
from drs_provider.exceptions import AwsError, DrsProviderError
from drs_provider.formatting import parse_instant
from drs_provider.rules.launch.backoff import pause_after_refusal
from drs_provider.rules.step_answers import AUTOMATION_ENDED, COMMAND_ENDED, AutomationExecution
from drs_provider.triggers.answer_delay import not_before

What = Literal["agents", "commands", "automations"]
PERIOD_SECONDS = 2.0


class StepEvent(TypedDict):
    """``over``: nothing is pending any longer; ``timed_out``; ``refused``: AWS will not answer."""

    outcome: Literal["over", "timed_out", "refused"]
    detail: str


class Watched(TypedDict):
    """Ids of one connection and Region: instances whose agents are awaited, commands or automation executions."""

    aws_conn_id: str | None
    region_name: str | None
    ids: list[str]


class Asks(Protocol):
    """What the trigger asks SSM: ``StepHook``."""

    def online(self, instance_ids: Sequence[str]) -> set[str]:
        """Return those of these instances whose SSM agent answers."""
        ...

    def command_status(self, command_id: str) -> str:
        """Return SSM's status of a command."""
        ...

    def automation(self, execution_id: str) -> AutomationExecution:
        """Return a runbook that has been started."""
        ...


class SsmTrigger(BaseTrigger):
    """Fire when none of some agents, commands or automations is pending any longer. Only asks; changes nothing.

    :param what: what the ids are
    :param watched: the ids, by connection and Region
    :param deadline: ISO instant after which the trigger fires ``timed_out``; survives a restart of the triggerer
    """

    def __init__(self, *, what: What, watched: Sequence[Watched], deadline: str) -> None:
        super().__init__()
        self.what: What = what
        self.watched = list(watched)
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        arguments = {"what": self.what, "watched": [dict(part) for part in self.watched], "deadline": self.deadline}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask until there is something to say, and say it once."""
        began = time.monotonic()
        from drs_provider.hooks.step_services import StepHook

        hooks = [StepHook(aws_conn_id=part["aws_conn_id"], region_name=part["region_name"]) for part in self.watched]
        event = await self.wait(hooks, now=clock.now)
        await not_before(self, began)
        yield TriggerEvent(event)

    async def wait(
        self,
        hooks: Sequence["Asks"],
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = lambda: random.uniform(0.9, 1.1),
    ) -> StepEvent:
        """Ask the hooks, one per ``watched``; throttling and lost answers only slow it down."""
        refusals = 0
        pending = [list(part["ids"]) for part in self.watched]
        while (left := (parse_instant(self.deadline) - now()).total_seconds()) > 0:
            pause = min(PERIOD_SECONDS * jitter(), left)
            try:
                pending = await asyncio.to_thread(self._pending, hooks, pending)
            except DrsProviderError as error:
                if not error.retryable:
                    return StepEvent(outcome="refused", detail=str(error))
                refusals += 1
                retry_after = error.retry_after_seconds if isinstance(error, AwsError) else None
                pause = pause_after_refusal(refusals, retry_after, jitter=jitter())
                self.log.warning("%s; retrying in %.1f s", error, pause)
            else:
                refusals = 0
                if not any(pending):
                    return StepEvent(outcome="over", detail="")
            await sleep(pause)
        return StepEvent(outcome="timed_out", detail=f"deadline {self.deadline}")

    def _pending(self, hooks: Sequence["Asks"], pending: Sequence[list[str]]) -> list[list[str]]:
        return [PENDING[self.what](hook, ids) if ids else [] for hook, ids in zip(hooks, pending, strict=True)]


def _agents(hook: Asks, ids: Sequence[str]) -> list[str]:
    online = hook.online(ids)
    return [instance for instance in ids if instance not in online]


def _commands(hook: Asks, ids: Sequence[str]) -> list[str]:
    return [command for command in ids if hook.command_status(command) not in COMMAND_ENDED]


def _automations(hook: Asks, ids: Sequence[str]) -> list[str]:
    return [run for run in ids if hook.automation(run).get("AutomationExecutionStatus") not in AUTOMATION_ENDED]


PENDING: dict[What, Callable[[Asks, Sequence[str]], list[str]]] = {
    "agents": _agents,
    "commands": _commands,
    "automations": _automations,
}
"""How each of them is asked: ids in, those that are still pending out."""
