"""What other runs do with the servers of a run: a drill yields to every one of them, a recovery to recoveries only."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from drs_provider.formatting import parse_instant, some
from drs_provider.rules.launch.jobs import ENDED_STATUS, UNSEEN_FOR, Ended, read_job
from drs_provider.rules.launch.tags import PLAN, Mark, read_mark, short_run_id
from drs_provider.rules.purpose import DRILL, RECOVERY, Purpose
from drs_provider.rules.servers import Answer, hostname_of, is_live
from drs_provider.rules.settings.drill_memory import RUN as SETTINGS_RUN

CLOCKS_DIFFER: Final = timedelta(minutes=2)
"""How far the clock of whoever looks may be before AWS's."""

_INITIATED: Final = {"START_DRILL": DRILL.name, "START_RECOVERY": RECOVERY.name}
_MOST_NAMED: Final = 3


@dataclass(frozen=True)
class ConflictingRun:
    """Another run of ours that holds servers: ``servers`` in a job that runs, or as live instances of its drill.

    ``jobs``: ids of those of its jobs that still run. ``until``: when a drill is over at the latest.
    """

    mark: Mark
    servers: tuple[str, ...]
    jobs: tuple[str, ...]
    until: datetime | None = None

    @property
    def is_drill(self) -> bool:
        """Whether it is a drill."""
        return self.mark.is_drill


@dataclass(frozen=True)
class _Holding:
    """One job of another run, and the servers that it holds now."""

    mark: Mark
    job_id: str
    servers: tuple[str, ...]
    is_running: bool


def servers_of_plan(jobs: Iterable[Answer], plan: str) -> set[str]:
    """Return the ids of the servers in jobs of a plan, whichever wave they are of.

    :param plan: DAG id
    """
    return {server for job in jobs if (job.get("tags") or {}).get(PLAN) == plan for server in _servers(job)}


def unseen_jobs(instances: Iterable[Answer], jobs: Iterable[Answer]) -> list[str]:
    """Return the ids of the jobs that made these instances and are not among these jobs: they are older."""
    known = {job["jobID"] for job in jobs}
    return sorted({str(instance["jobID"]) for instance in instances if instance.get("jobID")} - known)


def conflicts_of(
    jobs: Iterable[Answer],
    instances: Iterable[Answer],
    *,
    own_runs: Collection[str],
    own_plan: str,
    servers: Collection[str],
    now: datetime,
) -> tuple[ConflictingRun, ...]:
    """Return every other run of ours that holds any of these servers now, or, in a drill, others of the same plan.

    A launch job that runs holds its servers. One that has ended holds those of them whose live drill instance it made,
    until the drill expires: after that they are left-overs. A live recovered instance is no conflict but production,
    and ``rules.launch.readiness`` speaks of it.

    :param jobs: jobs of the account and Region, those of the instances among them
    :param instances: recovery instances
    :param own_runs: keys of the run itself, and of one that it continues
    :param own_plan: DAG id: two drills of one plan are in conflict even where their servers differ, for their waves do
    """
    live = {
        (str(instance.get("jobID")), str(instance["sourceServerID"]))
        for instance in instances
        if is_live(instance) and instance.get("isDrill") is True
    }
    by_run: dict[str, list[_Holding]] = {}
    for holding in _holdings(jobs, live, now):
        if holding.mark.run not in own_runs:
            by_run.setdefault(holding.mark.run, []).append(holding)
    found = []
    for holdings in by_run.values():
        mark = holdings[0].mark
        everything = tuple(dict.fromkeys(server for holding in holdings for server in holding.servers))
        ours = tuple(server for server in everything if server in servers)
        if ours or (mark.is_drill and mark.plan == own_plan):
            until = max((holding.mark.expires for holding in holdings if holding.mark.expires), default=None)
            running = tuple(holding.job_id for holding in holdings if holding.is_running)
            found.append(ConflictingRun(mark, ours or everything, running, until))
    return tuple(found)


def _holdings(jobs: Iterable[Answer], live: Collection[tuple[str, str]], now: datetime) -> Iterator[_Holding]:
    for job in jobs:
        mark, job_id = read_mark(job.get("tags")), str(job["jobID"])
        if mark is None or job.get("type", "LAUNCH") != "LAUNCH":
            continue
        if job.get("status") != ENDED_STATUS:
            yield _Holding(mark, job_id, _servers(job), is_running=True)
        elif mark.is_drill and mark.expires and mark.expires > now:
            there = tuple(server for server in _servers(job) if (job_id, server) in live)
            if there:
                yield _Holding(mark, job_id, there, is_running=False)


def busy_servers(jobs: Iterable[Answer]) -> dict[str, str]:
    """Return the servers that a running job holds, whoever started it, each with the job's id."""
    return {server: str(job["jobID"]) for job in jobs if job["status"] != ENDED_STATUS for server in _servers(job)}


def _servers(job: Answer) -> tuple[str, ...]:
    return tuple(str(server["sourceServerID"]) for server in job.get("participatingServers", ()))


def taken_over(
    jobs: Iterable[Answer],
    *,
    own_runs: Collection[str],
    servers: Mapping[str, str],
    since: datetime,
    known: Collection[str] = (),
) -> str | None:
    """Say which recovery has begun on the servers of a drill while the drill went on; None: none has.

    Also one that was started outside of here, in the DRS console for example: a recovery always wins.

    :param servers: the drill's servers, hostname by id
    :param since: when the drill's preflight looked: recoveries before that were seen there
    :param known: ids of the recovery jobs that it saw, for clocks differ
    """
    for job in sorted(jobs, key=lambda job: str(job.get("creationDateTime", ""))):
        mark = read_mark(job.get("tags"))
        if not is_recovery(job) or job["jobID"] in known or (mark and mark.run in own_runs):
            continue
        if parse_instant(str(job["creationDateTime"])) < since - CLOCKS_DIFFER:
            continue
        taken = [servers[server] for server in _servers(job) if server in servers]
        if taken:
            who = f"run {mark}, job {job['jobID']}" if mark else f"job {job['jobID']}, not started from here"
            return f"a recovery of {some(taken, _MOST_NAMED)} began during the drill ({who}), and a recovery wins"
    return None


