"""How the end of a recovery stands: whether it waits for a decision, is committed, or is rolled back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from drs_provider.formatting import MANY, instant_words, plural, some
from drs_provider.rules.run import names
from drs_provider.rules.run.handover import CommitDecision, CommitRecord, RolledBack
from drs_provider.rules.run.state.left_documents import LeftDocuments
from drs_provider.rules.run.state.snapshot import RunSnapshot
from drs_provider.rules.run.state.task_states import TaskPhase
from drs_provider.rules.run.state.vocabulary import CommitStatus

SILENCE: Final = {
    "ask": "it is asked again, and nothing changes",
    "commit": "the recovery is committed",
    "roll_back": "the recovery is rolled back, unless something speaks against it",
}
"""What happens when nobody answers, by ``on_timeout``."""

UNDECIDED: Final = "nobody has decided whether the recovery stands: the task that asks ended without an answer"


@dataclass(frozen=True)
class CommitState:
    """The end of a recovery whose plan has ``recovery.commit``.

    :param words: the same as a sentence, without a full stop
    :param results: what the roll back did, in every account and Region that has said so
    """

    status: CommitStatus
    words: str
    record: CommitRecord
    results: tuple[RolledBack, ...] = ()

    @property
    def is_rolled_back(self) -> bool:
        """Whether a roll back has begun, be it done or not."""
        return self.status in (CommitStatus.ROLLING_BACK, CommitStatus.ROLLED_BACK, CommitStatus.INCOMPLETE)

    @property
    def gone(self) -> frozenset[str]:
        """The source servers whose recovered instances the roll back has terminated."""
        found = (instance.server_id for result in self.results for instance in result.terminated)
        return frozenset(server for server in found if server)


def commit_state(snapshot: RunSnapshot, left: LeftDocuments) -> CommitState | None:
    """Say how the end of a recovery stands; None: nobody is asked in this run, or not yet."""
    if names.COMMIT_TASK not in snapshot.tasks:
        return None
    record, phase = left.of(names.COMMIT_TASK, CommitRecord), snapshot.phase(names.COMMIT_TASK)
    if record is None or phase is TaskPhase.SKIPPED:
        return None
    if record.decision is None:
        if phase in (TaskPhase.ASKS, TaskPhase.UNDER_WAY) and not snapshot.is_over:
            return CommitState(CommitStatus.WAITING, waiting(record), record)
        return CommitState(CommitStatus.UNDECIDED, UNDECIDED, record)
    if record.decision.kind == "commit":
        return CommitState(CommitStatus.COMMITTED, decided(record.decision), record)
    tasks = names.tasks_that(snapshot.tasks, names.FINISH_GROUP, names.ROLL_BACK)
    done = {task: found for task in tasks if (found := left.of(task, RolledBack)) and _counts(snapshot, task, found)}
    status, more = _rolled_back(snapshot, left, record, dict.fromkeys(tasks) | done)
    said = decided(record.decision, is_done=status is CommitStatus.ROLLED_BACK)
    return CommitState(status, f"{said}; {more}", record, tuple(done.values()))


def _counts(snapshot: RunSnapshot, task: str, found: RolledBack) -> bool:
    """Tell whether a result is one: what a task says before it terminates anything counts once it is over."""
    goes_on = snapshot.phase(task) in (TaskPhase.WAITING, TaskPhase.UNDER_WAY, TaskPhase.ASKS)
    return found.ended_at is not None or not goes_on or snapshot.is_final


def _rolled_back(
    snapshot: RunSnapshot, left: LeftDocuments, record: CommitRecord, tasks: Mapping[str, RolledBack | None]
) -> tuple[CommitStatus, str]:
    """Judge the tasks that roll back, each with what it says it did."""
    phases = {task: snapshot.phase(task) for task in tasks}
    results = [result for result in tasks.values() if result]
    left_there = [f"{name}: {why}" for result in results for name, why in result.left.items()]
    wrong = [f"still there: {some(left_there)}"] if left_there else []
    wrong += [f"source {server}: {why}" for result in results for server, why in result.not_replicated.items()]
    for task, result in tasks.items():
        if (result is None or result.is_complete) and (words := left.error(task)):
            wrong.append(words)
        if result is None and phases[task] is TaskPhase.SUCCEEDED:
            wrong.append(f"{task} is green and left no result")
    skipped = [task for task, phase in phases.items() if phase is TaskPhase.SKIPPED]
    are_over = set(phases.values()) <= {TaskPhase.SUCCEEDED, TaskPhase.SKIPPED}
    if skipped and are_over and (passed_over := _passed_over(record, results)):
        wrong.append(f"{some(skipped)} was skipped, and nobody rolled back {some(passed_over)}")
    if set(phases.values()) & {TaskPhase.FAILED, TaskPhase.NOT_STARTED} or wrong:
        return CommitStatus.INCOMPLETE, "; ".join(["the roll back is incomplete", *wrong])
    if set(phases.values()) & {TaskPhase.WAITING, TaskPhase.UNDER_WAY, TaskPhase.ASKS}:
        if snapshot.is_final:
            return CommitStatus.INCOMPLETE, "the run ended before the roll back did"
        return CommitStatus.ROLLING_BACK, "it goes on"
    if not results:
        return CommitStatus.INCOMPLETE, "no task has rolled anything back"
    terminated = sum(len(result.terminated) for result in results)
    return CommitStatus.ROLLED_BACK, f"{plural(terminated, 'instance')} terminated"


def _passed_over(record: CommitRecord, results: Sequence[RolledBack]) -> list[str]:
    """Name the accounts and Regions with instances that people were asked about, and that no result tells of."""
    named = {gone.instance_id for result in results for gone in result.terminated}
    named |= {name for result in results for name in result.left}
    told = {found.where for found in record.instances if found.instance_id in named}
    return sorted({found.where or found.hostname for found in record.instances if found.where not in told})


def decided(decision: CommitDecision, *, is_done: bool = True) -> str:
    """Say what was decided by whom and when, without a full stop.

    :param is_done: whether a roll back is done, and not only decided
    """
    what = "committed" if decision.kind == "commit" else "rolled back" if is_done else "roll back decided"
    who = f"by {decision.by}" if decision.by else "by recovery.commit.on_timeout, for nobody answered"
    elsewhere = ", in another Airflow" if decision.is_of_tags else ""
    comment = f": {decision.comment}" if decision.comment else ""
    return f"{what} {who} at {instant_words(decision.at)}{elsewhere}{comment}"


def waiting(record: CommitRecord) -> str:
    """Say whom the recovery waits for, until when, and what happens then, without a full stop."""
    again = f", asked {plural(record.reminders + 1, 'time')}" if record.reminders else ""
    return (
        f"not committed: waits for {some(record.approvers, MANY)} until {instant_words(record.until)}{again}; then "
        f"{SILENCE[record.on_timeout]}"
    )
