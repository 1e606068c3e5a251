"""What an account and Region have room for, and how many servers the next job may launch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from drs_provider.formatting import parse_instant, plural
from drs_provider.rules.launch.jobs import ENDED_STATUS
from drs_provider.rules.servers import Answer

SERVICE_CODE: Final = "drs"
CODES: Final = {"jobs": "L-D88FAC3A", "servers_per_job": "L-B827C881", "servers_in_jobs": "L-05AFA8C6"}
"""Service Quotas codes by field of :class:`Quotas` (AWS General Reference, endpoints and quotas of DRS)."""

RECOVERY: Final = "START_RECOVERY"
"""``initiatedBy`` of a job that launches a real recovery; a drill's is START_DRILL."""

RECOVERIES_GO_FIRST_FOR: Final = timedelta(hours=2)
"""How long after its start a recovery job may delay drills."""


@dataclass(frozen=True)
class Quotas:
    """Concurrent jobs, servers in one job, servers in all running jobs; the defaults are AWS's own."""

    jobs: int = 20
    servers_per_job: int = 100
    servers_in_jobs: int = 500

    @classmethod
    def from_answers(cls, answers: Iterable[Answer]) -> "Quotas":
        """Build from the items of ListServiceQuotas (``QuotaCode``, ``Value``); what is not there keeps its default."""
        by_code = {answer.get("QuotaCode"): answer.get("Value") for answer in answers}
        found = {field: by_code.get(code) for field, code in CODES.items()}
        return cls(**{field: int(value) for field, value in found.items() if value is not None and value >= 1})


@dataclass(frozen=True)
class Room:
    """What running jobs take of the quotas: ``jobs`` running, ``servers`` in them."""

    jobs: int
    servers: int

    def next_job(self, wanted: int, quotas: Quotas) -> int:
        """Return how many of the servers that are wanted one more job may launch now; 0: none.

        Room that no full job fits into is filled with a smaller one: a server that starts now is there one job
        earlier, and a job that ends gives back a job and its servers together, so that small jobs do not use jobs up.
        """
        if self.jobs >= quotas.jobs:
            return 0
        return max(min(wanted, quotas.servers_per_job, quotas.servers_in_jobs - self.servers), 0)

    def shortage(self, wanted: int, quotas: Quotas) -> str:
        """Say why no further job has room now while so many servers wait."""
        still = f"{wanted} more server{'s wait' if wanted != 1 else ' waits'}"
        if self.jobs >= quotas.jobs:
            return f"{self.jobs} of {quotas.jobs} concurrent jobs are running, {still}"
        return f"{self.servers} of {quotas.servers_in_jobs} servers are in running jobs, {still}"


def taken(jobs: Iterable[Answer]) -> Room:
    """Count the running jobs of an account and Region, and the servers in them, whoever started them."""
    running = [job for job in jobs if job.get("status") != ENDED_STATUS]
    return Room(len(running), sum(len(job.get("participatingServers", ())) for job in running))


def ahead_of_drills(jobs: Iterable[Answer], *, now: datetime) -> tuple[Answer, ...]:
    """Return the running jobs that a drill leaves the account to: real recoveries, whoever started them.

    One that is older than :data:`RECOVERIES_GO_FIRST_FOR` is stuck rather than urgent, and delays no drill.
    """
    return tuple(
        job
        for job in jobs
        if job.get("status") != ENDED_STATUS
        and job.get("initiatedBy") == RECOVERY
        and now - parse_instant(job["creationDateTime"]) <= RECOVERIES_GO_FIRST_FOR
    )


def quota_notes(where: str, waves: Mapping[str, int], quotas: Quotas, running: Iterable[Answer]) -> tuple[str, ...]:
    """Say what the account and Region have room for, what is taken, and in how many rounds each wave goes.

    :param where: account and Region as the run's messages name them
    :param waves: servers of the run there, by wave
    :param running: items of DescribeJobs, ended ones too
    """
    used = taken(running)
    notes = [
        (
            f"quotas of {where}: {used.jobs} of {quotas.jobs} jobs run now, with {used.servers} of "
            f"{quotas.servers_in_jobs} servers; {quotas.servers_per_job} servers a job"
        )
    ]
    for wave, servers in waves.items():
        jobs = _jobs(servers, quotas)
        if not jobs:
            continue
        rounds = rounds_of(servers, quotas)
        held = " (it waits for room first)" if not used.next_job(servers, quotas) else ""
        notes.append(
            f"wave {wave} in {where}: {plural(servers, 'server')} in {plural(jobs, 'job')}, "
            f"{plural(rounds, 'round')}{held}"
        )
    return tuple(notes)


def rounds_of(servers: int, quotas: Quotas) -> int:
    """Return in how many rounds so many servers are launched where nothing else runs."""
    jobs = _jobs(servers, quotas)
    return max(ceil(jobs / quotas.jobs), ceil(servers / quotas.servers_in_jobs)) if servers else 0


def _jobs(servers: int, quotas: Quotas) -> int:
    return ceil(servers / _most(quotas))


def _most(quotas: Quotas) -> int:
    return min(quotas.servers_per_job, quotas.servers_in_jobs)
