"""The plan's RTO and RPO against what was measured."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from drs_provider.reporting.result import ObjectiveOutcome, ObjectiveResult, ServerReport, WaveReport
from drs_provider.reporting.standing import standing_of
from drs_provider.reporting.words import duration, plural, some


def judge_rto(target: timedelta | None, waves: Sequence[WaveReport]) -> ObjectiveResult:
    """Recovery time: run start to the moment the plan's last server was launched."""
    servers = [server for wave in waves for server in wave.servers]
    return _judge("RTO", target, servers, [server.rto_seconds for server in servers])


def judge_rpo(target: timedelta | None, waves: Sequence[WaveReport]) -> ObjectiveResult:
    """Recovery point: the oldest data, as job creation minus the point in time that was launched."""
    servers = [server for wave in waves for server in wave.servers]
    return _judge("RPO", target, servers, [server.rpo_seconds for server in servers])


def worst(seconds: Iterable[float | None]) -> float | None:
    """Return the largest figure, or ``None`` when there is none or any of them was not measured."""
    figures = list(seconds)
    known = [figure for figure in figures if figure is not None]
    return max(known) if known and len(known) == len(figures) else None


def _judge(
    name: str, target: timedelta | None, servers: Sequence[ServerReport], figures: Sequence[float | None]
) -> ObjectiveResult:
    target_seconds = target.total_seconds() if target is not None else None
    measured = worst(figures)
    partial = max((figure for figure in figures if figure is not None), default=None)
    outcome, why = _outcome(name, target_seconds, servers, measured, partial)
    return ObjectiveResult(
        target_seconds=target_seconds, measured_seconds=measured, partial_seconds=partial, outcome=outcome, why=why
    )


def _outcome(
    name: str,
    target: float | None,
    servers: Sequence[ServerReport],
    measured: float | None,
    partial: float | None,
) -> tuple[ObjectiveOutcome, str]:
    if target is None:
        return "no_objective", f"the plan sets no {name}"
    if partial is not None and partial > target:
        return "missed", f"{duration(partial)} is over the objective of {duration(target)}"
    if measured is not None:
        return "met", f"{duration(measured)} is within the objective of {duration(target)}"
    absent = [server.hostname for server in servers if standing_of(server) != "launched"]
    if all(standing_of(server) in ("not_started", "excluded") for server in servers):
        return "not_measured", "nothing was launched"
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        return "not_measured", f"{len(absent)} of {plural(len(servers), 'server')} {verb} not there: {some(absent)}"
    return "not_measured", f"nothing was recorded to measure the {name} of every server with"
