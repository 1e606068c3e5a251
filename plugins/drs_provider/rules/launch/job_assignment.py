"""Which job holds which server of a launch that may have been begun before, and what is left to start."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from drs_provider.rules.launch.jobs import OwnJob, in_order
from drs_provider.rules.launch.tags import chunk_of


@dataclass(frozen=True)
class JobShare:
    """One job of the launch, and the servers whose outcome it decides."""

    job_id: str
    servers: tuple[str, ...]
    created_at: datetime | None
    attempt: int = 1


@dataclass(frozen=True)
class Division:
    """What earlier tries have begun (``shares``), what is left to start (``to_start``), and the next free chunk."""

    shares: tuple[JobShare, ...]
    to_start: tuple[str, ...]
    next_chunk: int


def divide(wanted: Sequence[str], jobs: Sequence[OwnJob], *, attempt: int) -> Division:
    """Give every wanted server to the newest of our jobs that holds it, or to those that must still be started.

    A server is started again only if its newest job belongs to an *earlier* attempt and has ended without launching
    it. A job of this attempt is adopted whatever became of it: a second launch for the same intent would destroy what
    the first one made, or hide its failure.

    :param wanted: source server ids, in the order to start them
    :param jobs: the jobs of this run and wave (:func:`~drs_provider.rules.launch.tags.same_wave`), any order
    :param attempt: number of the present attempt
    """
    oldest_first = sorted(jobs, key=in_order)
    holder: dict[str, OwnJob] = {}
    for job in oldest_first:
        holder.update(dict.fromkeys(job.servers, job))
    to_start = tuple(server for server in wanted if server not in holder or _may_start(server, holder[server], attempt))
    again = set(to_start)
    shares = []
    for job in oldest_first:
        servers = tuple(server for server in wanted if server not in again and holder[server].job_id == job.job_id)
        if servers:
            shares.append(JobShare(job.job_id, servers, job.created_at, job.attempt))
    chunks = [chunk_of(job.tags) for job in jobs if job.attempt == attempt]
    return Division(tuple(shares), to_start, max(chunks, default=-1) + 1)


def _may_start(server: str, job: OwnJob, attempt: int) -> bool:
    return server in job.failed and job.attempt < attempt
