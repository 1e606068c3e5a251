"""Which servers failed, and what was not started because of them."""

from collections.abc import Mapping, Sequence
from typing import Literal

from drs_provider.reporting.advice import NO_REASON, next_step
from drs_provider.reporting.evidence import RunEvidence, ServerEvidence, WaveEvidence
from drs_provider.reporting.result import Failure, NotStarted
from drs_provider.reporting.standing import standing_of
from drs_provider.reporting.words import some


def failures_of(evidence: RunEvidence) -> tuple[Failure, ...]:
    """List every server that was launched and is not there: critical ones first, then in the plan's order."""
    held_up = {wave.name: _held_up_by(wave.name, evidence.waves) for wave in evidence.waves}
    found = [
        _failure(server, wave, held_up[wave.name], evidence.run.mode)
        for wave in evidence.waves
        for server in wave.servers
        if standing_of(server) == "failed"
    ]
    return tuple(sorted(found, key=lambda failure: not failure.critical))


def not_started_waves(evidence: RunEvidence) -> tuple[NotStarted, ...]:
    """List every wave that launched nothing, with the reason."""
    by_name = {wave.name: wave for wave in evidence.waves}
    return tuple(
        NotStarted(wave=wave.name, servers=len(wave.servers), because=_because(wave, by_name, evidence))
        for wave in evidence.waves
        if wave.state in ("not_started", "skipped")
    )


def _failure(
    server: ServerEvidence, wave: WaveEvidence, held_up: Sequence[str], mode: Literal["drill", "recovery"]
) -> Failure:
    reason = server.reason or (NO_REASON if server.status == "FAILED" else f"still {server.status} when the run ended")
    return Failure(
        server_id=server.server_id,
        hostname=server.hostname or server.server_id,
        wave=wave.name,
        critical=server.critical,
        status=server.status,
        reason=reason,
        next_step=next_step(reason, mode),
        not_started=tuple(held_up) if server.critical and wave.state == "failed" else (),
    )


def _held_up_by(name: str, waves: Sequence[WaveEvidence]) -> list[str]:
    """Names of the waves below this one, at any distance, that were not started."""
    reached = {name}
    grown = True
    while grown:
        below = {wave.name for wave in waves if reached.intersection(wave.depends_on)} - reached
        grown = bool(below)
        reached |= below
    return [wave.name for wave in waves if wave.name in reached - {name} and wave.state == "not_started"]


def _because(wave: WaveEvidence, by_name: Mapping[str, WaveEvidence], evidence: RunEvidence) -> str:
    if wave.state == "skipped":
        return wave.state_reason or "left out when the run was triggered"
    if evidence.preflight is not None and not evidence.preflight.passed:
        return "preflight refused the run"
    above = [by_name[name] for name in wave.depends_on if name in by_name]
    failed = [upstream.name for upstream in above if upstream.state == "failed"]
    if failed:
        return f"waits for {some(failed)}, which failed"
    waiting = [upstream.name for upstream in above if upstream.state == "not_started"]
    if waiting:
        return f"waits for {some(waiting)}, which was not started either"
    return wave.state_reason or "the run ended before it"
