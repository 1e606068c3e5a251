"""Where all servers of a plan stand on their way there and back, in every account and Region of it at once."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from drs_provider import clock
from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import origin_of_group
from drs_provider.rules.failback.circle import without_failback_servers
from drs_provider.rules.purpose import DRILL
from drs_provider.rules.run.connection import AwsArguments
from drs_provider.rules.run.handover import FailbackServer
from drs_provider.rules.run.roster import RosterServer, Target, call_roll, targets_of
from drs_provider.services.failback.look import progress_of
from drs_provider.services.failback.read import CircleReader, CirclesRead, HookOf
from drs_provider.services.preflight.places import ask_side_by_side

if TYPE_CHECKING:
    from drs_provider.hooks.failback import FailbackHook

ANSWERED_WITHIN: Final = timedelta(minutes=5)
"""How long the accounts and Regions of a plan have to answer, where there are several."""


@dataclass(frozen=True)
class PlanWayBack:
    """What every account and Region of a plan says.

    :ivar servers: how far each server is, in the order of the plan, by account and Region
    :ivar unanswered: accounts and Regions that could not be looked at, in words, and why; their servers are not in here
    """

    at: datetime
    servers: Mapping[Target, Sequence[FailbackServer]]
    unanswered: Mapping[str, str]


def plan_way_back(runnable: RunnablePlan, hook_of: HookOf, *, now: Callable[[], datetime] = clock.now) -> PlanWayBack:
    """Look at every server of a plan; a place that does not answer is named and hides none of the others."""
    plan, groups = runnable.plan, runnable.groups
    hooks = {target: hook_of(_aws(target)) for target in targets_of(list(groups.values()))}
    within = ANSWERED_WITHIN if len(hooks) > 1 else None
    listed = ask_side_by_side(hooks, lambda _, hook: without_failback_servers(hook.source_servers()), within=within)
    waves = {wave.name: wave.groups for wave in plan.waves}
    members: defaultdict[Target, list[RosterServer]] = defaultdict(list)
    for server in call_roll(groups, waves, listed.found, DRILL).servers:
        members[server.target].append(server)

    def look(target: Target, _: "FailbackHook") -> list[CirclesRead]:
        by_origin: defaultdict[tuple[str | None, str | None], list[str]] = defaultdict(list)
        for server in members[target]:
            origin = origin_of_group(plan, groups[server.group])
            by_origin[origin.aws_conn_id, origin.region].append(server.server_id)
        return [
            CircleReader(_aws(target), origin=_origin(target, *origin), hook_of=hook_of, now=now).read(server_ids)
            for origin, server_ids in by_origin.items()
        ]

    read = ask_side_by_side({target: hooks[target] for target in listed.found}, look, within=within)
    refused = {str(target): str(error) for target, error in {**listed.refused, **read.refused}.items()}
    return PlanWayBack(
        at=now(),
        servers={target: _in_order(members[target], reads) for target, reads in read.found.items()},
        unanswered=refused | _origins_unread([found for reads in read.found.values() for found in reads]),
    )


def _in_order(members: Sequence[RosterServer], reads: Sequence[CirclesRead]) -> tuple[FailbackServer, ...]:
    found = {server.server_id: server for read in reads for server in progress_of(read).servers}
    return tuple(found[member.server_id] for member in members)


def _origins_unread(reads: Sequence[CirclesRead]) -> dict[str, str]:
    return {
        f"origin {place.region} of account {place.account}": str(error)
        for read in reads
        for place, error in read.unread.items()
    }


def _aws(target: Target) -> AwsArguments:
    return {"aws_conn_id": target.aws_conn_id, "region_name": target.region or None, "verify": None, "config": None}


def _origin(target: Target, aws_conn_id: str | None, region: str | None) -> AwsArguments | None:
    if not aws_conn_id and not region:
        return None
    return {**_aws(target), "aws_conn_id": aws_conn_id or target.aws_conn_id, "region_name": region}
