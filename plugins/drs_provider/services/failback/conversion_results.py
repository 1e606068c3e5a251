"""What DRS says became of the failback clients that one launch was to convert."""

from collections.abc import Mapping
from datetime import datetime

from drs_provider.rules.failback.data_centre.results import conversion_result
from drs_provider.rules.launch.jobs import read_job_log
from drs_provider.rules.launch.results import LaunchMember
from drs_provider.rules.run.handover import EndedJob, Launch
from drs_provider.services.failback.read import CircleReader
from drs_provider.services.launch.job_results import LaunchResults


def find_conversions(
    launch: Launch, reader: CircleReader, *, members: Mapping[str, LaunchMember], now: datetime
) -> LaunchResults:
    """Ask what became of every server of a launch that converts failback clients.

    Jobs before instances: one that ends in between has left its mark on them.

    :param members: its servers by id
    :param now: the present instant
    """
    hook = reader.recovery
    jobs = {str(job["jobID"]): job for job in hook.jobs(launch.job_ids)}
    logs = {job_id: read_job_log(hook.job_log(job_id)) for job_id in launch.job_ids if job_id in jobs}
    read = reader.read(launch.servers)
    read.ensure_answered()
    found = {
        server: conversion_result(
            job,
            members[server],
            jobs.get(job.job_id),
            logs.get(job.job_id, {}),
            read.states[server],
            now=now,
        )
        for job in launch.jobs
        for server in job.servers
    }
    holders = {server: job.job_id for job in launch.jobs for server in job.servers}
    return LaunchResults(
        launch,
        hook.region,
        tuple(_ended(job.job_id, job.created_at, jobs.get(job.job_id)) for job in launch.jobs),
        tuple(conversion.result for conversion in found.values()),
        {server: holders[server] for server, conversion in found.items() if conversion.is_pending},
    )


def _ended(job_id: str, created_at: datetime | None, job: Mapping[str, object] | None) -> EndedJob:
    if job is None:
        return EndedJob(job_id=job_id, created_at=created_at, forgotten=True)
    read = {"created_at": "creationDateTime", "ended_at": "endDateTime", "initiated_by": "initiatedBy"}
    return EndedJob.model_validate({"job_id": job_id, **{name: job.get(member) for name, member in read.items()}})
