"""Asking AWS again after an answer that says nothing but "not now": throttled, 5xx, no answer."""

import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from drs_provider import clock
from drs_provider.exceptions import AwsError, ServiceUnavailable, Throttled
from drs_provider.hooks.error_mapping import refusal_of, translated, unanswered
from drs_provider.rules.launch.backoff import pause_after_refusal

PATIENCE_SECONDS = 180.0
"""How long one call is repeated on a worker before the error goes up; what waits longer shall wait without a worker."""

MOST_PAUSE_SECONDS = 8.0
"""The longest pause between two tries that AWS does not ask for: a task of eight threads sends one call a second."""

SILENT_TRIES = 2
"""Tries of one call that the log does not mention: in busy accounts they are everyday."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class RetryPolicy:
    """A botocore handler that lets a client send a call again, for ``seconds`` in all; 0: never.

    It replaces botocore's own retries (three tries within seconds), which neither outlast an outage nor read
    Retry-After. Register it only on clients whose calls may be repeated: all reads, and writes that say the same thing
    twice. Credentials that have expired are not retried: only a new session helps.
    """

    def __init__(
        self,
        seconds: float = PATIENCE_SECONDS,
        *,
        jitter: Callable[[], float] = lambda: random.uniform(1.0, 1.3),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds, self._jitter, self._clock = seconds, jitter, clock

    def on(self, client: Any) -> Any:
        """Return the client, patient from now on."""
        if self.seconds > 0:
            client.meta.events.register("needs-retry", self, unique_id="drs-patience")
        return client

    def __call__(
        self,
        *,
        response: tuple[Any, Mapping[str, Any]] | None,
        attempts: int,
        caught_exception: Exception | None,
        operation: Any,
        request_dict: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> float | None:
        """Return the seconds after which botocore shall send the call again; None: it shall not."""
        error = _passing(operation.name, response, caught_exception)
        if error is None:
            return None
        now = self._clock()
        began = request_dict["context"].setdefault("drs_asked_since", now) if request_dict else now
        pause = pause_after_refusal(attempts, error.retry_after_seconds, jitter=self._jitter(), most=MOST_PAUSE_SECONDS)
        if now - began + pause > self.seconds:
            return None
        if attempts > SILENT_TRIES:
            log.info("Retrying in %.1f s (try %d): %s", pause, attempts + 1, error)
        return pause

    def ask(self, operation: str, call: Callable[[], T], *, sleep: Callable[[float], None] = clock.sleep) -> T:
        """Make a call through a client that is not ours, such as the one that takes the connection's role.

        :raises AwsError: when it is refused for good, or patience ends.
        """
        began, tries = self._clock(), 0
        while True:
            try:
                with translated(operation):
                    return call()
            except (Throttled, ServiceUnavailable) as error:
                tries += 1
                pause = pause_after_refusal(
                    tries, error.retry_after_seconds, jitter=self._jitter(), most=MOST_PAUSE_SECONDS
                )
                if self._clock() - began + pause > self.seconds:
                    raise
                log.info("Retrying in %.1f s (try %d): %s", pause, tries + 1, error)
                sleep(pause)


def _passing(operation: str, response: tuple[Any, Mapping[str, Any]] | None, lost: Exception | None) -> AwsError | None:
    """Return why there is no usable answer, if the same question may have one later."""
    if lost is not None:
        error: AwsError = unanswered(operation, lost)
    elif response is not None and "Error" in response[1]:
        error = refusal_of(operation, response[1])
    else:
        return None
    return error if isinstance(error, Throttled | ServiceUnavailable) else None
