"""The task that sees a wave through: it waits for the jobs, launches what comes next, and judges once over all."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.dag.hand_over import get_ready, hand_over, started_before
from drs_provider.dag.passed_over import passed_over
from drs_provider.dag.run_reader import cleaned_up, preflight_result, skip_where_nothing_is_launched
from drs_provider.dag.task_times import LeavesTimes
from drs_provider.dag.waves.ahead_launches import tried_again
from drs_provider.dag.waves.cancellation import cancelled_watch
from drs_provider.dag.waves.final_sync import proven_points
from drs_provider.dag.waves.guard import WaveGuard
from drs_provider.dag.waves.near_end import NearEnd
from drs_provider.exceptions import AwsError, DrsProviderError, PlanChanged, PreparedKept, RunRefused
from drs_provider.formatting import duration
from drs_provider.operators.base import asking_later, failing_for_good
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.operators.recovery import LOOK_AGAIN_AFTER
from drs_provider.operators.task_memory import task_memory
from drs_provider.rules.run import names
from drs_provider.rules.run.names import FINAL_SYNC, wave_task
from drs_provider.sensors.job import BACKSTOP
from drs_provider.services.signed import leave

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.rules.launch.next_launch import Judge
    from drs_provider.rules.launch.results import Allows, LaunchMember, Ready, ServerResult
    from drs_provider.rules.run.handover import Launch, PreflightResult, RunOrder
    from drs_provider.services.launch.job_results import LaunchResults
    from drs_provider.services.launch.wave_rounds import NoRoom, WaveRounds
    from drs_provider.triggers.one_shot import Whose


class WatchWave(LeavesTimes, NearEnd):
    """Wait for every job of a wave, in all its accounts and Regions, and judge the wave once over all servers.

    Where servers have a boot order, or failed ones are launched again (``retry_failed``, ``fallback``), it starts the
    next jobs itself, through the same exactly-once protocol as the start task, and waits again. All rounds of jobs
    share the wave's ``timeout``; waiting for room does not count. It knows its jobs from the start tasks and from its
    own task state store, so that any leg of it may be the last one lived. What is decided and done in a round stands
    in ``services.wave_rounds``.
    """

    template_fields: Sequence[str] = ()  # nothing to render: everything comes from the start tasks and preflight
    IS_HANDED_OVER: ClassVar[bool] = True
    """Whether waves that wait for this one only are started from here; not those of a way back."""
    rounds: "WaveRounds"
    whose: "Whose"

    def __init__(
        self,
        *,
        plan: str,
        wave: str,
        start_task_ids: Sequence[str],
        digest: str = "",
        retries_of_failed: int = 0,
        networks: Mapping[str, int] | None = None,
        settings_task_ids: Mapping[str, str] | None = None,
        relaunches: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(jobs=(), **kwargs)
        self.plan, self.wave, self.start_task_ids = plan, wave, tuple(start_task_ids)
        self.digest, self.retries_of_failed, self.networks = digest, retries_of_failed, dict(networks or {})
        self.settings_task_ids = dict(settings_task_ids or {})
        self.relaunches = dict(relaunches or {})
        self.is_cut_short = self.is_astray = self.held_back = False
        self.passed_over: RunOrder | None = None

    def prepare(self, context: Context) -> None:
        """Take jobs and servers from what the start tasks, preflight and earlier legs left, on every leg."""
        self.__dict__["hooks"] = {}
        from drs_provider.rules.run.handover import Launch

        left = {task: pull_newest(context, task, Launch) for task in self.start_task_ids}
        self._prepare(context, {task: launch for task, launch in left.items() if launch is not None})
        self._remember_starts(context)

    def _prepare(self, context: Context, launches: "Mapping[str, Launch]") -> None:
        from drs_provider.services.launch.launch_memory import Memory
        from drs_provider.services.launch.wave_rounds import WaveRounds, WaveRun

        ti, run = context["ti"], context["dag_run"]
        if not launches:
            skip_where_nothing_is_launched(context)
            raise AirflowFailException(
                f"wave {self.wave}: no record of a started job. A start task that was marked as successful launched "
                "nothing; clear it to launch the wave"
            )
        if gone := self._cleaned_up(context, launches.values()):
            raise AirflowFailException(
                f"wave {self.wave}: what it had launched was cleaned up ({', '.join(gone)}). Clear its start task with "
                "everything downstream to launch it again, or trigger a new run"
            )
        store, preflight = task_memory(context), self.preflight_of(context, launches)
        synced = wave_task(self.wave, FINAL_SYNC) if preflight.purpose.quiesces else None
        rounds = WaveRounds(
            plan=self.plan,
            wave=self.wave,
            digest=self.digest,
            retries=self.retries_of_failed,
            run=WaveRun(run.dag_id, run.run_id, run.start_date),
            preflight=preflight,
            launches=launches,
            store=store,
            memory=Memory(store, max_tries=ti.max_tries),
            guard=WaveGuard(self, context),
            hook_of=self.hook_of,
            clock=clock.now,
            max_tries=ti.max_tries,
            proven=proven_points(context, synced) if synced else {},
        )
        self._remember_tries(context, rounds)
        # Past Airflow's guard of attributes set after the constructor: this belongs to one leg only.
        self.__dict__["rounds"] = rounds
        self.__dict__["whose"] = {
            "dag_id": run.dag_id,
            "run_id": run.run_id,
            "task_id": self.task_id,
            "attempt": ti.try_number,
        }
        self.__dict__["passed_over"] = passed_over(context)

    def preflight_of(self, context: Context, launches: "Mapping[str, Launch]") -> "PreflightResult":
        """Return what preflight found, as far as this task launches it; for subclasses that do not launch all of it."""
        return preflight_result(context, self.plan)

    def _remember_tries(self, context: Context, rounds: "WaveRounds") -> None:
        """Take what was launched again before the wave's turn for own tries: none of them is counted anew."""
        if rounds.tries_of_this_start() is not None:
            return  # they are among these already
        left = (tried_again(context, task, ahead) for task, ahead in self.relaunches.items())
        rounds.remember_tries([tries for tries in left if tries is not None])

    def execute(self, context: Context) -> Any:
        """Wait for the jobs, unless a person lets the run go on past the failed wave: then judge what is there now.

        Jobs that were started ahead of the wave may have ended: then its instances are started without a wait.
        """
        with failing_for_good():
            self.prepare(context)
            if self.passed_over is not None:
                return self._judge(context, clock.now(), last_word=True)
            if self.rounds.prepared:
                running = self._running_jobs()
                if running == set():
                    self._link_job(self._launches())
                    return self._judge(context, self._deadline(None))
                self._start_beside_relaunches(context, running)
        return super().execute(context)

    def _start_beside_relaunches(self, context: Context, running: Collection[str] | None) -> None:
        """Start what is prepared already where all that still runs are launches of servers that had failed ahead.

        As in a wave whose own turn launches them again. What cannot be started now is when these have ended.
        """
        if self._why_not_started(context) or self._plan_changed():
            return
        try:
            self._start_there(running)
        except DrsProviderError as error:
            self.log.warning("What is prepared is started once the launches of the others have ended: %s", error)

    def _start_there(self, running: Collection[str] | None) -> tuple[str, ...]:
        """Start what is prepared by the jobs that have ended; nothing where one runs that launches nothing again."""
        from drs_provider.services.launch.prepared_rounds import start_prepared

        launches = self.rounds.beside_relaunches(running)
        if not launches:
            return ()
        found = [self._find(launch, self._ready()) for launch in launches]
        return start_prepared(self.rounds, found, ready=self._ready(), allows=super()._tolerance(), order=None).started

    def start_first(self, context: Context, launches: "Mapping[str, Launch]") -> tuple[str, ...]:
        """Start what was launched stopped and comes first in the boot order, from the task that launches the wave.

        Nothing lies between then; the wave's own task sees the instances boot, and starts the others.

        :param context: of the running task, on behalf of this one; see ``operators.task_memory``
        :param launches: what the wave's start tasks launched, by their ids
        :returns: servers whose instance was started
        :raises DrsProviderError: some may have been started
        """
        self.__dict__["is_early"] = True
        try:
            self._prepare(context, launches)
            if not self.rounds.prepared or self._plan_changed():
                return ()
            return self._start_there(self._running_jobs())
        finally:  # the same object runs the task itself where one process runs them all
            self.__dict__["is_early"] = False

    def _remember_starts(self, context: Context) -> None:
        """Take the starts of instances for own ones that the tasks before have asked for."""
        from drs_provider.rules.run.handover import InstanceStarts
        from drs_provider.services.store import load, save

        store, max_tries = task_memory(context), context["ti"].max_tries
        known = load(store, InstanceStarts)
        if not self.rounds.prepared or known is not None:
            return  # of an earlier life of this task as well: what was refused then says nothing now
        if asked := started_before(self, context):
            save(store, InstanceStarts(max_tries=max_tries, instances=asked))

    def _find(self, launch: "Launch", ready: "Ready") -> "LaunchResults":
        """Ask what became of a launch; of a failed wave that is passed over, what cannot be asked is not known."""
        from drs_provider.services.launch.job_results import unknown_results

        try:
            return super()._find(launch, ready)
        except DrsProviderError as error:
            if self.passed_over is None:
                raise
            self.log.warning("What became of the servers in %s is not known: %s", launch.region, error)
            return unknown_results(launch, self._members(), str(error))

    def _judge(self, context: Context, deadline: datetime, *, last_word: bool = False) -> dict[str, JsonValue]:
        """Judge the wave, and let those begin that waited for nothing else."""
        verdict = super()._judge(context, deadline, last_word=last_word)
        if self.IS_HANDED_OVER and self.passed_over is None and not cancelled_watch(context, self.start_task_ids):
            hand_over(self, context)
        return verdict

    def get_ready(self) -> None:
        """Make the clients with which the next waves are started."""
        if not self.__dict__.get("is_ready"):
            self.__dict__["is_ready"] = True
            get_ready(self)

    def waits_in_process(self) -> bool:
        """Wait for the end in this process where another wave begins with it, and workers are free."""
        is_last = not any(names.does(task, names.START) for task in self.downstream_task_ids)
        return self.IS_HANDED_OVER and not is_last and self.passed_over is None and super().waits_in_process()

    def prepared(self) -> "Collection[str]":
        """Return the servers that wait stopped for the wave's turn."""
        return self.rounds.prepared

    def settle(
        self, context: Context, found: "list[LaunchResults]", deadline: datetime, *, is_over: bool
    ) -> "list[LaunchResults]":
        """Start what was launched stopped, stage by stage, and wait for it; return what is to be judged then."""
        from drs_provider.services.launch.prepared_rounds import start_prepared

        if not self.rounds.prepared:
            return super().settle(context, found, deadline, is_over=is_over)
        order = self._why_not_started(context)
        why = order or self._plan_changed() or (self._nobody_waits() if is_over else None)
        with asking_later(self, self.look_again, until=deadline, kwargs={"deadline": deadline.isoformat()}):
            try:
                step = start_prepared(self.rounds, found, ready=self._ready(), allows=super()._tolerance(), order=why)
            except RunRefused as refusal:
                self._leave_known(context, found, str(refusal))
                raise
        self.__dict__["held_back"] = bool(order and step.held_back)
        holder = {result.server_id: result.job_id or "" for result in step.results}
        settled = [
            replace(
                part,
                results=tuple(result for result in step.results if result.server_id in _servers_in(part)),
                pending={server: holder[server] for server in step.awaited if server in _servers_in(part)},
            )
            for part in found
        ]
        for server, words in step.awaited.items():
            self.log.info("%s: %s", server, words)
        if step.awaited and not is_over:
            self._show(context, step.phases, holder)
            self._wait_for_instances(settled, deadline, look_at=step.look_at, stopped_until=step.stopped_until)
        self._leave_boots(context)
        return settled

    def _leave_boots(self, context: Context) -> None:
        """Leave for the report how long the wave's instances took to boot."""
        from drs_provider.rules.run.handover import InstanceBoots, InstanceStarts
        from drs_provider.services.store import load

        known = load(self.rounds.store, InstanceStarts)
        if known and known.max_tries == self.rounds.max_tries and (began := known.began_at):
            leave(context["ti"], InstanceBoots(began_at=began, ended_at=max(began, clock.now())))

    def _show(self, context: Context, phases: Mapping[str, str], holder: Mapping[str, str]) -> None:
        """Leave for people how far the instances of the wave are while they boot."""
        from drs_provider.rules.run.handover import LaunchPhases
        from drs_provider.rules.run.handover.launch_phases import phases_of

        leave(context["ti"], LaunchPhases(jobs=phases_of(phases, holder, seen_at=clock.now())))

    def _why_not_started(self, context: Context) -> str | None:
        """Say by which person's order nothing more of the wave is started."""
        if self.passed_over is not None:
            return self.passed_over.message
        return cancelled_watch(context, self.start_task_ids)

    def _plan_changed(self) -> str | None:
        """Say that the plan was edited since the run began: what was launched before is seen through, no more."""
        known = self.rounds.preflight.digest
        return None if known == self.digest else str(PlanChanged(self.plan, known, self.digest))

    def _leave_known(self, context: Context, found: "list[LaunchResults]", why: str) -> None:
        """Leave what is known of the wave where nothing of it may be started any more."""
        from drs_provider.rules.run.handover import EndedJobs, ServerResults
        from drs_provider.services.launch.prepared_rounds import start_prepared

        known = start_prepared(self.rounds, found, ready=self._ready(), allows=super()._tolerance(), order=why)
        leave(context["ti"], ServerResults(servers=known.results))
        leave(context["ti"], EndedJobs(jobs=tuple(job for part in found for job in part.jobs)))

    def _nobody_waits(self) -> str:
        return f"the {duration(timedelta(seconds=self.timeout))} of the wave's timeout are over"

    @staticmethod
    def _cleaned_up(context: Context, launches: "Iterable[Launch]") -> list[str]:
        """Give the jobs of the wave whose instances an earlier clean-up of this run has terminated."""
        done = cleaned_up(context)
        jobs = {job_id for part in done for job_id in part.job_ids}
        servers = {instance.server_id for part in done for instance in part.terminated}
        return sorted(
            job.job_id
            for launch in launches
            for job in launch.jobs
            if job.job_id in jobs and servers.intersection(job.servers)
        )

    def conclude(self, context: Context, results: "Sequence[ServerResult]") -> "tuple[ServerResult, ...]":
        """Launch what comes next, or add the servers that were never launched to the results."""
        from drs_provider.rules.run.handover import InstanceChecks

        step = self._launch_rest(context, results)
        self._leave(context)
        try:
            judged, checks = self.rounds.look_after_instances(results)
        except DrsProviderError as error:
            if self.passed_over is None:
                raise
            self.log.warning("The instances were not looked after: %s", error)
            judged, checks = tuple(results), InstanceChecks()
        leave(context["ti"], checks)
        self._set_started(judged)
        self.is_cut_short = step.is_cut_short or self.held_back
        self.is_astray = any(check.is_astray for check in checks.servers.values())
        return (*judged, *step.missing)

    def _set_started(self, results: "Sequence[ServerResult]") -> None:
        """Set launch settings back for the servers that run; one that cannot be is said, and takes nothing away."""
        from drs_provider.services.launch.prepared_rounds import set_started

        try:
            set_started(self.rounds, results)
        except DrsProviderError as error:
            self.log.warning(
                "The launch settings of the wave's servers still say that a launch stays stopped: %s. Set \"Start "
                'instance upon launch" for them in the DRS console',
                error,
            )

    def _launch_rest(self, context: Context, results: "Sequence[ServerResult]") -> "Judge":
        """Launch what comes next and wait for it; return only where there is nothing more to launch."""
        from drs_provider.rules.launch.next_launch import NOTHING_STARTED, LaunchNext
        from drs_provider.services.launch.wave_rounds import NoRoom, NothingStarted

        stopped = self._time_is_over()
        while True:
            order = cancelled_watch(context, self.start_task_ids)
            if order is not None and self.passed_over is None and self.rounds.follow_begun():
                self.watch(self.rounds.watched)
            step = self.rounds.next_step(results, allows=self._tolerance(), order=order, stopped=stopped)
            if not isinstance(step, LaunchNext):
                return step
            try:
                outcome = self.rounds.launch(step.launches)
            except PreparedKept as refusal:
                self.log.warning("Not launched again: %s", refusal)
                stopped = f"not launched: {refusal}"
                if self.rounds.follow_begun():  # what the same round has started before that is waited for first
                    self.watch(self.rounds.watched)
                continue
            if isinstance(outcome, NoRoom):
                self._wait_for_room(outcome)
            if not isinstance(outcome, NothingStarted):
                self.watch(self.rounds.watched)
            self.log.error("%s", NOTHING_STARTED)
            stopped = NOTHING_STARTED

    def _time_is_over(self) -> str | None:
        """Say why nothing more is launched where the wave's time is over: nobody would wait for it."""
        if clock.now() < self.new_deadline():
            return None
        return f"not launched: the {duration(timedelta(seconds=self.timeout))} of the wave's timeout are over"

    def shown_for(self) -> "Whose | None":
        """Return the task itself: the board shows what DRS does with its servers."""
        return self.whose

    def new_deadline(self) -> datetime:
        """Return the wave's one deadline: every round of it goes on with what is left of its time."""
        return self.rounds.deadline(timedelta(seconds=self.timeout))

    def _deadline(self, carried: str | None) -> datetime:
        return self.new_deadline()

    def room_found(self, context: Context, event: object) -> dict[str, JsonValue]:
        """Go on after a wait for room: look again at everything, and launch what fits."""
        with failing_for_good():
            self.prepare(context)
            if isinstance(event, Mapping) and event.get("outcome") == "refused":
                raise AwsError("DescribeJobs", "Refused", str(event["detail"]))
            return self._judge(context, self._deadline(None))

    def ensure_may_launch(self, server_ids: Sequence[str]) -> None:
        """Look whether servers may be launched by a later launch of the wave; every server of a plan may."""

    def hook_of(self, launch: "Launch") -> "LaunchSettingsHook":
        """Return the hook of a launch's account and Region; one for each, as long as this leg lasts.

        Every new one costs a client, and the next wave waits for it.
        """
        from drs_provider.hooks.launch_settings import LaunchSettingsHook

        aws = launch.aws(self.aws)
        arguments = {**aws, **self._patience()}
        hooks: dict[str, LaunchSettingsHook] = self.__dict__.setdefault("hooks", {})
        return hooks.setdefault(json.dumps(arguments, sort_keys=True, default=str), LaunchSettingsHook(**arguments))

    def hook_to_find(self, launch: "Launch") -> "LaunchSettingsHook":
        """Return the same hook."""
        return self.hook_of(launch)

    def _patience(self) -> dict[str, Any]:
        """Wait for no answer of AWS where the task of another wave waits meanwhile with its verdict."""
        return {"patience": 0} if self.__dict__.get("is_early") or self.__dict__.get("is_holding") else {}

    def _wait_for_room(self, full: "NoRoom") -> NoReturn:
        from drs_provider.services.launch.wave_rounds import MAX_WAIT

        self.rounds.wait_for_room(full.wait)
        self.log.info("Waiting for capacity, will retry: %s", full.wait.why)
        now, resume = clock.now(), self.room_found.__name__
        if full.wait.job_ids:
            from drs_provider.triggers.jobs import DrsJobTrigger

            self.defer(
                trigger=DrsJobTrigger(
                    watches=[{"aws": full.launched.launch.aws(self.aws), "job_ids": list(full.wait.job_ids)}],
                    since=now.isoformat(),
                    deadline=(now + MAX_WAIT).isoformat(),
                    until=full.wait.until,
                ),
                method_name=resume,
                timeout=MAX_WAIT + BACKSTOP,
            )
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        trigger = DateTimeTrigger(moment=now + LOOK_AGAIN_AFTER)
        self.defer(trigger=trigger, method_name=resume, timeout=MAX_WAIT + BACKSTOP)

    def _leave(self, context: Context) -> None:
        """Leave what was launched after the start, and what failed before, for the report."""
        if later := self.rounds.later_launches():
            leave(context["ti"], later)
        if tries := self.rounds.earlier_tries():
            leave(context["ti"], tries)

    def _launches(self) -> "tuple[Launch, ...]":
        return self.rounds.watched

    def _members(self) -> "dict[str, LaunchMember]":
        from drs_provider.rules.launch.results import LaunchMember

        return {
            server.server_id: LaunchMember(server.server_id, server.hostname, critical=server.critical)
            for server in self.rounds.servers
        }

    def _tolerance(self) -> "Allows":
        from drs_provider.rules.launch.results import tolerance

        if self.passed_over is not None and not self.is_astray:
            return lambda _failed, _critical: True
        # What a plan tolerates are failures, not that a person ended the wave: nothing may go on after it.
        return tolerance("0") if self.is_cut_short else super()._tolerance()


def _servers_in(part: "LaunchResults") -> set[str]:
    return {result.server_id for result in part.results}
