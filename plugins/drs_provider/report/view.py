"""The report in the order and the proportions in which the page shows it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlsplit

from pydantic import JsonValue

from drs_provider.formatting import duration, instant_words, share
from drs_provider.report.home.rows import HomeRow, home_rows
from drs_provider.report.result import (
    Failure,
    ObjectiveOutcome,
    ObjectiveResult,
    Outcome,
    PredictionReport,
    RunReport,
    ServerReport,
    TimeKind,
    WaveReport,
)
from drs_provider.report.server_status import UNTRIED
from drs_provider.rules.failback.progress import WORDS, size
from drs_provider.rules.failback.state import Stage
from drs_provider.rules.run.handover import FailbackServer
from drs_provider.rules.run.state.vocabulary import RunStatus, ServerStatus
from drs_provider.rules.run.state.words import shown

VERDICTS: dict[Outcome, tuple[str, str]] = {
    outcome: (shown(RunStatus(outcome)).sign, shown(RunStatus(outcome)).words.capitalize())
    for outcome in get_args(Outcome)
}
"""Sign and words of every verdict: the colour is never the only sign."""

_LONG_TABLE = 12
_MOST_FAILURES = 25
"""Failed servers that get a paragraph of their own; the others stand in a table below them."""

_OUTCOMES: dict[ObjectiveOutcome, tuple[str, str]] = {
    "met": ("✓ met", "good"),
    "missed": ("✕ missed", "bad"),
    "not_measured": ("not measured", ""),
    "no_objective": ("no objective", ""),
}
_KINDS: dict[TimeKind, str] = {
    "preflight": "preflight",
    "approvals": "approvals",
    "network": "drill network",
    "settings": "launch settings",
    "jobs": "DRS jobs",
    "boots": "boots of what was launched ahead",
    "readiness": "until the servers were ready",
    "steps": "steps",
    "people": "pauses and people",
    "delays": "delays of the plan",
    "clean_up": "clean-up",
    "orchestration": "Airflow, and what was not recorded",
}
_ORDER = (
    ServerStatus.FAILED,
    ServerStatus.STUCK,
    ServerStatus.UNKNOWN,
    ServerStatus.COPYING,
    ServerStatus.LAUNCHING,
    ServerStatus.PREPARED,
    ServerStatus.NOT_STARTED,
    ServerStatus.WAITING,
    ServerStatus.SKIPPED,
    ServerStatus.EXCLUDED,
    ServerStatus.READY,
    ServerStatus.LAUNCHED,
)
_GOOD = (ServerStatus.LAUNCHED, ServerStatus.READY)


@dataclass(frozen=True)
class Meter:
    """One objective as a bar: what was measured, and where the objective stands, in per cent of its width."""

    name: str
    title: str
    figure: str
    target: str
    is_measured: bool
    partial: str | None
    last_launched: str | None
    outcome: ObjectiveOutcome
    words: str
    tone: str
    why: str
    filled: float
    mark: float | None


@dataclass(frozen=True)
class Segment:
    """One phase of a server as per cent of the slowest server of its wave."""

    kind: str
    width: float
    title: str


@dataclass(frozen=True)
class ServerRow:
    """One line of a wave's table."""

    server: ServerReport
    segments: tuple[Segment, ...]
    notes: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class WaveTable:
    """A wave with its servers parted: those to look at, and those that are there.

    ``untried`` says that no server of the wave was started; ``opens`` that the launched ones are few enough to show.
    """

    wave: WaveReport
    attention: tuple[ServerRow, ...]
    launched: tuple[ServerRow, ...]
    opens: bool
    untried: bool


@dataclass(frozen=True)
class ShareBar:
    """What one kind of work took of the whole run; ``width`` is per cent."""

    kind: TimeKind
    words: str
    seconds: float
    width: float


