"""Bringing a launch to the point where every one of its servers is in a job, and in one only."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from drs_provider import clock
from drs_provider.exceptions import (
    AwsError,
    Conflict,
    JobVanished,
    NotFound,
    PreparedKept,
    QuotaExceeded,
    RunRefused,
    ServiceUnavailable,
)
from drs_provider.formatting import duration
from drs_provider.rules.answers import Answer
from drs_provider.rules.launch import native_plans
from drs_provider.rules.launch.conflicts import conflict_refusal, rival_launches, unseen_jobs
from drs_provider.rules.launch.job_assignment import Division, divide, gone_servers, launched_before
from drs_provider.rules.launch.jobs import (
    ENDED_STATUS,
    OwnJob,
    created_at_of,
    holders,
    own_job,
    servers_of,
    unseen_recoveries,
)
from drs_provider.rules.launch.live_instances import (
    drills_in_the_way,
    ensure_may_replace,
    origins_of,
    others_drills,
    servers_by_instance,
)
from drs_provider.rules.launch.quotas import Quotas, ahead_of_drills, taken
from drs_provider.rules.launch.tags import IDENTIFYING, attempt_of, job_tags, run_key, same_wave, taken_over
from drs_provider.rules.launch.takeover import LOOK_BACK
from drs_provider.rules.purpose import DRILL, RECOVERY, Purpose
from drs_provider.rules.run.handover import LaunchedJob, StartedJob
from drs_provider.rules.servers import is_live, is_protected
from drs_provider.services.launch.existing_instances import ensure_new_instances
from drs_provider.services.launch.launch_memory import Memory
from drs_provider.services.launch.tags_of_jobs import JOBS_BEFORE_RUN

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.services.launch.start_once import Starter

INVISIBLE_FOR = timedelta(minutes=2)
"""DescribeJobs may not show a new job at once."""

ADOPTION_WINDOW = timedelta(days=1)
"""How far back jobs are looked through for those of a run, unless it continues another."""

_MOST_LOOKS_FOR_POINTS = 3
"""Times that recovery points are chosen afresh for one job: between the choice and the call they may age out."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What is asked for: which servers, how, in whose name.

    ``since``: jobs created before it are not looked at when ours are looked for. ``quotas``: None: ask Service Quotas.
    ``continues``: key of another run whose jobs are this one's; its failed servers are launched again.
    ``replace_live_instances`` is for recoveries, ``replace_drills`` for drills over drill instances of others.
    ``failed``: servers whose last launch has failed as its wave judged it, whatever DRS says of its job: a later
    attempt starts them again. ``installation``: id of the Airflow that the run is of.
    """

    dag_id: str
    run_id: str
    wave: str
    servers: tuple[str, ...]
    is_drill: bool
    replace_live_instances: bool
    since: datetime
    tags: Mapping[str, str] = field(default_factory=dict)
    snapshot_ids: Mapping[str, str] = field(default_factory=dict)
    quotas: Quotas | None = None
    continues: str | None = None
    replace_drills: bool = False
    failed: frozenset[str] = frozenset()
    installation: str = ""

    def __post_init__(self) -> None:
        """Refuse a drill that is told to replace what is recovered, wherever the request comes from.

        :raises RunRefused: it is one
        """
        ensure_may_replace(self.purpose, replace_live_instances=self.replace_live_instances)

    @property
    def purpose(self) -> Purpose:
        """What the launch is for."""
        return DRILL if self.is_drill else RECOVERY

    @property
    def own_runs(self) -> set[str]:
        """Keys of the run itself, and of one that it continues."""
        return {key for key in (run_key(self.dag_id, self.run_id, self.installation), self.continues) if key}

    def own_tags(self, *, chunk: int, attempt: int) -> dict[str, str]:
        """Return the tags of one of its jobs; a user's tag never replaces one that identifies the job."""
        ours = job_tags(
            dag_id=self.dag_id,
            run_id=self.run_id,
            wave=self.wave,
            chunk=chunk,
            attempt=attempt,
            installation=self.installation,
        )
        ours = taken_over(ours, self.continues)
        return {**ours, **self.tags, **{key: ours[key] for key in IDENTIFYING}}


