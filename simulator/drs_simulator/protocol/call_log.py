"""Every AWS call that came in: what was asked of whom, and how it ended."""

import threading
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

MOST_KEPT = 100_000
"""Older calls are forgotten; their numbers are never used again."""


@dataclass
class AwsCall:
    """One call, as far as it can be read before it is served."""

    service: str
    operation: str | None
    account: str
    region: str
    method: str = "POST"
    path: str = "/"
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    """Lower-case names."""
    body: bytes = b""
    request: dict[str, Any] = field(default_factory=dict)
    """The parsed request."""
    access_key: str | None = None
    unacceptable: tuple[str, int, str] | None = None
    """Error code, HTTP status and message where its signature cannot be accepted."""


@dataclass
class Record:
    """A line of the call log."""

    n: int
    at: float
    call: AwsCall
    status: int | None = None
    error: str | None = None
    committed: bool = False

    def settle(self) -> None:
        """Keep of the call what the log shows: bodies and long texts would fill the memory."""
        self.call = replace(self.call, body=b"", headers={}, request=_short(self.call.request))

    def shown(self) -> dict[str, object]:
        """Return it as the control plane answers it."""
        call = self.call
        return {
            "n": self.n,
            "at": self.at,
            "service": call.service,
            "operation": call.operation,
            "account": call.account,
            "region": call.region,
            "status": self.status,
            "error": self.error,
            "request": call.request,
            "committed": self.committed,
        }


LONGEST_TEXT = 4000


def _short(value: object) -> Any:
    match value:
        case str() if len(value) > LONGEST_TEXT:
            return f"{value[:LONGEST_TEXT]}… ({len(value)} characters)"
        case dict():
            return {key: _short(inner) for key, inner in value.items()}
        case list():
            return [_short(inner) for inner in value]
    return value


class CallLog:
    """The calls in the order in which they came in. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: deque[Record] = deque(maxlen=MOST_KEPT)
        self._last = 0

    def begin(self, at: float, call: AwsCall) -> Record:
        """Note a call that has come in; the caller fills in how it ended."""
        with self._lock:
            self._last += 1
            record = Record(self._last, at, call)
            self._records.append(record)
        return record

    def since(self, number: int = 0) -> list[dict[str, Any]]:
        """Return the calls with a number above."""
        with self._lock:
            first = self._records[0].n if self._records else 0
            skip = max(number + 1 - first, 0)
            return [record.shown() for record in list(self._records)[skip:]]

    def clear(self) -> None:
        """Forget all; numbers begin at 1 again."""
        with self._lock:
            self._records.clear()
            self._last = 0
