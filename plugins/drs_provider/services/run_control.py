"""The verbs that steer the runs of a plan: look, decide by ``rules.run.verbs``, ask Airflow, look again."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from pydantic import JsonValue

from drs_provider import clock
from drs_provider.exceptions import PreflightRefused, RunRefused, UnknownName, UsageError
from drs_provider.plan.problems import nearest
from drs_provider.rules.launch.live_instances import no_replacing
from drs_provider.rules.launch.tags import is_short_run_id, short_run_id
from drs_provider.rules.purpose import PURPOSES, PURPOSES_BACK, Purpose, find_purpose
from drs_provider.rules.run import controls, names, verbs
from drs_provider.rules.run.handover import FollowedJobs, GivenOrders, KeptDrill, PlanRunStart, RunOrder
from drs_provider.rules.run.parts import STARTED_BY
from drs_provider.rules.run.request import RunRequest, read_request
from drs_provider.rules.run.run_view import ACTIVE, PendingQuestion, RunView, how_to_start
from drs_provider.rules.run.state import (
    RUN_IS_OVER,
    CleanupState,
    CleanupStatus,
    LeftDocuments,
    PreflightState,
    PreflightStatus,
    RunOutline,
    RunSnapshot,
    RunState,
    StepStatus,
    TaskSnapshot,
    ended_status,
    outline_of_edges,
    state_of,
)
from drs_provider.rules.run.state.words import words
from drs_provider.services.airflow_api import (
    AirflowApi,
    AirflowError,
    AirflowUnreachable,
    AlreadySo,
    DagRunRecord,
    NotAllowed,
    NotThere,
    OrderToRun,
    PlanDagRecord,
)

LOOK_EVERY_SECONDS: Final = 2.0
BEARABLE_SILENCE_SECONDS: Final = 300.0
"""How long a wait bears an Airflow that does not answer: a restart is no reason to give up."""

_LISTED: Final = 20
_SEARCHED: Final = 100
"""Runs of a plan among which a short id is looked for."""
_STORED: Final = (FollowedJobs.KEY, GivenOrders.KEY)
"""Documents that lie in the task state store."""
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class RunStart:
    """What a run is started with; what is None keeps the default of the trigger form.

    :param continue_run: the key of a run in the cloud that this one continues
    :param launch: ``in_waves`` or ``ahead``
    """

    mode: str
    confirm: str | None = None
    reason: str | None = None
    waves: Sequence[str] | None = None
    exclude_servers: Sequence[str] | None = None
    point_in_time: str | None = None
    replace_live_instances: bool = False
    continue_run: str | None = None
    replace_drills: bool = False
    launch: str | None = None

    @property
    def conf(self) -> dict[str, JsonValue]:
        """The answers to the trigger form."""
        asked: dict[str, JsonValue] = {
            "mode": self.mode,
            "confirm": self.confirm,
            "reason": self.reason,
            "waves": None if self.waves is None else list(self.waves),
            "exclude_servers": None if self.exclude_servers is None else list(self.exclude_servers),
            "point_in_time": self.point_in_time,
            "replace_live_instances": self.replace_live_instances or None,
            "replace_drills": self.replace_drills or None,
            "continue_run": self.continue_run,
            "launch": self.launch,
        }
        return {name: value for name, value in asked.items() if value is not None}


@dataclass(frozen=True)
class Decision:
    """A person's answer, one of the question's options; ``task`` or ``wave`` say to which, where several are open."""

    option: str
    task: str | None = None
    wave: str | None = None
    comment: str | None = None


@dataclass(frozen=True)
class Steered:
    """A run after it was steered, and what that means for it."""

    run: RunView
    message: str


@dataclass
class RunControl:
    """One Airflow and what a person wants of its plans.

    :param say: where is told what goes wrong on the way without ending it
    """

    airflow: AirflowApi
    say: Callable[[str], None] = lambda _: None
    sleep: Callable[[float], None] = clock.sleep
    monotonic: Callable[[], float] = time.monotonic
    _read: dict[tuple[str, str, str, datetime | None], object] = field(default_factory=dict)
    """Documents of tasks that have ended: a wait looks often, and they do not change."""

    def look(self, plan: str, run_id: str | None = None) -> RunView:
        """Read one run: the named one, by its id or short id; else the one that is not over, else the newest.

        A run of the plan's way back is found by its id, too; ``shop.failback``, or the id of that DAG, in place of the
        plan means those runs alone.

        :raises RunRefused: several are not over, and none is named
        """
        dag = self._dag(plan)
        try:
            return self._whole(dag, self._record(plan, dag, run_id))
        except UsageError:
            if run_id is None or not names.is_plan_dag(dag.dag_id):
                raise
            back = self._on_the_way_back(names.name_of_runs(dag.dag_id), run_id)
            if back is None:
                raise
        return back

    def _on_the_way_back(self, plan: str, run_id: str) -> RunView | None:
        """Find a run among those of a plan's way back; None: it has none, or none of that name."""
        try:
            dag = self.airflow.dag(names.failback_dag_of(plan))
            return self._whole(dag, self._named(plan, dag, run_id))
        except (NotThere, UsageError):
            return None

    def list_runs(self, plan: str | None) -> list[RunView]:
        """Read the newest runs of a plan, or of all plans, the newest first; without their waves."""
        dags = self.airflow.plan_dags() if plan is None else [self._dag(plan)]
        found = [(dag, record) for dag in dags for record in self.airflow.runs(dag.dag_id, _LISTED)]
        found.sort(key=lambda row: row[1].asked_for_at or _LONG_AGO, reverse=True)
        return [self._in_short(dag, record) for dag, record in found[:_LISTED]]

    def start(self, plan: str, start: RunStart) -> RunView:
        """Start a run; refuses what preflight would refuse without asking AWS, and what could only wait."""
        dag = self._dag(plan)
        back = names.plan_failed_back_by(dag.dag_id)
        purposes, confirmed_by = (PURPOSES_BACK, back) if back else (PURPOSES, plan)
        purpose = find_purpose(start.mode, purposes)
        if purpose is None and find_purpose(start.mode):
            modes = " or ".join(purpose.name for purpose in purposes)
            raise UsageError(f"{plan} has no runs of the mode {start.mode}, but of {modes}")
        if purpose and purpose.needs_confirmation and start.confirm != confirmed_by:
            raise UsageError(f"a {start.mode} brings production up: confirm it with the plan's name, {confirmed_by}")
        if purpose and start.replace_live_instances and not purpose.may_replace_recovered:
            raise UsageError(no_replacing(purpose))
        if dag.is_paused:
            raise RunRefused(f"{plan} is paused, so a run would not begin: drs run resume {plan}")
        # What may run beside another run of the way back is for its preflight, which looks at both Regions.
        active = [] if back else [record for record in self._active_records(dag) if _holds_servers(record)]
        if active and not (purpose and purpose.overlaps):
            # A recovery never waits for anything: its preflight decides what it may take.
            first = _view_in_short(dag, active[-1])
            raise RunRefused(
                f"{plan} has a run that is not over, {first.run_id}, and {start.mode}s of a plan never overlap: "
                f"wait for it ({first.command('wait')}) or cancel it ({first.command('cancel')})"
            )
        for record in active:
            if purpose and purpose.launches and purpose.overlaps and record.conf.get("mode") == purpose.name:
                raise RunRefused(self._second(plan, _view_in_short(dag, record), purpose))
        waves = [wave.name for wave in outline_of_edges(self.airflow.upstream(dag.dag_id), dag.waves).waves]
        _refuse_unknown_waves(waves, start.waves or ())
        request = _read_start(confirmed_by, waves, start, purposes)
        self.say(f"starting a {request.mode} of {plan}: {request.scope(waves)}")
        started = self.airflow.trigger(dag.dag_id, start.conf, None)
        try:
            return self._whole(dag, started)
        except AirflowUnreachable as error:  # it has started all the same, and its id must be known
            self.say(f"no status: {error}")
            return _view_in_short(dag, started)

    def _second(self, plan: str, first: RunView, purpose: Purpose) -> str:
        return (
            f"{plan} has a {purpose} that is not over, {first.run_id}: {self.airflow.address}/dags/"
            f"{names.dag_id_of(plan)}/runs/{quote(first.run_id, safe='')}. A second one would launch the same servers "
            f"again, and DRS terminates what the first one recovered: watch it ({first.command('status')}), retry its "
            f"failed wave ({first.command('retry', wave='WAVE')}), or cancel it ({first.command('cancel')})"
        )

    def wait(self, run: RunView, timeout_seconds: float | None, tell: Callable[[RunView], None]) -> RunView:
        """Wait until a run that was looked at is over. Raises ``RunRefused`` when the time is over before.

        An Airflow that does not answer is waited for: it has answered before.

        :param tell: is given the run after every look
        """
        began = answered = self.monotonic()
        while True:
            tell(run)
            if not run.is_active:
                return run
            if timeout_seconds is not None and self.monotonic() - began >= timeout_seconds:
                raise RunRefused(
                    f"{run.run_id} of {run.plan} is not over after {timeout_seconds:.0f} s "
                    f"({words(run.state.status)}); it continues"
                )
            self.sleep(LOOK_EVERY_SECONDS)
            try:
                run = self.look(run.plan, run.run_id)
                answered = self.monotonic()
            except AirflowUnreachable as error:
                if self.monotonic() - answered >= BEARABLE_SILENCE_SECONDS:
                    raise
                self.say(f"no status: {error}")

    def pause(self, plan: str, run_id: str | None) -> Steered:
        """Let nothing new start."""
        run = self._active(plan, run_id, "pause")
        self.airflow.set_paused(names.dag_id_of(run.plan), paused=True)
        return Steered(replace(run, is_paused=True), verbs.paused_message(run))

    def resume(self, plan: str) -> str:
        """Let a paused plan continue; return what is answered."""
        dag = self._dag(plan)
        if not dag.is_paused:
            raise RunRefused(f"{plan} is not paused")
        self.airflow.set_paused(dag.dag_id, paused=False)
        return f"{plan} is resumed"

    def cancel(self, plan: str, run_id: str | None, reason: str | None, *, stops_failback: bool = False) -> Steered:
        """Let no further wave start; what runs is watched to its end, then cleaned up and reported.

        :param stops_failback: end the failbacks of machines in data centres that the run has not converted
        """
        run = self._active(plan, run_id, "cancel")
        ends = verbs.failback_ends(run) if stops_failback else ()
        self._order(run, OrderToRun("cancel", (*verbs.cancelled_tasks(run), *ends), reason=reason, is_recorded=True))
        run = self.look(run.plan, run.run_id)
        for question in run.questions:
            self._pass_over(run, question)
        run = self.look(run.plan, run.run_id)
        parts = [self._cancel_part(run, part, reason) for part in run.parts]
        parts += [verbs.failbacks_ended_message()] if ends else []
        return Steered(run, "; ".join([verbs.cancelled_message(run), *parts]))

    def _cancel_part(self, run: RunView, part: PlanRunStart, reason: str | None) -> str:
        """Cancel the run of another plan that a step of a cancelled run waits for; return what became of that.

        What the step left may be edited: Airflow's own record of the other run must say whose part it is.
        """
        named = f"{part.run_id} of {part.plan}, which it waits for,"
        why = " ".join(
            [f"part of {run.run_id} of {run.plan}, which was cancelled", *([f"({reason})"] if reason else [])]
        )
        try:
            said = self.airflow.run(part.dag_id, part.run_id).conf.get(STARTED_BY)
            parent = (said.get("parent_dag_id"), said.get("parent_run_id")) if isinstance(said, Mapping) else None
            if parent != (names.dag_id_of(run.plan), run.run_id):
                return f"{named} is not cancelled: its own parameters do not say that it is a part of this run"
            return self.cancel(part.plan, part.run_id, why).message
        except (RunRefused, AirflowError, UsageError) as error:
            return f"{named} is not cancelled: {error}"

    def skip(self, plan: str, wave: str, run_id: str | None, reason: str | None) -> Steered:
        """Leave out a wave when its turn comes."""
        run = self._active(plan, run_id, "skip a wave of")
        chosen = verbs.wave_named(run, wave)
        tasks = verbs.skipped_tasks(run, chosen)
        self._order(run, OrderToRun("skip", tasks, chosen.name, reason, is_recorded=True))
        for question in run.questions_of(chosen.name):
            self._pass_over(run, question)
        run = self.look(run.plan, run.run_id)
        return Steered(run, verbs.skipped_message(run, verbs.wave_named(run, chosen.name)))

    def retry(self, plan: str, wave: str, run_id: str | None, reason: str | None) -> Steered:
        """Run a failed wave again, with everything after it; people are told once Airflow has done it."""
        run = self.look(plan, run_id)
        chosen = verbs.wave_named(run, wave)
        retry = verbs.retry_of(run, chosen)
        self._order_and_clear(run, OrderToRun("retry", retry.ordered, chosen.name, reason), retry.cleared)
        return Steered(self.look(run.plan, run.run_id), retry.message)

    def go_on(self, plan: str, wave: str, run_id: str | None, reason: str | None) -> Steered:
        """Go on past a wave that has failed, as if the plan tolerated it: what waits for it begins."""
        if not (reason or "").strip():
            raise UsageError("say why the run shall go on past a failed wave: the reason is shown in the report")
        run = self.look(plan, run_id)
        chosen = verbs.wave_named(run, wave)
        past = verbs.go_on_past(run, chosen)
        self._order_and_clear(run, OrderToRun("continue", past.ordered, chosen.name, reason), past.cleared)
        return Steered(self.look(run.plan, run.run_id), past.message)

    def answer(self, plan: str, run_id: str | None, decision: Decision) -> Steered:
        """Answer what a run asks, with one of the question's own options."""
        run = self._active(plan, run_id, "answer for")
        question = verbs.question_named(run, decision.task, decision.wave)
        option = verbs.option_named(run, question, decision.option)
        given = dict(question.params)
        place = next((name for name in given if name in ("comment", "reason")), None)
        if place and decision.comment:
            given[place] = decision.comment
        self._give(run, (question.task, question.map_index), option, given)
        if decision.comment and not place:
            by = f" by {self.airflow.user}" if self.airflow.user else ""
            self._note(run, f"{question.task} answered {option}{by}: {decision.comment}")
        return Steered(self.look(run.plan, run.run_id), f"{question.task}: {option}")

    def end_kept(self, plan: str, run_id: str | None) -> Steered:
        """End a drill that is kept for people: it is cleaned up now."""
        return self._answer_kept(plan, run_id, controls.END, "is cleaned up now")

    def extend_kept(self, plan: str, run_id: str | None, by: str) -> Steered:
        """Keep a drill longer for people.

        :param by: a key of ``controls.BY``, ``1h``
        """
        return self._answer_kept(plan, run_id, f"Extend by {by}", f"is kept for {by} more")

    def _answer_kept(self, plan: str, run_id: str | None, option: str, then: str) -> Steered:
        run = self._kept(plan, run_id)
        self._give(run, (names.KEEP_TASK, -1), option, {})
        return Steered(self.look(run.plan, run.run_id), f"the drill {run.run_id} of {plan} {then}")

    def _kept(self, plan: str, run_id: str | None) -> RunView:
        """Find the run that is kept; without a run id among all that are not over, for a recovery may be beside it."""
        if run_id is not None:
            runs = [self._active(plan, run_id, "end")]
        else:
            dag = self._dag(plan)
            active = [record for record in self.airflow.runs(dag.dag_id, _LISTED) if record.state == "running"]
            runs = [self._whole(dag, record) for record in active]
        kept = [run for run in runs if any(question.task == names.KEEP_TASK for question in run.questions)]
        if not kept:
            which = runs[0].command("status") if len(runs) == 1 else f"drs run list {plan}"
            raise RunRefused(f"no drill of {plan} is kept for people now: {which}")
        if len(kept) > 1:
            raise RunRefused(verbs.several(kept))
        return kept[0]

    def _dag(self, plan: str) -> PlanDagRecord:
        try:
            return self.airflow.dag(names.dag_id_of(names.name_of_runs(plan)))
        except NotThere as error:
            known = [names.name_of_runs(dag.dag_id) for dag in self.airflow.plan_dags()]
            hint = nearest(plan, known) or "it has none; look at its import errors"
            raise UnknownName(f"{self.airflow.address} has no plan called {plan!r} ({hint})") from error

    def _record(self, plan: str, dag: PlanDagRecord, run_id: str | None) -> DagRunRecord:
        if run_id is not None:
            return self._named(plan, dag, run_id)
        records = self.airflow.runs(dag.dag_id, _LISTED)
        if not records:
            raise UnknownName(f"{plan} has never run: {how_to_start(names.name_of_runs(dag.dag_id))}")
        active = [record for record in records if record.state in ACTIVE]
        if len(active) > 1:
            raise RunRefused(verbs.several([_view_in_short(dag, record) for record in active]))
        return active[0] if active else records[0]

    def _named(self, plan: str, dag: PlanDagRecord, run_id: str) -> DagRunRecord:
        """Find a run by its id, or by its short id among the newest."""
        records: Sequence[DagRunRecord] = ()
        if is_short_run_id(run_id):
            records = self.airflow.runs(dag.dag_id, _SEARCHED)
            short = [record for record in records if short_run_id(dag.dag_id, record.run_id) == run_id.lower()]
            if short:
                return short[0]
        try:
            return self.airflow.run(dag.dag_id, run_id)
        except NotThere as error:
            known = [record.run_id for record in records or self.airflow.runs(dag.dag_id, _LISTED)]
            hint = nearest(run_id, known) or "it has never run"
            raise UnknownName(f"{plan} has no run called {run_id!r} ({hint})") from error

    def _active_records(self, dag: PlanDagRecord) -> list[DagRunRecord]:
        return [record for record in self.airflow.runs(dag.dag_id, _LISTED) if record.state in ACTIVE]

    def _whole(self, dag: PlanDagRecord, record: DagRunRecord) -> RunView:
        """Read a run with its waves, servers, steps, questions and report."""
        place = (dag.dag_id, record.run_id)
        tasks = self.airflow.tasks(*place)
        is_asking = any(task.state in ("awaiting_input", "deferred") for task in tasks.values())
        questions = tuple(self.airflow.questions(*place)) if is_asking else ()
        known = self.airflow.xcom_keys(*place) if any(task.state for task in tasks.values()) else ()
        snapshot = RunSnapshot(
            outline=outline_of_edges(self.airflow.upstream(dag.dag_id), dag.waves, mode=record.conf.get("mode")),
            tasks=tasks,
            left=lambda task, key: self._left(place, snapshot, known, task, key),
            run_state=record.state,
            asked=frozenset(question.task for question in questions),
        )
        left = LeftDocuments(snapshot)
        state = state_of(snapshot, left)
        return replace(
            _view(dag, record, state),
            outline=snapshot.outline,
            tasks=tasks,
            questions=questions,
            report=left.report(),
            parts=tuple(_parts(state, left)),
            has_failback=bool((found := left.preflight()) and found.objectives and found.objectives.has_failback),
            kept=left.of(names.KEEP_TASK, KeptDrill) if state.cleanup.status is CleanupStatus.KEPT else None,
        )

    def _in_short(self, dag: PlanDagRecord, record: DagRunRecord) -> RunView:
        """Read a run without its tasks: of one that is over, the verdict of its report says how it ended."""
        place = (dag.dag_id, record.run_id)
        snapshot = RunSnapshot(
            RunOutline(),
            tasks={names.REPORT_TASK: TaskSnapshot("success")},
            left=lambda task, key: self.airflow.xcom(*place, task, key),
        )
        report = LeftDocuments(snapshot).report() if record.state in RUN_IS_OVER else None
        status = ended_status(record.state, report.verdict if report else None)
        state = RunState(
            status,
            PreflightState(PreflightStatus.WAITING),
            CleanupState(CleanupStatus.WAITING),
            reason=report.reason if report else None,
            airflow_state=record.state,
        )
        return replace(_view(dag, record, state), report=report)

    def _left(
        self,
        place: tuple[str, str],
        snapshot: RunSnapshot,
        known: Collection[tuple[str, str]],
        task: str,
        key: str,
    ) -> object:
        if key in _STORED:
            return self.airflow.stored(*place, task, key)
        if (task, key) not in known:
            return None
        now = snapshot.task(task)
        if now.ended_at is None:
            return self.airflow.xcom(*place, task, key)
        found = (place[1], task, key, now.ended_at)
        if found not in self._read:
            self._read[found] = self.airflow.xcom(*place, task, key)
        return self._read[found]

    def _active(self, plan: str, run_id: str | None, what: str) -> RunView:
        run = self.look(plan, run_id)
        verbs.refuse_if_over(run, what)
        return run

    def _order(self, run: RunView, order: OrderToRun) -> None:
        """Give an order, and show it to people in the run's note."""
        self._note(run, self.airflow.order(names.dag_id_of(run.plan), run.run_id, order))

    def _refuse_beside_another(self, run: RunView) -> None:
        others = [] if run.is_active else self._active_records(self._dag(run.plan))
        others = [record for record in others if _holds_servers(record)]
        if others:
            raise RunRefused(
                f"{run.plan} has another run that is not over, {others[0].run_id}, and a plan has one run at a time"
            )

    def _order_and_clear(self, run: RunView, order: OrderToRun, tasks: Sequence[str]) -> None:
        """Give an order to tasks and clear some; people are told once Airflow has cleared them.

        Where Airflow refuses, the tasks get their former orders back.
        """
        self._refuse_beside_another(run)
        dag_id = names.dag_id_of(run.plan)
        before = {task: self._stored_order(run, task) for task in order.tasks}
        self.airflow.order(dag_id, run.run_id, order)
        try:
            self.airflow.clear(dag_id, run.run_id, tasks)
        except AirflowUnreachable:
            raise  # it may have been done
        except AirflowError:
            self._give_orders_back(run, before)
            raise
        self._order(run, replace(order, tasks=(), is_recorded=True))

    def _stored_order(self, run: RunView, task: str) -> object:
        return self.airflow.stored(names.dag_id_of(run.plan), run.run_id, task, RunOrder.KEY)

    def _give_orders_back(self, run: RunView, orders: Mapping[str, object]) -> None:
        """Put back the orders that a retry took back, because Airflow refused the retry."""
        former = {task: order for task, order in orders.items() if isinstance(order, Mapping)}
        with suppress(AirflowError):
            self.airflow.give_back(names.dag_id_of(run.plan), run.run_id, former)

    def _note(self, run: RunView, line: str) -> None:
        try:
            # Read again: a scheduler or another person may have changed it since the run was looked at.
            note = self.airflow.run(names.dag_id_of(run.plan), run.run_id).note
            self.airflow.write_note(names.dag_id_of(run.plan), run.run_id, controls.added(note, line))
        except NotAllowed as error:
            self.say(f"the run's note does not show it: {error}")

    def _give(self, run: RunView, task: tuple[str, int], option: str, params: Mapping[str, JsonValue]) -> None:
        try:
            self.airflow.answer(names.dag_id_of(run.plan), run.run_id, task, [option], params)
        except AlreadySo as error:
            raise RunRefused(f"{task[0]} has been answered already: {run.command('status')}") from error

    def _pass_over(self, run: RunView, question: PendingQuestion) -> None:
        """Mark the task that asks as skipped: what comes after it has its order. Somebody may just have answered."""
        try:
            self.airflow.mark(names.dag_id_of(run.plan), run.run_id, question.task, "skipped")
        except AlreadySo:
            return


