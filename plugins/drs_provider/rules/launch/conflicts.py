"""What other runs do with the servers of a run: a drill yields to every one of them, a recovery to recoveries only."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from drs_provider.formatting import parse_instant
from drs_provider.rules.launch.jobs import ENDED_STATUS
from drs_provider.rules.launch.tags import DRILL, Mark, read_mark
from drs_provider.rules.servers import hostname_of, is_live
from drs_provider.rules.settings.drill_memory import RUN as SETTINGS_RUN

CLOCKS_DIFFER: Final = timedelta(minutes=2)
"""How far the clock of whoever looks may be before AWS's."""

RECOVERY: Final = "recovery"
_INITIATED: Final = {"START_DRILL": DRILL, "START_RECOVERY": RECOVERY}


@dataclass(frozen=True)
class Rival:
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


def rivals_of(
    jobs: Iterable[Mapping[str, Any]],
    instances: Iterable[Mapping[str, Any]],
    *,
    own_runs: Collection[str],
    own_plan: str,
    servers: Collection[str],
    now: datetime,
) -> tuple[Rival, ...]:
    """Return every other run of ours that holds any of these servers now, or, in a drill, others of the same plan.

    A launch job that runs holds its servers. One that has ended holds those of them whose live drill instance it made,
    until the drill expires: after that they are left-overs. A live recovered instance is no rival's but production,
    and ``recovery.readiness`` speaks of it.

    :param jobs: jobs of the account and Region, those of the instances among them
    :param instances: recovery instances
    :param own_runs: keys of the run itself, and of one that it continues
    :param own_plan: DAG id: two drills of one plan are rivals even where their servers differ, for their waves do
    """
    live = {
        (str(one.get("jobID")), str(one["sourceServerID"]))
        for one in instances
        if is_live(one) and one.get("isDrill") is True
    }
    held: dict[str, list[tuple[Mark, str, tuple[str, ...], bool]]] = {}
    for job in jobs:
        mark = read_mark(job.get("tags"))
        if mark is None or mark.run in own_runs or job.get("type", "LAUNCH") != "LAUNCH":
            continue
        runs = job.get("status") != ENDED_STATUS
        named = [str(server["sourceServerID"]) for server in job.get("participatingServers", ())]
        if runs:
            held.setdefault(mark.run, []).append((mark, str(job["jobID"]), tuple(named), True))
        elif mark.is_drill and mark.expires and mark.expires > now:
            there = tuple(server for server in named if (str(job["jobID"]), server) in live)
            if there:
                held.setdefault(mark.run, []).append((mark, str(job["jobID"]), there, False))
    found = []
    for parts in held.values():
        mark = parts[0][0]
        everything = tuple(dict.fromkeys(server for _, _, named, _ in parts for server in named))
        ours = tuple(server for server in everything if server in servers)
        if ours or (mark.is_drill and mark.plan == own_plan):
            until = max((part[0].expires for part in parts if part[0].expires), default=None)
            running = tuple(job for _, job, _, runs in parts if runs)
            found.append(Rival(mark, ours or everything, running, until))
    return tuple(found)


def taken_over(
    jobs: Iterable[Mapping[str, Any]],
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
        named = (str(server["sourceServerID"]) for server in job.get("participatingServers", ()))
        taken = [servers[server] for server in named if server in servers]
        if taken:
            who = f"run {mark}, job {job['jobID']}" if mark else f"job {job['jobID']}, not started from here"
            return f"a recovery of {some(taken)} began while the drill went on ({who}), and a recovery wins"
    return None


def taken_back(sources: Iterable[Mapping[str, Any]], *, own_run: str) -> str | None:
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
        f"the launch settings of {some(taken)} were put back while the drill went on, as a recovery does before it "
        "launches"
    )


def is_recovery(job: Mapping[str, Any]) -> bool:
    """Tell whether a job launches production: by its own tag, else by what DRS says of who asked for it."""
    if job.get("type", "LAUNCH") != "LAUNCH":
        return False
    mark = read_mark(job.get("tags"))
    mode = (mark.mode if mark else "") or _INITIATED.get(str(job.get("initiatedBy")))
    return mode == RECOVERY


def some(names: Sequence[str], shown: int = 3) -> str:
    """A few names, and how many more there are."""
    more = len(names) - shown
    text = ", ".join(names[:shown])
    return f"{text} and {more} more" if more > 0 else text


def refusal(rival: Rival, hostnames: Mapping[str, str]) -> str:
    """Word why a run may not begin beside this one."""
    names = some([hostnames.get(server, server) for server in rival.servers])
    plan = rival.mark.plan.removeprefix("drs.")
    if rival.is_drill:
        until = f", until {rival.until:%Y-%m-%d %H:%M} UTC at the latest" if rival.until else ""
        return (
            f"the drill {rival.mark} is not over and holds {names}{until}: wait for its end (drs run wait {plan}), or "
            f"end it (drs run end {plan}, drs run cancel {plan})"
        )
    return (
        f"the recovery {rival.mark} is launching {names} ({', '.join(rival.jobs)}): two recoveries of a server would "
        "replace each other; leave these servers out, or wait for its end"
    )


def warning(rival: Rival) -> tuple[str, str]:
    """Word what a recovery does to a drill that goes on: what is found, and what comes of it."""
    waits = f"once its running {some(rival.jobs)} has ended, for DRS cannot cancel a job" if rival.jobs else "at once"
    return (
        f"it is in the drill {rival.mark}, which is not over",
        f"the recovery takes it {waits}, and that drill ends as superseded",
    )
