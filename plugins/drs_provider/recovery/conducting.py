"""What a wave launches next: its servers in their boot order, and failed ones again."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drs_provider.recovery.verdict import Allows


@dataclass(frozen=True)
class Standing:
    """Where one server of a wave stands while no job of the wave is running.

    ``attempt``: number of the attempt that launched it last, 0: it was never launched. ``is_up``: it is what the wave
    waits for.
    """

    server_id: str
    critical: bool
    attempt: int
    is_up: bool


@dataclass(frozen=True)
class Launch:
    """Servers to be launched now, all in the same attempt; ``again`` says that they have failed before."""

    attempt: int
    server_ids: tuple[str, ...]
    again: bool


def next_launches(
    stages: Sequence[Sequence[Standing]],
    *,
    base: int,
    allows: Allows,
    may_try_again: Callable[[str], bool],
) -> tuple[Launch, ...]:
    """Say what to launch now; nothing: the wave is as far as it gets.

    Stage by stage: the servers of a stage that were never launched, and failed ones that may be tried again. A later
    stage begins when every server of the earlier ones is up or given up, and not at all once more critical servers of
    the wave have failed than it tolerates: the wave fails anyway.

    :param stages: the servers of the wave in their boot order, see :func:`~drs_provider.recovery.boot_order.stages`
    :param base: the attempt that the wave's start handed over; what failed before it was asked for again by a person
    :param allows: the wave's tolerance
    :param may_try_again: whether a failed server has a try left
    """
    everyone = [one for stage in stages for one in stage]
    critical = sum(one.critical for one in everyone)
    lost = 0
    for stage in stages:
        chosen: dict[tuple[int, bool], list[str]] = defaultdict(list)
        for one in stage:
            if one.is_up:
                continue
            if one.attempt == 0:
                chosen[base, False].append(one.server_id)
            elif one.attempt < base:
                chosen[base, True].append(one.server_id)
            elif may_try_again(one.server_id):
                chosen[one.attempt + 1, True].append(one.server_id)
            else:
                lost += one.critical
        if chosen:
            return tuple(Launch(attempt, tuple(servers), again) for (attempt, again), servers in sorted(chosen.items()))
        if lost and not allows(lost, critical):
            break
    return ()


def newest(shares: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return by server the job that launched it last: ``shares`` are jobs with ``servers`` and ``created_at``."""
    found: dict[str, Mapping[str, Any]] = {}
    for share in sorted(shares, key=lambda one: (int(one.get("attempt", 1)), str(one["created_at"]))):
        found.update(dict.fromkeys(share["servers"], share))
    return found
