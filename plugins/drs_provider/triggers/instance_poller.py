"""One look at recovery instances per account, Region and period, for all triggers of this triggerer process."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from drs_provider.exceptions import CredentialsExpired
from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.results import Ready
from drs_provider.rules.run.connection import AwsArguments
from drs_provider.triggers.job_poller import asker as asker_of_jobs

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook

PERIOD_SECONDS = 2.0
"""Pause between two looks for each full batch of servers: many servers are asked for less often, not in more calls."""

BATCH = 200
"""Servers that one DescribeRecoveryInstances takes (drs-api, quotas)."""


@dataclass(frozen=True)
class Look:
    """What AWS said: recovery instances as DRS describes them, and those whose status checks are not passed."""

    instances: Sequence[Answer]
    unhealthy: Mapping[str, str]


Ask = Callable[[Sequence[str]], Look]
"""Blocking: source server ids in; raises the errors of ``drs_provider.exceptions``."""

AskJobs = Callable[[Sequence[str]], Sequence[Answer]]
"""Blocking: job ids in, the jobs out; raises the same errors."""


def _loop_time() -> float:
    """Return the seconds of the event loop: a rehearsal's own, where one is rehearsed, as the pauses between looks."""
    return asyncio.get_running_loop().time()


class InstanceDesk:
    """Answers everybody who asks within a period from one look at all servers that anybody asked for lately.

    Must be used from one event loop. An error goes to the one whose question met it; the next one looks again.
    """

    def __init__(self, ask: Ask, *, ask_jobs: AskJobs | None = None, clock: Callable[[], float] | None = None) -> None:
        self._ask, self._ask_jobs = ask, ask_jobs
        self._clock = clock or _loop_time
        self._lock = asyncio.Lock()
        self._waiting: Counter[str] = Counter()
        self._answered: set[str] = set()
        """Servers that were asked for since the last look: those who asked will ask again within the period."""
        self._look, self._covered, self._looked_at = Look((), {}), frozenset[str](), float("-inf")
        self.period = PERIOD_SECONDS

    async def ask(self, servers: Iterable[str]) -> Look:
        """Return a look at these servers (and perhaps others) that is no older than half a period."""
        mine = frozenset(servers)
        self._waiting.update(mine)
        try:
            async with self._lock:
                is_fresh = self._clock() - self._looked_at < self.period / 2
                if not (is_fresh and mine <= self._covered):
                    await self._look_again()
                self._answered |= mine
                return self._look
        finally:
            self._waiting.subtract(mine)

    async def jobs(self, job_ids: Sequence[str]) -> Sequence[Answer]:
        """Return these jobs, asked anew: for what is ready but for the launch actions that may still run."""
        return await asyncio.to_thread(self._ask_jobs, job_ids) if self._ask_jobs else ()

    async def _look_again(self) -> None:
        wanted = sorted(self._answered | set(+self._waiting))
        self._look = await asyncio.to_thread(self._ask, wanted)
        self._covered, self._looked_at = frozenset(wanted), self._clock()
        self._answered = set()
        self.period = PERIOD_SECONDS * ceil(len(wanted) / BATCH)


_DESKS: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, InstanceDesk]]" = WeakKeyDictionary()


def desk_for(aws: AwsArguments, ready: Ready) -> InstanceDesk:
    """Return the desk that triggers with these connection parameters which wait for the same share in this loop."""
    desks = _DESKS.setdefault(asyncio.get_running_loop(), {})
    key = json.dumps([dict(aws), ready == "status_checks"], sort_keys=True, default=str)
    if key not in desks:
        ask = asker(aws, with_status_checks=ready == "status_checks")
        desks[key] = InstanceDesk(ask, ask_jobs=asker_of_jobs(aws))
    return desks[key]


def asker(aws: AwsArguments, *, with_status_checks: bool) -> Ask:
    """Return a function that asks through a hook of these parameters; a session that ended is replaced by a new one."""
    hooks: list[DrsHook] = []

    def ask(servers: Sequence[str]) -> Look:
        from drs_provider.hooks.drs import DrsHook

        if not hooks:
            hooks.append(DrsHook(**aws, patience=0))
        try:
            instances = hooks[0].recovery_instances(source_server_ids=servers)
            running = [
                instance["ec2InstanceID"] for instance in instances if instance.get("ec2InstanceState") == "RUNNING"
            ]
            return Look(instances, hooks[0].unhealthy_instances(running) if with_status_checks else {})
        except CredentialsExpired:
            hooks.clear()
            raise

    return ask
