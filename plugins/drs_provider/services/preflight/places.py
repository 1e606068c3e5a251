"""Asking several accounts and Regions at the same time, so that a silent one holds up none of the others."""

import contextvars
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from drs_provider.exceptions import AwsError, ServiceUnavailable
from drs_provider.formatting import duration
from drs_provider.rules.run.roster import Target

Hook = TypeVar("Hook")
Found = TypeVar("Found")
Answered_co = TypeVar("Answered_co", covariant=True)


@dataclass(frozen=True)
class PlaceAnswers(Generic[Answered_co]):
    """What accounts and Regions have answered, and why the others have not."""

    found: Mapping[Target, Answered_co]
    refused: Mapping[Target, AwsError]


def ask_side_by_side(
    hooks: Mapping[Target, Hook], ask: Callable[[Target, Hook], Found], *, within: timedelta | None
) -> PlaceAnswers[Found]:
    """Ask every account and Region the same, all of them at once.

    :param hooks: one of each account and Region
    :param within: how long all of them have; one that has not answered by then counts as silent. Its thread is left
        behind: what it finds is not used, and it ends with the process. None: there is no limit
    :returns: answers and refusals, both in the order of ``hooks``
    """
    found: dict[Target, Found] = {}
    failed: dict[Target, BaseException] = {}

    def look(target: Target) -> None:
        try:
            found[target] = ask(target, hooks[target])
        except BaseException as error:  # noqa: BLE001  (whatever it is belongs to whoever waits)
            failed[target] = error

    if len(hooks) == 1 and within is None:
        look(next(iter(hooks)))
    else:
        _run_all(look, hooks, within)
    answers, errors = dict(found), dict(failed)
    refused: dict[Target, AwsError] = {}
    for target in hooks:
        error = errors.get(target)
        if isinstance(error, AwsError):
            refused[target] = error
        elif error is not None:
            raise error
        elif target not in answers:
            refused[target] = ServiceUnavailable("preflight", "NoAnswer", f"no answer within {duration(within)}")
    return PlaceAnswers({target: answers[target] for target in hooks if target in answers}, refused)


def _run_all(look: Callable[[Target], None], targets: Mapping[Target, object], within: timedelta | None) -> None:
    """Look everywhere at once, and wait no longer than is allowed."""
    threads = [
        # A daemon: a task ends although somebody far away still keeps a connection open.
        threading.Thread(target=contextvars.copy_context().run, args=(look, target), daemon=True, name="drs-preflight")
        for target in targets
    ]
    until = None if within is None else time.monotonic() + within.total_seconds()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(None if until is None else max(0.0, until - time.monotonic()))
