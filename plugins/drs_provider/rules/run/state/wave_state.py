"""How far a wave is, and every server of it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final

from drs_provider.formatting import MANY, plural, some
from drs_provider.rules.ahead.next_start import NOT_STARTED
from drs_provider.rules.launch.results import ServerResult
from drs_provider.rules.purpose import LAUNCHES_NOTHING
from drs_provider.rules.run import names
from drs_provider.rules.run.handover import FoundLaunch, LaunchedJob, LaunchPhases, PreflightServer, PreflightWave
from drs_provider.rules.run.state.copy_state import copied_servers, judge_copies
from drs_provider.rules.run.state.launch_state import Judgement, judge_gates, judge_launch
from drs_provider.rules.run.state.left_documents import LeftDocuments, is_usable
from drs_provider.rules.run.state.server_state import ServerState
from drs_provider.rules.run.state.snapshot import RunSnapshot, WaveOutline
from drs_provider.rules.run.state.step_state import (
    StepState,
    cancelled_step,
    failed_step,
    step_states,
    tolerated_step,
    undone_step,
)
from drs_provider.rules.run.state.task_states import TaskPhase, is_active, was_sent
from drs_provider.rules.run.state.vocabulary import Cause, ServerStatus, StepStatus, WaveStatus

NOT_SEEN_THROUGH: Final = "its instance was cleaned up, and the result of its launch is not recorded"
"""Why a drill's server is unknown whose launch left nothing but the instance that the clean-up terminated."""

NO_STEPS: Final = "not chosen for this run, or none of its steps is for it"

_OWN_CAUSES: Final = (Cause.STEP, Cause.TASK, Cause.ANSWER, Cause.CANCELLED, Cause.SUPERSEDED)
_PROVEN_BY: Final = {WaveStatus.LAUNCHED: ServerStatus.LAUNCHED, WaveStatus.READY: ServerStatus.READY}
_BROKEN: Final = (WaveStatus.FAILED, WaveStatus.CANCELLED, WaveStatus.NOT_STARTED)


@dataclass(frozen=True)
class WaveState:
    """One wave.

    :param reason: why it is not well, without a full stop; the first cause of it
    :param servers: None before preflight has found them
    :param results_known: whether its job has left what became of every server
    :param goes_back: its servers are replicated to their origin
    :param instances_asked: EC2 was asked to start instances that were launched stopped
    :param is_active: something of it is with a worker or a trigger, whatever its status says already
    :param has_begun: one of its start tasks was sent to a worker: it cannot be left out any more
    """

    name: str
    depends_on: tuple[str, ...]
    status: WaveStatus
    cause: Cause | None = None
    reason: str | None = None
    servers: tuple[ServerState, ...] | None = None
    jobs: tuple[str, ...] = ()
    before: tuple[StepState, ...] = ()
    after: tuple[StepState, ...] = ()
    has_servers: bool = True
    goes_back: bool = False
    instances_asked: bool = False
    results_known: bool = False
    is_active: bool = False
    has_begun: bool = False
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def steps(self) -> tuple[StepState, ...]:
        """Its steps before and after the launch."""
        return (*self.before, *self.after)

    @property
    def counts(self) -> Mapping[ServerStatus, int]:
        """How many servers have which status."""
        return Counter(server.status for server in self.servers or ())

    @property
    def launched(self) -> int:
        """How many servers are launched."""
        return self.counts.get(ServerStatus.LAUNCHED, 0)

    @property
    def failed(self) -> int:
        """How many servers have failed, or are stuck on their way back."""
        return self.counts.get(ServerStatus.FAILED, 0) + self.counts.get(ServerStatus.STUCK, 0)

    @property
    def arrived(self) -> str:
        """How many servers are where the run wants them: ``2 of 3 servers up``, ``2 of 3 servers ready``."""
        count, ready = plural(len(self.servers or ()), "server"), self.counts.get(ServerStatus.READY, 0)
        return f"{ready} of {count} ready" if self.goes_back else f"{self.launched} of {count} up"

    @property
    def may_be_retried(self) -> bool:
        """Whether it ended by something of its own, and may be run again."""
        if self.is_active:
            return False
        own = self.status is WaveStatus.NOT_STARTED and self.cause in _OWN_CAUSES
        return own or self.status in (WaveStatus.FAILED, WaveStatus.CANCELLED)


