"""The task that launches the servers of a wave before its turn, stopped: the wave itself starts their instances."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from pydantic import JsonValue

from drs_provider.dag.run_reader import preflight_result
from drs_provider.dag.waves.start import StartWave
from drs_provider.exceptions import DrsProviderError, RunRefused
from drs_provider.formatting import MANY, some
from drs_provider.operators.task_memory import task_memory
from drs_provider.rules.ahead.eligibility import is_left_stopped
from drs_provider.rules.ahead.order import biggest_first
from drs_provider.rules.run.shape import AskedBefore
from drs_provider.services.signed import leave

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import Launch


class LaunchAhead(StartWave):
    """Launch one wave's servers in one account and Region before the wave's turn, as far as preflight lets them.

    It looks at everything that the wave's start looks at but the wave's own questions: nothing runs yet. Its jobs are
    the wave's, by their tags, so the wave's start adopts them, and launches what is missing. It never fails over what
    AWS or a rule refuses: the wave's start meets the same in its turn, where it counts. The biggest servers go first.
    """

    IS_HANDED_OVER: ClassVar[bool] = False

    def __init__(self, *, asked_before: Sequence[AskedBefore] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.asked_before = tuple(asked_before)

    def execute(self, context: Context) -> JsonValue:
        """Launch, or leave it to the wave."""
        return self._or_leave_it(context, super().execute)

    def resume_start(self, context: Context, event: object, *, waiting_since: str | None = None) -> JsonValue:
        """Go on after a wait, or leave the rest to the wave."""

        def start(context: Context) -> JsonValue:
            return super(LaunchAhead, self).resume_start(context, event, waiting_since=waiting_since)

        return self._or_leave_it(context, start)

    def prepare(self, context: Context) -> None:
        """Take from preflight who is launched ahead."""
        ahead = [s for s in preflight_result(context, self.plan).servers_of(self.wave, self.target) if s.ahead]
        if not ahead:
            raise AirflowSkipException(f"no server of wave {self.wave} in {self.target} is launched ahead in this run")
        super().prepare(context)
        self.source_server_ids = [server.server_id for server in sorted(ahead, key=biggest_first)]

    def points_of(self, context: Context, servers: Sequence[str]) -> Mapping[str, str]:
        """Look once more, right before a job, whether DRS would leave what it launches stopped.

        :raises RunRefused: it would start some at once, before their wave's turn
        """
        points = super().points_of(context, servers)
        configurations = self.hook.launch_configurations(servers)
        names = {server.server_id: server.hostname for server in self.servers}
        if started := [server for server in servers if not is_left_stopped(configurations[server])]:
            raise RunRefused(
                f"DRS would start {some([names[server] for server in started], MANY)} at once: the launch settings do "
                "not say that what is launched stays stopped. Nothing of this job was started"
            )
        return points

    def finish(self, context: Context, launch: "Launch") -> None:
        """Leave the jobs for the wave's start."""
        count = sum(len(job.servers) for job in launch.jobs)
        self.log.info("wave %s: %d jobs launch %d servers ahead, stopped", self.wave, len(launch.jobs), count)
        self._leave_launch(context, launch)

    def _or_leave_it(self, context: Context, start: Callable[[Context], JsonValue]) -> JsonValue:
        """Finish a launch; where it cannot be, leave word of what was started, and the rest to the wave.

        :raises AirflowSkipException: it cannot be finished
        """
        try:
            return start(context)
        except (AirflowFailException, DrsProviderError) as error:
            self._leave_begun(context)
            words = f"not launched ahead; wave {self.wave} looks again in its turn: {error}"
            raise AirflowSkipException(words) from error
        except AirflowSkipException:
            raise
        except Exception as error:
            # Whatever it is: a task that has failed would keep its wave from ever being started.
            self.log.exception("This should not happen, and is left to the wave, which looks again in its turn")
            self._leave_begun(context)
            words = f"not launched ahead; wave {self.wave} looks again in its turn: {type(error).__name__}: {error}"
            raise AirflowSkipException(words) from error

    def _leave_begun(self, context: Context) -> None:
        """Leave the jobs that were started before something was refused; the wave finds them by their tags as well."""
        try:
            self._leave_jobs(context)
        except Exception:
            self.log.exception("Which jobs were started is not left for the wave, which looks for them by their tags")

    def _leave_jobs(self, context: Context) -> None:
        launch, _ = self.begun(context)
        if launch is not None:
            self._leave_launch(context, launch)

    def _leave_launch(self, context: Context, launch: "Launch") -> None:
        from drs_provider.rules.run.handover import PinnedPoints
        from drs_provider.services.store import load

        kept = load(task_memory(context), PinnedPoints)
        points = kept.points if kept else {}
        leave(context["ti"], launch.model_copy(update={"tags": dict(self.tags or {}), "points": points}))
