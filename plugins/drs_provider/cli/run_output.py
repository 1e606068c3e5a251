"""What ``drs run`` prints: runs as lines for people. Pure."""

from collections.abc import Sequence
from datetime import datetime

from drs_provider.cli.run_view import RunView, WaveView

_STATES = {
    "waiting": "waiting",
    "asks": "waits for a person",
    "running": "running",
    "done": "done",
    "failed": "FAILED",
    "cancelled": "cancelled",
    "skipped": "left out",
    "not_started": "not started",
}


def status(run: RunView, now: datetime) -> str:
    """Word one run: its waves, what it waits for, where its report is."""
    lines = [f"{run.plan}  {run.run_id}  {run.state}" + (f", {run.mode}" if run.mode else "")]
    lines.append(f"  asked for {moment(run.asked_for_at)}" + (f" by {run.triggered_by}" if run.triggered_by else ""))
    if run.started_at:
        ended = datetime.fromisoformat(run.ended_at) if run.ended_at else now
        took = (ended - datetime.fromisoformat(run.started_at)).total_seconds()
        lines.append(f"  {'took' if run.ended_at else 'runs since'} {clock(took)}")
    if run.is_paused:
        lines.append("  the plan is paused: nothing new starts, DRS jobs go on; drs run resume " + run.plan)
    lines += [f"  note: {line}" for line in (run.note or "").splitlines()]
    lines += _table(run.waves)
    for question in run.questions:
        who = f" (asked: {', '.join(question.asked)})" if question.asked else ""
        lines.append(f"  waits for a person: {question.task}: {question.subject}{who}")
        lines.append(f"    drs run approve {run.plan} --task {question.task}   or   drs run reject …")
    if run.report:
        lines.append(f"  {run.report['verdict'].replace('_', ' ')}: {run.report['why']}")
        lines.append(f"  report {run.report['html']}")
    return "\n".join(lines)


def _table(waves: Sequence[WaveView]) -> list[str]:
    if not waves:
        return []
    rows = [(wave.name, _STATES[wave.state], _servers(wave)) for wave in waves]
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    return [f"    {name:<{first}}  {state:<{second}}  {servers}".rstrip() for name, state, servers in rows]


def _servers(wave: WaveView) -> str:
    if wave.launched is not None:
        failed = f", {wave.failed} failed" if wave.failed else ""
        return f"{wave.launched} of {wave.servers or wave.launched + (wave.failed or 0)} launched{failed}"
    return "" if wave.servers is None else f"{wave.servers} server{'s'[: wave.servers != 1]}"


def progress(run: RunView) -> str:
    """Word a run in one line, for the log of a wait."""
    waves = ", ".join(f"{wave.name} {_STATES[wave.state]}" for wave in run.waves)
    asks = "".join(f"; {question.task} waits for a person" for question in run.questions)
    paused = "; the plan is paused" if run.is_paused else ""
    return f"{run.state}: {waves}{asks}{paused}" if waves else f"{run.state}{asks}{paused}"


def listing(runs: Sequence[RunView]) -> str:
    """Word runs as a table, one a line."""
    rows = [
        (run.plan, run.state, run.mode or "", moment(run.asked_for_at), run.triggered_by or "", run.run_id)
        for run in runs
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(6)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def moment(text: str | None) -> str:
    """Write an instant as people do, in UTC and to the second."""
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC" if text else "at an unknown time"


def clock(seconds: float) -> str:
    """Write a duration as ``1:05`` or ``2:00:00``."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def some(names: Sequence[str]) -> str:
    """Write names as in a sentence."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
