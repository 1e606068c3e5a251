"""How the end of a recovery stands on its board, and what comes next."""

from datetime import datetime

from pydantic import BaseModel

from drs_provider.rules.commit.next_steps import next_steps
from drs_provider.rules.run import names
from drs_provider.rules.run.handover import PreflightResult
from drs_provider.rules.run.state import CommitStatus, RunState, ServerStatus
from drs_provider.ui.stages import question_path


class BoardCommit(BaseModel):
    """Commit or roll back: how it stands, in words; ``path`` is where it is answered, while it waits.

    ``instances``: how many a roll back would terminate. ``against``: what speaks against one, as far as was seen.
    """

    status: CommitStatus
    words: str
    until: datetime | None = None
    instances: int = 0
    against: list[str] = []
    refused: str = ""
    path: str = ""


def commit_of(dag_id: str, run_id: str, state: RunState) -> BoardCommit | None:
    """Say how the end of a recovery stands; None: nobody is asked, or not yet."""
    commit = state.commit
    if commit is None:
        return None
    waits = commit.status is CommitStatus.WAITING
    return BoardCommit(
        status=commit.status,
        words=commit.words,
        until=commit.record.until if waits else None,
        instances=len(commit.record.instances),
        against=list(commit.record.against) if waits else [],
        refused=commit.record.refused if waits else "",
        path=question_path(dag_id, run_id, names.COMMIT_TASK) if waits else "",
    )


def next_steps_of(dag_id: str, state: RunState, preflight: PreflightResult | None) -> list[str]:
    """Say what comes after a recovery whose waves are over, a line each; nothing while they go on, or of a drill."""
    if preflight is None or not preflight.purpose.asks_to_commit or not preflight.passed:
        return []
    if not all(wave.status.is_over for wave in state.waves) or not _is_up(state):
        return []
    plan = names.plan_of(dag_id) or dag_id
    has_failback = preflight.objectives is not None and preflight.objectives.has_failback
    return [
        str(step)
        for step in next_steps(plan, state.commit, has_failback=has_failback, stopped_writes=preflight.purpose.quiesces)
    ]


def _is_up(state: RunState) -> bool:
    return any(server.status is ServerStatus.LAUNCHED for wave in state.waves for server in wave.servers or ())
