"""Waiting until nothing speaks against launching source servers."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from airflow.triggers.base import BaseTrigger, TriggerEvent

from drs_provider import clock
from drs_provider.exceptions import AwsError, DrsProviderError
from drs_provider.formatting import parse_instant
from drs_provider.rules.findings import Finding
from drs_provider.rules.launch.backoff import pause_after_refusal
from drs_provider.rules.launch.conflicts import unseen_jobs
from drs_provider.rules.launch.jobs import LONGEST_JOB, holders
from drs_provider.rules.launch.live_instances import Replacing, origins_of
from drs_provider.rules.launch.readiness import assess
from drs_provider.rules.purpose import purpose_of
from drs_provider.rules.run.connection import AwsArguments
from drs_provider.triggers.answer_delay import not_before

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook


class DrsReadinessEvent(TypedDict):
    """``ready``, ``timed_out`` or ``refused`` (AWS will not answer), with the findings of the last look as text."""

    outcome: Literal["ready", "timed_out", "refused"]
    servers: list[str]
    refusals: list[str]
    warnings: list[str]


class DrsReadinessTrigger(BaseTrigger):
    """Fire when no finding refuses a launch of the servers any longer.

    :param server_ids: source servers to look at
    :param mode: ``drill`` or ``recovery``
    :param max_lag_seconds: the most lag allowed; None: any
    :param replace_live_instances: whether live recovered instances only warn
    :param replace_drills: whether drill instances that others launched only warn
    :param dag_id: the DAG whose own drill instances are no others'
    :param aws: keyword arguments of the hook, as one
    :param deadline: ISO instant after which the trigger fires ``timed_out``
    :param poll_seconds: pause between two looks
    """

    def __init__(
        self,
        *,
        server_ids: Sequence[str],
        mode: str,
        max_lag_seconds: float | None,
        replace_live_instances: bool,
        aws: AwsArguments,
        deadline: str,
        poll_seconds: float,
        replace_drills: bool = False,
        dag_id: str = "",
    ) -> None:
        super().__init__()
        self.server_ids = list(server_ids)
        self.mode = mode
        self.max_lag_seconds = max_lag_seconds
        self.replace_live_instances = replace_live_instances
        self.aws = aws
        self.deadline = deadline
        self.poll_seconds = poll_seconds
        self.replace_drills = replace_drills
        self.dag_id = dag_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        names = (
            "server_ids",
            "mode",
            "max_lag_seconds",
            "replace_live_instances",
            "aws",
            "deadline",
            "poll_seconds",
            "replace_drills",
            "dag_id",
        )
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until there is something to say, and say it once."""
        began = time.monotonic()
        from drs_provider.hooks.drs import DrsHook

        event = await self.wait(DrsHook(**self.aws, patience=0), now=clock.now)
        await not_before(self, began)
        yield TriggerEvent(event)

    async def wait(
        self,
        hook: "DrsHook",
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = lambda: random.uniform(0.9, 1.1),
    ) -> DrsReadinessEvent:
        """Look until nothing refuses a launch; what may pass (throttling, a lost connection) only slows it down."""
        refusals, said = 0, [f"not looked at before {self.deadline}"]
        while True:
            try:
                findings = await asyncio.to_thread(self.look, hook, now())
            except DrsProviderError as error:
                if not error.retryable:
                    return self._event("refused", [str(error)])
                refusals += 1
                retry_after = error.retry_after_seconds if isinstance(error, AwsError) else None
                pause, said = pause_after_refusal(refusals, retry_after, jitter=jitter()), [str(error)]
                self.log.warning("%s; retrying in %.1f s", error, pause)
            else:
                refusals, pause = 0, self.poll_seconds * jitter()
                against = [str(finding) for finding in findings if finding.severity == "refusal"]
                if not against:
                    return self._event("ready", [], [str(finding) for finding in findings])
                if against != said:
                    self.log.info("Not ready yet:\n%s", "\n".join(f"  {line}" for line in against))
                said = against
            if now() + timedelta(seconds=pause) >= parse_instant(self.deadline):
                return self._event("timed_out", said)
            await sleep(pause)

    def look(self, hook: "DrsHook", now: datetime) -> tuple[Finding, ...]:
        """Ask AWS about every server, and return everything that was found."""
        servers = {source["sourceServerID"]: source for source in hook.source_servers(self.server_ids)}
        known = [server for server in self.server_ids if server in servers]
        instances = hook.recovery_instances(source_server_ids=known) if known else ()
        jobs = hook.jobs_since(now - LONGEST_JOB)
        older = unseen_jobs(instances, jobs)
        known_jobs = [*jobs, *(hook.jobs(older) if older else ())]
        replacing = Replacing(
            replace_live_instances=self.replace_live_instances,
            replace_drills=self.replace_drills,
            origins=origins_of(instances, known_jobs, servers.values()),
            own_plan=self.dag_id,
        )
        max_lag = timedelta(seconds=self.max_lag_seconds) if self.max_lag_seconds is not None else None
        return tuple(
            finding
            for server in self.server_ids
            for finding in assess(
                servers.get(server),
                asked_id=server,
                purpose=purpose_of(self.mode),
                newest_snapshot=hook.newest_recovery_snapshot(server) if server in servers else None,
                busy_job=next((job["jobID"] for job in holders(jobs, [server])), None),
                live_instances=[found for found in instances if found.get("sourceServerID") == server],
                max_lag=max_lag,
                now=now,
                replacing=replacing,
            )
        )

    def _event(
        self, outcome: Literal["ready", "timed_out", "refused"], refusals: list[str], warnings: Sequence[str] = ()
    ) -> DrsReadinessEvent:
        return DrsReadinessEvent(outcome=outcome, servers=self.server_ids, refusals=refusals, warnings=list(warnings))
