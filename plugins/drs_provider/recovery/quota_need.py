"""How much of an account's quotas a run needs, held against what is in use now."""

from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

from drs_provider.recovery.quotas import Quotas, taken


def quota_notes(
    where: str, waves: Mapping[str, int], quotas: Quotas, running: Iterable[Mapping[str, Any]]
) -> tuple[str, ...]:
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
            f"wave {wave} in {where}: {_count(servers, 'server')} in {_count(jobs, 'job')}, "
            f"{_count(rounds, 'round')}{held}"
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


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s'[: number != 1]}"
