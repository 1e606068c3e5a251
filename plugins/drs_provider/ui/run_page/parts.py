"""What may be done with a run, what has happened in it, and where to look further, as its board has them."""

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel

from drs_provider.rules.aws_console import console_url
from drs_provider.rules.run import names
from drs_provider.rules.run.board.events import events_of
from drs_provider.rules.run.board.offers import OfferReason, OfferRight, Verb, offers_of
from drs_provider.rules.run.handover import KeptDrill, Launch, PlanRunStart
from drs_provider.rules.run.run_view import PendingQuestion, RunView
from drs_provider.rules.run.state import (
    CleanupStatus,
    LeftDocuments,
    RunSnapshot,
    RunState,
    StepStatus,
    WaveOutline,
)
from drs_provider.ui.questions import BoardQuestion
from drs_provider.ui.read_model import RunData

MOST_EVENTS = 200
"""Events that a board has, the newest ones."""


class BoardOffer(BaseModel):
    """One thing that may be done: ``rules.run.board.offers.Offer``."""

    verb: Verb
    right: OfferRight
    title: str
    effect: str
    reason: OfferReason
    wave: str | None = None
    task: str | None = None
    option: str | None = None
    by: str | None = None
    stops_failback: str = ""
    is_grave: bool = False


class BoardEvent(BaseModel):
    """One thing that happened."""

    at: datetime
    what: str
    who: str = ""
    is_bad: bool = False


class BoardPlace(BaseModel):
    """Where to look further: ``path`` below Airflow's address, or ``address`` of a page outside of it."""

    title: str
    path: str = ""
    address: str = ""


def board_offers(
    run: RunData, snapshot: RunSnapshot, left: LeftDocuments, state: RunState, questions: Iterable[BoardQuestion]
) -> list[BoardOffer]:
    """Say what may be done with a run now, whoever may do it."""
    if names.PREFLIGHT_TASK not in run.upstream:
        return []
    found = offers_of(_view(run, snapshot, left, state, questions))
    return [BoardOffer(right=offer.right, **{name: getattr(offer, name) for name in _SHOWN}) for offer in found]


_SHOWN = tuple(name for name in BoardOffer.model_fields if name != "right")


def board_events(run: RunData, snapshot: RunSnapshot, left: LeftDocuments, state: RunState) -> list[BoardEvent]:
    """Say what has happened in a run, the oldest first."""
    ended_at = run.ended_at if state.is_over else None
    found = events_of(state, snapshot, left, started_at=run.started_at, ended_at=ended_at)
    return [BoardEvent(**vars(event)) for event in found[-MOST_EVENTS:]]


def places_of_wave(run: RunData, outline: WaveOutline, left: LeftDocuments) -> list[BoardPlace]:
    """Give the tasks of a wave that have begun, and its jobs in the AWS console."""
    tasks = [*outline.gates, *outline.settings, *outline.before_turn, *outline.reversals, *outline.starts]
    tasks += [outline.watch] if outline.watch else []
    begun = [task for task in tasks if task in run.tasks and run.tasks[task].started_at]
    places = [
        BoardPlace(title=names.read_task(task).name.replace("_", " "), path=task_path(run, task)) for task in begun
    ]
    launches = [launch for task in outline.starts if (launch := left.of(task, Launch))]
    addresses = {
        job.job_id: console_url(f"recoveryJobs/{quote(job.job_id, safe='')}", region=launch.region)
        for launch in launches
        for job in launch.jobs
    }
    places += [BoardPlace(title=f"job {job}", address=address) for job, address in addresses.items() if address]
    return places


def task_path(run: RunData, task: str) -> str:
    """Give the page of Airflow with a task's log."""
    return f"/dags/{quote(run.dag_id, safe='')}/runs/{quote(run.run_id, safe='')}/tasks/{quote(task, safe='')}"


def _view(
    run: RunData, snapshot: RunSnapshot, left: LeftDocuments, state: RunState, questions: Iterable[BoardQuestion]
) -> RunView:
    asked = [
        PendingQuestion(each.task, each.subject, tuple(each.options), each.since, tuple(each.people))
        for each in questions
    ]
    kept = left.of(names.KEEP_TASK, KeptDrill) if state.cleanup.status is CleanupStatus.KEPT else None
    if kept is not None and kept.ended_at is None and names.KEEP_TASK not in {each.task for each in asked}:
        asked.append(PendingQuestion(names.KEEP_TASK, "The drill is kept", (), kept.began_at or kept.until))
    preflight = left.preflight()
    steps = (*state.before, *(step for wave in state.waves for step in wave.steps), *state.after)
    running = [step.task for step in steps if step.status is StepStatus.RUNNING]
    return RunView(
        plan=names.name_of_runs(run.dag_id),
        run_id=run.run_id,
        state=state,
        mode=state.mode or run.mode,
        is_paused=run.is_paused,
        started_at=run.started_at,
        ended_at=run.ended_at,
        outline=snapshot.outline,
        tasks=run.tasks,
        questions=tuple(asked),
        has_failback=bool(preflight and preflight.objectives and preflight.objectives.has_failback),
        kept=kept,
        parts=tuple(started for task in running if (started := left.of(task, PlanRunStart))),
    )
