"""A wave whose turn has come, and whose servers were launched stopped: its instances are started, stage by stage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from drs_provider.rules.ahead.next_start import AheadServer, StartTry, WaveStep, wave_step
from drs_provider.rules.launch.next_launch import stages
from drs_provider.rules.launch.results import Allows, Ready, ServerResult
from drs_provider.rules.run.handover import InstanceStart, InstanceStarts, PreflightServer
from drs_provider.services.launch.instance_starts import start_instances
from drs_provider.services.store import Store, load, save

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook


@dataclass(frozen=True)
class SeenLaunch:
    """What one account and Region said of the wave's servers there; ``pending``: those that may still become ready."""

    hook: "DrsHook"
    results: Sequence[ServerResult]
    pending: frozenset[str] = frozenset()


@dataclass(frozen=True)
class StartRound:
    """What one look at a wave has come to.

    :param started: servers whose instance was started now
    :param awaited: servers that are waited for, each with why
    :param results: every result, as the wave may judge it once nothing is awaited
    :param look_at: when to look again at the latest, where that is known
    """

    started: tuple[str, ...]
    awaited: Mapping[str, str]
    results: tuple[ServerResult, ...]
    look_at: datetime | None = None


@dataclass(frozen=True)
class PreparedWave:
    """The servers of one wave of one run, as its task knows them on one leg.

    :param servers: everything that preflight found for it; those launched in its turn are counted, and not started
    :param allows: the wave's tolerance
    :param clock: what time it is
    """

    servers: Sequence[PreflightServer]
    ready: Ready
    allows: Allows
    store: Store
    clock: Callable[[], datetime]

    def go_on(self, seen: Sequence[SeenLaunch], *, order: str | None = None) -> StartRound:
        """Start what may be started now, and say what the wave waits for.

        :param order: why nothing more of the wave is started: a person has ended it, or nobody waits for it any longer
        :raises AwsError: AWS does not answer now (``retryable``): some may have been started, so look again later
        """
        results = {result.server_id: result for launch in seen for result in launch.results}
        pending = {server for launch in seen for server in launch.pending}
        if order is not None:
            return self._ended(results, pending, order)
        now, tries = self.clock(), self._tries()
        step = wave_step(
            [
                [self._ahead(server, results.get(server.server_id), pending, tries) for server in self._stage(ids)]
                for ids in stages(self.servers)
            ],
            is_turn=True,
            ready=self.ready,
            allows=self.allows,
            now=now,
        )
        started = self._start(seen, step, results, tries)
        awaited = {
            server: step.actions[server].why or "its start was asked for"
            for server in results
            if step.actions[server].action in ("wait", "start") and server not in step.held
        }
        looks = [step.actions[server].at for server in awaited if step.actions[server].at]
        return StartRound(
            started=started,
            awaited=awaited,
            results=tuple(_judged(result, step) for result in results.values()),
            look_at=min(filter(None, looks), default=None),
        )

    def _ended(self, results: Mapping[str, ServerResult], pending: set[str], order: str) -> StartRound:
        """Start nothing more: what boots is seen through, and what was prepared stays so."""
        prepared = {
            server.server_id
            for server in self.servers
            if server.is_started
            and (result := results.get(server.server_id)) is not None
            and (result.status, result.instance_state) == ("launched", "STOPPED")
        }
        return StartRound(
            started=(),
            awaited=dict.fromkeys(sorted(pending), "its instance boots"),
            results=tuple(
                replace(result, status="failed", reason=f"prepared, not started: {order}")
                if result.server_id in prepared
                else result
                for result in results.values()
            ),
        )

    def _stage(self, server_ids: Sequence[str]) -> list[PreflightServer]:
        known = {server.server_id: server for server in self.servers}
        return [known[server_id] for server_id in server_ids]

    @staticmethod
    def _ahead(
        server: PreflightServer,
        result: ServerResult | None,
        pending: set[str],
        tries: Mapping[str, Sequence[InstanceStart]],
    ) -> AheadServer:
        plain = AheadServer(server.server_id, critical=server.critical, is_started=server.is_started)
        if result is None:
            return plain
        if result.status != "launched" and result.server_id not in pending:
            return replace(plain, launched="failed", reason=result.reason or "")
        starts = tuple(
            StartTry(start.at, start.refused, is_capacity=start.is_capacity)
            for start in tries.get(result.instance_id or "", ())
        )
        checks = (result.reason or "") if result.status != "launched" else ""
        return replace(plain, launched="yes", state=result.instance_state, checks=checks, starts=starts)

    def _start(
        self,
        seen: Sequence[SeenLaunch],
        step: WaveStep,
        results: Mapping[str, ServerResult],
        tries: Mapping[str, tuple[InstanceStart, ...]],
    ) -> tuple[str, ...]:
        wanted, kept = step.all_that("start"), dict(tries)
        for launch in seen:
            here = {str(r.instance_id): r.server_id for r in launch.results if r.server_id in wanted and r.instance_id}
            if not here:
                continue
            for name, found in start_instances(launch.hook, list(here), now=self.clock).items():
                again = InstanceStart(at=found.at, refused=found.refused, is_capacity=found.is_capacity)
                kept[name] = (*kept.get(name, ()), again)
            save(self.store, InstanceStarts(instances=kept))
        return tuple(server for server in wanted if (results[server].instance_id or "") in kept)

    def _tries(self) -> dict[str, tuple[InstanceStart, ...]]:
        kept = load(self.store, InstanceStarts)
        return dict(kept.instances) if kept else {}


def _judged(result: ServerResult, step: WaveStep) -> ServerResult:
    """Call a server failed that was prepared and is not started, or whose start came to nothing."""
    action = step.actions[result.server_id]
    if action.action == "up":
        return replace(result, status="launched", reason=None)
    if result.status == "unknown":
        return result
    return replace(result, status="failed", reason=action.why or result.reason)
