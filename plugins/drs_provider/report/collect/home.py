"""How a failback ended after its waves, as its report's evidence has it."""

from collections.abc import Iterator
from typing import Final, Literal

from drs_provider.report.evidence import HomeStep
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.run import names
from drs_provider.rules.run.handover import FailbackOutcome, RecordedAnswer
from drs_provider.rules.run.state import LeftDocuments, TaskPhase

Does = Literal["protect_again", "agree", "remove_recovered", "at_rest"]

_DOES: Final[tuple[Does, ...]] = ("protect_again", "agree", "remove_recovered", "at_rest")
"""The tasks at the end, in their order."""


def home_steps(left: LeftDocuments, purpose: Purpose) -> tuple[HomeStep, ...]:
    """Give what became of every task at the end of a failback; nothing of other runs."""
    return tuple(_steps(left)) if purpose.cuts_over and left.preflight() is not None else ()


def _steps(left: LeftDocuments) -> Iterator[HomeStep]:
    for does in _DOES:
        for task in names.tasks_that(left.snapshot.tasks, names.FINISH_GROUP, does):
            outcome = left.of(task, FailbackOutcome) if does != "agree" else None
            yield HomeStep(
                task=task,
                does=does,
                state=_state(task, left, does=does, outcome=outcome),
                done=outcome.done if outcome else {},
                left=outcome.left if outcome else {},
                error=left.error(task),
            )


def _state(
    task: str, left: LeftDocuments, *, does: Does, outcome: FailbackOutcome | None
) -> Literal["done", "failed", "skipped", "unproven", "not_reached"]:
    match left.snapshot.phase(task):
        case TaskPhase.SUCCEEDED:
            proof = left.of(task, RecordedAnswer) if does == "agree" else outcome
            return "done" if proof is not None else "unproven"
        case TaskPhase.FAILED:
            return "failed"
        case TaskPhase.SKIPPED:
            return "skipped"
        case _:
            return "not_reached"
