"""How a failback ended after its waves, as its report's evidence has it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

from drs_provider.report.evidence import HomeStep, WayHomeFacts
from drs_provider.rules.failback.next_step import FailbackCall
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.run import names
from drs_provider.rules.run.handover import FailbackOutcome, RecordedAnswer, RemovedThing, ServerBack
from drs_provider.rules.run.state import LeftDocuments, TaskPhase

Does = Literal["protect_again", "agree", "remove_recovered", "at_rest", "stop_failback"]

_DOES: Final[tuple[Does, ...]] = ("protect_again", "agree", "remove_recovered", "at_rest", "stop_failback")
"""The tasks at the end, in their order."""

_DONE: Final[Mapping[str, str]] = {
    FailbackCall.STOP_REPLICATION: "stopped",
    FailbackCall.TERMINATE: "terminated",
    FailbackCall.DISCONNECT_INSTANCE: "disconnected",
    FailbackCall.DELETE_RECORD: "record deleted",
    FailbackCall.DISCONNECT: "disconnected",
    FailbackCall.DELETE_SERVER: "deleted",
}
"""What the calls of a clean-up did, for people."""


def home_steps(left: LeftDocuments, purpose: Purpose) -> tuple[HomeStep, ...]:
    """Give what became of every task at the end of a failback; nothing of other runs."""
    return tuple(_steps(left)) if purpose.cuts_over and left.preflight() is not None else ()


def _steps(left: LeftDocuments) -> Iterator[HomeStep]:
    for does in _DOES:
        for task in names.tasks_that(left.snapshot.tasks, names.FINISH_GROUP, does):
            outcome = left.of(task, FailbackOutcome) if does != "agree" else None
            yield HomeStep(
                task=task,
                does=does,
                state=_state(task, left, does=does, outcome=outcome),
                done=outcome.done if outcome else {},
                left=outcome.left if outcome else {},
                removed=_removed(outcome.removed) if outcome else {},
                error=left.error(task),
            )


def way_home(back: ServerBack) -> WayHomeFacts:
    """Give from where to where a failback takes a server, as its preflight has seen it."""
    place = "" if back.from_data_centre else f"{back.region} of account {back.account}"
    return WayHomeFacts(
        recovered=back.recovered, failback_server=back.failback_server, place=place, already=back.already
    )


def sync_not_seen(back: ServerBack | None) -> str:
    """Say that the last sync of a data centre's machine is not proven, whichever run has converted it; empty: it is."""
    return "this run did not see its last sync" if back is not None and back.from_data_centre else ""


def _removed(things: Sequence[RemovedThing]) -> dict[str, tuple[str, ...]]:
    """Word what was done to everything that is removed, by server id; what was called twice stands once."""
    found: dict[str, dict[str, list[str]]] = {}
    for thing in things:
        done = found.setdefault(thing.server_id, {}).setdefault(thing.thing, [])
        if (words := _DONE.get(thing.call, thing.call)) not in done:
            done.append(words)
    return {
        server: tuple(f"{name} {', '.join(done)}" for name, done in things.items()) for server, things in found.items()
    }


def _state(
    task: str, left: LeftDocuments, *, does: Does, outcome: FailbackOutcome | None
) -> Literal["done", "failed", "skipped", "unproven", "not_reached"]:
    match left.snapshot.phase(task):
        case TaskPhase.SUCCEEDED:
            proof = left.of(task, RecordedAnswer) if does == "agree" else outcome
            return "done" if proof is not None else "unproven"
        case TaskPhase.FAILED:
            return "failed"
        case TaskPhase.SKIPPED:
            return "skipped"
        case _:
            return "not_reached"
