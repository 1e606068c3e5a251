"""Removing what a failback has left, in the order in which nothing is lost, and only of what is protected again."""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from drs_provider import clock
from drs_provider.exceptions import AwsError, RunRefused
from drs_provider.rules.failback.next_step import FailbackCall, NextStep
from drs_provider.rules.failback.removal import ALL_STEPS, RemovalStep, next_removal
from drs_provider.rules.run.handover import RemovalMemory, RemovedThing
from drs_provider.services.drill.terminate import terminations
from drs_provider.services.failback.call_memory import CallMemory
from drs_provider.services.failback.look import FailbackLook, after_call, confirmed, may_have_worked
from drs_provider.services.failback.read import CircleReader, CirclesRead
from drs_provider.services.store import Store, load, save

if TYPE_CHECKING:
    from drs_provider.hooks.failback import FailbackHook

Outcome = dict[str, AwsError | None]
"""By server id what AWS refused; None where it did not."""

log = logging.getLogger(__name__)


class Removal:
    """Removes, look by look, every server one step further; what is gone already is passed over.

    Nothing is called for a server unless this look shows that it is protected again, and an earlier one, at least
    ``LEAST_APART`` before, has shown the same instance protected by the same server. Instances of the origin are never
    touched. Whether people agree is asked by whoever calls.

    :param store: remembers the first look, what was sent, and what was removed
    :param steps: the only steps that are done; one that comes before them and is not done refuses
    :param ensure: raises where a look shows anything that people have not agreed to; nothing is called then. What is
        called comes from the very look that it was given
    """

    def __init__(
        self,
        reader: CircleReader,
        store: Store,
        *,
        steps: Collection[RemovalStep | str] = ALL_STEPS,
        ensure: Callable[[CirclesRead], None] | None = None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self.reader, self.store, self.ensure, self.now = reader, store, ensure, now
        self.memory = CallMemory(store, now)
        try:
            self.steps = frozenset(RemovalStep(step) for step in steps)
        except ValueError as error:
            raise RunRefused(f"steps: {error}; nothing was called. Steps are {', '.join(RemovalStep)}") from None
        if not self.steps:
            raise RunRefused(f"steps is empty; nothing was called. Steps are {', '.join(RemovalStep)}")

    def look(self, server_ids: Sequence[str]) -> FailbackLook:
        """Remove what is due, and say what is next for every server; may be done any number of times.

        :raises AwsError: a place does not answer now; nothing is concluded from that
        """
        read, steps = self._read(server_ids)
        if self.ensure is not None:
            self.ensure(read)
        asked = [server_id for server_id, step in steps.items() if step.kind == "call"]
        steps |= confirmed(read, self.store, asked)
        due = {
            server_id: step
            for server_id, step in steps.items()
            if step.kind == "call" and not self.memory.is_fresh(step)
        }
        outcome = self._remove(read, due)
        if outcome:
            read, steps = self._read(server_ids)
        steps = {
            server_id: after_call(
                step,
                outcome.get(server_id) if step == due.get(server_id) else None,
                is_fresh=self.memory.is_fresh(step),
            )
            for server_id, step in steps.items()
        }
        kept = load(self.store, RemovalMemory) or RemovalMemory()
        return FailbackLook(read, steps, tuple(outcome), kept.called, kept.job_ids)

    def _read(self, server_ids: Sequence[str]) -> tuple[CirclesRead, dict[str, NextStep]]:
        read = self.reader.read(server_ids)
        read.ensure_answered()
        return read, {
            server_id: next_removal(state, read.circles[server_id], self.steps)
            for server_id, state in read.states.items()
        }

    def _remove(self, read: CirclesRead, due: Mapping[str, NextStep]) -> Outcome:
        """Call what is due; the intent first."""
        if not due:
            return {}
        self.memory.intend(due.values())
        terminated = {server_id: step for server_id, step in due.items() if step.call is FailbackCall.TERMINATE}
        outcome = dict(self._terminate(terminated))
        outcome |= self._call_each({name: step for name, step in due.items() if name not in terminated}, read)
        self.memory.forget(
            due[server_id] for server_id, error in outcome.items() if error is not None and not may_have_worked(error)
        )
        gone = [server_id for server_id, error in outcome.items() if error is None]
        self._remember(
            [
                RemovedThing(thing=due[name].target, server_id=name, call=str(due[name].call), at=self.now())
                for name in gone
            ]
        )
        for server_id, error in outcome.items():
            name, said = read.name_of(server_id), due[server_id].why
            log.warning("%s: %s", name, error) if error else log.info("%s: %s was accepted", name, said)
        return outcome

    def _call_each(self, due: Mapping[str, NextStep], read: CirclesRead) -> Outcome:
        from drs_provider.hooks.drs import side_by_side

        hooks = {server_id: self.reader.hook_for(read, server_id, step) for server_id, step in due.items()}

        def call(server_id: str) -> AwsError | None:
            step = due[server_id]
            try:
                _send(hooks[server_id], step)
            except AwsError as error:
                return error
            return None

        return dict(zip(due, side_by_side(call, tuple(due)), strict=True))

    def _terminate(self, due: Mapping[str, NextStep]) -> Iterator[tuple[str, AwsError | None]]:
        """Terminate recovered instances in jobs, once their protection in EC2 is off."""
        hook, owners = self.reader.recovery, defaultdict[str, list[str]](list)
        for server_id, step in due.items():
            try:
                hook.unprotect([step.target])
            except AwsError as refusal:
                yield server_id, refusal
            else:
                owners[step.target].append(server_id)
        for batch, outcome in terminations(hook, tuple(owners)):
            error = outcome if isinstance(outcome, AwsError) else None
            if not isinstance(outcome, AwsError):
                self._remember_job(str(outcome["jobID"]))
            yield from ((server_id, error) for instance in batch for server_id in owners[instance])

    def _remember(self, removed: Sequence[RemovedThing]) -> None:
        if removed:
            kept = load(self.store, RemovalMemory) or RemovalMemory()
            save(self.store, kept.model_copy(update={"called": (*kept.called, *removed)}))

    def _remember_job(self, job_id: str) -> None:
        log.info("Job %s terminates recovered instances", job_id)
        kept = load(self.store, RemovalMemory) or RemovalMemory()
        save(self.store, kept.model_copy(update={"job_ids": (*kept.job_ids, job_id)}))


def _send(hook: "FailbackHook", step: NextStep) -> None:
    match step.call:
        case FailbackCall.STOP_REPLICATION:
            hook.stop_replication(step.target)
        case FailbackCall.DISCONNECT_INSTANCE:
            hook.disconnect_instance(step.target)
        case FailbackCall.DELETE_RECORD:
            hook.delete_instance_record(step.target)
        case FailbackCall.DISCONNECT:
            hook.disconnect_server(step.target)
        case FailbackCall.DELETE_SERVER:
            hook.delete_server(step.target)
        case _:
            raise RunRefused(f"{step.call} is no removal; nothing was called")
