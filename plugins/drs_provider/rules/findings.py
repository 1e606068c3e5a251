"""What preflight finds out about a server: how bad it is, and what to do about it."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["refusal", "warning"]

Rule = Literal[
    "unknown",
    "initial_sync",
    "state",
    "lag",
    "recovery_point",
    "staging",
    "volumes",
    "busy",
    "live_instance",
    "replaced",
    "permissions",
    "placement",
    "launch_actions",
    "conflict",
    "verified",
    "existing_instance",
    "native_plan",
    "place",
    "interfaces",
    "tags",
    "lost",
    "step_names",
    "stopped",
    "reports",
    "plan_step",
    "source",
    "way_back",
]


@dataclass(frozen=True)
class Finding:
    """One thing found about one server: a ``refusal`` keeps it from being launched, a ``warning`` does not.

    ``kind`` and ``detail`` are ``what``, taken apart where it differs from server to server, so that many findings of
    one kind can be said in one line.
    """

    severity: Severity
    server_id: str
    hostname: str
    what: str
    next_step: str
    rule: Rule
    kind: str = ""
    detail: str = ""

    def __str__(self) -> str:
        name = f"{self.hostname} ({self.server_id})" if self.hostname != self.server_id else self.server_id
        return f"{name}: {self.what}; {self.next_step}"