@dataclass(frozen=True)
class MustWait:
    """Something that is no failure stands in the way: ``why`` for people, ``job_ids`` whose end may clear it.

    ``until``: whether all of these jobs must end or any of them. Without job ids nobody knows: try again later.
    """

    why: str
    job_ids: tuple[str, ...]
    until: Literal["all", "any"]


@dataclass
class JobStart:
    """One try of one launch; ``run`` may be called again after a wait, in a new process or in the same."""

    hook: "DrsHook"
    memory: Memory
    request: Request
    now: Callable[[], datetime]
    sleep: Callable[[float], None] = clock.sleep
    points: Callable[[Sequence[str]], Mapping[str, str]] | None = None
    """Point in time by server, asked right before the servers are started; None: those of the request."""
    ended: Callable[[], bool] = lambda: False
    """Asked before every job: whether a person wants nothing more to be started."""
    cleaned: Collection[str] = ()
    """Jobs whose instances the run has terminated itself."""
    never_started: Callable[[Sequence[Answer]], Collection[str]] = lambda _: ()
    """Asked of live recovered instances right before they would be replaced: the EC2 ids of those that are proven to be
    the run's own that nobody has ever started."""
    fresh: set[str] = field(default_factory=set)
    gives_up: bool = False
    """Whether the next job replaces instances that the run itself prepared."""

    @property
    def starter(self) -> "Starter":
        """What sends the start; for subclasses that launch by another call."""
        return self.hook

    def run(self, attempt: int | None = None) -> tuple[LaunchedJob, ...] | MustWait:
        """Adopt what exists, start what does not; return the jobs with their servers, or what to wait for.

        Once ``ended`` says so nothing more is started: the jobs that exist are returned, which may be none.

        :param attempt: the number of the attempt, where the caller counts them; None: the memory does
        """
        everything = list(self.hook.jobs_since(self.request.since))
        ours = self._ours(everything)
        if attempt is None:
            highest = max((job.attempt for job in ours), default=0)
            attempt = self.memory.attempt(highest, anew=self.request.continues is not None)
        missing = self._gone(ours, attempt)
        if isinstance(missing, MustWait):
            return missing
        gone = {*missing, *self.request.failed}
        division = divide(self.request.servers, ours, attempt=attempt, gone=gone)
        while division.to_start and (lost := self._lost_job(division, attempt)):
            if isinstance(lost, MustWait):
                return lost
            ours.append(own_job(lost))
            everything.append(lost)
            division = divide(self.request.servers, ours, attempt=attempt, gone=gone)
        # Again where a job was adopted that holds other servers than were asked for.
        while division.to_start and not self.ended():
            waiting = self._start_all(division, attempt, everything, ours)
            if waiting:
                return waiting
            division = divide(self.request.servers, ours, attempt=attempt, gone=gone)
        self.memory.hand_over(attempt)
        return tuple(
            LaunchedJob(
                job_id=share.job_id,
                servers=share.servers,
                created_at=share.created_at,
                attempt=share.attempt,
                adopted=share.job_id not in self.fresh,
            )
            for share in division.shares
        )

    def _gone(self, ours: Sequence[OwnJob], attempt: int) -> Collection[str] | MustWait:
        """Give the servers whose instance of an earlier attempt is no more: the task was cleared, and they are not up.

        What DRS may not show yet is waited for: a launch would terminate it.
        """
        launched = launched_before(self.request.servers, ours, attempt=attempt)
        if not launched:
            return ()
        described = self.hook.recovery_instances(source_server_ids=tuple(launched))
        found = gone_servers(launched, described, now=self.now(), cleaned=self.cleaned)
        if found.unseen:
            named = ", ".join(f"{server} by {job}" for server, job in found.unseen.items())
            return MustWait(f"launched before, and DRS does not show the instance yet: {named}", (), "all")
        if found.gone:
            log.info("Launched before and gone since, so launched again: %s", ", ".join(sorted(found.gone)))
        return found.gone

    def _ours(self, everything: Sequence[Answer]) -> list[OwnJob]:
        """Return our jobs among all, and those that are remembered although the listing does not show them."""
        identity = self.request.own_tags(chunk=0, attempt=1)
        ours = {job["jobID"]: own_job(job) for job in everything if same_wave(job.get("tags"), identity)}
        # Only those of these servers: where one task launches in several accounts, the others are not known here.
        wanted = set(self.request.servers)
        remembered = {
            job.job_id: job for job in self.memory.jobs() if job.job_id not in ours and wanted & set(job.servers)
        }
        seen = {job["jobID"]: _known(job, remembered[job["jobID"]]) for job in self.hook.jobs(tuple(remembered))}
        missing = [job for job_id, job in remembered.items() if job_id not in seen]
        if vanished := [job.job_id for job in missing if not self._may_be_invisible(job)]:
            raise JobVanished(vanished)
        return [*ours.values(), *seen.values(), *map(_just_started, missing)]

    def _may_be_invisible(self, job: StartedJob) -> bool:
        return job.created_at is not None and self.now() - job.created_at <= INVISIBLE_FOR

    def _lost_job(self, division: Division, attempt: int) -> Answer | MustWait | None:
        """Look patiently for a job that an earlier try may have started without living to remember it.

        As long as such a job may be invisible, nothing is started in its place: it is looked for again after a wait.
        """
        from drs_provider.services.launch.start_once import LOOKS_AFTER_A_CRASH, StartRequest, find_ours

        wanted = set(division.to_start)
        intents = [intent for intent in self.memory.intents() if attempt_of(intent.tags) == attempt]
        intent = next((intent for intent in intents if wanted & set(intent.servers)), None)
        if intent is None:
            return None
        log.info("An earlier try was about to start %d servers; looking for its job", len(intent.servers))
        launch = StartRequest(intent.servers, self.request.is_drill, intent.tags, {})
        job = find_ours(self.hook, launch, since=self.request.since, pauses=LOOKS_AFTER_A_CRASH, sleep=self.sleep)
        if job:
            self.memory.keep_job(_started(job, intent.tags, servers_of(job) or intent.servers))
            self.memory.intend_nothing(intent.servers)
        elif self.now() - intent.at < INVISIBLE_FOR:
            return MustWait(
                f"an earlier try may have started a job for {len(intent.servers)} servers, and DRS may not show it "
                "for two minutes: nothing is started before that",
                (),
                "all",
            )
        return job

    def _start_all(
        self, division: Division, attempt: int, everything: list[Answer], ours: list[OwnJob]
    ) -> MustWait | None:
        """Start one job after the other as long as the account has room; return what the rest must wait for."""
        rest, chunk, live = division.to_start, division.next_chunk, self.request.quotas is None
        quotas = self.request.quotas or self.hook.quotas()
        while rest:
            size = taken(everything).next_job(len(rest), quotas)
            if not size and not live:
                # A quota that was raised since it was read ends the wait.
                quotas, live = self.hook.quotas(), True
                size = taken(everything).next_job(len(rest), quotas)
            servers = rest[: size or 1]
            self._ensure_no_rival(servers, everything)
            waiting = (
                self._refuse_to_replace(servers, everything)
                or self._in_the_way(servers, everything)
                or (None if size else _no_room(rest, everything, quotas))
            )
            if waiting:
                return waiting
            if self.request.purpose.is_temporary:
                ensure_new_instances(self.hook, servers)
            outcome = self._start(servers, self.request.own_tags(chunk=chunk, attempt=attempt))
            if isinstance(outcome, MustWait):
                return outcome
            ours.append(own_job(outcome))
            everything.append(outcome)
            if outcome["jobID"] not in self.fresh:
                return None  # adopted: it may hold other servers than were asked for
            rest, chunk = rest[size:], chunk + 1
            if rest and self.ended():
                return None
        return None

    def _in_the_way(self, servers: Sequence[str], everything: Sequence[Answer]) -> MustWait | None:
        blocking = holders(everything, servers)
        if blocking:
            return MustWait(f"servers are held by running jobs: {_named(blocking)}", _ids(blocking), "all")
        if self.request.is_drill and (urgent := ahead_of_drills(everything, now=self.now())):
            return MustWait(
                f"a real recovery runs in this account and Region, and drills give way to it: {_named(urgent)}",
                _ids(urgent),
                "all",
            )
        return None

    def _ensure_no_rival(self, servers: Sequence[str], everything: Sequence[Answer]) -> None:
        """Refuse a drill beside another Airflow's: to wait for its end would be to wait for dead instances."""
        asked = self.request
        if not asked.is_drill or asked.replace_drills:
            return
        rival = rival_launches(everything, servers, own_runs=asked.own_runs, own=asked.installation, now=self.now())
        if rival is not None:
            raise RunRefused(f"{conflict_refusal(rival, {}, own=asked.installation)}. Nothing of this job was started")

    def _refuse_to_replace(self, servers: Sequence[str], everything: Sequence[Answer]) -> MustWait | None:
        """Refuse servers whose live recovered instance DRS would terminate; asked right before the launch.

        An instance that somebody's recovery has just launched and that DRS does not show yet is waited for.
        """
        described = self.hook.recovery_instances(source_server_ids=servers)
        self._ensure_drills_spared(described, everything)
        live, prepared = self._protected(described)
        self.gives_up = bool(prepared)
        if not live:
            unseen = unseen_recoveries(everything, described, servers, now=self.now())
            if not unseen or self.request.replace_live_instances:
                return None
            named = ", ".join(f"{server} by {job}" for server, job in unseen.items())
            return MustWait(
                f"just recovered, and DRS does not show the instance yet, which a launch would terminate: {named}",
                (),
                "all",
            )
        named = ", ".join(f"{instance['sourceServerID']} has {instance['recoveryInstanceID']}" for instance in live)
        if not self.request.replace_live_instances:
            raise RunRefused(
                f"a launch would terminate {len(live)} live recovered instance{'s'[: len(live) != 1]}: {named}. "
                f"Nothing of this job was started. {self._instead_of_replacing(live, everything)}"
            )
        log.warning("replace_live_instances is set: the launch terminates live instances: %s", named)
        # A recovery has protected them, and DRS would launch beside what it cannot terminate.
        self.hook.unprotect([str(instance["ec2InstanceID"]) for instance in live if instance.get("ec2InstanceID")])
        return None

    def _protected(self, described: Sequence[Answer]) -> tuple[list[Answer], list[Answer]]:
        """Return the live recovered instances, and apart from them those that the run prepared and nobody started."""
        protected = [instance for instance in described if is_protected(instance)]
        spare = self.never_started(protected) if protected else ()
        prepared = [instance for instance in protected if instance.get("ec2InstanceID") in spare]
        return [instance for instance in protected if instance not in prepared], prepared

    def _give_up_prepared(self, servers: Sequence[str]) -> None:
        """Let DRS terminate what the run itself prepared and could not start, looked at once more right before it does.

        :raises PreparedKept: one of them is not proven any more never to have been started, or AWS refuses
        """
        described = self.hook.recovery_instances(source_server_ids=servers)
        live, prepared = self._protected(described)
        if live and not self.request.replace_live_instances:
            named = ", ".join(f"{instance['sourceServerID']} has {instance['recoveryInstanceID']}" for instance in live)
            raise PreparedKept(
                f"a launch would terminate what may have been started in this moment: {named}. Nothing of this job was "
                "started. See in EC2 whether it runs; if not, terminate it there and clear this task"
            )
        if names := [str(instance["ec2InstanceID"]) for instance in (*prepared, *live)]:
            log.warning("The launch terminates what was prepared and not started: %s", ", ".join(names))
            # A recovery has protected them, and DRS would launch beside what it cannot terminate.
            try:
                self.hook.unprotect(names)
            except AwsError as error:
                if error.retryable:
                    raise
                raise PreparedKept(
                    f"a launch replaces {', '.join(names)}, and its termination protection cannot be switched off: "
                    f"{error}. Nothing of this job was started"
                ) from error

    def _instead_of_replacing(self, live: Sequence[Answer], everything: Sequence[Answer]) -> str:
        if not self.request.purpose.may_replace_recovered:
            return "Leave these servers out: a drill never replaces what is recovered"
        origins = origins_of(live, everything)
        if recent := [origin for origin in origins.values() if origin.is_recent(self.now())]:
            by = ", ".join(
                dict.fromkeys(f"run {origin.mark}" if origin.mark else f"job {origin.job_id}" for origin in recent)
            )
            return f"They have just been recovered by {by}: see there, and leave these servers out"
        return "Leave these servers out, or set replace_live_instances=True to terminate them"

    def _ensure_drills_spared(self, described: Sequence[Answer], everything: Sequence[Answer]) -> None:
        """Refuse a drill whose launch would terminate somebody else's drill instance. Raises RunRefused."""
        if not self.request.purpose.spares_others_drills or not any(map(is_live, described)):
            return
        older = unseen_jobs(described, everything)
        found = others_drills(
            described,
            origins_of(described, [*everything, *(self.hook.jobs(older) if older else ())]),
            own_runs=self.request.own_runs,
            own_plan=self.request.dag_id,
            now=self.now(),
            own_installation=self.request.installation,
        )
        if not found:
            return
        if not self.request.replace_drills:
            raise RunRefused(drills_in_the_way(found, servers_by_instance(described), self.now()))
        log.warning("replace_drills is set: the launch terminates drill instances of others: %s", ", ".join(found))

    def _stands_in_the_way(self, error: AwsError, servers: Sequence[str]) -> MustWait:
        """Say what a refused start waits for."""
        jobs = self.hook.jobs_since(self.request.since)
        if isinstance(error, QuotaExceeded):
            return MustWait(str(error), _ids(_running(jobs)), "any")
        holding_jobs = holders(jobs, servers)
        if not holding_jobs and (held := self._held_by_a_plan(error, servers)):
            return self._wait_for_the_plan(held)
        return MustWait(str(error), _ids(holding_jobs), "all")

    def _held_by_a_plan(self, error: AwsError, servers: Sequence[str]) -> str | None:
        """Say which native recovery plan's execution holds servers that no job holds; None: none is known to."""
        try:
            held = native_plans.holding(self.hook.native_executions(), servers)
        except AwsError as refusal:
            log.warning("native recovery plans cannot be listed: %s", refusal)
            held = None
        return held or (str(error) if native_plans.speaks_of_a_plan(str(error)) else None)

    def _wait_for_the_plan(self, held: str) -> MustWait:
        """Wait for an execution, but not for ever: no job shows its end, and it may pause for hours.

        :raises RunRefused: it has held these servers for :data:`native_plans.LONGEST_WAIT`
        """
        now, most = self.now(), native_plans.LONGEST_WAIT
        if now - self.memory.held_since(now) < most:
            return MustWait(f"{held}: waiting {duration(most)} for its end at most", (), "all")
        self.memory.held_no_more()
        raise RunRefused(
            f"waited {duration(most)}, and it goes on: {held}. Nothing of this job was started. Cancel that execution "
            "in the DRS console or wait for its end, then clear this task"
        )

    def _start(
        self, servers: tuple[str, ...], tags: Mapping[str, str], *, looks: int = _MOST_LOOKS_FOR_POINTS
    ) -> Answer | MustWait:
        from drs_provider.services.launch.start_once import MOST_THROTTLES, STARTS, StartRequest, start_once

        pinned = self.points(servers) if self.points else self.request.snapshot_ids
        launch = StartRequest(servers, self.request.is_drill, tags, pinned)
        if self.gives_up:  # last of all, and sent once: between the proof and the call nobody shall have the time
            self._give_up_prepared(servers)
        self.memory.intend(tags, servers, at=self.now())
        try:
            most = 0 if self.gives_up else MOST_THROTTLES
            job, found = start_once(
                self.starter, launch, since=self.request.since, sleep=self.sleep, most_throttles=most
            )
        except ServiceUnavailable as error:
            return MustWait(f"{error}. Whether the job was started is not known yet", (), "all")
        except AwsError as error:
            if error.operation in STARTS:  # else the look for the job failed: it may exist
                self.memory.intend_nothing(servers)
            if isinstance(error, Conflict | QuotaExceeded):
                return self._stands_in_the_way(error, servers)
            if isinstance(error, NotFound) and self.points and looks and self.points(servers) != pinned:
                log.warning("%s: points age out, so it starts from those that are there now", error)
                return self._start(servers, tags, looks=looks - 1)
            raise
        servers = (servers_of(job) or servers) if found else servers
        self.memory.held_no_more()
        self.memory.keep_job(_started(job, tags, servers))
        if not found:
            self.fresh.add(job["jobID"])
        kind = "drill" if self.request.is_drill else "recovery"
        log.info("%s %s of %d servers: job %s", "Adopted" if found else "Started", kind, len(servers), job["jobID"])
        # The tags and servers as we know them: the answer to StartRecovery need not repeat them.
        return {**job, "tags": dict(tags), "participatingServers": [{"sourceServerID": server} for server in servers]}


