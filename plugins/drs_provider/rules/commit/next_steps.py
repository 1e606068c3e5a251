"""What comes next once a recovery is up: commit, reprotect, failback; as far as the run itself knows."""

from dataclasses import dataclass
from typing import Final, Literal

from drs_provider.formatting import some
from drs_provider.rules.commit.roll_back import ALIVE
from drs_provider.rules.run.names import dag_id_of
from drs_provider.rules.run.state.commit_state import CommitState
from drs_provider.rules.run.state.vocabulary import CommitStatus

NextStatus = Literal["done", "waiting", "next", "later", "not_planned"]

FAILBACK: Final = "once reprotect says that all is ready, start {dag} with mode failback"

_WRITES: Final = "The steps that stopped the writes are not undone: let the application write to the sources again"


@dataclass(frozen=True)
class AfterRecovery:
    """One thing that comes after a recovery.

    :param words: what to do, or what was done, without a full stop
    """

    name: Literal["commit", "reprotect", "failback"]
    status: NextStatus
    words: str

    def __str__(self) -> str:
        return f"{self.name}: {self.words}"


def next_steps(
    plan: str, commit: CommitState | None, *, has_failback: bool, stopped_writes: bool = False
) -> tuple[AfterRecovery, ...]:
    """Say what comes after a recovery whose waves are over.

    :param commit: None: the plan has no commit stage, or nobody was asked
    :param has_failback: whether the plan says how to go back
    :param stopped_writes: whether the run has stopped the writes of its sources
    """
    if commit is not None and commit.status is CommitStatus.ROLLED_BACK:
        words = ". ".join([commit.words, *_sources(commit), *([_WRITES] if stopped_writes else [])])
        return (AfterRecovery("commit", "done", words),)
    if commit is not None and commit.is_rolled_back:
        return (AfterRecovery("commit", "waiting", commit.words),)
    first = _commit(commit)
    is_open = first.status == "waiting"
    dag = f"{dag_id_of(plan)}.failback"
    if not has_failback:
        words = (
            "the plan has no section failback: reverse the replication in the console of DRS, or write one and start "
            f"{dag} with mode reprotect"
        )
        return (first, AfterRecovery("reprotect", "later" if is_open else "not_planned", words))
    return (
        first,
        AfterRecovery("reprotect", "later" if is_open else "next", f"start {dag} with mode reprotect"),
        AfterRecovery("failback", "later", FAILBACK.format(dag=dag)),
    )


def _sources(commit: CommitState) -> list[str]:
    """Say how the sources are replicated after a roll back, as far as somebody has looked."""
    states = {server: state for result in commit.results for server, state in result.replication.items()}
    dead = [f"{server} ({state or 'unknown to DRS'})" for server, state in states.items() if state not in ALIVE]
    if dead:
        return [f"Not replicated, as before the roll back: {some(dead)}"]
    return ["The sources are replicated as before"] if states else []


def _commit(commit: CommitState | None) -> AfterRecovery:
    if commit is None:
        return AfterRecovery("commit", "not_planned", "the plan has no recovery.commit: what runs is production")
    if commit.status is CommitStatus.WAITING:
        return AfterRecovery("commit", "waiting", commit.words)
    if commit.status is CommitStatus.UNDECIDED:
        return AfterRecovery("commit", "waiting", f"{commit.words}; clear finish.commit to ask again")
    return AfterRecovery("commit", "done", commit.words)
