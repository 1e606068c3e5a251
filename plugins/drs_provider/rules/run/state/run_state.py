"""The state of a run: one function from what Airflow and the documents of its tasks say, for everybody who shows it.

``state_of(snapshot)`` is pure. Nothing that is not known is called done, and every state that is not good says why.
The words, and what they mean, stand in :mod:`drs_provider.rules.run.state.vocabulary`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from drs_provider.rules.run import names
from drs_provider.rules.run.approvals import REJECT, STOP
from drs_provider.rules.run.handover import PreflightFinding, PreflightResult, PreflightServer
from drs_provider.rules.run.state.commit_state import CommitState, commit_state
from drs_provider.rules.run.state.left_documents import LeftDocuments
from drs_provider.rules.run.state.snapshot import RunSnapshot
from drs_provider.rules.run.state.step_state import UNPROVEN_TASK, StepState, step_states
from drs_provider.rules.run.state.task_states import RUN_IS_OVER, TaskPhase, is_active
from drs_provider.rules.run.state.vocabulary import Cause, CleanupStatus, CommitStatus, PreflightStatus, RunStatus
from drs_provider.rules.run.state.wave_state import WaveState, wave_states

REPORT_MISSING: Final = "report missing: the result of the run is unknown"
NOTHING_TO_CLEAN: Final = "the plan launches nothing"
NOT_CLEANED: Final = "a recovery is not cleaned up"
NOTHING_CHOSEN: Final = "the chosen waves launch nothing"
CLEANUP_DID_NOT_END: Final = "the run ended before its clean-up did"

_VERDICTS: Final = {
    status.value: status
    for status in (
        RunStatus.PASSED,
        RunStatus.COMPLETED,
        RunStatus.COMPLETED_WITH_EXCEPTIONS,
        RunStatus.FAILED,
        RunStatus.REFUSED,
        RunStatus.CANCELLED,
        RunStatus.SUPERSEDED,
        RunStatus.CHECKED,
    )
}
_ENDING: Final = (RunStatus.RUNNING, RunStatus.CLEANING_UP, RunStatus.REPORTING)


@dataclass(frozen=True)
class PreflightState:
    """Preflight with its approvals and networks; ``first``: the first of the findings that refuse the run."""

    status: PreflightStatus
    cause: Cause | None = None
    reason: str | None = None
    first: PreflightFinding | None = None


@dataclass(frozen=True)
class CleanupState:
    """The clean-up of a drill; ``remaining`` says of what is still there why, by id."""

    status: CleanupStatus
    reason: str | None = None
    terminated: int = 0
    remaining: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunState:
    """A run at one moment.

    :param airflow_state: Airflow's own word for the run
    :param mode: what preflight says that the run is; None: it has said nothing
    :param excluded: the servers that were left out when the run was started
    :param before: the plan's own steps before its waves; ``after``: those behind them
    :param cancelled: who ended the run and how, without a full stop
    :param superseded: which recovery took the servers of the drill, without a full stop
    :param commit: how the end of a recovery stands; None: nobody is asked, or not yet
    """

    status: RunStatus
    preflight: PreflightState
    cleanup: CleanupState
    cause: Cause | None = None
    reason: str | None = None
    airflow_state: str | None = None
    mode: str | None = None
    waves: tuple[WaveState, ...] = ()
    excluded: tuple[PreflightServer, ...] = ()
    before: tuple[StepState, ...] = ()
    after: tuple[StepState, ...] = ()
    cancelled: str | None = None
    superseded: str | None = None
    commit: CommitState | None = None

    @property
    def is_over(self) -> bool:
        """Whether Airflow's run has ended."""
        return self.airflow_state in RUN_IS_OVER

    def wave(self, name: str) -> WaveState | None:
        """Give a wave by its name."""
        return next((wave for wave in self.waves if wave.name == name), None)


