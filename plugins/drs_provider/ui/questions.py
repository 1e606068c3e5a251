"""What a run waits for people with, and what a person has ordered, as its board shows it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel

from drs_provider.rules.run import names
from drs_provider.rules.run.handover import Asked, HandoverUnreadable
from drs_provider.rules.run.state import RUN_IS_OVER, LeftDocuments, RunSnapshot
from drs_provider.ui.read_model import RunData
from drs_provider.ui.stages import question_path

_OPEN: Final = frozenset({"awaiting_input", "deferred", "running", "queued", "up_for_retry", "restarting", "scheduled"})


class BoardQuestion(BaseModel):
    """One question that nobody has answered yet.

    ``path`` is the page of Airflow where it is answered, ``otherwise`` what happens without an answer.
    """

    kind: Literal["approval", "pause", "commit"]
    task: str
    wave: str | None
    subject: str
    text: str | None = None
    options: list[str] = []
    otherwise: str | None = None
    people: list[str]
    agreed: list[str] = []
    since: datetime
    until: datetime
    path: str


def questions_of(run: RunData) -> list[BoardQuestion]:
    """Return what people are asked right now, in the order in which it was asked."""
    if run.state in RUN_IS_OVER:
        return []
    return sorted(_questions(run), key=lambda question: question.since)


def _questions(run: RunData) -> Iterator[BoardQuestion]:
    for (task, key), value in run.left.items():
        if key != Asked.KEY or task not in run.tasks or run.tasks[task].state not in _OPEN:
            continue
        try:
            asked = Asked.read(value)
        except HandoverUnreadable:
            continue
        if asked is not None:
            yield _question(run, task, asked)


def _question(run: RunData, task: str, asked: Asked) -> BoardQuestion:
    is_pause = names.does(task, names.PAUSE, names.KEEP)
    return BoardQuestion(
        kind="commit" if task == names.COMMIT_TASK else "pause" if is_pause else "approval",
        task=task,
        wave=names.wave_of(task),
        subject=asked.subject or ("A pause" if is_pause else "Approval of the recovery"),
        text=asked.text or None,
        options=list(asked.options),
        otherwise=asked.otherwise or None,
        people=list(asked.people),
        agreed=list(asked.agreed),
        since=asked.at,
        until=asked.until,
        path=question_path(run.dag_id, run.run_id, task),
    )


def orders_of(snapshot: RunSnapshot, left: LeftDocuments) -> list[str]:
    """Return the words of every order that tasks have obeyed: the run was cancelled, a wave was left out."""
    return sorted({order.message for task in snapshot.tasks if (order := left.order(task))})
