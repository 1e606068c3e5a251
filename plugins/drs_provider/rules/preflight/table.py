"""What preflight found, as a tired person can read it: one row a server, and one line for many alike findings."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from drs_provider.formatting import duration, parse_instant
from drs_provider.rules.findings import Finding
from drs_provider.rules.run.handover import PreflightFinding
from drs_provider.rules.servers import Answer, lag_of
from drs_provider.rules.settings.candidates import SettingsFinding

ALIKE_FROM: Final = 5
"""So many servers with the same finding share a line."""

MOST_NAMES: Final = 40
MOST_ROWS: Final = 40

_SHORT: Final = {
    "unknown": "unknown to DRS",
    "initial_sync": "first copy not done",
    "state": "replication broken",
    "lag": "too far behind",
    "recovery_point": "no recovery point",
    "staging": "extension broken",
    "volumes": "volumes not ready",
    "busy": "in a running job",
    "live_instance": "LIVE RECOVERED INSTANCE",
    "replaced": "drill instance runs",
    "placement": "nowhere to land",
    "launch_actions": "launch actions",
    "conflict": "in another run",
    "existing_instance": "into an existing instance",
    "native_plan": "in a native recovery plan",
    "interfaces": "network interfaces",
    "tags": "no room for tags",
    "template": "launch template",
    "lost": "lost: nobody answers there",
    "stopped": "launched stopped",
}
_HEAD: Final = ("WAVE", "SERVER", "STATE", "LAG", "NEWEST POINT", "AGAINST IT")


@dataclass(frozen=True)
class TableRow:
    """One server of the run. ``refused`` and ``warned``: what speaks against it, in a few words each.

    ``point``: its newest recovery point; None: it has none, or, where it ``takes_latest``, nobody asked for it.
    """

    wave: str
    hostname: str
    state: str
    lag: timedelta | None
    point: datetime | None
    refused: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    takes_latest: bool = False


def row_of(
    wave: str,
    hostname: str,
    server: Answer | None,
    newest_snapshot: Answer | None,
    findings: Iterable[Finding | SettingsFinding],
    *,
    takes_latest: bool = False,
) -> TableRow:
    """Put together what was seen of one server and found about it."""
    said: dict[str, list[str]] = {"refusal": [], "warning": []}
    for finding in findings:
        short = _SHORT.get(finding.rule, finding.rule)
        if short not in said[finding.severity]:
            said[finding.severity].append(short)
    stamp = (newest_snapshot or {}).get("timestamp")
    return TableRow(
        wave,
        hostname,
        str(((server or {}).get("dataReplicationInfo") or {}).get("dataReplicationState") or "?"),
        lag_of(server) if server else None,
        parse_instant(stamp) if stamp else None,
        tuple(said["refusal"]),
        tuple(said["warning"]),
        takes_latest,
    )


def table(rows: Sequence[TableRow], *, now: datetime) -> list[str]:
    """Draw the rows as aligned text, wave by wave, in each the refused servers first, then those warned of."""
    waves = list(dict.fromkeys(row.wave for row in rows))
    ordered = sorted(rows, key=lambda row: (waves.index(row.wave), not row.refused, not row.warned))
    cells = [_HEAD, *(_cells(row, now) for row in ordered)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def refused_table(rows: Sequence[TableRow], *, now: datetime) -> list[str]:
    """Draw the refused servers alone, at most :data:`MOST_ROWS` of them; no lines where none is."""
    refused = [row for row in rows if row.refused]
    if not refused:
        return []
    more = len(refused) - MOST_ROWS
    lines = table(refused[:MOST_ROWS], now=now)
    return [*lines, f"and {more} more, in the log of this task"] if more > 0 else lines


def grouped(findings: Sequence[Finding | SettingsFinding]) -> list[str]:
    """Say many findings in few lines: where at least :data:`ALIKE_FROM` servers share one, it is said once."""
    alike: dict[tuple[str, str, str, str], list[Finding | SettingsFinding]] = defaultdict(list)
    for finding in findings:
        alike[finding.severity, finding.rule, finding.kind or finding.what, finding.next_step].append(finding)
    lines: list[str] = []
    for (_, _, kind, next_step), members in alike.items():
        if len(members) < ALIKE_FROM:
            lines += [str(finding) for finding in members]
            continue
        names = [
            f"{finding.hostname} ({finding.detail})" if finding.detail else finding.hostname for finding in members
        ]
        more = len(names) - MOST_NAMES
        listed = ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
        lines.append(f"{len(members)} servers: {kind}; {next_step}: {listed}")
    return lines


def grouped_warnings(findings: Iterable[PreflightFinding]) -> list[str]:
    """Say findings as preflight left them in few lines, as :func:`grouped` does."""
    read = []
    for finding in findings:
        name = finding.hostname or "the run"
        server = finding.server_id or name
        read.append(
            Finding(
                finding.severity,
                server,
                name,
                finding.what,
                finding.next_step,
                "state",
                finding.kind,
                finding.detail,
            )
        )
    return grouped(read)


def _cells(row: TableRow, now: datetime) -> tuple[str, ...]:
    age = f" ({duration(max(now - row.point, timedelta(0)))} old)" if row.point else ""
    none = "most recent data" if row.takes_latest else "none"
    point = f"{row.point:%Y-%m-%d %H:%M:%S}Z{age}" if row.point else none
    against = [f"refused: {', '.join(row.refused)}"] if row.refused else []
    against += [f"warned: {', '.join(row.warned)}"] if row.warned else []
    lag = "?" if row.lag is None else duration(row.lag)
    return row.wave, row.hostname, row.state, lag, point, "; ".join(against) or "-"
