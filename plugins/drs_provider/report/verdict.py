"""One word for a whole run, and one sentence why."""

from collections.abc import Iterator

from drs_provider.formatting import plural, some, still_there
from drs_provider.report import steps
from drs_provider.report.copies import exceptions_at_home, failures_at_home, judge_copies, unproven_syncs
from drs_provider.report.evidence import CommitFacts, RunEvidence, ServerEvidence, WaveEvidence
from drs_provider.report.result import ObjectiveResults, Outcome
from drs_provider.report.server_status import MISSING
from drs_provider.rules.launch.results import tolerance
from drs_provider.rules.run import names
from drs_provider.rules.run.state.first_cause import FirstCause
from drs_provider.rules.run.state.vocabulary import CleanupStatus, CommitStatus, ServerStatus, WaveStatus

_ALL_LAUNCHED = "everything had been launched by then"
_NOT_CLEANED = (CleanupStatus.NOT_RUN, CleanupStatus.WAITING, CleanupStatus.KEPT, CleanupStatus.RUNNING)
_UNKNOWN = (ServerStatus.LAUNCHING, ServerStatus.UNKNOWN)
_MAY_BE_THERE = (ServerStatus.LAUNCHED, ServerStatus.LAUNCHING, ServerStatus.PREPARED, ServerStatus.UNKNOWN)


def judge(evidence: RunEvidence, objectives: ObjectiveResults) -> tuple[Outcome, str]:
    """Return the outcome and why, in one sentence; the first cause and the next step follow where there is one."""
    purpose = evidence.run.purpose
    if purpose.copies:
        outcome, why = judge_copies(evidence)
    else:
        outcome, why = _judge(evidence, objectives) if purpose.launches else _judge_check(evidence)
        why = _with_commit(why, evidence)
    cause = cause_that_counts(evidence, outcome)
    after = f"{_left_stopped(evidence)}{_by_others(evidence, outcome)}"
    if cause is None:
        return outcome, f"{why}{after}"
    # A step or a task is named with its reason already: it is not said twice, nor is a long one that was cut.
    first = "" if cause.reason.removesuffix("…") in why else f" First cause: {cause.words}."
    return (
        outcome,
        f"{why}{first}{f' Next step: {cause.next_step}.' if cause.next_step else ''}{after}",
    )


def _left_stopped(evidence: RunEvidence) -> str:
    """Warn of launch settings that a launch ahead has left: the next launch would stay stopped, whoever starts it."""
    names = {server.server_id: _name(server) for wave in evidence.waves for server in wave.servers}
    left = [f"{names.get(server, server)} ({why})" for server, why in evidence.left_stopped.items()]
    if not left:
        return ""
    return (
        f" Warning: DRS leaves stopped what is launched of {some(left)}: in its console, "
        'switch on "Start instance upon launch" for each.'
    )


def _by_others(evidence: RunEvidence, outcome: Outcome) -> str:
    """Say what others have done to the run's jobs and instances, as far as it is not said as an exception."""
    gone = () if outcome == "completed_with_exceptions" else _gone_before(evidence)
    done = [*gone] + [f"{name}: {words}" for name, words in evidence.outside.items()]
    return f" Done by others: {some(done, separator='; ')}." if done else ""


def _with_commit(why: str, evidence: RunEvidence) -> str:
    """Add how the end of a recovery stands, and what comes next."""
    commit = evidence.commit
    if commit is None:
        return why
    said = f"{why} {_sentence([commit.words])}"
    step = next((step for step in evidence.next_steps if step.status == "next"), None)
    return f"{said} Next: {step}." if step else said


def cause_that_counts(evidence: RunEvidence, outcome: Outcome) -> FirstCause | None:
    """Give the first cause, where the outcome comes from one; a person who ended the run is named in its sentence."""
    return evidence.first_cause if outcome in ("failed", "refused", "completed_with_exceptions") else None


def _judge(evidence: RunEvidence, objectives: ObjectiveResults) -> tuple[Outcome, str]:
    """Return the outcome and one sentence why; passed (a recovery: completed) only when nothing speaks against it.

    *cancelled*: a person ended it, and nothing failed besides; it is no proof of its plan, however far it came.
    *refused*: nothing was launched because preflight said no, or because nobody approved. *superseded*: a recovery took
    servers of the drill while it went on, whatever else came of it. *failed*: a wave or a task outside the waves
    failed, or a wave was marked as successful without a result, nothing was launched, or a drill is not known to be
    cleaned up. *completed_with_exceptions*: all waves went through and were cleaned up, and something must be looked
    at: a failed or left-out server, a missed objective.
    """
    unstarted = [*_unstarted(evidence), *steps.undone(evidence)]
    if evidence.drill.superseded and evidence.run.purpose.yields:
        return "superseded", _sentence([evidence.drill.superseded, *unstarted, *_uncleaned(evidence)])
    cut = list(_cut_short(evidence))
    if evidence.cancelled and not [*_failed_waves(evidence), *_uncleaned(evidence)]:
        return "cancelled", _sentence(
            [evidence.cancelled, *([*cut, *unstarted, *_open_at_home(evidence)] or [_ALL_LAUNCHED])]
        )
    if (why := _refusal(evidence)) is not None:
        return "refused", why
    if failures := list(_reasons_to_fail(evidence)):
        return "failed", _sentence(failures)
    if exceptions := list(_exceptions(evidence, objectives)):
        return "completed_with_exceptions", _sentence(exceptions)
    return evidence.run.purpose.good_verdict, _sentence([_all_well(evidence)])


