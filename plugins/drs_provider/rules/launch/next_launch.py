"""What a wave launches next: its servers in their boot order, and failed ones again."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from drs_provider.rules.launch.results import Allows
from drs_provider.rules.servers import GONE_STATES


@dataclass(frozen=True)
class LaunchState:
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
    stages: Sequence[Sequence[LaunchState]],
    *,
    base: int,
    allows: Allows,
    may_try_again: Callable[[str], bool],
) -> tuple[Launch, ...]:
    """Say what to launch now; nothing: the wave is as far as it gets.

    Stage by stage: the servers of a stage that were never launched, and failed ones that may be tried again. A later
    stage begins when every server of the earlier ones is up or given up, and not at all once more critical servers of
    the wave have failed than it tolerates: the wave fails anyway.

    :param stages: the servers of the wave in their boot order, see :func:`stages`
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


How = Literal["again", "fallback", "older_point"]

_NO_CAPACITY = re.compile(
    r"InsufficientInstanceCapacity|InsufficientHostCapacity|InsufficientCapacity|InsufficientReservedInstanceCapacity"
    r"|insufficient .{0,40}capacity|not have (sufficient|enough) .{0,60}capacity"
    r"|instance type .{0,80}(is not supported|not available)|Unsupported: ",
    re.IGNORECASE,
)

_CONVERSION = re.compile(r"^(CONVERSION_FAIL|SNAPSHOT_FAIL|USING_PREVIOUS_SNAPSHOT_FAILED)\b")


@dataclass(frozen=True)
class Try:
    """One launch of a server that failed, and how the next one differs.

    ``settings``: launch settings of the next launch that differ from the plan's. ``before``: the next launch is from a
    recovery point older than this instant (ISO 8601); None: as the wave would choose anyway.
    """

    job_id: str
    reason: str
    how: How
    settings: Mapping[str, Any] = field(default_factory=dict)
    before: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what lies in the task state store and stands in the report."""
        return {**asdict(self), "settings": dict(self.settings)}

    def __str__(self) -> str:
        if self.how == "fallback":
            return "with " + ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return f"from a recovery point older than {self.before}" if self.how == "older_point" else "as before"


def choose(
    result: Mapping[str, Any],
    earlier: Sequence[Mapping[str, Any]],
    *,
    settings: Mapping[str, Any],
    retries: int,
    is_drill: bool,
    used_until: str,
) -> Try | None:
    """Say how a failed server is launched again; None: it is not.

    - Capacity is missing: the next combination of the settings' ``fallback``. These do not count as retries: whoever
      wrote them wants them tried.
    - The snapshot or its conversion failed: an older recovery point than the one that was used, for the volume may be
      at fault; counts as a retry.
    - Anything else: the same again; counts as a retry.

    A server with an instance that lives is launched again in a drill only: in a recovery that would destroy it.

    :param result: what became of it, as ``ServerResult.as_json``
    :param earlier: its tries so far in this attempt, as :meth:`Try.as_json`
    :param settings: its effective settings
    :param retries: how often a failed server may be launched again
    :param used_until: ISO instant of the recovery point that its last launch used, or of that launch where DRS chose
    """
    if not is_drill and result.get("instance_id") and result.get("instance_state") not in (None, *GONE_STATES):
        return None
    reason, job_id = str(result.get("reason") or ""), str(result.get("job_id") or "")
    missing = bool(_NO_CAPACITY.search(reason))
    if missing:
        used = sum(one["how"] == "fallback" for one in earlier)
        combinations = fallbacks(settings)
        if used < len(combinations):
            return Try(job_id, reason, "fallback", combinations[used])
    counted = sum(one["how"] != "fallback" for one in earlier)
    if counted >= retries:
        return None
    kept = earlier[-1] if earlier else {}
    if _CONVERSION.match(reason):
        return Try(job_id, reason, "older_point", kept.get("settings") or {}, used_until)
    return Try(job_id, reason, "again", {} if missing else kept.get("settings") or {}, kept.get("before"))


def fallbacks(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is tried when capacity is missing, in order: the types in the first subnet, then in the next ones."""
    fallback = settings.get("fallback") or {}
    types = [settings.get("instance_type"), *(fallback.get("instance_types") or ())]
    subnets = [settings.get("subnet_id"), *(fallback.get("subnet_ids") or ())]
    pairs = [(kind, subnet) for subnet in subnets for kind in types]
    return [
        {name: value for name, value in (("instance_type", kind), ("subnet_id", subnet)) if value is not None}
        for kind, subnet in pairs[1:]
    ]
