"""Following servers on their way there and back: what each waits for, and how far it is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

from drs_provider.rules.failback.circle import Circle
from drs_provider.rules.failback.next_step import NextStep, next_failback, next_reprotection, next_reversal
from drs_provider.rules.failback.progress import progress_line
from drs_provider.rules.failback.removal import next_removal
from drs_provider.rules.failback.state import CircleState
from drs_provider.rules.run.handover import FailbackProgress
from drs_provider.services.failback.look import progress_of
from drs_provider.services.failback.read import CirclesRead

FollowGoal = Literal["ready", "failed_back", "reprotected", "resting"]

_TOWARDS: Final[Mapping[FollowGoal, Callable[[CircleState, Circle], NextStep]]] = {
    "ready": next_reversal,
    "failed_back": next_failback,
    "reprotected": next_reprotection,
    "resting": next_removal,
}
GOALS: Final = tuple(_TOWARDS)


def steps_towards(goal: FollowGoal, read: CirclesRead) -> dict[str, NextStep]:
    """Return what each server of a look needs next to get where it is awaited, by its id."""
    towards = _TOWARDS[goal]
    return {server_id: towards(state, read.circles[server_id]) for server_id, state in read.states.items()}


def progress_of_all(reads: Sequence[CirclesRead]) -> FailbackProgress:
    """Return how far the servers of several looks are."""
    servers = tuple(server for read in reads for server in progress_of(read).servers)
    return FailbackProgress(at=max(read.at for read in reads), servers=servers)


def progress_lines(progress: FailbackProgress) -> list[str]:
    """Return one line for each server."""
    return [progress_line(server, now=progress.at) for server in progress.servers]
