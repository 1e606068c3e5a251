"""What has happened in a run, in the order in which it did: for people who come later. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from drs_provider.formatting import plural, some
from drs_provider.rules.run import names
from drs_provider.rules.run.handover import Asked, KeptDrill
from drs_provider.rules.run.state import (
    LeftDocuments,
    RunSnapshot,
    RunState,
    ServerStatus,
    StepState,
    StepStatus,
    WaveState,
)


@dataclass(frozen=True)
class RunEvent:
    """One thing that happened: when, what, whose doing it was where people did it, and whether it is bad news."""

    at: datetime
    what: str
    who: str = ""
    is_bad: bool = False


def events_of(
    state: RunState,
    snapshot: RunSnapshot,
    left: LeftDocuments,
    *,
    started_at: datetime | None,
    ended_at: datetime | None,
) -> tuple[RunEvent, ...]:
    """Return what has happened, the oldest first; what nobody has recorded with a time is left out."""
    found = [
        *([RunEvent(started_at, "the run began")] if started_at else []),
        *_of_preflight(state, snapshot),
        *_of_people(snapshot, left),
        *_of_steps("", state.before),
        *(event for wave in state.waves for event in _of_wave(wave, snapshot, left)),
        *_of_steps("", state.after),
        *_of_kept(left),
        *([RunEvent(ended_at, f"the run ended: {state.status.value.replace('_', ' ')}")] if ended_at else []),
    ]
    return tuple(sorted(found, key=lambda event: event.at))


def _of_preflight(state: RunState, snapshot: RunSnapshot) -> Iterator[RunEvent]:
    check = snapshot.task(names.PREFLIGHT_TASK)
    if check.ended_at is None:
        return
    is_bad = check.state == "failed"
    reason = f": {state.preflight.reason}" if is_bad and state.preflight.reason else ""
    yield RunEvent(check.ended_at, f"preflight {'refused the run' if is_bad else 'ended'}{reason}", is_bad=is_bad)


def _of_people(snapshot: RunSnapshot, left: LeftDocuments) -> Iterator[RunEvent]:
    for task in snapshot.tasks:
        asked, answer = left.of(task, Asked), left.answer(task)
        if asked is not None:
            yield RunEvent(asked.at, f"asked: {asked.subject or task}")
        if answer is not None and answer.expired:
            yield RunEvent(answer.at, f"nobody answered in time: {task}", is_bad=True)
        elif answer is not None:
            why = f" ({answer.comment})" if answer.comment else ""
            yield RunEvent(answer.at, f"{task}: {answer.chosen}{why}", answer.by or "")
    for order in left.given_orders().orders:
        yield RunEvent(order.at, order.message, order.by or "")


def _of_wave(wave: WaveState, snapshot: RunSnapshot, left: LeftDocuments) -> Iterator[RunEvent]:
    yield from _of_steps(f"wave {wave.name}: ", wave.steps)
    outline = next(outline for outline in snapshot.outline.waves if outline.name == wave.name)
    if wave.started_at:
        yield RunEvent(wave.started_at, f"wave {wave.name} began")
    for job_id, job in left.jobs(outline.starts, outline.watch).items():
        if job.created_at:
            how = "was started" + (" before; this run goes on with it" if job.adopted else "")
            yield RunEvent(
                job.created_at, f"wave {wave.name}: job {job_id} of {plural(len(job.servers), 'server')} {how}"
            )
    if wave.ended_at:
        failed = [server.hostname for server in wave.servers or () if server.status is ServerStatus.FAILED]
        what = f"{plural(len(failed), 'server')} failed, {some(failed)}" if failed else wave.status.words
        yield RunEvent(wave.ended_at, f"wave {wave.name} ended: {what}", is_bad=bool(failed))


def _of_steps(prefix: str, steps: Iterable[StepState]) -> Iterator[RunEvent]:
    for step in steps:
        if step.ended_at and step.status in (StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.TOLERATED):
            is_bad = step.status is not StepStatus.SUCCEEDED
            why = f": {step.reason}" if is_bad and step.reason else ""
            yield RunEvent(
                step.ended_at, f"{prefix}step {step.name} {step.status.value.replace('_', ' ')}{why}", "", is_bad
            )


def _of_kept(left: LeftDocuments) -> Iterator[RunEvent]:
    kept = left.of(names.KEEP_TASK, KeptDrill)
    if kept is None:
        return
    if kept.began_at:
        yield RunEvent(kept.began_at, "the drill is kept for people")
    for extension in kept.extensions:
        yield RunEvent(extension.at, "the drill is kept longer", extension.by or "")
    if kept.ended_at:
        yield RunEvent(kept.ended_at, "the drill is kept no longer", kept.by or "")