def taken_back(sources: Iterable[Answer], *, own_run: str) -> str | None:
    """Say of which servers somebody has put the launch settings back while their drill went on; None: of none.

    Nobody does so but a recovery before it launches, a person, and the sweeper once the drill has expired.

    :param sources: items of DescribeSourceServers, of servers whose settings the drill had changed
    :param own_run: key of the drill
    """
    taken = [
        hostname_of(source, str(source["sourceServerID"]))
        for source in sources
        if (source.get("tags") or {}).get(SETTINGS_RUN) != own_run
    ]
    if not taken:
        return None
    return (
        f"the launch settings of {some(taken, _MOST_NAMED)} were put back during the drill, as a recovery does "
        "before it launches"
    )


def is_recovery(job: Answer) -> bool:
    """Tell whether a job launches production: by its own tag, else by what DRS says of who asked for it."""
    if job.get("type", "LAUNCH") != "LAUNCH":
        return False
    mark = read_mark(job.get("tags"))
    mode = (mark.mode if mark else "") or _INITIATED.get(str(job.get("initiatedBy")))
    return mode == RECOVERY.name


def conflict_refusal(other: ConflictingRun, hostnames: Mapping[str, str], *, own: str = "") -> str:
    """Word why a run may not begin beside this one.

    :param own: id of the Airflow that asks: a run of another one is a rival, which ends there or is taken over
    """
    if other.mark.is_of_other_airflow(own):
        return _rival_refusal(other, hostnames)
    names = some([hostnames.get(server, server) for server in other.servers], _MOST_NAMED)
    run = f"{other.mark.plan.removeprefix('drs.')} {short_run_id(other.mark.plan, other.mark.run_id)}"
    if other.is_drill:
        until = f", until {other.until:%Y-%m-%d %H:%M} UTC at the latest" if other.until else ""
        return (
            f"the drill {other.mark} is not over and holds {names}{until}: wait for its end (drs run wait {run}), or "
            f"end it (drs run end {run}, drs run cancel {run})"
        )
    return (
        f"the recovery {other.mark} is launching {names} ({', '.join(other.jobs)}): two recoveries of a server would "
        "replace each other; leave these servers out, or wait for its end"
    )


def _rival_refusal(other: ConflictingRun, hostnames: Mapping[str, str]) -> str:
    names = some([hostnames.get(server, server) for server in other.servers], _MOST_NAMED)
    held = f"another Airflow (installation {other.mark.installation}) holds {names}"
    take = (
        f"once that Airflow is down, or the plan is paused there, take the run over: drs takeover "
        f"{other.mark.plan.removeprefix('drs.')} --start --run {other.mark.run}"
    )
    if other.is_drill:
        until = f", until {other.until:%Y-%m-%d %H:%M} UTC at the latest" if other.until else ""
        return f"{held}: its drill {other.mark} is not over{until}. Wait for its end there; {take}"
    return (
        f"{held}: its recovery {other.mark} is launching them ({', '.join(other.jobs)}), and two recoveries of a "
        f"server would replace each other. Leave these servers out, or wait for its end; {take}"
    )


def rival_launches(
    jobs: Iterable[Answer], servers: Collection[str], *, own_runs: Collection[str], own: str, now: datetime
) -> ConflictingRun | None:
    """Return the drill of another Airflow that has launch jobs for any of these servers now; None: none has.

    A job that has just ended counts as well: DRS may not show its instances yet, which a launch would terminate. Only
    the newest job of a server counts: one that has terminated its instance since ends that.

    :param jobs: jobs of the account and Region
    :param own: id of the Airflow that asks
    """
    newest: dict[str, Answer] = {}
    for job in sorted(jobs, key=lambda job: str(job.get("creationDateTime", ""))):
        newest.update(dict.fromkeys(_servers(job), job))
    for job in {job["jobID"]: job for server, job in newest.items() if server in servers}.values():
        mark = read_mark(job.get("tags"))
        if mark is None or not mark.is_drill or mark.run in own_runs or not mark.is_of_other_airflow(own):
            continue
        held = tuple(server for server in _servers(job) if server in servers and newest[server] is job)
        state = read_job(job)
        if isinstance(state, Ended):
            is_fresh = state.ended_at is not None and now - state.ended_at < UNSEEN_FOR
            held = tuple(server for server in held if is_fresh and server in state.launched)
        if held and job.get("type", "LAUNCH") == "LAUNCH":
            running = () if isinstance(state, Ended) else (str(job["jobID"]),)
            return ConflictingRun(mark, held, running, mark.expires)
    return None


def conflict_warning(drill: ConflictingRun, purpose: Purpose) -> tuple[str, str]:
    """Word what a recovery does to a drill that goes on: what is found, and what comes of it.

    Beside a check every other run goes on as it would without it.
    """
    if not purpose.minds_other_runs:
        kind = DRILL if drill.is_drill else RECOVERY
        return f"it is in the {kind} {drill.mark}, which is not over", "a drill of it is refused until that run is over"
    jobs = some(drill.jobs, _MOST_NAMED)
    waits = f"once its running {jobs} has ended, for DRS cannot cancel a job" if drill.jobs else "at once"
    return (
        f"it is in the drill {drill.mark}, which is not over",
        f"the recovery takes it {waits}, and that drill ends as superseded",
    )
