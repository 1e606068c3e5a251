"""A run as ``drs run … --format json`` prints it."""

from datetime import datetime
from typing import TypedDict

from drs_provider.rules.run.run_view import PendingQuestion, RunView
from drs_provider.rules.run.state import CommitState, FirstCause, StepState, WaveState, first_cause


class StepJson(TypedDict):
    """One step."""

    name: str
    status: str
    reason: str | None


class WaveJson(TypedDict):
    """One wave; ``servers`` is None before preflight, ``launched`` and ``failed`` before its jobs have ended."""

    name: str
    depends_on: list[str]
    status: str
    reason: str | None
    servers: int | None
    launched: int | None
    failed: int | None
    before: list[StepJson]
    after: list[StepJson]


class QuestionJson(TypedDict):
    """One open question."""

    task: str
    subject: str
    options: list[str]
    asked_at: str
    asked: list[str]


class PartJson(TypedDict):
    """Preflight, or the clean-up."""

    status: str
    reason: str | None


class CauseJson(TypedDict):
    """What made the run fail, or lowers its verdict."""

    where: str
    server: str | None
    reason: str
    next_step: str


class ReportJson(TypedDict):
    """Where the report is, and what it says."""

    verdict: str
    reason: str
    json: str
    html: str


class CommitJson(TypedDict):
    """Whether a recovery waits for a decision, is committed, or is rolled back; ``until``: of what waits."""

    status: str
    words: str
    by: str | None
    at: str | None
    until: str | None


class RunJson(TypedDict):
    """One run; ``airflow_state`` is Airflow's own word, ``short_id`` names it in every command,
    ``kept_until`` says until when its drill is kept for people.
    """

    plan: str
    run_id: str
    short_id: str
    status: str
    reason: str | None
    first_cause: CauseJson | None
    airflow_state: str | None
    mode: str | None
    is_paused: bool
    triggered_by: str | None
    asked_for_at: str | None
    started_at: str | None
    ended_at: str | None
    note: str | None
    cancelled: str | None
    superseded: str | None
    preflight: PartJson
    cleanup: PartJson
    waves: list[WaveJson]
    before: list[StepJson]
    after: list[StepJson]
    questions: list[QuestionJson]
    kept_until: str | None
    commit: CommitJson | None
    report: ReportJson | None


def run_json(run: RunView) -> RunJson:
    """Give what is printed of a run."""
    state = run.state
    return {
        "plan": run.plan,
        "run_id": run.run_id,
        "short_id": run.short_id,
        "status": state.status.value,
        "reason": state.reason,
        "first_cause": _cause(first_cause(state)),
        "airflow_state": state.airflow_state,
        "mode": run.mode,
        "is_paused": run.is_paused,
        "triggered_by": run.triggered_by,
        "asked_for_at": _text(run.asked_for_at),
        "started_at": _text(run.started_at),
        "ended_at": _text(run.ended_at),
        "note": run.note,
        "cancelled": state.cancelled,
        "superseded": state.superseded,
        "preflight": {"status": state.preflight.status.value, "reason": state.preflight.reason},
        "cleanup": {"status": state.cleanup.status.value, "reason": state.cleanup.reason},
        "waves": [_wave(wave) for wave in state.waves],
        "before": [_step(step) for step in state.before],
        "after": [_step(step) for step in state.after],
        "questions": [_question(question) for question in run.questions],
        "kept_until": _text(run.kept.until if run.kept else None),
        "commit": _commit(state.commit),
        "report": None
        if run.report is None
        else {
            "verdict": run.report.verdict,
            "reason": run.report.reason,
            "json": run.report.json_path,
            "html": run.report.html_path,
        },
    }


def _cause(cause: FirstCause | None) -> CauseJson | None:
    if cause is None:
        return None
    return {"where": cause.where, "server": cause.server, "reason": cause.reason, "next_step": cause.next_step}


def _commit(commit: CommitState | None) -> CommitJson | None:
    if commit is None:
        return None
    decision = commit.record.decision
    return {
        "status": commit.status.value,
        "words": commit.words,
        "by": decision.by if decision else None,
        "at": _text(decision.at if decision else None),
        "until": _text(None if decision else commit.record.until),
    }


def _wave(wave: WaveState) -> WaveJson:
    return {
        "name": wave.name,
        "depends_on": list(wave.depends_on),
        "status": wave.status.value,
        "reason": wave.reason,
        "servers": None if wave.servers is None else len(wave.servers),
        "launched": wave.launched if wave.results_known else None,
        "failed": wave.failed if wave.results_known else None,
        "before": [_step(step) for step in wave.before],
        "after": [_step(step) for step in wave.after],
    }


def _step(step: StepState) -> StepJson:
    return {"name": step.name, "status": step.status.value, "reason": step.reason}


def _question(question: PendingQuestion) -> QuestionJson:
    return {
        "task": question.task,
        "subject": question.subject,
        "options": list(question.options),
        "asked_at": question.asked_at.isoformat(),
        "asked": list(question.asked),
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
