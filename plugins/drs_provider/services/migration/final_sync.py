"""Looking whether every server has a recovery point that holds all that was written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from drs_provider.rules.answers import Answer
from drs_provider.rules.migration.final_sync import SyncMark, synced, waiting_for, why_waiting
from drs_provider.rules.servers import lag_of
from drs_provider.services.launch.recovery_points import newest_points

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.rules.launch.recovery_points import Point


def marks_of(hook: "DrsHook", server_ids: Sequence[str]) -> dict[str, SyncMark]:
    """Note what is there of some servers of one account and Region now that their writes have stopped."""
    lags = {str(server["sourceServerID"]): lag_of(server) for server in hook.source_servers(server_ids)}
    newest = newest_points(hook, server_ids, None)
    return {
        server: SyncMark(str((newest[server] or {}).get("snapshotID") or ""), lags.get(server) or timedelta(0))
        for server in server_ids
    }


@dataclass(frozen=True)
class SyncLook:
    """What was seen in one look.

    :param points: by server id, of those whose newest recovery point holds all that was written
    :param late: ids of the others
    :param words: which those are, and how old their newest recovery point is; empty: there are none
    """

    points: "Mapping[str, Point]"
    late: tuple[str, ...]
    words: str


def look(
    places: "Iterable[tuple[DrsHook, Sequence[str]]]",
    marks: Mapping[str, SyncMark],
    hostnames: Mapping[str, str],
    *,
    quiesced_at: datetime,
) -> SyncLook:
    """Ask for the newest recovery point of every server.

    :param places: a hook for each account and Region, with the ids of the servers there
    """
    newest: dict[str, Answer | None] = {}
    for hook, server_ids in places:
        newest |= newest_points(hook, server_ids, None)
    late = waiting_for(newest, marks, quiesced_at=quiesced_at)
    points = {
        server: point
        for server, snapshot in newest.items()
        if (point := synced(snapshot, marks[server], quiesced_at=quiesced_at))
    }
    words = why_waiting(newest, late, hostnames, quiesced_at=quiesced_at) if late else ""
    return SyncLook(points, late, words)
