"""What a person ordered while a run went on: to start nothing more, to leave out a wave, to go on past a failed one.

An order lies in the task state store of the tasks that shall obey it, where the plugin's route writes it, signed, and
the task itself can read; it is read when the wave's turn comes. The run's note shows it to people.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

from drs_provider.rules.run import names
from drs_provider.rules.run.handover import GivenOrder, GivenOrders, HandoverUnreadable, RunOrder

LONGEST_NOTE: Final = 1000
"""Characters of a run's note, by Airflow's API."""

_LONGEST_REASON: Final = 300


def cancellation(who: str | None, reason: str | None) -> RunOrder:
    """Word the order to start nothing more in a run."""
    return RunOrder(kind="cancel", message=_words("cancelled", who, reason))


def skip(wave: str, who: str | None, reason: str | None) -> RunOrder:
    """Word the order to leave out a wave that has not started."""
    return RunOrder(kind="skip", message=_words(f"wave {wave} skipped", who, reason))


def go_on(wave: str, who: str | None, reason: str) -> RunOrder:
    """Word the order to go on past a wave that has failed."""
    return RunOrder(kind="continue", message=_words(f"continued past failed wave {wave}", who, reason))


def retry(wave: str, who: str | None, reason: str | None) -> RunOrder:
    """Word the order to run a failed wave again; it takes back what was ordered before."""
    return RunOrder(kind="none", message=_words(f"wave {wave} retried", who, reason))


def given(
    kind: Literal["cancel", "skip", "retry", "continue"],
    who: str | None,
    reason: str | None,
    *,
    at: datetime,
    wave: str | None = None,
) -> GivenOrder:
    """Record an order of a person for the report."""
    what = {
        "cancel": "cancelled",
        "skip": f"wave {wave} skipped",
        "retry": f"wave {wave} retried",
        "continue": f"continued past failed wave {wave}",
    }[kind]
    return GivenOrder(kind=kind, at=at, by=who, wave=wave, reason=_why(reason), message=_words(what, who, reason))


def marked(task: str | None, state: str, who: str | None, reason: str | None, *, at: datetime) -> GivenOrder:
    """Record that a person has marked a task, in Airflow's pages or its API; without a task: the whole run."""
    message = _words(f"{task or 'the run'} marked as {state}", who, reason)
    wave = names.wave_of(task) if task else None
    return GivenOrder(kind="mark", at=at, by=who, wave=wave, reason=_why(reason), message=message)


def read_given(stored: object) -> GivenOrders:
    """Read the record of orders; what is none counts as an empty one: it is for people, and nothing obeys it."""
    try:
        return GivenOrders.read(stored) or GivenOrders()
    except HandoverUnreadable:
        return GivenOrders()


def read_order(stored: object) -> RunOrder | None:
    """Read what lies in the store; nothing, an order that was taken back, and what is no order are None."""
    if not isinstance(stored, Mapping):
        return None
    try:
        order = RunOrder.from_json(stored)
    except HandoverUnreadable:
        return None
    if not order.stands:
        return None
    return order if order.message else order.model_copy(update={"message": order.kind})


def added(note: str | None, line: str) -> str:
    """Add a line to a note; where it would grow too long, the oldest lines go."""
    lines = [*(note or "").splitlines(), line]
    while len("\n".join(lines)) > LONGEST_NOTE and len(lines) > 1:
        lines.pop(0)
    return "\n".join(lines)[:LONGEST_NOTE]


def _words(what: str, who: str | None, reason: str | None) -> str:
    by = f" by {who}" if who else ""
    why = _why(reason)
    return f"{what}{by}" + (f": {why}" if why else "")


def _why(reason: str | None) -> str | None:
    return " ".join((reason or "").split())[:_LONGEST_REASON] or None


END: Final = "End now"

BY: Final = {"30m": timedelta(minutes=30), "1h": timedelta(hours=1), "4h": timedelta(hours=4), "1d": timedelta(days=1)}
"""By how much a kept drill can be extended, as often as somebody asks for it."""

EXTEND: Final = tuple(f"Extend by {by}" for by in BY)


def by_of(option: str) -> timedelta:
    """Return by how much an option extends. Raises KeyError for one that does not."""
    return BY[option.removeprefix("Extend by ")]