def wave_states(
    snapshot: RunSnapshot, left: LeftDocuments, planned: Mapping[str, PreflightWave] | None
) -> tuple[WaveState, ...]:
    """Say how far every wave is, in the order of the outline.

    :param planned: what preflight found for the waves; None: nothing yet
    """
    outlines = {wave.name: wave for wave in snapshot.outline.waves}
    found: dict[str, WaveState] = {}

    def state(name: str) -> WaveState:
        if name not in found:
            wave = None if planned is None else planned.get(name, PreflightWave(selected=False))
            found[name] = _Wave(outlines[name], snapshot, left, wave, broken_above).state()
        return found[name]

    def broken_above(wave: WaveOutline) -> list[str]:
        return [name for name in wave.depends_on if name in outlines and state(name).status in _BROKEN]

    return tuple(state(name) for name in outlines)


@dataclass
class _Wave:
    outline: WaveOutline
    snapshot: RunSnapshot
    left: LeftDocuments
    planned: PreflightWave | None
    broken_above: Callable[[WaveOutline], list[str]]

    @cached_property
    def before(self) -> tuple[StepState, ...]:
        return step_states(self.outline.before, self.snapshot, self.left)

    @cached_property
    def after(self) -> tuple[StepState, ...]:
        return step_states(self.outline.after, self.snapshot, self.left)

    @cached_property
    def copies(self) -> bool:
        """Whether its servers are replicated to their origin, and not launched there."""
        return bool(self.outline.reversals) and not self.left.launches

    @property
    def steps(self) -> tuple[StepState, ...]:
        return (*self.before, *self.after)

    @cached_property
    def results(self) -> Sequence[ServerResult] | None:
        return self.left.results(self.outline.watch) if self.outline.watch else None

    @cached_property
    def jobs(self) -> Mapping[str, LaunchedJob]:
        return self.left.jobs(self.outline.starts, self.outline.watch)

    @cached_property
    def prepared(self) -> Mapping[str, str]:
        """The servers that were launched ahead and that no start of the wave has taken up, with their jobs."""
        jobs = self.left.jobs(self.outline.before_turn, None).values()
        taken = {server for job in self.jobs.values() for server in job.servers}
        return {server: job.job_id for job in jobs for server in job.servers if server not in taken}

    @cached_property
    def phases(self) -> LaunchPhases:
        return self.left.phases(self.outline.watch) if self.outline.watch else LaunchPhases()

    @cached_property
    def found(self) -> Mapping[str, FoundLaunch]:
        """What no task has seen through, and the last look has found."""
        return self.left.found_launches()

    def state(self) -> WaveState:
        judgement = self._with_losses(self._judged())
        servers = self._servers(judgement.status)
        if judgement.status in _PROVEN_BY:
            judgement = self._proven(judgement, servers)
        chain = [self.snapshot.task(task) for task in self.outline.chain]
        begun = [task.started_at for task in chain if task.started_at and was_sent(task.state)]
        ended = [task.ended_at for task in chain if task.ended_at and was_sent(task.state)]
        return WaveState(
            name=self.outline.name,
            depends_on=self.outline.depends_on,
            status=judgement.status,
            cause=judgement.cause,
            reason=judgement.reason,
            servers=servers,
            jobs=tuple(self.jobs),
            before=self.before,
            after=self.after,
            has_servers=self.outline.has_servers,
            goes_back=self.copies,
            instances_asked=self.outline.watch is not None and self.left.has_started_instances(self.outline.watch),
            results_known=self.results is not None,
            is_active=any(is_active(task.state) for task in chain),
            has_begun=any(was_sent(self.snapshot.task(task).state) for task in self.outline.starts)
            or self.left.has_launched(self.outline.starts),
            started_at=min(begun, default=None),
            ended_at=max(ended, default=None) if judgement.status.is_over else None,
        )

    def _judged(self) -> Judgement:
        if self.copies:
            return judge_copies(self.outline, self.snapshot, self.left)
        if self.outline.watch is None:
            return self._steps_only()
        judgement = judge_launch(self.outline, self.snapshot, self.left, self.results)
        if judgement.status.is_done:
            return self._with_steps_after(judgement)
        if judgement.status is WaveStatus.CANCELLED and (step := failed_step(self.steps)):
            return Judgement(WaveStatus.FAILED, Cause.STEP, _words(step))
        if judgement.status is WaveStatus.WAITING or judgement == Judgement(WaveStatus.NOT_STARTED):
            return self._before_launch(judgement)
        return judgement

    def _with_losses(self, judgement: Judgement) -> Judgement:
        """Say what is lost with an account and Region that does not answer: the wave goes through without it."""
        lost = self.planned.why_lost if self.planned else None
        if lost is None:
            return judgement
        if judgement.status is WaveStatus.SKIPPED and judgement.cause is Cause.NOT_CHOSEN:
            return Judgement(WaveStatus.SKIPPED, Cause.LOST, lost)
        if not judgement.status.is_done:
            return judgement
        words = f"{judgement.reason}; {lost}" if judgement.reason else lost
        return Judgement(WaveStatus.COMPLETED_WITH_EXCEPTIONS, judgement.cause or Cause.LOST, words)

    def _before_launch(self, judgement: Judgement) -> Judgement:
        """Say what goes on before the launch, or why the launch will not be."""
        if judgement.status is WaveStatus.NOT_STARTED or failed_step(self.before) or cancelled_step(self.before):
            return Judgement(WaveStatus.NOT_STARTED, *self._why_not_started())
        if any(step.status is StepStatus.WAITING_FOR_ANSWER for step in self.before):
            return Judgement(WaveStatus.WAITING_FOR_ANSWER)
        return Judgement(WaveStatus.PREPARING) if any(step.status.has_begun for step in self.before) else judgement

    def _with_steps_after(self, judgement: Judgement) -> Judgement:
        if step := failed_step(self.steps):
            return Judgement(WaveStatus.FAILED, Cause.STEP, _words(step))
        if step := cancelled_step(self.after):
            return Judgement(WaveStatus.CANCELLED, Cause.CANCELLED, step.reason)
        if going := _going(self.after):
            return Judgement(going)
        return self._with_exceptions(judgement)

    def _with_exceptions(self, judgement: Judgement) -> Judgement:
        """Lower what is well where a step is not."""
        if judgement.status is WaveStatus.COMPLETED_WITH_EXCEPTIONS:
            return judgement
        if step := tolerated_step(self.steps):
            if step.cause is Cause.PASSED_OVER:
                words = f"step {step.name} was left out: {step.reason}"
                return Judgement(WaveStatus.COMPLETED_WITH_EXCEPTIONS, Cause.PASSED_OVER, words)
            words = f"step {step.name} failed, and the plan continues"
            return Judgement(WaveStatus.COMPLETED_WITH_EXCEPTIONS, Cause.STEP, words)
        if step := undone_step(self.steps):
            words = f"step {step.name}: {step.reason or 'not started'}"
            return Judgement(WaveStatus.COMPLETED_WITH_EXCEPTIONS, step.cause or Cause.STEP, words)
        return judgement

    def _steps_only(self) -> Judgement:
        states = {step.status for step in self.steps}
        if step := failed_step(self.steps):
            return Judgement(WaveStatus.FAILED, Cause.STEP, _words(step))
        if states == {StepStatus.SKIPPED}:
            why = (Cause.ONLY_LOOKS, LAUNCHES_NOTHING) if self.left.only_looks else (Cause.NOT_CHOSEN, NO_STEPS)
            return Judgement(WaveStatus.SKIPPED, *why)
        if step := cancelled_step(self.steps):
            is_begun = any(other.status.has_begun for other in self.steps)
            status = WaveStatus.CANCELLED if is_begun else WaveStatus.NOT_STARTED
            return Judgement(status, Cause.CANCELLED, step.reason)
        if states <= {StepStatus.NOT_STARTED, StepStatus.SKIPPED}:
            return Judgement(WaveStatus.NOT_STARTED, *self._why_not_started())
        if going := _going(self.steps):
            is_begun = any(step.status.has_begun for step in self.steps)
            return Judgement(going) if is_begun else judge_gates(self.outline, self.snapshot)
        return self._with_exceptions(Judgement(WaveStatus.COMPLETED))

    def _why_not_started(self) -> tuple[Cause | None, str | None]:
        if step := failed_step(self.before):
            return Cause.STEP, _words(step)
        if step := cancelled_step(self.before):
            return Cause.CANCELLED, step.reason
        for task in (*self.outline.gates, *self.outline.settings, *self.outline.aheads):
            if words := self.left.error(task):
                return (Cause.ANSWER if names.does(task, names.PAUSE) else Cause.TASK), words
        if not self._is_cut_off():
            return None, None
        broken = self.broken_above(self.outline)
        words = f"it waits for {' and '.join(broken) or 'preflight'}"
        return (Cause.DEPENDENCY if broken else Cause.PREFLIGHT), words

    def _is_cut_off(self) -> bool:
        """Whether something before it has failed, as against a run that ended without reaching it."""
        return any(self.snapshot.task(task).state == "upstream_failed" for task in self.outline.chain)

    def _proven(self, judgement: Judgement, servers: Sequence[ServerState] | None) -> Judgement:
        """Call a wave launched, or ready, only if every server of it is."""
        wanted = _PROVEN_BY[judgement.status]
        absent = [server for server in servers or () if server.status is not wanted]
        if not absent:
            return judgement
        words = f"not {wanted.words}: {some([server.hostname for server in absent], MANY)}"
        return Judgement(WaveStatus.COMPLETED_WITH_EXCEPTIONS, Cause.SERVERS, words)

    def _servers(self, status: WaveStatus) -> tuple[ServerState, ...] | None:
        if self.copies:
            return copied_servers(self.outline, self.snapshot, self.left, self.planned, status)
        results = {result.server_id: result for result in self.results or ()}
        members = list(self.planned.servers) if self.planned else []
        known = {member.server_id for member in members}
        members += [
            PreflightServer(
                server_id=result.server_id,
                hostname=result.hostname or result.server_id,
                critical=result.critical,
            )
            for result in results.values()
            if result.server_id not in known
        ]
        if self.planned is None and not members:
            return None
        holder = {server: job.job_id for job in self.jobs.values() for server in job.servers}
        states = [self._server(member, results.get(member.server_id), status, holder) for member in members]
        states += [
            ServerState(
                server.server_id, server.hostname, server.critical, ServerStatus.NOT_STARTED, reason=place.words
            )
            for place in (self.planned.lost if self.planned else ())
            for server in place.servers
        ]
        if status is not WaveStatus.COMPLETED_WITH_EXCEPTIONS:
            return tuple(states)
        return tuple(replace(server, is_tolerated=server.status is ServerStatus.FAILED) for server in states)

    def _server(
        self, member: PreflightServer, result: ServerResult | None, wave: WaveStatus, holder: Mapping[str, str]
    ) -> ServerState:
        job_id = holder.get(member.server_id)
        if job_id is None and result is None and (waiting := self._prepared(member, wave)):
            return waiting
        found = self.found.get(member.server_id)
        if found and (result is None or (result.status == "unknown" and (found.instance_id or not result.instance_id))):
            return ServerState(
                member.server_id,
                member.hostname,
                member.critical,
                ServerStatus.LAUNCHED if found.is_there else ServerStatus.UNKNOWN,
                found.words,
                instance_id=found.instance_id,
                job_id=found.job_id,
            )
        if result is None and job_id is None and (reason := self._why_unknown(member.server_id)):
            return ServerState(member.server_id, member.hostname, member.critical, ServerStatus.UNKNOWN, reason)
        status, lost = self._status(result, wave, job_id), self.left.lost_instances.get(member.server_id)
        if result and lost and status is ServerStatus.LAUNCHED:
            if not lost.is_stopped:
                status = ServerStatus.FAILED if lost.instance_id else ServerStatus.UNKNOWN
            result = replace(result, reason=lost.words)
        is_launching = result is None and status is ServerStatus.LAUNCHING
        return ServerState(
            member.server_id,
            member.hostname,
            member.critical,
            status,
            result.reason if result else None,
            instance_id=result.instance_id if result else None,
            job_id=job_id,
            event=self._event(member.server_id, job_id) if is_launching else None,
        )

    def _prepared(self, member: PreflightServer, wave: WaveStatus) -> ServerState | None:
        """Say of a server that it was launched ahead, and its wave has not come so far; None: it is none.

        What the last look at a recovery finds running is more than prepared, and what it does not find is not known.
        """
        job_id, found = self.prepared.get(member.server_id), self.found.get(member.server_id)
        if job_id is None or (found and found.instance_state != "STOPPED"):
            return None
        is_over = self.snapshot.is_final or wave.is_over
        return ServerState(
            member.server_id,
            member.hostname,
            member.critical,
            ServerStatus.PREPARED,
            (f"{NOT_STARTED}: {found.words}" if found else NOT_STARTED) if is_over else None,
            instance_id=found.instance_id if found else None,
            job_id=job_id,
        )

    def _event(self, server_id: str, job_id: str | None) -> str | None:
        """Give the newest event that the log of a server's job has of it."""
        return self.phases.events(job_id).get(server_id) if job_id else None

    def _why_unknown(self, server_id: str) -> str | None:
        """Say why nobody knows whether a server was launched of which no task has left anything; None: it was not."""
        if server_id in self.left.cleaned_servers:
            return NOT_SEEN_THROUGH
        has_failed = any(self.snapshot.phase(task) is TaskPhase.FAILED for task in self.outline.starts)
        problem = self.left.why_not_looked if has_failed else None
        return f"its start failed, and whether it was launched is unknown: {problem}" if problem else None

    def _status(self, result: ServerResult | None, wave: WaveStatus, job_id: str | None) -> ServerStatus:
        if result is not None and result.status == "unknown":
            return ServerStatus.UNKNOWN
        if result is not None:
            return ServerStatus.LAUNCHED if is_usable(result) else ServerStatus.FAILED
        is_over = self.snapshot.is_final or wave.is_over
        if job_id is not None:
            return ServerStatus.UNKNOWN if is_over else ServerStatus.LAUNCHING
        if wave is WaveStatus.SKIPPED or (self.planned is not None and not self.planned.selected):
            return ServerStatus.SKIPPED
        return ServerStatus.NOT_STARTED if is_over else ServerStatus.WAITING


def _going(steps: Sequence[StepState]) -> WaveStatus | None:
    """Say what goes on with steps that are not all over; None: they are."""
    if any(step.status is StepStatus.WAITING_FOR_ANSWER for step in steps):
        return WaveStatus.WAITING_FOR_ANSWER
    return WaveStatus.RUNNING_STEPS if any(step.status.is_to_come for step in steps) else None


def _words(step: StepState) -> str:
    return f"step {step.name}: {step.reason}"
