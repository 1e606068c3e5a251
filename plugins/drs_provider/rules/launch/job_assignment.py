"""Which job holds which server of a launch that may have been begun before, and what is left to start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drs_provider.rules.launch.jobs import Ended, read_job
from drs_provider.rules.launch.tags import attempt_of, chunk_of


@dataclass(frozen=True)
class JobShare:
    """One job of the launch, and the servers whose outcome it decides."""

    job_id: str
    servers: tuple[str, ...]
    created_at: str
    attempt: int = 1


@dataclass(frozen=True)
class Division:
    """What earlier tries have begun (``shares``), what is left to start (``to_start``), and the next free chunk."""

    shares: tuple[JobShare, ...]
    to_start: tuple[str, ...]
    next_chunk: int


def divide(wanted: Sequence[str], jobs: Sequence[Mapping[str, Any]], *, attempt: int) -> Division:
    """Give every wanted server to the newest of our jobs that holds it, or to those that must still be started.

    A server is started again only if its newest job belongs to an *earlier* attempt and has ended without launching
    it. A job of this attempt is adopted whatever became of it: a second launch for the same intent would destroy what
    the first one made, or hide its failure.

    :param wanted: source server ids, in the order to start them
    :param jobs: the jobs of this run and wave (:func:`~drs_provider.rules.launch.tags.same_wave`), any order
    :param attempt: number of the present attempt
    """
    oldest_first = sorted(jobs, key=lambda job: (attempt_of(job.get("tags")), str(job.get("creationDateTime", ""))))
    holder: dict[str, Mapping[str, Any]] = {}
    for job in oldest_first:
        holder.update({server["sourceServerID"]: job for server in job.get("participatingServers", ())})
    to_start = tuple(server for server in wanted if server not in holder or _may_start(server, holder[server], attempt))
    again = set(to_start)
    shares = []
    for job in oldest_first:
        servers = tuple(s for s in wanted if s not in again and holder[s]["jobID"] == job["jobID"])
        if servers:
            created_at = str(job.get("creationDateTime", ""))
            shares.append(JobShare(job["jobID"], servers, created_at, attempt_of(job.get("tags"))))
    chunks = [chunk_of(job.get("tags")) for job in jobs if attempt_of(job.get("tags")) == attempt]
    return Division(tuple(shares), to_start, max(chunks, default=-1) + 1)


def _may_start(server: str, job: Mapping[str, Any], attempt: int) -> bool:
    state = read_job(job)
    return isinstance(state, Ended) and server in state.failed and attempt_of(job.get("tags")) < attempt
