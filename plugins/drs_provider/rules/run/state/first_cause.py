"""The first cause of a run that is not well: the server, step or task that began it, why, and what to do next.

Verdict, note, notices, board and command line all say it in the words of this module.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from drs_provider.rules.launch.advice import NO_REASON, next_step
from drs_provider.rules.purpose import DRILL, Purpose, find_purpose
from drs_provider.rules.run.state.run_state import RunState
from drs_provider.rules.run.state.server_state import ServerState
from drs_provider.rules.run.state.step_state import StepState
from drs_provider.rules.run.state.vocabulary import (
    Cause,
    CleanupStatus,
    PreflightStatus,
    ServerStatus,
    StepStatus,
    WaveStatus,
)
from drs_provider.rules.run.state.wave_state import WaveState

NOT_RECORDED: Final = "a job was started for it, and its result is not recorded"

_CLEAN_UP_AGAIN: Final = "clear the failed tasks of finish to clean up again; what is left costs money until it is gone"
_LONGEST: Final = 400
_BROKEN: Final = (WaveStatus.FAILED, WaveStatus.UNPROVEN)
_ENDED_EARLY: Final = (WaveStatus.NOT_STARTED, WaveStatus.CANCELLED)
_OWN_CAUSES: Final = (Cause.STEP, Cause.TASK, Cause.ANSWER, Cause.SUPERSEDED)
_NEXT_STEPS: Final = {
    Cause.LOST: "when the account and Region answer again, start a new run of this wave",
    Cause.PASSED_OVER: "once its cause is gone, start a new run of this wave for what is missing",
}
"""What to do about a wave that the run has gone past, by why it has."""
_ABSENT: Final = (ServerStatus.FAILED, ServerStatus.STUCK, ServerStatus.UNKNOWN)


@dataclass(frozen=True)
class FirstCause:
    """What made a run fail, or lowers its verdict; all texts are one line without a full stop.

    :param where: ``wave database``, ``step promote of wave database``, ``preflight``, ``clean-up``
    :param reason: why, in the words of whoever refused
    :param next_step: what a person does about it; empty: the reason says it
    :param server: the name of the server; None: it is no server
    """

    where: str
    reason: str
    next_step: str
    server: str | None = None

    @property
    def who(self) -> str:
        """Name it: ``db1 (wave database)``, or where it is."""
        return f"{self.server} ({self.where})" if self.server else self.where

    @property
    def words(self) -> str:
        """Say who and why: ``db1 (wave database): InsufficientInstanceCapacity``."""
        return f"{self.who}: {self.reason}"


def first_cause(state: RunState) -> FirstCause | None:
    """Give the first cause of a run that is not well, in the order of a run; None: nothing speaks against it.

    What ended it comes before what was only tolerated. That a person cancelled it is no failure: the state says so
    itself.
    """
    purpose = find_purpose(state.mode) or DRILL
    return next(_causes(state, purpose), None)


def cause_of_wave(wave: WaveState, purpose: Purpose) -> FirstCause | None:
    """Give the first cause of a wave that is not well by something of its own."""
    if _is_tolerated(wave):
        return next(_tolerated(wave, purpose), None)
    is_own = wave.status in _BROKEN or (wave.status in _ENDED_EARLY and wave.cause in _OWN_CAUSES)
    if not is_own:
        return None
    return next(_of_broken(wave, purpose), None)


def _causes(state: RunState, purpose: Purpose) -> Iterator[FirstCause]:
    if state.preflight.status is PreflightStatus.REFUSED:
        yield _of_preflight(state)
    yield from _of_steps(state.before, None, purpose, StepStatus.FAILED)
    found = [(wave, cause) for wave in state.waves if (cause := cause_of_wave(wave, purpose))]
    yield from (cause for wave, cause in found if not _is_tolerated(wave))
    yield from _of_steps(state.after, None, purpose, StepStatus.FAILED)
    if state.cleanup.remaining or state.cleanup.status in (CleanupStatus.INCOMPLETE, CleanupStatus.UNPROVEN):
        yield _of_cleanup(state)
    yield from (cause for wave, cause in found if _is_tolerated(wave))
    yield from _of_steps((*state.before, *state.after), None, purpose, StepStatus.TOLERATED)


def _is_tolerated(wave: WaveState) -> bool:
    """Whether the run has gone past it, and something of it has to be looked at."""
    is_left_out = wave.status is WaveStatus.SKIPPED and wave.cause in _NEXT_STEPS
    return is_left_out or wave.status is WaveStatus.COMPLETED_WITH_EXCEPTIONS


def _of_preflight(state: RunState) -> FirstCause:
    finding, words = state.preflight.first, state.preflight.reason or "it did not pass"
    if finding is not None:
        step = finding.next_step or "correct it, then start the run again"
        return FirstCause("preflight", _line(finding.what), _line(step), finding.hostname or finding.server_id or None)
    return FirstCause("preflight", _line(words), "")  # these words are of an error that says it itself


def _of_broken(wave: WaveState, purpose: Purpose) -> Iterator[FirstCause]:
    """Give every cause of a wave that is over and not done."""
    if wave.status is not WaveStatus.NOT_STARTED:
        yield from _of_servers(wave, purpose)
    yield from _of_steps(wave.steps, wave.name, purpose, StepStatus.FAILED)
    step = f"see the log of the wave's failed task, correct the cause, {purpose.after_failure}"
    if wave.cause is Cause.ANSWER:
        step = "start the run again once it is agreed"
    elif wave.cause is Cause.SUPERSEDED:
        step = "the recovery has the servers now; start the drill again when it is over"
    elif wave.cause is Cause.NO_RESULT:
        step = f"look in the DRS console at what was launched, {purpose.after_failure}"
    if wave.reason:
        yield FirstCause(f"wave {wave.name}", _line(wave.reason), step)


def _of_servers(wave: WaveState, purpose: Purpose) -> Iterator[FirstCause]:
    """Give the servers that are not there: critical ones first, then in the plan's order."""
    absent = [server for server in wave.servers or () if server.status in _ABSENT]
    for server in sorted(absent, key=lambda server: not server.critical):
        yield _of_server(server, wave, purpose)


