"""The rounds of a wave whose servers were launched stopped: what is started, and what is set back once it runs."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from drs_provider.rules.ahead.never_started import kept_words
from drs_provider.rules.launch.next_launch import WaveProgress, may_try_again
from drs_provider.rules.launch.results import Allows, Ready, ServerResult
from drs_provider.rules.settings.values import Settings
from drs_provider.services.launch.never_started import StartProofs, refused_starts
from drs_provider.services.launch.prepared_wave import PreparedWave, SeenLaunch, StartRound
from drs_provider.services.settings.apply import apply_all

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.rules.run.handover import InstanceChecks
    from drs_provider.services.launch.job_results import LaunchResults
    from drs_provider.services.launch.wave_rounds import WaveRounds


def start_prepared(
    rounds: "WaveRounds", found: "Sequence[LaunchResults]", *, ready: Ready, allows: Allows, order: str | None
) -> StartRound:
    """Start what was launched stopped and whose turn in the boot order has come; say what is awaited.

    :param rounds: the wave, as its task knows it now
    :param found: what every account and Region says of the wave's launches
    :param order: why nothing more is started: a person has ended the wave, or nobody waits for it any longer
    :raises RunRefused: nothing may be started any more
    :raises AwsError: AWS does not answer now (``retryable``): look again later
    """
    results = [result for part in found for result in part.results]
    unproven: set[str] = set()
    if order is None and any(_is_prepared(rounds, result) for result in results):
        judged, checks = rounds.look_after_instances(results)  # before they run: none of a drill's in production
        unproven = _unproven(rounds, results, checks)
        results = list(judged)
    checked = {result.server_id: result for result in results}
    progress = rounds.progress(results, allows)
    seen = [
        SeenLaunch(
            rounds.hook_of(part.launch),
            [checked[result.server_id] for result in part.results],
            frozenset(part.pending),
            part.hidden | unproven,
        )
        for part in found
    ]

    def ensure_may_start(hook: "DrsHook") -> None:
        mine = {result.server_id for launch in seen if launch.hook is hook for result in launch.results}
        for launched in rounds.started:
            if mine & set(launched.launch.servers):
                rounds.guard.ensure_may_start(launched, rounds.hook_of(launched.launch))

    relaunches = _Relaunches(rounds, progress)
    wave = PreparedWave(
        servers=[server for server in rounds.servers if server.server_id in progress.reached],
        ready=ready,
        allows=allows,
        store=rounds.store,
        clock=rounds.clock,
        max_tries=rounds.max_tries,
        may_relaunch=relaunches.may,
        why_kept=relaunches.why_kept,
        ensure_may_start=ensure_may_start,
    )
    return wave.go_on(seen, order=order)


def set_started(rounds: "WaveRounds", results: Iterable[ServerResult]) -> None:
    """Let DRS start again what it launches of the servers that run now: nobody's later launch shall stay stopped.

    A drill's settings are put back as a whole, at its end.

    :raises DrsProviderError: some could not be set back
    """
    if rounds.purpose.is_temporary:
        return
    runs = {result.server_id for result in results if result.status == "launched"}
    settings: Settings = {"disposition": "started"}
    for launched in rounds.started:
        here = [
            server.server_id
            for server in launched.part.servers
            if server.ahead and server.is_started and server.server_id in runs
        ]
        if here:
            apply_all(rounds.hook_of(launched.launch), dict.fromkeys(here, settings), is_temporary=False)


def _is_prepared(rounds: "WaveRounds", result: ServerResult) -> bool:
    return result.server_id in rounds.prepared and result.instance_state == "STOPPED"


def _unproven(rounds: "WaveRounds", results: Iterable[ServerResult], checks: "InstanceChecks") -> set[str]:
    """Give a drill's servers whose very instance nobody has looked at: it may be outside of the drill's network."""
    if not rounds.purpose.is_temporary:
        return set()
    looked = {server: check.instance_id for server, check in checks.servers.items() if check.instance_id}
    return {result.server_id for result in results if looked.get(result.server_id) != result.instance_id}


class _Relaunches:
    """Which servers of a wave may be launched once more, and why not one whose start EC2 has refused."""

    def __init__(self, rounds: "WaveRounds", progress: WaveProgress) -> None:
        self._rounds, self._progress, self._proofs = rounds, progress, StartProofs(rounds)

    def may(self, result: ServerResult) -> bool:
        """Tell whether a server would be launched again, should its launch come to nothing as this result says."""
        if may_try_again(self._progress, result):
            return True
        return self._hangs_on_instance(result) and self._proofs.why_not(result) is None

    def why_kept(self, result: ServerResult) -> str:
        """Say why a server is not launched again that has a try left; empty: it has none, or is."""
        why = self._proofs.why_not(result) if self._hangs_on_instance(result) else None
        return kept_words(result.instance_id or "", why) if why else ""

    def _hangs_on_instance(self, result: ServerResult) -> bool:
        """Tell whether only that an instance lives speaks against a launch: one whose start EC2 has refused."""
        if result.status != "failed" or result.instance_id not in refused_starts(self._rounds.store):
            return False
        free = replace(self._progress, never_started=frozenset({result.server_id}))
        return not may_try_again(self._progress, result) and may_try_again(free, result)
