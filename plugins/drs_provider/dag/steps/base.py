"""What all steps have in common: may it begin, how did it end, and what does the plan say about that."""

import importlib
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn

from airflow.sdk import BaseOperator, BaseOperatorLink, Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskDeferralTimeout
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.airflow_internals.tasks import dag_run_state
from drs_provider.dag.steps.context import NotNow, StepPlace
from drs_provider.exceptions import DrsProviderError, RunRefused, StepFailed
from drs_provider.formatting import duration, plain
from drs_provider.operators.task_memory import task_memory
from drs_provider.rules.run.handover import PreflightResult, StepInstance, StepResult
from drs_provider.rules.step_answers import kept
from drs_provider.services.signed import leave, sealed
from drs_provider.services.step_memory import StepMemory
from drs_provider.steps.work import (
    Going,
    SomeEvent,
    SomeStep,
    StepOutcome,
    StepSurroundings,
    StepWork,
    TaskIds,
    time_is_over,
)

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from drs_provider.rules.run.handover import Document
    from drs_provider.rules.run.parts import Inheritance
    from drs_provider.rules.run.placeholders import KnownServer

BACKSTOP = timedelta(minutes=5)
"""The triggers keep the deadline; Airflow's own deferral timeout comes so much later, for a triggerer that is down."""

COLOURS = {"ui_color": "#cfe3dc", "ui_fgcolor": "#16332a"}


class StepEnded(AirflowFailException):
    """A step has failed for good, and its result is left."""


def now() -> datetime:
    """Return the present instant, aware and UTC."""
    return clock.now()


