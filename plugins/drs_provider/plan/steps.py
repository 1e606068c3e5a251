"""What the steps of a plan have in common. Every kind of step is a module of its own, listed in ``step_kinds``."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import ClassVar, Final, Literal, NamedTuple

from drs_provider.formatting import joined
from drs_provider.people import alike, person_key
from drs_provider.plan.fields import Count, LongerThanZero, Name, PlanPart


class StepProblem(NamedTuple):
    """What is wrong with a step that has the right shape: the field, what is wrong with it, what to do."""

    field: str
    what: str
    hint: str


def too_few_approvers(required: int, approvers: Sequence[str]) -> Iterator[StepProblem]:
    """Find out whether more people must agree than may, and whether somebody is named twice."""
    yield from approvers_twice(approvers)
    people = len({person_key(name) for name in approvers})
    if required > people:
        what = f"{required} must agree, but only {people} may"
        yield StepProblem("required", what, "lower required or name more approvers")


def approvers_twice(approvers: Sequence[str]) -> Iterator[StepProblem]:
    """Find names that differ only by case, blanks or the like: they are one person's."""
    for names in alike(approvers):
        what = f"{joined([repr(name) for name in names])} are one person: they differ only by case, blanks or the like"
        yield StepProblem("approvers", what, "keep the name that Airflow gives that user")


RunKind = Literal["drill", "recovery", "migration", "failback"]
"""The kinds of runs that have steps; of a failback it is the cut-over."""

RUN_KINDS: Final[tuple[RunKind, ...]] = ("drill", "recovery", "migration", "failback")

_TAKES_PLACE_IN: Final[Mapping[str, tuple[RunKind, ...]]] = {
    "drill": ("drill",),
    # A planned migration is a recovery in which the sources still are there: traffic has to be switched in both.
    "recovery": ("recovery", "migration"),
    "migration": ("migration",),
    "failback": ("failback",),
    "always": RUN_KINDS,
}


class Step(PlanPart):
    """What all steps have in common. A kind of step adds its fields and, as ``kind``, its name."""

    ASKS_PEOPLE: ClassVar[bool] = False
    """Whether what comes after it relies on the recorded answers of people."""
    RUNS_ON_INSTANCES: ClassVar[bool] = False
    """Whether it runs something on recovered instances, which a drill network must then let reach SSM."""
    MAY_START_INSTANCES: ClassVar[bool] = False
    """Whether instances that were launched stopped may run after it."""
    FILLED: ClassVar[frozenset[str]] = frozenset()
    """The fields whose texts are filled in, by the names that plans write."""

    name: Name
    """The step's name, unique where it stands; also the name of its task."""
    when: Literal["drill", "recovery", "migration", "failback", "always"] = "always"
    """In which runs the step takes place; those of a recovery take place in a migration too."""
    timeout: LongerThanZero = timedelta(minutes=10)
    """How long the step may take."""
    retries: Count = 0
    """How often the step is tried again after a failure."""
    on_failure: Literal["fail", "continue"] = "fail"
    """Whether the run goes on after the step has failed."""
    kind: str

    @property
    def run_kinds(self) -> tuple[RunKind, ...]:
        """The kinds of runs in which it takes place."""
        return _TAKES_PLACE_IN[self.when]

    @property
    def longest_try(self) -> timedelta:
        """The longest time that one try of it may take."""
        return self.timeout

    @property
    def length(self) -> timedelta:
        """How long it takes by its own words; zero: it says nothing of it."""
        return timedelta(0)

    @property
    def runs_plan(self) -> str | None:
        """The name of the plan that it runs; None: it runs none."""
        return None

    def runs_inside(self, *, own_network: bool) -> bool:
        """Tell whether it runs something on recovered instances.

        :param own_network: whether the run's servers are in a drill network of their own
        """
        return self.RUNS_ON_INSTANCES

    def problems(self) -> Iterable[StepProblem]:
        """Say what is wrong with it beyond its shape."""
        return ()
