"""The kinds of steps, and what the rest of the package knows of a kind.

A kind is one module with its model, its work, its permissions and its words, and one line in ``STEP_KINDS``. The module
stands above the plan's language (it calls hooks and triggers), so it is listed by name and loaded when it is asked for:
nothing else names a kind.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, Final, Literal

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from drs_provider.plan.steps import Step

STEP_KINDS: Final[dict[str, str]] = {
    "ssm_command": "drs_provider.steps.ssm_command",
    "ssm_automation": "drs_provider.steps.ssm_automation",
    "lambda": "drs_provider.steps.lambda_function",
    "http": "drs_provider.steps.http_check",
    "tcp": "drs_provider.steps.tcp_check",
    "webhook": "drs_provider.steps.webhook",
    "approval": "drs_provider.steps.approval",
    "wait": "drs_provider.steps.wait",
    "dag": "drs_provider.steps.dag_run",
    "plan": "drs_provider.steps.plan_run",
}
"""Every kind by the word that a plan writes, and the module whose ``KIND`` describes it."""


@dataclass(frozen=True)
class Needed:
    """What a step needs in the cloud, for a rehearsal: its simulator may have it, else it is made up and succeeds.

    :param what: the simulator's word for such things
    :param form: of a document: Command or Automation
    """

    what: Literal["documents", "lambda"]
    name: str
    form: str = ""


@dataclass(frozen=True)
class StepKind:
    """A kind of step.

    :param model: what an author may write
    :param work: the class that does it, a ``StepWork``; or the name of a task class of its own, with its module
    :param title: what people call it
    :param actions: IAM actions that its task calls
    :param reaches_out: why a rehearsal must not run it; empty: it does
    :param looks_around: its task asks Airflow for something before it fills in its texts
    :param needs: for a rehearsal that runs it: what it needs in the cloud, or why nobody can know before the run; None:
        it needs nothing there
    :param label: its name in narrow columns; empty: the word that plans write
    """

    name: str
    model: type[Step]
    work: Any
    title: str
    actions: tuple[str, ...] = ()
    reaches_out: str = ""
    looks_around: bool = False
    needs: Callable[[Any], Needed | str] | None = None
    label: str = ""

    @property
    def task_name(self) -> str:
        """The name of the class of its task."""
        return self.work.rpartition(".")[2] if isinstance(self.work, str) else str(self.work.__name__)

    @property
    def short_name(self) -> str:
        """Its name in narrow columns."""
        return self.label or self.name


@cache
def _loaded(module: str) -> StepKind:
    kind: StepKind = importlib.import_module(module).KIND
    return kind


def step_kind(name: str) -> StepKind:
    """Return a kind by the word that a plan writes; raises KeyError where there is none."""
    return _loaded(STEP_KINDS[name])


def step_kinds() -> tuple[StepKind, ...]:
    """Return every kind, in the order of the table."""
    return tuple(_loaded(module) for module in STEP_KINDS.values())


def kind_of_task(class_name: str) -> str | None:
    """Return the kind whose task has a class of this name; None: no kind has."""
    return next((kind.name for kind in step_kinds() if kind.task_name == class_name), None)


class _OneOfTheKinds:
    """Tell steps apart by ``kind``: the union of the models of all kinds, made when the first plan is read."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        union: Any = reduce(or_, (kind.model for kind in step_kinds()))
        return handler.generate_schema(Annotated[union, Field(discriminator="kind")])


AnyStep = Annotated[Step, _OneOfTheKinds()]
"""A step of any kind."""
