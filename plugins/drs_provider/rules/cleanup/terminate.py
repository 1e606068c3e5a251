"""What of a set of recovery instances may be terminated, is gone, on its way out or held, and when to give up."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from drs_provider.exceptions import RunRefused
from drs_provider.rules.answers import Answer
from drs_provider.rules.cleanup.ownership import why_not_of_drill
from drs_provider.rules.cleanup.proof import CreationProof, kept_words
from drs_provider.rules.launch.jobs import ENDED_STATUS, Ended, created_at_of, holders, read_job, servers_of
from drs_provider.rules.servers import is_live

EC2_GONE: Final = "terminated"
_EC2_ENDING: Final = "shutting-down"

VISIBLE_AFTER: Final = timedelta(minutes=2)
"""An instance that a job has just launched may not be described at once."""

MOST_REQUESTS: Final = 5
"""Terminate jobs that may end without their instances being gone before a clean-up gives up."""

NO_DRILLS: Final = "DRS does not call it a drill's instance, so it is kept"
NO_WORD: Final = "DRS does not say whether it is a drill's instance, so it is kept: look at it in EC2"

_SNAPSHOT: Final = "snap-"


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


@dataclass(frozen=True)
class Progress:
    """Where a clean-up stands after a look.

    ``launching``: launch jobs that still run, so more instances will appear. ``invisible``: servers that were launched
    and whose instances DRS does not show yet.
    """

    stock: Stock
    launching: tuple[str, ...] = ()
    invisible: tuple[str, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether every instance is gone and none will appear."""
        stock = self.stock
        return not (stock.ending or stock.held or stock.left or self.launching or self.invisible)

    @property
    def open_jobs(self) -> tuple[str, ...]:
        """The running jobs whose end changes something."""
        return (*self.stock.open_jobs, *self.launching)

    @property
    def why_left(self) -> dict[str, str]:
        """By instance or job, why it is not over."""
        return {
            **dict.fromkeys(self.stock.ending, "EC2 says that it is shutting down"),
            **{instance: f"the running job {job} holds its server" for instance, job in self.stock.held.items()},
            **dict.fromkeys(self.stock.left, "DRS accepted the termination, and it is still there"),
            **dict.fromkeys(self.launching, "this launch job still runs"),
        }

    def is_given_up(self, *, requests: int, is_late: bool) -> bool:
        """Tell whether to report what is left instead of going on."""
        return is_late or (bool(self.stock.left) and requests >= MOST_REQUESTS)


def are_parts_given_up(parts: Collection[str], *, requests: int, is_late: bool) -> bool:
    """Tell whether to report what EC2 has kept of instances that are gone; a snapshot is for a person to delete."""
    return is_late or requests >= MOST_REQUESTS or all(name.startswith(_SNAPSHOT) for name in parts)


def requests_counted(requests: int, *, left: int, fewest: int | None) -> int:
    """Count requests anew where fewer instances are left than ever: a big drill goes in many quota's rounds.

    :param left: how many instances are left to terminate
    :param fewest: the smallest number that any look has found; None: this is the first
    """
    return 0 if left and fewest is not None and left < fewest else requests


def ensure_all_chosen(choice: "Choice") -> None:
    """Refuse to terminate named instances of which some must be kept. Raises RunRefused."""
    recovered = [name for name, why in choice.kept.items() if why in (NO_DRILLS, NO_WORD)]
    if recovered:
        raise RunRefused(
            f"DRS does not call these a drill's instances: {', '.join(recovered)}. Nothing was terminated; set "
            "include_recovery=True to terminate them too"
        )
    if choice.kept:
        named = "; ".join(f"{name}: {why}" for name, why in choice.kept.items())
        raise RunRefused(f"Nothing was terminated, for no launch is proven to have created: {named}")


