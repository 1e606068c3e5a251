"""The verdict on a run that has servers replicated to their origin."""

from collections.abc import Iterator

from drs_provider.formatting import MANY, plural, some
from drs_provider.report.evidence import RunEvidence, ServerEvidence
from drs_provider.report.result import Outcome
from drs_provider.report.steps import short
from drs_provider.rules.run import names
from drs_provider.rules.run.state.vocabulary import ServerStatus, WaveStatus


def judge_copies(evidence: RunEvidence) -> tuple[Outcome, str]:
    """Return the outcome and one sentence why; completed only where every server is ready in its origin.

    *refused*: preflight said no, and nothing was called. *cancelled*: a person ended it; what was reversed stays so.
    *failed*: a critical server is not ready, or nobody knows. *completed_with_exceptions*: all critical servers are.
    """
    if (early := _judge_preflight(evidence)) is not None:
        return early
    if evidence.cancelled:
        return "cancelled", _sentence([evidence.cancelled, *_ready(evidence), "DRS goes on replicating"])
    if failures := [*_failed(evidence)]:
        return "failed", _sentence([*_ready(evidence), *failures])
    if exceptions := [*_exceptions(evidence)]:
        return "completed_with_exceptions", _sentence([*_ready(evidence), *exceptions])
    servers, waves = len([*_servers(evidence)]), plural(len(evidence.waves), "wave")
    return evidence.run.purpose.good_verdict, _sentence(
        [f"all {plural(servers, 'server')} in {waves} can be launched in their origin"]
        if servers > 1
        else [f"the server in {waves} can be launched in its origin"]
    )


def _judge_preflight(evidence: RunEvidence) -> tuple[Outcome, str] | None:
    """Judge a run that did not come past its preflight; None: it did."""
    preflight = evidence.preflight
    if preflight is not None and preflight.passed:
        return None
    if preflight is not None:
        count = plural(sum(finding.severity == "refusal" for finding in preflight.findings), "reason")
        return "refused", _sentence([f"Nothing was called: preflight found {count} against it"])
    said = [error.message for error in evidence.errors if names.group_of(error.task) == names.PREFLIGHT_GROUP]
    if said:
        return "refused", _sentence([f"Nothing was called: preflight ended with: {said[0].strip()}"])
    return "failed", _sentence(["preflight left no result, so nothing is known"])


def _servers(evidence: RunEvidence, *statuses: ServerStatus) -> Iterator[ServerEvidence]:
    for wave in evidence.waves:
        for server in wave.servers:
            if not statuses or server.status in statuses:
                yield server


def _ready(evidence: RunEvidence) -> list[str]:
    every = [server for server in _servers(evidence) if server.status is not ServerStatus.EXCLUDED]
    ready = sum(server.status is ServerStatus.READY for server in every)
    return [f"{ready} of {plural(len(every), 'server')} can be launched in their origin"]


def _failed(evidence: RunEvidence) -> Iterator[str]:
    for wave in evidence.waves:
        if wave.state in (WaveStatus.FAILED, WaveStatus.UNPROVEN, WaveStatus.NOT_STARTED) or not wave.state.is_over:
            absent = [server for server in wave.servers if server.status is not ServerStatus.READY]
            yield f"wave {wave.name}: {_named(absent) or short(wave.state_reason or wave.state.words)}"
    if not any(_servers(evidence, ServerStatus.READY)):
        yield "no server is ready"


def _exceptions(evidence: RunEvidence) -> Iterator[str]:
    for wave in evidence.waves:
        if absent := [server for server in wave.servers if server.status is ServerStatus.STUCK]:
            yield f"wave {wave.name}: {_named(absent)}"
        if wave.state is WaveStatus.SKIPPED and wave.groups:
            yield f"wave {wave.name} was skipped: {wave.state_reason or 'it takes no part'}"
    excluded = [server.hostname or server.server_id for server in _servers(evidence, ServerStatus.EXCLUDED)]
    if excluded:
        yield f"excluded: {some(excluded)}"
    yield from (f"{edited.where} was not believed: {edited.problem}" for edited in evidence.edited)
    yield from (f"task {error.task} failed" for error in evidence.errors)


def _named(servers: list[ServerEvidence]) -> str:
    said = [f"{server.hostname or server.server_id} not ready" + _why(server) for server in servers]
    return some(said, MANY, "; ")


def _why(server: ServerEvidence) -> str:
    return f" ({short(server.reason)})" if server.reason else ""


def _sentence(parts: list[str]) -> str:
    text = "; ".join(dict.fromkeys(part.rstrip(".") for part in parts))
    return f"{text[:1].upper()}{text[1:]}."
