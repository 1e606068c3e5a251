"""What AWS says became of the servers of one launch, in its account and Region."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drs_provider.exceptions import JobVanished
from drs_provider.rules.launch.launched import StartedJobs
from drs_provider.rules.launch.results import Evidence, LaunchMember, Ready, ServerResult, assemble
from drs_provider.rules.servers import hostname_of

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook


@dataclass(frozen=True)
class Found:
    """What one account and Region said; ``pending`` maps launched servers that are not ready yet to their job."""

    aws: Mapping[str, Any]
    region: str
    jobs: tuple[Mapping[str, Any], ...]
    results: tuple[ServerResult, ...]
    pending: Mapping[str, str]


def find(
    launch: StartedJobs, aws: Mapping[str, Any], hook: "DrsHook", *, ready: Ready, members: Sequence[Mapping[str, Any]]
) -> Found:
    """Ask the launch's account and Region what became of its servers.

    :param aws: the hook's arguments, as one
    :param hook: the hook of that account and Region
    :param members: ``{"id" (or "server_id"), "hostname", "critical"}`` of the servers, as far as they are known
    """
    job_ids = [job["job_id"] for job in launch.jobs]
    evidence = _evidence(hook, launch, job_ids, ready)
    results, pending = assemble(launch.jobs, _members(hook, launch, members), evidence, ready=ready)
    holder = {server: job["job_id"] for job in launch.jobs for server in job["servers"]}
    jobs = tuple(evidence.jobs[job_id] for job_id in job_ids)
    return Found(aws, hook.region, jobs, results, {server: holder[server] for server in pending})


def _members(hook: "DrsHook", launch: StartedJobs, members: Sequence[Mapping[str, Any]]) -> dict[str, LaunchMember]:
    given = {one.get("server_id") or one["id"]: one for one in members}
    ids = _server_ids(launch)
    nameless = [server for server in ids if not given.get(server, {}).get("hostname")]
    names = {s["sourceServerID"]: hostname_of(s, s["sourceServerID"]) for s in hook.source_servers(nameless)}
    return {
        server: LaunchMember(
            server,
            given.get(server, {}).get("hostname") or names.get(server, server),
            critical=given.get(server, {}).get("critical", True) is not False,
        )
        for server in ids
    }


def _evidence(hook: "DrsHook", launch: StartedJobs, job_ids: Sequence[str], ready: Ready) -> Evidence:
    jobs = {job["jobID"]: job for job in hook.jobs(job_ids)}
    if missing := [job_id for job_id in job_ids if job_id not in jobs]:
        raise JobVanished(missing)
    servers = _server_ids(launch)
    instances = [i for i in hook.recovery_instances(source_server_ids=servers) if i.get("jobID") in jobs]
    stopped = [i["sourceServerID"] for i in instances if i.get("ec2InstanceState") == "STOPPED"]
    running = [i["ec2InstanceID"] for i in instances if i.get("ec2InstanceState") == "RUNNING"]
    purposes = {server: hook.launch_configuration(server).get("launchDisposition") for server in stopped}
    return Evidence(
        jobs,
        {job_id: hook.job_log(job_id) for job_id in job_ids},
        instances,
        stopped_on_purpose={server for server, disposition in purposes.items() if disposition == "STOPPED"},
        unhealthy=hook.unhealthy_instances(running) if ready == "status_checks" else {},
    )


def _server_ids(launch: StartedJobs) -> list[str]:
    return [server for job in launch.jobs for server in job["servers"]]
