"""The rounds of a wave: what was launched so far, what is launched next, and what its instances are like."""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol

from drs_provider.exceptions import PlanChanged, QuotaExceeded
from drs_provider.formatting import duration, parse_instant
from drs_provider.rules.launch.next_launch import (
    Judge,
    LaunchNext,
    NextLaunch,
    Try,
    WaveProgress,
    newest,
    next_step,
)
from drs_provider.rules.launch.recovery_points import Point
from drs_provider.rules.launch.results import Allows, ServerResult
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.run.handover import (
    PLACES,
    FollowedJob,
    FollowedJobs,
    InstanceCheck,
    InstanceChecks,
    LaterLaunches,
    Launch,
    LaunchedJob,
    PinnedPoints,
    PreflightResult,
    PreflightServer,
    PreflightTarget,
    Tries,
    WaitingSince,
    WaveDeadline,
)
from drs_provider.rules.run.roster import Target
from drs_provider.rules.settings.values import Settings, shown
from drs_provider.services.launch.instance_protection import look_after
from drs_provider.services.launch.launch_memory import Memory
from drs_provider.services.launch.never_started import StartProofs
from drs_provider.services.launch.recovery_points import Pinning
from drs_provider.services.launch.start_jobs import JobStart, MustWait, Request, begun_jobs, looked_for_since
from drs_provider.services.settings.apply import apply_all
from drs_provider.services.store import Store, load, save

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook

MAX_WAIT = timedelta(hours=6)
"""How long a wave waits for room to launch what comes next."""


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TargetLaunch:
    """What a wave has launched in one account and Region.

    :param launch: what its start handed over, with the jobs that were started there since
    :param part: what preflight found for the wave there
    :param start_task_id: the task that started it
    """

    launch: Launch
    part: PreflightTarget
    start_task_id: str = ""

    @property
    def target(self) -> Target:
        """The account and Region as preflight and the wiring of tasks name them."""
        return self.part.target


@dataclass(frozen=True)
class WaveRun:
    """The run that a wave belongs to. ``began``: start of the run, as Airflow knows it."""

    dag_id: str
    run_id: str
    began: datetime | None


class LaunchGuard(Protocol):
    """What only the wave's task knows: orders of people, and what other tasks of the run have left."""

    def order(self) -> str | None:
        """Say why a person has ended the wave; None: nobody has."""
        ...

    def ensure_not_taken_over(self, hook: "LaunchSettingsHook") -> None:
        """Raise RunRefused where a recovery has begun on servers of this drill."""
        ...

    def ensure_may_launch(self, server_ids: Sequence[str]) -> None:
        """Raise where servers may not be launched any more, whatever they are launched with."""
        ...

    def ensure_safe(self, launched: TargetLaunch, hook: "LaunchSettingsHook", settings: Mapping[str, Settings]) -> None:
        """Raise where these servers, launched with these settings, could land elsewhere than they were asked to."""
        ...

    def in_this_run(self, launched: TargetLaunch, settings: Mapping[str, Settings]) -> Mapping[str, Settings]:
        """Return settings as this run applies them: a drill's stay inside its network."""
        ...

    def marks(self, launched: TargetLaunch) -> Mapping[str, str]:
        """Return the tags that say whose temporary launch settings a server has."""
        ...

    def ensure_may_start(self, launched: TargetLaunch, hook: "LaunchSettingsHook") -> None:
        """Raise where no prepared instance may be started there any more."""
        ...


@dataclass(frozen=True)
class NoRoom:
    """Nothing could be launched now: what has to be waited for, and where."""

    wait: MustWait
    launched: TargetLaunch


@dataclass(frozen=True)
class NothingStarted:
    """A round was launched and no job came of it: the wave cannot get any further by trying again."""


