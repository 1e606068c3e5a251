"""What the steps of a plan have in common. Every kind of step is a module of its own, listed in ``step_kinds``."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import ClassVar, Literal, NamedTuple

from drs_provider.plan.fields import Count, LongerThanZero, Name, PlanPart


class StepProblem(NamedTuple):
    """What is wrong with a step that has the right shape: the field, what is wrong with it, what to do."""

    field: str
    what: str
    hint: str


def too_few_approvers(required: int, approvers: Sequence[str]) -> Iterator[StepProblem]:
    """Find out whether more people must agree than may."""
    if required > len(set(approvers)):
        what = f"{required} must agree, but only {len(set(approvers))} may"
        yield StepProblem("required", what, "lower required or name more approvers")


class Step(PlanPart):
    """What all steps have in common. A kind of step adds its fields and, as ``kind``, its name."""

    ASKS_PEOPLE: ClassVar[bool] = False
    """Whether what comes after it relies on the recorded answers of people."""
    RUNS_ON_INSTANCES: ClassVar[bool] = False
    """Whether it runs something on recovered instances, which a drill network must then let reach SSM."""

    name: Name
    """The step's name, unique where it stands; also the name of its task."""
    when: Literal["drill", "recovery", "failback", "always"] = "always"
    """In which runs the step takes place."""
    timeout: LongerThanZero = timedelta(minutes=10)
    """How long the step may take."""
    retries: Count = 0
    """How often the step is tried again after a failure."""
    on_failure: Literal["fail", "continue"] = "fail"
    """Whether the run goes on after the step has failed."""
    kind: str

    @property
    def longest_try(self) -> timedelta:
        """The longest time that one try of it may take."""
        return self.timeout

    def problems(self) -> Iterable[StepProblem]:
        """Say what is wrong with it beyond its shape."""
        return ()