@dataclass(frozen=True)
class View:
    """What the template needs beside the report itself.

    ``data_spread``: between the oldest and the newest data of what several waves have launched; None: it is not known.
    """

    symbol: str
    verdict: str
    meters: tuple[Meter, Meter]
    tables: tuple[WaveTable, ...]
    failures: tuple[Failure, ...]
    shares: tuple[ShareBar, ...]
    dead_worst: str
    overhead: str
    data_spread: str | None
    airflow_url: str | None
    home: tuple[HomeRow, ...] = ()
    foretold: tuple[str, str] | None = None
    """The recovery time from the first launch on, and what was foretold of it."""


def _foretold(found: PredictionReport) -> str:
    """Say what was foretold: ``foretold: 10 min 55 s launched ahead, 35 min 40 s in waves``."""
    if found.launch == "in_waves":
        return f"foretold: {duration(found.predicted_seconds)}"
    in_waves = duration(found.in_waves_seconds)
    return f"foretold: {duration(found.predicted_seconds)} launched ahead, {in_waves} in waves"


def _data_spread(report: RunReport) -> str | None:
    """Say how far the data of the waves' servers is apart; None: of fewer than two waves anything is known."""
    points = {
        wave.name: [server.point_in_time for server in wave.servers if server.point_in_time]
        for wave in report.waves
        if wave.started_at
    }
    if sum(map(bool, points.values())) < 2:  # noqa: PLR2004  (one wave is one instant)
        return None
    instants = [instant for found in points.values() for instant in found]
    return duration(max(instants) - min(instants))


def view_of(report: RunReport) -> View:
    """Arrange the report for reading."""
    symbol, verdict = VERDICTS[report.verdict]
    rto = _meter("RTO", "Recovery time, run start until the service is there", report.objectives.rto)
    lost = "data written before its writes stopped, and not there"
    what = lost if report.run.purpose.quiesces else "age of the oldest data at its launch"
    rpo = _meter("RPO", f"Recovery point, {what}", report.objectives.rpo)
    worst_gap = max((gap.seconds for gap in report.dead_times), default=None)
    return View(
        symbol=symbol,
        verdict=verdict,
        meters=(rto, rpo),
        tables=tuple(_table(wave) for wave in report.waves if wave.servers or wave.steps),
        failures=report.failures[:_MOST_FAILURES],
        shares=_shares(report),
        dead_worst=duration(worst_gap),
        overhead=share(report.critical_path.overhead_share),
        data_spread=_data_spread(report),
        airflow_url=web_url(report.run.airflow_url),
        home=home_rows(report),
        foretold=(
            (duration(report.prediction.measured_seconds), _foretold(report.prediction)) if report.prediction else None
        ),
    )


def web_url(url: str | None) -> str | None:
    """Let http and https addresses through; anything else, such as ``javascript:``, is no link."""
    try:
        return url if url and urlsplit(url).scheme in ("http", "https") else None
    except ValueError:
        return None


def _meter(name: str, title: str, result: ObjectiveResult) -> Meter:
    figure = result.measured_seconds if result.measured_seconds is not None else result.partial_seconds
    target = result.target_seconds
    scale = max(figure or 0.0, target or 0.0) * 1.08 or 1.0
    return Meter(
        name=name,
        title=title,
        figure=duration(result.measured_seconds),
        target=duration(target) if target is not None else "none",
        is_measured=result.measured_seconds is not None,
        partial=duration(result.partial_seconds) if figure is not None and result.measured_seconds is None else None,
        last_launched=(duration(result.last_launched_seconds) if result.last_launched_seconds is not None else None),
        outcome=result.outcome,
        words=_OUTCOMES[result.outcome][0],
        tone=_OUTCOMES[result.outcome][1],
        why=result.why,
        filled=round((figure or 0.0) / scale * 100, 2),
        mark=round(target / scale * 100, 2) if target is not None else None,
    )


