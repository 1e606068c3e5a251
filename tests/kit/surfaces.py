"""Everything that shows how a run stands, each made to say its words of a recorded run.

A surface gives, by wave, the words that it shows; a wave that it does not show is left out.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from drs_provider.dag.people.question_text import RunProgress, pause_text
from drs_provider.notify.messages import wave_completed
from drs_provider.notify.notice import RunSummary
from drs_provider.plan.model import Pause
from drs_provider.report.collect.run import evidence_of
from drs_provider.report.evidence import RunFacts
from drs_provider.report.measure import measure
from drs_provider.report.page import render
from drs_provider.report.result import RunReport
from drs_provider.rules.run.shape import compile_shape
from drs_provider.rules.run.state import LeftDocuments, RunState, state_of
from kit.recorded_runs import RecordedRun

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
Says = Callable[[RecordedRun, Path], Mapping[str, str]]


@dataclass(frozen=True)
class Surface:
    """One place where people read states. ``is_for_the_end``: it is there only once the run has ended."""

    says: Says
    is_for_the_end: bool = False


def reported(run: RecordedRun, folder: Path) -> RunReport:
    """Write the report of a recorded run anew."""
    facts = RunFacts(
        dag_id=run.dag_id, run_id=run.run_id, mode=run.conf["mode"], plan="shop", started_at=run.started_at
    )
    left = LeftDocuments(run.in_a_task(folder, is_last_look=True))
    return measure(
        evidence_of(facts, compile_shape(run.runnable(folder)), left, now=datetime.fromisoformat(run.ended_at))
    )


def _state(run: RecordedRun, folder: Path) -> RunState:
    return state_of(run.in_a_task(folder))


def _report(run: RecordedRun, folder: Path) -> Mapping[str, str]:
    return {wave.name: wave.state.words for wave in reported(run, folder).waves}


def _report_page(run: RecordedRun, folder: Path) -> Mapping[str, str]:
    page = render(reported(run, folder))
    return dict(re.findall(r"<header><h3>([^<]+)</h3><span class=\"chip \w*\">\S+ ([^<]+)</span>", page))


def _notice(run: RecordedRun, folder: Path) -> Mapping[str, str]:
    state = _state(run, folder)
    summary = RunSummary("shop", "Shop", "drill", run.dag_id, run.run_id)
    notice = wave_completed(summary, state.waves[0], others=state.waves, at=NOW)
    return {name.removeprefix("Wave "): words.split(",")[0] for name, words in notice.facts}


def _question(run: RecordedRun, folder: Path) -> Mapping[str, str]:
    left = LeftDocuments(run.in_a_task(folder))
    preflight, pause = left.preflight(), Pause(message="Go on?", approvers=("ann",))
    if preflight is None:
        return {}
    last = list(preflight.waves)[-1]
    text = pause_text(pause, preflight, last, progress=RunProgress(_state(run, folder).waves, timedelta(minutes=5)))
    rows = [line.split("|") for line in text.splitlines() if re.match(r"\| \w+ \| [^*]", line)]
    return {row[1].strip(): row[2].strip() for row in rows if row[1].strip() != "wave"}


SURFACES: dict[str, Surface] = {
    "report": Surface(_report, is_for_the_end=True),
    "report page": Surface(_report_page, is_for_the_end=True),
    "notice": Surface(_notice),
    "question": Surface(_question),
}
"""By name. Whatever else shows states (board, command line, demo) is added here."""
