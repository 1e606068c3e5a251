"""What all steps have in common: may it begin, how did it end, and what does the plan say about that."""

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NoReturn, TypeVar

from airflow.sdk import BaseOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskDeferralTimeout

from drs_provider.dag.steps.context import NotNow, Place
from drs_provider.dag.steps.memory import StepMemory
from drs_provider.exceptions import DrsProviderError, RunRefused, StepFailed
from drs_provider.formatting import duration_words, plain, timespan
from drs_provider.plan.model import Step
from drs_provider.rules.run.keys import STEP
from drs_provider.rules.run.placeholders import KnownServer, Names, find_server, names_servers, recovered, render
from drs_provider.rules.run.roster import Target
from drs_provider.rules.steps import kept

BACKSTOP = timedelta(minutes=5)
"""The triggers keep the deadline; Airflow's own deferral timeout comes so much later, for a triggerer that is down."""

COLOURS = {"ui_color": "#cfe3dc", "ui_fgcolor": "#16332a"}

AnyStep = TypeVar("AnyStep", bound=Step)


class StepEnded(AirflowFailException):
    """A step has failed for good, and its result is left."""


@dataclass(frozen=True)
class StepOutcome:
    """A step that has done what it should."""

    summary: str
    output: str = ""
    instances: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Going:
    """A step that goes on: its surroundings on this leg of the task."""

    context: Context
    preflight: Mapping[str, Any]
    memory: StepMemory
    deadline: datetime
    place: Place
    step: Step

    @property
    def key(self) -> str:
        """Name this attempt in 24 characters: what it begins carries them, and is found by them."""
        ti = self.context["ti"]
        text = f"{ti.dag_id}|{ti.run_id}|{ti.task_id}|{self.memory.attempt}"
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def token(self) -> str:
        """The same as a UUID, for services that take a client token."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.key))

    @property
    def seconds_left(self) -> float:
        """Seconds until the step's time is over."""
        return (self.deadline - datetime.now(UTC)).total_seconds()

    def fill(self, value: Any) -> Any:
        """Put names into the texts of a value; servers are looked up only where one is named."""
        servers = self.servers() if names_servers(value) else []
        return render(value, Names(self._fixed(), lambda named, fact: self._fact(servers, named, fact)))

    def servers(self) -> list[KnownServer]:
        """Return the servers of the run."""
        return self.place.servers(self.context, self.preflight)

    def target(self, aws_conn_id: str | None, region: str | None) -> tuple[str | None, str | None]:
        """Return connection and Region of a step that may name its own; left out, those of the wave or plan."""
        first = self.place.targets[0] if self.place.targets else Target("aws_default", "")
        return aws_conn_id or first.aws_conn_id, region or first.region or None

    def _fixed(self) -> dict[str, str]:
        dag_run = self.context["dag_run"]
        began = dag_run.start_date or dag_run.run_after
        wave = {"wave.name": self.place.wave} if self.place.wave else {}
        return {
            "plan.name": self.place.plan,
            "plan.title": self.place.title,
            "run.id": dag_run.run_id,
            "run.mode": str(self.preflight["mode"]),
            "run.started_at": began.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **wave,
        }

    def _fact(self, servers: Sequence[KnownServer], named: str, fact: str) -> str:
        server = find_server(named, servers)
        if fact == "source_server_id":
            return server.server_id
        instance = recovered(server)
        if fact == "instance_id":
            return instance
        from drs_provider.hooks.step_services import StepHook

        return StepHook(aws_conn_id=server.aws_conn_id, region_name=server.region or None).private_address(instance)


