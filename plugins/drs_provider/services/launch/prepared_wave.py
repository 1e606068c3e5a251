"""A wave whose turn has come, and whose servers were launched stopped: its instances are started, stage by stage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from drs_provider.rules.ahead.next_start import NOT_STARTED, SETTLES_WITHIN, AheadServer, StartTry, WaveStep, wave_step
from drs_provider.rules.launch.next_launch import stages
from drs_provider.rules.launch.results import Allows, Ready, ServerResult
from drs_provider.rules.run.handover import InstanceStart, InstanceStarts, PreflightServer
from drs_provider.services.launch.instance_starts import start_instances
from drs_provider.services.store import Store, load, save

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook


@dataclass(frozen=True)
class SeenLaunch:
    """What one account and Region said of the wave's servers there.

    :param pending: those that may still become ready
    :param unproven: those of which nobody has seen now where their instance is: none of them is started
    """

    hook: "DrsHook"
    results: Sequence[ServerResult]
    pending: frozenset[str] = frozenset()
    unproven: frozenset[str] = frozenset()


@dataclass(frozen=True)
class StartRound:
    """What one look at a wave has come to.

    :param started: servers whose instance was started now
    :param awaited: servers that are waited for, each with why
    :param results: every result, as the wave may judge it once nothing is awaited
    :param look_at: when to look again whatever else boots: a refused start is asked again; None: nothing is
    :param stopped_until: until when EC2 may still say stopped of what was started; None: it may not
    :param phases: what people see of every server of the wave, as ``rules.launch.phases.BOOTS`` names it
    :param held_back: prepared servers that a person's order, or the end of the time, has kept from being started
    """

    started: tuple[str, ...]
    awaited: Mapping[str, str]
    results: tuple[ServerResult, ...]
    look_at: datetime | None = None
    stopped_until: datetime | None = None
    held_back: tuple[str, ...] = ()
    phases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PreparedWave:
    """The servers of one wave of one run, as its task knows them on one leg.

    :param servers: everything that preflight found for it where it has launched; those launched in its turn are
        counted, and not started
    :param allows: the wave's tolerance
    :param clock: what time it is
    :param max_tries: of the task: a cleared one counts its starts anew
    :param may_relaunch: whether a server may be launched once more, should its launch come to nothing
    :param why_kept: why a server that has a try left is not launched again; empty: it is, or has none
    :param ensure_may_start: raises where nothing may be started in an account and Region any more; asked before a start
    """

    servers: Sequence[PreflightServer]
    ready: Ready
    allows: Allows
    store: Store
    clock: Callable[[], datetime]
    max_tries: int | None = None
    may_relaunch: Callable[[ServerResult], bool] = lambda _: False
    why_kept: Callable[[ServerResult], str] = lambda _: ""
    ensure_may_start: Callable[["DrsHook"], None] = lambda _: None

    def go_on(self, seen: Sequence[SeenLaunch], *, order: str | None = None) -> StartRound:
        """Start what may be started now, and say what the wave waits for.

        :param order: why nothing more of the wave is started: a person has ended it, or nobody waits for it any longer
        :raises AwsError: AWS does not answer now (``retryable``): some may have been started, so look again later
        """
        results = {result.server_id: result for launch in seen for result in launch.results}
        pending = {server for launch in seen for server in launch.pending}
        unproven = {server for launch in seen for server in launch.unproven}
        if order is not None:
            return self._ended(results, pending, order)
        now, tries = self.clock(), self._tries()
        step = self._step(results, pending, tries, unproven)
        asked, before = step.all_that("start"), tries
        if asked:
            tries = self._start(seen, asked, tries)
            step = self._step(results, pending, tries, unproven)
        names = {server: results[server].instance_id or "" for server in asked}
        fresh = {server: tries[name][-1] for server, name in names.items() if tries.get(name) != before.get(name)}
        awaited = {
            server: "its start was asked for" if server in asked and not _was_refused(fresh.get(server)) else action.why
            for server, action in step.actions.items()
            if server in results and action.action in ("wait", "start") and server not in (*step.held, *step.behind)
        }
        newest = {server: tries.get(results[server].instance_id or "", ())[-1:] for server in awaited}
        again = [server for server, last in newest.items() if last and last[0].refused]
        looks = [step.actions[server].at for server in again]
        # What DRS calls stopped and EC2 does not is believed of EC2, and looked at again.
        settles = [
            now + SETTLES_WITHIN if step.actions[server].action == "start" else step.actions[server].at
            for server in awaited
            if server not in again
        ]
        return StartRound(
            started=tuple(server for server in asked if server in fresh and not fresh[server].refused),
            awaited=awaited,
            results=tuple(_judged(result, step) for result in results.values()),
            look_at=min(filter(None, looks), default=None),
            stopped_until=max(filter(None, settles), default=None),
            phases={server: _phase(server, awaited, again, results[server], step) for server in results},
        )

    def _step(
        self,
        results: Mapping[str, ServerResult],
        pending: set[str],
        tries: Mapping[str, Sequence[InstanceStart]],
        unproven: set[str],
    ) -> WaveStep:
        def known(server: PreflightServer) -> AheadServer:
            found = self._ahead(server, results.get(server.server_id), pending, tries)
            is_unproven = server.server_id in unproven and found.launched == "yes" and found.state == "STOPPED"
            return replace(found, state=None) if is_unproven else found

        return wave_step(
            [[known(server) for server in self._stage(ids)] for ids in stages(self.servers)],
            is_turn=True,
            ready=self.ready,
            allows=self.allows,
            now=self.clock(),
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
                replace(result, status="failed", reason=not_started(order)) if result.server_id in prepared else result
                for result in results.values()
            ),
            held_back=tuple(sorted(prepared)),
        )

    def _stage(self, server_ids: Sequence[str]) -> list[PreflightServer]:
        known = {server.server_id: server for server in self.servers}
        return [known[server_id] for server_id in server_ids]

    def _ahead(
        self,
        server: PreflightServer,
        result: ServerResult | None,
        pending: set[str],
        tries: Mapping[str, Sequence[InstanceStart]],
    ) -> AheadServer:
        plain = AheadServer(server.server_id, critical=server.critical, is_started=server.is_started)
        if result is None:
            return plain
        refused = next((start.refused for start in tries.get(result.instance_id or "", ())[-1:] if start.refused), "")
        lost = replace(result, status="failed", reason=refused) if refused and result.status == "launched" else result
        plain = replace(plain, may_relaunch=self.may_relaunch(lost), kept=self.why_kept(lost))
        if result.status != "launched" and result.server_id not in pending:
            return replace(plain, launched="failed", reason=result.reason or "")
        starts = tuple(
            StartTry(start.at, start.refused, is_capacity=start.is_capacity)
            for start in tries.get(result.instance_id or "", ())
        )
        said = (result.reason or "") if result.status != "launched" else ""
        is_checked = self.ready == "status_checks" and result.instance_state == "RUNNING"
        checks, acting = (said, "") if is_checked else ("", said)
        return replace(plain, launched="yes", state=result.instance_state, starts=starts, checks=checks, acting=acting)

    def _start(
        self,
        seen: Sequence[SeenLaunch],
        wanted: Sequence[str],
        tries: Mapping[str, tuple[InstanceStart, ...]],
    ) -> dict[str, tuple[InstanceStart, ...]]:
        """Start the instances of some servers; return all starts, those of now among them."""
        kept = dict(tries)
        for launch in seen:
            here = {str(r.instance_id): r.server_id for r in launch.results if r.server_id in wanted and r.instance_id}
            if not here:
                continue
            self.ensure_may_start(launch.hook)
            for name, found in start_instances(launch.hook, list(here), now=self.clock).items():
                again = InstanceStart(at=found.at, refused=found.refused, is_capacity=found.is_capacity)
                kept[name] = (*kept.get(name, ()), again)
            save(self.store, InstanceStarts(max_tries=self.max_tries, instances=kept))
        return kept

    def _tries(self) -> dict[str, tuple[InstanceStart, ...]]:
        kept = load(self.store, InstanceStarts)
        return dict(kept.instances) if kept and kept.max_tries == self.max_tries else {}


def not_started(why: str) -> str:
    """Say of a prepared server why it was not started."""
    return f"{NOT_STARTED}: {why}"


def _phase(server: str, awaited: Mapping[str, str], again: Sequence[str], result: ServerResult, step: WaveStep) -> str:
    """Name what people see of a server; empty: it was given up, or is launched again."""
    action = step.actions[server].action
    if action == "up":
        return "INSTANCE_UP"
    if server in again:
        return "START_REFUSED"
    if server in awaited and result.instance_state is not None:
        return "INSTANCE_BOOTS"
    return "INSTANCE_PREPARED" if server in (*step.held, *step.behind) else ""


def _was_refused(start: InstanceStart | None) -> bool:
    return start is not None and bool(start.refused)


def _judged(result: ServerResult, step: WaveStep) -> ServerResult:
    """Call a server failed that was prepared and is not started, or whose start came to nothing."""
    action = step.actions[result.server_id]
    if action.action == "up":
        return replace(result, status="launched", reason=None)
    if result.status == "unknown":
        return result
    return replace(result, status="failed", reason=action.why or result.reason)
