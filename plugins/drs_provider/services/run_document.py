"""A run as programs read it: what ``drs run … --format json`` prints, and the REST API answers."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, JsonValue

from drs_provider.rules.run.names import dag_id_of
from drs_provider.rules.run.run_view import PendingQuestion, RunView
from drs_provider.rules.run.state import CommitState, FirstCause, StepState, WaveState, first_cause

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""An instant in ISO 8601."""


class StepDocument(BaseModel):
    """One step."""

    name: str
    status: str
    reason: str | None

    @classmethod
    def of(cls, step: StepState) -> Self:
        """Describe a step."""
        return cls(name=step.name, status=step.status.value, reason=step.reason)


class WaveDocument(BaseModel):
    """One wave; ``servers`` is None before preflight, ``launched`` and ``failed`` before its jobs have ended."""

    name: str
    depends_on: list[str]
    status: str
    reason: str | None
    servers: int | None
    launched: int | None
    failed: int | None
    before: list[StepDocument]
    after: list[StepDocument]

    @classmethod
    def of(cls, wave: WaveState) -> Self:
        """Describe a wave."""
        return cls(
            name=wave.name,
            depends_on=list(wave.depends_on),
            status=wave.status.value,
            reason=wave.reason,
            servers=None if wave.servers is None else len(wave.servers),
            launched=wave.launched if wave.results_known else None,
            failed=wave.failed if wave.results_known else None,
            before=[StepDocument.of(step) for step in wave.before],
            after=[StepDocument.of(step) for step in wave.after],
        )


class QuestionDocument(BaseModel):
    """One open question; ``asked``: who may answer, empty: anyone."""

    task: str
    subject: str
    options: list[str]
    asked_at: Instant
    asked: list[str]

    @classmethod
    def of(cls, question: PendingQuestion) -> Self:
        """Describe a question."""
        return cls(
            task=question.task,
            subject=question.subject,
            options=list(question.options),
            asked_at=question.asked_at.isoformat(),
            asked=list(question.asked),
        )


class PartDocument(BaseModel):
    """Preflight, or the clean-up."""

    status: str
    reason: str | None


class CauseDocument(BaseModel):
    """What made the run fail, or lowers its verdict."""

    where: str
    server: str | None
    reason: str
    next_step: str


class ReportDocument(BaseModel):
    """Where the report is, and what it says."""

    verdict: str
    reason: str
    json_: str = Field(alias="json")
    html: str


class CommitDocument(BaseModel):
    """Whether a recovery waits for a decision, is committed, or is rolled back; ``until``: of what waits."""

    status: str
    words: str
    by: str | None
    at: Instant | None
    until: Instant | None


class RunDocument(BaseModel):
    """One run; ``airflow_state`` is Airflow's own word, ``short_id`` names it in every command and every address,
    ``kept_until`` says until when its drill is kept for people.
    """

    plan: str
    dag_id: str
    run_id: str
    short_id: str
    status: str
    reason: str | None
    first_cause: CauseDocument | None
    airflow_state: str | None
    mode: str | None
    is_paused: bool
    triggered_by: str | None
    asked_for_at: Instant | None
    started_at: Instant | None
    ended_at: Instant | None
    note: str | None
    cancelled: str | None
    superseded: str | None
    preflight: PartDocument
    cleanup: PartDocument
    waves: list[WaveDocument]
    before: list[StepDocument]
    after: list[StepDocument]
    questions: list[QuestionDocument]
    kept_until: Instant | None
    commit: CommitDocument | None
    report: ReportDocument | None

    @classmethod
    def of(cls, run: RunView) -> Self:
        """Describe a run."""
        state, report = run.state, run.report
        return cls(
            plan=run.plan,
            dag_id=dag_id_of(run.plan),
            run_id=run.run_id,
            short_id=run.short_id,
            status=state.status.value,
            reason=state.reason,
            first_cause=_cause(first_cause(state)),
            airflow_state=state.airflow_state,
            mode=run.mode,
            is_paused=run.is_paused,
            triggered_by=run.triggered_by,
            asked_for_at=_text(run.asked_for_at),
            started_at=_text(run.started_at),
            ended_at=_text(run.ended_at),
            note=run.note,
            cancelled=state.cancelled,
            superseded=state.superseded,
            preflight=PartDocument(status=state.preflight.status.value, reason=state.preflight.reason),
            cleanup=PartDocument(status=state.cleanup.status.value, reason=state.cleanup.reason),
            waves=[WaveDocument.of(wave) for wave in state.waves],
            before=[StepDocument.of(step) for step in state.before],
            after=[StepDocument.of(step) for step in state.after],
            questions=[QuestionDocument.of(question) for question in run.questions],
            kept_until=_text(run.kept.until if run.kept else None),
            commit=_commit(state.commit),
            report=report
            and ReportDocument(
                verdict=report.verdict, reason=report.reason, json=report.json_path, html=report.html_path
            ),
        )


def run_json(run: RunView) -> dict[str, JsonValue]:
    """Give what is printed of a run."""
    return RunDocument.of(run).model_dump(mode="json", by_alias=True)


def _cause(cause: FirstCause | None) -> CauseDocument | None:
    if cause is None:
        return None
    return CauseDocument(where=cause.where, server=cause.server, reason=cause.reason, next_step=cause.next_step)


def _commit(commit: CommitState | None) -> CommitDocument | None:
    if commit is None:
        return None
    decision = commit.record.decision
    return CommitDocument(
        status=commit.status.value,
        words=commit.words,
        by=decision.by if decision else None,
        at=_text(decision.at if decision else None),
        until=_text(None if decision else commit.record.until),
    )


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
