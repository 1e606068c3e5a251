"""One word for a whole run, and one sentence why."""

from collections.abc import Collection, Iterator

from drs_provider.formatting import plural, some, still_there
from drs_provider.report import steps
from drs_provider.report.evidence import RunEvidence, ServerEvidence, StepEvidence, TaskError, WaveEvidence
from drs_provider.report.result import ObjectiveResults, Outcome
from drs_provider.report.server_status import standing_of

PREFLIGHT_GROUP, FINISH_GROUP = "preflight", "finish"
"""Task groups around the waves; no wave may have one of these names."""

_HARMLESS = ("warning", "info")
"""Severities of preflight's findings that do not refuse a run."""


def judge(evidence: RunEvidence, objectives: ObjectiveResults) -> tuple[Outcome, str]:
    """Return the outcome and one sentence why; passed (a recovery: completed) only when nothing speaks against it.

    *cancelled*: a person ended it before all of it was launched, and nothing failed besides. *refused*: nothing was
    launched because preflight said no, or because nobody approved. *superseded*: a recovery took servers of the drill
    while it went on, whatever else came of it. *failed*: a wave or a task outside the waves
    failed, nothing was launched, or a drill is not cleaned up. *completed_with_exceptions*: all waves went through and
    were cleaned up, and something must be looked at: a failed or left-out server, a missed objective.
    """
    unstarted = [*_unstarted(evidence), *steps.undone(evidence)]
    if evidence.drill.superseded and evidence.run.mode == "drill":
        return "superseded", _sentence([evidence.drill.superseded, *unstarted, *_uncleaned(evidence)])
    cut = [wave for wave in evidence.waves if _is_cut_short(evidence, wave)]
    if evidence.cancelled and (cut or unstarted) and not [*_failed_waves(evidence, but=cut), *_uncleaned(evidence)]:
        return "cancelled", _sentence([evidence.cancelled, *map(_how_far, cut), *unstarted])
    if (why := _refusal(evidence)) is not None:
        return "refused", why
    if failures := list(_reasons_to_fail(evidence)):
        return "failed", _sentence(failures)
    if exceptions := list(_exceptions(evidence, objectives)):
        return "completed_with_exceptions", _sentence(exceptions)
    return "passed" if evidence.run.mode == "drill" else "completed", _sentence([_all_well(evidence)])


def _all_well(evidence: RunEvidence) -> str:
    servers, waves = sum(len(wave.servers) for wave in evidence.waves), plural(len(evidence.waves), "wave")
    if steps.only_steps(evidence.waves):
        return f"the steps of {waves} were done, and nothing was to be launched"
    return (
        f"all {plural(servers, 'server')} in {waves} were launched"
        if servers > 1
        else f"the server in {waves} was launched"
    )


def _refusal(evidence: RunEvidence) -> str | None:
    if any(wave.jobs for wave in evidence.waves):
        return None
    preflight = evidence.preflight
    if preflight is not None and not preflight.passed:
        errors = [finding for finding in preflight.findings if finding.severity not in _HARMLESS]
        count = f"found {plural(len(errors), 'reason')} against it" if errors else "did not pass"
        return f"Nothing was launched: preflight {count}."
    said = [error.message for error in evidence.errors if _group(error) == PREFLIGHT_GROUP]
    if said:
        return f"Nothing was launched: preflight ended with: {said[0].strip()}"
    return None


def _is_cut_short(evidence: RunEvidence, wave: WaveEvidence) -> bool:
    """Whether all that is wrong with a wave is that a person ended it before all of its servers were launched."""
    absent = _absent(wave)
    return (
        wave.state == "failed"
        and bool(absent)
        and all(one.reason == evidence.cancelled for one in absent)
        and not steps.broken(wave.steps)
    )


def _how_far(wave: WaveEvidence) -> str:
    there = sum(standing_of(server) == "launched" for server in wave.servers)
    return f"wave {wave.name} ended with {there} of {plural(there + len(_absent(wave)), 'server')} launched"


def _failed_waves(evidence: RunEvidence, but: Collection[WaveEvidence] = ()) -> Iterator[str]:
    for wave in evidence.waves:
        if wave.state == "failed" and wave not in but:
            missing = [_name(server) for server in _absent(wave)]
            why = [f"{some(missing)} not launched"] if missing else []
            why += [f"step {one.name} failed: {steps.short(one.summary)}" for one in steps.broken(wave.steps)[:1]]
            yield f"wave {wave.name} failed" + (f": {', '.join(why)}" if why else "")
    for wave in evidence.waves:
        if wave.state == "running":
            yield f"wave {wave.name} was still running when the run ended"


