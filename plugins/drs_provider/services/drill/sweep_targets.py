"""Where drills may have left something: what the plans' groups name, and the origins of plans that have failbacks."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from drs_provider.exceptions import DrsProviderError
from drs_provider.plan.loader import Library
from drs_provider.rules.failback.shape import origin_target
from drs_provider.rules.run.roster import Target, target_of, targets_of
from drs_provider.rules.servers import origin_region_of

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook

HookOf = Callable[[Target], "DrsHook"]
"""Gives the hook of an account and Region."""

log = logging.getLogger(__name__)


def sweep_targets(library: Library, hook_of: HookOf) -> tuple[Target, ...]:
    """Return the accounts and Regions that are swept, each once.

    Where a plan leaves the Region of an origin to DRS, DRS is asked for it in the recovery Region. One that does not
    answer is among the targets itself, so its sweep says that it was not looked at.
    """
    targets = targets_of(list(library.groups.values()))
    return tuple(dict.fromkeys((*targets, *_origins(library, hook_of))))


def _origins(library: Library, hook_of: HookOf) -> Iterator[Target]:
    asked: dict[Target, Sequence[str]] = {}
    for runnable in (*library.plans.values(), *library.contested.values()):
        if runnable.plan.failback is None:
            continue
        for group in runnable.groups.values():
            origin, here = origin_target(runnable.plan, group), target_of(group)
            if origin.region:
                yield origin
                continue
            if here not in asked:
                asked[here] = _regions(here, hook_of)
            yield from (Target(origin.aws_conn_id, region) for region in asked[here])


def _regions(target: Target, hook_of: HookOf) -> Sequence[str]:
    try:
        servers = hook_of(target).source_servers()
    except DrsProviderError as error:
        log.warning("from which Regions the servers in %s come is unknown: %s", target, error)
        return ()
    return sorted({region for server in servers if (region := origin_region_of(server))})
