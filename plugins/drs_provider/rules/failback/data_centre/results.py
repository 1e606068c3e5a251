"""What became of every server whose failback client a job was to convert."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from drs_provider.rules.answers import Answer
from drs_provider.rules.failback.state import CircleState, Stage
from drs_provider.rules.launch.jobs import (
    LAUNCHED_STATUS,
    UNSEEN_FOR,
    Ended,
    LaunchJob,
    ServerTimeline,
    failure_reason,
    read_job,
)
from drs_provider.rules.launch.results import LaunchMember, ServerResult

_CONVERTED: Final = frozenset({Stage.FAILED_BACK, Stage.REPROTECTING, Stage.REPROTECTED, Stage.RESTING})
"""Where DRS calls the failback completed, or nothing of it is left."""

_MAY_YET_BE: Final = frozenset({Stage.LAUNCHING, Stage.READY, Stage.COPYING})


class Conversion(NamedTuple):
    """What became of one server. ``is_pending``: DRS may be about to say that its failback is completed."""

    result: ServerResult
    is_pending: bool = False


def conversion_result(
    job: LaunchJob,
    member: LaunchMember,
    described: Answer | None,
    timelines: Mapping[str, ServerTimeline],
    state: CircleState,
    *,
    now: datetime,
) -> Conversion:
    """Judge one server by its job and by what DRS says of its failback: both have to say that it is converted.

    :param described: the job, as DescribeJobs gives it; None: DRS does not know it any more
    :param state: where the server stands
    """
    parts: Sequence[Answer] = (described or {}).get("participatingServers") or ()
    part = next((part for part in parts if part.get("sourceServerID") == member.server_id), None)
    timeline, is_back = timelines.get(member.server_id), state.stage in _CONVERTED
    read = read_job(described) if described is not None else None
    status: Literal["launched", "failed", "unknown"] = "launched" if is_back else "unknown"
    reason, is_pending = "", False
    if read is None:
        reason = (
            "" if is_back else f"DRS no longer knows {job.job_id}, which was to convert its failback client: {_LOOK}"
        )
    elif not isinstance(read, Ended):
        status = "unknown"
        reason = f"{job.job_id} still runs and says {(part or {}).get('launchStatus', 'PENDING')}: nobody waits for it"
    elif (part or {}).get("launchStatus") != LAUNCHED_STATUS:
        status, reason = "failed", failure_reason(timeline, part)
    elif not is_back:
        reason = state.why or f"{job.job_id} has converted its failback client, and DRS calls it {state.stage}: {_LOOK}"
        is_young = read.ended_at is None or now - read.ended_at < UNSEEN_FOR
        is_pending = state.stage in _MAY_YET_BE and is_young
    result = ServerResult(
        member.server_id,
        member.hostname,
        member.critical,
        status,
        job_id=job.job_id,
        reason=reason or None,
        events=tuple({"at": e.at.isoformat(), "event": e.event} for e in timeline.events) if timeline else (),
    )
    return Conversion(result, is_pending)


_LOOK: Final = "look at the machine in the data centre before you do anything about it"