class StepTask(Generic[SomeStep]):
    """Mix in for the task of a step: entering, ending and failing as the plan says.

    - ``on_failure: fail``: the task fails. ``continue``: it is skipped, so that what follows goes on; its result says
      failed, and so do report and verdict.
    - What must not be done at all (plan edited, not approved, run cancelled) always fails the task.
    """

    step: SomeStep
    place: StepPlace
    log: Any

    def open(self, context: Context) -> StepMemory:
        """Read what earlier tries remembered."""
        return StepMemory(task_memory(context), max_tries=context["ti"].max_tries, now=now())

    def going(self, context: Context, memory: StepMemory) -> Going:
        """Enter: everything is looked at again before anything is done."""
        preflight = self.place.enter(context, self.step)
        if self.place.look_first is not None:
            self.place.look_first(context, preflight)
        return self.going_with(context, memory, preflight)

    def going_with(self, context: Context, memory: StepMemory, preflight: PreflightResult) -> Going:
        """Put together what the step may know on this leg of its task."""
        ti, place = context["ti"], self.place
        return Going(
            ids=TaskIds(ti.dag_id, ti.run_id, ti.task_id),
            where=StepSurroundings(
                place.plan,
                place.wave,
                place.side,
                place.targets,
                place.launches,
                own_network=place.has_own_network(preflight.mode),
            ),
            fixed=_fixed_names(context, place, preflight),
            memory=memory,
            deadline=memory.began_at + self.step.timeout,
            clock=now,
            find_servers=lambda: place.servers(context, preflight),
            find_address=_private_address,
            enter_again=lambda: place.enter(context, self.step),
            inherited=lambda: _inheritance(context, place, preflight),
            run_state=lambda dag_id, run_id: dag_run_state(ti, dag_id, run_id),
            leave=lambda document: _left(context, document),
        )

    @contextmanager
    def as_planned(self, context: Context) -> Iterator[None]:
        """End the task as the plan says, whatever happens inside."""
        try:
            yield
        except (AirflowSkipException, StepEnded):
            raise
        except Exception as error:
            # What operators of this package raise for Airflow carries its own error as the cause.
            own = error.__cause__ if isinstance(error, AirflowFailException) else None
            self._end(context, own if isinstance(own, DrsProviderError) else error)
            raise

    def _end(self, context: Context, error: BaseException) -> None:
        """Leave what an error means; return where Airflow shall try again, which changes nothing of the attempt."""
        match error:
            case NotNow():
                self._leave(context, "skipped", str(error))
                raise AirflowSkipException(str(error)) from error
            case RunRefused():
                self._leave(context, "failed", str(error))
                raise StepEnded(str(error)) from error
            case StepFailed():
                self._fail(context, error)
            case AirflowFailException():
                self._fail(context, StepFailed(str(error), is_final=True))
            case TaskDeferralTimeout():
                self._fail(context, time_is_over(self.step, "no answer was received"))
            case DrsProviderError() if not error.retryable:
                self._fail(context, StepFailed(str(error)))
            case _ if _is_last_try(context):
                kind = "" if isinstance(error, DrsProviderError) else f"{type(error).__name__}: "
                self._fail(context, StepFailed(f"{kind}{error}", is_final=True))

    def goes_on(self, failure: StepFailed) -> bool:
        """Tell whether the plan goes on after this failure."""
        return self.step.on_failure == "continue"

    def done(self, context: Context, memory: StepMemory, outcome: StepOutcome) -> str:
        """Leave the result of a step that did what it should."""
        result = self._result(memory, "succeeded", outcome.summary, outcome.output, outcome.instances)
        result = result.model_copy(update={"part": outcome.part}) if outcome.part else result
        memory.finish(result)
        _push(context, result)
        self.log.info("%s: %s", self.step.name, outcome.summary)
        return outcome.summary

    def again(self, context: Context, end: StepResult) -> str:
        """Leave once more the result of a step that had ended before Airflow heard of it."""
        _push(context, end)
        return end.summary

    def _fail(self, context: Context, failure: StepFailed) -> NoReturn:
        memory = self.open(context)
        result = self._result(memory, "failed", failure.why, failure.output, failure.instances)
        result = result.model_copy(update={"goes_on": self.goes_on(failure), "part": failure.part})
        _push(context, result)
        text = plain(f"step {self.step.name}: {failure.why}")
        if not failure.is_final and memory.failures < self.step.retries and not _is_last_try(context):
            failures = memory.fail()
            raise AirflowException(f"{text} (attempt {failures} of {self.step.retries + 1}; retrying)") from failure
        memory.finish(result)
        if failure.output:
            self.log.info("%s", plain(failure.output))
        if self.goes_on(failure):
            self.log.error("%s; the plan continues", text)
            raise AirflowSkipException(f"{text}; the plan continues") from failure
        raise StepEnded(text) from failure

    def _leave(self, context: Context, state: Literal["failed", "skipped"], summary: str) -> None:
        """Leave the result of a step that was not begun."""
        at = now()
        _push(
            context,
            StepResult(
                name=self.step.name,
                kind=self.step.kind,
                on_failure=self.step.on_failure,
                state=state,
                summary=kept(summary),
                started_at=at,
                ended_at=at,
            ),
        )

    def _result(
        self,
        memory: StepMemory,
        state: Literal["succeeded", "failed"],
        summary: str,
        output: str,
        instances: Sequence[StepInstance],
    ) -> StepResult:
        return StepResult(
            name=self.step.name,
            kind=self.step.kind,
            on_failure=self.step.on_failure,
            state=state,
            summary=kept(summary),
            started_at=memory.first_began_at,
            ended_at=now(),
            attempts=memory.failures + 1,
            output=kept(output),
            instances=tuple(instances),
        )


