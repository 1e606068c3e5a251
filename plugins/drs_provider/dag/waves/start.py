"""The tasks that start the jobs of a wave, and the squares that show what became of each server."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, Context, conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.dag.hand_over import BriefSleep, handed_over, start_prepared_here, why_not_early
from drs_provider.dag.passed_over import passed_over
from drs_provider.dag.people.agreement import ensure_pause_answered, ensure_people_agreed
from drs_provider.dag.run_reader import cleaned_up, order_of, preflight_result, skip_where_nothing_is_launched
from drs_provider.dag.steps.context import ensure_steps_approved
from drs_provider.dag.target_region import settle_region
from drs_provider.dag.waves.ahead_launches import launched_again, launched_ahead
from drs_provider.dag.waves.cancellation import cancelled_start, obey_before_a_start
from drs_provider.dag.waves.network import ensure_still_isolated, network_of
from drs_provider.dag.waves.preemption import ensure_not_taken_over
from drs_provider.dag.waves.settings import ensure_in_force, in_this_run
from drs_provider.exceptions import DrsProviderError, PlanChanged
from drs_provider.formatting import MANY, some
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.operators.recovery import DrsStartRecoveryOperator
from drs_provider.operators.task_memory import task_memory
from drs_provider.plan.model import Pause
from drs_provider.rules.purpose import DRILL, PURPOSES, Purpose, purpose_of
from drs_provider.rules.run.approvals import Policy
from drs_provider.rules.run.roster import Target
from drs_provider.rules.run.shape import AskedBefore
from drs_provider.services.signed import leave

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.rules.run.handover import (
        HandedOver,
        Launch,
        LaunchedJob,
        LaunchIntent,
        PreflightResult,
        PreflightServer,
    )


class StartWave(DrsStartRecoveryOperator):
    """Start the jobs of one wave in one account and Region, for the servers that preflight found.

    Refuses when the plan on disk is no longer the plan that the run was started with. Returns the wave's servers, a
    list, so that the tasks that show them can be mapped over it; the jobs travel under the key ``launch``.
    """

    template_fields: Sequence[str] = ()  # nothing to render: everything comes from preflight
    asked_before: Sequence[AskedBefore] = ()
    ahead_task_id: str = ""
    """What launches servers of the wave before its turn; empty: nothing does."""
    relaunch_task_id: str = ""
    """What launches those of them again whose launch has failed, before its turn; empty: nothing does."""
    PURPOSES: ClassVar[tuple[Purpose, ...]] = PURPOSES
    IS_HANDED_OVER: ClassVar[bool] = True
    """Whether the task of a wave before may start it; not where a subclass launches under conditions of its own."""

    def __init__(
        self,
        *,
        plan: str,
        digest: str,
        wave: str,
        target: Target,
        policy: Policy | None = None,
        approval_task_ids: Sequence[str] = (),
        pause: Pause | None = None,
        pause_task_id: str = "",
        settings_task_id: str = "",
        sync_task_id: str = "",
        stop_task_id: str = "",
        network: int = 0,
        lifetime: timedelta = timedelta(days=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            source_server_ids=(),
            is_drill=True,
            aws_conn_id=target.aws_conn_id,
            region_name=target.region or None,
            launch_name=wave,
            **kwargs,
        )
        self.plan, self.digest, self.wave, self.target = plan, digest, wave, target
        self.policy, self.approval_task_ids = policy, tuple(approval_task_ids)
        self.pause, self.pause_task_id = pause, pause_task_id
        self.sync_task_id, self.stop_task_id = sync_task_id, stop_task_id
        self.settings_task_id, self.network, self.lifetime = settings_task_id, network, lifetime
        self.servers: tuple[PreflightServer, ...] = ()
        self.purpose: Purpose = DRILL
        self.as_of: datetime | None = None

    @cached_property
    def hook(self) -> "LaunchSettingsHook":
        """The hook of this wave's account and Region, made when first asked for."""
        from drs_provider.hooks.launch_settings import LaunchSettingsHook

        # The task of another wave waits with its verdict for what it begins here: what AWS does not answer is left.
        return LaunchSettingsHook(**self.aws, **({"patience": 0} if self.is_early else {}))

    @property
    def is_early(self) -> bool:
        """Whether the task of a wave before this one starts it, on this leg."""
        return bool(self.__dict__.get("early"))

    def get_ready(self) -> None:
        """Make the client for an early start; the Region of one that is named by its connection is not known yet."""
        if self.target.region:
            self.__dict__.pop("hook", None)
            self.__dict__["early"] = True
            _ = self.hook.conn

    def start_early(self, context: Context) -> "Launch | None":
        """Start the jobs of the wave from the task of a wave before it, so that no process has to begin in between.

        The jobs are this wave's by their tags, and what was launched is left for this task, which takes it for its own.

        :param context: of the running task, on behalf of this one; see ``operators.task_memory``
        :returns: what was launched
        :raises TaskDeferred: something has to be waited for: this task waits for it, in its turn
        """
        if not self.is_early:
            self.__dict__.pop("hook", None)
            self.__dict__["early"] = True
        self.__dict__["brief_sleep"] = BriefSleep()
        try:
            self._leg(context, None)
            return self.__dict__.get("launched_early")
        finally:  # the same object runs the task itself where one process runs them all
            self._be_itself()

    def _be_itself(self) -> None:
        """Forget what an early start was given: one object is both where one process runs every task."""
        if self.is_early:
            for name in ("early", "launched_early", "hook"):
                self.__dict__.pop(name, None)

    def execute(self, context: Context) -> JsonValue:
        """Start the wave, unless a person has cancelled the run or left this wave out while the run went on.

        The order is read when the wave's turn comes: marking this task beforehand would let the waves after it, and
        the clean-up, start beside waves that still run. A start that died on the way is finished all the same: its
        job may exist, and must be watched.
        """
        self._be_itself()
        if self._is_handed_over(context):
            cancelled_start(context)  # it runs, and must be watched; who watches it is told
        else:
            obey_before_a_start(context)
        return self._or_pass_over(context, super().execute)

    def resume_start(self, context: Context, event: object, *, waiting_since: str | None = None) -> JsonValue:
        """Go on after a wait, unless a person has ordered otherwise while nothing of the wave was started."""
        self._be_itself()
        obey_before_a_start(context)
        return super().resume_start(context, event, waiting_since=waiting_since)

    def pause_for(self, seconds: float) -> None:
        """Let time pass between two calls; of an early start as little as a hand-over may take."""
        brief: BriefSleep | None = self.__dict__.get("brief_sleep") if self.is_early else None
        (brief or clock.sleep)(seconds)

    def _or_pass_over(self, context: Context, start: Callable[[Context], JsonValue]) -> JsonValue:
        """Finish a start, and be skipped where it cannot be finished although a person lets the run go on past it."""
        order = passed_over(context)
        if order:
            self.max_wait = timedelta(0)  # for nothing: the run goes on without what does not answer now
        try:
            return start(context)
        except (AirflowFailException, DrsProviderError) as error:
            if order is None:
                raise
            raise AirflowSkipException(f"{order.message}; it still failed: {error}") from error

    def why_ended(self, context: Context) -> str | None:
        """Start no further job of the wave once the run is cancelled; those that exist are handed on and watched."""
        if self.is_early:
            return why_not_early(context, self.wave)
        return cancelled_start(context)

    def cleaned_jobs(self, context: Context) -> Collection[str]:
        """Return the jobs that an earlier clean-up of this run has terminated the instances of."""
        return {job_id for done in cleaned_up(context) for job_id in done.job_ids}

    def prepare(self, context: Context) -> None:
        """Take mode, quotas and servers from preflight, on every leg of the task."""
        from drs_provider.rules.launch.next_launch import stages
        from drs_provider.rules.launch.tags import life_tags

        skip_where_nothing_is_launched(context)
        preflight = preflight_result(context, self.plan)
        if preflight.digest != self.digest:
            raise PlanChanged(self.plan, preflight.digest, self.digest)
        self.purpose, self.as_of = purpose_of(preflight.mode, self.PURPOSES), preflight.as_of
        self.is_drill = self.purpose.is_drill
        quotas = preflight.quotas_of(self.target)
        self.quotas = asdict(quotas) if quotas else None
        self.replace_live_instances, self.replace_drills = preflight.replace_live_instances, preflight.replace_drills
        self.continue_run, self.installation = preflight.continue_run, preflight.installation
        wave = preflight.wave(self.wave)
        if not wave.selected:
            raise AirflowSkipException(f"wave {self.wave} was not chosen for this run")
        self.servers = preflight.servers_of(self.wave, self.target)
        if not self.servers:
            lost = next((place.words for place in wave.lost if place.where == str(self.target)), None)
            raise AirflowSkipException(lost or f"wave {self.wave} has no server left to launch in {self.target}")
        settle_region(self, context, self.target)
        self._ensure_agreed(context, preflight)
        if self.purpose.quiesces:
            self._ensure_quiet(context)
        if self.purpose.yields:
            ensure_not_taken_over(context, preflight, self.hook)
        self.tags = life_tags(self.purpose, now=self._now(), lifetime=self.lifetime)
        # The others of a boot order are launched by the task that watches these; what waits stopped, all at once.
        first = stages(wave.servers)[0]
        later = [server.server_id for server in self.servers if server.ahead and server.server_id not in first]
        stopped = self._left_stopped(later)
        self.source_server_ids = [
            server.server_id for server in self.servers if server.server_id in stopped or server.server_id in first
        ]
        self._remember_ahead(context)

    def _left_stopped(self, servers: Sequence[str]) -> frozenset[str]:
        """Return those of these servers that DRS leaves stopped when it launches them, as their settings are now."""
        from drs_provider.rules.ahead.eligibility import is_left_stopped

        configurations = self.hook.launch_configurations(servers) if servers else {}
        return frozenset(server for server, found in configurations.items() if is_left_stopped(found))

    def _launched_ahead(self, context: Context) -> "Launch | None":
        """Return what was launched of the wave before this task; None: nothing was.

        The task of a wave before this one has taken over what was launched ahead, and knows more.
        """
        handed = None if self.is_early else handed_over(self, context)
        if handed and (launch := handed.launches.get(self.task_id)):
            return launch
        again = launched_again(context, self.relaunch_task_id, self.ahead_task_id)
        return again or launched_ahead(context, self.ahead_task_id)

    def _is_handed_over(self, context: Context) -> bool:
        """Tell whether the task of a wave before this one has started it already; for a skip, whether it runs."""
        from drs_provider.rules.run.handover import LaunchAttempt
        from drs_provider.services.store import load

        known, handed = load(task_memory(context), LaunchAttempt), handed_over(self, context)
        launch = handed.launches.get(self.task_id) if handed else None
        if known is None and handed is not None and handed.intents.get(self.task_id):
            return True  # a job may exist of which no answer has told
        if handed is None or launch is None or (known is not None and known.attempt >= launch.attempt):
            return False
        order = order_of(context)
        return not (order and order.kind == "skip") or self._is_begun(context, handed, launch)

    def _is_begun(self, context: Context, handed: "HandedOver", launch: "Launch") -> bool:
        """Tell whether anything of the wave began with that: its instances that were launched ahead are stopped."""
        again = launched_again(context, self.relaunch_task_id, self.ahead_task_id)
        before = again or launched_ahead(context, self.ahead_task_id)
        known = before.job_ids if before else ()
        return not {*launch.job_ids} <= {*known} or any(task in handed.starts for task in self.downstream_task_ids)

    def _remember_ahead(self, context: Context) -> None:
        """Take the jobs that were started before the wave's turn for own ones: DRS may not show them at once."""
        from drs_provider.rules.run.handover import LaunchAttempt, StartedJob
        from drs_provider.services.launch.launch_memory import Memory
        from drs_provider.services.store import load

        self._remember_intents(context)
        launch = self._launched_ahead(context)
        if launch is None:
            return
        store = task_memory(context)
        known = load(store, LaunchAttempt)
        # A task that was cleared together with what launches before it has a launch of its new life there already.
        if known is not None and known.attempt >= launch.attempt:
            return
        memory, request = Memory(store, max_tries=context["ti"].max_tries), self._request(context)
        cleaned = self.cleaned_jobs(context)
        there = [job for job in launch.jobs if job.job_id not in cleaned]
        for number, job in enumerate(there):
            tags = request.own_tags(chunk=number, attempt=job.attempt)
            memory.keep_job(StartedJob(job_id=job.job_id, created_at=job.created_at, tags=tags, servers=job.servers))
        # What is gone since is launched again, by the next attempt; it keeps what the one before has launched.
        newest = max([launch.attempt, *(job.attempt for job in there)])
        is_gone = len(there) < len(launch.jobs) or self._is_any_gone(there, newest)
        memory.begin(newest + 1 if is_gone else launch.attempt)

    def _remember_intents(self, context: Context) -> None:
        """Look for what another task was about to launch of this wave as if this one had been."""
        from drs_provider.rules.run.handover import LaunchAttempt
        from drs_provider.services.launch.launch_memory import Memory
        from drs_provider.services.store import load

        handed = None if self.is_early else handed_over(self, context)
        if handed is None or not (intents := handed.intents.get(self.task_id)):
            return
        store = task_memory(context)
        memory = Memory(store, max_tries=context["ti"].max_tries)
        if load(store, LaunchAttempt) is None and not memory.intents():
            for intent in intents:
                memory.intend(intent.tags, intent.servers, at=intent.at)

    def begun(self, context: Context) -> "tuple[Launch | None, tuple[LaunchIntent, ...]]":
        """Give what an early start has begun before something came in between: its jobs, and what may be one."""
        from drs_provider.rules.launch.tags import attempt_of
        from drs_provider.rules.run.handover import Launch, LaunchedJob
        from drs_provider.services.launch.launch_memory import Memory

        memory = Memory(task_memory(context), max_tries=context["ti"].max_tries)
        jobs = tuple(
            LaunchedJob(
                job_id=job.job_id,
                servers=job.servers,
                created_at=job.created_at,
                attempt=max(1, attempt_of(job.tags)),
            )
            for job in memory.jobs()
        )
        held = {server for job in jobs for server in job.servers}
        intents = tuple(intent for intent in memory.intents() if not held & {*intent.servers})
        if not jobs:
            return None, intents
        attempt = max(job.attempt for job in jobs)
        region = self.target.region or self.hook.region
        return Launch(aws_conn_id=self.aws_conn_id, region=region, attempt=attempt, jobs=jobs), intents

    def _is_any_gone(self, jobs: "Sequence[LaunchedJob]", attempt: int) -> bool:
        """Tell whether an instance is no more that was launched ahead; what DRS may not show yet is not gone."""
        from drs_provider.rules.launch.job_assignment import gone_servers, launched_before
        from drs_provider.rules.launch.jobs import own_job

        known = [own_job(job) for job in self.hook.jobs([job.job_id for job in jobs])]
        launched = launched_before([server for job in jobs for server in job.servers], known, attempt=attempt + 1)
        instances = self.hook.recovery_instances(source_server_ids=tuple(launched)) if launched else ()
        return bool(gone_servers(launched, instances, now=self._now()).gone)

    def _ensure_agreed(self, context: Context, preflight: "PreflightResult") -> None:
        """Look for the recorded answers of those who were asked: "Mark success" on their tasks records nothing."""
        ensure_people_agreed(context, preflight, self.policy, self.approval_task_ids)
        if self.pause is not None:
            ensure_pause_answered(context, self.pause, self.pause_task_id)
        ensure_steps_approved(context, self.asked_before)

    def _ensure_quiet(self, context: Context) -> None:
        """Look for the records of the last sync and of the stopped sources: nobody can mark them as done."""
        from drs_provider.dag.waves.final_sync import ensure_synced
        from drs_provider.dag.waves.stop_sources import ensure_stopped

        ensure_synced(context, self.sync_task_id, self.wave, [server.server_id for server in self.servers])
        if self.stop_task_id:
            ensure_stopped(context, self.stop_task_id, self.wave, self.servers)

    def finish(self, context: Context, launch: "Launch") -> JsonValue:
        """Hand the jobs to the task that watches them, and the servers to the tasks that show them."""
        from drs_provider.rules.run.handover import PinnedPoints
        from drs_provider.rules.run.squares import MOST_SQUARES, squares_of
        from drs_provider.services.store import load

        self.log.info(
            "wave %s: %d jobs launch %d of %d servers: %s",
            self.wave,
            len(launch.jobs),
            sum(len(job.servers) for job in launch.jobs),
            len(self.servers),
            some([server.hostname for server in self.servers], MANY),
        )
        kept, ahead = load(task_memory(context), PinnedPoints), self._launched_ahead(context)
        points = {**(ahead.points if ahead else {}), **(kept.points if kept else {})}
        # Of what was launched before the turn, its own task knows whether that was found or started.
        adopted = {job.job_id: job.adopted for job in (ahead.jobs if ahead else ())}
        jobs = tuple(job.model_copy(update={"adopted": adopted.get(job.job_id, job.adopted)}) for job in launch.jobs)
        whole = launch.model_copy(update={"jobs": jobs, "tags": dict(self.tags or {}), "points": points})
        if self.is_early:
            self.__dict__["launched_early"] = whole
            return None
        leave(context["ti"], whole)
        start_prepared_here(context, self, whole)
        most = conf.getint("core", "max_map_length", fallback=MOST_SQUARES)
        return [square.to_json() for square in squares_of(self.servers, most)]

    def points_of(self, context: Context, servers: Sequence[str]) -> Mapping[str, str]:
        """Look again at what the launch will use: settings may have changed, points age out, a source may have gone."""
        from drs_provider.dag.waves.final_sync import proven_points
        from drs_provider.services.launch.recovery_points import Pinning

        if self.network and self.purpose.uses_drill_network:
            ensure_still_isolated(network_of(context, self.network), self.aws)
        if self.settings_task_id:
            known = {server.server_id: server for server in self.servers}
            wanted = {server.server_id: server.settings for server in self.servers}
            settings = in_this_run(context, wanted, known, purpose=self.purpose, network=self.network)
            ensure_in_force(context, self.settings_task_id, self.hook, servers, settings, purpose=self.purpose)
        names = {server.server_id: server.hostname for server in self.servers}
        proven = proven_points(context, self.sync_task_id) if self.purpose.quiesces else {}
        pinning = Pinning(self.purpose, self.as_of, names, task_memory(context), proven=proven)
        return pinning.points(self.hook, servers)


