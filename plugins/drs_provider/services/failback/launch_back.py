"""Launching recovered servers in their origin: each in one job, and in one only."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from drs_provider import clock
from drs_provider.exceptions import RunRefused
from drs_provider.formatting import MANY, some
from drs_provider.rules.failback.circle import ReplicationPlace
from drs_provider.rules.failback.launchable import Launchable, going_back, launchable
from drs_provider.rules.run.connection import AwsArguments
from drs_provider.rules.run.handover import Launch, LaunchedJob
from drs_provider.services.failback.read import CircleReader, CirclesRead
from drs_provider.services.launch.existing_instances import existing_instances
from drs_provider.services.launch.launch_memory import Memory
from drs_provider.services.launch.start_jobs import JobStart, MustWait, Request, begun_jobs

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook

_STOPPED = "stopped"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackTarget:
    """Servers of one origin, and the FAILBACK servers that are launched for them.

    :ivar servers: FAILBACK server by the id of the server that it goes back for
    :ivar launched: those of them that a job launches already
    :ivar back: those of them that run there already
    """

    place: ReplicationPlace
    servers: Mapping[str, str]
    launched: frozenset[str] = frozenset()
    back: frozenset[str] = frozenset()


@dataclass(frozen=True)
class BackLaunch:
    """The jobs in one origin.

    :ivar servers: FAILBACK server by the id of the server that it goes back for; the server itself where its failback
        client is converted
    :ivar already: instance by the id of every server that runs there and that no job of this launch has launched
    """

    place: ReplicationPlace
    aws: AwsArguments
    jobs: tuple[LaunchedJob, ...]
    servers: Mapping[str, str] = field(default_factory=dict)
    already: Mapping[str, str] = field(default_factory=dict)

    @property
    def launch(self) -> Launch:
        """The same as a start task leaves it, for those who watch its jobs."""
        return Launch(jobs=self.jobs, aws_conn_id=self.aws["aws_conn_id"], region=self.place.region)


def targets_back(read: CirclesRead, *, is_drill: bool) -> tuple[BackTarget, ...]:
    """Return where the servers of a look are launched, one target for each origin.

    :raises RunRefused: some may not be launched; it names all of them, and nothing was called
    """
    found = {
        server_id: launchable(state, read.circles[server_id], "drill" if is_drill else "failback")
        for server_id, state in read.states.items()
    }
    ensure_launchable(read, found)
    by_place: defaultdict[ReplicationPlace, dict[str, str]] = defaultdict(dict)
    for server_id, state in read.states.items():
        by_place[read.origin_of(server_id) or read.place][server_id] = state.failback_server
    return tuple(
        BackTarget(
            place,
            servers,
            launched=frozenset(name for name in servers if found[name].is_launched),
            back=frozenset(name for name in servers if found[name].is_back),
        )
        for place, servers in by_place.items()
    )


def ensure_launchable(read: CirclesRead, found: Mapping[str, Launchable]) -> None:
    """Refuse servers that may not be launched, all at once. Raises RunRefused."""
    against = [f"{read.name_of(name)}: {answer.why_not}" for name, answer in found.items() if answer.why_not]
    if against:
        raise RunRefused(
            f"{len(against)} of {len(found)} servers cannot be launched in their origin, and nothing was started: "
            f"{some(against, MANY, '; ')}"
        )


def begun_back(memory: Memory, read: CirclesRead) -> dict[str, str]:
    """Return the servers that a start has begun to launch, or was about to; with why they cannot be handed on.

    :return: by server id; empty words: its job can be handed on, and looked for where its answer was lost
    """
    ids = {server for job in memory.jobs() for server in job.servers}
    ids |= {server for intent in memory.intents() for server in intent.servers}
    held = memory.held()
    return {
        name: "" if name in held else going_back(state, read.circles[name]).why_not
        for name, state in read.states.items()
        if ids & {name, state.failback_server}
    }


def with_earlier(launched: Sequence[BackLaunch], earlier: Sequence[BackLaunch]) -> tuple[BackLaunch, ...]:
    """Add launches of an earlier look that a later one, which waits for something in their place, does not tell of."""
    told = {name for each in launched for name in (*each.servers, *each.already)}
    return (*launched, *(each for each in earlier if not told & {*each.servers, *each.already}))


@dataclass
class LaunchBack:
    """One try of launching servers in their origins; ``look`` may be called again after a wait, in a new process too.

    Underneath, every origin's jobs are started by :class:`~drs_provider.services.launch.start_jobs.JobStart`: tags,
    adoption, the origin's quotas, no launch over a live instance, and no drill into an existing one.

    :param request: as for a recovery; its servers are those that are protected in the recovery Region
    """

    reader: CircleReader
    memory: Memory
    request: Request
    now: Callable[[], datetime] = clock.now
    sleep: Callable[[float], None] = clock.sleep
    ended: Callable[[], bool] = lambda: False
    """Asked before every job: whether a person wants nothing more to be started."""
    is_of_one_origin: bool = False
    """Whether servers of several origins are refused."""
    points: "Callable[[DrsHook, Sequence[str]], Mapping[str, str]] | None" = None
    """Gives the recovery points of FAILBACK servers, asked right before a start; None: the most recent data."""
    waits_in: AwsArguments | None = None
    """Where the jobs are that the last look waits for."""

    def look(self, attempt: int | None = None) -> tuple[BackLaunch, ...] | MustWait:
        """Adopt what exists and start what does not; return the jobs, or what to wait for.

        :param attempt: the number of the attempt, where the caller counts them; None: the memory does
        :raises RunRefused: some may not be launched; nothing was started
        """
        read = self.reader.read(self.request.servers)
        read.ensure_answered()
        targets = targets_back(read, is_drill=self.request.is_drill)
        if self.is_of_one_origin and len(targets) > 1:
            named = ", ".join(f"{target.place.region} of account {target.place.account}" for target in targets)
            raise RunRefused(
                f"the servers come from {named}: launch those of each origin on their own. Nothing was started"
            )
        if not self.request.is_drill:
            for target in targets:
                self._ensure_stopped(read, target)
        launches: list[BackLaunch] = []
        waiting: MustWait | None = None
        for target in targets:
            outcome = self._start(read, target, attempt)
            if isinstance(outcome, MustWait):
                waiting, self.waits_in = outcome, self.reader.aws_in(target.place)
            else:
                launches.append(outcome)
        return waiting or tuple(launches)

    def _start(self, read: CirclesRead, target: BackTarget, attempt: int | None) -> BackLaunch | MustWait:
        """Launch in one origin. What runs there already is nobody's to launch again, unless a job of ours did it."""
        hook, request = self.reader.hook_in(target.place), self._request(target.servers.values())
        ours = {
            back for job in begun_jobs(hook, request, since=None, remembered=self.memory.jobs()) for back in job.servers
        }
        already = {name: read.states[name].failed_back for name in target.back if target.servers[name] not in ours}
        asked = self._request(back for name, back in target.servers.items() if name not in already)
        outcome: tuple[LaunchedJob, ...] | MustWait = ()
        if asked.servers:
            points = partial(self.points, hook) if self.points else None
            start = JobStart(hook, self.memory, asked, now=self.now, sleep=self.sleep, ended=self.ended, points=points)
            outcome = start.run(attempt)
        if isinstance(outcome, MustWait):
            return outcome
        return BackLaunch(target.place, self.reader.aws_in(target.place), outcome, target.servers, already)

    def _request(self, servers: Iterable[str]) -> Request:
        return replace(self.request, servers=tuple(servers))

    def _ensure_stopped(self, read: CirclesRead, target: BackTarget) -> None:
        """Refuse a launch into an instance that is not stopped: it would be overwritten while it runs.

        :raises RunRefused: there are such instances; nothing was started
        """
        fresh = [back for server_id, back in target.servers.items() if server_id not in target.launched | target.back]
        if not fresh:
            return
        hook = self.reader.hook_in(target.place)
        found = existing_instances(
            hook, fresh, configurations=hook.launch_configurations(fresh), sources=hook.source_servers(fresh)
        )
        states = hook.instance_states([into.instance_id for into in found.values() if into.instance_id])
        owners = {back: server_id for server_id, back in target.servers.items()}
        against = [
            f"{read.name_of(owners[back])}: DRS launches it into {into.name}, which is "
            f"{states.get(into.instance_id) or 'unknown to EC2'}"
            for back, into in found.items()
            if states.get(into.instance_id) != _STOPPED
        ]
        if against:
            raise RunRefused(
                "a launch overwrites the instance that it goes into, so it has to be stopped first, and nothing was "
                f"started: {some(against, MANY, '; ')}. Stop these instances in EC2, then clear this task"
            )
