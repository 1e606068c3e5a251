"""Reversing the replication of recovered and of failed-back instances, each exactly once."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

from drs_provider import clock
from drs_provider.exceptions import AwsError, RunRefused
from drs_provider.rules.failback.circle import Circle
from drs_provider.rules.failback.next_step import FailbackCall, NextStep, next_reprotection, next_reversal
from drs_provider.rules.failback.state import CircleState
from drs_provider.services.failback.call_memory import CallMemory
from drs_provider.services.failback.look import FailbackLook, after_call, confirmed, may_have_worked
from drs_provider.services.failback.read import CircleReader, CirclesRead
from drs_provider.services.store import Store

ReversalGoal = Literal["ready", "reprotected"]
"""``ready``: recovered servers can be launched in the origin; ``reprotected``: failed-back ones are protected again."""

NEXT_STEP: Final[Mapping[ReversalGoal, Callable[[CircleState, Circle], NextStep]]] = {
    "ready": next_reversal,
    "reprotected": next_reprotection,
}

log = logging.getLogger(__name__)


class Reversal:
    """Reverses what is to be reversed, look by look; what is reversed already is adopted.

    Whether a server has to be reversed is read from the cloud at every look. ReverseReplication has no client token,
    and DRS refuses a second one for the same instance; what was about to be sent is remembered, so that it is not sent
    again while DRS may not show it.

    :param store: remembers what was sent, and the first look at which a server was protected again
    :param goal: where the servers are to be brought
    """

    def __init__(
        self,
        reader: CircleReader,
        store: Store,
        *,
        goal: ReversalGoal,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        if goal not in NEXT_STEP:
            raise RunRefused(f"goal must be 'ready' or 'reprotected', not {goal!r}; nothing was called")
        self.reader, self.store, self.goal = reader, store, goal
        self.memory = CallMemory(store, now)

    def look(self, server_ids: Sequence[str]) -> FailbackLook:
        """Reverse what is due, and say what is next for every server; may be done any number of times.

        :raises AwsError: a place does not answer now; nothing is concluded from that
        """
        read, steps = self._read(server_ids)
        due = {
            server_id: step
            for server_id, step in steps.items()
            if step.call is FailbackCall.REVERSE and not self.memory.is_fresh(step)
        }
        outcome = self._reverse(read, due)
        if outcome:
            read, steps = self._read(server_ids)
        steps = {
            server_id: after_call(step, outcome.get(server_id), is_fresh=self.memory.is_fresh(step))
            for server_id, step in steps.items()
        }
        if self.goal == "reprotected":
            done = [server_id for server_id, step in steps.items() if step.kind == "done"]
            steps |= confirmed(read, self.store, done)
        return FailbackLook(read, steps, tuple(outcome))

    def _read(self, server_ids: Sequence[str]) -> tuple[CirclesRead, dict[str, NextStep]]:
        read = self.reader.read(server_ids)
        read.ensure_answered()
        goal = NEXT_STEP[self.goal]
        return read, {server_id: goal(state, read.circles[server_id]) for server_id, state in read.states.items()}

    def _reverse(self, read: CirclesRead, due: Mapping[str, NextStep]) -> dict[str, AwsError | None]:
        """Send what is due; return by server id what AWS refused, None where it did not."""
        if not due:
            return {}
        from drs_provider.hooks.drs import side_by_side

        self.memory.intend(due.values())
        hooks = {server_id: self.reader.hook_for(read, server_id, step) for server_id, step in due.items()}

        def reverse(server_id: str) -> AwsError | None:
            instance_id = due[server_id].target
            try:
                found = hooks[server_id].reverse_replication(instance_id)
            except AwsError as error:
                log.warning("%s: %s", read.name_of(server_id), error)
                return error
            log.info("%s: %s replicates %s now", read.name_of(server_id), found.server_id, instance_id)
            return None

        outcome = dict(zip(due, side_by_side(reverse, tuple(due)), strict=True))
        self.memory.forget(
            due[server_id] for server_id, error in outcome.items() if error is not None and not may_have_worked(error)
        )
        return outcome
