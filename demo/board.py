"""What a run looks like at one moment: waves and their servers, as data. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class WaveState(StrEnum):
    """What a wave is doing, in an operator's words."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOT_STARTED = "not started"


class Phase(StrEnum):
    """How far DRS is with one server."""

    WAITING = "waiting"
    SNAPSHOT = "snapshot"
    CONVERSION = "conversion"
    LAUNCHING = "launching"
    LAUNCHED = "launched"
    FAILED = "failed"


@dataclass(frozen=True)
class ServerNow:
    """One server in one job."""

    server_id: str
    job_id: str
    created_at: datetime
    """When the job was created."""
    phase: Phase


@dataclass(frozen=True)
class Wave:
    """One line of the board.

    :ivar elapsed: from the start of its first task until the end of its last, or until now; None before.
    """

    name: str
    state: WaveState
    jobs: int
    total: int
    phases: Mapping[Phase, int]
    elapsed: timedelta | None

    @property
    def launched(self) -> int:
        """Servers that are there."""
        return self.phases.get(Phase.LAUNCHED, 0)

    @property
    def failed(self) -> int:
        """Servers that DRS gave up on."""
        return self.phases.get(Phase.FAILED, 0)


BESIDE = ("servers", "launch_settings", "tag_instances", "notifications")
"""Tasks of a wave that run ahead of it or beside it: no state hangs on them."""

_AT_WORK = frozenset({"queued", "running", "deferred", "restarting", "up_for_retry", "up_for_reschedule"})
_MEANING = (
    # The first row of which a wave has a task in one of these states decides.
    (frozenset({"failed"}), WaveState.FAILED),
    (frozenset({"awaiting_input"}), WaveState.PAUSED),
    (frozenset({"upstream_failed", "removed"}), WaveState.NOT_STARTED),
    (_AT_WORK, WaveState.RUNNING),
)


def wave_state(states: Iterable[str | None]) -> WaveState:
    """Sum up the states of a wave's Airflow tasks."""
    seen = set(states)
    for some, meaning in _MEANING:
        if seen & some:
            return meaning
    if seen == {"skipped"}:
        return WaveState.SKIPPED
    if "success" in seen:
        return WaveState.DONE if seen <= {"success", "skipped"} else WaveState.RUNNING
    return WaveState.WAITING


def board(
    names: Sequence[str],
    tasks: Iterable[Mapping[str, Any]],
    roster: Mapping[str, Sequence[str]],
    servers: Iterable[ServerNow],
    now: datetime,
) -> list[Wave]:
    """Lay Airflow's tasks and DRS's jobs together, one entry per wave.

    :param names: the plan's waves, in the plan's order.
    :param tasks: task instances as Airflow's REST API gives them.
    :param roster: wave → ids of its servers, from preflight; a wave that it does not name has no servers yet.
    :param servers: the servers in this run's DRS jobs. A server launched twice counts with its newest job.
    """
    by_wave: dict[str, list[Mapping[str, Any]]] = {name: [] for name in names}
    for task in tasks:
        wave, _, name = task["task_id"].partition(".")
        if wave in by_wave and not name.startswith(BESIDE):
            by_wave[wave].append(task)
    newest = {server.server_id: server for server in sorted(servers, key=lambda one: one.created_at)}
    lines = []
    for name in names:
        members = [newest[one] for one in roster.get(name, ()) if one in newest]
        lines.append(
            Wave(
                name=name,
                state=wave_state(task["state"] for task in by_wave[name]),
                jobs=len({server.job_id for server in members}),
                total=len(roster.get(name, ())),
                phases=Counter(server.phase for server in members),
                elapsed=_elapsed(by_wave[name], now),
            )
        )
    return lines


def _elapsed(tasks: Sequence[Mapping[str, Any]], now: datetime) -> timedelta | None:
    starts = [instant(task["start_date"]) for task in tasks if task["start_date"]]
    if not starts:
        return None
    is_over = all(task["state"] not in _AT_WORK and task["state"] is not None for task in tasks)
    ends = [instant(task["end_date"]) for task in tasks if task["end_date"]]
    return (max(ends) if is_over and ends else now) - min(starts)


def instant(text: str) -> datetime:
    """Read a timestamp of Airflow's API: ISO 8601, ``Z`` for UTC."""
    return datetime.fromisoformat(text)


def clock(length: timedelta | None) -> str:
    """Write a duration as ``1:05`` or ``2:00:00``; empty for none."""
    if length is None:
        return ""
    minutes, seconds = divmod(max(0, round(length.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
