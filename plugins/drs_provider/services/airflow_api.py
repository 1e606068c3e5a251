"""What the verbs that steer a run need of Airflow: its REST API gives it, from outside or in its own process."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from pydantic import JsonValue

from drs_provider.exceptions import DrsProviderError
from drs_provider.rules.run.run_view import PendingQuestion
from drs_provider.rules.run.state import TaskSnapshot


class AirflowError(DrsProviderError):
    """Airflow cannot be asked, or said no."""


class AirflowUnreachable(AirflowError):
    """Nobody answered, not in time, or with an error of its own (5xx), as while its database starts again.

    A call that changes something may have had its effect.
    """


class NotAllowed(AirflowError):
    """The user lacks a right."""


class LoginRefused(AirflowError):
    """Airflow does not know this user, password or token."""


class NotThere(AirflowError):
    """Airflow knows no such thing."""


class AlreadySo(AirflowError):
    """Somebody else was faster."""


@dataclass(frozen=True)
class PlanDagRecord:
    """The DAG of a plan; ``mode`` and ``waves`` are the defaults of its trigger form."""

    dag_id: str
    is_paused: bool = False
    mode: str | None = None
    waves: tuple[str, ...] = ()


@dataclass(frozen=True)
class DagRunRecord:
    """A run as Airflow has it; ``state`` is Airflow's word, ``conf`` the answers to the trigger form."""

    dag_id: str
    run_id: str
    state: str
    conf: Mapping[str, JsonValue] = field(default_factory=dict)
    triggered_by: str | None = None
    asked_for_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    note: str | None = None


@dataclass(frozen=True)
class OrderToRun:
    """What a person orders.

    :ivar kind: ``cancel``, ``skip`` and ``continue`` are obeyed by the tasks; ``retry`` takes back what they were
        ordered before
    :ivar tasks: who shall obey; none: it is recorded only
    :ivar is_recorded: it is recorded for the report
    """

    kind: Literal["cancel", "skip", "retry", "continue"]
    tasks: Sequence[str] = ()
    wave: str | None = None
    reason: str | None = None
    is_recorded: bool = False


class AirflowApi(Protocol):
    """One Airflow, asked as one user. Every method raises ``AirflowError`` with what to do next.

    :ivar address: where people reach it
    :ivar user: who asks, as far as it is known
    """

    address: str

    @property
    def user(self) -> str | None:
        """The name of the user."""
        ...

    def dag(self, dag_id: str) -> PlanDagRecord:
        """Return a DAG. Raises ``NotThere``."""
        ...

    def plan_dags(self) -> Sequence[PlanDagRecord]:
        """Return the DAGs of all plans, by name."""
        ...

    def upstream(self, dag_id: str) -> Mapping[str, Collection[str]]:
        """Return every task of a DAG with the tasks that it waits for directly."""
        ...

    def runs(self, dag_id: str, limit: int) -> Sequence[DagRunRecord]:
        """Return a DAG's newest runs, the newest first."""
        ...

    def run(self, dag_id: str, run_id: str) -> DagRunRecord:
        """Return a run. Raises ``NotThere``."""
        ...

    def tasks(self, dag_id: str, run_id: str) -> Mapping[str, TaskSnapshot]:
        """Return how far the tasks of a run are, mapped ones left aside."""
        ...

    def xcom_keys(self, dag_id: str, run_id: str) -> Collection[tuple[str, str]]:
        """Return under which keys which tasks of a run, mapped ones left aside, left something."""
        ...

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str) -> object:
        """Return what a task left under a key; None: nothing, or nothing for this user to see."""
        ...

    def stored(self, dag_id: str, run_id: str, task_id: str, key: str) -> object:
        """Return what stands in the state store of a task; None: nothing, or nothing for this user to see."""
        ...

    def questions(self, dag_id: str, run_id: str) -> Sequence[PendingQuestion]:
        """Return what a run asks people and nobody has answered."""
        ...

    def trigger(self, dag_id: str, conf: Mapping[str, JsonValue], note: str | None) -> DagRunRecord:
        """Start a run; return it."""
        ...

    def set_paused(self, dag_id: str, *, paused: bool) -> None:
        """Pause or resume a DAG."""
        ...

    def mark(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Mark a task that is not mapped as ``failed`` or ``skipped``."""
        ...

    def clear(self, dag_id: str, run_id: str, task_ids: Sequence[str]) -> Sequence[str]:
        """Clear tasks with everything downstream; return the ids of all that were cleared."""
        ...

    def order(self, dag_id: str, run_id: str, order: OrderToRun) -> str:
        """Give an order to tasks of a run, in this user's name; return it in words."""
        ...

    def give_back(self, dag_id: str, run_id: str, orders: Mapping[str, Mapping[str, JsonValue]]) -> None:
        """Put back what ``stored`` gave of the orders of tasks, by task."""
        ...

    def write_note(self, dag_id: str, run_id: str, note: str) -> None:
        """Replace a run's note."""
        ...

    def answer(
        self,
        dag_id: str,
        run_id: str,
        task: tuple[str, int],
        options: Sequence[str],
        params: Mapping[str, JsonValue],
    ) -> None:
        """Answer what a task, by id and map index, asks. Raises ``AlreadySo``."""
        ...