def state_of(snapshot: RunSnapshot, left: LeftDocuments | None = None) -> RunState:
    """Say how a run stands: itself, its preflight, every wave, server and step, and its clean-up.

    :param left: what its tasks left, where somebody has begun to read it
    """
    left = left or LeftDocuments(snapshot)
    found = left.preflight()
    preflight = _preflight(snapshot, left, found)
    waves = wave_states(snapshot, left, found.waves if found else None)
    cleanup = _cleanup(snapshot, left)
    commit = commit_state(snapshot, left)
    status, cause, reason = _run(snapshot, left, preflight, waves, cleanup)
    if commit and commit.status is CommitStatus.ROLLING_BACK and status in _ENDING:
        status = RunStatus.ROLLING_BACK
    before = step_states(snapshot.outline.before, snapshot, left)
    after = step_states(snapshot.outline.after, snapshot, left)
    return RunState(
        status=status,
        preflight=preflight,
        cleanup=cleanup,
        cause=cause,
        reason=reason,
        airflow_state=snapshot.run_state,
        mode=found.mode if found else None,
        waves=waves,
        excluded=found.excluded if found else (),
        before=before,
        after=after,
        cancelled=_cancelled(snapshot, left, (*before, *after), waves),
        superseded=_superseded(snapshot, left),
        commit=commit,
    )


def ended_status(airflow_state: str | None, verdict: str | None) -> RunStatus:
    """Say how a run stands of which only Airflow's state and the verdict of its report are known."""
    if airflow_state in RUN_IS_OVER:
        return _VERDICTS.get(verdict or "", RunStatus.UNKNOWN)
    return RunStatus.QUEUED if airflow_state == "queued" else RunStatus.RUNNING


def _run(
    snapshot: RunSnapshot,
    left: LeftDocuments,
    preflight: PreflightState,
    waves: tuple[WaveState, ...],
    cleanup: CleanupState,
) -> tuple[RunStatus, Cause | None, str | None]:
    is_reported = snapshot.phase(names.REPORT_TASK) is TaskPhase.SUCCEEDED
    report = left.report() if is_reported else None
    if report is not None and report.verdict in _VERDICTS:
        return _VERDICTS[report.verdict], None, report.reason
    if snapshot.is_over:
        return RunStatus.UNKNOWN, Cause.NO_RESULT, REPORT_MISSING
    if snapshot.run_state == "queued":
        return RunStatus.QUEUED, None, None
    return _going_on(snapshot, preflight, waves, cleanup), None, None


def _going_on(
    snapshot: RunSnapshot, preflight: PreflightState, waves: tuple[WaveState, ...], cleanup: CleanupState
) -> RunStatus:
    tasks = [task for task in snapshot.tasks if not names.is_teller(task)]
    if cleanup.status in (CleanupStatus.RUNNING, CleanupStatus.KEPT):
        return RunStatus.CLEANING_UP
    asks = any(snapshot.phase(task) is TaskPhase.ASKS for task in tasks)
    if asks and not any(is_active(snapshot.task(task).state) and task not in snapshot.asked for task in tasks):
        return RunStatus.WAITING_FOR_ANSWER
    if preflight.status in (PreflightStatus.WAITING, PreflightStatus.RUNNING, PreflightStatus.WAITING_FOR_ANSWER):
        return RunStatus.CHECKING
    is_left = any(not wave.status.is_over for wave in waves)
    if is_left or any(_is_to_come(snapshot, step.task) for step in snapshot.outline.after):
        return RunStatus.RUNNING
    if _goes_home(snapshot, waves):
        return RunStatus.RUNNING
    return RunStatus.CLEANING_UP if cleanup.status is CleanupStatus.WAITING else RunStatus.REPORTING


def _goes_home(snapshot: RunSnapshot, waves: tuple[WaveState, ...]) -> bool:
    """Whether what a failback has launched is still to be protected again, or what it came from to be removed."""
    if not any(wave.launched for wave in waves):
        return False
    tasks = names.tasks_in(snapshot.tasks, names.FINISH_GROUP)
    return any(_is_to_come(snapshot, task) for task in tasks if names.does(task, *names.AT_HOME))


def _is_to_come(snapshot: RunSnapshot, task: str) -> bool:
    return snapshot.phase(task) in (TaskPhase.WAITING, TaskPhase.UNDER_WAY, TaskPhase.ASKS)


