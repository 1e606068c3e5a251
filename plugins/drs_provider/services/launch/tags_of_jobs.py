"""Finding what a run has launched by its tags, and tagging it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.tags import read_mark

if TYPE_CHECKING:
    from drs_provider.hooks.drill_resources import TracesHook
    from drs_provider.hooks.drs import DrsHook

JOBS_BEFORE_RUN: Final = timedelta(minutes=10)
"""How long before a run, by AWS's clock, its first job may have been created: clocks differ."""


def jobs_of_runs(hook: "DrsHook", runs: Collection[str], *, since: datetime) -> list[Answer]:
    """Return the jobs of an account and Region that carry the tags of these runs, or say that one of them took over.

    :param runs: keys of runs
    :param since: jobs that were created before are not looked at
    """
    jobs = hook.jobs_since(since)
    return [job for job in jobs if (mark := read_mark(job.get("tags"))) and mark.is_of(runs)]


def tag_launched(hook: "TracesHook", job_ids: Sequence[str], tags: Mapping[str, str]) -> tuple[int, dict[str, str]]:
    """Tag the instances that these jobs launched; return how many, and what was refused, by instance."""
    jobs = hook.jobs(job_ids)
    servers = sorted({server["sourceServerID"] for job in jobs for server in job.get("participatingServers", ())})
    instances = hook.recovery_instances(source_server_ids=servers)
    found = [instance for instance in instances if instance.get("jobID") in job_ids]
    refused = hook.mark(found, tags)
    return len(found) - len(refused), {name: str(error) for name, error in refused.items()}
