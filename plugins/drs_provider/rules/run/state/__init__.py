"""The state of a run, of its waves, servers and steps: one function, one vocabulary, for everybody who shows it.

``state_of(RunSnapshot) -> RunState``; the words and what they mean stand in ``vocabulary``.
"""

from drs_provider.rules.run.state.commit_state import CommitState, commit_state
from drs_provider.rules.run.state.first_cause import FirstCause, cause_of_wave, first_cause
from drs_provider.rules.run.state.left_documents import KnownDocuments, LeftDocuments
from drs_provider.rules.run.state.run_state import CleanupState, PreflightState, RunState, ended_status, state_of
from drs_provider.rules.run.state.server_state import ServerState
from drs_provider.rules.run.state.snapshot import (
    RunOutline,
    RunSnapshot,
    StepOutline,
    WaveOutline,
    left_in,
    outline_of_edges,
    outline_of_shape,
    outline_of_tasks,
    tasks_from_instances,
    tasks_from_states,
)
from drs_provider.rules.run.state.step_state import StepState
from drs_provider.rules.run.state.task_states import RUN_IS_OVER, TaskPhase, TaskSnapshot
from drs_provider.rules.run.state.vocabulary import (
    Cause,
    CleanupStatus,
    CommitStatus,
    PreflightStatus,
    RunStatus,
    ServerStatus,
    StepStatus,
    WaveStatus,
    Word,
)
from drs_provider.rules.run.state.wave_state import WaveState

__all__ = [
    "RUN_IS_OVER",
    "Cause",
    "CleanupState",
    "CleanupStatus",
    "CommitState",
    "CommitStatus",
    "FirstCause",
    "KnownDocuments",
    "LeftDocuments",
    "PreflightState",
    "PreflightStatus",
    "RunOutline",
    "RunSnapshot",
    "RunState",
    "RunStatus",
    "ServerState",
    "ServerStatus",
    "StepOutline",
    "StepState",
    "StepStatus",
    "TaskPhase",
    "TaskSnapshot",
    "WaveOutline",
    "WaveState",
    "WaveStatus",
    "Word",
    "cause_of_wave",
    "commit_state",
    "ended_status",
    "first_cause",
    "left_in",
    "outline_of_edges",
    "outline_of_shape",
    "outline_of_tasks",
    "state_of",
    "tasks_from_instances",
    "tasks_from_states",
]
