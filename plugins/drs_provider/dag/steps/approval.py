"""The step that waits until people have agreed."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context

from drs_provider.dag.people.ask import Ask, Event
from drs_provider.dag.steps.base import StepTask
from drs_provider.dag.steps.context import StepPlace
from drs_provider.exceptions import StepFailed
from drs_provider.formatting import escaped, timespan
from drs_provider.operators.task_memory import task_memory
from drs_provider.people import is_same_person
from drs_provider.rules.run.approvals import APPROVE, REJECT
from drs_provider.rules.run.handover import ApprovalMemory, PreflightResult
from drs_provider.services.signed import leave
from drs_provider.services.store import load, save
from drs_provider.steps.approval import ApprovalStep
from drs_provider.steps.work import StepOutcome


class AskPeople(StepTask[ApprovalStep], Ask):
    """Ask until enough people have agreed, one answer after the other, each another person.

    The time is one for all of them: the step's ``timeout``, from the first question. Airflow keeps the text of the
    first question for the ones after it (``upsert_hitl_detail`` takes the old answer away and nothing else), so that
    text holds for all of them; who has agreed so far stands on the board and in what is told.
    """

    template_fields: Sequence[str] = ()

    def __init__(self, *, step: ApprovalStep, place: StepPlace, **kwargs: Any) -> None:
        super().__init__(
            plan=place.plan,
            agree=APPROVE,
            refuse=REJECT,
            people=step.approvers,
            response_timeout=step.timeout,
            **kwargs,
        )
        self.step, self.place = step, place
        self.message = self.so_far = ""

    def execute(self, context: Context) -> Any:
        """Ask; the task waits in Airflow's ``awaiting_input`` state and holds no worker."""
        with self.as_planned(context):
            memory = self.open(context)
            if memory.end is not None and memory.end.state == "succeeded":
                return self.again(context, memory.end)
            return super().execute(context)

    def question(self, context: Context, preflight: PreflightResult) -> Sequence[str]:
        """Ask what the plan asks, and say how many have agreed."""
        going = self.going(context, self.open(context))
        agreed, required = self._agreed(context), self.step.required
        several = f" ({required} people must approve)" if required > 1 else ""
        self.subject = f"{self.step.name}: continue with {self.plan}?{several}"
        where = f"wave {self.place.wave}" if self.place.wave else "the plan"
        needed = f"{required} must approve, of: {escaped(', '.join(self.step.approvers))}."
        needed += " The question stays open, one answer after the other, until they have." if required > 1 else ""
        needed += " Who triggered the run does not count." if self.step.four_eyes else ""
        needed += f" Without an answer within {timespan(self.step.timeout)} {self._otherwise()}."
        self.message = going.fill(self.step.message)
        self.so_far = f"approved so far: {', '.join(agreed)}" if agreed else ""
        lines = [
            f"**{escaped(self.message)}**",
            f"Step {self.step.name} of {where}, in a {preflight.mode} of {escaped(self.plan)}.",
            needed,
        ]
        self.body = "\n\n".join(lines)
        barred = (*agreed, self._barred(context))
        return [name for name in self.step.approvers if not any(is_same_person(name, other) for other in barred)]

    def in_short(self) -> tuple[str, str]:
        """Say in plain text what is asked, and what happens without an answer."""
        so_far = f"; {self.so_far}" if self.so_far else ""
        return f"{self.message} ({self.subject}{so_far})", self._otherwise()

    def objection(self, context: Context, who: str | None) -> str | None:
        """One of the list, nobody twice, and not who triggered the run where the step asks for four eyes."""
        if who is None or who not in self.step.approvers:
            return f"{who or 'an unknown user'} is not among the approvers: {', '.join(self.step.approvers)}"
        if is_same_person(who, self._barred(context)):
            return f"{who} triggered this run: somebody else must approve"
        if any(is_same_person(who, other) for other in self._agreed(context)):
            return f"{who} has approved already: another person must"
        return None

    def execute_complete(self, context: Context, event: Event) -> Any:
        """Count an answer; ask for the next one, or end the step."""
        answer, earlier = self.take_answer(context, event), self._memory(context)
        who = str(answer.by)
        memory = ApprovalMemory(
            max_tries=earlier.max_tries,
            by=(*earlier.by, who),
            comments={**earlier.comments, who: answer.comment},
        )
        save(task_memory(context), memory)
        self._show(context, memory.by)
        if len(memory.by) < self.step.required:
            return self.execute(context)
        said = [f"{name} ({memory.comments[name]})" if memory.comments.get(name) else name for name in memory.by]
        return self.done(context, self.open(context), StepOutcome(f"approved by {', '.join(said)}"))

    def _show(self, context: Context, agreed: Sequence[str]) -> None:
        """Let the board say who has agreed and who is still asked."""
        asked = self._question(context)
        if asked is None:
            return
        people = tuple(name for name in asked.people if name not in agreed)
        leave(context["ti"], asked.model_copy(update={"people": people, "agreed": tuple(agreed)}))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume; a no and a silence end as the plan says."""
        with self.as_planned(context):
            return super().resume_execution(next_method, next_kwargs, context)

    def goes_on(self, failure: StepFailed) -> bool:
        """A silence may be no obstacle where a no is one."""
        silent = failure.why == self.said_nothing()
        return super().goes_on(failure) or (silent and self.step.on_timeout == "continue")

    def _otherwise(self) -> str:
        goes_on = "continue" in (self.step.on_timeout, self.step.on_failure)
        return "the plan continues, and the report shows that the approval is missing" if goes_on else "the step fails"

    def said_no(self, who: str) -> str:
        """Word a refusal."""
        return f"{who} rejected it"

    def said_nothing(self) -> str:
        """Word that too few people answered in time."""
        several = f"{self.step.required} of " if len(self.step.approvers) > 1 else ""
        return (
            f"not approved within {timespan(self.step.timeout)}: {several}"
            f"{', '.join(self.step.approvers)} must approve; clear this task with everything downstream to ask again"
        )

    def _agreed(self, context: Context) -> tuple[str, ...]:
        return self._memory(context).by

    def _memory(self, context: Context) -> ApprovalMemory:
        """Read who has agreed; a task that is cleared has more ``max_tries`` and asks everybody again."""
        tries = int(context["ti"].max_tries or 0)
        found = load(task_memory(context), ApprovalMemory)
        return found if found and found.max_tries == tries else ApprovalMemory(max_tries=tries)

    def _barred(self, context: Context) -> str | None:
        return getattr(context["dag_run"], "triggering_user_name", None) if self.step.four_eyes else None
