"""Launches in the origin that have ended well without DRS showing their instance: production may run on it.

DRS may show the instance of a job that is over minutes later, and never again once somebody has deleted its record.
Who goes by instances alone would stop or overwrite the very machine that production runs on by then.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, NamedTuple

from drs_provider.rules.answers import Answer
from drs_provider.rules.failback.circle import Circle
from drs_provider.rules.launch.jobs import UNSEEN_FOR, Ended, read_job, servers_of

SHOWN_WITHIN: Final = UNSEEN_FOR - timedelta(minutes=1)
"""How long after its job's end an instance is waited for: shorter than by those who launch, who look a moment later."""


class HiddenLaunch(NamedTuple):
    """A launch for good that has succeeded, and whose instance DRS does not list.

    :ivar job_id: its job; empty: DRS does not name it
    :ivar is_young: DRS may still be about to show the instance
    """

    failback_server: str
    job_id: str
    is_young: bool

    @property
    def note(self) -> str:
        """Say what is waited for."""
        return f"job {self.job_id} has launched it in the origin, and DRS does not show its instance yet"

    @property
    def why(self) -> str:
        """Say what people have to look at, and what to do then."""
        by = f"job {self.job_id} has launched" if self.job_id else "DRS says that a recovery has launched"
        return (
            f"{by} FAILBACK server {self.failback_server} in the origin, and DRS shows no instance of that, neither a "
            "live nor a gone one: production may run on it. Look in EC2 there: if production does, keep everything, "
            "and protect that instance by hand; if it does not, terminate it, delete the FAILBACK server, and reverse "
            "again"
        )


def hidden_launch(circle: Circle) -> HiddenLaunch | None:
    """Return the launch of a server in its origin that no listed instance tells of; None: there is none.

    What was ended by a later job is no more; everything else that DRS says it has launched for good counts, for a
    doubt may cost a wait, and a mistake the machine that production runs on.
    """
    for server in circle.failback_servers:
        server_id = str(server.get("sourceServerID") or "")
        jobs = sorted(_jobs_of(circle, server_id), key=lambda job: str(job.get("creationDateTime") or ""))
        last = next((job for job in reversed(jobs) if _has_launched(job, server_id)), None)
        if last is None:
            if found := _by_its_own_word(circle, server, {str(job.get("jobID")) for job in jobs}):
                return found
        elif not _is_listed(circle, server_id, str(last.get("jobID"))) and not any(
            _has_ended(job, server_id) for job in jobs[jobs.index(last) :]
        ):
            return HiddenLaunch(server_id, str(last.get("jobID")), _is_young(circle, last))
    return None


def came_to_nothing(circle: Circle, job_id: str, failback_server: str) -> bool:
    """Tell whether DRS says of a job that it has not launched a server, or that what it has launched is gone."""
    for job in _jobs_of(circle, failback_server):
        state = read_job(job)
        if state.job_id == job_id and isinstance(state, Ended) and failback_server in state.failed:
            return True
    return any(
        record.get("jobID") == job_id and record.get("sourceServerID") == failback_server
        for record in circle.failback_gone
    )


def _by_its_own_word(circle: Circle, server: Answer, listed: set[str]) -> HiddenLaunch | None:
    """Read the launch that a server itself names, which may be older than the jobs that were asked for."""
    launch = (server.get("lifeCycle") or {}).get("lastLaunch") or {}
    begun, server_id = launch.get("initiated") or {}, str(server.get("sourceServerID") or "")
    job_id = str(begun.get("jobID") or "")
    is_for_good = begun.get("type") == "RECOVERY" and server.get("lastLaunchResult") == "SUCCEEDED"
    if not is_for_good or launch.get("status") == "TERMINATED" or job_id in listed:
        return None
    return None if _is_listed(circle, server_id, job_id) else HiddenLaunch(server_id, job_id, is_young=False)


def _jobs_of(circle: Circle, server_id: str) -> Iterator[Answer]:
    for job in circle.origin.jobs if circle.origin else ():
        if server_id in servers_of(job):
            yield job


def _has_launched(job: Answer, server_id: str) -> bool:
    state = read_job(job)
    is_for_good = job.get("type") == "LAUNCH" and job.get("initiatedBy") != "START_DRILL"
    return is_for_good and isinstance(state, Ended) and server_id in state.launched


def _has_ended(job: Answer, server_id: str) -> bool:
    """Tell whether a job has terminated an instance of the server."""
    statuses = {
        str(found.get("sourceServerID")): found.get("launchStatus") for found in job.get("participatingServers") or ()
    }
    return job.get("type") == "TERMINATE" and statuses.get(server_id) == "TERMINATED"


def _is_listed(circle: Circle, server_id: str, job_id: str) -> bool:
    """Tell whether DRS lists an instance of a job, live or gone; without a job's name, one that is no drill's."""
    records = (*circle.failed_back, *circle.failback_drills, *circle.failback_gone)
    return any(
        record.get("sourceServerID") == server_id
        and (record.get("jobID") == job_id if record.get("jobID") and job_id else record.get("isDrill") is not True)
        for record in records
    )


def _is_young(circle: Circle, job: Answer) -> bool:
    state, at = read_job(job), circle.origin.at if circle.origin else None
    ended_at = state.ended_at if isinstance(state, Ended) else None
    return ended_at is None or at is None or at - ended_at < SHOWN_WITHIN
