"""``approval``: waits until people have agreed. Its task stands with the questions, in ``dag.steps.approval``."""

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from drs_provider.plan.fields import Flag, Ordinal, Text
from drs_provider.plan.step_kinds import StepKind
from drs_provider.plan.steps import Step, StepProblem, too_few_approvers


class ApprovalStep(Step):
    """Waits until people have agreed."""

    ASKS_PEOPLE: ClassVar[bool] = True
    MAY_START_INSTANCES: ClassVar[bool] = True
    FILLED: ClassVar[frozenset[str]] = frozenset({"message"})

    kind: Literal["approval"]
    message: Text
    """What is asked."""
    approvers: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Airflow users who may answer."""
    required: Ordinal = 1
    """How many of them must agree."""
    four_eyes: Flag = False
    """Whether the person who triggered the run does not count."""
    on_timeout: Literal["fail", "continue"] = "fail"
    """What happens when too few people answer in time."""

    def problems(self) -> Iterable[StepProblem]:
        """Find out whether enough people may agree."""
        return too_few_approvers(self.required, self.approvers)


KIND = StepKind(name="approval", title="Approval", model=ApprovalStep, work="drs_provider.dag.steps.approval.AskPeople")