def _started(job: Answer, tags: Mapping[str, str], servers: Sequence[str]) -> StartedJob:
    """Return what is remembered of a job: tags and servers as we know them, for its description may leave them out.

    :param servers: those that it holds, as it says itself: who started it may have asked for others than we
    """
    return StartedJob(job_id=str(job["jobID"]), created_at=created_at_of(job), tags=dict(tags), servers=tuple(servers))


def _known(job: Answer, remembered: StartedJob) -> OwnJob:
    """Read a remembered job that DRS shows; what it leaves out is remembered."""
    known = {
        "tags": remembered.tags,
        "participatingServers": [{"sourceServerID": server} for server in remembered.servers],
    }
    read = own_job({**known, **job})
    return replace(read, created_at=read.created_at or remembered.created_at)


def _just_started(job: StartedJob) -> OwnJob:
    """Return a job that DRS does not show yet, as one that runs."""
    return OwnJob(job.job_id, job.created_at, job.tags, job.servers)


def _running(jobs: Sequence[Answer]) -> list[Answer]:
    return [job for job in jobs if job.get("status") != ENDED_STATUS]


def _no_room(rest: Sequence[str], everything: Sequence[Answer], quotas: Quotas) -> MustWait:
    shortage = taken(everything).shortage(len(rest), quotas)
    return MustWait(f"no room in the account: {shortage}", _ids(_running(everything)), "any")