def _of_server(server: ServerState, wave: WaveState, purpose: Purpose) -> FirstCause:
    reason = server.reason or (NO_REASON if server.status is ServerStatus.FAILED else NOT_RECORDED)
    return FirstCause(f"wave {wave.name}", _line(reason), next_step(reason, purpose), server.hostname)


def _tolerated(wave: WaveState, purpose: Purpose) -> Iterator[FirstCause]:
    yield from _of_servers(wave, purpose)
    yield from _of_steps(wave.steps, wave.name, purpose, StepStatus.TOLERATED)
    if wave.reason:
        then = _NEXT_STEPS.get(wave.cause) if wave.cause else None
        then = then or "look at it before you rely on what was launched"
        yield FirstCause(f"wave {wave.name}", _line(wave.reason), then)


def _of_steps(
    steps: Iterable[StepState], wave: str | None, purpose: Purpose, status: StepStatus
) -> Iterator[FirstCause]:
    for step in steps:
        if step.status is status:
            where = f"step {step.name} of wave {wave}" if wave else f"step {step.name}"
            then = f"see the log of {step.task}, correct the cause, {purpose.after_failure}"
            yield FirstCause(where, _line(step.reason or step.status.words), then)


def _of_cleanup(state: RunState) -> FirstCause:
    left = next(iter(state.cleanup.remaining.items()), None)
    reason = f"{left[0]} is still there: {left[1]}" if left else state.cleanup.reason or state.cleanup.status.words
    return FirstCause("clean-up", _line(reason), _CLEAN_UP_AGAIN)


def _line(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
