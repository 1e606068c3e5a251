"""Whether a wave's launch worked, from the results of its servers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["launched", "completed_with_exceptions", "failed"]
Allows = Callable[[int, int], bool]
"""``allows(failed, total)`` of the critical servers: whether so many failures are tolerated."""

MOST_EVENTS = 40
"""Events kept per server in a result; a launch has about ten."""


@dataclass(frozen=True)
class ServerResult:
    """What became of one source server: ``status`` is ``launched`` or ``failed``, ``reason`` says why it failed.

    ``actions``: its DRS launch actions, as ``recovery.launch_actions.read_runs`` gives them.
    """

    server_id: str
    hostname: str
    critical: bool
    status: Literal["launched", "failed"]
    instance_id: str | None = None
    instance_state: str | None = None
    point_in_time: str | None = None
    job_id: str | None = None
    reason: str | None = None
    events: tuple[Mapping[str, str], ...] = ()
    actions: tuple[Mapping[str, Any], ...] = ()

    @property
    def failed_actions(self) -> tuple[str, ...]:
        """The DRS launch actions of a launched server that have failed: they are optional, the server counts."""
        return tuple(str(one["name"]) for one in self.actions if one["status"] == "FAILED")

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON, with at most :data:`MOST_EVENTS` events (the first and the last ones)."""
        half = MOST_EVENTS // 2
        events = self.events if len(self.events) <= MOST_EVENTS else (*self.events[:half], *self.events[-half:])
        return {
            **asdict(self),
            "events": [dict(event) for event in events],
            "actions": [dict(action) for action in self.actions],
        }


def judge(servers: Sequence[ServerResult], *, allows: Allows) -> Verdict:
    """Say how a launch ended.

    Only critical servers count against the tolerance; but any failed server, critical or not, makes it at best
    ``completed_with_exceptions``: success is never said of a failure. So does a failed launch action.
    """
    failed = [server for server in servers if server.status != "launched"]
    if not failed:
        return "completed_with_exceptions" if any(server.failed_actions for server in servers) else "launched"
    critical = sum(server.critical for server in servers)
    failed_critical = sum(server.critical for server in failed)
    if failed_critical and not allows(failed_critical, critical):
        return "failed"
    return "completed_with_exceptions"


def tolerance(share: str | int) -> Allows:
    """Read a share as plans write it: a whole number (``2``) or a percentage of the critical servers (``10%``).

    A percentage is compared exactly, without rounding: 10% of 15 servers allows one failure. Raises ValueError.
    """
    text = str(share).strip()
    number = text.removesuffix("%")
    if isinstance(share, bool) or not (number.isascii() and number.isdecimal()):
        raise ValueError(f"{share!r} is no share: write a whole number, or a percentage as '10%'")
    amount = int(number)
    if not text.endswith("%"):
        return lambda failed, _total: failed <= amount
    if amount > 100:  # noqa: PLR2004  (per cent)
        raise ValueError(f"{share!r} is more than all servers")
    return lambda failed, total: failed * 100 <= total * amount


def table(servers: Sequence[ServerResult]) -> str:
    """Draw the outcomes as a table of plain text for a task's log, failed servers first."""
    rows = [("SERVER", "OUTCOME", "INSTANCE", "STATE", "POINT IN TIME", "REASON")]
    for server in sorted(servers, key=lambda server: (server.status == "launched", server.hostname)):
        name = server.hostname if server.critical else f"{server.hostname} (not critical)"
        outcome = server.status if server.status == "launched" else server.status.upper()
        failed = ", ".join(server.failed_actions)
        reason = server.reason or (f"launch actions failed: {failed}" if failed else None)
        cells = (server.instance_id, server.instance_state, server.point_in_time, reason)
        rows.append((name, outcome, *(cell or "-" for cell in cells)))  # type: ignore[arg-type]  # six cells
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join([*map(str.ljust, row[:5], widths), row[5]]).rstrip() for row in rows)
