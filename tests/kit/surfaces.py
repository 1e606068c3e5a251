"""Everything that shows how a run stands, each made to say its words of a recorded run.

A surface gives the words that it shows by what they are about: ``run``, ``preflight``, ``cleanup``, ``wave web``,
``server s-1``, ``step web.check``; what it does not show is left out.
"""

import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from drs_provider.cli.run_output import listing, progress, status
from drs_provider.dag.people.question_text import RunProgress, pause_text
from drs_provider.notify.messages import wave_completed
from drs_provider.notify.notice import RunSummary
from drs_provider.plan.model import Pause
from drs_provider.report.collect.run import evidence_of
from drs_provider.report.evidence import RunFacts
from drs_provider.report.measure import measure
from drs_provider.report.page import render
from drs_provider.report.result import RunReport
from drs_provider.rules.run.run_view import RunView
from drs_provider.rules.run.shape import compile_shape
from drs_provider.rules.run.state import (
    CleanupStatus,
    LeftDocuments,
    PreflightStatus,
    RunState,
    RunStatus,
    ServerStatus,
    StepState,
    StepStatus,
    WaveStatus,
    state_of,
)
from drs_provider.services.run_control import RunControl
from drs_provider.services.run_document import run_json
from drs_provider.ui.board import board_of
from drs_provider.ui.pages import STATES
from drs_provider.ui.read_model import RunData
from kit.in_memory_airflow import InMemoryAirflow
from kit.recorded_runs import RecordedRun
from rich.console import Console

from demo.board import board
from demo.screen import Header, PlainScreen

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
Says = Callable[[RecordedRun, Path], Mapping[str, str]]


@dataclass(frozen=True)
class Surface:
    """One place where people read states. ``is_for_the_end``: it is there only once the run has ended."""

    says: Says
    is_for_the_end: bool = False


def words_of(state: RunState) -> dict[str, str]:
    """Give the words of a state, by what they are about."""
    said = {"run": state.status.words, "preflight": state.preflight.status.words, "cleanup": state.cleanup.status.words}
    said |= {f"wave {wave.name}": wave.status.words for wave in state.waves}
    said |= {f"server {server.server_id}": server.status.words for wave in state.waves for server in wave.servers or ()}
    said |= {f"server {server.server_id}": ServerStatus.EXCLUDED.words for server in state.excluded}
    steps = (*state.before, *state.after, *(step for wave in state.waves for step in wave.steps))
    return said | {f"step {step.task}": step.status.words for step in steps}


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
    report = reported(run, folder)
    said = {"run": RunStatus(report.verdict).words, "cleanup": report.cleanup.state.words}
    said |= {f"wave {wave.name}": wave.state.words for wave in report.waves}
    said |= {f"server {server.server_id}": server.status.words for wave in report.waves for server in wave.servers}
    steps = (*report.steps, *(step for wave in report.waves for step in wave.steps))
    return said | {f"step {step.task}": step.state.words for step in steps}


def _report_page(run: RecordedRun, folder: Path) -> Mapping[str, str]:
    page = render(reported(run, folder))
    waves = re.findall(r"<header><h3>([^<]+)</h3><span class=\"chip \w*\">\S+ ([^<]+)</span>", page)
    return {f"wave {name}": words for name, words in waves}


def _notice(run: RecordedRun, folder: Path) -> Mapping[str, str]:
    state = _state(run, folder)
    summary = RunSummary("shop", "Shop", "drill", run.dag_id, run.run_id)
    notice = wave_completed(summary, state.waves[0], others=state.waves, at=NOW)
    return {f"wave {name.removeprefix('Wave ')}": words.split(",")[0] for name, words in notice.facts}


def _question(run: RecordedRun, folder: Path) -> Mapping[str, str]:
    left = LeftDocuments(run.in_a_task(folder))
    preflight, pause = left.preflight(), Pause(message="Go on?", approvers=("ann",))
    if preflight is None:
        return {}
    last = list(preflight.waves)[-1]
    text = pause_text(pause, preflight, last, progress=RunProgress(_state(run, folder).waves, NOW, NOW))
    rows = [line.split("|") for line in text.splitlines() if re.match(r"\| \w+ \| [^*]", line)]
    return {f"wave {row[1].strip()}": row[2].strip() for row in rows if row[1].strip() != "wave"}


