"""The tasks that launch FAILBACK servers in their origin for a drill, and see them through."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from airflow.sdk import Context

from drs_provider.dag.failback.check import reader_of
from drs_provider.dag.failback.other_runs import ensure_alone
from drs_provider.dag.waves.start import StartWave
from drs_provider.dag.waves.watch import WatchWave
from drs_provider.rules.purpose import FAILBACK_DRILL, Purpose
from drs_provider.rules.run.shape import WayBack

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import PreflightServer


class StartDrillBack(StartWave):
    """Start the jobs of one wave of a failback drill in one origin, for the servers that preflight found.

    What the start of a drill does, and right before each job it looks at both places once more: a server that is not
    ready any more, or that somebody has failed back meanwhile, is not launched. Nothing is launched into an instance
    that exists: whatever preflight has seen, that is asked right before each job too.
    """

    PURPOSES: ClassVar[tuple[Purpose, ...]] = (FAILBACK_DRILL,)
    IS_HANDED_OVER: ClassVar[bool] = False
    ways: Sequence[WayBack] = ()

    def points_of(self, context: Context, servers: Sequence[str]) -> Mapping[str, str]:
        """Look again for a failback, at where the servers stand, and at what the launch will use."""
        ensure_alone(context, self.plan)
        ensure_ready(self.ways, [server for server in self.servers if server.server_id in servers])
        return super().points_of(context, servers)


class WatchDrillBack(WatchWave):
    """Wait for the jobs of a wave of a failback drill; what it launches again is looked at as its start does."""

    IS_HANDED_OVER: ClassVar[bool] = False
    ways: Sequence[WayBack] = ()

    def ensure_may_launch(self, server_ids: Sequence[str]) -> None:
        """Look again at where the servers stand."""
        ensure_ready(self.ways, [server for server in self.rounds.servers if server.server_id in server_ids])


def ensure_ready(ways: Sequence[WayBack], servers: "Sequence[PreflightServer]") -> None:
    """See in both places that FAILBACK servers may be launched for a drill now.

    :raises RunRefused: some may not; nothing was started
    :raises AwsError: a place does not answer now
    """
    from drs_provider.services.failback.drill import ensure_drillable

    for way in ways:
        mine = [server for server in servers if server.group in way.groups]
        if mine:
            ensure_drillable(reader_of(way), {server.goes_back_for: server.server_id for server in mine})
