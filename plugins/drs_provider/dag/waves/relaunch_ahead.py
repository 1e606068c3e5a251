"""The task that launches servers again before their wave's turn whose launch ahead has failed."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from drs_provider.airflow_internals.tasks import is_dag_paused
from drs_provider.dag.hand_over import WaveStart, handed_over
from drs_provider.dag.run_reader import order_of, preflight_result
from drs_provider.dag.waves.guard import WaveGuard
from drs_provider.dag.waves.watch import WatchWave
from drs_provider.exceptions import DrsProviderError, JobTimedOut, RunRefused
from drs_provider.formatting import MANY, some
from drs_provider.operators.base import asking_later
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.operators.task_memory import task_memory
from drs_provider.rules.ahead.again import failed_for_good
from drs_provider.rules.ahead.eligibility import is_left_stopped
from drs_provider.services.signed import leave

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.rules.launch.results import ServerResult
    from drs_provider.rules.run.handover import Launch, PreflightResult
    from drs_provider.rules.settings.values import Settings
    from drs_provider.services.launch.wave_rounds import TargetLaunch


class RelaunchAhead(WatchWave):
    """Wait for the jobs that were started ahead of a wave in one account and Region, and launch again what failed.

    As the wave would in its turn (``retry_failed``, ``fallback``), through the same exactly-once protocol, while the
    waves before still boot. From the wave's turn on it starts no job: the wave's own tasks take its jobs up by their
    tags, and its tries for theirs, so that none is counted anew. Nothing waits for it but the end of the run, and it
    never fails: what it cannot do, the wave does.
    """

    IS_HANDED_OVER: ClassVar[bool] = False

    def __init__(self, *, turn_task_ids: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.turn_task_ids = tuple(turn_task_ids)

    def prepare(self, context: Context) -> None:
        """Take the jobs from the task that launches ahead, on every leg.

        :raises AirflowSkipException: it has launched nothing
        """
        from drs_provider.rules.run.handover import Launch

        self.__dict__["hooks"] = {}
        (ahead,) = self.start_task_ids
        launch = pull_newest(context, ahead, Launch)
        if launch is None or not launch.jobs:
            raise AirflowSkipException(f"nothing of wave {self.wave} was launched ahead here")
        self._prepare(context, {ahead: launch})
        self.rounds.guard = StoppedGuard(self, context)
        self._leave(context)  # Airflow forgets on a retry what the try before has left

    def preflight_of(self, context: Context, launches: "Mapping[str, Launch]") -> "PreflightResult":
        """Return of the wave what was launched ahead."""
        servers = {server for launch in launches.values() for server in launch.servers}
        return preflight_result(context, self.plan).launched_ahead(self.wave, servers)

    def execute(self, context: Context) -> Any:
        """Wait for the jobs, which may have ended."""

        def wait() -> None:
            self.prepare(context)
            self._link_job(self._launches())
            if not self._have_jobs_ended():
                self.watch(self._launches())
            self._judge(context, self._deadline(None))

        return self._or_leave_it(context, wait)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a wait, or leave the rest to the wave."""
        resume = super().resume_execution
        return self._or_leave_it(context, lambda: resume(next_method, next_kwargs, context))

    def _or_leave_it(self, context: Context, go_on: Callable[[], Any]) -> Any:
        """Go on; where that comes to nothing, whatever the reason, the wave looks again in its turn.

        :raises AirflowSkipException: it came to nothing
        """
        words = f"nothing more is launched again ahead; wave {self.wave} looks again in its turn"
        try:
            return go_on()
        except (AirflowFailException, DrsProviderError) as error:
            self._leave_begun(context)
            raise AirflowSkipException(f"{words}: {error}") from error
        except AirflowSkipException:
            raise
        except Exception as error:
            self.log.exception("This should not happen, and is left to the wave, which looks again in its turn")
            self._leave_begun(context)
            raise AirflowSkipException(f"{words}: {type(error).__name__}: {error}") from error

    def _judge(self, context: Context, deadline: datetime, *, last_word: bool = False) -> Any:
        """Launch again what has failed and may be tried again, and wait for it; return when there is nothing more."""
        with asking_later(self, self.look_again, until=deadline, kwargs={"deadline": deadline.isoformat()}):
            found = [self._find(launch, "launched") for launch in self._launches()]
            pending = {server for part in found for server in part.pending}
            self._launch_again(context, failed_for_good([each for part in found for each in part.results], pending))

    def _launch_again(self, context: Context, results: "Sequence[ServerResult]") -> None:
        from drs_provider.rules.launch.next_launch import LaunchNext
        from drs_provider.services.launch.wave_rounds import NoRoom, NothingStarted

        why = self.why_not(context)
        step = self.rounds.next_step(results, allows=lambda _failed, _critical: True, stopped=why)
        if not isinstance(step, LaunchNext):
            if why:
                self._leave_begun(context)
            self.log.info("Wave %s: nothing is launched again ahead%s", self.wave, f": {why}" if why else "")
            return
        self._leave(context)  # before the launch: whoever takes its job up knows that it was a try
        outcome = self.rounds.launch(step.launches)
        if isinstance(outcome, NoRoom):
            self._wait_for_room(outcome)
        self._leave(context)
        if isinstance(outcome, NothingStarted):
            self.log.warning("Wave %s: no job came of what was to be launched again ahead", self.wave)
            return
        self.watch(self._launches())

    def why_not(self, context: Context) -> str | None:
        """Say why this task launches nothing more: somebody's order, a paused plan, or the wave's own turn."""
        if order := order_of(context):
            return order.message
        if is_dag_paused(context["ti"].dag_id):
            return "the plan is paused"
        ti = context["ti"]
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
        if any(states.get(task) for task in self.turn_task_ids):
            return f"wave {self.wave} has begun, or will not"
        starts = [cast("WaveStart", self.dag.get_task(task)) for task in self.turn_task_ids]
        if any(handed_over(start, context) for start in starts):
            return f"wave {self.wave} has begun"
        return self._time_is_over()

    def _leave(self, context: Context) -> None:
        """Leave what was launched again, and what had failed, for the wave's own tasks and for the report.

        Nothing of a life before: what was cleared together with the launch ahead begins anew.
        """
        from drs_provider.rules.run.handover import PinnedPoints
        from drs_provider.services.store import load

        tries, base = self.rounds.tries_of_this_start(), self.rounds.base
        if tries is None:
            return
        leave(context["ti"], tries)
        (launched,), (ahead,) = self.rounds.started, self.rounds.launches.values()
        jobs = tuple(job for job in launched.launch.jobs if job.attempt > base or job.job_id in ahead.job_ids)
        kept = load(task_memory(context), PinnedPoints)
        points = {**launched.launch.points, **(kept.points if kept else {})}
        leave(context["ti"], launched.launch.model_copy(update={"jobs": jobs, "points": points}))

    def _leave_begun(self, context: Context) -> None:
        """Leave the jobs of a launch that was cut short, too; the wave finds them by their tags as well."""
        if "rounds" not in self.__dict__:
            return
        try:
            self.rounds.follow_begun()
            self._leave(context)
        except Exception:
            self.log.exception("Which jobs were started is not left for the wave, which looks for them by their tags")

    def shown_for(self) -> None:
        """Have nobody read the jobs' logs: the board shows the wave's own task."""

    def _timed_out(self, context: Context) -> JobTimedOut:
        return JobTimedOut([job for launch in self._launches() for job in launch.job_ids], f"{self.timeout:.0f} s")


