"""Which servers failed, and what was not started because of them."""

import re
from collections.abc import Mapping, Sequence

from drs_provider.formatting import some
from drs_provider.report.evidence import RunEvidence, ServerEvidence, WaveEvidence
from drs_provider.report.result import Failure, NotStarted
from drs_provider.report.server_status import NOT_RECORDED, NOT_THERE
from drs_provider.rules.purpose import Purpose
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


NO_REASON = "DRS gave no reason"

_ADVICE: tuple[tuple[str, str], ...] = (
    (
        r"InsufficientInstanceCapacity|insufficient capacity",
        "choose an instance type or subnet that has capacity in the server's launch settings",
    ),
    (
        r"VcpuLimitExceeded|InstanceLimitExceeded|vCPU (limit|quota)|quota",
        "ask for a higher EC2 quota in the recovery Region",
    ),
    (
        r"Unauthorized|AccessDenied|not authorized|PassRole",
        "give the role of the Airflow connection the missing permission; docs/permissions.md lists them all",
    ),
    (r"subnet|InvalidAddress|IP address", "correct the subnet or address in the server's EC2 launch template"),
    (r"\bkms\b|encrypt", "let DRS use the KMS key of the volumes in the recovery Region"),
    (r"snapshot", "check the server's replication; a job from an older point in time may work"),
    (
        r"timed? ?out|still running|PENDING|IN_PROGRESS",
        "look at the job in the DRS console: it may still end by itself",
    ),
    (
        re.escape(NO_REASON),
        "this is what missing EC2 permissions or a launch template without subnet look like: check both",
    ),
)


def next_step(reason: str, purpose: Purpose) -> str:
    """Name the next step for a reason as DRS or EC2 worded it (patterns seen in the service's own errors)."""
    found = (advice for pattern, advice in _ADVICE if re.search(pattern, reason, re.IGNORECASE))
    first = next(found, "look at the job's log in the DRS console and correct the cause")
    return f"{first}, {purpose.after_failure}"