def _open_at_home(evidence: RunEvidence) -> Iterator[str]:
    """Yield what a failback that was ended leaves open of what runs in its origin already."""
    yield from failures_at_home(evidence)
    yield from exceptions_at_home(evidence)


def _judge_check(evidence: RunEvidence) -> tuple[Outcome, str]:
    """Judge a run that only looks: *checked* or *refused*, or *cancelled*; *failed* where nobody knows what it saw."""
    preflight = evidence.preflight
    if (why := _refusal(evidence)) is not None:
        return "refused", why
    if evidence.cancelled:
        return "cancelled", _sentence([evidence.cancelled])
    if preflight is None:
        return "failed", _sentence(["preflight left no result, so nothing is known to be checked"])
    if any(wave.jobs for wave in evidence.waves):
        return "failed", _sentence(["a check launches nothing, and jobs of it exist"])
    servers, waves = sum(len(wave.servers) for wave in evidence.waves), plural(len(evidence.waves), "wave")
    warnings = sum(finding.severity == "warning" for finding in preflight.findings)
    found = f"with {plural(warnings, 'warning')}" if warnings else "nothing speaks against a drill of it"
    return evidence.run.purpose.good_verdict, _sentence(
        [f"{plural(servers, 'server')} in {waves} checked, {found}; nothing was launched"]
    )


def _all_well(evidence: RunEvidence) -> str:
    servers, waves = sum(len(wave.servers) for wave in evidence.waves), plural(len(evidence.waves), "wave")
    if steps.only_steps(evidence.waves):
        return f"the steps of {waves} were done, and nothing was to be launched"
    if evidence.run.purpose.cuts_over:
        return f"{plural(servers, 'server')} in {waves} run in their origin, are protected from there, and are at rest"
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
        errors = [finding for finding in preflight.findings if finding.severity == "refusal"]
        count = f"found {plural(len(errors), 'reason')} against it" if errors else "did not pass"
        return f"{_nothing(evidence)}: preflight {count}."
    said = [error.message for error in evidence.errors if names.group_of(error.task) == names.PREFLIGHT_GROUP]
    if said:
        return f"{_nothing(evidence)}: preflight ended with: {said[0].strip()}"
    return None


def _nothing(evidence: RunEvidence) -> str:
    """Say that nothing was launched, or what an earlier try of the run had launched before somebody cleared it."""
    there = {server.instance_id for wave in evidence.waves for server in wave.servers if server.instance_id}
    gone = {instance.instance_id for instance in evidence.cleanup.terminated} - there
    earlier = [f"{plural(len(there), 'instance')} still there"] if there else []
    earlier += [f"{plural(len(gone), 'instance')} terminated by the clean-up"] if gone else []
    if not earlier:
        return "Nothing was launched"
    return f"Nothing more was launched after the run was cleared (from before: {', '.join(earlier)})"


def _cut_short(evidence: RunEvidence) -> Iterator[str]:
    """Say how far the waves had come that a person ended."""
    for wave in evidence.waves:
        if wave.state == WaveStatus.CANCELLED:
            there = sum(server.status == ServerStatus.LAUNCHED for server in wave.servers)
            servers = plural(there + len(_absent(wave)), "server")
            yield (
                f"wave {wave.name} ended with {there} of {servers} launched"
                if wave.servers
                else (f"wave {wave.name} ended before all its steps were done")
            )


def _failed_waves(evidence: RunEvidence) -> Iterator[str]:
    for wave in evidence.waves:
        if wave.state == WaveStatus.FAILED:
            absent = [server for server in _absent(wave) if not server.lost]  # what is lost since was launched
            missing = [_name(server) for server in absent if server.status not in _UNKNOWN]
            unknown = [_name(server) for server in absent if server.status in _UNKNOWN]
            why = [f"{some(missing)} not launched"] if missing else []
            why += [f"unknown whether {some(unknown)} {_was(unknown)} launched"] if unknown else []
            why += [f"step {step.name} failed: {steps.short(step.summary)}" for step in steps.broken(wave.steps)[:1]]
            why = why or ([steps.short(wave.state_reason)] if wave.state_reason else [])
            yield f"wave {wave.name} failed" + (f": {', '.join(why)}" if why else "")
        elif wave.state == WaveStatus.UNPROVEN:
            yield f"wave {wave.name}: {wave.state_reason or 'its tasks left no result'}"
    for wave in evidence.waves:
        if not wave.state.is_over:
            yield f"wave {wave.name} was still running when the run ended"


