"""What stands around the waves of a run, as stages of its board: preflight, and what comes after the last wave."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote

from pydantic import BaseModel

from drs_provider.rules.run import names
from drs_provider.rules.run.handover import KeptDrill
from drs_provider.rules.run.state import LeftDocuments, RunSnapshot, StepStatus, TaskPhase
from drs_provider.ui.steps import BoardStep

_STATUS: Final = {
    TaskPhase.WAITING: StepStatus.WAITING,
    TaskPhase.UNDER_WAY: StepStatus.RUNNING,
    TaskPhase.ASKS: StepStatus.WAITING_FOR_ANSWER,
    TaskPhase.SUCCEEDED: StepStatus.SUCCEEDED,
    TaskPhase.FAILED: StepStatus.FAILED,
    TaskPhase.SKIPPED: StepStatus.SKIPPED,
    TaskPhase.NOT_STARTED: StepStatus.NOT_STARTED,
}
_TITLES: Final = {
    names.CHECK: "Check all servers",
    names.NETWORK: "Prepare the drill network",
    names.APPROVAL: "Approval",
    names.STOP_APPROVAL: "Approval to stop the sources",
    names.KEEP: "Keep the drill for people",
    names.CLEAN_UP: "Terminate drill instances",
    names.RESTORE_SETTINGS: "Restore launch settings",
    names.REMOVE_NETWORK: "Remove the drill network",
    names.LOOK_OVER: "Look for what is left",
    names.COMMIT: "Commit or roll back",
    names.ROLL_BACK: "Roll back",
    names.PROTECT_AGAIN: "Protect again from the origin",
    names.AGREE: "Agree to the clean-up",
    names.REMOVE_RECOVERED: "Remove what was recovered",
    names.AT_REST: "Look whether all is at rest",
    names.STOP_FAILBACK: "End failbacks after a cancel",
    names.REPORT: "Write the report",
}
_FIRST: Final = (names.CHECK, names.NETWORK, names.APPROVAL, names.STOP_APPROVAL)
_LAST: Final = (
    names.KEEP,
    names.CLEAN_UP,
    names.RESTORE_SETTINGS,
    names.REMOVE_NETWORK,
    names.LOOK_OVER,
    names.REPORT,
)
_LAST_OF_RECOVERY: Final = (
    names.COMMIT,
    names.ROLL_BACK,
    names.PROTECT_AGAIN,
    names.AGREE,
    names.REMOVE_RECOVERED,
    names.AT_REST,
    names.STOP_FAILBACK,
    names.REPORT,
)
_ONLY_ONCE_BEGUN: Final = (names.STOP_FAILBACK,)
"""Tasks that do nothing unless somebody has ordered it."""
_LONGEST: Final = 400


class BoardKept(BaseModel):
    """A drill that is kept for people: until when, how often that was extended, and where it is ended or extended."""

    until: datetime
    extended: int
    path: str


def preflight_stage(snapshot: RunSnapshot, left: LeftDocuments) -> list[BoardStep]:
    """Give the tasks before the waves that have something to do in this run."""
    return _rows(snapshot, left, names.PREFLIGHT_GROUP, _FIRST)


def final_stage(snapshot: RunSnapshot, left: LeftDocuments, *, cleans_up: bool) -> list[BoardStep]:
    """Give the tasks after the waves that have something to do in this run.

    :param cleans_up: whether what the run launches is removed; what a recovery launches stays
    """
    return _rows(snapshot, left, names.FINISH_GROUP, _LAST if cleans_up else _LAST_OF_RECOVERY)


def kept_drill(dag_id: str, run_id: str, snapshot: RunSnapshot, left: LeftDocuments) -> BoardKept | None:
    """Say until when a drill is kept for people now; None: it is not."""
    if snapshot.phase(names.KEEP_TASK) not in (TaskPhase.ASKS, TaskPhase.UNDER_WAY):
        return None
    kept = left.of(names.KEEP_TASK, KeptDrill)
    if kept is None or kept.ended_at is not None:
        return None
    return BoardKept(until=kept.until, extended=kept.extended, path=question_path(dag_id, run_id, names.KEEP_TASK))


def question_path(dag_id: str, run_id: str, task: str) -> str:
    """Give the page of Airflow on which a question is answered."""
    run = f"/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
    return f"{run}/tasks/{quote(task, safe='')}/required_actions"


def _rows(snapshot: RunSnapshot, left: LeftDocuments, group: str, order: Sequence[str]) -> list[BoardStep]:
    found = [task for name in order for task in names.tasks_that(snapshot.tasks, group, name)]
    rows = (_row(task, snapshot, left) for task in found)
    return [row for row in rows if row.status is not StepStatus.SKIPPED and _is_shown(row)]


def _is_shown(row: BoardStep) -> bool:
    return row.status.has_begun or not names.does(row.task, *_ONLY_ONCE_BEGUN)


def _row(task: str, snapshot: RunSnapshot, left: LeftDocuments) -> BoardStep:
    read, found = names.read_task(task), snapshot.task(task)
    status = _STATUS[snapshot.phase(task)]
    words = " ".join((left.error(task) or "").split())
    is_over = not status.is_to_come
    return BoardStep(
        name=_TITLES[read.name] + (f" {read.number}" if read.number > 1 else ""),
        task=task,
        status=status,
        summary=(words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…") or None,
        started_at=found.started_at if status.has_begun else None,
        ended_at=found.ended_at if is_over and status.has_begun else None,
    )
