"""The tasks that ask people: approvals of a recovery, and pauses before waves. And the one that lets time pass."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import BaseOperator, Context, Param, conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.dag.docs import COLOURS
from drs_provider.dag.passed_over import skip_where_passed_over
from drs_provider.dag.people.agreement import answers_of, triggered_by
from drs_provider.dag.run_reader import RunReader, began_at, preflight_result, skip_where_nothing_is_launched
from drs_provider.formatting import plain, timespan
from drs_provider.operators.base import failing_for_good
from drs_provider.operators.task_memory import task_memory
from drs_provider.people import is_same_person
from drs_provider.plan.model import Notification, Pause
from drs_provider.rules.run.approvals import APPROVE, CONTINUE, REJECT, STOP, Policy, eligible, not_counted
from drs_provider.rules.run.handover import Asked, Delay, OpeningMemory, PreflightResult, RecordedAnswer, RefusalMemory
from drs_provider.services.signed import leave, pull, sealed
from drs_provider.services.store import load, save

if TYPE_CHECKING:
    from drs_provider.dag.people.question_text import RunProgress
    from drs_provider.rules.run.shape import RunShape

COMMENT: Final = "comment"
"""The field beside the buttons in which people may say why."""

_LONGEST_COMMENT: Final = 1000

Event = Mapping[str, Any]
"""What Airflow hands to a task whose question was answered, or not; see ``HITLTriggerEventSuccessPayload``."""


def _comment() -> Param:
    return Param(None, type=["null", "string"], title="Comment", description="Why; kept with the answer.")


def comment_of(event: Event) -> str | None:
    """Return what was said beside an answer, plain and bounded; whatever else came in the form is let go."""
    text = (event.get("params_input") or {}).get(COMMENT)
    return plain(text).strip()[:_LONGEST_COMMENT] or None if isinstance(text, str) else None


class Ask(HITLOperator):
    """Ask people, again and again until somebody answers who may, or the time is over.

    What they answered lies in XCom as an ``Answer``, also where it was no. The wave's start task looks for it: a task
    that was only marked as successful has none.
    """

    template_fields: Sequence[str] = ()  # nothing to render: a plan's text is data, never a template
    ui_color = COLOURS["ui_color"]
    ui_fgcolor = COLOURS["ui_fgcolor"]

    def __init__(self, *, plan: str, agree: str, refuse: str, people: Sequence[str], **kwargs: Any) -> None:
        super().__init__(subject="", options=[agree, refuse], params={COMMENT: _comment()}, **kwargs)
        self.plan, self.agree, self.refuse, self.people = plan, agree, refuse, tuple(people)
        self.within = self.response_timeout or timedelta(hours=1)
        self.notify: Sequence[Notification] = ()
        self.title = plan
        self.shape: RunShape | None = None
        self.asked: tuple[str, ...] = ()

    def know(self, shape: "RunShape") -> None:
        """Learn from the plan what is said beside the question, and to whom."""
        self.shape, self.notify, self.title = shape, shape.plan.notify, shape.title

    def progress(self, context: Context, preflight: PreflightResult) -> "RunProgress":
        """Look how far the run has come."""
        from drs_provider.dag.people.question_text import RunProgress
        from drs_provider.rules.run.state import state_of

        state = state_of(RunReader(context).snapshot(self.shape))
        chosen = tuple(wave for wave in state.waves if wave.name in preflight.chosen_waves)
        rto = self.shape.plan.rto if self.shape else None
        return RunProgress(chosen, began_at(context), clock.now(), rto)

    def execute(self, context: Context) -> Any:
        """Ask; the task then waits in Airflow's ``awaiting_input`` state and holds no worker.

        A no is final until somebody clears the task. Airflow takes a task for lost, and tries it again, when its end
        overtakes the news that its first leg has ended (seen for answers within five seconds).
        """
        refusal = load(task_memory(context), RefusalMemory)
        if refusal and refusal.max_tries == context["ti"].max_tries:
            if refusal.asked:
                leave(context["ti"], refusal.asked)
            leave(context["ti"], refusal.answer)
            raise AirflowFailException(refusal.message)
        with failing_for_good():
            preflight = preflight_result(context, self.plan, acts=False)
            people = self.question(context, preflight)
        self.asked = tuple(people)
        self._assign(people)
        self.response_timeout = self._left(context)
        if self.notify:
            # Called when the question is there already: whoever is told can answer at once.
            self.notifiers = [partial(self._tell, people)]  # type: ignore[list-item]  # anything that can be called
        return super().execute(context)

    def in_short(self) -> tuple[str, str]:
        """Say in plain text what is asked, and what happens without an answer."""
        return self.subject, "the task fails"

    def _tell(self, people: Sequence[str], context: Context) -> None:
        from drs_provider.dag.notifications.tasks import tell_question

        text, otherwise = self.in_short()
        tell_question(context, self, people, text=text, otherwise=otherwise)

    def question(self, context: Context, preflight: PreflightResult) -> Sequence[str]:
        """Set ``subject`` and ``body``, and return who may answer; skip the task where nothing has to be asked."""
        raise NotImplementedError

    def objection(self, context: Context, who: str | None) -> str | None:
        """Say why an answer of this person does not count; None: it does."""
        raise NotImplementedError

    def began(self, context: Context) -> datetime:
        """Return the instant that the time for an answer counts from."""
        return clock.now()

    def execute_complete(self, context: Context, event: Event) -> JsonValue:
        """Record the answer; ask again where it does not count, fail where it is no or nobody answered."""
        return sealed(context["ti"], self.take_answer(context, event))

    def take_answer(self, context: Context, event: Event) -> RecordedAnswer:
        """Record the answer and return it; ask again where it does not count.

        :raises AirflowFailException: it is no, or nobody answered in time
        """
        if "error" in event:
            self._expire(context, event)
        who = (event.get("responded_by_user") or {}).get("name")
        expired = bool(event.get("timedout"))
        if not expired and (why := self.objection(context, who)):
            self.log.warning("this answer does not count, the question is asked again: %s", why)
            self.execute(context)
            raise AirflowFailException("Airflow does not wait for an answer; clear this task to ask again")
        answer = RecordedAnswer(
            chosen=event["chosen_options"][0],
            by=None if expired else who,
            at=event["responded_at"],
            checked_at=preflight_result(context, self.plan, acts=False).checked_at,
            expired=expired,
            comment=comment_of(event),
        )
        leave(context["ti"], answer)
        comment = f": {answer.comment}" if answer.comment else ""
        if answer.chosen != self.agree:
            self._refuse(context, answer, self.said_no(str(who)) + comment)
        self.log.info("%s by %s%s", answer.chosen, who or "on_timeout, because the time was over", comment)
        return answer

    def _refuse(self, context: Context, answer: RecordedAnswer, message: str) -> NoReturn:
        ti = context["ti"]
        refusal = RefusalMemory(max_tries=ti.max_tries, asked=self._question(context), answer=answer, message=message)
        save(task_memory(context), refusal)
        raise AirflowFailException(message)

    def _question(self, context: Context) -> Asked | None:
        ti = context["ti"]
        return pull(ti, ti.task_id, Asked)

    def said_no(self, who: str) -> str:
        """Word a refusal."""
        raise NotImplementedError

    def said_nothing(self) -> str:
        """Word that nobody answered in time."""
        raise NotImplementedError

    def _expire(self, context: Context, event: Event) -> NoReturn:
        if event.get("error_type") != "timeout":
            raise AirflowFailException(
                f"Airflow could not take the answer: {event['error']}; clear this task to ask again"
            )
        answer = RecordedAnswer(chosen=None, by=None, at=clock.now(), expired=True)
        leave(context["ti"], answer)
        raise AirflowFailException(self.said_nothing())

    def _assign(self, people: Sequence[str]) -> None:
        """Let Airflow itself refuse everybody else, where its users' ids are their names.

        It compares ids. With another auth manager whose ids are numbers nobody could answer; there the name is
        compared when the answer comes.
        """
        if people and conf.get("core", "auth_manager", fallback="").endswith(".SimpleAuthManager"):
            self.assigned_users = [{"id": name, "name": name} for name in people]

    def _left(self, context: Context) -> timedelta:
        """Return what is left of the time: being asked again does not give more of it, clearing the task does."""
        ti, now = context["ti"], clock.now()
        question = self._question(context)
        if question is None or question.try_number != ti.try_number:
            text, otherwise = self.in_short()
            question = Asked(
                at=now,
                until=max(self.began(context) + self.within, now + timedelta(seconds=1)),
                try_number=ti.try_number,
                subject=self.subject,
                text=text,
                otherwise=otherwise,
                people=self.asked,
                options=tuple(self.options),
            )
            leave(ti, question)
        return max(question.until - now, timedelta(seconds=1))


class AskApproval(Ask):
    """One approval of a recovery. Several stand one after the other, each for another person.

    Their time is one: it counts from the first question. A drill skips them.
    """

    def __init__(self, *, plan: str, policy: Policy, number: int, task_ids: Sequence[str], **kwargs: Any) -> None:
        super().__init__(
            plan=plan,
            agree=APPROVE,
            refuse=REJECT,
            people=policy.approvers,
            response_timeout=policy.timeout,
            **kwargs,
        )
        self.policy, self.number, self.earlier_ids = policy, number, tuple(task_ids)[: number - 1]

    def question(self, context: Context, preflight: PreflightResult) -> Sequence[str]:
        """Say what will be launched, and what preflight warns of."""
        from drs_provider.dag.people.question_text import approval_text

        if not preflight.needs_approval:
            raise AirflowSkipException(f"a {preflight.mode} that needs no approval")
        who = triggered_by(context)
        verb = "Migrate" if preflight.purpose.quiesces else "Recover"
        self.subject = f"{verb} {self.plan}? Approval {self.number} of {self.policy.required}"
        self.body = approval_text(
            preflight,
            self.policy,
            triggered_by=who,
            earlier=self._earlier(context),
            progress=self.progress(context, preflight),
        )
        earlier = self._earlier(context)
        able = eligible(self.policy, triggered_by=who)
        return [name for name in able if not any(is_same_person(name, other) for other in earlier)]

    def in_short(self) -> tuple[str, str]:
        """Say in plain text what is asked, and what happens without an answer."""
        return self.subject, "nothing is launched"

    def objection(self, context: Context, who: str | None) -> str | None:
        """Four eyes, one of the list, and nobody twice."""
        return not_counted(who, self.policy, triggered_by=triggered_by(context), earlier=self._earlier(context))

    def began(self, context: Context) -> datetime:
        """Count from the first question, unless this task was cleared to ask again."""
        ti = context["ti"]
        if not self.earlier_ids or ti.try_number != 1:
            return super().began(context)
        first = pull(ti, self.earlier_ids[0], Asked)
        return first.at if first else super().began(context)

    def said_no(self, who: str) -> str:
        """Word a refusal."""
        return f"{who} rejected the recovery; nothing was launched"

    def said_nothing(self) -> str:
        """Word that nobody answered in time."""
        return (
            f"no approval of the recovery within {timespan(self.within)}; nothing was launched. Clear this task with "
            "everything downstream to ask again"
        )

    def _earlier(self, context: Context) -> list[str]:
        return [str(answer.by) for answer in answers_of(context, self.earlier_ids).values() if answer]


class AskBeforeWave(Ask):
    """The pause before a wave: ask whether to go on."""

    def __init__(self, *, plan: str, wave: str, pause: Pause, steps_only: bool = False, **kwargs: Any) -> None:
        super().__init__(
            plan=plan,
            agree=CONTINUE,
            refuse=STOP,
            people=pause.approvers,
            response_timeout=pause.timeout,
            defaults=CONTINUE if pause.on_timeout == "continue" else None,
            **kwargs,
        )
        self.wave, self.pause, self.steps_only = wave, pause, steps_only

    def execute(self, context: Context) -> Any:
        """Ask, unless nothing is launched, or a person lets the run go on past this wave."""
        skip_where_nothing_is_launched(context)
        skip_where_passed_over(context)
        known = load(task_memory(context), OpeningMemory)
        if known and known.answer and known.max_tries == context["ti"].max_tries:
            if known.asked:
                leave(context["ti"], known.asked)  # Airflow forgets on a retry what the try before has left
            return self._go_on(context, known.answer)  # this task died after the answer, and may have started the wave
        return super().execute(context)

    def _go_on(self, context: Context, answer: RecordedAnswer) -> JsonValue:
        from drs_provider.dag.hand_over import hand_over

        leave(context["ti"], answer)
        hand_over(self, context)
        return sealed(context["ti"], answer)

    def question(self, context: Context, preflight: PreflightResult) -> Sequence[str]:
        """Ask what the plan asks, and say what comes next."""
        from drs_provider.dag.people.question_text import pause_text

        skip_where_nothing_starts(preflight, self.wave, steps_only=self.steps_only)
        self.subject = f"Continue with wave {self.wave} of {self.plan}?"
        self.body = pause_text(self.pause, preflight, self.wave, progress=self.progress(context, preflight))
        return self.people

    def in_short(self) -> tuple[str, str]:
        """Say in plain text what is asked, and what happens without an answer."""
        return self.pause.message, "the run continues" if self.pause.on_timeout == "continue" else "the run fails"

    def execute_complete(self, context: Context, event: Event) -> JsonValue:
        """Record the answer, and start the wave that waited for it."""
        answer = self.take_answer(context, event)
        max_tries, asked = context["ti"].max_tries, self._question(context)
        save(task_memory(context), OpeningMemory(max_tries=max_tries, asked=asked, answer=answer))
        return self._go_on(context, answer)

    def objection(self, context: Context, who: str | None) -> str | None:
        """Only those who are asked count."""
        if who in self.pause.approvers:
            return None
        return f"{who or 'an unknown user'} is not among the approvers: {', '.join(self.pause.approvers)}"

    def said_no(self, who: str) -> str:
        """Word a refusal."""
        return f"{who} stopped the run before wave {self.wave}; nothing of it was launched"

    def said_nothing(self) -> str:
        """Word that nobody answered in time."""
        return (
            f"no answer before wave {self.wave} within {timespan(self.within)}, and on_timeout is fail; "
            "nothing of it was launched. Clear this task with everything downstream to ask again"
        )


class WaitBeforeWave(BaseOperator):
    """Let a wave's ``delay_before`` pass, deferred: no worker is held. Marking it as successful ends the wait."""

    ui_color = COLOURS["ui_color"]
    ui_fgcolor = COLOURS["ui_fgcolor"]

    def __init__(self, *, plan: str, wave: str, delay: timedelta, steps_only: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan, self.wave, self.delay, self.steps_only = plan, wave, delay, steps_only

    def execute(self, context: Context) -> NoReturn:
        """Wait from now on; skip where the wave launches nothing."""
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        skip_where_nothing_is_launched(context)
        skip_where_passed_over(context)
        with failing_for_good():
            skip_where_nothing_starts(
                preflight_result(context, self.plan, acts=False), self.wave, steps_only=self.steps_only
            )
        now, max_tries = clock.now(), context["ti"].max_tries
        known = load(task_memory(context), OpeningMemory)
        is_same = known is not None and known.max_tries == max_tries and known.until is not None
        until = (
            known.until if known and known.until and is_same else now + self.delay
        )  # a try that died begins no new one
        save(task_memory(context), OpeningMemory(max_tries=max_tries, until=until))
        leave(context["ti"], Delay(at=now, until=until))
        self.log.info("wave %s starts in %s", self.wave, timespan(max(until - now, timedelta(0))))
        self.defer(trigger=DateTimeTrigger(moment=until), method_name=self.go_on.__name__)

    def go_on(self, context: Context, event: object = None) -> None:
        """End the wait, and start the wave that waited for it."""
        from drs_provider.dag.hand_over import hand_over

        hand_over(self, context)


def skip_where_nothing_starts(preflight: PreflightResult, wave: str, *, steps_only: bool = False) -> None:
    """Skip what stands before a wave that was not chosen, or that launches no server and should."""
    found = preflight.wave(wave)
    if not found.selected or not (found.servers or steps_only):
        raise AirflowSkipException(f"wave {wave} launches nothing in this run")
