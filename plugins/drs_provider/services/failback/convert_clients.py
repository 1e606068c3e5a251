"""Converting failback clients (servers from data centres): every server in one job, and in one only."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from drs_provider import clock
from drs_provider.exceptions import RunRefused
from drs_provider.rules.answers import Answer
from drs_provider.rules.failback.launchable import convertible
from drs_provider.rules.launch.jobs import OwnJob, holders
from drs_provider.services.failback.launch_back import BackLaunch, ensure_launchable
from drs_provider.services.failback.read import CircleReader, CirclesRead
from drs_provider.services.launch.launch_memory import Memory
from drs_provider.services.launch.start_jobs import JobStart, MustWait, Request, begun_jobs

if TYPE_CHECKING:
    from drs_provider.hooks.failback import FailbackHook
    from drs_provider.services.launch.start_once import Starter


@dataclass(frozen=True)
class ClientStarter:
    """Sends StartFailbackLaunch where a launch sends StartRecovery.

    :ivar instances: the recovered instance of every server, whose failback client is converted
    """

    hook: "FailbackHook"
    instances: Mapping[str, str]

    def jobs_since(self, when: datetime) -> tuple[Answer, ...]:
        """Return all jobs since then."""
        return self.hook.jobs_since(when)

    def start_recovery(
        self,
        server_ids: Sequence[str],
        *,
        is_drill: bool,
        tags: Mapping[str, str],
        snapshot_ids: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send StartFailbackLaunch once.

        :raises RunRefused: a drill or a point in time was asked for: DRS knows neither for failback clients
        """
        if is_drill or snapshot_ids:
            raise RunRefused("a failback client is converted for good and to its latest data; nothing was started")
        return self.hook.start_failback_launch([self.instances[name] for name in server_ids], tags=tags)


@dataclass
class ClientStart(JobStart):
    """A :class:`JobStart` that converts failback clients: the live recovered instance is what they are copied from.

    :ivar launching: servers that some job converts or has converted, by what DRS says of their way back
    """

    instances: Mapping[str, str] = field(default_factory=dict)
    launching: frozenset[str] = frozenset()

    @property
    def starter(self) -> "Starter":
        """What sends the start."""
        from drs_provider.hooks.failback import FailbackHook

        if not isinstance(self.hook, FailbackHook):
            raise TypeError(f"failback clients are converted by a FailbackHook, not {type(self.hook).__name__}")
        return ClientStarter(self.hook, self.instances)

    def _gone(self, ours: Sequence[OwnJob], attempt: int) -> Collection[str] | MustWait:
        """Look for no instance of an earlier attempt: a conversion launches none in AWS."""
        return ()

    def _refuse_to_replace(self, servers: Sequence[str], everything: Sequence[Answer]) -> MustWait | None:
        """Refuse nothing, for a conversion terminates no instance; wait for what DRS does not call converted yet.

        A job that is over holds its server no more, and a second one would convert the machine that production runs on.
        """
        done = [name for name in servers if name in self.launching and not holders(everything, [name])]
        if not done:
            return None
        return MustWait(f"just converted, and DRS does not say so yet: {', '.join(done)}", (), "all")


@dataclass
class ConvertClients:
    """One try of converting failback clients; ``look`` may be called again after a wait, in a new process too.

    :param request: as for a recovery; its servers are those that are protected in the recovery Region
    """

    reader: CircleReader
    memory: Memory
    request: Request
    now: Callable[[], datetime] = clock.now
    sleep: Callable[[float], None] = clock.sleep
    ended: Callable[[], bool] = lambda: False
    """Asked before every job: whether a person wants nothing more to be started."""

    def look(self, attempt: int | None = None) -> BackLaunch | MustWait:
        """Adopt what exists and start what does not; return the jobs, or what to wait for.

        :param attempt: the number of the attempt, where the caller counts them; None: the memory does
        :raises RunRefused: some cannot be converted; nothing was started
        """
        read = self.reader.read(self.request.servers)
        found = {server_id: convertible(state, read.circles[server_id]) for server_id, state in read.states.items()}
        # What a job of this attempt converts, or has failed to, is its to tell: the others wait for nobody's repair.
        held = self.memory.held()
        ensure_launchable(read, {name: answer for name, answer in found.items() if name not in held})
        hook = self.reader.recovery
        # What a job of ours has failed to convert is back by somebody else's: nothing of it is ours to start again.
        jobs = begun_jobs(hook, self.request, since=None, remembered=self.memory.jobs(), with_failed=False)
        ours = {server_id for job in jobs for server_id in job.servers}
        already = {name: "" for name, answer in found.items() if answer.is_back and name not in ours}
        asked = tuple(name for name in self.request.servers if name not in already)
        launch = BackLaunch(read.place, self.reader.aws, (), {name: name for name in asked}, already)
        if not asked:
            return launch
        launching = frozenset(name for name, answer in found.items() if answer.is_launched)
        outcome = self._start(read, asked, launching).run(attempt)
        return outcome if isinstance(outcome, MustWait) else replace(launch, jobs=outcome)

    def _start(self, read: CirclesRead, server_ids: Sequence[str], launching: frozenset[str]) -> ClientStart:
        return ClientStart(
            self.reader.recovery,
            self.memory,
            replace(self.request, servers=tuple(server_ids)),
            now=self.now,
            sleep=self.sleep,
            ended=self.ended,
            instances={server_id: read.states[server_id].recovered for server_id in server_ids},
            launching=launching,
        )
