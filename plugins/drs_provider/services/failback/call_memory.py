"""Remembering what was about to be sent, so that it is not sent again while DRS may not show that it was."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Final

from drs_provider.rules.failback.next_step import NextStep
from drs_provider.rules.run.handover import SentCall, SentCalls
from drs_provider.services.store import Store, load, save

INVISIBLE_FOR: Final = timedelta(minutes=2)
"""For so long after a call was sent the same is not sent again: DRS may not show at once what came of it."""


class CallMemory:
    """The calls of one task, kept before they are sent."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self.store, self.now = store, now

    def is_fresh(self, step: NextStep) -> bool:
        """Tell whether the call of a step was sent a moment ago."""
        return any(
            (sent.call, sent.target) == (step.call, step.target) and self.now() - sent.at < INVISIBLE_FOR
            for sent in self._calls()
        )

    def intend(self, steps: Collection[NextStep]) -> None:
        """Remember what is about to be sent."""
        at = self.now()
        fresh = tuple(SentCall(call=str(step.call), target=step.target, at=at) for step in steps)
        known = {(sent.call, sent.target) for sent in fresh}
        kept = tuple(sent for sent in self._calls() if (sent.call, sent.target) not in known)
        save(self.store, SentCalls(calls=(*kept, *fresh)))

    def forget(self, steps: Iterable[NextStep]) -> None:
        """Forget what had no effect, for it may be sent again at once."""
        gone = {(str(step.call), step.target) for step in steps}
        if gone:
            kept = tuple(sent for sent in self._calls() if (sent.call, sent.target) not in gone)
            save(self.store, SentCalls(calls=kept))

    def _calls(self) -> tuple[SentCall, ...]:
        kept = load(self.store, SentCalls)
        return kept.calls if kept else ()