class StepTask(Generic[AnyStep]):
    """Mix in for the task of a step: entering, ending and failing as the plan says.

    - ``on_failure: fail``: the task fails. ``continue``: it is skipped, so that what follows goes on; its result says
      failed, and so do report and verdict.
    - What must not be done at all (plan edited, not approved, run cancelled) always fails the task.
    """

    step: AnyStep
    place: Place
    log: Any

    def open(self, context: Context) -> StepMemory:
        """Read what earlier tries remembered."""
        store: Any = context["task_state_store"]
        return StepMemory(store, max_tries=context["ti"].max_tries, now=datetime.now(UTC))

    def going(self, context: Context, memory: StepMemory) -> Going:
        """Enter: everything is looked at again before anything is done."""
        preflight = self.place.enter(context, self.step.when)
        return Going(context, preflight, memory, memory.began_at + self.step.timeout, self.place, self.step)

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
                self._fail(context, self.timed_out("nothing was heard of it"))
            case DrsProviderError() if not error.retryable:
                self._fail(context, StepFailed(str(error)))
            case _ if _is_last_try(context):
                kind = "" if isinstance(error, DrsProviderError) else f"{type(error).__name__}: "
                self._fail(context, StepFailed(f"{kind}{error}", is_final=True))

    def timed_out(self, last: str) -> StepFailed:
        """Word that the step's time is over; ``last`` is what was seen last."""
        return StepFailed(f"not done within {timespan(self.step.timeout)}: {last}")

    def goes_on(self, failure: StepFailed) -> bool:
        """Tell whether the plan goes on after this failure."""
        return self.step.on_failure == "continue"

    def done(self, context: Context, memory: StepMemory, outcome: StepOutcome) -> str:
        """Leave the result of a step that did what it should."""
        result = self._result(memory, "succeeded", outcome.summary, outcome.output, outcome.instances)
        memory.finish(result)
        context["ti"].xcom_push(key=STEP, value=result)
        self.log.info("%s: %s", self.step.name, outcome.summary)
        return outcome.summary

    def again(self, context: Context, end: Mapping[str, Any]) -> str:
        """Leave once more the result of a step that had ended before Airflow heard of it."""
        context["ti"].xcom_push(key=STEP, value=dict(end))
        return str(end["summary"])

    def _fail(self, context: Context, failure: StepFailed) -> NoReturn:
        memory = self.open(context)
        result = self._result(memory, "failed", failure.why, failure.output, failure.instances)
        context["ti"].xcom_push(key=STEP, value=result)
        text = plain(f"step {self.step.name}: {failure.why}")
        if not failure.is_final and memory.failures < self.step.retries and not _is_last_try(context):
            failures = memory.fail()
            raise AirflowException(f"{text} (attempt {failures} of {self.step.retries + 1}; trying again)") from failure
        memory.finish(result)
        if failure.output:
            self.log.info("%s", plain(failure.output))
        if self.goes_on(failure):
            self.log.error("%s; the plan goes on", text)
            raise AirflowSkipException(f"{text}; the plan goes on") from failure
        raise StepEnded(text) from failure

    def _leave(self, context: Context, state: str, summary: str) -> None:
        now = datetime.now(UTC).isoformat()
        result = self._words(state, summary) | {"started_at": now, "ended_at": now, "attempts": 0}
        context["ti"].xcom_push(key=STEP, value=result)

    def _result(
        self, memory: StepMemory, state: str, summary: str, output: str, instances: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        return self._words(state, summary) | {
            "started_at": memory.first_began_at.isoformat(),
            "ended_at": datetime.now(UTC).isoformat(),
            "attempts": memory.failures + 1,
            "output": kept(output),
            "instances": [dict(one) for one in instances],
        }

    def _words(self, state: str, summary: str) -> dict[str, Any]:
        kind: str = getattr(self.step, "kind", "")
        name = {"name": self.step.name, "kind": kind, "on_failure": self.step.on_failure}
        return {**name, "state": state, "summary": kept(summary), "output": "", "instances": []}


class RunStep(StepTask[AnyStep], BaseOperator):
    """Base of the tasks of all steps but approvals.

    Subclasses say how a step begins and how it goes on after a wait. No leg waits by itself: what takes time is left to
    a trigger, and no worker is held.
    """

    template_fields: Sequence[str] = ()  # nothing that Airflow may render: plan texts are filled in by graph.rendering
    ui_color = COLOURS["ui_color"]
    ui_fgcolor = COLOURS["ui_fgcolor"]

    def __init__(self, *, step: AnyStep, place: Place, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.step, self.place = step, place

    def begin(self, going: Going) -> StepOutcome:
        """Begin, or go on with what an earlier try has begun; return the outcome, or wait."""
        raise NotImplementedError

    def heard(self, going: Going, event: Any) -> StepOutcome:
        """Go on with what a trigger has heard."""
        raise NotImplementedError

    def execute(self, context: Context) -> str:
        """Begin the step, unless it has ended already."""
        with self.as_planned(context):
            memory = self.open(context)
            if memory.end is not None and memory.end["state"] == "succeeded":
                return self.again(context, memory.end)
            if memory.end is not None:
                raise StepFailed(str(memory.end["summary"]), is_final=True, output=str(memory.end["output"]))
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

        preflight = preflight_result(context, self.place.plan)
        return Going(context, preflight, memory, memory.began_at + self.step.timeout, self.place, self.step)

    def wait(self, going: Going, trigger: Any, *, until: datetime | None = None) -> NoReturn:
        """Let a trigger wait, until the step's time is over where nothing else is said; the worker is free."""
        left = max((until or going.deadline) - datetime.now(UTC), timedelta(0))
        self.log.info("%s waits, at most %s", self.step.name, duration_words(left))
        self.defer(trigger=trigger, method_name=self.resume.__name__, timeout=left + BACKSTOP)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume; also what Airflow itself says of a trigger ends as the plan says."""
        with self.as_planned(context):
            return super().resume_execution(next_method, next_kwargs, context)


def _is_last_try(context: Context) -> bool:
    ti = context["ti"]
    return bool(ti.try_number > (ti.max_tries or 0))
