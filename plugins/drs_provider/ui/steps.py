"""The steps of a run as its board shows them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel

from drs_provider.plan.step_kinds import kind_of_task
from drs_provider.rules.run.handover import PlanRunStart, StepResult
from drs_provider.rules.run.state import LeftDocuments, StepState, StepStatus

_LONGEST = 400


class BoardStep(BaseModel):
    """One step; ``summary`` is what it recorded of itself, or why it is not well, in one line.

    ``path``: the board of the run of another plan that it has started, below Airflow's address.
    """

    name: str
    task: str
    kind: str | None = None
    status: StepStatus
    summary: str | None = None
    path: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


def board_steps(steps: Iterable[StepState], left: LeftDocuments, classes: Mapping[str, str]) -> list[BoardStep]:
    """Show steps.

    :param classes: the name of the class of every task, by task id
    """
    return [_step(step, left, classes.get(step.task, "")) for step in steps]


def _step(step: StepState, left: LeftDocuments, task_class: str) -> BoardStep:
    result, started = left.of(step.task, StepResult), left.of(step.task, PlanRunStart)
    summary = " ".join((step.summary or step.reason or "").split())
    return BoardStep(
        name=step.name,
        task=step.task,
        kind=(result.kind if result else "") or kind_of_task(task_class),
        status=step.status,
        path=f"/dags/{quote(started.dag_id)}/runs/{quote(started.run_id)}/plugin/drs-run" if started else None,
        summary=(summary if len(summary) <= _LONGEST else f"{summary[:_LONGEST]}…") or None,
        started_at=step.started_at,
        ended_at=step.ended_at,
    )
