"""What to change before a server whose launch failed is launched again."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from drs_provider.recovery.readiness import GONE_STATES

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
