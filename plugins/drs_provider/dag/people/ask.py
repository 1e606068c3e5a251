"""The tasks that ask people: approvals of a recovery, and pauses before waves. And the one that lets time pass."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NoReturn

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import BaseOperator, Param, conf
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from drs_provider.dag.docs import COLOURS
from drs_provider.dag.people.question_text import RunProgress, approval_text, pause_text
from drs_provider.dag.run_reader import preflight_result, running_for, waves_now
from drs_provider.formatting import parse_instant, plain, timespan
from drs_provider.operators.base import failing_for_good
from drs_provider.plan.model import Notification, Pause, RecoveryPlan
from drs_provider.rules.run.approvals import ANSWER, APPROVE, CONTINUE, REJECT, STOP, Policy, eligible, not_counted
from drs_provider.rules.run.keys import ASKED, WAITED

_NO = "drs_no"
"""Entry of the task state store: a refusal, and the number of tries that Airflow allowed when it was given."""

COMMENT = "comment"
"""The field beside the buttons in which people may say why."""

_LONGEST_COMMENT = 1000


def _comment() -> Param:
    return Param(None, type=["null", "string"], title="Comment", description="Why; kept with the answer.")


def comment_of(event: Mapping[str, Any]) -> str | None:
    """Return what was said beside an answer, plain and bounded; whatever else came in the form is let go."""
    text = (event.get("params_input") or {}).get(COMMENT)
    return plain(text).strip()[:_LONGEST_COMMENT] or None if isinstance(text, str) else None


class Ask(HITLOperator):
    """Ask people, again and again until somebody answers who may, or the time is over.

    What they answered lies in XCom under ``answer``, also where it was no: ``{"chosen", "by", "at", "checked_at",
    "expired", "comment"}``. The wave's start task looks for it: a task that was only marked as successful has none.
    """

    template_fields: Sequence[str] = ()  # nothing to render: a plan's text is data, never a template
    ui_color = COLOURS["ui_color"]
    ui_fgcolor = COLOURS["ui_fgcolor"]

    def __init__(self, *, plan: str, agree: str, refuse: str, people: Sequence[str], **kwargs: Any) -> None:
        super().__init__(subject="", options=[agree, refuse], params={COMMENT: _comment()}, **kwargs)
        self.plan, self.agree, self.refuse, self.people = plan, agree, refuse, tuple(people)
        self.within = self.response_timeout or timedelta(hours=1)
        self.notify: Sequence[Notification] = ()
        self.title, self.rto = plan, timedelta(0)
        self.asked: tuple[str, ...] = ()

    def know(self, plan: RecoveryPlan) -> None:
        """Learn from the plan what is said beside the question, and to whom."""
        self.notify, self.title, self.rto = plan.notify, plan.title or plan.name, plan.rto or timedelta(0)

    def standing(self, context: Context, preflight: Mapping[str, Any]) -> RunProgress:
        """Look how far the run has come."""
        return RunProgress(tuple(waves_now(context, preflight)), running_for(context), self.rto or None)

    def execute(self, context: Context) -> Any:
        """Ask; the task then waits in Airflow's ``awaiting_input`` state and holds no worker.

        A no is final until somebody clears the task. Airflow takes a task for lost, and tries it again, when its end
        overtakes the news that its first leg has ended (seen for answers within five seconds).
        """
        no: Any = context["task_state_store"].get(_NO) or {}
        if no and no["max_tries"] == context["ti"].max_tries:
            context["ti"].xcom_push(key=ASKED, value=no["asked"])
            context["ti"].xcom_push(key=ANSWER, value=no["answer"])
            raise AirflowFailException(no["words"])
        with failing_for_good():
            preflight = preflight_result(context, self.plan)
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

    def question(self, context: Context, preflight: Mapping[str, Any]) -> Sequence[str]:
        """Set ``subject`` and ``body``, and return who may answer; skip the task where nothing has to be asked."""
        raise NotImplementedError

    def objection(self, context: Context, who: str | None) -> str | None:
        """Say why an answer of this person does not count; None: it does."""
        raise NotImplementedError

    def began(self, context: Context) -> datetime:
        """Return the instant that the time for an answer counts from."""
        return datetime.now(UTC)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:
        """Record the answer; ask again where it does not count, fail where it is no or nobody answered."""
        if "error" in event:
            self._expire(context, event)
        chosen = event["chosen_options"][0]
        who = (event.get("responded_by_user") or {}).get("name")
        expired = bool(event.get("timedout"))
        if not expired and (why := self.objection(context, who)):
            self.log.warning("this answer does not count, and people are asked again: %s", why)
            return self.execute(context)
        answer = {
            "chosen": chosen,
            "by": None if expired else who,
            "at": event["responded_at"].isoformat(),
            "checked_at": preflight_result(context, self.plan)["checked_at"],
            "expired": expired,
            "comment": comment_of(event),
        }
        context["ti"].xcom_push(key=ANSWER, value=answer)
        if chosen != self.agree:
            said = f": {answer['comment']}" if answer["comment"] else ""
            self._keep_no(context, answer, self.said_no(str(who)) + said)
        said = f": {answer['comment']}" if answer["comment"] else ""
        self.log.info("%s by %s%s", chosen, who or "nobody: the time was over, and the plan goes on then", said)
        return answer

    def _keep_no(self, context: Context, answer: Mapping[str, Any], words: str) -> NoReturn:
        ti, store = context["ti"], context["task_state_store"]
        asked = ti.xcom_pull(task_ids=ti.task_id, key=ASKED)
        no = {"max_tries": ti.max_tries, "asked": asked, "answer": dict(answer), "words": words}
        store.set(_NO, no, retention=NEVER_EXPIRE)
        raise AirflowFailException(words)

    def said_no(self, who: str) -> str:
        """Word a refusal."""
        raise NotImplementedError

    def said_nothing(self) -> str:
        """Word that nobody answered in time."""
        raise NotImplementedError

    def _expire(self, context: Context, event: Mapping[str, Any]) -> NoReturn:
        if event.get("error_type") != "timeout":
            raise AirflowFailException(
                f"Airflow could not take the answer: {event['error']}; clear this task to ask again"
            )
        answer = {"chosen": None, "by": None, "at": datetime.now(UTC).isoformat(), "expired": True}
        context["ti"].xcom_push(key=ANSWER, value=answer)
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
        ti, now = context["ti"], datetime.now(UTC)
        asked = ti.xcom_pull(task_ids=ti.task_id, key=ASKED)
        if not asked or asked["try"] != ti.try_number:
            until = max(self.began(context) + self.within, now + timedelta(seconds=1))
            asked = {"at": now.isoformat(), "until": until.isoformat(), "try": ti.try_number}
            asked |= {"subject": self.subject, "people": list(self.asked), "options": list(self.options)}
            asked |= dict(zip(("text", "otherwise"), self.in_short(), strict=True))
            ti.xcom_push(key=ASKED, value=asked)
        return max(parse_instant(asked["until"]) - now, timedelta(seconds=1))


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

    def question(self, context: Context, preflight: Mapping[str, Any]) -> Sequence[str]:
        """Say what will be launched, and what preflight warns of."""
        if not preflight["needs_approval"]:
            raise AirflowSkipException(f"a {preflight['mode']} that nobody has to approve")
        who = _triggered_by(context)
        self.subject = f"Recover {self.plan}? Approval {self.number} of {self.policy.required}"
        self.body = approval_text(
            preflight,
            self.policy,
            triggered_by=who,
            earlier=self._earlier(context),
            standing=self.standing(context, preflight),
        )
        return [name for name in eligible(self.policy, triggered_by=who) if name not in self._earlier(context)]

    def in_short(self) -> tuple[str, str]:
        """Say in plain text what is asked, and what happens without an answer."""
        return self.subject, "nothing is launched"

    def objection(self, context: Context, who: str | None) -> str | None:
        """Four eyes, one of the list, and nobody twice."""
        return not_counted(who, self.policy, triggered_by=_triggered_by(context), earlier=self._earlier(context))

    def began(self, context: Context) -> datetime:
        """Count from the first question, unless this task was cleared to ask again."""
        ti = context["ti"]
        first = ti.xcom_pull(task_ids=self.earlier_ids[0], key=ASKED) if self.earlier_ids else None
        return parse_instant(first["at"]) if first and ti.try_number == 1 else super().began(context)

    def said_no(self, who: str) -> str:
        """Word a refusal."""
        return f"{who} rejected the recovery; nothing was launched"

    def said_nothing(self) -> str:
        """Word that nobody answered in time."""
        return (
            f"nobody approved the recovery within {timespan(self.within)}; nothing was launched. Clear this task with "
            "everything downstream to ask again"
        )

    def _earlier(self, context: Context) -> list[str]:
        answers = (context["ti"].xcom_pull(task_ids=task, key=ANSWER) for task in self.earlier_ids)
        return [str(answer["by"]) for answer in answers if answer]


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

    def question(self, context: Context, preflight: Mapping[str, Any]) -> Sequence[str]:
        """Ask what the plan asks, and say what comes next."""
        skip_where_nothing_starts(preflight, self.wave, steps_only=self.steps_only)
        self.subject = f"Go on with wave {self.wave} of {self.plan}?"
        self.body = pause_text(self.pause, preflight, self.wave, standing=self.standing(context, preflight))
        return self.people

    def in_short(self) -> tuple[str, str]:
        """Say in plain text what is asked, and what happens without an answer."""
        return self.pause.message, "the run goes on" if self.pause.on_timeout == "continue" else "the run fails"

    def objection(self, context: Context, who: str | None) -> str | None:
        """Only those who are asked count."""
        if who in self.pause.approvers:
            return None
        return f"{who or 'nobody'} is not among those who are asked: {', '.join(self.pause.approvers)}"

    def said_no(self, who: str) -> str:
        """Word a refusal."""
        return f"{who} stopped the run before wave {self.wave}; nothing of it was launched"

    def said_nothing(self) -> str:
        """Word that nobody answered in time."""
        return (
            f"nobody answered before wave {self.wave} within {timespan(self.within)}, and the plan says to fail then; "
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

        with failing_for_good():
            skip_where_nothing_starts(preflight_result(context, self.plan), self.wave, steps_only=self.steps_only)
        now = datetime.now(UTC)
        context["ti"].xcom_push(key=WAITED, value={"at": now.isoformat(), "until": (now + self.delay).isoformat()})
        self.log.info("wave %s starts in %s", self.wave, timespan(self.delay))
        self.defer(trigger=DateTimeTrigger(moment=now + self.delay), method_name=self.go_on.__name__)

    def go_on(self, context: Context, event: Any = None) -> None:
        """End the wait."""


def skip_where_nothing_starts(preflight: Mapping[str, Any], wave: str, *, steps_only: bool = False) -> int:
    """Return how many servers a wave launches; skip what stands before a wave that launches none and should."""
    found = preflight["waves"][wave]
    servers = sum(len(part["servers"]) for part in found["targets"])
    if not found["selected"] or not (servers or steps_only):
        raise AirflowSkipException(f"wave {wave} launches nothing in this run")
    return servers


def _triggered_by(context: Context) -> str | None:
    return getattr(context["dag_run"], "triggering_user_name", None)
