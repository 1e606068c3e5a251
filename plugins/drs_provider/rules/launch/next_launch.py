"""What a wave does next: launch servers in their boot order, or failed ones again, or be judged."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from drs_provider.rules.launch.jobs import LaunchJob, in_order
from drs_provider.rules.launch.recovery_points import Point
from drs_provider.rules.launch.results import Allows, ServerResult
from drs_provider.rules.servers import GONE_STATES
from drs_provider.rules.settings.values import Settings

BOOT_ORDER_FAILED = "not launched: servers that boot before it failed"
"""Why a server was never launched, where nobody has ended the wave."""

NOTHING_STARTED = "not launched: DRS started no job for what the wave was to launch next"
"""The same where a launch was tried and came to nothing."""


class OrderedServer(Protocol):
    """A server with its place in a boot order."""

    @property
    def server_id(self) -> str:
        """Its id."""
        ...

    @property
    def group(self) -> str:
        """Its protection group."""
        ...

    @property
    def order(self) -> int:
        """Its place in the boot order of its group."""
        ...


class WaveServer(OrderedServer, Protocol):
    """A server that preflight found for a wave, as ``handover.PreflightServer`` is."""

    @property
    def hostname(self) -> str:
        """What people call it."""
        ...

    @property
    def critical(self) -> bool:
        """Whether its failure counts."""
        ...

    @property
    def settings(self) -> Settings:
        """Its effective launch settings."""
        ...


@dataclass(frozen=True)
class LaunchState:
    """Where one server of a wave stands while no job of the wave is running.

    ``attempt``: number of the attempt that launched it last, 0: it was never launched. ``is_up``: it is what the wave
    waits for.
    """

    server_id: str
    critical: bool
    attempt: int
    is_up: bool


@dataclass(frozen=True)
class NextLaunch:
    """Servers to be launched now, all in the same attempt; ``again`` says that they have failed before."""

    attempt: int
    server_ids: tuple[str, ...]
    again: bool


def next_launches(
    stages: Sequence[Sequence[LaunchState]],
    *,
    base: int,
    allows: Allows,
    may_try_again: Callable[[str], bool],
) -> tuple[NextLaunch, ...]:
    """Say what to launch now; nothing: the wave is as far as it gets.

    Stage by stage: the servers of a stage that were never launched, and failed ones that may be tried again. A later
    stage begins when every server of the earlier ones is up or given up, and not at all once more critical servers of
    the wave have failed than it tolerates: the wave fails anyway.

    :param stages: the servers of the wave in their boot order, see :func:`stages`
    :param base: the attempt that the wave's start handed over; what failed before it was asked for again by a person
    :param allows: the wave's tolerance
    :param may_try_again: whether a failed server has a try left
    """
    critical = sum(server.critical for stage in stages for server in stage)
    lost = 0
    for stage in stages:
        chosen: dict[tuple[int, bool], list[str]] = defaultdict(list)
        for server in stage:
            if server.is_up:
                continue
            if server.attempt == 0:
                chosen[base, False].append(server.server_id)
            elif server.attempt < base:
                chosen[base, True].append(server.server_id)
            elif may_try_again(server.server_id):
                chosen[server.attempt + 1, True].append(server.server_id)
            else:
                lost += server.critical
        if chosen:
            return tuple(
                NextLaunch(attempt, tuple(servers), again) for (attempt, again), servers in sorted(chosen.items())
            )
        if lost and not allows(lost, critical):
            break
    return ()


Job = TypeVar("Job", bound=LaunchJob)


def newest(jobs: Iterable[Job]) -> dict[str, Job]:
    """Return by server id the job that launched it last."""
    found: dict[str, Job] = {}
    for job in sorted(jobs, key=in_order):
        found.update(dict.fromkeys(job.servers, job))
    return found


def stages(servers: Iterable[OrderedServer]) -> tuple[tuple[str, ...], ...]:
    """Return the ids of a wave's servers, stage by stage: a stage is launched when the one before it is ready.

    ``order`` counts inside a group only: the lowest number of each group is in the first stage, its next number in the
    second, whatever the numbers are. So a group without an order never waits for another group's.

    :param servers: those of every account and Region of the wave
    """
    servers = tuple(servers)
    numbers: dict[str, set[int]] = defaultdict(set)
    for server in servers:
        numbers[server.group].add(server.order)
    ranks = {group: {number: rank for rank, number in enumerate(sorted(found))} for group, found in numbers.items()}
    staged: dict[int, list[str]] = defaultdict(list)
    for server in servers:
        staged[ranks[server.group][server.order]].append(server.server_id)
    return tuple(tuple(staged[rank]) for rank in sorted(staged))


How = Literal["again", "fallback", "older_point"]

_NO_CAPACITY = re.compile(
    r"InsufficientInstanceCapacity|InsufficientHostCapacity|InsufficientCapacity|InsufficientReservedInstanceCapacity"
    r"|insufficient .{0,40}capacity|not have (sufficient|enough) .{0,60}capacity"
    r"|instance type .{0,80}(is not supported|not available)|Unsupported: ",
    re.IGNORECASE,
)

_CONVERSION = re.compile(r"^(CONVERSION_FAIL|SNAPSHOT_FAIL|USING_PREVIOUS_SNAPSHOT_FAILED)\b")


def lacks_capacity(reason: str) -> bool:
    """Tell whether a launch or a start failed because EC2 has no machine for it, or no such machine there."""
    return bool(_NO_CAPACITY.search(reason))


@dataclass(frozen=True)
class Try:
    """One launch of a server that failed, and how the next one differs.

    ``settings``: launch settings of the next launch that differ from the plan's. ``before``: the next launch is from a
    recovery point older than this instant (ISO 8601); None: as the wave would choose anyway.
    """

    job_id: str
    reason: str
    how: How
    settings: Settings = field(default_factory=dict)
    before: str | None = None

    def __str__(self) -> str:
        if self.how == "fallback":
            return "with " + ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return f"from a recovery point older than {self.before}" if self.how == "older_point" else "as before"


def choose(
    result: ServerResult,
    earlier: Sequence[Try],
    *,
    settings: Settings,
    retries: int,
    retries_over_instance: bool,
    used_until: str,
) -> Try | None:
    """Say how a failed server is launched again; None: it is not.

    - Capacity is missing: the next combination of the settings' ``fallback``. These do not count as retries: whoever
      wrote them wants them tried.
    - The snapshot or its conversion failed: an older recovery point than the one that was used, for the volume may be
      at fault; counts as a retry.
    - Anything else: the same again; counts as a retry.

    What nobody knows is never launched again: a launch would terminate what may be there.

    :param result: what became of it
    :param earlier: its tries so far in this attempt
    :param settings: its effective settings
    :param retries: how often a failed server may be launched again
    :param retries_over_instance: whether a server with an instance that lives is launched again; see ``Purpose``
    :param used_until: ISO instant of the recovery point that its last launch used, or of that launch where DRS chose
    """
    if result.status == "unknown":
        return None
    if not retries_over_instance and result.instance_id and result.instance_state not in (None, *GONE_STATES):
        return None
    reason, job_id = result.reason or "", result.job_id or ""
    missing = lacks_capacity(reason)
    if missing:
        used = sum(before.how == "fallback" for before in earlier)
        combinations = fallbacks(settings)
        if used < len(combinations):
            return Try(job_id, reason, "fallback", combinations[used])
    counted = sum(before.how != "fallback" for before in earlier)
    if counted >= retries:
        return None
    kept = earlier[-1] if earlier else None
    kept_settings = kept.settings if kept else {}
    if _CONVERSION.match(reason):
        return Try(job_id, reason, "older_point", kept_settings, used_until)
    return Try(job_id, reason, "again", {} if missing else kept_settings, kept.before if kept else None)


def fallbacks(settings: Settings) -> list[dict[str, str]]:
    """Return what is tried when capacity is missing, in order: the types in the first subnet, then in the next ones."""
    fallback = settings.get("fallback") or {}
    types = [settings.get("instance_type"), *(fallback.get("instance_types") or ())]
    subnets = [settings.get("subnet_id"), *(fallback.get("subnet_ids") or ())]
    pairs = [(kind, subnet) for subnet in subnets for kind in types]
    return [
        {name: value for name, value in (("instance_type", kind), ("subnet_id", subnet)) if value is not None}
        for kind, subnet in pairs[1:]
    ]


@dataclass(frozen=True, kw_only=True)
class WaveProgress:
    """What is known of a wave while none of its jobs runs.

    :param servers: what preflight found for it, in all its accounts and Regions
    :param reached: ids of its servers in those accounts and Regions where it has launched anything
    :param jobs: its jobs, each with all servers that it launched
    :param results: what became of its servers; those of them that have been launched
    :param tries: by server id, what failed before since ``base``, and how the next launch differed
    :param base: the attempt that the wave's start handed over
    :param points: by server id, the recovery point that it was pinned to
    :param retries: how often a failed server may be launched again
    :param retries_over_instance: whether a failed server is launched again although an instance of it lives
    :param never_started: servers whose instance lives, and is proven to be the run's own that nobody has ever started:
        these are launched again all the same
    :param allows: the wave's tolerance
    :param order: why a person has ended the wave; None: nobody has
    :param plan_changed: why nothing more may be launched since the plan was edited; None: it was not
    :param stopped: why nothing more is launched although nobody has ended the wave: its time is over, or a launch has
        started nothing; None: nothing speaks against it
    """

    servers: Sequence[WaveServer]
    reached: Collection[str]
    jobs: Sequence[LaunchJob]
    results: Sequence[ServerResult]
    tries: Mapping[str, Sequence[Try]]
    base: int
    points: Mapping[str, Point]
    retries: int
    retries_over_instance: bool
    allows: Allows
    never_started: Collection[str] = frozenset()
    order: str | None = None
    plan_changed: str | None = None
    stopped: str | None = None


@dataclass(frozen=True)
class LaunchNext:
    """Launch these. ``tries``: of every server that has failed before, this launch included."""

    launches: tuple[NextLaunch, ...]
    tries: Mapping[str, tuple[Try, ...]]


@dataclass(frozen=True)
class Judge:
    """The wave is as far as it gets: judge it.

    :param missing: a result for every server that was never launched
    :param is_cut_short: a person has ended it before everything was launched: nothing may go on after it
    :param withheld: what would have been launched if the plan had not been edited
    """

    missing: tuple[ServerResult, ...]
    is_cut_short: bool = False
    withheld: LaunchNext | None = None


def next_step(progress: WaveProgress) -> LaunchNext | Judge:
    """Say what a wave does next, once nothing of it runs and nothing is awaited any longer."""
    if progress.order is not None:
        missing = _missing(progress, progress.order, everywhere=True)
        return Judge(missing, is_cut_short=bool(missing))
    chosen = _choose_launches(progress)
    if chosen is None:
        return Judge(_missing(progress, BOOT_ORDER_FAILED))
    if progress.stopped is not None:
        return Judge(_missing(progress, progress.stopped))
    if progress.plan_changed is not None:
        return Judge(_missing(progress, progress.plan_changed), withheld=chosen)
    return chosen


def _choose_launches(progress: WaveProgress) -> LaunchNext | None:
    results = {result.server_id: result for result in progress.results}
    launches = next_launches(
        _states(progress, results),
        base=progress.base,
        allows=progress.allows,
        may_try_again=lambda server: _next_try(progress, results[server]) is not None,
    )
    if not launches:
        return None
    tries = {server: tuple(known) for server, known in progress.tries.items()}
    for server in (server for launch in launches if launch.attempt > progress.base for server in launch.server_ids):
        if again := _next_try(progress, results[server]):
            tries[server] = (*_tries_before(progress, results[server]), again)
    return LaunchNext(launches, tries)


def _states(progress: WaveProgress, results: Mapping[str, ServerResult]) -> list[list[LaunchState]]:
    """Return where every server stands that may be launched, stage by stage."""
    holders = newest(progress.jobs)
    critical = {server.server_id: server.critical for server in progress.servers}
    return [
        [
            LaunchState(
                server,
                critical[server],
                holders[server].attempt if server in results and server in holders else int(server in results),
                server in results and results[server].status == "launched",
            )
            for server in stage
            if server in progress.reached
        ]
        for stage in stages(progress.servers)
    ]


def may_try_again(progress: WaveProgress, result: ServerResult) -> bool:
    """Tell whether a server would be launched again, should its launch come to nothing as this result says."""
    return progress.plan_changed is None and _next_try(progress, result) is not None


def _next_try(progress: WaveProgress, result: ServerResult) -> Try | None:
    server = next(server for server in progress.servers if server.server_id == result.server_id)
    point, job = progress.points.get(result.server_id), newest(progress.jobs).get(result.server_id)
    used_until = point.at if point else job.created_at if job else None
    return choose(
        result,
        _tries_before(progress, result),
        settings=server.settings,
        retries=progress.retries,
        retries_over_instance=progress.retries_over_instance or result.server_id in progress.never_started,
        used_until=used_until.isoformat() if used_until else "",
    )


def _tries_before(progress: WaveProgress, result: ServerResult) -> tuple[Try, ...]:
    """Return the tries before this failure: one whose launch did not come about is decided on anew."""
    return tuple(known for known in progress.tries.get(result.server_id, ()) if known.job_id != result.job_id)


def _missing(progress: WaveProgress, reason: str, *, everywhere: bool = False) -> tuple[ServerResult, ...]:
    """Return a result for every server that was not launched; ``everywhere``: also where nothing of the wave was."""
    launched = {server for job in progress.jobs for server in job.servers}
    return tuple(
        ServerResult(server.server_id, server.hostname, server.critical or everywhere, "failed", reason=reason)
        for server in progress.servers
        if server.server_id not in launched and (everywhere or server.server_id in progress.reached)
    )
