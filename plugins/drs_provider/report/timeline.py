"""The run as dated sentences, oldest first."""

from collections.abc import Iterator

from drs_provider.formatting import instant_words, joined, plural
from drs_provider.report.evidence import RunEvidence, RunFacts, WaitEvidence, WaveEvidence
from drs_provider.report.result import RunReport, TimelineEntry
from drs_provider.report.steps import entries as step_entries
from drs_provider.rules.run.state.vocabulary import ServerStatus


def timeline_of(evidence: RunEvidence, report: RunReport) -> tuple[TimelineEntry, ...]:
    """Tell the run in order. What has no recorded time has no place here; it stands elsewhere in the report."""
    entries = [*_run_entries(evidence, report)]
    for wave in evidence.waves:
        entries.extend(_quiesced(wave))
        entries.extend(_job_entries(wave))
        entries.extend(_failed_servers(wave))
        entries.extend(_retries(wave))
    entries.extend(step_entries(evidence))
    return tuple(sorted(entries, key=lambda entry: entry.at))


def _run_entries(evidence: RunEvidence, report: RunReport) -> Iterator[TimelineEntry]:
    run = evidence.run
    who = f" by {run.triggered_by}" if run.triggered_by else ""
    if run.queued_at:
        yield TimelineEntry(at=run.queued_at, what=f"{run.mode} of {run.plan} requested{who}{_asked_for(run)}")
    yield TimelineEntry(at=run.started_at, what="run started")
    if evidence.preflight and evidence.preflight.checked_at:
        found = plural(len(evidence.preflight.findings), "finding")
        word = "passed" if evidence.preflight.passed else "refused the run"
        yield TimelineEntry(at=evidence.preflight.checked_at, what=f"preflight {word}, {found}")
    if kept := evidence.drill.kept:
        if kept.began_at:
            yield TimelineEntry(at=kept.began_at, what="drill kept for people to look at")
        if kept.ended_at:
            times = f", extended {kept.extended} time{'s'[: kept.extended != 1]}" if kept.extended else ""
            who = f" by {kept.by}" if kept.by else ", its time was over"
            yield TimelineEntry(at=kept.ended_at, what=f"keeping ended{who}{times}")
        for extension in kept.extensions:
            who = f" by {extension.by}" if extension.by else ""
            until = instant_words(extension.until)
            yield TimelineEntry(at=extension.at, what=f"kept drill extended{who} until {until}")
    for wait in evidence.waits:
        yield from _wait_entries(wait)
    yield from _roll_back_entries(evidence)
    for order in evidence.orders:
        yield TimelineEntry(at=order.at, what=order.message, wave=order.wave)
    for edited in evidence.edited:  # nobody knows when
        yield TimelineEntry(at=evidence.finished_at, what=f"{edited.where} not believed: {edited.problem}")
    yield TimelineEntry(at=evidence.finished_at, what=f"report written: {report.verdict.replace('_', ' ')}")


def _roll_back_entries(evidence: RunEvidence) -> Iterator[TimelineEntry]:
    if (commit := evidence.commit) and commit.rolled_back_at:
        gone = plural(len(commit.terminated), "instance")
        how = f", {plural(len(commit.left), 'thing')} left" if commit.left else ""
        yield TimelineEntry(at=commit.rolled_back_at, what=f"roll back ended, {gone} terminated{how}")


def _asked_for(run: RunFacts) -> str:
    """Say why a run was asked for, and what the person left out of it."""
    left_out = run.params.get("exclude_servers")
    names = [str(name) for name in left_out] if isinstance(left_out, list) else []
    return (f", without {joined(names)}" if names else "") + _why(run.reason)


def _why(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _wait_entries(wait: WaitEvidence) -> Iterator[TimelineEntry]:
    if wait.kind == "commit":
        yield TimelineEntry(at=wait.began_at, what="commit or roll back requested")
        if wait.ended_at:
            who = f" by {wait.by}" if wait.by else ", nobody answered in time"
            what = f"{wait.outcome.replace('_', ' ')}{who}{_why(wait.comment)}"
            yield TimelineEntry(at=wait.ended_at, what=what)
        return
    noun = wait.task.rsplit(".", 1)[-1].replace("_", " ")
    begun = "began" if wait.kind == "delay" else "requested"
    yield TimelineEntry(at=wait.began_at, what=f"{noun} {begun}", wave=wait.wave)
    if wait.ended_at:
        who = f" by {wait.by}" if wait.by else ""
        yield TimelineEntry(at=wait.ended_at, what=f"{noun} {wait.outcome}{who}{_why(wait.comment)}", wave=wait.wave)


def _quiesced(wave: WaveEvidence) -> Iterator[TimelineEntry]:
    if wave.quiesced:
        by = f" by {joined(wave.quiesced.steps)}" if wave.quiesced.steps else ""
        yield TimelineEntry(at=wave.quiesced.at, what=f"writes stopped{by}", wave=wave.name)


def _job_entries(wave: WaveEvidence) -> Iterator[TimelineEntry]:
    for job in wave.jobs:
        servers = plural(len(job.servers), "server")
        if job.created_at:
            verb = "found and adopted" if job.adopted else "started"
            again = f", attempt {job.attempt}" if job.attempt > 1 else ""
            what = f"job {job.job_id} {verb}, {servers}{again}"
            yield TimelineEntry(at=job.created_at, what=what, wave=wave.name)
        if job.ended_at:
            by_this = [server for server in wave.servers if server.job_id in (None, job.job_id)]
            launched = {server.server_id for server in by_this if server.status == ServerStatus.LAUNCHED}
            what = f"job {job.job_id} ended, {len(launched.intersection(job.servers))} of {servers} launched"
            yield TimelineEntry(at=job.ended_at, what=what, wave=wave.name)


def _retries(wave: WaveEvidence) -> Iterator[TimelineEntry]:
    """Tell of every server that was launched again: what failed, and how the next launch differs."""
    ended = {job.job_id: job.ended_at for job in wave.jobs}
    for server in wave.servers:
        for attempt in server.tries:
            if at := ended.get(attempt.job_id):
                how = {"fallback": " with other settings", "older_point": " from an older recovery point"}
                again = f"launched again{how.get(attempt.how, '')}"
                what = f"{server.hostname or server.server_id} failed in {attempt.job_id}, {again}: {attempt.reason}"
                yield TimelineEntry(at=at, what=what, wave=wave.name)


def _failed_servers(wave: WaveEvidence) -> Iterator[TimelineEntry]:
    for server in wave.servers:
        for event in server.events:
            if event.event.endswith(("_FAIL", "_FAILED")):
                name = server.hostname or server.server_id
                yield TimelineEntry(at=event.at, what=f"{name}: {event.event}", wave=wave.name)