def _shares(report: RunReport) -> tuple[ShareBar, ...]:
    whole = sum(share.seconds for share in report.time_shares)
    if not whole:
        return ()
    return tuple(
        ShareBar(share.kind, _KINDS[share.kind], share.seconds, round(share.seconds / whole * 100, 2))
        for share in report.time_shares
    )


def _table(wave: WaveReport) -> WaveTable:
    slowest = max((sum(seconds for _, seconds in _phases(server)) for server in wave.servers), default=0.0)
    rows = [
        ServerRow(server, _segments(server, slowest), tuple(notes_of(server)), settings_of(server))
        for server in wave.servers
    ]
    attention = sorted(
        (row for row in rows if row.server.status not in _GOOD),
        key=lambda row: _ORDER.index(row.server.status),
    )
    launched = [row for row in rows if row.server.status in _GOOD]
    return WaveTable(
        wave,
        tuple(attention),
        tuple(launched),
        opens=len(launched) <= _LONG_TABLE,
        untried=bool(rows) and all(row.server.status in UNTRIED for row in rows),
    )


def _phases(server: ServerReport) -> Sequence[tuple[str, float]]:
    split = server.phases
    named = (
        ("snapshot", split.snapshot_seconds),
        ("waiting", split.waiting_seconds),  # nearly all of it lies between the snapshot and the conversion
        ("conversion", split.conversion_seconds),
        ("launch", split.launch_seconds),
    )
    return [(kind, seconds) for kind, seconds in named if seconds is not None]


def _segments(server: ServerReport, slowest: float) -> tuple[Segment, ...]:
    if slowest <= 0:
        return ()
    return tuple(
        Segment(kind, round(seconds / slowest * 100, 1), f"{kind} {duration(seconds)}")
        for kind, seconds in _phases(server)
    )


def notes_of(server: ServerReport) -> Iterator[str]:
    """Yield one sentence for each thing that a person should see; the settings that were applied are not among them."""
    if server.on_the_way:
        yield from _way_back(server.on_the_way)
    if server.order != 1:
        yield f"boot order {server.order}"
    if server.point:
        why = {"source_unreachable": ", source unreachable", "older_point": ", older than the one that failed"}
        why["quiesced"] = ", made after its writes had stopped"
        yield f"pinned to {instant_words(server.point.at)}{why.get(server.point.why, '')}"
    if server.not_synced:
        yield f"its last sync is not proven: {server.not_synced}"
    if server.source_stopped:
        yield f"its source {server.source_stopped} is stopped"
    for attempt in server.tries:
        how = ", ".join(f"{name} {value_words(value)}" for name, value in attempt.settings.items())
        then = {"fallback": f"launched again with {how}", "older_point": "launched again from an older recovery point"}
        yield f"job {attempt.job_id} failed: {attempt.reason}; {then.get(attempt.how, 'launched again')}"
    for difference in server.differences:
        yield f"{difference.field} is {value_words(difference.found)}, expected {value_words(difference.wanted)}"
    if server.protected:
        yield "protected from termination"
    if server.not_protected:
        yield f"not protected from termination: {server.not_protected}; switch it on in EC2"


def _way_back(seen: FailbackServer) -> Iterator[str]:
    yield WORDS[Stage(seen.stage)]
    if seen.total_bytes and seen.share is not None:
        yield f"{int(seen.share * 100)} % of {size(seen.total_bytes)} copied"
    if seen.lag_seconds is not None:
        yield f"replication lag {duration(seen.lag_seconds)}"
    if seen.failback_server:
        yield f"replicated in the origin as {seen.failback_server}"
    yield from seen.notes


def settings_of(server: ServerReport) -> tuple[str, ...]:
    """Word the launch settings that were changed before the launch."""
    return tuple(
        f"{change.field} {value_words(change.now)}, was {value_words(change.was)}" for change in server.settings_changed
    )


def value_words(value: JsonValue) -> str:
    """Word a setting's value as the plan writes it."""
    if value is None:
        return "none set"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "[" + ", ".join(map(str, value)) + "]" if isinstance(value, list) else str(value)
