"""From which recovery points the servers of a wave are launched, looked up right before a job is started."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.execution_time.context import NEVER_EXPIRE

from drs_provider.exceptions import NoRecoveryPoint
from drs_provider.formatting import shortened
from drs_provider.rules.launch.recovery_points import Why, in_words, point_of, why_pinned
from drs_provider.services.preflight import newest_points

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook

POINTS = "drs_points"
"""Entry of the task state store: which points the wave's servers were pinned to, kept before they are launched."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pinning:
    """How a wave's servers are pinned: the run's mode and instant, their names, and the store that remembers.

    ``before``: instants by server id, where a launch from a newer point has failed: an older one is taken.
    """

    mode: str
    as_of: datetime | None
    names: Mapping[str, str]
    store: Any
    before: Mapping[str, datetime] = field(default_factory=dict)

    def points(self, hook: "DrsHook", servers: Sequence[str]) -> dict[str, str]:
        """Return the recovery point of every server that must have one; others get the most recent data.

        Raises NoRecoveryPoint where none is left: points age out, and a source may have gone since preflight.
        """
        reasons = self._reasons(hook, servers)
        found: dict[str, Any] = {}
        for until in dict.fromkeys(self._until(one) for one in reasons):
            found |= newest_points(hook, [one for one in reasons if self._until(one) == until], until)
        if lost := [self.names.get(one, one) for one in reasons if found[one] is None]:
            raise NoRecoveryPoint(shortened(tuple(lost)), self.as_of)
        points = {one: point_of(found[one], why) for one, why in reasons.items()}
        for one, point in points.items():
            log.info("%s is pinned to %s (%s)", self.names.get(one, one), in_words(point.at), point.why)
        if points:
            fresh = {one: point.as_json() for one, point in points.items()}
            self.store.set(POINTS, {**(self.store.get(POINTS) or {}), **fresh}, retention=NEVER_EXPIRE)
        return {one: point.snapshot_id for one, point in points.items()}

    def _reasons(self, hook: "DrsHook", servers: Sequence[str]) -> dict[str, Why]:
        described = {}
        if self.as_of is None and self.mode != "drill":
            described = {str(one["sourceServerID"]): one for one in hook.source_servers(servers)}
        reasons = {one: why_pinned(described.get(one), mode=self.mode, as_of=self.as_of) for one in servers}
        older: dict[str, Why | None] = {one: "older_point" for one in servers if one in self.before}
        return {one: why for one, why in {**reasons, **older}.items() if why}

    def _until(self, server: str) -> datetime | None:
        before = self.before.get(server)
        if before is None:
            return self.as_of
        # At or before an instant is what DRS filters by; the point that failed has just that instant.
        older = before - timedelta(seconds=1)
        return min(older, self.as_of) if self.as_of else older
