"""Quotas of DRS per account and Region, as AWS's general reference lists them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Quota:
    """One quota."""

    code: str
    name: str
    value: float
    adjustable: bool


CONCURRENT_JOBS = Quota("L-D88FAC3A", "Concurrent jobs in progress", 20, adjustable=False)
SERVERS_PER_JOB = Quota("L-B827C881", "Max source servers in a single Job", 100, adjustable=False)
SERVERS_IN_JOBS = Quota("L-05AFA8C6", "Max source servers in all Jobs", 500, adjustable=False)
JOBS_PER_SERVER = Quota("L-DD6D028C", "Max concurrent Jobs per source server", 1, adjustable=False)
REPLICATING_SERVERS = Quota("L-C1D14A2B", "Max number of active source servers", 300, adjustable=False)
SOURCE_SERVERS = Quota("L-E28BE5E0", "Max number of source servers", 4000, adjustable=True)

QUOTAS: Mapping[str, Quota] = {
    quota.code: quota
    for quota in (
        CONCURRENT_JOBS,
        SERVERS_PER_JOB,
        SERVERS_IN_JOBS,
        JOBS_PER_SERVER,
        REPLICATING_SERVERS,
        SOURCE_SERVERS,
    )
}
"""Every quota with a published code, by code."""

LAUNCH_ACTIONS_PER_RESOURCE = 200
LAUNCH_CONFIGURATION_TEMPLATES = 1
SOURCE_NETWORKS = 100


def value_of(quota: Quota, changed: Mapping[str, float]) -> int:
    """Return the quota's value where a Region may have another one than AWS's default."""
    return int(changed.get(quota.code, quota.value))
