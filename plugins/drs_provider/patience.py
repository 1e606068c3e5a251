"""Asking a place of reports that may not answer: for a short time, and not again at once."""

import time
from collections.abc import Callable
from threading import Thread
from typing import Final, TypeVar

MOST_SECONDS: Final = 5.0
"""How long somebody who looks at a page waits for a place that is no local folder."""

SILENT_FOR: Final = 60.0
"""Seconds for which a place that did not answer in time is not asked again, unless it answers after all."""

T = TypeVar("T")

_SILENT: dict[str, float] = {}
"""Until when a place is not asked, by the monotonic clock."""


def within(do: Callable[[], T], seconds: float, late: Callable[[], object] = lambda: None) -> T:
    """Do something in a thread of its own, which goes on where this gives up.

    :param late: called where it is done after all
    :raises TimeoutError: it is not done in time
    """
    done: list[T] = []
    failed: list[Exception] = []

    def work() -> None:
        try:
            done.append(do())
            late()
        except Exception as error:  # noqa: BLE001 - it is raised again in the thread that waits
            failed.append(error)

    # Not a pool: Python waits for a pool's threads when it ends.
    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise TimeoutError(f"no answer in {seconds:g} s")
    return done[0]


def asked(place: object, do: Callable[[], T]) -> T:
    """Ask a place of reports something; a local folder for as long as it takes.

    :raises TimeoutError: it does not answer in time, or did not a moment ago
    """
    name = str(place)
    if "://" not in name or name.startswith("file://"):
        return do()
    if time.monotonic() < _SILENT.get(name, 0.0):
        raise TimeoutError(f"no answer a moment ago; asked again {SILENT_FOR:g} s after that")
    began = time.monotonic()
    try:
        return within(do, MOST_SECONDS, late=lambda: _SILENT.pop(name, None))
    except Exception:
        # What is refused at once may be one file's fault, and costs nobody time.
        if time.monotonic() - began >= MOST_SECONDS / 2:
            _SILENT[name] = time.monotonic() + SILENT_FOR
        raise