def _ids(jobs: Sequence[Answer]) -> tuple[str, ...]:
    return tuple(job["jobID"] for job in jobs)


def _named(jobs: Sequence[Answer]) -> str:
    return ", ".join(_ids(jobs))


def looked_for_since(
    began: datetime | None, now: datetime, *, continues: str | None, window: timedelta = ADOPTION_WINDOW
) -> datetime:
    """Return since when jobs are looked through for those of a run.

    :param began: start of the run
    :param continues: key of a run that it continues: its jobs may be as old as :data:`LOOK_BACK`
    :param window: how far back they are looked through at least
    """
    return min((began or now) - JOBS_BEFORE_RUN, now - (max(window, LOOK_BACK) if continues else window))


def begun_jobs(
    hook: "DrsHook",
    request: "Request",
    *,
    since: datetime | None,
    remembered: Sequence[StartedJob],
    with_failed: bool = True,
) -> Iterator[LaunchedJob]:
    """Yield the jobs of a request that DRS shows, and those that are remembered although it does not.

    :param since: start of the run: older jobs belong to a run that this one continues
    :param remembered: as :meth:`~drs_provider.services.launch.launch_memory.Memory.jobs` returns them, of any account
    :param with_failed: whether servers count that DRS says a job has not launched
    """
    wanted, identity = set(request.servers), request.own_tags(chunk=0, attempt=1)
    shown = (own_job(job) for job in hook.jobs_since(since or request.since) if same_wave(job.get("tags"), identity))
    found = {
        job.job_id: job for job in shown if since is None or (job.created_at is not None and job.created_at >= since)
    }
    known = {job.job_id: _just_started(job) for job in remembered}
    for job in {**known, **found}.values():
        left_out = () if with_failed else job.failed
        if mine := tuple(server for server in job.servers if server in wanted and server not in left_out):
            yield LaunchedJob(
                job_id=job.job_id,
                servers=mine,
                created_at=job.created_at,
                attempt=job.attempt,
                adopted=job.job_id not in known,
            )
