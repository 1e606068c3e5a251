"""Which servers failed, and what was not started because of them."""

from collections.abc import Mapping, Sequence

from drs_provider.formatting import some
from drs_provider.report.evidence import RunEvidence, ServerEvidence, WaveEvidence
from drs_provider.report.result import Failure, NotStarted
from drs_provider.report.server_status import NOT_THERE
from drs_provider.rules.launch.advice import NO_REASON, next_step
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.run.state.first_cause import NOT_RECORDED
from drs_provider.rules.run.state.vocabulary import ServerStatus, WaveStatus


def failures_of(evidence: RunEvidence) -> tuple[Failure, ...]:
    """List every server that was launched and is not there: critical ones first, then in the plan's order."""
    held_up = {wave.name: _held_up_by(wave.name, evidence.waves) for wave in evidence.waves}
    found = [
        _failure(server, wave, held_up[wave.name], evidence.run.purpose)
        for wave in evidence.waves
        for server in wave.servers
        if server.status in NOT_THERE
    ]
    return tuple(sorted(found, key=lambda failure: not failure.critical))


def not_started_waves(evidence: RunEvidence) -> tuple[NotStarted, ...]:
    """List every wave that launched nothing, with the reason."""
    by_name = {wave.name: wave for wave in evidence.waves}
    return tuple(
        NotStarted(wave=wave.name, servers=len(wave.servers), because=_because(wave, by_name, evidence))
        for wave in evidence.waves
        if wave.state in (WaveStatus.NOT_STARTED, WaveStatus.SKIPPED)
    )


def _failure(server: ServerEvidence, wave: WaveEvidence, held_up: Sequence[str], purpose: Purpose) -> Failure:
    reason = server.reason or (NO_REASON if server.status == ServerStatus.FAILED else _not_recorded(wave))
    if server.status == ServerStatus.UNKNOWN and wave.state_reason and wave.state_reason not in reason:
        reason = f"{reason} (the wave: {wave.state_reason})"
    return Failure(
        server_id=server.server_id,
        hostname=server.hostname or server.server_id,
        wave=wave.name,
        critical=server.critical,
        status=server.status,
        reason=reason,
        next_step=next_step(reason, purpose),
        not_started=tuple(held_up) if server.critical and wave.state == WaveStatus.FAILED else (),
    )


def _not_recorded(wave: WaveEvidence) -> str:
    """Say why nobody recorded what became of a server: the wave knows, where its task ended before its jobs did."""
    return f"{NOT_RECORDED}: {wave.state_reason}" if wave.state_reason else NOT_RECORDED


def _held_up_by(name: str, waves: Sequence[WaveEvidence]) -> list[str]:
    """Names of the waves below this one, at any distance, that were not started."""
    reached = {name}
    grown = True
    while grown:
        below = {wave.name for wave in waves if reached.intersection(wave.depends_on)} - reached
        grown = bool(below)
        reached |= below
    return [wave.name for wave in waves if wave.name in reached - {name} and wave.state == WaveStatus.NOT_STARTED]


def _because(wave: WaveEvidence, by_name: Mapping[str, WaveEvidence], evidence: RunEvidence) -> str:
    if wave.state == WaveStatus.SKIPPED:
        return wave.state_reason or "excluded when the run was triggered"
    if evidence.preflight is not None and not evidence.preflight.passed:
        return "preflight refused the run"
    above = [by_name[name] for name in wave.depends_on if name in by_name]
    failed = [upstream.name for upstream in above if upstream.state == WaveStatus.FAILED]
    if failed:
        return f"waits for {some(failed)}, which failed"
    waiting = [upstream.name for upstream in above if upstream.state == WaveStatus.NOT_STARTED]
    if waiting:
        return f"waits for {some(waiting)}, which was not started either"
    return wave.state_reason or "the run ended before it"
