"""What a step remembers between its tries, in Airflow's task state store."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow.sdk.execution_time.context import NEVER_EXPIRE

from drs_provider.formatting import parse_instant
from drs_provider.services.launch_memory import Store

_KEY = "drs_step"


class StepMemory:
    """Which attempt this is, since when, what it has begun, and how it ended.

    An *attempt* of the step is not a *try* of Airflow's: a worker that dies costs a try, and the next try goes on with
    the same attempt and adopts what it has begun. A failure begins the next attempt, and so does a person who clears a
    step that had ended (Airflow then raises ``max_tries``, and at no other time).
    """

    def __init__(self, store: Store, *, max_tries: int, now: datetime) -> None:
        self._store = store
        self._max_tries = max_tries
        self._kept: dict[str, Any] = dict(store.get(_KEY) or {})
        if not self._kept:
            self._new(1, failures=0, now=now, first=now)
        elif self._kept["max_tries"] != max_tries:
            if self._kept["end"] is not None:
                self._new(self.attempt + 1, failures=0, now=now, first=now)
            else:
                self._set(max_tries=max_tries, failures=0, began_at=now.isoformat())
        elif self._kept["began_at"] is None:
            self._set(began_at=now.isoformat())

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return int(self._kept["attempt"])

    @property
    def failures(self) -> int:
        """How many attempts have failed since the step began, or was cleared."""
        return int(self._kept["failures"])

    @property
    def began_at(self) -> datetime:
        """When this attempt began: its time-out counts from here, also over a dead worker."""
        return parse_instant(self._kept["began_at"])

    @property
    def first_began_at(self) -> datetime:
        """When the first attempt began."""
        return parse_instant(self._kept["first_began_at"])

    @property
    def begun(self) -> Mapping[str, Any]:
        """What this attempt has begun or is about to begin."""
        return dict(self._kept["begun"])

    @property
    def end(self) -> Mapping[str, Any] | None:
        """How the step ended, where it has, although Airflow does not know it."""
        return self._kept["end"]

    def begin(self, **what: Any) -> None:
        """Remember what is about to begin or has begun, before anything depends on it."""
        self._set(begun={**self._kept["begun"], **what})

    def finish(self, end: Mapping[str, Any]) -> None:
        """Remember how the step ended."""
        self._set(end=dict(end))

    def fail(self) -> int:
        """Count a failed attempt and make ready for the next one; return how many have failed."""
        failures = self.failures + 1
        self._set(attempt=self.attempt + 1, failures=failures, began_at=None, begun={}, end=None)
        return failures

    def _new(self, attempt: int, *, failures: int, now: datetime, first: datetime) -> None:
        self._set(
            attempt=attempt,
            failures=failures,
            max_tries=self._max_tries,
            began_at=now.isoformat(),
            first_began_at=first.isoformat(),
            begun={},
            end=None,
        )

    def _set(self, **changes: Any) -> None:
        self._kept = {**self._kept, **changes}
        self._store.set(_KEY, self._kept, retention=NEVER_EXPIRE)