def _unstarted(evidence: RunEvidence) -> Iterator[str]:
    unstarted = [wave.name for wave in evidence.waves if wave.state == WaveStatus.NOT_STARTED]
    if unstarted:
        waiting = [
            server for wave in evidence.waves for server in wave.servers if server.status == ServerStatus.PREPARED
        ]
        prepared = f" ({plural(len(waiting), 'server')} prepared)" if waiting else ""
        yield f"{_waves(unstarted)} not started{prepared}"


def _reasons_to_fail(evidence: RunEvidence) -> Iterator[str]:
    if evidence.commit and evidence.commit.status is CommitStatus.INCOMPLETE:
        yield "the roll back is incomplete"
    yield from steps.broken_plan_steps(evidence)
    yield from _failed_waves(evidence)
    yield from failures_at_home(evidence)
    yield from (words for wave in evidence.waves if not _is_tolerated(wave) for words in _lost_since(wave))
    yield from _cut_short(evidence)
    yield from _unstarted(evidence)
    yield from steps.undone(evidence)
    settled = {wave.name for wave in evidence.waves} | {names.FINISH_GROUP, *names.PLAN_STEP_GROUPS}
    for error in evidence.errors:
        if names.group_of(error.task) not in settled:
            yield f"task {error.task} failed"
    if not steps.only_steps(evidence.waves) and not any(
        server.status == ServerStatus.LAUNCHED for wave in evidence.waves for server in wave.servers
    ):
        is_unknown = any(server.status in _UNKNOWN for wave in evidence.waves for server in wave.servers)
        yield "no server is known to be launched" if is_unknown else "no server was launched"
    yield from _uncleaned(evidence)


def _exceptions(evidence: RunEvidence, objectives: ObjectiveResults) -> Iterator[str]:
    for wave in evidence.waves:
        yield from _lacks(wave)
    for wave in evidence.waves:
        yield from _failed_actions(wave)
    bare = [_name(server) for wave in evidence.waves for server in wave.servers if server.not_protected]
    if bare:
        yield f"not protected from termination: {some(bare)}"
    skipped = [
        wave.name
        for wave in evidence.waves
        if wave.state == WaveStatus.SKIPPED and not wave.lost and not wave.passed_over
    ]
    if skipped:
        yield f"{_waves(skipped)} skipped"
    excluded = [
        _name(server) for wave in evidence.waves for server in wave.servers if server.status == ServerStatus.EXCLUDED
    ]
    if excluded:
        yield f"excluded: {some(excluded)}"
    for wave in evidence.waves:
        if stopped := [_name(server) for server in wave.servers if server.stopped_since]:
            yield f"wave {wave.name}: {some(stopped)} {_is(stopped)} stopped at the end of the run"
    yield from _gone_before(evidence)
    yield from unproven_syncs(evidence)
    yield from _missed(objectives)
    yield from _changed_networks(evidence)
    if evidence.commit:
        yield from _of_the_end(evidence.commit)
    yield from exceptions_at_home(evidence)
    yield from steps.exceptions(evidence)
    yield from (f"{edited.where} was not believed: {edited.problem}" for edited in evidence.edited)
    for error in evidence.errors:
        yield f"task {error.task} failed"


def _of_the_end(commit: CommitFacts) -> Iterator[str]:
    """Say what is undecided, and what a roll back leaves to people: it is done all the same."""
    if commit.status is CommitStatus.UNDECIDED:
        yield "nobody has decided whether it stands"
    if commit.kept:
        yield f"kept by EC2 although their instances are gone: {some(list(commit.kept))}"
    if commit.settings_left:
        yield f"launch settings not put back: {some(list(commit.settings_left))}"


def _lacks(wave: WaveEvidence) -> Iterator[str]:
    """Say what a wave that went through has not brought up, and who or what let it go through."""
    if wave.passed_over:
        yield wave.passed_over
    yield from (f"wave {wave.name}: {lost}" for lost in wave.lost)
    missing = [_name(server) for server in _absent(wave) if server.reason not in wave.lost and not server.lost]
    gone = list(_lost_since(wave))
    yield from gone
    if missing:
        yield f"wave {wave.name}: {some(missing)} not launched"
    elif gone:
        return
    elif wave.state == WaveStatus.COMPLETED_WITH_EXCEPTIONS and not (
        wave.lost or wave.passed_over or _is_explained(wave)
    ):
        yield f"wave {wave.name}: {wave.state_reason or 'completed with exceptions'}"


