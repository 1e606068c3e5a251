"""How far servers are on their way there and back, for people: one line and one record per server."""

from datetime import datetime, timedelta
from typing import Final

from drs_provider.formatting import duration
from drs_provider.rules.failback.circle import Circle
from drs_provider.rules.failback.next_step import next_reprotection, next_reversal
from drs_provider.rules.failback.state import CircleState, Stage
from drs_provider.rules.run.handover import FailbackProgress, FailbackServer

WORDS: Final = {
    Stage.UNKNOWN: "DRS does not know it",
    Stage.RESTING: "protected, nothing left of a way back",
    Stage.PROTECTED: "protected, not at rest",
    Stage.RECOVERED: "recovered, not replicated back",
    Stage.REVERSING: "replication to the origin is being set up",
    Stage.COPYING: "is copied to the origin",
    Stage.READY: "ready to fail back",
    Stage.LAUNCHING: "is launched in the origin",
    Stage.FAILED_BACK: "failed back, not protected",
    Stage.REPROTECTING: "failed back, is protected again",
    Stage.REPROTECTED: "failed back and protected, to be cleaned up",
    Stage.STUCK: "stuck",
}
"""What each stage is called in a table."""


def server_progress(state: CircleState, circle: Circle, *, hostname: str) -> FailbackServer:
    """Return how far a server is."""
    copy = state.copy
    step = (next_reprotection if state.stage is Stage.FAILED_BACK else next_reversal)(state, circle)
    return FailbackServer(
        server_id=state.server_id,
        hostname=hostname,
        stage=state.stage,
        stuck_at=state.stuck_at or "",
        share=copy.share if copy else None,
        done_bytes=copy.done_bytes if copy else 0,
        total_bytes=copy.total_bytes if copy else 0,
        done_at=copy.done_at if copy else None,
        lag_seconds=copy.lag.total_seconds() if copy and copy.lag is not None else None,
        recovered=state.recovered,
        failback_server=state.failback_server,
        failed_back=state.failed_back,
        leftovers=state.leftovers,
        why=state.why,
        needs=step.why if step.kind == "people" else "",
        notes=state.notes,
    )


def progress_line(server: FailbackServer, *, now: datetime) -> str:
    """Return one line about a server, for logs and tables."""
    name = server.hostname if server.hostname == server.server_id else f"{server.hostname} ({server.server_id})"
    parts = [WORDS[Stage(server.stage)], copied(server, now=now), server.why, server.needs, *server.notes]
    return f"{name}: {'; '.join(part for part in parts if part)}"


def what_is_new(now: FailbackProgress, before: FailbackProgress | None) -> tuple[FailbackServer, ...]:
    """Return the servers that are elsewhere than at the look before, by whole per cent; all where there was none."""
    known = {server.server_id: _place(server) for server in before.servers} if before else {}
    return tuple(server for server in now.servers if known.get(server.server_id) != _place(server))


def _place(server: FailbackServer) -> tuple[object, ...]:
    percent = int(server.share * 100) if server.share is not None else None
    return server.stage, server.stuck_at, percent, server.why, server.needs, server.notes


def copied(server: FailbackServer, *, now: datetime) -> str:
    """Return how far the copy of a server's disks is, while one goes on; empty where none does."""
    if Stage(server.stuck_at or server.stage) not in {Stage.REVERSING, Stage.COPYING, Stage.REPROTECTING}:
        return ""
    parts = []
    if server.share is not None:
        # Never 100 while something is left: DRS still works on it.
        percent = min(int(server.share * 100), 99)
        parts.append(f"{percent} % of {size(server.total_bytes)}")
    if left := estimate(server, now=now):
        parts.append(left)
    return ", ".join(parts)


def estimate(server: FailbackServer, *, now: datetime) -> str:
    """Return DRS's estimate in words; empty where it gives none."""
    if server.done_at is None:
        return ""
    left = server.done_at - now
    return f"about {duration(left)} left, as DRS estimates" if left > timedelta(0) else "due by DRS's estimate"


def size(count: int) -> str:
    """Return a number of bytes in words."""
    for unit, name in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} bytes"