def _preflight(snapshot: RunSnapshot, left: LeftDocuments, found: PreflightResult | None) -> PreflightState:
    check = names.PREFLIGHT_TASK
    tasks = [check, *sorted(names.tasks_in(snapshot.tasks, names.PREFLIGHT_GROUP))]
    tasks = [task for task in dict.fromkeys(tasks) if not names.is_teller(task)]
    phases = {task: snapshot.phase(task) for task in tasks}
    broken = next((task for task in tasks if phases[task] is TaskPhase.FAILED), None)
    if broken is not None or (found is not None and not found.passed):
        return _refused(broken or check, left, found)
    seen = set(phases.values())
    if seen <= {TaskPhase.SUCCEEDED, TaskPhase.SKIPPED}:
        if found is None:
            return PreflightState(PreflightStatus.UNPROVEN, Cause.NO_RESULT, UNPROVEN_TASK)
        return PreflightState(PreflightStatus.PASSED)
    return PreflightState(_preflight_to_come(snapshot, seen, phases[check]))


def _preflight_to_come(snapshot: RunSnapshot, seen: set[TaskPhase], check: TaskPhase) -> PreflightStatus:
    if TaskPhase.NOT_STARTED in seen or (TaskPhase.WAITING in seen and snapshot.is_final):
        return PreflightStatus.NOT_STARTED
    if TaskPhase.ASKS in seen:
        return PreflightStatus.WAITING_FOR_ANSWER
    return PreflightStatus.WAITING if check is TaskPhase.WAITING else PreflightStatus.RUNNING


def _refused(task: str, left: LeftDocuments, found: PreflightResult | None) -> PreflightState:
    is_asked = names.does(task, names.APPROVAL, names.STOP_APPROVAL)
    refusals = [finding for finding in (found.findings if found else ()) if finding.severity == "refusal"]
    words = left.error(task) or (_counted(len(refusals)) if refusals else None)
    return PreflightState(
        PreflightStatus.REFUSED,
        Cause.ANSWER if is_asked else Cause.PREFLIGHT,
        words or f"{task} failed; see its log",
        refusals[0] if refusals and not is_asked else None,
    )


def _counted(reasons: int) -> str:
    return f"preflight found {reasons} reason{'s'[: reasons != 1]} against it"


def _cleanup(snapshot: RunSnapshot, left: LeftDocuments) -> CleanupState:
    tasks = _cleanup_tasks(snapshot, names.CLEAN_UP, names.REMOVE_NETWORK, names.LOOK_OVER)
    if not tasks:
        return CleanupState(CleanupStatus.NOT_RUN, NOTHING_TO_CLEAN)
    cleaned = [done for task in _cleanup_tasks(snapshot, names.CLEAN_UP) if (done := left.cleaned_up(task))]
    looks = _cleanup_tasks(snapshot, names.REMOVE_NETWORK, names.LOOK_OVER)
    found = [done.left for done in cleaned]
    found += [leftovers for task in looks if (leftovers := left.leftovers(task)) is not None]
    terminated = sum(len(done.terminated) for done in cleaned)
    remaining = {name: why for part in found for name, why in part.items()}
    status, reason = _cleanup_status(snapshot, left, tasks, terminated, is_proven=bool(found))
    return CleanupState(status, reason, terminated, remaining)


def _cleanup_status(
    snapshot: RunSnapshot, left: LeftDocuments, tasks: list[str], terminated: int, *, is_proven: bool
) -> tuple[CleanupStatus, str | None]:
    phases = {snapshot.phase(task) for task in tasks}
    if phases & {TaskPhase.FAILED, TaskPhase.NOT_STARTED}:
        words = [said for task in tasks if (said := left.error(task))]
        return CleanupStatus.INCOMPLETE, "\n".join(words) or None
    if phases & {TaskPhase.UNDER_WAY, TaskPhase.ASKS, TaskPhase.WAITING}:
        return _cleanup_to_come(snapshot, has_begun=phases != {TaskPhase.WAITING})
    if phases == {TaskPhase.SKIPPED}:
        if why := left.launches_nothing:
            return CleanupStatus.NOT_RUN, why
        preflight = left.preflight()
        is_drill = preflight is not None and preflight.purpose.is_temporary
        return CleanupStatus.NOT_RUN, NOTHING_CHOSEN if is_drill else NOT_CLEANED
    if not is_proven:
        return CleanupStatus.UNPROVEN, UNPROVEN_TASK
    return (CleanupStatus.COMPLETED if terminated else CleanupStatus.NOTHING_TO_DO), None


