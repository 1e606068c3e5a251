"""What a run looks like at one moment: waves and their servers, as data. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from drs_provider.rules.run.state import RunState, WaveStatus


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

    :ivar total: how many servers it has; 0 before preflight has found them
    :ivar elapsed: from the start of its first task until the end of its last, or until now; None before.
    """

    name: str
    status: WaveStatus
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


def board(state: RunState, servers: Iterable[ServerNow], now: datetime) -> list[Wave]:
    """Lay the state of a run and DRS's jobs together, one entry per wave.

    :param servers: the servers in this run's DRS jobs. A server launched twice counts with its newest job.
    """
    newest = {server.server_id: server for server in sorted(servers, key=lambda server: server.created_at)}
    lines = []
    for wave in state.waves:
        members = wave.servers or ()
        launching = [newest[member.server_id] for member in members if member.server_id in newest]
        lines.append(
            Wave(
                name=wave.name,
                status=wave.status,
                jobs=len({server.job_id for server in launching}),
                total=len(members),
                phases=Counter(server.phase for server in launching),
                elapsed=(wave.ended_at or now) - wave.started_at if wave.started_at else None,
            )
        )
    return lines


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
