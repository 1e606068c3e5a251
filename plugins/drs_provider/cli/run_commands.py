"""What each ``drs run`` subcommand does: read, decide, ask Airflow, read again."""

import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from drs_provider.cli.airflow_client import PREFIX, AirflowClient, AirflowUnreachable, AlreadySo, NotAllowed, NotThere
from drs_provider.cli.run_output import some
from drs_provider.cli.run_view import (
    PLAN_STEPS,
    PREFLIGHT,
    PREFLIGHT_TASK,
    REPORT_TASK,
    WATCH,
    PendingQuestion,
    RunView,
    WaveView,
    depends_on,
    read_questions,
    read_run,
    read_wave,
    wave_names,
)
from drs_provider.exceptions import RunRefused, UsageError
from drs_provider.plan.problems import nearest
from drs_provider.rules.run import controls as orders
from drs_provider.rules.run.controls import END, KEEP_TASK

LOOK_EVERY_SECONDS = 2.0
PATIENCE_SECONDS = 300.0
"""How long a wait bears an Airflow that does not answer: a restart is no reason to give up."""

_LISTED = 20


@dataclass
class Control:
    """One Airflow and what a person wants of it.

    :param say: where a wait tells its news
    """

    client: AirflowClient
    say: Callable[[str], None] = lambda _: None
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def look(self, plan: str, run_id: str | None = None, *, prefer_active: bool = False) -> RunView:
        """Read one run: the named one, or the newest; with ``prefer_active`` the oldest of those that are not over."""
        dag = self._dag(plan)
        return self._whole(dag, self._one_run(plan, dag, run_id, prefer_active=prefer_active))

    def list_runs(self, plan: str | None) -> list[RunView]:
        """Read the newest runs of a plan, or of all plans, the newest first."""
        if plan is not None:
            dag = self._dag(plan)
            return [read_run(dag, run) for run in self.client.runs(PREFIX + plan, _LISTED)]
        dags = {str(dag["dag_id"]): dag for dag in self.client.plan_dags()}
        runs = [read_run(dag, run) for dag_id, dag in dags.items() for run in self.client.runs(dag_id, _LISTED)]
        return sorted(runs, key=lambda run: run.asked_for_at or "", reverse=True)[:_LISTED]

    def start(self, plan: str, options: Namespace) -> RunView:
        """Start a run; refuses where it could only wait behind something."""
        dag = self._dag(plan)
        if options.mode == "recovery" and options.confirm != plan:
            raise UsageError(f"a recovery brings production up: confirm it with --confirm {plan}")
        if dag["is_paused"]:
            raise RunRefused(f"{plan} is paused, so a run would not begin: drs run resume {plan}")
        going_on = [run for run in self.client.runs(dag["dag_id"], _LISTED) if run["state"] in ("queued", "running")]
        if going_on and options.mode != "recovery":
            # A recovery never waits for anything: its preflight decides what it may take.
            raise RunRefused(
                f"{plan} has a run that is not over, {going_on[-1]['dag_run_id']}, and drills of a plan never overlap: "
                f"wait for it (drs run wait {plan}) or cancel it (drs run cancel {plan})"
            )
        self._known_waves(dag, options.wave)
        return self._whole(dag, self.client.trigger(dag["dag_id"], conf_of(options), None))

    def wait(self, plan: str, run_id: str | None, timeout_seconds: float | None) -> RunView:
        """Wait until a run is over; tells every change. Raises ``RunRefused`` when the time is over before."""
        began = answered = self.monotonic()
        run, told = self.look(plan, run_id), ""
        while True:
            told = self._tell(run, told)
            if not run.is_active:
                return run
            if timeout_seconds is not None and self.monotonic() - began >= timeout_seconds:
                raise RunRefused(
                    f"{run.run_id} of {plan} is still {run.state} after {timeout_seconds:.0f} s; it goes on"
                )
            self.sleep(LOOK_EVERY_SECONDS)
            try:
                run = self.look(plan, run.run_id)
                answered = self.monotonic()
            except AirflowUnreachable as error:
                if self.monotonic() - answered >= PATIENCE_SECONDS:
                    raise
                self.say(f"no news: {error}")

    def pause(self, plan: str, run_id: str | None) -> tuple[RunView, str]:
        """Let nothing new start."""
        run = self._active(plan, run_id, "pause")
        self.client.set_paused(PREFIX + plan, paused=True)
        busy = [wave.name for wave in run.waves if wave.state == "running"]
        goes_on = f"DRS jobs of {some(busy)} go on and are judged after the resume; " if busy else ""
        return replace(run, is_paused=True), (
            f"{plan} is paused: nothing new starts, no wave, no clean-up, no scheduled drill. {goes_on}"
            f"Airflow pauses plans, not runs: another run of it waits too. Go on: drs run resume {plan}"
        )

    def resume(self, plan: str) -> str:
        """Let a paused plan go on."""
        if not self._dag(plan)["is_paused"]:
            raise RunRefused(f"{plan} is not paused")
        self.client.set_paused(PREFIX + plan, paused=False)
        return f"{plan} goes on"

    def cancel(self, plan: str, run_id: str | None, reason: str | None) -> tuple[RunView, str]:
        """Let no further wave start; what runs is watched to its end, then cleaned up and reported."""
        run = self._active(plan, run_id, "cancel")
        order = orders.cancellation(self.client.user, reason)
        # What has begun is watched to its end; its steps that have not begun obey like everything else, and so
        # does what its boot order or failed servers would still launch.
        waves = [replace(wave, start_tasks=()) if wave.has_begun else wave for wave in run.waves]
        self._give(run, waves, order, run.own_steps)
        for wave in run.waves:
            if wave.has_begun and wave.state == "running":
                # A start may wait for room with some of its jobs running: it starts no more of them.
                for task in (*wave.start_tasks, f"{wave.name}.{WATCH}"):
                    self.client.keep(PREFIX + plan, run.run_id, task, orders.ORDER, order.as_json())
        run = self.look(plan, run.run_id)
        for question in run.questions:
            self._pass_over(run, question)
        run = self.look(plan, run.run_id)
        stopped = [wave.name for wave in run.waves if not wave.has_begun]
        busy = [wave.name for wave in run.waves if wave.state == "running" and wave.has_begun]
        said = [f"{run.run_id} of {plan} is cancelled, and will end red"]
        said += [f"{some(stopped)}: not started any more"] if stopped else ["every wave had started already"]
        if busy:
            said.append(
                f"{some(busy)}: no further job is started; DRS cannot cancel a job, so what runs is watched to its end"
            )
        said.append("then a drill is cleaned up, and the report is written")
        if run.is_paused:
            said.append(f"the plan is paused, and none of that happens before: drs run resume {plan}")
        return run, "; ".join(said)

    def skip(self, plan: str, wave_name: str, run_id: str | None, reason: str | None) -> tuple[RunView, str]:
        """Leave out a wave when its turn comes."""
        run = self._active(plan, run_id, "skip a wave of")
        wave = _wave(run, wave_name)
        self._refuse_begun(run, wave)
        self._give(run, [wave], orders.skip(wave.name, self.client.user, reason))
        for question in run.questions:
            if question.task.startswith(f"{wave.name}."):
                self._pass_over(run, question)
        run = self.look(plan, run.run_id)
        if _wave(run, wave.name).has_begun:
            raise RunRefused(
                f"wave {wave.name} was just starting: whether it is still left out shows in drs run status {plan}"
            )
        after = [other.name for other in run.waves if wave.name in other.depends_on]
        goes_on = f"; {some(after)} go{'es'[: 2 * (len(after) == 1)]} on then" if after else ""
        return run, f"wave {wave.name} is left out when its turn comes{goes_on}"

    def retry(self, plan: str, wave_name: str, run_id: str | None, reason: str | None) -> tuple[RunView, str]:
        """Run a failed wave again, with everything after it."""
        run = self.look(plan, run_id, prefer_active=True)
        wave = _wave(run, wave_name)
        if wave.state not in ("failed", "cancelled"):
            raise RunRefused(_why_no_retry(run, wave))
        if not run.is_active and run.mode == "drill" and wave.launched:
            raise RunRefused(
                f"the drill {run.run_id} is over, and its clean-up has terminated the {wave.launched} servers that "
                f"wave {wave.name} had launched: start a new drill, drs run start {plan} --wave {wave.name}"
            )
        newer = None if run.is_active else self.look(plan, prefer_active=True)
        if newer and newer.is_active:
            raise RunRefused(
                f"{plan} has another run that is not over, {newer.run_id}, and a plan has one run at a time"
            )
        order = orders.retry(wave.name, self.client.user, reason)
        self._give(run, [wave, *_after(run, wave)], order, run.own_steps)
        if wave.start_tasks:
            self.client.keep(PREFIX + plan, run.run_id, f"{wave.name}.{WATCH}", orders.ORDER, order.as_json())
        if wave.is_launched and wave.failed_steps:
            # Its servers are up: steps before the one that failed have had their effect, and have it once.
            self.client.clear(PREFIX + plan, run.run_id, wave.failed_steps)
            failed = some([task.rpartition(".")[2] for task in wave.failed_steps])
            said = f"wave {wave.name} goes on with step {failed}: its servers are up, and what was done before is kept"
        else:
            self.client.clear(PREFIX + plan, run.run_id, (*wave.failed_steps, *wave.start_tasks))
            said = f"wave {wave.name} runs again: servers that are up are kept, the others are launched"
        later = [other.name for other in _after(run, wave)]
        said += f"; then {some(later)}" if later else ""
        if run.is_paused:
            said += f". The plan is paused: drs run resume {plan}"
        return self.look(plan, run.run_id), said

    def answer(self, plan: str, options: Namespace, option: str) -> tuple[RunView, str]:
        """Answer what a run asks: with ``Approve`` or ``Reject``."""
        run = self._active(plan, options.run_id, "answer for")
        question = _question(run, options.task, options.wave)
        if option not in question.options:
            raise UsageError(
                f"{question.task} does not ask for {option!r} but for one of {', '.join(question.options)}: answer it "
                f"in Airflow, {self.client.address}/dags/{PREFIX}{plan}/runs/{run.run_id}/tasks/{question.task}"
            )
        given = {name: one["value"] for name, one in question.params.items()}
        place = next((name for name in given if name in ("comment", "reason")), None)
        if place and options.comment:
            given[place] = options.comment
        task = (question.task, question.map_index)
        try:
            self.client.answer(PREFIX + plan, run.run_id, task, [option], given)
        except AlreadySo as error:
            raise RunRefused(f"somebody has answered {question.task} already: drs run status {plan}") from error
        if options.comment and not place:
            by = f" by {self.client.user}" if self.client.user else ""
            self._note(run, f"{question.task} answered {option}{by}: {options.comment}")
        return self.look(plan, run.run_id), f"{question.task}: {option}"

    def answer_kept(self, plan: str, run_id: str | None, option: str) -> tuple[RunView, str]:
        """End or extend a drill that is kept for people."""
        run = self._kept(plan, run_id)
        try:
            self.client.answer(PREFIX + plan, run.run_id, (KEEP_TASK, -1), [option], {})
        except AlreadySo as error:
            raise RunRefused(f"somebody has answered {KEEP_TASK} already: drs run status {plan}") from error
        then = "is cleaned up now" if option == END else f"is kept for {option.rpartition(' ')[2]} more"
        return self.look(plan, run.run_id), f"the drill {run.run_id} of {plan} {then}"

    def _kept(self, plan: str, run_id: str | None) -> RunView:
        """Find the run that is kept; without a run id among all that are not over, for a recovery may be beside it."""
        if run_id is not None:
            runs = [self._active(plan, run_id, "end")]
        else:
            dag = self._dag(plan)
            active = [one for one in self.client.runs(dag["dag_id"], _LISTED) if one["state"] == "running"]
            runs = [self._whole(dag, one) for one in active]
        kept = [run for run in runs if any(question.task == KEEP_TASK for question in run.questions)]
        if not kept:
            raise RunRefused(f"no drill of {plan} is kept for people now: drs run status {plan}")
        return kept[-1]

    def _dag(self, plan: str) -> dict[str, Any]:
        try:
            return self.client.dag(PREFIX + plan)
        except NotThere as error:
            names = [str(dag["dag_id"]).removeprefix(PREFIX) for dag in self.client.plan_dags()]
            hint = nearest(plan, names) or "it has none; look at its import errors"
            raise UsageError(f"{self.client.address} has no plan called {plan!r} ({hint})") from error

    def _one_run(self, plan: str, dag: dict[str, Any], run_id: str | None, *, prefer_active: bool) -> dict[str, Any]:
        if run_id is not None:
            try:
                return self.client.run(dag["dag_id"], run_id)
            except NotThere as error:
                known = [str(run["dag_run_id"]) for run in self.client.runs(dag["dag_id"], _LISTED)]
                hint = nearest(run_id, known) or "it has never run"
                raise UsageError(f"{plan} has no run called {run_id!r} ({hint})") from error
        runs = self.client.runs(dag["dag_id"], _LISTED)
        if not runs:
            raise UsageError(f"{plan} has never run: drs run start {plan}")
        active = [run for run in runs if run["state"] in ("queued", "running")]
        return active[-1] if prefer_active and active else runs[0]

    def _whole(self, dag: dict[str, Any], run: dict[str, Any]) -> RunView:
        dag_id, run_id = str(dag["dag_id"]), str(run["dag_run_id"])
        tasks = self.client.dag_tasks(dag_id)
        instances = self.client.task_instances(dag_id, run_id)
        names = wave_names(dag, tasks)
        above = depends_on(tasks, names)
        states = {str(one["task_id"]): one["state"] for one in instances}
        preflight = self.client.xcom(dag_id, run_id, PREFLIGHT_TASK, PREFLIGHT) if PREFLIGHT_TASK in states else None
        has_asked = any(state in ("awaiting_input", "deferred") for state in states.values())
        waves = tuple(
            read_wave(
                name,
                above[name],
                instances,
                preflight=preflight,
                results=self._results(dag_id, run_id, name, states),
                order=self._order(dag_id, run_id, name, states),
            )
            for name in names
        )
        return replace(
            read_run(dag, run),
            waves=waves,
            own_steps=tuple(sorted(task for task in states if task.partition(".")[0] in PLAN_STEPS)),
            questions=read_questions(self.client.questions(dag_id, run_id)) if has_asked else (),
            report=self.client.xcom(dag_id, run_id, REPORT_TASK) if states.get(REPORT_TASK) == "success" else None,
        )

    def _results(self, dag_id: str, run_id: str, wave: str, states: dict[str, Any]) -> Any:
        watch = f"{wave}.{WATCH}"
        return (
            self.client.xcom(dag_id, run_id, watch, "servers") if states.get(watch) in ("success", "failed") else None
        )

    def _order(self, dag_id: str, run_id: str, wave: str, states: dict[str, Any]) -> str | None:
        failed = (task for task, state in states.items() if state == "failed" and task.startswith(f"{wave}."))
        found = (self.client.xcom(dag_id, run_id, task, orders.ORDER) for task in failed if not task.endswith(WATCH))
        return next((str(one) for one in found if one), None)

    def _active(self, plan: str, run_id: str | None, what: str) -> RunView:
        run = self.look(plan, run_id, prefer_active=True)
        if not run.is_active:
            raise RunRefused(f"cannot {what} {run.run_id} of {plan}: it is over, {run.state}")
        return run

    def _give(self, run: RunView, waves: Sequence[WaveView], order: orders.Order, others: Sequence[str] = ()) -> None:
        """Give an order to the starts and steps of these waves, and tell it to people in the run's note."""
        tasks = [task for wave in waves for task in (*wave.start_tasks, *wave.step_tasks)]
        for task in (*tasks, *others):
            self.client.keep(PREFIX + run.plan, run.run_id, task, orders.ORDER, order.as_json())
        self._note(run, order.words)

    def _note(self, run: RunView, line: str) -> None:
        try:
            self.client.write_note(PREFIX + run.plan, run.run_id, orders.added(run.note, line))
        except NotAllowed as error:
            self.say(f"the run's note does not show it: {error}")

    def _pass_over(self, run: RunView, question: PendingQuestion) -> None:
        """Mark the task that asks as skipped: what comes after it has its order. Somebody may just have answered."""
        try:
            self.client.mark(PREFIX + run.plan, run.run_id, question.task, "skipped")
        except AlreadySo:
            return

    def _known_waves(self, dag: dict[str, Any], asked: Sequence[str] | None) -> None:
        names = wave_names(dag, self.client.dag_tasks(str(dag["dag_id"]))) if asked else ()
        for name in asked or ():
            if name not in names:
                raise UsageError(f"no wave called {name!r} ({nearest(name, names)})")

    def _refuse_begun(self, run: RunView, wave: WaveView) -> None:
        if wave.state == "not_started":
            failed = [name for name in wave.depends_on if (above := run.wave(name)) and above.state == "failed"]
            why = f"wave {some(failed)} failed" if failed else "what is before it failed"
            hint = f": drs run retry {run.plan} {failed[0]}" if failed else ""
            raise RunRefused(f"wave {wave.name} is not started, because {why}, nor is anything after it{hint}")
        if wave.has_begun:
            doing = {"running": "runs already", "done": "is done"}.get(wave.state, f"is {wave.state} already")
            raise RunRefused(f"wave {wave.name} {doing}: only a wave that has not started can be left out")

    def _tell(self, run: RunView, told: str) -> str:
        from drs_provider.cli.run_output import progress

        news = progress(run)
        if news != told:
            self.say(f"{self.now():%H:%M:%S}  {news}")
        return news