def _cleanup_to_come(snapshot: RunSnapshot, *, has_begun: bool) -> tuple[CleanupStatus, str | None]:
    if snapshot.is_final:
        return (CleanupStatus.INCOMPLETE if has_begun else CleanupStatus.NOT_RUN), CLEANUP_DID_NOT_END
    if has_begun:
        return CleanupStatus.RUNNING, None
    is_kept = snapshot.phase(names.KEEP_TASK) is TaskPhase.ASKS
    return (CleanupStatus.KEPT if is_kept else CleanupStatus.WAITING), None


def _cleanup_tasks(snapshot: RunSnapshot, *does: str) -> list[str]:
    in_group = names.tasks_in(snapshot.tasks, names.FINISH_GROUP)
    return sorted(task for task in in_group if names.does(task, *does))


def _ended_by_an_answer(snapshot: RunSnapshot, left: LeftDocuments) -> str | None:
    """Say who ended the run by a no; a person's no fails the task that asked."""
    found = left.preflight()
    approved = "the failback" if found is not None and found.purpose.cuts_over else "the recovery"
    for name, what in ((names.APPROVAL, approved), (names.STOP_APPROVAL, "the stop of the sources")):
        for task in names.tasks_that(snapshot.tasks, names.PREFLIGHT_GROUP, name):
            if by := _chose(REJECT, task, snapshot, left):
                return f"{by} rejected {what}"
    for wave in snapshot.outline.waves:
        for task in wave.gates:
            if by := _chose(STOP, task, snapshot, left):
                return f"{by} stopped the run before wave {wave.name}"
    return None


def _chose(option: str, task: str, snapshot: RunSnapshot, left: LeftDocuments) -> str | None:
    answer = left.answer(task) if snapshot.phase(task) is TaskPhase.FAILED else None
    return str(answer.by) if answer and answer.chosen == option else None


def _cancelled(
    snapshot: RunSnapshot, left: LeftDocuments, own_steps: tuple[StepState, ...], waves: tuple[WaveState, ...]
) -> str | None:
    """Say who ended the run: by an answer, or by an order, whether or not anything was left to obey it."""
    if said := _ended_by_an_answer(snapshot, left) or _ended_by_an_order(snapshot, left, own_steps, waves):
        return said
    given = left.given_orders().cancellation
    return given.message if given else None


def _ended_by_an_order(
    snapshot: RunSnapshot, left: LeftDocuments, own_steps: tuple[StepState, ...], waves: tuple[WaveState, ...]
) -> str | None:
    """Give the words of the cancellation that the run's starts and steps obeyed."""
    for wave in snapshot.outline.waves:
        for task in (*wave.starts, *((wave.watch,) if wave.watch else ())):
            if (order := left.order(task)) and order.is_cancellation:
                return order.message
    steps = (*(step for wave in waves for step in wave.steps), *own_steps)
    return next((step.reason for step in steps if step.cause is Cause.CANCELLED), None)


def _superseded(snapshot: RunSnapshot, left: LeftDocuments) -> str | None:
    """Say which recovery took the drill's servers. The clean-up knows best: it looks last."""
    starts = (task for wave in snapshot.outline.waves for task in wave.starts)
    watches = (wave.watch for wave in snapshot.outline.waves if wave.watch)
    tasks = (*_cleanup_tasks(snapshot, names.CLEAN_UP), *starts, *watches)
    return next((words for task in tasks if (words := left.superseded(task))), None)
