"""What ``drs run`` prints: runs as lines for people. Pure."""

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from drs_provider.formatting import instant_words, joined, plural
from drs_provider.rules.commit.next_steps import AfterRecovery, next_steps
from drs_provider.rules.run.run_view import RunView
from drs_provider.rules.run.state import WaveState, first_cause
from drs_provider.rules.run.state.words import words
from drs_provider.rules.run.verbs import answer_commands

_WIDE: Final = 10_000
"""Columns of a table: its lines are never broken, for they are read by programs too."""


def status(run: RunView, now: datetime) -> str:
    """Word one run: its waves, what it waits for, where its report is."""
    lines = [
        f"{run.plan}  {run.short_id}  {run.run_id}  {words(run.state.status)}" + (f", {run.mode}" if run.mode else "")
    ]
    lines.append(f"  requested {moment(run.asked_for_at)}" + (f" by {run.triggered_by}" if run.triggered_by else ""))
    if run.started_at:
        took = ((run.ended_at or now) - run.started_at).total_seconds()
        lines.append(f"  {'took' if run.ended_at else 'running for'} {clock(took)}")
    if run.is_paused:
        lines.append(f"  the plan is paused: nothing new starts, DRS jobs continue; drs run resume {run.plan}")
    lines += [f"  note: {line}" for line in (run.note or "").splitlines()]
    lines += table([(wave.name, words(wave.status), _servers(wave)) for wave in run.waves], indent=4)
    if run.kept:
        extended = f", extended {plural(run.kept.extended, 'time')}" if run.kept.extended else ""
        by = f", last by {run.kept.by}" if run.kept.by else ""
        lines.append(f"  kept for people until {moment(run.kept.until)}{extended}{by}")
    if run.state.commit:
        lines.append(f"  {run.state.commit.words}")
        refused = run.state.commit.record.refused
        lines += [f"  {refused}"] if refused and run.questions else []
    lines += [f"  next: {step}" for step in next_steps_of(run) if step.status in ("next", "later")]
    for question in run.questions:
        who = f" (approvers: {', '.join(question.asked)})" if question.asked else ""
        lines.append(f"  waiting for an answer: {question.task}: {question.subject}{who}")
        lines += [f"    {command}" for command in answer_commands(run, question)]
    if run.report:
        lines.append(f"  {run.report.verdict.replace('_', ' ')}: {run.report.reason}")
        lines.append(f"  report {run.report.where}")
    elif cause := first_cause(run.state):
        lines.append(f"  first cause: {cause.words}")
        lines += [f"  next step: {cause.next_step}"] if cause.next_step else []
    if run.state.reason and not run.report:
        lines.append(f"  {run.state.reason}")
    return "\n".join(lines)


def next_steps_of(run: RunView) -> tuple[AfterRecovery, ...]:
    """Say what comes after a recovery that is up and that people were asked about."""
    if run.state.commit is None:
        return ()
    return next_steps(run.plan, run.state.commit, has_failback=run.has_failback)


def _servers(wave: WaveState) -> str:
    if wave.servers is None:
        return ""
    if wave.results_known:
        failed = f", {wave.failed} failed" if wave.failed else ""
        return f"{wave.launched} of {len(wave.servers)} launched{failed}"
    return plural(len(wave.servers), "server")


def progress(run: RunView) -> str:
    """Word a run in one line, for the log of a wait."""
    waves = ", ".join(f"{wave.name} {words(wave.status)}" for wave in run.waves)
    asking = [question.task for question in run.questions]
    asks = f"; waiting for an answer: {joined(asking)}" if asking else ""
    paused = "; the plan is paused" if run.is_paused else ""
    cause = first_cause(run.state)
    because = f"; first cause: {cause.words}" if cause and not run.report else ""
    because += f"; next step: {cause.next_step}" if because and cause and cause.next_step else ""
    return f"{words(run.state.status)}{': ' if waves else ''}{waves}{asks}{paused}{because}"


def listing(runs: Sequence[RunView]) -> str:
    """Word runs as a table, one a line."""
    return "\n".join(
        table(
            (
                run.plan,
                words(run.state.status),
                run.mode or "",
                moment(run.asked_for_at),
                run.triggered_by or "",
                run.short_id,
                run.run_id,
            )
            for run in runs
        )
    )


def table(rows: Iterable[Sequence[str]], indent: int = 0) -> list[str]:
    """Lay out rows in columns, two spaces apart, without colours: a pipe reads the same as a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        grid.add_row(*(Text(cell, no_wrap=True) for cell in row))
    written = io.StringIO()
    Console(file=written, width=_WIDE, color_system=None, force_terminal=False, legacy_windows=False).print(grid)
    return [" " * indent + line.rstrip() for line in written.getvalue().splitlines() if line.strip()]


def moment(at: datetime | None) -> str:
    """Write an instant as people do, in UTC and to the second."""
    return instant_words(at) if at else "at an unknown time"


def clock(seconds: float) -> str:
    """Write a duration as ``1:05`` or ``2:00:00``."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
