"""What a step remembers between its tries."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from drs_provider.rules.run.handover import StepProgress, StepResult
from drs_provider.services.store import Store, load, save


class StepMemory:
    """Which attempt this is, since when, what it has begun, and how it ended.

    An *attempt* of the step is not a *try* of Airflow's: a worker that dies costs a try, and the next try goes on with
    the same attempt and adopts what it has begun. A failure begins the next attempt, and so does a person who clears a
    step that had ended (Airflow then raises ``max_tries``, and at no other time).
    """

    def __init__(self, store: Store, *, max_tries: int | None, now: datetime) -> None:
        self._store = store
        found = load(store, StepProgress)
        if found is None:
            self._keep(StepProgress(attempt=1, failures=0, max_tries=max_tries, began_at=now, first_began_at=now))
            return
        self._kept = found
        if found.max_tries != max_tries and found.end is not None:
            attempt = found.attempt + 1
            self._keep(StepProgress(attempt=attempt, failures=0, max_tries=max_tries, began_at=now, first_began_at=now))
        elif found.max_tries != max_tries:
            self._keep(found.model_copy(update={"max_tries": max_tries, "failures": 0, "began_at": now}))
        elif found.began_at is None:
            self._keep(found.model_copy(update={"began_at": now}))

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._kept.attempt

    @property
    def failures(self) -> int:
        """How many attempts have failed since the step began, or was cleared."""
        return self._kept.failures

    @property
    def began_at(self) -> datetime:
        """When this attempt began: its time-out counts from here, also over a dead worker."""
        return self._kept.began_at or self._kept.first_began_at

    @property
    def first_began_at(self) -> datetime:
        """When the first attempt began."""
        return self._kept.first_began_at

    @property
    def begun(self) -> Mapping[str, JsonValue]:
        """What this attempt has begun or is about to begin."""
        return dict(self._kept.begun)

    @property
    def end(self) -> StepResult | None:
        """How the step ended, where it has, although Airflow does not know it."""
        return self._kept.end

    def begin(self, **what: JsonValue) -> None:
        """Remember what is about to begin or has begun, before anything depends on it."""
        self._keep(self._kept.model_copy(update={"begun": {**self._kept.begun, **what}}))

    def finish(self, end: StepResult) -> None:
        """Remember how the step ended."""
        self._keep(self._kept.model_copy(update={"end": end}))

    def fail(self) -> int:
        """Count a failed attempt and make ready for the next one; return how many have failed."""
        failures = self.failures + 1
        ready: dict[str, object] = {
            "attempt": self.attempt + 1,
            "failures": failures,
            "began_at": None,
            "begun": {},
            "end": None,
        }
        self._keep(self._kept.model_copy(update=ready))
        return failures

    def _keep(self, progress: StepProgress) -> None:
        self._kept = progress
        save(self._store, progress)
