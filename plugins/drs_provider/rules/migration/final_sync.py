"""Whether the recovery points of servers hold everything that was written before their writes were stopped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from drs_provider.formatting import MANY, joined, some, timespan
from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.recovery_points import Point, in_words, point_of

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import RunOrder, StepResult


@dataclass(frozen=True)
class Quiesce:
    """When writes were stopped.

    :param at: from then on nothing was written any more
    :param steps: the steps that stopped them; empty: nothing of the plan did, and `at` is when the run began to wait
    :param doubts: why it is not certain that nothing is written since, in words; empty: nothing speaks against it
    """

    at: datetime
    steps: tuple[str, ...]
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepEnd:
    """How a step ended that stops writes. ``ended_at`` None: it has left no result.

    :param is_good: it did what it should
    :param goes_on: it failed, and the plan goes on all the same
    :param left_out: a person has left it out, in words; empty: nobody has
    """

    name: str
    ended_at: datetime | None
    is_good: bool
    goes_on: bool = False
    left_out: str = ""


def end_of(name: str, left: "StepResult | None", order: "RunOrder | None" = None) -> StepEnd | None:
    """Read how a step ended from what it left; its task may be marked as successful whatever that is.

    None: this run has no such step, for its wave was not chosen, or has no server left.

    :param order: what a person had ordered of the step; None: nothing
    """
    if left is None:
        return StepEnd(name, None, is_good=False)
    if left.state == "skipped":
        return StepEnd(name, None, is_good=False, left_out=order.message) if order else None
    is_good = left.state == "succeeded" and left.ended_at is not None
    return StepEnd(name, left.ended_at, is_good, left.goes_on)


def quiesce_of(steps: Sequence[StepEnd], *, asked_at: datetime, when: str = "migration") -> Quiesce:
    """Say when writes were stopped: at the end of the last of the steps that stop them.

    :param steps: the steps that stand before to stop writes
    :param when: in which runs such steps take place
    :param asked_at: when it was first asked, which is after all of them: what counts where one has left no result
    """
    ends = [step.ended_at for step in steps if step.ended_at and step.is_good]
    doubts = [_doubt(step) for step in steps if not step.is_good]
    if not steps:
        doubts.append(f"nothing of the plan stops the writes: no step with when: {when} stands before")
    at = max([*ends, *([asked_at] if doubts else [])])
    return Quiesce(at, tuple(step.name for step in steps if not step.left_out), tuple(doubts))


def _doubt(step: StepEnd) -> str:
    if step.left_out:
        return f"step {step.name} was left out ({step.left_out})"
    if step.ended_at is None:
        return f"step {step.name} has left no result (a task that is marked as successful stops nothing)"
    if step.goes_on:
        return f"step {step.name} failed, and the plan goes on all the same"
    return f"step {step.name} failed and was marked by hand (a task that is marked as successful stops nothing)"


def stopped_again(steps: Sequence[StepEnd], since: datetime) -> bool:
    """Tell whether a step that stops writes has ended once more after an instant: it was cleared."""
    return any(step.ended_at is not None and step.ended_at > since for step in steps)


def why_sources_stay(wave: str, doubts: Sequence[str]) -> str:
    """Word that the sources of a wave are not stopped because something may still be written to them."""
    return (
        f"the sources of wave {wave} are not stopped, for it is not certain that nothing is written to them: "
        f"{'; '.join(doubts)}. Nothing was stopped. Clear the step that stops the writes with everything downstream, "
        "so that it runs again; or start a recovery"
    )


@dataclass(frozen=True)
class SyncMark:
    """What was seen of a server right after its writes had stopped.

    :param newest_id: its newest recovery point (``pit-…``) then; empty: it had none
    :param lag: how much older the data in a recovery point may be than the point
    """

    newest_id: str
    lag: timedelta = timedelta(0)


def synced(snapshot: Answer | None, mark: SyncMark, *, quiesced_at: datetime) -> Point | None:
    """Return a server's newest recovery point if it holds all that was written; None: it does not.

    It must be younger than the last write, by more than the replication lag. And it must not have been there when the
    writes had stopped: that holds whatever the clocks of Airflow and AWS say.

    :param snapshot: the newest item of DescribeRecoverySnapshots that has been taken; None: there is none
    """
    if snapshot is None:
        return None
    point = point_of(snapshot, "quiesced")
    is_new = point.snapshot_id != mark.newest_id
    return point if is_new and point.at > quiesced_at + mark.lag else None


def waiting_for(
    newest: Mapping[str, Answer | None], marks: Mapping[str, SyncMark], *, quiesced_at: datetime
) -> tuple[str, ...]:
    """Return the servers whose newest recovery point does not hold all that was written.

    :param newest: by server id, of all servers
    """
    return tuple(
        server
        for server, snapshot in newest.items()
        if synced(snapshot, marks[server], quiesced_at=quiesced_at) is None
    )


def why_waiting(
    newest: Mapping[str, Answer | None],
    late: Sequence[str],
    hostnames: Mapping[str, str],
    *,
    quiesced_at: datetime,
) -> str:
    """Say of which servers a recovery point is still missing, and how old their newest one is."""
    words = [f"{hostnames.get(server, server)} ({_newest(newest[server])})" for server in late]
    return (
        f"{len(late)} of {len(newest)} servers have no recovery point that was made after {in_words(quiesced_at)}: "
        + some(words, MANY)
    )


def _newest(snapshot: Answer | None) -> str:
    return f"newest {in_words(point_of(snapshot, 'quiesced').at)}" if snapshot else "none"


def timed_out(waiting: str, within: timedelta, *, plan: str, task: str) -> str:
    """Word that the last sync did not come in time, and what there is to do.

    A cleared task may wait although sources of the wave are stopped already: nothing is said of whether they run.
    """
    return (
        f"the last sync did not end within {timespan(within)}: {waiting}. Nothing more of this wave is stopped or "
        "launched; sources that were stopped stay so. Look at the replication of its servers in the DRS console, then "
        f"clear {task} to wait again; or let the application write again. A recovery launches from the newest recovery "
        f"points there are, and loses what was written after them (drs run start {plan} --mode recovery)"
    )


def in_short(quiesce: Quiesce) -> str:
    """Say when and by what writes were stopped."""
    by = f" by {joined(quiesce.steps)}" if quiesce.steps else ""
    doubts = f" ({'; '.join(quiesce.doubts)})" if quiesce.doubts else ""
    return f"writes stopped at {in_words(quiesce.at)}{by}{doubts}"
