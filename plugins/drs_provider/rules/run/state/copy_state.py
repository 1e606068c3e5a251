"""How far the servers of a wave are that are replicated to their origin."""

from collections.abc import Mapping, Sequence
from typing import Final

from drs_provider.formatting import MANY, some
from drs_provider.rules.run.handover import (
    FailbackOutcome,
    FailbackProgress,
    FailbackServer,
    PreflightServer,
    PreflightWave,
)
from drs_provider.rules.run.state.launch_state import NOT_CHOSEN, Judgement
from drs_provider.rules.run.state.left_documents import LeftDocuments
from drs_provider.rules.run.state.server_state import ServerState
from drs_provider.rules.run.state.snapshot import RunSnapshot, WaveOutline
from drs_provider.rules.run.state.step_state import UNPROVEN_TASK
from drs_provider.rules.run.state.task_states import TaskPhase
from drs_provider.rules.run.state.vocabulary import Cause, ServerStatus, WaveStatus

NOT_FOLLOWED: Final = "the run no longer follows it; what DRS copies goes on"
"""Why a server is not known to be ready whose task has ended before it was."""

READY_STAGES: Final = ("ready", "launching", "failed_back", "reprotecting", "reprotected")
"""Where a server is ready, or further: words of ``rules.failback.state.Stage``, which builds on ``rules.run``."""

_WAITS_FOR_PREFLIGHT: Final = "it waits for preflight"


def judge_copies(wave: WaveOutline, snapshot: RunSnapshot, left: LeftDocuments) -> Judgement:
    """Say how far a wave is whose servers are replicated to their origin. A failure comes first."""
    phases = {task: snapshot.phase(task) for task in wave.reversals}
    seen = set(phases.values())
    if TaskPhase.FAILED in seen:
        return _failed(wave, snapshot, phases, left)
    if TaskPhase.NOT_STARTED in seen or (TaskPhase.WAITING in seen and snapshot.is_final):
        is_cut_off = any(snapshot.task(task).state == "upstream_failed" for task in wave.reversals)
        why = (Cause.PREFLIGHT, _WAITS_FOR_PREFLIGHT) if is_cut_off else (None, None)
        return Judgement(WaveStatus.NOT_STARTED, *why)
    if seen == {TaskPhase.SKIPPED}:
        return Judgement(WaveStatus.SKIPPED, Cause.NOT_CHOSEN, NOT_CHOSEN)
    if seen <= {TaskPhase.SUCCEEDED, TaskPhase.SKIPPED}:
        return _ended(wave, snapshot, phases, left)
    return Judgement(WaveStatus.WAITING if seen == {TaskPhase.WAITING} else WaveStatus.COPYING)


def copied_servers(
    wave: WaveOutline,
    snapshot: RunSnapshot,
    left: LeftDocuments,
    planned: PreflightWave | None,
    status: WaveStatus,
) -> tuple[ServerState, ...] | None:
    """Say how far every server of such a wave is; None: preflight has not found them yet."""
    if planned is None:
        return None
    known, outcomes = progress_of(wave, snapshot, left), _outcomes(wave, snapshot, left)
    return tuple(
        _server(
            member,
            known.get(member.server_id),
            outcomes,
            status,
            is_left_out=status is WaveStatus.SKIPPED or not planned.selected,
            is_over=snapshot.is_final or status.is_over,
        )
        for member in planned.servers
    )


def progress_of(wave: WaveOutline, snapshot: RunSnapshot, left: LeftDocuments) -> Mapping[str, FailbackServer]:
    """Give what the tasks of a wave, and their triggers, have last seen of its servers, by server id."""
    found = (left.of(task, FailbackProgress) for task in _taking_part(wave, snapshot))
    return {server.server_id: server for progress in found if progress for server in progress.servers}


def _taking_part(wave: WaveOutline, snapshot: RunSnapshot) -> list[str]:
    """A task that was skipped says nothing, whatever it had left before."""
    return [task for task in wave.reversals if snapshot.phase(task) is not TaskPhase.SKIPPED]


def _outcomes(wave: WaveOutline, snapshot: RunSnapshot, left: LeftDocuments) -> list[FailbackOutcome]:
    return [outcome for task in _taking_part(wave, snapshot) if (outcome := left.of(task, FailbackOutcome))]


def _failed(
    wave: WaveOutline, snapshot: RunSnapshot, phases: Mapping[str, TaskPhase], left: LeftDocuments
) -> Judgement:
    broken = [task for task, phase in phases.items() if phase is TaskPhase.FAILED]
    words = next((said for task in broken if (said := left.error(task))), None)
    cause = Cause.SERVERS if any(outcome.left for outcome in _outcomes(wave, snapshot, left)) else Cause.TASK
    return Judgement(WaveStatus.FAILED, cause, words or f"{broken[0]} failed; see its log")


def _ended(wave: WaveOutline, snapshot: RunSnapshot, phases: Mapping[str, TaskPhase], left: LeftDocuments) -> Judgement:
    done = [task for task, phase in phases.items() if phase is TaskPhase.SUCCEEDED]
    outcomes = _outcomes(wave, snapshot, left)
    if len(outcomes) < len(done):
        return Judgement(WaveStatus.UNPROVEN, Cause.NO_RESULT, UNPROVEN_TASK)
    names = {server_id: server.hostname for server_id, server in progress_of(wave, snapshot, left).items()}
    absent = [f"{names.get(server, server)}: {why}" for outcome in outcomes for server, why in outcome.left.items()]
    if absent:
        return Judgement(WaveStatus.COMPLETED_WITH_EXCEPTIONS, Cause.SERVERS, some(absent, MANY, "; "))
    return Judgement(WaveStatus.READY)


def _server(
    member: PreflightServer,
    seen: FailbackServer | None,
    outcomes: Sequence[FailbackOutcome],
    status: WaveStatus,
    *,
    is_left_out: bool,
    is_over: bool,
) -> ServerState:
    status_of_it, reason = (
        (ServerStatus.SKIPPED, None) if is_left_out else _status(member.server_id, seen, outcomes, is_over=is_over)
    )
    return ServerState(
        member.server_id,
        member.hostname,
        member.critical,
        status_of_it,
        reason,
        is_tolerated=status_of_it is ServerStatus.STUCK and status is WaveStatus.COMPLETED_WITH_EXCEPTIONS,
        on_the_way=seen,
    )


def _status(
    server_id: str, seen: FailbackServer | None, outcomes: Sequence[FailbackOutcome], *, is_over: bool
) -> tuple[ServerStatus, str | None]:
    for outcome in outcomes:
        if server_id in outcome.done:
            return ServerStatus.READY, None
        if server_id in outcome.left:
            return ServerStatus.STUCK, outcome.left[server_id]
    if seen is None:
        return (ServerStatus.NOT_STARTED if is_over else ServerStatus.WAITING), None
    if seen.stage in READY_STAGES:
        return ServerStatus.READY, None
    why = seen.why or seen.needs or None
    if is_over:
        return ServerStatus.STUCK, "; ".join(part for part in (why, NOT_FOLLOWED) if part)
    return ServerStatus.COPYING, why