def conf_of(options: Namespace) -> dict[str, Any]:
    """Give the answers to the trigger form; what was not asked for keeps the form's default."""
    asked = {
        "mode": options.mode,
        "confirm": options.confirm,
        "reason": options.reason,
        "waves": options.wave,
        "exclude_servers": options.exclude_server,
        "point_in_time": options.point_in_time,
        "replace_live_instances": options.replace_live_instances or None,
        "continue_run": getattr(options, "continue_run", None),
    }
    return {name: value for name, value in asked.items() if value is not None}


def _wave(run: RunView, name: str) -> WaveView:
    wave = run.wave(name)
    if wave is None:
        raise UsageError(f"{run.plan} has no wave called {name!r} ({nearest(name, [one.name for one in run.waves])})")
    return wave


def _after(run: RunView, wave: WaveView) -> list[WaveView]:
    """Give the waves that come after one, at any distance."""
    reached = {wave.name}
    while more := {one.name for one in run.waves if reached & set(one.depends_on)} - reached:
        reached |= more
    return [one for one in run.waves if one.name in reached - {wave.name}]


def _why_no_retry(run: RunView, wave: WaveView) -> str:
    if wave.state == "not_started":
        broken = [one.name for one in run.waves if one.state in ("failed", "cancelled")]
        hint = f": retry {some(broken)} instead, this wave comes after it" if broken else ""
        return f"wave {wave.name} has not failed, it was not started{hint}"
    words = {
        "asks": "waits for a person",
        "waiting": "waits for its turn",
        "running": "runs",
        "done": "is done",
        "skipped": "was left out",
    }
    return f"wave {wave.name} has not failed: it {words.get(wave.state, wave.state)}"


def _question(run: RunView, task: str | None, wave: str | None) -> PendingQuestion:
    if not run.questions:
        raise RunRefused(f"{run.run_id} of {run.plan} waits for nobody")
    found = [
        one for one in run.questions if task in (None, one.task) and (wave is None or one.task.startswith(f"{wave}."))
    ]
    names = [one.task for one in run.questions]
    if not found:
        raise UsageError(f"nothing of the kind waits for a person; {run.plan} waits at {some(names)}")
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} tasks wait for a person, {some([one.task for one in found])}: name one with --task"
        )
    return found[0]
