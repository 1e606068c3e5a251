"""DRS's own recovery plans at work: which servers an execution holds, and how long a start waits for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from drs_provider.formatting import duration, some
from drs_provider.rules.findings import Finding
from drs_provider.rules.purpose import Purpose

LONGEST_WAIT: Final = timedelta(minutes=30)
"""How long a start waits for an execution: it may pause between its steps for hours, and no job shows its end."""

ENDED: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})
"""Statuses of an execution that holds nothing any more; TIMED_OUT is documented but not in the model."""

KNOWN_SINCE: Final = "1.43.73"
"""The first botocore whose model of DRS has native plans."""

_MOST_NAMED: Final = 3


@dataclass(frozen=True)
class NativeExecution:
    """An execution of a native DRS recovery plan that is not over, and the source servers that it holds."""

    arn: str
    plan: str
    mode: str
    servers: frozenset[str]
    started_at: datetime | None = None

    @property
    def execution_id(self) -> str:
        """The last part of its ARN, as the DRS console shows it."""
        return self.arn.rsplit("/", 1)[-1]

    def __str__(self) -> str:
        since = f", since {self.started_at:%Y-%m-%d %H:%M} UTC" if self.started_at else ""
        return f"the native DRS recovery plan {self.plan} (execution {self.execution_id}, {self.mode.lower()}{since})"


def native_findings(
    executions: Iterable[NativeExecution], hostnames: Mapping[str, str], purpose: Purpose
) -> tuple[Finding, ...]:
    """Say which servers of a run such an execution holds: it refuses a drill and warns a recovery.

    :param hostnames: the run's servers by id
    """
    if not purpose.minds_other_runs:
        step = "a drill of it is refused until that execution has ended"
    elif purpose.refuses_broken_source:
        step = "start again when that execution has ended, or cancel it in the DRS console"
    else:
        step = (
            f"the launch waits {duration(LONGEST_WAIT)} for it at most and fails then: cancel that execution in the "
            "DRS console"
        )
    return tuple(
        Finding(
            purpose.holding_severity,
            server,
            hostnames[server],
            f"it is held by {execution}",
            step,
            "native_plan",
        )
        for execution in executions
        for server in sorted(execution.servers & hostnames.keys())
    )


def holding(executions: Iterable[NativeExecution], servers: Iterable[str]) -> str | None:
    """Word which execution holds any of these servers; None: none does."""
    wanted = set(servers)
    for execution in executions:
        if held := sorted(execution.servers & wanted):
            return f"{some(held, _MOST_NAMED)} held by {execution}"
    return None


def speaks_of_a_plan(message: str) -> bool:
    """Tell whether DRS's own words name a recovery plan as what holds a server, for those who may not list plans."""
    return "recovery plan" in message.lower()
