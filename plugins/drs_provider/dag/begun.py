"""Jobs of a wave that exist although the launch that they belong to has not come to its end."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from drs_provider.recovery.identity import attempt_of, same_wave
from drs_provider.recovery.times import parse_instant

if TYPE_CHECKING:
    from drs_provider.aws.hook import DrsHook
    from drs_provider.operators.starting import Request


def begun_jobs(
    hook: "DrsHook", request: "Request", *, since: datetime | None, remembered: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield the jobs of a request that DRS shows, and those that are remembered although it does not.

    :param since: start of the run: older jobs belong to a run that this one continues
    :param remembered: as :meth:`~drs_provider.operators.memory.Memory.jobs` returns them, of any account
    :return: ``{"job_id", "servers", "created_at", "attempt", "adopted"}``
    """
    wanted, identity = set(request.servers), request.own_tags(chunk=0, attempt=1)
    found = {
        str(job["jobID"]): job
        for job in hook.jobs_since(since or request.since)
        if same_wave(job.get("tags"), identity) and (since is None or parse_instant(job["creationDateTime"]) >= since)
    }
    for job in {**{str(one["jobID"]): one for one in remembered}, **found}.values():
        servers = [one["sourceServerID"] for one in job.get("participatingServers", ())]
        mine = [one for one in servers if one in wanted]
        if mine:
            yield {
                "job_id": str(job["jobID"]),
                "servers": mine,
                "created_at": str(job["creationDateTime"]),
                "attempt": attempt_of(job.get("tags")),
                "adopted": job["jobID"] not in {one["jobID"] for one in remembered},
            }
