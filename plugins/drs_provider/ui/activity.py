"""What a run does now, what comes next, and for whom it waits until when, in a line each."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel

from drs_provider.formatting import instant_words, plural, some
from drs_provider.rules.run import names
from drs_provider.rules.run.state import (
    CleanupStatus,
    PreflightStatus,
    RunState,
    ServerStatus,
    StepStatus,
    WaveState,
    WaveStatus,
)
from drs_provider.rules.run.state.prepared import is_starting, prepared_count
from drs_provider.ui.questions import BoardQuestion
from drs_provider.ui.stages import BoardKept
from drs_provider.ui.steps import BoardStep

_BUSY: Final = (WaveStatus.PREPARING, WaveStatus.LAUNCHING, WaveStatus.RUNNING_STEPS)


class BoardActivity(BaseModel):
    """Lines for people, without a full stop."""

    now: list[str] = []
    next: list[str] = []
    waits: list[str] = []


@dataclass(frozen=True)
class Surroundings:
    """What is known beside the state of the run.

    :param phases: by wave that is launching, what DRS does with its servers, or is likely to do
    :param stopped: parts of Airflow that do not run, such as the scheduler
    :param cleans_up: whether what the run launches is removed at its end
    """

    questions: Iterable[BoardQuestion] = ()
    preflight: Iterable[BoardStep] = ()
    final: Iterable[BoardStep] = ()
    kept: BoardKept | None = None
    phases: Mapping[str, str] = field(default_factory=dict)
    is_paused: bool = False
    stopped: tuple[str, ...] = ()
    cleans_up: bool = True


def activity_of(state: RunState, around: Surroundings) -> BoardActivity:
    """Say what goes on; a run that is over does nothing any more."""
    if state.is_over:
        return BoardActivity()
    return BoardActivity(now=list(_now(state, around)), next=list(_next(state, around)), waits=list(_waits(around)))


def _now(state: RunState, around: Surroundings) -> Iterator[str]:
    yield from (_lower(row.name) for row in around.preflight if row.status is StepStatus.RUNNING)
    yield from (f"step {step.name}" for step in state.before if step.status is StepStatus.RUNNING)
    for wave in state.waves:
        yield from _of_wave(wave, around)
    yield from (f"step {step.name}" for step in state.after if step.status is StepStatus.RUNNING)
    yield from (_lower(row.name) for row in around.final if row.status is StepStatus.RUNNING)


def _of_wave(wave: WaveState, around: Surroundings) -> Iterator[str]:
    running = [step.name for step in wave.steps if step.status is StepStatus.RUNNING]
    if running:
        yield f"wave {wave.name}: step {some(running)}"
    elif wave.status is WaveStatus.LAUNCHING:
        phase = around.phases.get(wave.name)
        servers = plural(len(wave.servers or ()), "server")
        if is_starting(wave):
            yield f"wave {wave.name}: starts its instances" + (f", {phase}" if phase else "")
            return
        yield f"wave {wave.name}: DRS launches {servers}" + (f", {phase}" if phase else "")
    elif wave.status is WaveStatus.COPYING:
        counts, total = wave.counts, plural(len(wave.servers or ()), "server")
        yield f"wave {wave.name}: DRS copies {total} to their origin, {counts.get(ServerStatus.READY, 0)} ready"
    elif wave.status in _BUSY:
        yield f"wave {wave.name}: {wave.status.words}"
    elif wave.status is WaveStatus.DELAYED:
        yield f"wave {wave.name}: the delay of the plan passes"
    if prepared_count(wave) and wave.status is not WaveStatus.LAUNCHING and not wave.status.is_over:
        phase = around.phases.get(wave.name)
        servers = plural(prepared_count(wave), "server")
        yield f"wave {wave.name}: {servers} launched ahead" + (f", {phase}" if phase else "")


def _next(state: RunState, around: Surroundings) -> Iterator[str]:
    if state.preflight.status in (PreflightStatus.WAITING, PreflightStatus.RUNNING, PreflightStatus.WAITING_FOR_ANSWER):
        first = [wave.name for wave in state.waves if not wave.depends_on]
        yield f"wave {some(first)}" if first else "the waves"
        return
    ready = list(_waves_to_come(state))
    yield from ready
    if not ready and any(step.status is StepStatus.WAITING for step in state.after):
        yield f"step {next(step.name for step in state.after if step.status is StepStatus.WAITING)}"
    elif not ready and around.cleans_up and state.cleanup.status in (CleanupStatus.WAITING, CleanupStatus.KEPT):
        yield "clean-up, then the report"
    elif not ready:
        waiting = [
            row for row in around.final if row.status is StepStatus.WAITING and not names.does(row.task, names.REPORT)
        ]
        yield _lower(waiting[0].name) if waiting else "the report"


def _waves_to_come(state: RunState) -> Iterator[str]:
    """Give the waves whose turn comes with the end of what goes on now."""
    waits = {wave.name for wave in state.waves if wave.status is WaveStatus.WAITING}
    for wave in state.waves:
        if wave.status in (WaveStatus.WAITING_FOR_ANSWER, WaveStatus.DELAYED) and not wave.jobs:
            yield f"wave {wave.name}"
        if wave.name in waits and not waits.intersection(wave.depends_on):
            above = [name for name in wave.depends_on if (found := state.wave(name)) and not found.status.is_over]
            yield f"wave {wave.name}" + (f", after {some(above)}" if above else "")


def _waits(around: Surroundings) -> Iterator[str]:
    yield from (f"Airflow's {part} does not run: start it, the run continues by itself" for part in around.stopped)
    if around.is_paused:
        yield "the plan is paused: nothing new starts until somebody resumes it"
    for question in around.questions:
        who = some(question.people) if question.people else "anyone who may answer"
        where = f" before wave {question.wave}" if question.wave else ""
        yield f"{who}: {question.kind}{where}, until {instant_words(question.until)}"
    if around.kept:
        yield f"anyone who may answer: the drill is kept until {instant_words(around.kept.until)}"


def _lower(title: str) -> str:
    return f"{title[:1].lower()}{title[1:]}"
