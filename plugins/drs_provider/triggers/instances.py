"""Waiting for launched recovery instances to run."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NotRequired, TypedDict

from airflow.triggers.base import BaseTrigger, TriggerEvent

from drs_provider import clock
from drs_provider.exceptions import AwsError, DrsProviderError
from drs_provider.formatting import parse_instant
from drs_provider.rules.launch.backoff import pause_after_refusal
from drs_provider.rules.launch.results import Ready, instance_state
from drs_provider.rules.run.connection import AwsArguments
from drs_provider.rules.settings.launch_actions import still_running
from drs_provider.triggers.answer_delay import not_before
from drs_provider.triggers.instance_poller import InstanceDesk, desk_for

_STOPPED: Final = ("STOPPED", "STOPPING")


class DrsInstancesEvent(TypedDict):
    """``settled``: no instance is on its way any longer; ``near``: none will be before long; ``timed_out``;
    ``refused``: AWS will not answer. ``at``: when that was seen, as an ISO instant.
    """

    outcome: Literal["settled", "near", "timed_out", "refused"]
    detail: str
    at: NotRequired[str]


class Awaited(TypedDict):
    """Servers of one connection and Region that are waited for: job id by source server id."""

    aws: AwsArguments
    jobs: dict[str, str]


class DrsInstancesTrigger(BaseTrigger):
    """Fire when no recovery instance of a launch is still on its way to what the wave waits for.

    All triggers of one connection and Region in a triggerer that wait for the same share one question per period.

    :param awaited: the servers that are waited for, by connection and Region
    :param ready: ``launched``, ``running`` or ``status_checks``
    :param deadline: ISO instant after which the trigger fires ``timed_out``
    :param shown_by: ISO instant after which an instance that DRS does not show is not awaited any longer; None: it is
        until the deadline
    :param look_at: ISO instant at which the trigger fires ``settled``, and not before, whatever is still on its way;
        None: it fires once nothing is
    :param stopped_until: ISO instant until which a stopped instance is on its way: its start was accepted just now
    :param near_at: ISO instant at which the trigger fires ``near``, whatever is still on its way: whoever waits
        goes on waiting in a process of its own, and loses no time; None: it does not
    """

    def __init__(
        self,
        *,
        awaited: Sequence[Awaited],
        ready: Ready,
        deadline: str,
        shown_by: str | None = None,
        look_at: str | None = None,
        stopped_until: str | None = None,
        near_at: str | None = None,
    ) -> None:
        super().__init__()
        self.near_at = near_at
        self.shown_by, self.look_at, self.stopped_until = shown_by, look_at, stopped_until
        self.awaited = list(awaited)
        self.ready: Ready = ready
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "awaited": [dict(part) for part in self.awaited],
                "ready": self.ready,
                "deadline": self.deadline,
                "shown_by": self.shown_by,
                "look_at": self.look_at,
                "stopped_until": self.stopped_until,
                **({"near_at": self.near_at} if self.near_at else {}),
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask until there is something to say, and say it once."""
        began = time.monotonic()
        desks = [desk_for(part["aws"], self.ready) for part in self.awaited]
        event = await self.wait(desks, now=clock.now)
        event["at"] = clock.now().isoformat()
        await not_before(self, began)
        yield TriggerEvent(event)

    async def wait(
        self,
        desks: Sequence[InstanceDesk],
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = lambda: random.uniform(0.9, 1.1),
    ) -> DrsInstancesEvent:
        """Ask the desks, one per ``awaited``, until nothing is pending; what may pass only slows it down."""
        refusals = 0
        while now() < parse_instant(self.deadline):
            try:
                is_late = self.shown_by is not None and now() >= parse_instant(self.shown_by)
                is_starting = self.stopped_until is not None and now() < parse_instant(self.stopped_until)
                pending = [
                    server
                    for desk, part in self._pairs(desks)
                    for server in await self._pending_in(desk, part, is_late=is_late, is_starting=is_starting)
                ]
            except DrsProviderError as error:
                if not error.retryable:
                    return DrsInstancesEvent(outcome="refused", detail=str(error))
                refusals += 1
                retry_after = error.retry_after_seconds if isinstance(error, AwsError) else None
                pause = pause_after_refusal(refusals, retry_after, jitter=jitter())
                self.log.warning("%s; retrying in %.1f s", error, pause)
                await sleep(pause)
                continue
            # While a start that EC2 has refused is to be asked again, nothing is on its way, and it is not time yet.
            if not pending if self.look_at is None else now() >= parse_instant(self.look_at):
                return DrsInstancesEvent(outcome="settled", detail="")
            if self.near_at is not None and self.look_at is None and now() >= parse_instant(self.near_at):
                return DrsInstancesEvent(outcome="near", detail="")
            refusals = 0
            await sleep(max(desk.period for desk in desks) * jitter())
        return DrsInstancesEvent(outcome="timed_out", detail=f"deadline {self.deadline}")

    def _pairs(self, desks: Sequence[InstanceDesk]) -> Iterator[tuple[InstanceDesk, Awaited]]:
        return zip(desks, self.awaited, strict=True)

    async def _pending_in(
        self, desk: InstanceDesk, part: Awaited, *, is_late: bool, is_starting: bool = False
    ) -> list[str]:
        jobs = part["jobs"]
        found = await desk.ask(list(jobs))
        instances = {
            instance["sourceServerID"]: instance
            for instance in found.instances
            if instance.get("jobID") == jobs.get(instance["sourceServerID"])
        }
        starting = [server for server, item in instances.items() if item.get("ec2InstanceState") in _STOPPED]
        pending = starting if is_starting else []
        pending += [
            server
            for server in jobs
            if not (is_late and server not in instances)
            and instance_state(
                instance := instances.get(server),
                ready=self.ready,
                stopped_on_purpose=False,
                unhealthy=(instance or {}).get("ec2InstanceID") in found.unhealthy,
            )
            == "pending"
        ]
        return pending or await self._acting(desk, jobs)

    @staticmethod
    async def _acting(desk: InstanceDesk, jobs: Mapping[str, str]) -> list[str]:
        """Return the servers whose launch actions still run: whether a job ends after them is not documented."""
        return [
            server["sourceServerID"]
            for job in await desk.jobs(list(dict.fromkeys(jobs.values())))
            for server in job.get("participatingServers", ())
            if jobs.get(server["sourceServerID"]) == job["jobID"] and still_running(server)
        ]
