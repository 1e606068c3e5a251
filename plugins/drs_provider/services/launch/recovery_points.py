"""From which recovery points the servers of a wave are launched, looked up right before a job is started."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from drs_provider.exceptions import NoRecoveryPoint, RunRefused
from drs_provider.formatting import MANY, some
from drs_provider.rules.launch.recovery_points import Point, Why, in_words, point_of, why_pinned
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.run.handover import PinnedPoints
from drs_provider.rules.servers import Answer
from drs_provider.services.store import Store, load, save

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook

_SIDE_BY_SIDE: Final = 8
"""Reads of one account and Region at a time: DescribeRecoverySnapshots takes one server a call."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pinning:
    """How a wave's servers are pinned: what the run is for, its instant, their names, and the store that remembers.

    ``proven``: recovery points by server id that were seen to hold all that was written: a launch from an older one
    would lose data, and is refused.

    ``before``: instants by server id, where a launch from a newer point has failed: an older one is taken.
    """

    purpose: Purpose
    as_of: datetime | None
    names: Mapping[str, str]
    store: Store
    before: Mapping[str, datetime] = field(default_factory=dict)
    proven: Mapping[str, Point] = field(default_factory=dict)

    def points(self, hook: "DrsHook", servers: Sequence[str]) -> dict[str, str]:
        """Return the recovery point of every server that must have one; others get the most recent data.

        Raises NoRecoveryPoint where none is left: points age out, and a source may have gone since preflight.
        """
        reasons = self._reasons(hook, servers)
        found: dict[str, Answer | None] = {}
        for until in dict.fromkeys(self._until(server) for server in reasons):
            found |= newest_points(hook, [server for server in reasons if self._until(server) == until], until)
        points = {server: point_of(snapshot, reasons[server]) for server, snapshot in found.items() if snapshot}
        if lost := [self.names.get(server, server) for server in reasons if server not in points]:
            raise NoRecoveryPoint(some(lost, MANY), self.as_of)
        self._ensure_whole(points)
        for server, point in points.items():
            log.info("%s is pinned to %s (%s)", self.names.get(server, server), in_words(point.at), point.why)
        if points:
            kept = load(self.store, PinnedPoints) or PinnedPoints()
            save(self.store, PinnedPoints(points={**kept.points, **points}))
        return {server: points[server].snapshot_id for server in reasons}

    def _ensure_whole(self, points: Mapping[str, Point]) -> None:
        older = [
            f"{self.names.get(server, server)} (newest {in_words(point.at)}, before {in_words(self.proven[server].at)})"
            for server, point in points.items()
            if server in self.proven and server not in self.before and point.at < self.proven[server].at
        ]
        if older:
            raise RunRefused(
                f"the recovery points that hold all that was written are gone: {some(older, MANY)}. DRS keeps those of "
                "every ten minutes for an hour. Nothing more was launched: start the sources and migrate again, or "
                "start a recovery, which launches from what there is and loses the rest"
            )

    def _reasons(self, hook: "DrsHook", servers: Sequence[str]) -> dict[str, Why]:
        described = {}
        if self.as_of is None and self.purpose.pins_broken_source:
            described = {str(source["sourceServerID"]): source for source in hook.source_servers(servers)}
        reasons = {
            server: why_pinned(described.get(server), purpose=self.purpose, as_of=self.as_of) for server in servers
        }
        older: dict[str, Why | None] = {server: "older_point" for server in servers if server in self.before}
        return {server: why for server, why in {**reasons, **older}.items() if why}

    def _until(self, server: str) -> datetime | None:
        before = self.before.get(server)
        if before is None:
            return self.as_of
        # At or before an instant is what DRS filters by; the point that failed has just that instant.
        older = before - timedelta(seconds=1)
        return min(older, self.as_of) if self.as_of else older


def newest_points(hook: "DrsHook", server_ids: Sequence[str], as_of: datetime | None) -> dict[str, Answer | None]:
    """Ask for the newest recovery point of each server, not after ``as_of`` where that is given; None: none."""
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        found = list(pool.map(partial(hook.newest_recovery_snapshot, before=as_of), server_ids))
    return dict(zip(server_ids, found, strict=True))
