"""What AWS says became of the servers of one launch, in its account and Region."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.jobs import read_job_log
from drs_provider.rules.launch.results import Evidence, LaunchMember, Ready, ServerResult, assemble
from drs_provider.rules.run.handover import EndedJob, Launch
from drs_provider.rules.run.lost_instances import GONE_IN_EC2
from drs_provider.rules.servers import hostname_of

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LaunchResults:
    """What one account and Region said of a launch.

    ``pending`` maps servers that are not ready yet to their job; ``hidden``: those whose instance DRS does not show.
    """

    launch: Launch
    region: str
    jobs: tuple[EndedJob, ...]
    results: tuple[ServerResult, ...]
    pending: Mapping[str, str]
    hidden: frozenset[str] = frozenset()


def find(
    launch: Launch,
    hook: "DrsHook",
    *,
    ready: Ready,
    members: Mapping[str, LaunchMember],
    now: datetime | None = None,
    prepared: Collection[str] = (),
) -> LaunchResults:
    """Ask the launch's account and Region what became of its servers.

    :param hook: the hook of that account and Region
    :param members: the servers by id, as far as they are known; one whose hostname is empty is looked up
    :param now: the present instant; None: an instance that DRS does not show is awaited, however long
    :param prepared: servers whose instances are launched stopped, to be started in their turn
    """
    evidence = _evidence(hook, launch, ready, prepared)
    results, pending = assemble(launch.jobs, _members(hook, launch, members), evidence, ready=ready, now=now)
    holder = {server: job.job_id for job in launch.jobs for server in job.servers}
    known = {job.job_id: job for job in launch.jobs}
    jobs = tuple(
        _ended(evidence.jobs[job_id])
        if job_id in evidence.jobs
        else EndedJob(job_id=job_id, created_at=known[job_id].created_at, forgotten=True)
        for job_id in launch.job_ids
    )
    hidden = frozenset(server for server, job_id in holder.items() if evidence.instance(job_id, server) is None)
    return LaunchResults(launch, hook.region, jobs, results, {server: holder[server] for server in pending}, hidden)


def unknown_results(launch: Launch, members: Mapping[str, LaunchMember], why: str) -> LaunchResults:
    """Call every server of a launch failed of which nobody can say what it has become."""
    holder = {server: job.job_id for job in launch.jobs for server in job.servers}
    results = tuple(
        ServerResult(
            server,
            members[server].hostname if server in members else server,
            members[server].critical if server in members else True,
            "failed",
            job_id=job_id,
            reason=f"what became of it is not known: {why}",
        )
        for server, job_id in holder.items()
    )
    jobs = tuple(EndedJob(job_id=job.job_id, created_at=job.created_at) for job in launch.jobs)
    return LaunchResults(launch, launch.region, jobs, results, {})


def _members(hook: "DrsHook", launch: Launch, given: Mapping[str, LaunchMember]) -> dict[str, LaunchMember]:
    nameless = [server for server in launch.servers if server not in given or not given[server].hostname]
    names = {
        source["sourceServerID"]: hostname_of(source, source["sourceServerID"])
        for source in hook.source_servers(nameless)
    }
    return {
        server: LaunchMember(
            server,
            (given[server].hostname if server in given else "") or names.get(server, server),
            critical=given[server].critical if server in given else True,
        )
        for server in launch.servers
    }


def _evidence(hook: "DrsHook", launch: Launch, ready: Ready, prepared: Collection[str]) -> Evidence:
    jobs = {job["jobID"]: job for job in hook.jobs(launch.job_ids)}
    if missing := [job_id for job_id in launch.job_ids if job_id not in jobs]:
        log.warning("DRS no longer knows %s; its instances say what it has launched", ", ".join(missing))
    ours = set(launch.job_ids)
    instances = [
        instance
        for instance in hook.recovery_instances(source_server_ids=launch.servers)
        if instance.get("jobID") in ours
    ]
    stopped = [found["sourceServerID"] for found in instances if found.get("ec2InstanceState") == "STOPPED"]
    running = [found["ec2InstanceID"] for found in instances if found.get("ec2InstanceState") == "RUNNING"]
    logs = {job_id: tuple(hook.job_log(job_id)) for job_id in launch.job_ids if job_id in jobs}
    asked = [server for server in stopped if server not in prepared]
    purposes = {server: hook.launch_configuration(server).get("launchDisposition") for server in asked}
    purposes |= dict.fromkeys(set(stopped) & set(prepared), "STOPPED")
    return Evidence(
        jobs,
        logs,
        instances,
        stopped_on_purpose={server for server, disposition in purposes.items() if disposition == "STOPPED"},
        unhealthy=hook.unhealthy_instances(running) if ready == "status_checks" else {},
        hidden=_hidden(hook, logs, {str(found["ec2InstanceID"]) for found in instances}),
    )


def _hidden(hook: "DrsHook", logs: Mapping[str, Sequence[Answer]], shown: Collection[str]) -> dict[str, str]:
    """Return what EC2 has of the instances that job logs name and DRS does not show, with its word for their state."""
    named = {
        timeline.target_instance
        for log_of_job in logs.values()
        for timeline in read_job_log(log_of_job).values()
        if timeline.target_instance and timeline.target_instance not in shown
    }
    states = hook.instance_states(sorted(named)) if named else {}
    return {name: state for name, state in states.items() if state not in GONE_IN_EC2}


def _ended(job: Answer) -> EndedJob:
    return EndedJob(
        job_id=job["jobID"],
        created_at=job.get("creationDateTime"),
        ended_at=job.get("endDateTime"),
        initiated_by=job.get("initiatedBy"),
    )