def choose(
    instances: Iterable[Answer],
    *,
    include_recovery: bool,
    runs: Collection[str] = (),
    proofs: Mapping[str, CreationProof] | None = None,
    spares: Callable[[Answer], str | None] | None = None,
) -> Choice:
    """Pick what may be terminated: what DRS calls a drill's instance, others only if told so in so many words.

    What is not proven to be created by its launch is kept, whatever is asked.

    :param runs: keys of the only runs whose instances are meant; none: those of any
    :param proofs: of the instances that EC2 still has, by id
    :param spares: what decides in place of all that: says why an instance must not be terminated; None: it may
    """
    proofs = proofs or {}
    targets: dict[str, str] = {}
    kept: dict[str, str] = {}
    for instance in instances:
        name = str(instance["recoveryInstanceID"])
        why = spares(instance) if spares else _why_no_drill(instance, runs)
        if name in proofs and not proofs[name].is_proven:
            kept[name] = kept_words(proofs[name])
        elif why is None or (include_recovery and not spares):
            targets[name] = str(instance.get("sourceServerID", ""))
        elif is_live(instance):
            kept[name] = why
    return Choice(targets, kept)


def _why_no_drill(instance: Answer, runs: Collection[str]) -> str | None:
    is_drill = instance.get("isDrill")
    if is_drill is not True:
        return NO_WORD if is_drill is None else NO_DRILLS
    return why_not_of_drill(instance, runs)


def take_stock(
    targets: Mapping[str, str],
    *,
    described: Iterable[Answer],
    ec2: Mapping[str, str],
    jobs: Sequence[Answer],
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


def running(jobs: Iterable[Answer]) -> tuple[str, ...]:
    """Return the ids of the jobs that DRS still works on."""
    return tuple(job["jobID"] for job in jobs if job.get("status") != ENDED_STATUS)


def unseen(jobs: Iterable[Answer], described: Iterable[Answer], seen: Collection[str]) -> dict[str, str]:
    """Return the servers that jobs have launched and whose instances DRS does not show, each with its job.

    :param seen: source server ids of instances found earlier
    """
    shown = {(instance.get("jobID"), instance.get("sourceServerID")) for instance in described}
    found: dict[str, str] = {}
    for job in jobs:
        state = read_job(job)
        if job.get("type") == "LAUNCH" and isinstance(state, Ended):
            launched = (server for server in state.launched if server not in seen)
            found |= {server: str(job["jobID"]) for server in launched if (job["jobID"], server) not in shown}
    return found


def gone_before(targets: Iterable[str], *, described: Iterable[Answer], ec2: Mapping[str, str]) -> tuple[str, ...]:
    """Return those of the targets that are gone although nobody has asked DRS to terminate them.

    :param targets: instances that a clean-up has found just now, has asked nothing for, and knows to be gone
    :param described: items of DescribeRecoveryInstances
    :param ec2: EC2's state by instance id; what EC2 does not know is absent
    """
    ended_by_drs = {str(i["recoveryInstanceID"]) for i in described if i.get("ec2InstanceState") == "TERMINATED"}
    return tuple(name for name in targets if name not in ended_by_drs and ec2.get(name, EC2_GONE) == EC2_GONE)


def awaited(
    jobs: Iterable[Answer],
    described: Iterable[Answer],
    seen: Collection[str],
    *,
    now: datetime,
    everything: Sequence[Answer] = (),
) -> tuple[str, ...]:
    """Return the servers that a job launched moments ago and whose instances DRS does not show yet.

    What somebody has terminated since, as the clean-up of the same account by another name, was shown before.

    :param seen: source server ids of instances found earlier
    :param everything: jobs of the account
    """
    found: list[str] = []
    for job in jobs:
        state = read_job(job)
        if isinstance(state, Ended) and state.ended_at and now - state.ended_at < VISIBLE_AFTER:
            found += unseen([job], described, {*seen, *_terminated_since(everything, state.ended_at)})
    return tuple(dict.fromkeys(found))


def _terminated_since(jobs: Iterable[Answer], when: datetime) -> set[str]:
    """Return the servers whose instances DRS was asked to terminate at this instant or later."""
    asked = (job for job in jobs if job.get("type") == "TERMINATE" and (at := created_at_of(job)) and at >= when)
    return {server for job in asked for server in servers_of(job)}
