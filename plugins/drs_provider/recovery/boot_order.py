"""In which order the servers of a wave are launched."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any


def stages(servers: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, ...], ...]:
    """Return the ids of a wave's servers, stage by stage: a stage is launched when the one before it is ready.

    ``order`` counts inside a group only: the lowest number of each group is in the first stage, its next number in the
    second, whatever the numbers are. So a group without an order never waits for another group's.

    :param servers: ``server_id``, ``group`` and ``order`` of each, of every account and Region of the wave
    """
    servers = tuple(servers)
    numbers: dict[str, set[int]] = defaultdict(set)
    for server in servers:
        numbers[server["group"]].add(server.get("order", 1))
    ranks = {group: {number: rank for rank, number in enumerate(sorted(found))} for group, found in numbers.items()}
    staged: dict[int, list[str]] = defaultdict(list)
    for server in servers:
        staged[ranks[server["group"]][server.get("order", 1)]].append(server["server_id"])
    return tuple(tuple(staged[rank]) for rank in sorted(staged))
