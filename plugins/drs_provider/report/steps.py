"""What became of the steps of a plan, and what that means for the verdict."""

from collections.abc import Iterable, Iterator, Sequence

from drs_provider.report.evidence import RunEvidence, StepEvidence, WaveEvidence
from drs_provider.report.result import StepReport, TimelineEntry
from drs_provider.rules.run.state.vocabulary import RunStatus, StepStatus, WaveStatus

_LONGEST = 400
_GOING_ON = (StepStatus.RUNNING, StepStatus.WAITING_FOR_ANSWER)
_UNDONE = (StepStatus.NOT_STARTED, StepStatus.WAITING, *_GOING_ON)
_BROKEN = (WaveStatus.FAILED, WaveStatus.CANCELLED, WaveStatus.NOT_STARTED)
_ENDED = {StepStatus.TOLERATED: "failed"}


def reported(steps: Iterable[StepEvidence]) -> tuple[StepReport, ...]:
    """Return the steps with what was measured."""
    return tuple(
        StepReport(**step.model_dump(exclude={"instances"}), instances=step.instances, duration_seconds=_seconds(step))
        for step in steps
    )


def broken(steps: Iterable[StepEvidence]) -> list[StepEvidence]:
    """Return the steps whose failure ends what they stand in."""
    return [step for step in steps if step.state == StepStatus.FAILED]


def all_steps(evidence: RunEvidence) -> Iterator[tuple[WaveEvidence | None, StepEvidence]]:
    """Return every step of the run with its wave; the plan's own have none."""
    yield from ((None, step) for step in evidence.steps if step.side == "before")
    yield from ((wave, step) for wave in evidence.waves for step in wave.steps)
    yield from ((None, step) for step in evidence.steps if step.side == "after")


def broken_plan_steps(evidence: RunEvidence) -> Iterator[str]:
    """Say which of the plan's own steps failed; those of waves stand with their wave."""
    yield from (f"step {step.name} failed: {short(step.summary)}" for step in broken(evidence.steps))


def undone(evidence: RunEvidence) -> Iterator[str]:
    """Say which steps never began although what stands before them was done."""
    for wave in evidence.waves:
        if wave.state.is_done:
            yield from (
                f"step {step.name} of wave {wave.name} was not {'ended' if step.state in _GOING_ON else 'started'}"
                for step in wave.steps
                if step.state in _UNDONE
            )
    if not any(wave.state in _BROKEN for wave in evidence.waves) and not broken(evidence.steps):
        yield from (
            f"step {step.name} was not {'ended' if step.state in _GOING_ON else 'started'}"
            for step in evidence.steps
            if step.state in _UNDONE
        )


def exceptions(evidence: RunEvidence) -> Iterator[str]:
    """Say what must be looked at although the run went on."""
    for wave, step in all_steps(evidence):
        yield from _exception(step, f"step {step.name} of wave {wave.name}" if wave else f"step {step.name}")


def exceptions_of(wave: WaveEvidence) -> Iterator[str]:
    """Say what must be looked at of the steps of a wave."""
    for step in wave.steps:
        yield from _exception(step, f"step {step.name} of wave {wave.name}")


def _exception(step: StepEvidence, where: str) -> Iterator[str]:
    if step.state == StepStatus.TOLERATED:
        yield f"{where} failed: {short(step.summary)}"
    elif step.state == StepStatus.UNPROVEN:
        yield f"{where} was marked as successful manually"
    elif step.part and step.part.verdict == RunStatus.COMPLETED_WITH_EXCEPTIONS:
        yield f"{where}: plan {step.part.plan} completed with exceptions: {short(step.part.reason)}"


def entries(evidence: RunEvidence) -> Iterator[TimelineEntry]:
    """Tell when steps began and how they ended."""
    for wave, step in all_steps(evidence):
        name = wave.name if wave else None
        if step.started_at and step.attempts:
            yield TimelineEntry(at=step.started_at, what=f"step {step.name} began", wave=name)
        if step.ended_at and step.attempts:
            tries = f" after {step.attempts} attempts" if step.attempts > 1 else ""
            what = f"step {step.name} {_ENDED.get(step.state, step.state.words)}{tries}: {short(step.summary)}"
            yield TimelineEntry(at=step.ended_at, what=what, wave=name)


def short(text: str) -> str:
    """Cut a summary to what fits into a sentence."""
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def only_steps(waves: Sequence[WaveEvidence]) -> bool:
    """Tell whether the waves that took part have steps alone, so that nothing was to be launched."""
    taking_part = [wave for wave in waves if wave.state != WaveStatus.SKIPPED]
    return bool(taking_part) and all(wave.steps and not wave.groups for wave in taking_part)


def _seconds(step: StepEvidence) -> float | None:
    if step.started_at is None or step.ended_at is None or not step.attempts:
        return None
    return max(0.0, (step.ended_at - step.started_at).total_seconds())