def _unstarted(evidence: RunEvidence) -> Iterator[str]:
    unstarted = [wave.name for wave in evidence.waves if wave.state == "not_started"]
    if unstarted:
        yield f"{_waves(unstarted)} not started"


def _reasons_to_fail(evidence: RunEvidence) -> Iterator[str]:
    yield from steps.broken_plan_steps(evidence)
    yield from _failed_waves(evidence)
    yield from _unstarted(evidence)
    yield from steps.undone(evidence)
    settled = {wave.name for wave in evidence.waves} | {FINISH_GROUP, *(_group(one) for one in evidence.steps)}
    for error in evidence.errors:
        if _group(error) not in settled:
            yield f"task {error.task} failed"
    if not steps.only_steps(evidence.waves) and not any(
        standing_of(server) == "launched" for wave in evidence.waves for server in wave.servers
    ):
        yield "no server was launched"
    yield from _uncleaned(evidence)


def _exceptions(evidence: RunEvidence, objectives: ObjectiveResults) -> Iterator[str]:
    for wave in evidence.waves:
        missing = [_name(server) for server in _absent(wave)]
        if missing:
            yield f"wave {wave.name}: {some(missing)} not launched"
        elif wave.state == "completed_with_exceptions" and not _is_explained(wave):
            yield f"wave {wave.name}: {wave.state_reason or 'completed with exceptions'}"
    for wave in evidence.waves:
        yield from _failed_actions(wave)
    bare = [_name(one) for wave in evidence.waves for one in wave.servers if one.not_protected]
    if bare:
        yield f"not protected from termination: {some(bare)}"
    skipped = [wave.name for wave in evidence.waves if wave.state == "skipped"]
    if skipped:
        yield f"{_waves(skipped)} left out"
    excluded = [_name(server) for wave in evidence.waves for server in wave.servers if server.status == "EXCLUDED"]
    if excluded:
        yield f"excluded: {some(excluded)}"
    yield from _missed(objectives)
    yield from _changed_networks(evidence)
    yield from steps.exceptions(evidence)
    for error in evidence.errors:
        yield f"task {error.task} failed"


def _missed(objectives: ObjectiveResults) -> Iterator[str]:
    for name, result in (("RTO", objectives.rto), ("RPO", objectives.rpo)):
        if result.outcome == "missed":
            yield f"{name} missed: {result.why}"


def _changed_networks(evidence: RunEvidence) -> Iterator[str]:
    for network in evidence.networks:
        if network.changed and network.isolated_at_end:
            yield f"drill network {network.vpc_id} was changed while the drill ran: {some(list(network.changed))}"


def _is_explained(wave: WaveEvidence) -> bool:
    return any(one.state == "failed" for one in wave.steps) or any(True for _ in _failed_actions(wave))


def _failed_actions(wave: WaveEvidence) -> Iterator[str]:
    """Say which launch actions failed on servers that were launched all the same."""
    hosts: dict[str, list[str]] = {}
    for server in wave.servers:
        for action in server.actions:
            if action.status == "FAILED" and standing_of(server) == "launched":
                hosts.setdefault(action.name, []).append(_name(server))
    for action_name, names in hosts.items():
        yield f"wave {wave.name}: launch action {action_name} failed on {some(names)}"


def _uncleaned(evidence: RunEvidence) -> Iterator[str]:
    cleanup = evidence.cleanup
    opened = [str(network.vpc_id) for network in evidence.networks if network.isolated_at_end is False]
    if opened:
        yield f"drill network {some(opened)} was opened while the drill ran"
    if cleanup.left:
        yield still_there(cleanup.left)
    elif opened:
        return
    elif cleanup.state == "incomplete":
        yield f"clean-up is incomplete: {cleanup.reason or 'no reason was recorded'}"
    elif cleanup.state == "not_run" and evidence.run.mode == "drill" and any(map(_may_have_launched, evidence.waves)):
        yield f"clean-up did not run: {cleanup.reason or 'the drill instances may still be there'}"


def _may_have_launched(wave: WaveEvidence) -> bool:
    """Whether jobs of a wave are known, or servers that one of them must have launched."""
    return bool(wave.jobs) or any(server.status == "LAUNCHED" for server in wave.servers)


def _absent(wave: WaveEvidence) -> list[ServerEvidence]:
    """Servers of a wave that should be there and are not; those of a skipped wave should not."""
    if wave.state == "skipped":
        return []
    return [server for server in wave.servers if standing_of(server) in ("failed", "not_started")]


def _name(server: ServerEvidence) -> str:
    return server.hostname or server.server_id


def _group(error: TaskError | StepEvidence) -> str:
    return error.task.split(".", 1)[0]


def _waves(names: list[str]) -> str:
    return f"wave {names[0]} was" if len(names) == 1 else f"waves {some(names)} were"


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."