class RunStep(StepTask[SomeStep], StepWork[SomeStep, SomeEvent], BaseOperator):
    """The task of every kind of step that brings its own work; ``task_of`` puts the two together.

    What takes time is left to a trigger, and no worker is held.
    """

    template_fields: Sequence[str] = ()  # nothing that Airflow may render: plan texts are filled in by graph.rendering
    ui_color = COLOURS["ui_color"]
    ui_fgcolor = COLOURS["ui_fgcolor"]

    def __init__(self, *, step: SomeStep, place: StepPlace, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.step, self.place = step, place

    def execute(self, context: Context) -> str:
        """Begin the step, unless it has ended already."""
        with self.as_planned(context):
            memory = self.open(context)
            if memory.end is not None and memory.end.state == "succeeded":
                return self.again(context, memory.end)
            if memory.end is not None:
                raise StepFailed(memory.end.summary, is_final=True, output=memory.end.output)
            # What an earlier try has begun is adopted, whatever was ordered since: it must be looked at to its end.
            going = self.still_going(context, memory) if memory.begun else self.going(context, memory)
            return self.done(context, memory, self.begin(going))
        raise AssertionError("as_planned never swallows")

    def resume(self, context: Context, event: Any = None) -> str:
        """Go on after a wait."""
        memory = self.open(context)
        return self.done(context, memory, self.heard(self.still_going(context, memory), event))

    def still_going(self, context: Context, memory: StepMemory) -> Going:
        """Take up what goes on: it is looked at to its end, also when the run was cancelled in between."""
        from drs_provider.dag.run_reader import preflight_result

        return self.going_with(context, memory, preflight_result(context, self.place.plan))

    def wait(self, going: Going, trigger: "BaseTrigger", *, until: datetime | None = None) -> NoReturn:
        """Let a trigger wait, until the step's time is over where nothing else is said; the worker is free."""
        left = max((until or going.deadline) - now(), timedelta(0))
        self.log.info("%s waits, at most %s", self.step.name, duration(left))
        self.defer(trigger=trigger, method_name=self.resume.__name__, timeout=left + BACKSTOP)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume; also what Airflow itself says of a trigger ends as the plan says."""
        with self.as_planned(context):
            return super().resume_execution(next_method, next_kwargs, context)


@cache
def task_of(work: type[StepWork[Any, Any]]) -> type[RunStep[Any, Any]]:
    """Return the task class of a kind's work: the work, with Airflow's operator under it."""

    def named(body: dict[str, object]) -> None:
        body["__module__"], body["__doc__"] = work.__module__, work.__doc__
        body["operator_extra_links"] = tuple(_link(name) for name in work.LINKS)

    made: type[RunStep[Any, Any]] = types.new_class(work.__name__, (work, RunStep), exec_body=named)
    return made


def _link(name: str) -> BaseOperatorLink:
    module, _, link = name.rpartition(".")
    made: BaseOperatorLink = getattr(importlib.import_module(module), link)()
    return made


def _inheritance(context: Context, place: StepPlace, preflight: PreflightResult) -> "Inheritance":
    """Return what runs of other plans inherit that a step of this run starts."""
    from drs_provider.dag.parent_run import inheritance_of

    return inheritance_of(context, preflight, place.approval_task_ids)


def _left(context: Context, document: "Document") -> Mapping[str, JsonValue]:
    """Leave a document for others, and return it signed."""
    left = sealed(context["ti"], document, document.KEY)
    context["ti"].xcom_push(key=document.KEY, value=left)
    return left


def _push(context: Context, result: StepResult) -> None:
    leave(context["ti"], result)


def _fixed_names(context: Context, place: StepPlace, preflight: PreflightResult) -> dict[str, str]:
    dag_run = context["dag_run"]
    began = dag_run.start_date or dag_run.run_after
    return {
        "plan.name": place.plan,
        "plan.title": place.title,
        "run.id": dag_run.run_id,
        "run.mode": preflight.mode,
        "run.started_at": began.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **({"wave.name": place.wave} if place.wave else {}),
    }


def _private_address(server: "KnownServer") -> str:
    from drs_provider.hooks.step_services import StepHook
    from drs_provider.rules.run.placeholders import recovered

    hook = StepHook(aws_conn_id=server.aws_conn_id, region_name=server.region or None)
    return hook.private_address(recovered(server))


def _is_last_try(context: Context) -> bool:
    ti = context["ti"]
    return bool(ti.try_number > (ti.max_tries or 0))
