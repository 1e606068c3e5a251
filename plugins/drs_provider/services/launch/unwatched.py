"""What a run has launched and no task of it has seen through: found by its jobs, protected, and named."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.jobs import ENDED_STATUS, Ended, read_job, servers_of
from drs_provider.rules.run.handover import FoundLaunch, FoundLaunches
from drs_provider.rules.servers import is_live
from drs_provider.rules.settings.values import Settings
from drs_provider.services.launch.instance_protection import look_after

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UnwatchedSearch:
    """Which of a run's servers in an account and Region are looked for.

    :param settings: effective launch settings by server id, of all its servers there
    :param settled: servers whose launch a task has seen through to the end
    :param known: jobs that its tasks remember, each with its servers: DRS may know them no longer
    """

    settings: Mapping[str, Settings]
    settled: Collection[str]
    known: Mapping[str, Sequence[str]]

    def jobs_of_others(self, jobs: Sequence[Answer]) -> dict[str, tuple[str, ...]]:
        """Give every job of the run, each with those of its servers that nobody has seen through."""
        found = {job_id: tuple(servers) for job_id, servers in self.known.items()}
        found |= {str(job["jobID"]): servers_of(job) for job in jobs if job.get("type", "LAUNCH") == "LAUNCH"}
        open_servers = {
            job_id: tuple(server for server in servers if server in self.settings and server not in self.settled)
            for job_id, servers in found.items()
        }
        return {job_id: servers for job_id, servers in open_servers.items() if servers}


def find_unwatched(hook: "LaunchSettingsHook", jobs: Sequence[Answer], search: UnwatchedSearch) -> FoundLaunches:
    """Look for live instances of a run's jobs that no task has seen through; protect what is no drill's.

    :param hook: of the account and Region
    :param jobs: the run's jobs there, found by their tags
    """
    mine = search.jobs_of_others(jobs)
    if not mine:
        return FoundLaunches()
    servers = list(dict.fromkeys(server for names in mine.values() for server in names))
    described = hook.recovery_instances(source_server_ids=servers)
    instances = {
        str(instance["sourceServerID"]): instance
        for instance in described
        if is_live(instance) and str(instance.get("jobID")) in mine
    }
    wanted = {server: search.settings[server] for server in instances}
    checks, refused = look_after(hook, wanted, tuple(mine)) if wanted else ({}, {})
    running = tuple(str(job["jobID"]) for job in jobs if job.get("status") != ENDED_STATUS and job["jobID"] in mine)
    holder = {server: job_id for job_id, names in mine.items() for server in names}
    found = {}
    for server in servers:
        instance, check = instances.get(server), checks.get(server)
        name = str(instance["ec2InstanceID"]) if instance else None
        error = refused.get(name or "")
        found[server] = FoundLaunch(
            job_id=str(instance["jobID"]) if instance else holder[server],
            instance_id=name,
            instance_state=str(instance.get("ec2InstanceState")) if instance else None,
            is_running_job=holder[server] in running,
            protected=check.protected if check else None,
            not_protected=str(error) if error else None,
        )
        log.warning("%s: %s", server, found[server].words)
    states = [read_job(job) for job in jobs if job["jobID"] in mine]
    ends = [state.ended_at for state in states if isinstance(state, Ended) and state.ended_at]
    return FoundLaunches(servers=found, running=running, ended_at=max(ends, default=None))
