"""The verdict on runs of the way back: what has servers replicated to their origin, and how a failback ended there.

Not protected again fails a failback, what people decide does not.
"""

from collections.abc import Iterator, Sequence

from drs_provider.formatting import MANY, plural, some
from drs_provider.report.evidence import HomeStep, RunEvidence, ServerEvidence
from drs_provider.report.result import Outcome
from drs_provider.report.steps import short
from drs_provider.rules.failback.data_centre.last_sync import not_proven
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


def failures_at_home(evidence: RunEvidence) -> Iterator[str]:
    """Yield why a failback has failed although its waves may have gone through."""
    if not evidence.run.purpose.cuts_over or not any(_servers(evidence, ServerStatus.LAUNCHED)):
        return
    protects = _of(evidence, "protect_again")
    for step in protects:
        if step.state not in ("done", "skipped"):
            yield _ended("what runs in its origin is not protected again", step)
    if all(step.state in ("done", "skipped") for step in protects) and (unsaid := _unsaid(evidence, "protect_again")):
        yield f"what runs in its origin is not known to be protected again: {some(unsaid, MANY)}"
    if _is_kept(evidence):
        return  # nothing was to be removed then
    for step in _of(evidence, "remove_recovered"):
        if step.state not in ("done", "skipped"):
            yield _ended("what was recovered is not removed", step)
    for step in _of(evidence, "at_rest"):
        if step.state not in ("done", "skipped"):
            yield _ended("not at rest", step)


def exceptions_at_home(evidence: RunEvidence) -> Iterator[str]:
    """Yield what has to be looked at after a failback that is protected again."""
    if not evidence.home or not any(_servers(evidence, ServerStatus.LAUNCHED)):
        return
    for step in _of(evidence, "agree"):
        if step.state in ("failed", "unproven", "not_reached"):
            yield _ended("what was recovered is kept, for nobody has agreed to its end", step)
    rests = _of(evidence, "at_rest")
    is_told = _is_kept(evidence) or any(step.state not in ("done", "skipped") for step in rests)
    if not is_told and (unsaid := _unsaid(evidence, "at_rest")):
        yield f"not known to be at rest: {some(unsaid, MANY)}"
    names = {server.server_id: server.hostname or server.server_id for w in evidence.waves for server in w.servers}
    for step, words in ((s, "not protected again") for s in _of(evidence, "protect_again")):
        yield from _left(step, words, names)
    for step in rests:
        yield from _left(step, "not at rest", names)


def unproven_syncs(evidence: RunEvidence) -> Iterator[str]:
    """Yield which launched servers hold what nobody has proven to be all that was written."""
    if names := [s.hostname or s.server_id for s in _servers(evidence, ServerStatus.LAUNCHED) if s.not_synced]:
        yield not_proven(names)


def _left(step: HomeStep, words: str, names: dict[str, str]) -> Iterator[str]:
    if step.left and step.state == "done":
        said = [f"{names.get(server, server)} ({short(why)})" for server, why in step.left.items()]
        yield f"{words}: {some(said, MANY)}"


def _is_kept(evidence: RunEvidence) -> bool:
    """Whether nothing was to be removed: not everything is protected, or people have not agreed."""
    return any(step.state in ("failed", "not_reached", "unproven") for step in _of(evidence, "protect_again", "agree"))


def _unsaid(evidence: RunEvidence, does: str) -> list[str]:
    """Name the servers that run in their origin and that no such task has said anything of: a skipped one has not."""
    steps = [step for step in _of(evidence, does) if step.state == "done"]
    said = {server_id for step in steps for server_id in (*step.done, *step.left)}
    return [
        server.hostname or server.server_id
        for server in _servers(evidence, ServerStatus.LAUNCHED)
        if server.server_id not in said
    ]


def _of(evidence: RunEvidence, *does: str) -> Sequence[HomeStep]:
    return [step for step in evidence.home if step.does in does]


def _ended(what: str, step: HomeStep) -> str:
    if step.state == "unproven":
        return f"{what}: {step.task} is marked as successful and left no result"
    return f"{what}: {short(step.error)}" if step.error else f"{what}: {step.task} was not reached"
