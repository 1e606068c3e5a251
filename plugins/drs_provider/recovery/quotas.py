"""What an account and Region have room for, and how a list of servers is cut into jobs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drs_provider.recovery.jobs import ENDED_STATUS

SERVICE_CODE = "drs"
CODES = {"jobs": "L-D88FAC3A", "servers_per_job": "L-B827C881", "servers_in_jobs": "L-05AFA8C6"}
"""Service Quotas codes by field of :class:`Quotas` (AWS General Reference, endpoints and quotas of DRS)."""


@dataclass(frozen=True)
class Quotas:
    """Concurrent jobs, servers in one job, servers in all running jobs; the defaults are AWS's own."""

    jobs: int = 20
    servers_per_job: int = 100
    servers_in_jobs: int = 500

    @classmethod
    def from_answers(cls, answers: Iterable[Mapping[str, Any]]) -> "Quotas":
        """Build from the items of ListServiceQuotas (``QuotaCode``, ``Value``); what is not there keeps its default."""
        by_code = {answer.get("QuotaCode"): answer.get("Value") for answer in answers}
        found = {field: by_code.get(code) for field, code in CODES.items()}
        return cls(**{field: int(value) for field, value in found.items() if value is not None and value >= 1})


@dataclass(frozen=True)
class Room:
    """What running jobs take of the quotas: ``jobs`` running, ``servers`` in them."""

    jobs: int
    servers: int

    def shortage(self, servers: int, quotas: Quotas) -> str:
        """Say why one more job of so many servers has no room now; empty if it has.

        A job that is larger than the whole quota of servers in jobs is let through when nothing runs: AWS answers it.
        """
        if self.jobs >= quotas.jobs:
            return f"{self.jobs} of {quotas.jobs} concurrent jobs are running"
        if self.servers and self.servers + servers > quotas.servers_in_jobs:
            return f"{self.servers} of {quotas.servers_in_jobs} servers are in running jobs, {servers} more do not fit"
        return ""


def taken(jobs: Iterable[Mapping[str, Any]]) -> Room:
    """Count the running jobs of an account and Region, and the servers in them, whoever started them."""
    running = [job for job in jobs if job.get("status") != ENDED_STATUS]
    return Room(len(running), sum(len(job.get("participatingServers", ())) for job in running))


def split(servers: Sequence[str], quotas: Quotas) -> tuple[tuple[str, ...], ...]:
    """Cut servers into as few jobs as the quota of servers per job allows, in their order; full ones first."""
    size = min(quotas.servers_per_job, quotas.servers_in_jobs)
    return tuple(tuple(servers[start : start + size]) for start in range(0, len(servers), size))