def _parts(state: RunState, left: LeftDocuments) -> Iterator[PlanRunStart]:
    """Give the runs of other plans that steps of a run wait for."""
    for step in (*state.before, *(step for wave in state.waves for step in wave.steps), *state.after):
        if step.status is StepStatus.RUNNING and (started := left.of(step.task, PlanRunStart)):
            yield started


def _holds_servers(record: DagRunRecord) -> bool:
    """Tell whether a run may launch something: a check never does, so nothing waits for it."""
    purpose = find_purpose(record.conf.get("mode"))
    return purpose is None or purpose.launches


def _refuse_unknown_waves(known: Sequence[str], asked: Sequence[str]) -> None:
    for name in asked:
        if name not in known:
            raise UsageError(f"no wave called {name!r} ({nearest(name, known)})")


def _read_start(plan: str, waves: Sequence[str], start: RunStart, purposes: Sequence[Purpose]) -> RunRequest:
    """Read the form as preflight will, so that what is wrong with it is said before anything starts.

    An Airflow that tells no waves, because it has not read the plan yet, is no reason to refuse: preflight reads them.
    """
    form = {**({"waves": list(waves)} if waves else {}), **start.conf}
    try:
        return read_request(form, plan=plan, waves=waves, run_type="manual", now=clock.now(), purposes=purposes)
    except PreflightRefused as refusal:
        raise UsageError(f"nothing was started: {'; '.join(refusal.findings)}") from refusal


def _view_in_short(dag: PlanDagRecord, record: DagRunRecord) -> RunView:
    """Show a run that is not over, without asking for its tasks."""
    state = RunState(
        ended_status(record.state, None),
        PreflightState(PreflightStatus.WAITING),
        CleanupState(CleanupStatus.WAITING),
        airflow_state=record.state,
    )
    return _view(dag, record, state)


def _view(dag: PlanDagRecord, record: DagRunRecord, state: RunState) -> RunView:
    asked_for = record.conf.get("mode")
    return RunView(
        plan=names.name_of_runs(record.dag_id),
        run_id=record.run_id,
        state=state,
        mode=state.mode or (str(asked_for) if asked_for else dag.mode),
        is_paused=dag.is_paused,
        triggered_by=record.triggered_by,
        asked_for_at=record.asked_for_at,
        started_at=record.started_at,
        ended_at=record.ended_at,
        note=record.note,
    )
