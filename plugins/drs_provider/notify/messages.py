"""What each event says: from what a run left behind to a notice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from drs_provider.formatting import duration, instant_words, plural, some
from drs_provider.notify.notice import Notice, Question, RunSummary

if TYPE_CHECKING:
    from drs_provider.report.result import RunReport


@dataclass(frozen=True)
class WaveNow:
    """How far a wave of a run has come: one of ``done``, ``failed``, ``running``, ``waiting``, ``left out``.

    ``launched`` and ``failed`` are counts of servers, None where nobody has counted yet.
    """

    name: str
    state: str
    servers: int
    launched: int | None = None
    failed: int | None = None

    def in_words(self) -> str:
        """Say the state with its figures: ``done, 3 of 3 servers up``."""
        if self.launched is None:
            return f"{self.state}, {plural(self.servers, 'server')}"
        return f"{self.state}, {self.launched} of {plural(self.servers, 'server')} up"


_MOST = 5
"""Failed servers that a message names; the report has all."""

GOOD = ("passed", "completed", "completed_with_exceptions")

_HEADLINES = {
    "passed": "passed",
    "completed": "completed",
    "completed_with_exceptions": "completed with exceptions",
    "failed": "failed",
    "refused": "was refused",
    "cancelled": "was cancelled",
}


def started(run: RunSummary, preflight: Mapping[str, Any], *, at: datetime) -> Notice:
    """Preflight has passed: the run goes on to its waves, or to those who have to approve it."""
    waves = {name: wave for name, wave in preflight["waves"].items() if wave["selected"]}
    counts = {name: sum(len(part["servers"]) for part in wave["targets"]) for name, wave in waves.items()}
    findings = len(preflight["findings"])
    facts = [("Waves", ", ".join(f"{name} ({count})" for name, count in counts.items()) or "none")]
    if preflight["point_in_time"] != "latest":
        facts.append(("Point in time", preflight["point_in_time"]))
    if findings:
        facts.append(("Preflight", f"warns of {plural(findings, 'thing')}; they stand in the log of preflight.check"))
    total = plural(sum(counts.values()), "server")
    then = "; it waits for approval before anything is launched" if preflight["needs_approval"] else ""
    return Notice(
        "started", run, f"started, {total} in {plural(len(counts), 'wave')}{then}", at.isoformat(), tuple(facts)
    )


def paused(run: RunSummary, question: Question, *, wave: str | None, at: datetime) -> Notice:
    """People are asked, and the run waits for them."""
    what = f"waits for an answer before wave {wave}" if wave else "waits for approval"
    until = instant_words(datetime.fromisoformat(question.until))
    facts = (
        ("Asked", question.text),
        ("Of whom", ", ".join(question.people) or "anybody who may answer in Airflow"),
        ("Until", f"{until}; without an answer {question.otherwise}"),
    )
    step = f"answer {' or '.join(question.options)}"
    # Asked of others it is another question: the second of two approvals may be asked for by the same task.
    occasion = "\n".join((question.task_id, *question.people))
    return Notice("paused", run, what, at.isoformat(), facts, step, wave=wave, occasion=occasion, question=question)


def wave_completed(run: RunSummary, wave: WaveNow, *, others: Sequence[WaveNow], at: datetime) -> Notice:
    """A wave is up, as far as the plan asks for it."""
    lacking = f", {wave.failed} failed and tolerated" if wave.failed else ""
    count = f"{wave.launched} of {plural(wave.servers, 'server')} up{lacking}"
    return Notice(
        "wave_completed",
        run,
        f"wave {wave.name} completed, {count}",
        at.isoformat(),
        _progress(others),
        wave=wave.name,
    )


def wave_failed(
    run: RunSummary,
    wave: WaveNow,
    *,
    why: str,
    failures: Sequence[tuple[str, str]],
    others: Sequence[WaveNow],
    at: datetime,
) -> Notice:
    """A wave has failed; the waves after it do not start. ``failures`` are hostnames, each with its reason."""
    facts = [("Why", why)]
    facts += [(f"Server {name}", reason) for name, reason in failures[:_MOST]]
    if len(failures) > _MOST:
        facts.append(("And", f"{len(failures) - _MOST} more servers; the wave's recovery_job lists them"))
    step = (
        f"look at the failed tasks of wave {wave.name} in Airflow. When the cause is gone, clear them with everything "
        "downstream: what is up already is not launched again, and the waves behind start"
    )
    return Notice(
        "wave_failed",
        run,
        f"wave {wave.name} failed",
        at.isoformat(),
        (*facts, *_progress(others)),
        step,
        wave=wave.name,
    )


def ended(run: RunSummary, report: "RunReport | None", *, at: datetime) -> Notice:
    """The run is over. Without a report nobody knows how it went, which is a failure."""
    if report is None:
        return Notice(
            "failed",
            run,
            "ended without a report, so nobody can say how it went",
            at.isoformat(),
            next_step="look at the log of finish.report in Airflow, and clear that task to write the report",
        )
    counts, objectives = report.counts, report.objectives
    facts = [
        ("Verdict", report.verdict_reason),
        ("Servers", _counted(counts.launched, counts.servers - counts.excluded, counts.failed, counts.not_started)),
        ("RTO", objectives.rto.why),
        ("RPO", objectives.rpo.why),
        ("Took", duration(report.elapsed_seconds)),
    ]
    facts += [(f"Server {one.hostname or one.server_id}", one.reason) for one in report.failures[:_MOST]]
    if len(report.failures) > _MOST:
        facts.append(("And", f"{len(report.failures) - _MOST} more failed servers; the report lists them"))
    if report.cleanup.left:
        names = some(list(report.cleanup.left))
        facts.append(("Still there", f"{plural(len(report.cleanup.left), 'drill instance')}: {names}"))
    event = "completed" if report.verdict in GOOD else "failed"
    return Notice(
        event,
        run,
        _HEADLINES[report.verdict],
        at.isoformat(),
        tuple(facts),
        _after(report),
        has_report=True,
    )


def rto_at_risk(
    run: RunSummary, *, rto_seconds: float, share: int, waves: Sequence[WaveNow], since: datetime, at: datetime
) -> Notice:
    """Time runs out, or has run out, while waves are still to be launched."""
    rto, taken = duration(rto_seconds), duration((at - since).total_seconds())
    over = share >= 100  # noqa: PLR2004 - per cent
    headline = f"RTO of {rto} is missed, and the run goes on" if over else f"{share} % of the RTO of {rto} has passed"
    open_waves = [wave for wave in waves if wave.state in ("running", "waiting")]
    facts = (
        ("Running for", f"{taken}, since {instant_words(since)}"),
        ("To be done", ", ".join(f"{wave.name} ({wave.state})" for wave in open_waves) or "nothing"),
    )
    step = "see in Airflow what the run waits for: an answer, a job of DRS, or a worker"
    return Notice("rto_at_risk", run, headline, at.isoformat(), facts, step, occasion=str(share))


def _progress(others: Sequence[WaveNow]) -> tuple[tuple[str, str], ...]:
    return tuple((f"Wave {wave.name}", wave.in_words()) for wave in others)


def _counted(launched: int, servers: int, failed: int, not_started: int) -> str:
    parts = [f"{launched} of {servers} launched"]
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{not_started} not started"] if not_started else []
    return ", ".join(parts)


def _after(report: "RunReport") -> str | None:
    if report.cleanup.left:
        return report.cleanup.next_step or "remove the drill instances that are still there"
    if report.failures:
        return report.failures[0].next_step
    if report.verdict in ("failed", "refused"):
        return "read the report; what failed is at its top"
    return None
