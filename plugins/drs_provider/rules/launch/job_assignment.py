"""Which job holds which server of a launch that may have been begun before, and what is left to start."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from drs_provider.rules.launch.jobs import UNSEEN_FOR, OwnJob, in_order
from drs_provider.rules.launch.tags import chunk_of
from drs_provider.rules.servers import Answer, is_live


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


def divide(wanted: Sequence[str], jobs: Sequence[OwnJob], *, attempt: int, gone: Collection[str] = ()) -> Division:
    """Give every wanted server to the newest of our jobs that holds it, or to those that must still be started.

    A server is started again only if its newest job belongs to an *earlier* attempt and has ended without launching
    it, or what it launched is gone. A job of this attempt is adopted whatever became of it: a second launch for the
    same intent would destroy what the first one made, or hide its failure.

    :param wanted: source server ids, in the order to start them
    :param jobs: the jobs of this run and wave (:func:`~drs_provider.rules.launch.tags.same_wave`), any order
    :param attempt: number of the present attempt
    :param gone: servers whose instance is no more (see :func:`gone_servers`), or is not what its wave waits for
    """
    oldest_first = sorted(jobs, key=in_order)
    holder: dict[str, OwnJob] = {}
    for job in oldest_first:
        holder.update(dict.fromkeys(job.servers, job))
    to_start = tuple(
        server for server in wanted if server not in holder or _may_start(server, holder[server], attempt, gone)
    )
    again = set(to_start)
    shares = []
    for job in oldest_first:
        servers = tuple(server for server in wanted if server not in again and holder[server].job_id == job.job_id)
        if servers:
            shares.append(JobShare(job.job_id, servers, job.created_at, job.attempt))
    chunks = [chunk_of(job.tags) for job in jobs if job.attempt == attempt]
    return Division(tuple(shares), to_start, max(chunks, default=-1) + 1)


def _may_start(server: str, job: OwnJob, attempt: int, gone: Collection[str]) -> bool:
    return (server in job.failed or server in gone) and job.attempt < attempt


def launched_before(wanted: Sequence[str], jobs: Sequence[OwnJob], *, attempt: int) -> dict[str, OwnJob]:
    """Give the servers that an earlier attempt has launched, each with the job that did."""
    holder: dict[str, OwnJob] = {}
    for job in sorted(jobs, key=in_order):
        holder.update(dict.fromkeys(job.servers, job))
    return {
        server: job
        for server in wanted
        if server in holder and _has_launched(server, job := holder[server]) and job.attempt < attempt
    }


def _has_launched(server: str, job: OwnJob) -> bool:
    return job.ended_at is not None and server not in job.failed


@dataclass(frozen=True)
class GoneServers:
    """Servers whose instance is no more (``gone``), and those of which DRS may not show it yet (``unseen``)."""

    gone: frozenset[str]
    unseen: Mapping[str, str]


def gone_servers(
    launched: Mapping[str, OwnJob], instances: Sequence[Answer], *, now: datetime, cleaned: Collection[str] = ()
) -> GoneServers:
    """Say of which servers the instance that an earlier attempt launched is no more.

    :param launched: as :func:`launched_before` gives them
    :param instances: items of DescribeRecoveryInstances for these servers
    :param cleaned: jobs whose instances this run has terminated itself: what DRS does not show of them is gone
    """
    shown = {(str(item.get("sourceServerID")), item.get("jobID")): is_live(item) for item in instances}
    found = {server: shown.get((server, job.job_id)) for server, job in launched.items()}
    unseen = {
        server: job.job_id
        for server, job in launched.items()
        if found[server] is None and job.job_id not in cleaned and job.ended_at and now - job.ended_at < UNSEEN_FOR
    }
    return GoneServers(frozenset(server for server, live in found.items() if not live and server not in unseen), unseen)
