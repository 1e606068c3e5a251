"""Instances that a recovery has launched and that DRS does not describe yet: a launch must not destroy them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from drs_provider.recovery.jobs import Ended, read_job

UNSEEN_FOR = timedelta(minutes=10)
"""How long after its job's end a recovered instance that nobody describes is taken for one that is there."""


def unseen_recoveries(
    jobs: Iterable[Mapping[str, Any]],
    described: Iterable[Mapping[str, Any]],
    servers: Sequence[str],
    *,
    now: datetime,
) -> dict[str, str]:
    """Return those of the servers that a job has just recovered without their instance being described; with the job.

    Only the newest job of a server counts: one that launched or terminated it later decides anew. What is no drill by
    DRS's own word counts as a recovery.

    :param jobs: jobs of the account and Region
    :param described: items of DescribeRecoveryInstances for these servers
    """
    shown = {(instance.get("jobID"), instance.get("sourceServerID")) for instance in described}
    newest: dict[str, Mapping[str, Any]] = {}
    for job in sorted(jobs, key=lambda job: str(job.get("creationDateTime", ""))):
        newest.update({one["sourceServerID"]: job for one in job.get("participatingServers", ())})
    return {
        server: str(newest[server]["jobID"])
        for server in servers
        if server in newest
        and _has_just_recovered(newest[server], server, now)
        and (newest[server]["jobID"], server) not in shown
    }


def _has_just_recovered(job: Mapping[str, Any], server: str, now: datetime) -> bool:
    state = read_job(job)
    if job.get("type") != "LAUNCH" or job.get("initiatedBy") == "START_DRILL" or not isinstance(state, Ended):
        return False
    return server in state.launched and state.ended_at is not None and now - state.ended_at < UNSEEN_FOR