class ServerOutcome(BaseOperator):
    """Show what became of one server, or of a few of a big wave, as one square in Airflow. Nothing waits for it."""

    ui_color = "#e8f0f8"
    ui_fgcolor = "#1b2a3a"

    def __init__(self, *, server: Mapping[str, JsonValue], watch_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.server, self.watch_task_id = server, watch_task_id

    def execute(self, context: Context) -> dict[str, JsonValue]:
        """Succeed for launched servers, fail for failed ones, skip for those whose failure the wave tolerates."""
        from drs_provider.rules.run.handover import MappedServer, ServerResults, WaveVerdict

        square = MappedServer.from_json(self.server)
        labels: Any = context  # what map_index_template finds
        labels["server_name"] = square.label
        results = pull_newest(context, self.watch_task_id, ServerResults)
        by_id = results.by_id if results else {}
        if missing := [name for server, name in square.hostnames.items() if server not in by_id]:
            raise AirflowFailException(f"{some(missing)}: the wave's job left no result for it")
        found = [by_id[server] for server in square.hostnames]
        if failed := [result for result in found if result.status != "launched"]:
            why = some([f"{result.hostname}: {result.reason or result.status}" for result in failed], MANY, "; ")
            if pull_newest(context, self.watch_task_id, WaveVerdict):
                raise AirflowSkipException(f"{why} (the wave tolerates it)")
            raise AirflowFailException(why)
        for result in found:
            self.log.info("%s: launched as %s", result.hostname, result.instance_id)
        return found[0].as_json() if len(found) == 1 else {result.server_id: result.instance_id for result in found}
