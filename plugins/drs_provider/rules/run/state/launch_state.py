"""How far the launch of a wave is, its steps left aside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from drs_provider.formatting import MANY, some
from drs_provider.rules.ahead.next_start import NOT_STARTED
from drs_provider.rules.launch.results import ServerResult, Verdict
from drs_provider.rules.purpose import LAUNCHES_NOTHING
from drs_provider.rules.run import names
from drs_provider.rules.run.state.left_documents import LeftDocuments, is_usable
from drs_provider.rules.run.state.snapshot import RunSnapshot, WaveOutline
from drs_provider.rules.run.state.task_states import TaskPhase
from drs_provider.rules.run.state.vocabulary import Cause, WaveStatus

NOT_CHOSEN: Final = "not chosen for this run, or none of its servers was left"

_VERDICTS: Final[dict[Verdict, WaveStatus]] = {
    "launched": WaveStatus.LAUNCHED,
    "completed_with_exceptions": WaveStatus.COMPLETED_WITH_EXCEPTIONS,
    "failed": WaveStatus.FAILED,
}


@dataclass(frozen=True)
class Judgement:
    """A status, and why it is not good: its first cause, in words without a full stop."""

    status: WaveStatus
    cause: Cause | None = None
    reason: str | None = None


def judge_gates(wave: WaveOutline, snapshot: RunSnapshot) -> Judgement:
    """Say what a wave waits for that has not begun: its turn, its delay, or the answer to its pause."""
    if any(snapshot.phase(task) is TaskPhase.ASKS for task in wave.gates):
        return Judgement(WaveStatus.WAITING_FOR_ANSWER)
    if any(snapshot.phase(task) is TaskPhase.UNDER_WAY for task in wave.gates if names.does(task, names.DELAY)):
        return Judgement(WaveStatus.DELAYED)
    return Judgement(WaveStatus.WAITING)


def judge_launch(
    wave: WaveOutline, snapshot: RunSnapshot, left: LeftDocuments, results: Sequence[ServerResult] | None
) -> Judgement:
    """Say how far a launch is. A failure comes first: nothing that stands beside it makes it good.

    NOT_STARTED without a cause: nothing of it was launched, and why stands before the launch.
    """
    return _Launch(wave, snapshot, left, results).judge()


@dataclass(frozen=True)
class _Launch:
    wave: WaveOutline
    snapshot: RunSnapshot
    left: LeftDocuments
    results: Sequence[ServerResult] | None

    @property
    def _watch(self) -> str:
        return str(self.wave.watch)

    def judge(self) -> Judgement:
        phases = [self.snapshot.phase(task) for task in (*self.wave.starts, self._watch)]
        if TaskPhase.FAILED in phases:
            return self._failed()
        if TaskPhase.NOT_STARTED in phases:
            return self._not_reached()
        if phases[-1] is TaskPhase.SUCCEEDED:
            return self._ended()
        if all(phase is TaskPhase.SKIPPED for phase in phases):
            return self._left_out()
        if any(phase in (TaskPhase.UNDER_WAY, TaskPhase.SUCCEEDED) for phase in phases):
            return self._launching()
        return self._not_begun()

    def _not_begun(self) -> Judgement:
        ahead = (*self.wave.gates, *self.wave.settings, *self.wave.aheads)
        if self.snapshot.is_final or any(self.snapshot.phase(task) is TaskPhase.FAILED for task in ahead):
            return Judgement(WaveStatus.NOT_STARTED)
        return judge_gates(self.wave, self.snapshot)

    def _ended(self) -> Judgement:
        found = self.left.verdict(self._watch)
        if found is None:
            words = f"{self._watch} is marked as successful and left no result"
            return Judgement(WaveStatus.UNPROVEN, Cause.NO_RESULT, words)
        status, order = _VERDICTS[found.verdict], self.left.passed_over((self._watch,))
        if order and status is not WaveStatus.FAILED:
            words = f"{order}: {self._failures()}" if self._absent() else order
            return Judgement(WaveStatus.COMPLETED_WITH_EXCEPTIONS, Cause.PASSED_OVER, words)
        if status is WaveStatus.LAUNCHED:
            return Judgement(status)
        return Judgement(status, Cause.SERVERS, self._failures())

    def _launching(self) -> Judgement:
        if not self.snapshot.is_final:
            return Judgement(WaveStatus.LAUNCHING)
        state = self.snapshot.task(self._watch).state
        return Judgement(WaveStatus.LAUNCHING, Cause.NO_RESULT, f"its recovery job is {state or 'not watched yet'}")

    def _failed(self) -> Judgement:
        broken = [task for task in (*self.wave.starts, self._watch) if self.snapshot.phase(task) is TaskPhase.FAILED]
        words = next((said for task in broken if (said := self.left.error(task))), None)
        if broken == [self._watch]:
            return self._watch_failed(words or f"{self._watch} failed; see its log")
        order = self.left.first_order(self.wave.starts)
        cause = Cause.TASK
        if any(self.left.superseded(task) for task in self.wave.starts):
            cause = Cause.SUPERSEDED
        elif order is not None and words == order.message:
            cause = Cause.CANCELLED
        is_ended_by_others = words is not None and cause is not Cause.TASK
        is_begun = self.left.has_launched(self.wave.starts)
        status = WaveStatus.NOT_STARTED if is_ended_by_others and not is_begun else WaveStatus.FAILED
        return Judgement(status, cause, words or f"{broken[0]} failed; see its log")

    def _watch_failed(self, words: str) -> Judgement:
        orders = (self.left.order(task) for task in (self._watch, *self.wave.starts))
        order = next((found.message for found in orders if found and found.is_cancellation), None)
        absent = self._absent()
        if order and absent and all(result.reason in (order, f"{NOT_STARTED}: {order}") for result in absent):
            return Judgement(WaveStatus.CANCELLED, Cause.CANCELLED, order)
        if self.left.superseded(self._watch):
            return Judgement(WaveStatus.FAILED, Cause.SUPERSEDED, words)
        return Judgement(WaveStatus.FAILED, Cause.SERVERS if absent else Cause.TASK, words)

    def _not_reached(self) -> Judgement:
        """Nothing of it was launched; or a part of it was, which nobody watches."""
        if not self.left.has_launched(self.wave.starts):
            return Judgement(WaveStatus.NOT_STARTED)
        words = next((said for task in self.wave.settings if (said := self.left.error(task))), None)
        state = self.snapshot.task(self._watch).state
        return Judgement(WaveStatus.FAILED, Cause.TASK, words or f"its recovery job is {state or 'not watched yet'}")

    def _left_out(self) -> Judgement:
        if self.left.only_looks:
            return Judgement(WaveStatus.SKIPPED, Cause.ONLY_LOOKS, LAUNCHES_NOTHING)
        order = self.left.first_order(self.wave.starts)
        if order is None:
            return Judgement(WaveStatus.SKIPPED, Cause.NOT_CHOSEN, NOT_CHOSEN)
        if order.is_cancellation:
            return Judgement(WaveStatus.NOT_STARTED, Cause.CANCELLED, order.message)
        cause = Cause.PASSED_OVER if order.passes_over else Cause.LEFT_OUT
        return Judgement(WaveStatus.SKIPPED, cause, order.message)

    def _absent(self) -> list[ServerResult]:
        return [result for result in self.results or () if not is_usable(result)]

    def _failures(self) -> str:
        """Say which servers failed, or which launch actions of servers that are launched."""
        words = [f"{server.hostname}: {server.reason or 'failed'}" for server in self._absent()]
        words += [
            f"{server.hostname}: launch actions failed: {', '.join(server.failed_actions)}"
            for server in self.results or ()
            if is_usable(server) and server.failed_actions
        ]
        return some(words, MANY, "; ") or "completed with exceptions"
