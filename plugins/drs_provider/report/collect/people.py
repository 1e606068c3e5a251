"""What a run waited for on purpose, and what it told to whom, as its report's evidence has it."""

from collections.abc import Iterator
from typing import Final, Literal

from drs_provider.report.evidence import WaitEvidence, WaitOutcome
from drs_provider.rules.run import names
from drs_provider.rules.run.approvals import APPROVE, COMMIT, CONTINUE, REJECT, ROLL_BACK, STOP
from drs_provider.rules.run.handover import (
    Asked,
    Delay,
    FinalSync,
    NotificationRecord,
    Notifications,
    RecordedAnswer,
    TaskTimes,
)
from drs_provider.rules.run.shape import RunShape
from drs_provider.rules.run.state import LeftDocuments, TaskPhase

_OUTCOMES: Final[dict[str | None, WaitOutcome]] = {
    APPROVE: "approved",
    REJECT: "rejected",
    CONTINUE: "continued",
    STOP: "stopped",
    COMMIT: "committed",
    ROLL_BACK: "rolled_back",
}


def waits_of(left: LeftDocuments, shape: RunShape) -> tuple[WaitEvidence, ...]:
    """Give every question that was asked and every delay that began, in the order of the plan."""
    asked = (*shape.approval_tasks, *shape.stop_approval_tasks)
    found = [_question(left, task, "approval", None) for task in asked]
    for wave in shape.waves:
        if wave.sync_task:
            found.append(_last_sync(left, wave.sync_task, wave.name))
        if wave.delay_task:
            found.append(_delay(left, wave.delay_task, wave.name))
        if wave.pause_task:
            found.append(_question(left, wave.pause_task, "pause", wave.name))
    if shape.commit_task:
        found.append(_question(left, shape.commit_task, "commit", None))
    return tuple(wait for wait in found if wait)


def _question(
    left: LeftDocuments, task: str, kind: Literal["approval", "pause", "commit"], wave: str | None
) -> WaitEvidence | None:
    asked = left.of(task, Asked)
    if asked is None:
        return None
    answer = left.answer(task)
    return WaitEvidence(
        kind=kind,
        task=task,
        wave=wave,
        began_at=asked.at,
        ended_at=answer.at if answer else None,
        by=answer.by if answer else None,
        comment=answer.comment if answer else None,
        outcome=_outcome(answer),
    )


def _outcome(answer: RecordedAnswer | None) -> WaitOutcome:
    if answer is None:
        return "unanswered"
    return _OUTCOMES.get(answer.chosen, "expired" if answer.expired else "unanswered")


def _last_sync(left: LeftDocuments, task: str, wave: str) -> WaitEvidence | None:
    times = left.of(task, TaskTimes)
    if times is None or left.of(task, FinalSync) is None:
        return None
    ended = max(times.began_at, times.ended_at)
    return WaitEvidence(kind="delay", task=task, wave=wave, began_at=times.began_at, ended_at=ended, outcome="over")


def _delay(left: LeftDocuments, task: str, wave: str) -> WaitEvidence | None:
    delay = left.of(task, Delay)
    if delay is None:
        return None
    is_over = left.snapshot.phase(task) is TaskPhase.SUCCEEDED
    return WaitEvidence(
        kind="delay",
        task=task,
        wave=wave,
        began_at=delay.at,
        ended_at=delay.until if is_over else None,
        outcome="over" if is_over else "unanswered",
    )


def notifications_of(left: LeftDocuments) -> tuple[NotificationRecord, ...]:
    """Give every record that any task of the run left, oldest first."""
    return tuple(sorted(_records(left), key=lambda record: record.at))


def _records(left: LeftDocuments) -> Iterator[NotificationRecord]:
    for task in left.snapshot.tasks:
        if not names.is_server_square(task) and (found := left.of(task, Notifications)):
            yield from found.records
    for key in Notifications.RTO_KEYS:
        if found := left.of(names.PREFLIGHT_TASK, Notifications, key):
            yield from found.records
