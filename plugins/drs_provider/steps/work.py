"""What a kind of step does, written without Airflow: it begins, perhaps waits, and goes on with what was heard.

The task that a step becomes is the kind's class with Airflow's operator under it (``dag.steps.base``).
"""

import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Generic, NoReturn, TypeVar

from drs_provider.exceptions import StepFailed
from drs_provider.formatting import timespan
from drs_provider.plan.steps import Step
from drs_provider.rules.run.placeholders import KnownServer, Names, find_server, names_servers, recovered, render

if TYPE_CHECKING:
    import logging

    from airflow.triggers.base import BaseTrigger
    from pydantic import JsonValue

    from drs_provider.rules.run.handover import Document, PlanRunOutcome, StepInstance
    from drs_provider.rules.run.parts import Inheritance
    from drs_provider.rules.run.roster import Target
    from drs_provider.rules.run.shape import Side
    from drs_provider.services.step_memory import StepMemory

SomeStep = TypeVar("SomeStep", bound=Step)
SomeEvent = TypeVar("SomeEvent")
T = TypeVar("T")


@dataclass(frozen=True)
class StepOutcome:
    """A step that has done what it should."""

    summary: str
    output: str = ""
    instances: "Sequence[StepInstance]" = ()
    part: "PlanRunOutcome | None" = None


@dataclass(frozen=True)
class TaskIds:
    """The task of a step in its run."""

    dag_id: str
    run_id: str
    task_id: str


@dataclass(frozen=True)
class StepSurroundings:
    """Where a step stands. ``wave`` is None for the plan's own.

    :param targets: accounts and Regions, those of its wave first
    :param launches: whether its wave launches anything
    :param own_network: whether the run's servers are in a drill network of their own
    """

    plan: str
    wave: str | None
    side: "Side"
    targets: "Sequence[Target]"
    launches: bool
    own_network: bool = False


@dataclass(frozen=True)
class Going:
    """A step that goes on: what it may know on this leg of its task.

    :param fixed: names that texts may put in, and what they stand for
    :param memory: what this attempt has begun
    :param deadline: when the step's time is over
    :param find_servers: gives every server of the run
    :param find_address: gives the private address of a server's recovery instance
    :param enter_again: raises where the step may not go on: the run was cancelled, the plan edited
    :param inherited: gives what runs of other plans inherit that the step starts
    :param run_state: gives Airflow's word for how far another run is, by DAG id and run id; None: there is none
    :param leave: leaves a document for others; returns it signed
    """

    ids: TaskIds
    where: StepSurroundings
    fixed: Mapping[str, str]
    memory: "StepMemory"
    deadline: datetime
    clock: Callable[[], datetime]
    find_servers: Callable[[], list[KnownServer]]
    find_address: Callable[[KnownServer], str]
    enter_again: Callable[[], object]
    inherited: "Callable[[], Inheritance]"
    run_state: Callable[[str, str], str | None]
    leave: "Callable[[Document], Mapping[str, JsonValue]]"

    @property
    def key(self) -> str:
        """Name this attempt in 24 characters: what it begins carries them, and is found by them."""
        text = f"{self.ids.dag_id}|{self.ids.run_id}|{self.ids.task_id}|{self.memory.attempt}"
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def token(self) -> str:
        """The same as a UUID, for services that take a client token."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.key))

    @property
    def seconds_left(self) -> float:
        """Seconds until the step's time is over."""
        return (self.deadline - self.clock()).total_seconds()

    def fill(self, value: T) -> T:
        """Put names into the texts of a value; servers are looked up only where one is named."""
        servers = self.servers() if names_servers(value) else []
        filled: T = render(value, Names(self.fixed, lambda named, fact: self._fact(servers, named, fact)))
        return filled

    def servers(self) -> list[KnownServer]:
        """Return the servers of the run."""
        return self.find_servers()

    def target(self, aws_conn_id: str | None, region: str | None) -> tuple[str | None, str | None]:
        """Return connection and Region of a step that may name its own; left out, those of the wave or plan."""
        first = self.where.targets[0] if self.where.targets else None
        known = (first.aws_conn_id, first.region) if first else ("aws_default", "")
        return aws_conn_id or known[0], region or known[1] or None

    def _fact(self, servers: Sequence[KnownServer], named: str, fact: str) -> str:
        server = find_server(named, servers)
        if fact == "source_server_id":
            return server.server_id
        return recovered(server) if fact == "instance_id" else self.find_address(server)


class StepWork(Generic[SomeStep, SomeEvent]):
    """What one kind of step does. No leg waits by itself: what takes time is left to a trigger."""

    LINKS: ClassVar[tuple[str, ...]] = ()
    """The classes of the links that its task shows in Airflow, by their full names."""

    step: SomeStep
    log: "logging.Logger"

    def begin(self, going: Going) -> StepOutcome:
        """Begin, or go on with what an earlier try has begun; return the outcome, or wait."""
        raise NotImplementedError

    def heard(self, going: Going, event: SomeEvent) -> StepOutcome:
        """Go on with what a trigger has heard."""
        raise NotImplementedError

    def wait(self, going: Going, trigger: "BaseTrigger", *, until: datetime | None = None) -> NoReturn:
        """Let a trigger wait, until the step's time is over where nothing else is said; the worker is free."""
        raise NotImplementedError

    def timed_out(self, last: str) -> StepFailed:
        """Word that the step's time is over; ``last`` is what was seen last."""
        return time_is_over(self.step, last)


def time_is_over(step: Step, last: str) -> StepFailed:
    """Word that the time of a step is over; ``last`` is what was seen last."""
    return StepFailed(f"not done within {timespan(step.timeout)}: {last}")
