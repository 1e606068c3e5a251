"""From what the tasks of a run left to the evidence that its report is measured from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Final

from drs_provider.formatting import timespan
from drs_provider.plan.model import RecoveryPlan
from drs_provider.report.collect.commit import commit_facts, steps_after
from drs_provider.report.collect.drill import drill_facts, networks_of
from drs_provider.report.collect.home import home_steps, sync_not_seen, way_home
from drs_provider.report.collect.people import notifications_of, waits_of
from drs_provider.report.collect.steps import plan_steps, wave_steps
from drs_provider.report.evidence import (
    ActivityEvidence,
    BootsEvidence,
    CleanupEvidence,
    EditedDocument,
    JobEvent,
    JobEvidence,
    LaunchActionRun,
    Objectives,
    PreflightEvidence,
    Quiesced,
    RunEvidence,
    RunFacts,
    ServerEvidence,
    TaskError,
    TerminatedInstance,
    WaveEvidence,
)
from drs_provider.rules.launch.results import ServerResult
from drs_provider.rules.run import names
from drs_provider.rules.run.handover import (
    EndedJob,
    EndedJobs,
    FinalSync,
    InstanceBoots,
    InstanceChecks,
    LaterLaunches,
    Launch,
    NotBelieved,
    PreflightResult,
    PreflightServer,
    SettingsChanges,
    StoppedSources,
    TaskTimes,
    Tries,
)
from drs_provider.rules.run.shape import RunShape, WaveShape
from drs_provider.rules.run.state import (
    CleanupState,
    LeftDocuments,
    ServerState,
    ServerStatus,
    WaveState,
    first_cause,
    state_of,
)

_ENDS: Final = (*names.CLEANS_UP, names.ROLL_BACK)
"""What works after the last wave."""


def evidence_of(run: RunFacts, shape: RunShape, left: LeftDocuments, *, now: datetime) -> RunEvidence:
    """Collect everything that is known about a run; what nobody recorded is left out, never made up.

    :param run: who started it, when and why
    :param shape: its plan, compiled
    :param left: its tasks and what they left, at the last look
    """
    state, preflight, plan = state_of(left.snapshot, left), left.preflight(), shape.plan
    return RunEvidence(
        run=run,
        objectives=_objectives(plan, preflight),
        predicted=preflight.predicted if preflight else None,
        launched_ahead=any(left.has_launched(wave.launch_ahead_tasks) for wave in shape.waves),
        preflight=_preflight(preflight) if preflight else None,
        waves=tuple(_wave(wave, shape.wave_of[wave.name], left, preflight) for wave in state.waves),
        cleanup=_cleanup(state.cleanup, left, preflight),
        networks=networks_of(left, shape, run.purpose),
        errors=tuple(_errors(left)),
        waits=waits_of(left, shape),
        activities=tuple(_activities(left, shape)),
        steps=plan_steps(state, shape, left),
        notifications=notifications_of(left) if plan.notify else (),
        drill=drill_facts(left, shape, preflight, superseded=state.superseded),
        commit=commit_facts(state.commit),
        home=home_steps(left, run.purpose),
        next_steps=steps_after(state, shape, left, run.purpose),
        orders=left.given_orders().orders,
        edited=tuple(_refused_orders(left, shape)),
        outside=left.outside_changes,
        left_stopped=left.left_stopped,
        cancelled=state.cancelled,
        first_cause=first_cause(state),
        finished_at=now,
    )


def with_edited(evidence: RunEvidence, disbelieved: Mapping[str, str]) -> RunEvidence:
    """Add what was not believed while it was collected, by its place, to what the tasks themselves had refused."""
    found = {document.where: document.problem for document in evidence.edited} | {**disbelieved}
    edited = tuple(EditedDocument(where=where, problem=problem) for where, problem in sorted(found.items()))
    return evidence.model_copy(update={"edited": edited})


def _refused_orders(left: LeftDocuments, shape: RunShape) -> Iterator[EditedDocument]:
    """Give the orders that tasks have not obeyed because nobody who may has given them."""
    obeys = [
        *(task for wave in shape.waves for task in wave.chain),
        *(step.task_id for step in (*shape.before, *shape.after)),
        *([shape.keep_task] if shape.keep_task else []),
    ]
    for task in obeys:
        if refused := left.of(task, NotBelieved):
            for where, problem in refused.documents.items():
                yield EditedDocument(where=where, problem=problem)


def _objectives(plan: RecoveryPlan, preflight: PreflightResult | None) -> Objectives:
    """Give what the plan promised when the run began; somebody may have edited it since."""
    began = preflight.objectives if preflight and preflight.objectives else None
    return Objectives(rto=began.rto, rpo=began.rpo) if began else Objectives(rto=plan.rto, rpo=plan.rpo)


def _activities(left: LeftDocuments, shape: RunShape) -> Iterator[ActivityEvidence]:
    """Give when the tasks worked that prepare the waves, or clean up after them."""
    tasks = (
        ("preflight", (names.PREFLIGHT_TASK,)),
        ("network", shape.network_tasks),
        ("settings", tuple(task for wave in shape.waves for task in wave.settings_tasks)),
        ("clean_up", tuple(sorted(task for task in left.snapshot.tasks if names.does(task, *_ENDS)))),
    )
    for kind, found in tasks:
        for task in found:
            if times := left.of(task, TaskTimes):
                began, ended = times.began_at, max(times.began_at, times.ended_at)
                yield ActivityEvidence.model_validate(
                    {"kind": kind, "task": task, "began_at": began, "ended_at": ended}
                )


def _ready_at(shape: WaveShape, left: LeftDocuments) -> datetime | None:
    times = left.of(shape.watch_task, TaskTimes) if shape.watch_task else None
    return times.ended_at if times else None


def _boots(shape: WaveShape, left: LeftDocuments) -> BootsEvidence | None:
    found = left.of(shape.watch_task, InstanceBoots) if shape.watch_task else None
    return BootsEvidence(began_at=found.began_at, ended_at=found.ended_at) if found else None


def _preflight(found: PreflightResult) -> PreflightEvidence:
    return PreflightEvidence(
        passed=found.passed,
        checked_at=found.checked_at,
        findings=found.findings,
        quotas={target: asdict(quotas) for target, quotas in found.quotas.items()},
        skew_seconds=found.skew.total_seconds() if found.skew is not None else None,
        installation=found.installation,
    )


def _wave(state: WaveState, shape: WaveShape, left: LeftDocuments, preflight: PreflightResult | None) -> WaveEvidence:
    launches = tuple(_launches(shape, left))
    excluded = [server for server in (preflight.excluded if preflight else ()) if server.group in shape.wave.groups]
    return WaveEvidence(
        name=state.name,
        depends_on=state.depends_on,
        groups=shape.wave.groups,
        tolerate_failures=str(shape.wave.tolerate_failures),
        timeout=timespan(shape.wave.timeout),
        state=state.status,
        state_reason=state.reason,
        ready_at=_ready_at(shape, left),
        boots=_boots(shape, left),
        lost=_lost(state.name, preflight),
        quiesced=_quiesced(shape, left),
        passed_over=left.passed_over((*shape.chain,)),
        steps=wave_steps(state, shape, left),
        jobs=tuple(_jobs(launches, _ended(shape, left))),
        servers=(
            *_Servers(shape, left, preflight, launches).of(state),
            *(ServerEvidence(**_facts(server), status=ServerStatus.EXCLUDED) for server in excluded),
        ),
    )


def _quiesced(shape: WaveShape, left: LeftDocuments) -> Quiesced | None:
    found = left.of(shape.sync_task, FinalSync) if shape.sync_task else None
    return Quiesced(at=found.quiesced_at, steps=found.steps, doubts=found.doubts) if found else None


def _lost(wave: str, preflight: PreflightResult | None) -> tuple[str, ...]:
    found = preflight.chosen_waves.get(wave) if preflight else None
    return tuple(place.words for place in found.lost) if found else ()


def _launches(shape: WaveShape, left: LeftDocuments) -> Iterator[Launch]:
    started = [launch for task in shape.start_tasks if (launch := left.of(task, Launch))]
    known = {job_id for launch in started for job_id in launch.job_ids}
    yield from started
    for task in shape.tasks_before_turn:
        launch = left.of(task, Launch)
        if launch and not known.intersection(launch.job_ids):
            yield launch
    if shape.watch_task and (later := left.of(shape.watch_task, LaterLaunches)):
        yield from later.launches


def _ended(shape: WaveShape, left: LeftDocuments) -> Mapping[str, EndedJob]:
    if shape.watch_task is None:
        return {}
    verdict, ended = left.verdict(shape.watch_task), left.of(shape.watch_task, EndedJobs)
    jobs = (verdict.jobs if verdict else ()) or (ended.jobs if ended else ())
    return {job.job_id: job for job in jobs}


def _jobs(launches: Iterable[Launch], ended: Mapping[str, EndedJob]) -> Iterator[JobEvidence]:
    """Give every job once: where a wave launches in several places, the later record knows the job's own."""
    found = {
        job.job_id: JobEvidence(
            job_id=job.job_id,
            region=launch.region,
            aws_conn_id=launch.aws_conn_id or "",
            created_at=job.created_at,
            ended_at=ended[job.job_id].ended_at if job.job_id in ended else None,
            adopted=job.adopted,
            attempt=job.attempt,
            servers=job.servers,
        )
        for launch in launches
        for job in launch.jobs
    }
    yield from found.values()