def _gone_before(evidence: RunEvidence) -> Iterator[str]:
    """Say which instances of a drill somebody else, or EC2, has ended while it went on."""
    ended = {instance.instance_id for instance in evidence.cleanup.terminated if instance.gone_before}
    gone = [
        f"{_name(server)} ({server.instance_id})"
        for wave in evidence.waves
        for server in wave.servers
        if server.status == ServerStatus.LAUNCHED and server.instance_id in ended
    ]
    if gone:
        yield f"gone before the clean-up, ended by somebody else or by EC2: {some(gone)}"


def _lost_since(wave: WaveEvidence) -> Iterator[str]:
    """Say which servers of a wave were launched, and are not there at the end of the run."""
    if gone := [_name(server) for server in wave.servers if server.lost]:
        yield f"wave {wave.name}: {some(gone)} {_was(gone)} launched, and {_is(gone)} not there at the end of the run"


def _is_tolerated(wave: WaveEvidence) -> bool:
    """Whether the plan goes on without the critical servers of a wave that are not there at the end of the run."""
    servers = [server for server in wave.servers if server.critical and server.status != ServerStatus.EXCLUDED]
    failed = sum(server.status in MISSING for server in servers)
    return not failed or tolerance(wave.tolerate_failures)(failed, len(servers))


def _missed(objectives: ObjectiveResults) -> Iterator[str]:
    for name, result in (("RTO", objectives.rto), ("RPO", objectives.rpo)):
        if result.outcome == "missed":
            yield f"{name} missed: {result.why}"


def _changed_networks(evidence: RunEvidence) -> Iterator[str]:
    for network in evidence.networks:
        if network.changed and network.isolated_at_end:
            yield f"drill network {network.vpc_id} was changed while the drill ran: {some(list(network.changed))}"


def _is_explained(wave: WaveEvidence) -> bool:
    """Whether another line says already why it is no better: failed or unproven steps, failed launch actions."""
    return any(True for _ in steps.exceptions_of(wave)) or any(True for _ in _failed_actions(wave))


def _failed_actions(wave: WaveEvidence) -> Iterator[str]:
    """Say which launch actions failed on servers that were launched all the same."""
    hosts: dict[str, list[str]] = {}
    for server in wave.servers:
        for action in server.actions:
            if action.status == "FAILED" and server.status == ServerStatus.LAUNCHED:
                hosts.setdefault(action.name, []).append(_name(server))
    for action_name, servers in hosts.items():
        yield f"wave {wave.name}: launch action {action_name} failed on {some(servers)}"


def _uncleaned(evidence: RunEvidence) -> Iterator[str]:
    cleanup = evidence.cleanup
    opened = [str(network.vpc_id) for network in evidence.networks if network.isolated_at_end is False]
    if opened:
        yield f"drill network {some(opened)} was opened while the drill ran"
    if cleanup.left:
        yield still_there(cleanup.left)
    elif opened:
        return
    elif cleanup.state == CleanupStatus.INCOMPLETE:
        yield f"clean-up is incomplete: {cleanup.reason or 'no reason was recorded'}"
    elif not evidence.run.purpose.is_temporary:
        return
    elif cleanup.state == CleanupStatus.UNPROVEN:
        yield f"clean-up is not proven: {cleanup.reason or 'the drill instances may still be there'}"
    elif cleanup.state in _NOT_CLEANED and any(map(_may_have_launched, evidence.waves)):
        yield f"clean-up did not run: {cleanup.reason or 'the drill instances may still be there'}"


def _may_have_launched(wave: WaveEvidence) -> bool:
    """Whether jobs of a wave are known, or servers that one of them must have launched."""
    return bool(wave.jobs) or any(server.status in _MAY_BE_THERE for server in wave.servers)


def _absent(wave: WaveEvidence) -> list[ServerEvidence]:
    """Servers of a wave that should be there and are not; those of a skipped wave should not."""
    if wave.state == WaveStatus.SKIPPED:
        return []
    return [server for server in wave.servers if server.status in MISSING]


def _name(server: ServerEvidence) -> str:
    return server.hostname or server.server_id


def _was(names: list[str]) -> str:
    return "was" if len(names) == 1 else "were"


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _waves(names: list[str]) -> str:
    return f"wave {names[0]} was" if len(names) == 1 else f"waves {some(names)} were"


def _sentence(parts: list[str]) -> str:
    text = "; ".join(dict.fromkeys(parts))
    return f"{text[:1].upper()}{text[1:]}."
