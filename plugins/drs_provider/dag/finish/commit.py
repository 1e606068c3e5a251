"""The task at the end of a recovery or a migration that asks whether it stands or is rolled back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context, ObjectStoragePath
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.configuration import reports_location
from drs_provider.dag.finish.own_jobs import own_jobs
from drs_provider.dag.left_alone import is_left_alone
from drs_provider.dag.people.agreement import started_by, triggered_by
from drs_provider.dag.people.ask import Ask, Event, comment_of
from drs_provider.dag.people.managers import managers_left
from drs_provider.dag.run_reader import preflight_result, skip_where_nothing_is_launched
from drs_provider.dag.waves.job_tags import continued_run, keys_of_run, traces_hook
from drs_provider.exceptions import DrsProviderError, HandoverUnreadable, RunRefused
from drs_provider.operators.task_memory import task_memory
from drs_provider.plan.model import Commit, origin_of_group
from drs_provider.rules.commit import decision as decisions
from drs_provider.rules.commit import question
from drs_provider.rules.commit.refusals import refusal_words
from drs_provider.rules.commit.roll_back import (
    RollBackSurvey,
    committed_tags,
    merged,
)
from drs_provider.rules.commit.source_runs import stops_sources
from drs_provider.rules.commit.validity import (
    DEFAULTS,
    is_nothing_to_decide,
    standing,
    why_no_roll_back,
    why_silent,
)
from drs_provider.rules.purpose import RECOVERY, purpose_of
from drs_provider.rules.run.approvals import COMMIT, ROLL_BACK
from drs_provider.rules.run.handover import (
    Asked,
    CommitDecision,
    CommitKind,
    CommitMemory,
    CommitRecord,
    PreflightResult,
    RecordedAnswer,
    Untagged,
)
from drs_provider.rules.run.roster import target_of
from drs_provider.rules.run.state.commit_state import decided
from drs_provider.services.signed import leave, pull_believed, sealed
from drs_provider.services.store import load, save

if TYPE_CHECKING:
    from drs_provider.plan.loader import RunnablePlan
    from drs_provider.rules.run.shape import PlanTarget

_ENDED = frozenset({"success", "failed", "skipped", "upstream_failed"})
NO_COMMIT = "only a recovery or a migration is committed or rolled back"
_KINDS: dict[str, CommitKind] = {COMMIT: "commit", ROLL_BACK: "roll_back"}


@dataclass(frozen=True)
class _Look:
    """What is up of the run everywhere; ``problem``: why that is not known."""

    found: RollBackSurvey = field(default_factory=RollBackSurvey)
    problem: str = ""


class AskCommit(Ask):
    """Ask, once the waves of a recovery or a migration are over, whether it stands; one decision is taken, and stays.

    It waits in Airflow's ``awaiting_input`` state and holds no worker. Skipped where nothing of the run is up, and in
    every other run. A recovery that failed asks too: that is when people want to roll back. The decision
    lies in the task's state store before anything follows from it, so a retry, a killed process and a cleared task find
    it; a commit is written to the instances as a tag, where another Airflow finds it. An answer that cannot be acted
    upon (no reason, not four eyes, reverse replication has begun, a source is stopped or not replicated) is no
    decision: the question stays.

    Leaves a ``CommitRecord``, and returns the ``RecordedAnswer`` as JSON (``rules.run.handover``).
    """

    def __init__(
        self,
        *,
        plan: str,
        policy: Commit,
        runnable: "RunnablePlan",
        places: "Sequence[PlanTarget]",
        digest: str,
        start_task_ids: Sequence[str],
        **kwargs: Any,
    ) -> None:
        super().__init__(
            plan=plan,
            agree=COMMIT,
            refuse=ROLL_BACK,
            people=policy.approvers,
            response_timeout=policy.within,
            defaults=DEFAULTS.get(policy.on_timeout),
            **kwargs,
        )
        self.policy, self.runnable, self.places = policy, runnable, tuple(places)
        self.digest, self.start_task_ids = digest, tuple(start_task_ids)
        self.record: CommitRecord | None = None

    def execute(self, context: Context) -> Any:
        """Go on with the decision where there is one; else look what is up, and ask."""
        preflight = self._preflight(context)
        known, look = self._known(context), self._look(context, preflight)
        decision = standing(
            known,
            look.found,
            continues=continued_run(context) is not None,
            has_ended=self._has_rolled_back(context, known),
            now=clock.now(),
        )
        if decision:
            return self._decide(context, preflight, self._record(known, look), decision)
        if is_nothing_to_decide(look.found) and not look.problem:
            raise AirflowSkipException("nothing that this run launched is up, so there is nothing to decide")
        self.record = self._record(known, look)
        self._remember(context, self.record)
        self._report_so_far(context)
        return super().execute(context)

    def execute_complete(self, context: Context, event: Event) -> JsonValue:
        """Take the decision; ask again where an answer is none, and where nobody answered and the policy is to ask."""
        preflight = self._preflight(context)
        known = self._known(context)
        if known is None:
            return self._again(context, RunRefused("the question is not remembered"))
        if known.decision:  # Airflow brings an answer twice, or late: what was decided stands
            return self._decide(context, preflight, known, known.decision)
        if "error" in event and event.get("error_type") != "timeout":
            raise AirflowFailException(
                f"Airflow could not take the answer: {event['error']}; clear this task to ask again"
            )
        if "error" in event:
            return self._again(context, None)
        try:
            decision = self._decision(context, preflight, known, event)
        except DrsProviderError as refusal:
            return self._again(context, refusal, is_over=bool(event.get("timedout")) and clock.now() >= known.until)
        return self._decide(context, preflight, known.model_copy(update={"refused": ""}), decision)

    def question(self, context: Context, preflight: PreflightResult) -> Sequence[str]:
        """Say what is up, what a roll back would destroy, and what speaks against it."""
        record = self._asked_record()
        self.subject = question.subject(self.plan, preflight.purpose)
        self.body = question.text(
            self.plan,
            self.policy,
            record,
            purpose=preflight.purpose,
            able=decisions.may_roll_back(self.policy, starters_of(context), managers_left(context)),
            replaced_live=preflight.replace_live_instances,
            progress=self.progress(context, preflight).in_words(),
            parts=self._parts(),
        )
        return self.policy.approvers

    def in_short(self) -> tuple[str, str]:
        """Say in plain text what is asked, and what happens without an answer."""
        record = self._asked_record()
        text = f"{self.subject} A roll back terminates {len(record.instances)} instances"
        return (f"{text}; refused at last: {record.refused}" if record.refused else text), question.otherwise(
            self.policy
        )

    def objection(self, context: Context, who: str | None) -> str | None:
        """Only those who are asked count; ``_decision`` says more of a roll back."""
        return decisions.not_counted(COMMIT, who, None, self.policy, starters=())

    def _left(self, context: Context) -> timedelta:
        """Return what is left of the time until it is asked again, or the policy decides."""
        record, now = self._asked_record(), clock.now()
        text, otherwise = self.in_short()
        asked = Asked(
            at=record.began_at,
            until=record.until,
            try_number=context["ti"].try_number,
            subject=self.subject,
            text=text,
            otherwise=otherwise,
            people=self.asked,
            options=tuple(self.options),
        )
        leave(context["ti"], asked)
        return max(record.until - now, timedelta(seconds=1))

    # -- decisions ------------------------------------------------------------------------------------------------

    def _decision(
        self, context: Context, preflight: PreflightResult, known: CommitRecord, event: Event
    ) -> CommitDecision:
        """Read an answer, or what the policy says of silence.

        :raises RunRefused: it is no decision: it does not count, or a roll back is refused as things are now
        """
        option, expired = str(event["chosen_options"][0]), bool(event.get("timedout"))
        who = None if expired else (event.get("responded_by_user") or {}).get("name")
        comment = None if expired else comment_of(event)
        if not expired:
            starters, managers = starters_of(context), managers_left(context)
            why = decisions.not_counted(option, who, comment, self.policy, starters=starters, managers=managers)
            if why:
                raise RunRefused(f"this answer does not count: {why}")
        else:
            look = self._look(context, preflight)
            if why := why_silent(option, self.policy, known, look.found, problem=look.problem, now=clock.now()):
                raise RunRefused(why)
        decision = CommitDecision(
            kind=_KINDS[option],
            by=who,
            at=event["responded_at"],
            comment=comment,
            expired=expired,
        )
        return decision if decision.kind == "commit" else self._roll_back(context, preflight, decision)

    def _roll_back(self, context: Context, preflight: PreflightResult, decision: CommitDecision) -> CommitDecision:
        """See that nothing speaks against a roll back now, and bind it to what is launched now. Raises RunRefused."""
        if preflight.digest != self.digest:
            raise RunRefused(
                "the roll back is refused, nothing was terminated: the plan was changed since this run began. Restore "
                "it, then answer again"
            )
        look = self._look(context, preflight)
        if look.problem:
            raise RunRefused(f"the roll back is refused, nothing was terminated: {look.problem}")
        if words := why_no_roll_back(look.found):
            raise RunRefused(words)
        # Only what speaks against it now can be insisted on, and nobody is there to insist where nobody answered.
        insists = bool(look.found.refusals) and decisions.insists(decision.comment, self.plan)
        if words := refusal_words(look.found.refusals, insists=insists, plan=self.plan):
            raise RunRefused(words)
        replication = dict(look.found.replication)
        return decision.model_copy(
            update={"insists": insists, "job_ids": look.found.job_ids, "replication": replication}
        )

    def _decide(
        self, context: Context, preflight: PreflightResult, record: CommitRecord, decision: CommitDecision
    ) -> JsonValue:
        """Keep the decision before anything follows from it, and tag what is committed."""
        ti = context["ti"]
        record = record.model_copy(update={"decision": decision})
        self._remember(context, record)
        self.log.info("%s", decided(decision, is_done=False))
        if decision.kind == "commit":
            self._tag(context, decision)
        answer = RecordedAnswer(
            chosen=next(option for option, kind in _KINDS.items() if kind == decision.kind),
            by=decision.by,
            at=decision.at,
            checked_at=preflight.checked_at,
            expired=decision.expired,
            comment=decision.comment,
        )
        leave(ti, answer)
        return sealed(ti, answer)

    def _again(self, context: Context, refusal: DrsProviderError | None, *, is_over: bool = False) -> JsonValue:
        """Ask again: at once where an answer was no decision, as a reminder where the time is over."""
        if refusal:
            self.log.warning("%s. The question is asked again", refusal)
        if known := self._known(context):
            refused = str(refusal) if refusal else known.refused
            until = known.until if refusal and not is_over else min(known.until, clock.now())
            self._remember(context, known.model_copy(update={"refused": refused, "until": until}))
        asked: JsonValue = self.execute(context)
        return asked

    def _tag(self, context: Context, decision: CommitDecision) -> None:
        """Write to every instance of the run that it is committed; where that fails, the decision stands here."""
        from drs_provider.services.launch.tags_of_jobs import tag_launched

        refused: dict[str, str] = {}
        for place in self._places_of(context):
            hook = traces_hook(place.target)
            try:
                jobs = own_jobs(context, hook, place, self.start_task_ids, purpose=RECOVERY)
                refused |= tag_launched(hook, jobs, committed_tags(decision))[1] if jobs else {}
            except DrsProviderError as error:
                refused[str(place.target)] = str(error)
        for name, why in refused.items():
            self.log.warning("%s does not carry the tag that says that it is committed: %s", name, why)
        if refused:
            leave(context["ti"], Untagged(resources=refused))

    # -- what is up -----------------------------------------------------------------------------------------------

    def _preflight(self, context: Context) -> PreflightResult:
        skip_where_nothing_is_launched(context)
        if not purpose_of(context["params"]["mode"]).asks_to_commit:
            raise AirflowSkipException(NO_COMMIT)
        try:
            return preflight_result(context, self.plan, acts=False)
        except HandoverUnreadable as error:
            raise AirflowFailException(str(error)) from error
        except RunRefused as refusal:
            raise AirflowSkipException(f"nothing was launched: {refusal}") from refusal

    def _look(self, context: Context, preflight: PreflightResult) -> _Look:
        """Ask every account and Region of the run what of it is up."""
        from drs_provider.services.commit.survey import OtherRegions, survey

        runs = keys_of_run(context)
        parts = []
        try:
            for place in self._places_of(context):
                hook = traces_hook(place.target)
                jobs = own_jobs(context, hook, place, self.start_task_ids, purpose=RECOVERY)
                found = survey(
                    hook,
                    jobs,
                    runs,
                    own_servers=preflight.may_be_launched,
                    where=str(place.target),
                    elsewhere=OtherRegions(origins_of(self.runnable, place)),
                    stops_sources=may_have_stopped_sources(context, self.runnable),
                )
                parts.append(found)
        except DrsProviderError as error:
            self.log.warning("What is up is not known: %s", error)
            return _Look(problem=str(error))
        everything = merged(parts)
        for refusal in everything.refusals:
            self.log.info("Against a roll back: %s", refusal)
        return _Look(everything)

    def _places_of(self, context: Context) -> "list[PlanTarget]":
        return [place for place in self.places if not is_left_alone(context, place, self.digest)]

    def _record(self, known: CommitRecord | None, look: _Look) -> CommitRecord:
        """Say how the question stands now: one whose time is over begins anew, and counts as a reminder."""
        now = clock.now()
        is_over = known is not None and known.until <= now
        return CommitRecord(
            began_at=known.began_at if known else now,
            until=known.until if known and not is_over else now + self.policy.within,
            on_timeout=self.policy.on_timeout,
            approvers=self.policy.approvers,
            reminders=(known.reminders if known else 0) + is_over,
            instances=look.found.up,
            against=tuple(map(str, look.found.refusals)),
            refused=known.refused if known else "",
            problem=look.problem,
            kept=dict(look.found.kept),
            running=look.found.running,
        )

    def _has_rolled_back(self, context: Context, known: CommitRecord | None) -> bool:
        """Tell whether all that roll back have ended since it was decided, also where they were cleared meanwhile."""
        from drs_provider.rules.run.handover import RolledBack

        if known is None or known.decision is None:
            return False
        ti, run_id = context["ti"], context["dag_run"].run_id
        tasks = [place.roll_back_task for place in self.places if place.roll_back_task]
        states = ti.get_task_states(dag_id=ti.dag_id, task_ids=tasks, run_ids=[run_id]).get(run_id, {})
        ends = {task: done.ended_at for task in tasks for done in pull_believed(ti, [task], RolledBack)}
        decided_at = known.decision.at
        return bool(tasks) and all(
            str(states.get(task)) in _ENDED
            or (not states.get(task) and (at := ends.get(task)) is not None and at >= decided_at)
            for task in tasks
        )

    def _asked_record(self) -> CommitRecord:
        if self.record is None:
            raise RunRefused("nothing was looked at yet")
        return self.record

    def _parts(self) -> list[str]:
        return sorted({plan for shape in (self.shape.steps if self.shape else ()) if (plan := shape.step.runs_plan)})

    @staticmethod
    def _known(context: Context) -> CommitRecord | None:
        memory = load(task_memory(context), CommitMemory)
        return memory.record if memory else None

    @staticmethod
    def _remember(context: Context, record: CommitRecord) -> None:
        save(task_memory(context), CommitMemory(record=record))
        leave(context["ti"], record)

    def _report_so_far(self, context: Context) -> None:
        """Write the report as it is now: nobody waits a day for it. The last one takes its place."""
        from drs_provider.dag.finish.evidence import collect
        from drs_provider.report.measure import measure
        from drs_provider.report.store import kept_report, write_report

        try:
            report = measure(collect(context, self.runnable))
            leave(context["ti"], kept_report(report))  # first: the place of reports may not answer
            written = write_report(report, ObjectStoragePath(reports_location()))
            leave(context["ti"], written)
            self.log.info("%s: %s. Report so far: %s", report.verdict, report.verdict_reason, written.where)
        except Exception as error:  # noqa: BLE001 - whatever it is, the question is asked
            self.log.warning("The report so far was not written: %s", error)


def origins_of(runnable: "RunnablePlan", place: "PlanTarget") -> tuple[str | None, ...]:
    """Give the connections with which the Regions are asked that the servers of an account and Region came from."""
    here = (group for group in runnable.groups.values() if target_of(group) == place.target)
    return tuple(dict.fromkeys(origin_of_group(runnable.plan, group).aws_conn_id for group in here))


def may_have_stopped_sources(context: Context, runnable: "RunnablePlan") -> bool:
    """Tell whether the run, or the one that it continues, may have stopped sources."""
    purpose = purpose_of(context["params"]["mode"])
    return stops_sources(runnable.plan, purpose, continues=continued_run(context) is not None)


def starters_of(context: Context) -> tuple[str | None, ...]:
    """Give who started the run, and the run of another plan that it is a step of."""
    start = started_by(context)
    return (triggered_by(context), start.triggered_by if start else None)