class _Servers:
    """What is known of the servers of a wave, each from several documents."""

    def __init__(
        self, shape: WaveShape, left: LeftDocuments, preflight: PreflightResult | None, launches: Iterable[Launch]
    ) -> None:
        watch = shape.watch_task
        known = (*preflight.servers(), *preflight.lost_servers) if preflight else ()
        self.planned = {server.server_id: server for server in known}
        self.points = {server: point for launch in launches for server, point in launch.points.items()}
        self.results = {result.server_id: result for result in (left.results(watch) or () if watch else ())}
        # What sees the wave through knows those of before its turn as well; one that was not reached has only these.
        tries = [left.of(task, Tries) for task in (*shape.relaunch_tasks, watch) if task]
        checks = left.of(watch, InstanceChecks) if watch else None
        self.tries = {server: known for each in tries if each for server, known in each.servers.items()}
        self.checks = checks.servers if checks else {}
        synced = left.of(shape.sync_task, FinalSync) if shape.sync_task else None
        stopped = left.of(shape.stop_task, StoppedSources) if shape.stop_task else None
        self.synced = synced.points if synced else {}
        self.not_synced = synced.settled if synced else {}
        self.stopped = stopped.servers if stopped else {}
        self.found, self.lost = left.found_launches(), left.lost_instances
        changes = [found for task in shape.settings_tasks if (found := left.of(task, SettingsChanges))]
        self.changes = {server: changed for found in changes for server, changed in found.servers.items()}

    def of(self, wave: WaveState) -> Iterator[ServerEvidence]:
        """Give the servers of a wave as evidence."""
        for server in wave.servers or ():
            yield self._server(server)

    def _server(self, state: ServerState) -> ServerEvidence:
        planned = self.planned.get(state.server_id)
        result, check = self.results.get(state.server_id), self.checks.get(state.server_id)
        facts: dict[str, object] = {"server_id": state.server_id, "hostname": state.hostname, "job_id": state.job_id}
        facts["reason"] = state.reason
        facts |= _facts(planned) if planned else {}
        facts |= _outcome(result) if result else {}
        if result is None and state.reason:
            facts |= {"reason": state.reason, "instance_id": state.instance_id}
        if result and result.status == "launched" and (lost := self.lost.get(state.server_id)):
            facts |= {"lost": not lost.is_stopped, "stopped_since": lost.is_stopped, "reason": lost.words}
            facts["instance_id"] = lost.instance_id or result.instance_id
            facts["instance_state"] = lost.state.upper() or None
        if (found := self.found.get(state.server_id)) and (
            result is None or (result.status == "unknown" and (found.instance_id or not result.instance_id))
        ):
            reason = state.reason if state.status is ServerStatus.PREPARED else found.words
            facts |= {"instance_id": found.instance_id, "instance_state": found.instance_state, "reason": reason}
            facts |= {"protected": found.protected, "not_protected": found.not_protected}
        if point := self.points.get(state.server_id):
            facts["point"] = point
        back = planned.back.failback_server if planned and planned.back else ""
        facts["way_home"] = way_home(planned.back) if planned and planned.back else None
        if synced := self.synced.get(state.server_id) or self.synced.get(back):
            facts["synced"] = synced
        facts["not_synced"] = self.not_synced.get(state.server_id, "") or sync_not_seen(
            planned.back if planned else None
        )
        if stopped := self.stopped.get(state.server_id):
            facts["source_stopped"] = stopped.instance.instance_id
        if check:
            facts |= {"protected": check.protected, "not_protected": check.not_protected}
            facts["differences"] = check.differences
        return ServerEvidence(
            **facts,
            status=state.status,
            on_the_way=state.on_the_way,
            settings_changed=self.changes.get(state.server_id, ()),
            tries=self.tries.get(state.server_id, ()),
        )


