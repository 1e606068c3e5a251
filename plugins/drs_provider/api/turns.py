"""How many requests of a costly kind go on at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from threading import BoundedSemaphore

from drs_provider.api.problems import RequestRefused


class Turns:
    """So many at the same time; who comes meanwhile is told to come again, and holds no thread of the server."""

    def __init__(self, most: int, what: str) -> None:
        self._what, self._most, self._free = what, most, BoundedSemaphore(most)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have a turn.

        :raises RequestRefused: 503, all are taken
        """
        if not self._free.acquire(blocking=False):
            raise RequestRefused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{self._most} {self._what} already: ask again in a few seconds",
                headers={"Retry-After": "2"},
            )
        try:
            yield
        finally:
            self._free.release()
