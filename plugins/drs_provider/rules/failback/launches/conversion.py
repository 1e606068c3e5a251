"""Conversions of failback clients that have ended, by DRS's jobs: what its word on an instance may not show yet.

Who goes by ``failback.state`` alone would convert a machine a second time, which production may run on by then.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from drs_provider.formatting import parse_instant
from drs_provider.rules.answers import Answer
from drs_provider.rules.failback.circle import STARTS_OF_RECOVERY, Circle
from drs_provider.rules.failback.launches.hidden_launch import SHOWN_WITHIN
from drs_provider.rules.launch.jobs import Ended, created_at_of, read_job, servers_of

_TOLERANCE: Final = timedelta(minutes=1)
"""DRS does not say whether a failback begins with its client or with its job, which may be a moment older then."""


class HiddenConversion(NamedTuple):
    """A conversion that has succeeded, while DRS does not call the failback completed.

    :ivar is_young: DRS may still be about to say so
    :ivar is_known: whether DRS tells of the job; a doubt costs a look, a mistake the machine that production runs on
    """

    job_id: str
    is_young: bool
    is_known: bool = True

    @property
    def note(self) -> str:
        """Say what is waited for."""
        return f"job {self.job_id} has converted its failback client, and DRS does not call the failback completed yet"

    @property
    def why(self) -> str:
        """Say what people have to look at, and what to do then."""
        by = f"job {self.job_id} has converted its failback client"
        if not self.is_known:
            by = f"DRS names job {self.job_id} for its failback client and does not know it"
        return (
            f"{by}, and DRS does not call the failback completed: production may run on the machine in the data "
            "centre. Look there: if it does, keep everything, and protect that machine by hand; if it does not, stop "
            "the failback (StopFailback), and boot the failback client again"
        )


def hidden_conversion(circle: Circle) -> HiddenConversion | None:
    """Return the last conversion of a server's client, if it has succeeded and DRS's state tells nothing of it.

    For a server whose failback DRS does not call completed; None: no job has converted it.
    """
    job = _last(circle)
    named = _named(circle.recovered[0]) if circle.recovered else ""
    if named and all(str(found.get("jobID")) != named for found in circle.recovery.jobs):
        return HiddenConversion(named, is_young=False, is_known=False)
    state = read_job(job) if job is not None else None
    if job is None or not isinstance(state, Ended) or circle.server_id not in state.launched:
        return None
    at = circle.recovery.at
    is_young = state.ended_at is None or at is None or at - state.ended_at < SHOWN_WITHIN
    return HiddenConversion(state.job_id, is_young)


def jobs_to_ask(records: Iterable[Answer], jobs: Iterable[Answer]) -> tuple[str, ...]:
    """Return the jobs that recovered instances name for their failback clients, and that were not listed.

    They are older than the jobs that are asked for, or have begun since; who forgets one converts its machine again.

    :param records: items of DescribeRecoveryInstances
    :param jobs: those that were listed before
    """
    listed = {str(job.get("jobID")) for job in jobs}
    return tuple(dict.fromkeys(name for record in records if (name := _named(record)) and name not in listed))


def failed_conversion(circle: Circle) -> str:
    """Return the id of the last conversion of a server's client, if it has failed; empty: none has."""
    job = _last(circle)
    state = read_job(job) if job is not None else None
    return state.job_id if isinstance(state, Ended) and circle.server_id in state.failed else ""


def _named(record: Answer) -> str:
    """Return the job that DRS names for an instance's failback client; empty: none, or no failback goes on."""
    failback = record.get("failback") or {}
    is_over = failback.get("state") in {None, "FAILBACK_NOT_STARTED", "FAILBACK_COMPLETED"}
    return "" if is_over or record.get("originEnvironment") == "AWS" else str(failback.get("failbackJobID") or "")


def _last(circle: Circle) -> Answer | None:
    """Return the newest job that was to convert the client which the recovered instance has now."""
    jobs = sorted(_jobs(circle), key=lambda job: str(job.get("creationDateTime") or ""))
    return jobs[-1] if jobs else None


def _jobs(circle: Circle) -> Iterator[Answer]:
    record = circle.recovered[0] if circle.recovered else {}
    failback = record.get("failback") or {}
    begins = instant_of(failback.get("failbackInitiationTime")) or _launched_at(circle, str(record.get("jobID") or ""))
    for job in circle.recovery.jobs:
        is_conversion = job.get("type") == "LAUNCH" and job.get("initiatedBy") not in STARTS_OF_RECOVERY
        if not is_conversion or circle.server_id not in servers_of(job):
            continue
        created = created_at_of(job)
        is_named = job.get("jobID") == failback.get("failbackJobID")
        if is_named or begins is None or created is None or created >= begins - _TOLERANCE:
            yield job


def _launched_at(circle: Circle, job_id: str) -> datetime | None:
    """Return when the recovered instance was launched; None: longer ago than the jobs that were asked for."""
    return next((created_at_of(job) for job in circle.recovery.jobs if job_id and job.get("jobID") == job_id), None)


def instant_of(text: object) -> datetime | None:
    """Read an instant as DRS writes it; None: it says none, or something else."""
    try:
        return parse_instant(str(text)) if text else None
    except ValueError:
        return None