def _facts(server: PreflightServer) -> dict[str, object]:
    return {
        "server_id": server.server_id,
        "hostname": server.hostname,
        "group": server.group,
        "critical": server.critical,
        "region": server.region,
        "lag": server.lag,
        "order": server.order,
        "point": server.point,
    }


def _outcome(result: ServerResult) -> dict[str, object]:
    return {
        "instance_id": result.instance_id,
        "instance_state": result.instance_state,
        "point_in_time": result.point_in_time,
        "job_id": result.job_id,
        "reason": result.reason,
        "events": tuple(JobEvent.model_validate(event) for event in result.events),
        "actions": tuple(LaunchActionRun.model_validate(action) for action in result.actions),
    }


def _cleanup(state: CleanupState, left: LeftDocuments, preflight: PreflightResult | None) -> CleanupEvidence:
    servers = {server.server_id: server for server in preflight.servers()} if preflight else {}
    tasks = names.tasks_that(left.snapshot.tasks, names.FINISH_GROUP, names.CLEAN_UP)
    gone = [instance for task in tasks if (found := left.cleaned_up(task)) for instance in found.terminated]
    terminated = []
    for instance in gone:
        server = servers.get(instance.server_id or "")
        terminated.append(
            TerminatedInstance(
                **instance.model_dump(),
                hostname=server.hostname if server else None,
                region=server.region if server else None,
            )
        )
    return CleanupEvidence(
        state=state.status, terminated=tuple(terminated), left=dict(state.remaining), reason=state.reason
    )


def _errors(left: LeftDocuments) -> Iterator[TaskError]:
    """Give the last words of every failed task, but for those that only show a server or tell people."""
    for task in sorted(left.snapshot.tasks):
        if names.is_server_square(task) or names.is_teller(task):
            continue
        if message := left.error(task):
            yield TaskError(task=task, message=message)