class StoppedGuard(WaveGuard):
    """Looks right before every launch whether it is still this task's, and whether DRS would leave instances stopped.

    Where settings are changed for a launch, as a ``fallback`` says, those that are applied say the latter.
    """

    def __init__(self, task: RelaunchAhead, context: Context) -> None:
        super().__init__(task, context)
        self._why_not = partial(task.why_not, context)

    def order(self) -> str | None:
        """Say why nothing more is launched: asked before every job but the first, which ``ensure_may_launch`` is."""
        return super().order() or self._why_not()

    def ensure_may_launch(self, server_ids: Sequence[str]) -> None:
        """Look once more whether servers may be launched at all, and by this task.

        :raises RunRefused: the wave's turn has come, the plan is paused, or somebody has ended the wave
        """
        super().ensure_may_launch(server_ids)
        if why := self._why_not():
            raise RunRefused(f"{why}. Nothing more was started")

    def ensure_safe(
        self, launched: "TargetLaunch", hook: "LaunchSettingsHook", settings: "Mapping[str, Settings]"
    ) -> None:
        """Look once more as the wave's start does, and at what DRS would start at once.

        :raises RunRefused: it would start some before their wave's turn
        """
        super().ensure_safe(launched, hook, settings)
        found = hook.launch_configurations(list(settings)) if settings else {}
        if started := [server for server, configuration in found.items() if not is_left_stopped(configuration)]:
            raise RunRefused(f"DRS would start {some(started, MANY)} at once. Nothing of this job was started")
