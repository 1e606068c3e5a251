"""Waiting for launched recovery instances to run."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict

from airflow.triggers.base import BaseTrigger, TriggerEvent

from drs_provider.errors import AwsError, DrsProviderError
from drs_provider.recovery.polling import pause_after_refusal
from drs_provider.recovery.results import Ready, standing
from drs_provider.recovery.times import instant

PERIOD_SECONDS = 2.0


class DrsInstancesEvent(TypedDict):
    """``settled``: no instance is on its way any longer; ``timed_out``; ``refused``: AWS will not answer."""

    outcome: Literal["settled", "timed_out", "refused"]
    detail: str


class Awaited(TypedDict):
    """Servers of one connection and Region that are waited for: job id by source server id."""

    aws: dict[str, Any]
    jobs: dict[str, str]


class DrsInstancesTrigger(BaseTrigger):
    """Fire when no recovery instance of a launch is still on its way to what the wave waits for.

    :param awaited: the servers that are waited for, by connection and Region
    :param ready: ``launched``, ``running`` or ``status_checks``
    :param deadline: ISO instant after which the trigger fires ``timed_out``
    """

    def __init__(self, *, awaited: Sequence[Awaited], ready: Ready, deadline: str) -> None:
        super().__init__()
        self.awaited = list(awaited)
        self.ready: Ready = ready
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"awaited": [dict(one) for one in self.awaited], "ready": self.ready, "deadline": self.deadline},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask until there is something to say, and say it once."""
        from drs_provider.aws.hook import DrsHook

        hooks = [DrsHook(**one["aws"], patience=0) for one in self.awaited]
        yield TriggerEvent(await self.wait(hooks, now=lambda: datetime.now(UTC)))

    async def wait(
        self,
        hooks: Sequence[Any],
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = lambda: random.uniform(0.9, 1.1),
    ) -> DrsInstancesEvent:
        """Ask the hooks, one per ``awaited``, until nothing is pending; what may pass only slows it down."""
        refusals = 0
        while now() < instant(self.deadline):
            try:
                pending = await asyncio.to_thread(self._pending, hooks)
            except DrsProviderError as error:
                if not error.retryable:
                    return DrsInstancesEvent(outcome="refused", detail=str(error))
                refusals += 1
                retry_after = error.retry_after_seconds if isinstance(error, AwsError) else None
                pause = pause_after_refusal(refusals, retry_after, jitter=jitter())
                self.log.warning("%s; asking again in %.1f s", error, pause)
                await sleep(pause)
                continue
            if not pending:
                return DrsInstancesEvent(outcome="settled", detail="")
            refusals = 0
            await sleep(PERIOD_SECONDS * jitter())
        return DrsInstancesEvent(outcome="timed_out", detail=f"deadline {self.deadline}")

    def _pending(self, hooks: Sequence[Any]) -> list[str]:
        pairs = zip(hooks, self.awaited, strict=True)
        return [server for hook, one in pairs for server in self._pending_in(hook, one["jobs"])]

    def _pending_in(self, hook: Any, jobs: Mapping[str, str]) -> list[str]:
        answer = hook.recovery_instances(source_server_ids=list(jobs))
        instances = {i["sourceServerID"]: i for i in answer if i.get("jobID") == jobs.get(i["sourceServerID"])}
        running = [i["ec2InstanceID"] for i in instances.values() if i.get("ec2InstanceState") == "RUNNING"]
        unhealthy = hook.unhealthy_instances(running) if self.ready == "status_checks" else {}
        return [
            server
            for server in jobs
            if standing(
                instance := instances.get(server),
                ready=self.ready,
                stopped_on_purpose=False,
                unhealthy=(instance or {}).get("ec2InstanceID") in unhealthy,
            )
            == "pending"
        ]
