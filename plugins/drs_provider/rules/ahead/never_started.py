"""Whether an instance that a run launched stopped was ever started: only one that never was may be replaced.

A launch terminates it, and what nobody has started holds nobody's work. Whatever is not proven speaks against it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from drs_provider.formatting import parse_instant
from drs_provider.rules.ahead.next_start import StartTry
from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.jobs import ENDED_STATUS
from drs_provider.rules.launch.tags import RUN, TAKER

_EC2_STOPPED: Final = "stopped"
_DRS_STOPPED: Final = "STOPPED"
_STOPPED_AT: Final = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")
"""The instant in EC2's ``StateTransitionReason``: ``User initiated (2026-11-30 12:00:05 GMT)``."""


@dataclass(frozen=True)
class PreparedInstance:
    """What is known at this moment of an instance that was launched stopped.

    :param instance_id: its id in EC2
    :param shown: what DescribeRecoveryInstances says of it; None: DRS does not show it
    :param job: what DescribeJobs says of the job that launched it; None: DRS does not know it any more
    :param ec2: what DescribeInstances says of it; None: EC2 does not show it
    :param starts: the starts of it that this run has asked for, as far as it remembers
    """

    instance_id: str
    shown: Answer | None = None
    job: Answer | None = None
    ec2: Answer | None = None
    starts: Sequence[StartTry] = field(default=())


def why_it_may_have_run(found: PreparedInstance, *, run: str, continues: str | None) -> str | None:
    """Say why an instance is not proven to be this run's own that was never started; None: it is proven.

    EC2 moves an instance's ``LaunchTime`` with every start, and says when it was stopped: where both lie before the end
    of the job, nobody has started the instance since, whoever it was and whatever became of the answer.

    :param run: key of the run, as the tags of its jobs give it
    :param continues: key of the run that it goes on with: what that one launched, its Airflow may be about to start
    """
    return _why_not_ours(found, run, continues) or _why_not_off(found)


def kept_words(instance_id: str, why: str) -> str:
    """Word that a server is not launched again, and what to do.

    :param why: as :func:`why_it_may_have_run` says
    """
    return f"It is not launched again, which would terminate {instance_id}, and that it never ran is not proven: {why}"


def _why_not_ours(found: PreparedInstance, run: str, continues: str | None) -> str | None:
    if found.shown is None:
        return f"DRS does not show {found.instance_id}"
    job_id = str(found.shown.get("jobID") or "")
    if not job_id:
        return f"DRS does not say which job launched {found.instance_id}"
    if found.job is None or found.job.get("jobID") != job_id:
        return f"DRS no longer knows {job_id}, which launched {found.instance_id}"
    tags: Mapping[str, str] = found.job.get("tags") or {}
    if continues is not None and tags.get(RUN) == continues and tags.get(TAKER) is None:
        return f"{job_id} launched {found.instance_id} for the run that this one goes on with, which may start it"
    if (tags.get(RUN), tags.get(TAKER)) != ((run, None) if continues is None else (continues, run)):
        return f"the tags of {job_id}, which launched {found.instance_id}, do not say that it is of this run"
    return None


def _why_not_off(found: PreparedInstance) -> str | None:  # noqa: PLR0911 - one line per reason
    """Say why it may have run, or may run; called of one that DRS shows, with the job that launched it."""
    state, job = (found.shown or {}).get("ec2InstanceState"), found.job or {}
    if state != _DRS_STOPPED:
        return f"DRS calls {found.instance_id} {state}"
    if found.ec2 is None:
        return f"EC2 does not show {found.instance_id}"
    state = (found.ec2.get("State") or {}).get("Name")
    if state != _EC2_STOPPED:
        return f"EC2 calls {found.instance_id} {state}"
    if accepted := [start.at for start in found.starts if not start.refused]:
        return f"this run has started {found.instance_id} at {_text(accepted[0])}"
    if not found.starts:
        return f"this run has not tried to start {found.instance_id}"
    if job.get("status") != ENDED_STATUS or not job.get("endDateTime"):
        return f"DRS does not say when {job['jobID']} ended, which launched {found.instance_id}"
    return _why_run_since(found.instance_id, found.ec2, str(job["jobID"]), _instant(job["endDateTime"]))


def _why_run_since(name: str, ec2: Answer, job_id: str, ended: datetime) -> str | None:
    """Say why an instance that is stopped may have run since its job ended.

    EC2 tells both instants in whole seconds: a start within the second of the job's end is told by the later stop.
    """
    if not ec2.get("LaunchTime"):
        return f"EC2 does not say when {name} was last started"
    stopped = _STOPPED_AT.search(str(ec2.get("StateTransitionReason") or ""))
    if not stopped:
        return f"EC2 does not say when {name} was stopped"
    for word, at in (("started", _instant(ec2["LaunchTime"])), ("stopped", parse_instant(stopped[1]))):
        if at > ended:
            return (
                f"EC2 says that {name} was {word} at {_text(at)}, and {job_id}, which launched it, had ended at "
                f"{_text(ended)}"
            )
    return None


def _instant(at: datetime | str) -> datetime:
    return at if isinstance(at, datetime) else parse_instant(at)


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
