"""What the steps of a run left, as its report's evidence has it."""

from collections.abc import Sequence

from drs_provider.report.evidence import StepEvidence
from drs_provider.rules.run.shape import RunShape, StepShape, WaveShape
from drs_provider.rules.run.state import LeftDocuments, RunState, StepState, StepStatus, WaveState

_FAILED = (StepStatus.FAILED, StepStatus.TOLERATED)


def plan_steps(state: RunState, shape: RunShape, left: LeftDocuments) -> tuple[StepEvidence, ...]:
    """Give the plan's own steps."""
    return _steps((*state.before, *state.after), (*shape.before, *shape.after), left)


def wave_steps(state: WaveState, shape: WaveShape, left: LeftDocuments) -> tuple[StepEvidence, ...]:
    """Give the steps of a wave."""
    return _steps(state.steps, (*shape.before, *shape.after), left)


def _steps(states: Sequence[StepState], shapes: Sequence[StepShape], left: LeftDocuments) -> tuple[StepEvidence, ...]:
    by_task = {step.task_id: step for step in shapes}
    return tuple(_step(state, by_task[state.task], left) for state in states)


def _step(state: StepState, shape: StepShape, left: LeftDocuments) -> StepEvidence:
    found = left.step(state.task)
    summary = (found.summary if found else "") or (state.reason or "" if state.status in _FAILED else "")
    return StepEvidence(
        name=state.name,
        kind=shape.step.kind,
        task=state.task,
        side=state.side,
        on_failure=shape.step.on_failure,
        state=state.status,
        started_at=found.started_at if found else None,
        ended_at=found.ended_at if found else None,
        attempts=found.attempts if found else 0,
        summary=summary,
        output=found.output if found else "",
        instances=found.instances if found else (),
        part=found.part if found else None,
    )
