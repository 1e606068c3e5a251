"""What of a set of recovery instances is gone, on its way out, held, or still to be terminated."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from drs_provider.rules.launch.jobs import ENDED_STATUS, Ended, holders, read_job
from drs_provider.rules.servers import is_live

EC2_GONE = "terminated"
_EC2_ENDING = "shutting-down"

VISIBLE_AFTER = timedelta(minutes=2)
"""An instance that a job has just launched may not be described at once."""


@dataclass(frozen=True)
class Choice:
    """Instances to terminate (source server by instance id), and those kept with the reason why."""

    targets: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stock:
    """Where the targets stand: ``gone``; ``ending`` in EC2 already; ``held`` by running jobs; ``left`` to terminate.

    ``open_jobs`` are the running jobs whose end changes something.
    """

    gone: tuple[str, ...]
    ending: tuple[str, ...]
    held: Mapping[str, str]
    left: tuple[str, ...]
    open_jobs: tuple[str, ...]


def choose(instances: Iterable[Mapping[str, Any]], *, include_recovery: bool) -> Choice:
    """Pick what may be terminated: what DRS calls a drill's instance, others only if told so in so many words."""
    targets: dict[str, str] = {}
    kept: dict[str, str] = {}
    for instance in instances:
        name = str(instance["recoveryInstanceID"])
        if instance.get("isDrill") is True or include_recovery:
            targets[name] = str(instance.get("sourceServerID", ""))
        elif is_live(instance):
            kept[name] = "DRS does not call it a drill's instance, so it is kept"
    return Choice(targets, kept)


def take_stock(
    targets: Mapping[str, str],
    *,
    described: Iterable[Mapping[str, Any]],
    ec2: Mapping[str, str],
    jobs: Sequence[Mapping[str, Any]],
) -> Stock:
    """Sort the targets by what DRS and EC2 say.

    EC2 decides whether an instance is gone: terminated, or not known to EC2 and to DRS alike. A running job that holds
    the server keeps its instance from being terminated; if it is a terminate job, that is already under way.

    :param described: items of DescribeRecoveryInstances
    :param ec2: EC2's state by instance id; what EC2 does not know is absent
    :param jobs: jobs of the account, to find the running ones
    """
    known = {str(i["recoveryInstanceID"]): i for i in described}
    gone, ending, left = [], [], []
    held: dict[str, str] = {}
    for instance, server in targets.items():
        state = ec2.get(instance)
        if state == EC2_GONE or (state is None and not is_live(known.get(instance, {"ec2InstanceState": "NOT_FOUND"}))):
            gone.append(instance)
        elif state == _EC2_ENDING:
            ending.append(instance)
        elif blocking := holders(jobs, [server]):
            held[instance] = blocking[0]["jobID"]
        else:
            left.append(instance)
    return Stock(tuple(gone), tuple(ending), held, tuple(left), tuple(dict.fromkeys(held.values())))


def running(jobs: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the ids of the jobs that DRS still works on."""
    return tuple(job["jobID"] for job in jobs if job.get("status") != ENDED_STATUS)


def awaited(
    jobs: Iterable[Mapping[str, Any]], described: Iterable[Mapping[str, Any]], seen: Collection[str], *, now: datetime
) -> tuple[str, ...]:
    """Return the servers that a job launched moments ago and whose instances DRS does not show yet.

    :param seen: source server ids of instances found earlier
    """
    shown = {(i.get("jobID"), i.get("sourceServerID")) for i in described}
    missing = []
    for job in jobs:
        state = read_job(job)
        if job.get("type") != "LAUNCH" or not isinstance(state, Ended) or not state.ended_at:
            continue
        if now - state.ended_at < VISIBLE_AFTER:
            missing += [s for s in state.launched if (job["jobID"], s) not in shown and s not in seen]
    return tuple(missing)