def _board(run: RecordedRun, _: Path) -> Mapping[str, str]:
    """The board as its script words it: with the table of states that stands in the page."""
    snapshot = run.for_the_pages()
    data = RunData(
        dag_id=run.dag_id,
        run_id=run.run_id,
        state=run.state,
        started_at=datetime.fromisoformat(run.started_at),
        mode=run.conf["mode"],
        tasks=snapshot.tasks,
        upstream={task: frozenset(waited_for) for task, waited_for in run.upstream.items()},
        classes=run.classes,
        left=run.documents,
    )
    drawn = board_of(data, NOW).model_dump(mode="json")
    shown = [(kind, kind, drawn[key]) for kind, key in (("run", "status"), ("preflight",) * 2, ("cleanup",) * 2)]
    shown += [("wave", f"wave {wave['name']}", wave["status"]) for wave in drawn["waves"]]
    servers = [server for wave in drawn["waves"] for server in wave["servers"]]
    shown += [("server", f"server {server['server_id']}", server["status"]) for server in servers]
    steps = [step for part in (drawn, *drawn["waves"]) for step in (*part["before"], *part["after"])]
    shown += [("step", f"step {step['task']}", step["status"]) for step in steps]
    return {subject: STATES[kind][state][1] for kind, subject, state in shown}


def _looked_up(run: RecordedRun) -> RunView:
    """The run as the command line and the demo find it in Airflow."""
    return RunControl(InMemoryAirflow.of(run)).look("shop", run.run_id)


def _status_text(run: RecordedRun, _: Path) -> Mapping[str, str]:
    view = _looked_up(run)
    lines = status(view, NOW).splitlines()
    ends = f", {view.mode}" if view.mode else ""
    said = {"run": lines[0].split("  ")[3].removesuffix(ends)}
    rows = [re.split(r" {2,}", line.strip()) for line in lines if re.match(" {4}(?!drs run )", line)]
    return said | {f"wave {row[0]}": row[1] for row in rows}


def _status_json(run: RecordedRun, _: Path) -> Mapping[str, str]:
    view = _looked_up(run)
    printed = run_json(view)
    said = {
        "run": RunStatus(printed["status"]).words,
        "preflight": PreflightStatus(printed["preflight"]["status"]).words,
        "cleanup": CleanupStatus(printed["cleanup"]["status"]).words,
    }
    said |= {f"wave {wave['name']}": WaveStatus(wave["status"]).words for wave in printed["waves"]}
    state = view.state
    said |= _steps_said([*state.before, *state.after], [*printed["before"], *printed["after"]])
    for wave, in_json in zip(state.waves, printed["waves"], strict=True):
        said |= _steps_said(wave.steps, [*in_json["before"], *in_json["after"]])
    return said


def _steps_said(steps: Iterable[StepState], printed: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Give the words of printed steps by their tasks, which are not printed."""
    return {
        f"step {step.task}": StepStatus(in_json["status"]).words for step, in_json in zip(steps, printed, strict=True)
    }


def _progress(run: RecordedRun, _: Path) -> Mapping[str, str]:
    view = _looked_up(run)
    run_words, _, waves = progress(view).partition(";")[0].partition(": ")
    said = (wave.partition(" ") for wave in waves.split(", ") if wave)
    return {"run": run_words} | {f"wave {name}": words for name, _, words in said}


def _listing(run: RecordedRun, _: Path) -> Mapping[str, str]:
    (view,) = RunControl(InMemoryAirflow.of(run)).list_runs("shop")
    return {"run": re.split(r" {2,}", listing([view]))[1]}


def _demo(run: RecordedRun, _: Path) -> Mapping[str, str]:
    written = io.StringIO()
    screen = PlainScreen(Console(file=written))
    screen.show(Header("drs.shop", "drill", timedelta(0), None, 1), board(_looked_up(run).state, [], NOW))
    rows = [re.split(r" {2,}", line.strip()) for line in written.getvalue().splitlines()[1:]]
    return {f"wave {row[1].split()[1]}": re.sub(r" \d+ servers$", "", row[2]) for row in rows}


SURFACES: dict[str, Surface] = {
    "report": Surface(_report, is_for_the_end=True),
    "report page": Surface(_report_page, is_for_the_end=True),
    "notice": Surface(_notice),
    "question": Surface(_question),
    "board": Surface(_board),
    "drs run status": Surface(_status_text),
    "drs run status --format json": Surface(_status_json),
    "drs run wait": Surface(_progress),
    "drs run list": Surface(_listing, is_for_the_end=True),
    "demo": Surface(_demo),
}
"""By name. Whatever else shows states is added here."""
