"""How far the steps of a run are, one by one and together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from drs_provider.rules.run.handover import PlanRunStart, StepResult
from drs_provider.rules.run.state.left_documents import LeftDocuments
from drs_provider.rules.run.state.snapshot import RunSnapshot, Side, StepOutline
from drs_provider.rules.run.state.task_states import TaskPhase
from drs_provider.rules.run.state.vocabulary import Cause, StepStatus

UNPROVEN_TASK: Final = "its task is marked as successful and left no result"

_NO_TIMES: Final = (StepStatus.WAITING, StepStatus.NOT_STARTED, StepStatus.SKIPPED)


@dataclass(frozen=True)
class StepState:
    """One step: ``summary`` is what it recorded of itself, ``reason`` why it is not well; both without a full stop."""

    name: str
    task: str
    side: Side
    status: StepStatus
    cause: Cause | None = None
    reason: str | None = None
    summary: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


def step_states(steps: Sequence[StepOutline], snapshot: RunSnapshot, left: LeftDocuments) -> tuple[StepState, ...]:
    """Say how far each step is."""
    return tuple(_state(step, snapshot, left) for step in steps)


def failed_step(steps: Iterable[StepState]) -> StepState | None:
    """Give the first step whose failure ends what it stands in."""
    return next((step for step in steps if step.status is StepStatus.FAILED), None)


def tolerated_step(steps: Iterable[StepState]) -> StepState | None:
    """Give the first step that failed although the plan goes on."""
    return next((step for step in steps if step.status is StepStatus.TOLERATED), None)


def cancelled_step(steps: Iterable[StepState]) -> StepState | None:
    """Give the first step that was not started because a person ended the run."""
    return next((step for step in steps if step.cause is Cause.CANCELLED), None)


def undone_step(steps: Iterable[StepState]) -> StepState | None:
    """Give the first step that was not started, or of which nothing is recorded."""
    undone = (StepStatus.NOT_STARTED, StepStatus.UNPROVEN)
    return next((step for step in steps if step.status in undone), None)


def _state(step: StepOutline, snapshot: RunSnapshot, left: LeftDocuments) -> StepState:
    status, cause, reason = _judged(step, snapshot, left)
    found = None if status is StepStatus.WAITING else left.step(step.task)
    if found is None and status is StepStatus.RUNNING:
        begun = left.of(step.task, PlanRunStart)
        waits = f"waits for run {begun.run_id} of plan {begun.plan}" if begun else None
    else:
        waits = None
    now = snapshot.task(step.task)
    has_times = status not in _NO_TIMES
    return StepState(
        name=step.name,
        task=step.task,
        side=step.side,
        status=status,
        cause=cause,
        reason=reason,
        summary=(found.summary or None) if found else waits,
        started_at=now.started_at if has_times else None,
        ended_at=now.ended_at if has_times and not status.is_to_come else None,
    )


_PLAIN: Final = {
    TaskPhase.NOT_STARTED: StepStatus.NOT_STARTED,
    TaskPhase.ASKS: StepStatus.WAITING_FOR_ANSWER,
    TaskPhase.UNDER_WAY: StepStatus.RUNNING,
    TaskPhase.WAITING: StepStatus.WAITING,
}


def _judged(
    step: StepOutline, snapshot: RunSnapshot, left: LeftDocuments
) -> tuple[StepStatus, Cause | None, str | None]:
    match snapshot.phase(step.task):
        case TaskPhase.SUCCEEDED:
            return _succeeded(left.step(step.task))
        case TaskPhase.SKIPPED if words := left.passed_over((step.task,)):
            return StepStatus.TOLERATED, Cause.PASSED_OVER, words
        case TaskPhase.SKIPPED:
            return _skipped(step, left.step(step.task))
        case TaskPhase.FAILED:
            return _failed(step, left)
        case TaskPhase.WAITING if snapshot.is_final:
            return StepStatus.NOT_STARTED, None, None
        case phase:
            return _PLAIN[phase], (Cause.DEPENDENCY if phase is TaskPhase.NOT_STARTED else None), None


def _succeeded(found: StepResult | None) -> tuple[StepStatus, Cause | None, str | None]:
    if found and found.state == "succeeded":
        return StepStatus.SUCCEEDED, None, None
    return StepStatus.UNPROVEN, Cause.NO_RESULT, UNPROVEN_TASK


def _skipped(step: StepOutline, found: StepResult | None) -> tuple[StepStatus, Cause | None, str | None]:
    if found and found.state == "failed":
        return StepStatus.TOLERATED, Cause.STEP, found.summary or _no_result(step)
    return StepStatus.SKIPPED, None, (found.summary or None) if found else None


def _failed(step: StepOutline, left: LeftDocuments) -> tuple[StepStatus, Cause | None, str | None]:
    if order := left.order(step.task):
        return StepStatus.NOT_STARTED, Cause.CANCELLED, order.message
    found = left.step(step.task)
    words = (found.summary if found else None) or left.error(step.task)
    return StepStatus.FAILED, Cause.STEP, words or _no_result(step)


def _no_result(step: StepOutline) -> str:
    return f"{step.task} failed without a result; see its log"