@dataclass
class WaveRounds:
    """One wave of one run, as its task knows it on one leg; everything that must last lies in the store.

    :param launches: what the wave's start tasks handed over, by task id
    :param digest: of the plan as it is now; the run may have been started with another
    :param retries: how often a failed server may be launched again
    :param hook_of: makes the hook of a launch's account and Region
    :param clock: what time it is
    :param max_tries: of the task, as Airflow counts them: a cleared one has more, and begins anew
    :param proven: in a migration, the recovery points that were seen to hold all that was written
    """

    plan: str
    wave: str
    digest: str
    retries: int
    run: WaveRun
    preflight: PreflightResult
    launches: Mapping[str, Launch]
    store: Store
    memory: Memory
    guard: LaunchGuard
    hook_of: "Callable[[Launch], LaunchSettingsHook]"
    clock: Callable[[], datetime]
    max_tries: int = 0
    proven: Mapping[str, Point] = field(default_factory=dict)
    _protected: set[str] = field(default_factory=set, init=False, repr=False)

    @cached_property
    def servers(self) -> tuple[PreflightServer, ...]:
        """Everything that preflight found for the wave, in all its accounts and Regions."""
        return self.preflight.wave(self.wave).servers

    @cached_property
    def purpose(self) -> Purpose:
        """What the run is for."""
        return self.preflight.purpose

    @property
    def started(self) -> tuple[TargetLaunch, ...]:
        """What was launched so far, with the jobs of later rounds."""
        later: dict[tuple[str | None, str], list[FollowedJob]] = defaultdict(list)
        for job in self._followed.values():
            later[job.aws_conn_id, job.region].append(job)
        found = []
        for task, launch in self.launches.items():
            jobs = later.pop((launch.aws_conn_id, launch.region), [])
            fresh = [_launched(job) for job in jobs if job.job_id not in launch.job_ids]
            whole = launch.model_copy(update={"jobs": (*launch.jobs, *fresh)})
            found.append(TargetLaunch(whole, self._part_of(launch), task))
        for (conn, region), jobs in later.items():
            launch = Launch(aws_conn_id=conn, region=region, jobs=tuple(map(_launched, jobs)))
            found.append(TargetLaunch(launch, self._part_of(launch)))
        return tuple(found)

    @property
    def watched(self) -> tuple[Launch, ...]:
        """The same, but every job with those servers only that no later job holds: their outcome is its to decide."""
        started = self.started
        holder = newest([job for launched in started for job in launched.launch.jobs])

        def narrowed(job: LaunchedJob) -> LaunchedJob:
            mine = tuple(server for server in job.servers if holder[server].job_id == job.job_id)
            return job.model_copy(update={"servers": mine})

        return tuple(
            launched.launch.model_copy(update={"jobs": tuple(map(narrowed, launched.launch.jobs))})
            for launched in started
        )

    def beside_relaunches(self, running: Collection[str] | None) -> tuple[Launch, ...]:
        """Return what is watched without jobs that run, where each of these launches servers again that had failed.

        :param running: the jobs that are not known to have ended; None: nobody knows
        :return: none where another job runs, too
        """
        jobs = [job for launch in self.watched for job in launch.jobs]
        if running is None or any(job.job_id in running and job.attempt <= self.base for job in jobs):
            return ()
        return tuple(
            launch.model_copy(update={"jobs": tuple(job for job in launch.jobs if job.job_id not in running)})
            for launch in self.watched
            if not {*launch.job_ids} <= {*running}
        )

    def next_step(
        self, results: Sequence[ServerResult], *, allows: Allows, order: str | None = None, stopped: str | None = None
    ) -> LaunchNext | Judge:
        """Decide what the wave does next, once nothing of it runs; see :func:`next_launch.next_step`.

        What is launched again is logged and kept, so that a later leg knows it.

        :param order: why a person has ended the wave, as the guard said
        :param stopped: why nothing more is launched although nobody has ended the wave
        """
        changed = PlanChanged(self.plan, self.preflight.digest, self.digest)
        progress = self.progress(results, allows)
        base, kept = self.base, progress.retries_over_instance
        step = next_step(
            replace(
                progress,
                never_started=frozenset() if kept else StartProofs(self).never_started(results),
                order=order,
                plan_changed=str(changed) if self.preflight.digest != self.digest else None,
                stopped=stopped,
            )
        )
        if chosen := step if isinstance(step, LaunchNext) else step.withheld:
            self._keep_tries(chosen, base, results)
        if isinstance(step, Judge) and step.withheld:
            log.error("%s", changed)
        return step

    def progress(self, results: Sequence[ServerResult], allows: Allows) -> WaveProgress:
        """Say how far the wave is, while none of its jobs runs."""
        started = self.started
        return WaveProgress(
            servers=self.servers,
            reached={server.server_id for part in self._reached(started) for server in part.servers},
            jobs=[job for launched in started for job in launched.launch.jobs],
            results=results,
            tries=self._tries_since(self.base),
            base=self.base,
            points=self._points(),
            retries=self.retries,
            retries_over_instance=self.purpose.retries_over_instance,
            allows=allows,
        )

    @property
    def base(self) -> int:
        """The attempt that the wave's start handed over: what was launched again since has a higher one."""
        return max(launch.attempt for launch in self.launches.values())

    @cached_property
    def prepared(self) -> frozenset[str]:
        """The ids of the wave's servers whose instances are stopped on purpose until the wave starts them.

        Also of those that this run launches in the wave's turn: it may go on with a run that launched them ahead.
        """
        return frozenset(server.server_id for server in self.servers if server.ahead or server.is_started)

    def deadline(self, timeout: timedelta) -> datetime:
        """Return until when the wave's launches may take, all rounds together; kept from the first time it is asked.

        :param timeout: how long they may take; time in which the wave waits for room does not count
        """
        known, now = load(self.store, WaveDeadline), self.clock()
        if known is None or known.max_tries != self.max_tries:
            known = WaveDeadline(max_tries=self.max_tries, at=now + timeout)
            save(self.store, known)
        return known.at + self._waited(now)

    def _waited(self, now: datetime) -> timedelta:
        waiting = load(self.store, WaitingSince)
        return now - waiting.since if waiting and waiting.since else timedelta(0)

    def _end_wait(self) -> None:
        """Add the wait for room that is over to the wave's time."""
        known = load(self.store, WaveDeadline)
        if known and (waited := self._waited(self.clock())):
            save(self.store, known.model_copy(update={"at": known.at + waited}))
        save(self.store, WaitingSince())

    def launch(self, launches: Iterable[NextLaunch]) -> NoRoom | NothingStarted | None:
        """Launch servers in their accounts and Regions; give back what to wait for where nothing was started.

        What found no room is launched after the wait for what did.
        """
        known = {job_id for launched in self.started for job_id in launched.launch.job_ids}
        begun, full = False, None
        for launch in launches:
            for part in self.preflight.wave(self.wave).targets:
                launched = self._launched_in(part)
                servers = [server.server_id for server in part.servers if server.server_id in launch.server_ids]
                if not servers or launched is None:
                    continue
                wait = self._launch_in(launched, servers, launch)
                begun, full = begun or wait is None, NoRoom(wait, launched) if wait else full
        if full and not begun:
            return full
        self._end_wait()
        if full or not known.issuperset(self._followed):
            return None
        return NothingStarted()

    def wait_for_room(self, wait: MustWait) -> None:
        """Remember since when the wave waits for room.

        :raises QuotaExceeded: it has waited for :data:`MAX_WAIT`
        """
        now, known = self.clock(), load(self.store, WaitingSince)
        since = (known and known.since) or now
        if now - since > MAX_WAIT:
            raise QuotaExceeded("StartRecovery", "WaitedTooLong", f"waited {duration(now - since)}: {wait.why}")
        save(self.store, WaitingSince(since=since))

    def follow_begun(self) -> bool:
        """Take up what a launch of this task has started while the rest of it waited for room; say whether any."""
        started, remembered = self.started, self.memory.jobs()
        known = {job_id for launched in started for job_id in launched.launch.job_ids}
        fresh = [
            _followed(job, launched.launch)
            for launched in started
            for job in begun_jobs(
                self.hook_of(launched.launch),
                self._request(launched, [server.server_id for server in launched.part.servers]),
                since=self.run.began,
                remembered=remembered,
            )
            if job.job_id not in known
        ]
        if fresh:
            self._follow(fresh)
        return bool(fresh)

    def look_after_instances(self, results: Sequence[ServerResult]) -> tuple[tuple[ServerResult, ...], InstanceChecks]:
        """Protect a recovery's instances, and give up a drill's that are elsewhere than they were asked to be.

        At once, and not in a task of its own: the next wave must not start when this one may be in production.
        """
        tries, found = self._all_tries(), dict[str, InstanceCheck]()
        for launched in self.started:
            wanted = {
                server: {**self._settings_of(server), **(tries[server][-1].settings if tries.get(server) else {})}
                for server in launched.launch.servers
            }
            adjusted = self.guard.in_this_run(launched, wanted)
            checks, errors = look_after(
                self.hook_of(launched.launch), adjusted, launched.launch.job_ids, protected=self._protected
            )
            self._protected |= {str(check.instance_id) for check in checks.values() if check.protected}
            for server, check in checks.items():
                error = errors.get(str(check.instance_id))
                if error and error.retryable:
                    raise error
                found[server] = check.model_copy(update={"not_protected": str(error)}) if error else check
        return tuple(_in_place(result, found.get(result.server_id)) for result in results), InstanceChecks(
            servers=found
        )

    def later_launches(self) -> LaterLaunches | None:
        """Return what was launched after the start, for the report; None: nothing was."""
        parts: dict[tuple[str | None, str], list[LaunchedJob]] = defaultdict(list)
        for job in self._followed.values():
            parts[job.aws_conn_id, job.region].append(_launched(job))
        kept = load(self.store, PinnedPoints)
        points = kept.points if kept else {}
        launches = tuple(
            Launch(aws_conn_id=conn, region=region, jobs=tuple(jobs), points=points)
            for (conn, region), jobs in parts.items()
        )
        return LaterLaunches(launches=launches) if launches else None

    def earlier_tries(self) -> Tries | None:
        """Return what failed before and was launched again, for the report; None: nothing was."""
        tries = {server: known for server, known in self._all_tries().items() if known}
        return Tries(servers=tries) if tries else None

    def tries_of_this_start(self) -> Tries | None:
        """Return what was launched again since the attempt that the wave's start handed over; None: nothing was."""
        kept = load(self.store, Tries)
        return kept if kept and kept.base == self.base and kept.servers else None

    def remember_tries(self, left: Sequence[Tries]) -> None:
        """Keep what other tasks of the wave have launched again, as if this one had.

        Where the wave's start has begun an attempt of its own since, for an instance that was gone or because somebody
        has cleared it, the tries count anew, and the settings with which a server was launched are known all the same.
        """
        servers = {server: known for tries in left for server, known in tries.servers.items()}
        if servers:
            counts = all(tries.base == self.base for tries in left)
            save(self.store, Tries(base=self.base if counts else None, servers=servers))

    def _launch_in(self, launched: TargetLaunch, servers: Sequence[str], launch: NextLaunch) -> MustWait | None:
        """Launch servers of one account and Region, with what is to be different this time; give back a wait."""
        hook = self.hook_of(launched.launch)
        if self.purpose.yields:
            self.guard.ensure_not_taken_over(hook)
        self.guard.ensure_may_launch(servers)
        tries = {server: known[-1] for server, known in self._all_tries().items() if known and server in servers}
        changed = {
            server: {**self._settings_of(server), **last.settings} for server, last in tries.items() if last.settings
        }
        apply_all(
            hook,
            self.guard.in_this_run(launched, changed),
            is_temporary=self.purpose.is_temporary,
            marks=self.guard.marks(launched),
        )
        unchanged = [server for server in servers if server not in changed]
        self.guard.ensure_safe(launched, hook, {server: self._settings_of(server) for server in unchanged})
        before = {server: parse_instant(last.before) for server, last in tries.items() if last.before}
        names = {server.server_id: server.hostname for server in self.servers}
        pinning = Pinning(self.purpose, self.preflight.as_of, names, self.store, before, self.proven)
        start = JobStart(
            hook,
            self.memory,
            replace(self._request(launched, servers), failed=frozenset(servers if launch.again else ())),
            now=self.clock,
            points=partial(pinning.points, hook),
            ended=lambda: self.guard.order() is not None,
            never_started=lambda live: StartProofs(self).still_proven(launched, live) if launch.again else (),
        )
        outcome = start.run(launch.attempt)
        if isinstance(outcome, MustWait):
            return outcome
        self._follow([_followed(job, launched.launch) for job in outcome])
        return None

    def _request(self, launched: TargetLaunch, servers: Sequence[str]) -> Request:
        continued = self.preflight.continue_run
        return Request(
            dag_id=self.run.dag_id,
            run_id=self.run.run_id,
            installation=self.preflight.installation,
            wave=self.wave,
            servers=tuple(servers),
            is_drill=self.purpose.is_drill,
            replace_live_instances=self.preflight.replace_live_instances,
            replace_drills=self.preflight.replace_drills,
            since=looked_for_since(self.run.began, self.clock(), continues=continued),
            continues=continued,
            tags=launched.launch.tags,
            quotas=self.preflight.quotas_of(launched.target),
        )

    @cached_property
    def _followed(self) -> dict[str, FollowedJob]:
        kept = load(self.store, FollowedJobs)
        return {job.job_id: job for job in (kept.jobs if kept else ())}

    def _follow(self, jobs: Iterable[FollowedJob]) -> None:
        self._followed.update({job.job_id: job for job in jobs})
        save(self.store, FollowedJobs(jobs=tuple(self._followed.values())))

    def _keep_tries(self, chosen: LaunchNext, base: int, results: Iterable[ServerResult]) -> None:
        names = {result.server_id: result.hostname for result in results}
        again = (server for launch in chosen.launches if launch.attempt > base for server in launch.server_ids)
        for server in again:
            last = chosen.tries[server][-1]
            log.warning("%s is launched again %s: %s", names[server], last, last.reason)
        save(self.store, Tries(base=base, servers=dict(chosen.tries)))

    def _all_tries(self) -> dict[str, tuple[Try, ...]]:
        kept = load(self.store, Tries)
        return dict(kept.servers) if kept else {}

    def _tries_since(self, base: int) -> dict[str, tuple[Try, ...]]:
        kept = load(self.store, Tries)
        return dict(kept.servers) if kept and kept.base == base else {}

    def _points(self) -> dict[str, Point]:
        kept = load(self.store, PinnedPoints)
        first = {server: point for launch in self.launches.values() for server, point in launch.points.items()}
        return {**first, **(kept.points if kept else {})}

    def _part_of(self, launch: Launch) -> PreflightTarget:
        parts = self.preflight.wave(self.wave).targets
        held = set(launch.servers)
        own = (part for part in parts if held & {server.server_id for server in part.servers})
        return next(own, PreflightTarget(aws_conn_id=launch.aws_conn_id or "", region=launch.region))

    def _reached(self, started: Iterable[TargetLaunch]) -> list[PreflightTarget]:
        """Return the accounts and Regions in which the wave has launched anything."""
        held = {server for launched in started for server in launched.launch.servers}
        parts = self.preflight.wave(self.wave).targets
        return [part for part in parts if held & {server.server_id for server in part.servers}]

    def _launched_in(self, part: PreflightTarget) -> TargetLaunch | None:
        mine = {server.server_id for server in part.servers}
        return next((launched for launched in self.started if mine & set(launched.launch.servers)), None)

    @cached_property
    def _by_id(self) -> dict[str, PreflightServer]:
        return {server.server_id: server for server in self.servers}

    def _settings_of(self, server_id: str) -> Settings:
        return self._by_id[server_id].settings


def _followed(job: LaunchedJob, launch: Launch) -> FollowedJob:
    return FollowedJob(**job.model_dump(), aws_conn_id=launch.aws_conn_id, region=launch.region)


def _launched(job: FollowedJob) -> LaunchedJob:
    return LaunchedJob(**job.model_dump(exclude={"aws_conn_id", "region"}))


def _in_place(result: ServerResult, check: InstanceCheck | None) -> ServerResult:
    """Call a drill's server failed whose instance is elsewhere than it was asked to be."""
    astray = [
        f"{difference.field} is {shown(difference.found)}, expected {shown(difference.wanted)}"
        for difference in (check.differences if check and check.is_drill else ())
        if difference.field in PLACES
    ]
    if not astray:
        return result
    reason = f"the drill's instance is not in the requested place, perhaps in production: {'; '.join(astray)}"
    return replace(result, status="failed", critical=True, reason=reason)
