"""What each event says: from what a run left behind to a notice."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from drs_provider.formatting import duration, instant_words, plural, some
from drs_provider.notify.notice import Notice, Question, RunSummary
from drs_provider.rules.purpose import DRILL, FAILBACK_DRILL, find_purpose
from drs_provider.rules.run import names
from drs_provider.rules.run.handover import PreflightResult
from drs_provider.rules.run.state import RunStatus, ServerStatus, WaveState, WaveStatus, cause_of_wave
from drs_provider.rules.run.state.run_state import REPORT_MISSING

if TYPE_CHECKING:
    from drs_provider.report.result import RunReport


_MOST = 5
"""Failed servers that a message names; the report has all."""

_LONGEST_CAUSE = 160
"""Characters of a first cause in a headline; the facts have all of it."""

_ENDED: Final = {RunStatus.REFUSED: "was refused", RunStatus.CANCELLED: "was cancelled"}
"""Verdicts whose words alone are no sentence."""
_WAVE_ENDED: Final = {WaveStatus.CANCELLED: "was cancelled", WaveStatus.NOT_STARTED: "was not started"}


def wave_words(wave: WaveState) -> str:
    """Say how far a wave is, with its figures: ``launched, 3 of 3 servers up``, ``waiting, 1 server``."""
    if not wave.servers:
        return wave.status.words
    count = plural(len(wave.servers), "server")
    if not (wave.results_known or wave.goes_back):
        return f"{wave.status.words}, {count}"
    return f"{wave.status.words}, {wave.arrived}"


def started(run: RunSummary, preflight: PreflightResult, *, at: datetime) -> Notice:
    """Preflight has passed: the run goes on to its waves, or to those who have to approve it."""
    counts = {name: len(wave.servers) for name, wave in preflight.chosen_waves.items()}
    facts = [("Waves", ", ".join(f"{name} ({count})" for name, count in counts.items()) or "none")]
    if preflight.point_in_time != "latest":
        facts.append(("Point in time", preflight.point_in_time))
    if findings := len(preflight.findings):
        warnings = plural(findings, "warning")
        facts.append(("Preflight", f"{warnings}; see the log of {names.PREFLIGHT_TASK}"))
    total = plural(sum(counts.values()), "server")
    then = "; it waits for approval before anything is launched" if preflight.needs_approval else ""
    headline = f"started, {total} in {plural(len(counts), 'wave')}{then}"
    return Notice("started", run, headline, at.isoformat(), tuple(facts))


def paused(run: RunSummary, question: Question, *, wave: str | None, at: datetime) -> Notice:
    """People are asked, and the run waits for them."""
    what = f"waits for an answer before wave {wave}" if wave else "waits for approval"
    until = instant_words(datetime.fromisoformat(question.until))
    facts = (
        ("Asked", question.text),
        ("Of whom", ", ".join(question.people) or "any user who may answer in Airflow"),
        ("Until", f"{until}; without an answer {question.otherwise}"),
    )
    step = f"answer {' or '.join(question.options)}"
    # Asked of others it is another question: the second of two approvals may be asked for by the same task.
    occasion = "\n".join((question.task_id, *question.people))
    return Notice("paused", run, what, at.isoformat(), facts, step, wave=wave, occasion=occasion, question=question)


def wave_completed(run: RunSummary, wave: WaveState, *, others: Sequence[WaveState], at: datetime) -> Notice:
    """A wave is up, as far as the plan asks for it."""
    headline = f"wave {wave.name} completed"
    if wave.servers:
        lacking = f", {wave.failed} failed and tolerated" if wave.failed else ""
        headline += f", {wave.arrived}{lacking}"
    return Notice("wave_completed", run, headline, at.isoformat(), _progress(others), wave=wave.name)


def wave_failed(run: RunSummary, wave: WaveState, *, others: Sequence[WaveState], at: datetime) -> Notice:
    """A wave has failed; the waves after it do not start."""
    failures = [server for server in wave.servers or () if server.status in (ServerStatus.FAILED, ServerStatus.STUCK)]
    cause = cause_of_wave(wave, find_purpose(run.mode) or DRILL)
    facts = [("Why", cause.words if cause else wave.reason or "see the logs of its tasks")]
    facts += [(f"Server {server.hostname}", server.reason or server.status.words) for server in failures[:_MOST]]
    if len(failures) > _MOST:
        watch = names.DRILL_JOB if run.mode == FAILBACK_DRILL.name else names.WATCH
        task = names.REVERSE if wave.goes_back else watch
        facts.append(("And", f"{len(failures) - _MOST} more servers; the wave's {task} lists them"))
    first = cause.next_step if cause else f"look at the failed tasks of wave {wave.name} in Airflow"
    again = "what is up already is not launched again, and the waves behind start"
    if wave.goes_back:
        again = "what is replicated back already is not copied again"
    step = (
        f"{first}. While this run goes on, you can clear the failed tasks of wave {wave.name} with everything "
        f"downstream: {again}"
    )
    headline = f"wave {wave.name} {_WAVE_ENDED.get(wave.status, wave.status.words)}"
    if cause:
        headline += _short(f": {cause.server}: {cause.reason}" if cause.server else f": {cause.reason}")
    everything = (*facts, *_progress(others))
    return Notice("wave_failed", run, headline, at.isoformat(), everything, step, wave=wave.name)


def ended(run: RunSummary, report: "RunReport | None", *, at: datetime) -> Notice:
    """The run is over. Without a report nobody knows how it went, which is a failure."""
    if report is None:
        return Notice(
            "failed",
            run,
            REPORT_MISSING,
            at.isoformat(),
            next_step=f"look at the log of {names.REPORT_TASK} in Airflow, and clear that task to write the report",
        )
    counts, objectives = report.counts, report.objectives
    facts = [("Verdict", report.verdict_reason)]
    if report.run.purpose.launches:
        facts += [
            ("Servers", _counted(counts.launched, counts.servers - counts.excluded, counts.failed, counts.not_started)),
            ("RTO", objectives.rto.why),
            ("RPO", objectives.rpo.why),
        ]
    if report.run.purpose.copies:
        facts.append(("Servers", f"{counts.ready} of {counts.servers - counts.excluded} ready in their origin"))
    facts += [("Took", duration(report.elapsed_seconds))]
    facts += [(f"Server {failure.hostname}", failure.reason) for failure in report.failures[:_MOST]]
    if len(report.failures) > _MOST:
        facts.append(("And", f"{len(report.failures) - _MOST} more failed servers; the report lists them"))
    if report.cleanup.left:
        ids = some(list(report.cleanup.left))
        facts.append(("Still there", f"{plural(len(report.cleanup.left), 'drill instance')}: {ids}"))
    verdict = RunStatus(report.verdict)
    event, headline = "completed" if verdict.is_good else "failed", _ENDED.get(verdict, verdict.words)
    if report.first_cause:
        headline += _short(f": {report.first_cause.words}")
    return Notice(event, run, headline, at.isoformat(), tuple(facts), _after(report), has_report=True)


def cleaned_up(run: RunSummary, done: Sequence[str], left: Sequence[str], *, at: datetime) -> Notice:
    """The clean-up DAG has removed left-overs of drills, or could not."""
    removed = f"{plural(len(done), 'left-over')} of drills cleaned up" if done else ""
    remaining = f"{plural(len(left), 'left-over')} of drills still there" if left else ""
    facts = [("Cleaned up", line) for line in done[:_MOST]]
    facts += [("And", f"{len(done) - _MOST} more")] if len(done) > _MOST else []
    facts += [("Still there", line) for line in left[:_MOST]]
    facts += [("And", f"{len(left) - _MOST} more that are still there")] if len(left) > _MOST else []
    step = f"see the log of {names.SWEEPER_DAG}: what is still there may cost money" if left else None
    return Notice(
        "clean_up",
        run,
        ", ".join(part for part in (removed, remaining) if part),
        at.isoformat(),
        tuple(facts),
        step,
        occasion="\n".join((run.plan, *done, "", *left)),
    )


def rto_at_risk(
    run: RunSummary, *, rto_seconds: float, share: int, waves: Sequence[WaveState], since: datetime, at: datetime
) -> Notice:
    """Time runs out, or has run out, while waves are still to be launched.

    :param share: how much of the RTO has passed, in per cent
    :param waves: those that are not over
    """
    rto, taken = duration(rto_seconds), duration((at - since).total_seconds())
    over = share >= 100  # noqa: PLR2004 - per cent
    headline = f"RTO of {rto} is missed, and the run continues" if over else f"{share} % of the RTO of {rto} has passed"
    facts = (
        ("Running for", f"{taken}, since {instant_words(since)}"),
        ("To be done", ", ".join(f"{wave.name} ({wave.status.words})" for wave in waves) or "nothing"),
    )
    step = "see in Airflow what the run waits for: an answer, a job of DRS, or a worker"
    return Notice("rto_at_risk", run, headline, at.isoformat(), facts, step, occasion=str(share))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_CAUSE else f"{text[:_LONGEST_CAUSE]}…"


def _progress(others: Sequence[WaveState]) -> tuple[tuple[str, str], ...]:
    return tuple((f"Wave {wave.name}", wave_words(wave)) for wave in others)


def _counted(launched: int, servers: int, failed: int, not_started: int) -> str:
    parts = [f"{launched} of {servers} launched"]
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{not_started} not started"] if not_started else []
    return ", ".join(parts)


def _after(report: "RunReport") -> str | None:
    if report.cleanup.left:
        return report.cleanup.next_step or "remove the drill instances that are still there"
    if report.first_cause and report.first_cause.next_step:
        return report.first_cause.next_step
    if report.verdict in ("failed", "refused"):
        return "read the report; what failed is at its top"
    return None
