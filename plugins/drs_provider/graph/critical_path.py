"""The order of waves, and the chain of waves that decides how long a run takes."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from graphlib import TopologicalSorter


def levels(dependencies: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Give the waves in rows: a wave stands one row below the lowest of those that it waits for.

    Names keep the mapping's order inside a row. The graph has no circle: a plan with one is refused when it is read
    (``graphlib.CycleError`` otherwise).
    """
    depth: dict[str, int] = {}
    for name in TopologicalSorter(dependencies).static_order():
        depth[name] = 1 + max((depth[one] for one in dependencies[name]), default=-1)
    rows: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for name in dependencies:
        rows[depth[name]].append(name)
    return tuple(map(tuple, rows))


def finish_times(dependencies: Mapping[str, Sequence[str]], durations: Mapping[str, timedelta]) -> dict[str, timedelta]:
    """Give the earliest end of every wave, counted from the start of the first."""
    ends: dict[str, timedelta] = {}
    for row in levels(dependencies):
        for name in row:
            ends[name] = max((ends[one] for one in dependencies[name]), default=timedelta(0)) + durations[name]
    return {name: ends[name] for name in dependencies}


def critical_path(dependencies: Mapping[str, Sequence[str]], durations: Mapping[str, timedelta]) -> tuple[str, ...]:
    """Give the longest chain of waves, first to last; of equal chains the one whose waves stand first in the plan."""
    if not dependencies:
        return ()
    ends = finish_times(dependencies, durations)
    place = {name: position for position, name in enumerate(dependencies)}

    def latest(names: Sequence[str]) -> str:
        return max(names, key=lambda name: (ends[name], -place[name]))

    path = [latest(tuple(dependencies))]
    while dependencies[path[-1]]:
        path.append(latest(dependencies[path[-1]]))
    return tuple(reversed(path))
