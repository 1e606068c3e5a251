"""The last look before the steps that stop the writes: whether what follows would be launched at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow.sdk import Context

from drs_provider.dag.failback.check import reader_of
from drs_provider.dag.failback.cut_over.servers import servers_on, settings_hook
from drs_provider.dag.failback.other_runs import ensure_alone
from drs_provider.exceptions import RunRefused
from drs_provider.formatting import MANY, some
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.rules.failback.cut_over import still_there
from drs_provider.rules.run.shape import WaveShape, WayBack

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import PreflightResult


@dataclass(frozen=True)
class StillLaunchable:
    """Looks whether the servers of waves may still be launched in their origins: people may have agreed hours ago.

    A launch that is refused once the writes are stopped leaves production standing still. What was launched meanwhile
    is adopted, as everywhere; servers that are not critical stop nobody.

    :param ways: waves, and the ways back of their servers
    :param quiesce_task_ids: steps that may have stopped the writes by then
    """

    plan: str
    ways: Sequence[tuple[str, WayBack]]
    quiesce_task_ids: Sequence[str] = ()

    @classmethod
    def of(cls, plan: str, waves: Sequence[WaveShape], quiesce_task_ids: Sequence[str]) -> "StillLaunchable":
        """Look at everything that waves launch."""
        ways = tuple((wave.wave.name, way) for wave in waves for way in wave.ways_back)
        return cls(plan, ways, tuple(quiesce_task_ids))

    def __call__(self, context: Context, preflight: "PreflightResult") -> None:
        """Look.

        :raises RunRefused: a critical server would not be launched; it names all of them
        :raises AwsError: a Region does not answer now
        """
        from drs_provider.services.failback.cut_over import why_not_launched

        if not preflight.purpose.cuts_over:
            return
        ensure_alone(context, self.plan)
        against: list[str] = []
        for wave, way in self.ways:
            servers = [server for server in servers_on(preflight, wave, way) if server.critical]
            agreed = {server.server_id: server.back.original for server in servers if server.back}
            if agreed:
                found = why_not_launched(reader_of(way), agreed, settings_hook)
                against += [
                    f"{server.hostname}: {found[server.server_id]}" for server in servers if server.server_id in found
                ]
        if against:
            why = (
                f"this step stands before the launch, and what follows would not be launched: "
                f"{some(against, MANY, '; ')}. The step did nothing. Correct this and clear it with everything "
                "downstream, or start a new run"
            )
            raise RunRefused(still_there(why) if self._has_stopped_writes(context) else why)

    def _has_stopped_writes(self, context: Context) -> bool:
        from drs_provider.rules.run.handover import StepResult

        left = (pull_newest(context, task, StepResult) for task in self.quiesce_task_ids)
        return any(step is not None and step.state == "succeeded" for step in left)
