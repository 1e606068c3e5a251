"""What a round of launches needs of the run around it: orders of people, and what other tasks have left."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from airflow.sdk import Context

from drs_provider.dag.waves.cancellation import cancelled_watch
from drs_provider.dag.waves.job_tags import settings_marks
from drs_provider.dag.waves.preemption import ensure_not_taken_over

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.rules.run.connection import AwsArguments
    from drs_provider.rules.settings.values import Settings
    from drs_provider.services.launch.wave_rounds import TargetLaunch, WaveRounds


class GuardedTask(Protocol):
    """What sees a wave through, as ``waves.watch.WatchWave`` does."""

    rounds: "WaveRounds"
    start_task_ids: tuple[str, ...]
    settings_task_ids: dict[str, str]
    networks: dict[str, int]

    @property
    def aws(self) -> "AwsArguments":
        """The arguments of its hook."""
        ...

    def ensure_may_launch(self, server_ids: Sequence[str]) -> None:
        """Raise where servers may not be launched any more."""
        ...


class WaveGuard:
    """What a round needs of the run around it; see ``services.wave_rounds.LaunchGuard``."""

    def __init__(self, task: GuardedTask, context: Context) -> None:
        self._task, self._context = task, context

    def order(self) -> str | None:
        """Say why a person has ended the wave."""
        return cancelled_watch(self._context, self._task.start_task_ids)

    def ensure_not_taken_over(self, hook: "LaunchSettingsHook") -> None:
        """Refuse to launch more of a drill once a recovery has begun on its servers."""
        ensure_not_taken_over(self._context, self._task.rounds.preflight, hook)

    def ensure_may_launch(self, server_ids: Sequence[str]) -> None:
        """Look once more whether servers may be launched at all."""
        self._task.ensure_may_launch(server_ids)

    def ensure_safe(
        self, launched: "TargetLaunch", hook: "LaunchSettingsHook", settings: "Mapping[str, Settings]"
    ) -> None:
        """Look once more, as the wave's start does: a later launch of a drill must not land in production either."""
        from drs_provider.dag.waves.network import ensure_still_isolated, network_of
        from drs_provider.dag.waves.settings import ensure_in_force

        purpose, number = self._task.rounds.purpose, self._network_in(launched)
        if number and purpose.uses_drill_network:
            ensure_still_isolated(network_of(self._context, number), launched.launch.aws(self._task.aws))
        if task_id := self._task.settings_task_ids.get(launched.start_task_id):
            wanted = self.in_this_run(launched, settings)
            ensure_in_force(self._context, task_id, hook, list(settings), wanted, purpose=purpose)

    def in_this_run(self, launched: "TargetLaunch", settings: "Mapping[str, Settings]") -> "Mapping[str, Settings]":
        """Return settings as they are applied in this run; a drill's stay inside its network."""
        from drs_provider.dag.waves.settings import in_this_run

        rounds = self._task.rounds
        servers = {server.server_id: server for server in rounds.servers}
        network = self._network_in(launched)
        return in_this_run(self._context, settings, servers, purpose=rounds.purpose, network=network)

    def ensure_may_start(self, launched: "TargetLaunch", hook: "LaunchSettingsHook") -> None:
        """Look once more before instances run: a drill gives way to a recovery, and must not run in production."""
        from drs_provider.dag.waves.network import ensure_still_isolated, network_of

        purpose, number = self._task.rounds.purpose, self._network_in(launched)
        if purpose.yields:
            self.ensure_not_taken_over(hook)
        if number and purpose.uses_drill_network:
            ensure_still_isolated(network_of(self._context, number), launched.launch.aws(self._task.aws))

    def marks(self, launched: "TargetLaunch") -> Mapping[str, str]:
        """Return the tags that say whose temporary launch settings a server has."""
        from drs_provider.rules.launch.tags import run_key

        run, preflight = self._context["dag_run"], self._task.rounds.preflight
        return settings_marks(
            launched.launch.tags,
            own_run=run_key(run.dag_id, run.run_id, preflight.installation),
            installation=preflight.installation,
            continues=preflight.continue_run,
        )

    def _network_in(self, launched: "TargetLaunch") -> int:
        return self._task.networks.get(str(launched.target), 0)
