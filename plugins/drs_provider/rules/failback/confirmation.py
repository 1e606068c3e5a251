"""Believing that a server is protected again only at a second look: what one look says may be from before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from drs_provider.formatting import duration
from drs_provider.rules.failback.circle import Circle
from drs_provider.rules.failback.removal import production_instance
from drs_provider.rules.failback.state import CircleState, Stage
from drs_provider.rules.run.handover import HomeLook

LEAST_APART: Final = timedelta(seconds=20)
"""Between the two looks: DRS answers of several servers' replication from different moments."""

AT_HOME: Final = frozenset({Stage.REPROTECTED, Stage.PROTECTED, Stage.RESTING})


@dataclass(frozen=True)
class Confirmation:
    """What two looks say of some servers.

    :ivar looks: what a third look is to be compared with
    :ivar unconfirmed: by server id why nothing may be removed of it yet; those that are not in here are confirmed
    """

    looks: Mapping[str, HomeLook]
    unconfirmed: Mapping[str, str]


def confirm(
    circles: Mapping[str, tuple[CircleState, Circle]], before: Mapping[str, HomeLook], *, at: datetime
) -> Confirmation:
    """Compare a look with earlier ones: the same instance, protected by the same server, long enough ago.

    :param circles: state and circle of each server at this look
    :param before: what an earlier call has returned as ``looks``
    :param at: when this look began
    """
    looks: dict[str, HomeLook] = {}
    unconfirmed: dict[str, str] = {}
    for server_id, (state, circle) in circles.items():
        if state.stage not in AT_HOME:
            unconfirmed[server_id] = f"it is {state.stage}"
            continue
        now = HomeLook(
            at=at,
            stage=state.stage,
            protected_by=state.protected_by,
            instance_id=production_instance(state, circle),
        )
        first = before.get(server_id)
        same = first is not None and _same(first, now)
        looks[server_id] = first if first is not None and same else now
        if first is None or not same or at - first.at < LEAST_APART:
            unconfirmed[server_id] = f"a second look confirms that it is protected, {duration(LEAST_APART)} later"
    return Confirmation(looks, unconfirmed)


def _same(first: HomeLook, now: HomeLook) -> bool:
    return (first.stage, first.protected_by, first.instance_id) == (now.stage, now.protected_by, now.instance_id)
