"""What a rehearsal foretells, put together from what it left: the run's own report, its tasks, the simulator."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal, cast

from pydantic import JsonValue

from drs_provider.formatting import parse_instant
from drs_provider.rehearsal.facts import RehearsalFacts
from drs_provider.rehearsal.steps import StepDecision
from drs_provider.report.result import ObjectiveResult, RunReport, StepReport, WaveReport
from drs_provider.rules.launch.quotas import Quotas
from drs_provider.rules.run import names
from drs_provider.rules.run.state import RunStatus, ServerStatus, StepStatus

FORMAT_VERSION = 2
"""Raised when a field is renamed or changes its meaning. 2: without ``by_the_clock``."""

Launch = Literal["in_waves", "ahead"]

GREEN = (RunStatus.PASSED, RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_EXCEPTIONS)
"""Verdicts with which a run ends well."""

StepKey = tuple[str | None, str, str]
"""A step: its wave (None: the plan's own), ``before`` or ``after``, its name."""


@dataclass(frozen=True)
class StepForecast:
    """A step: when it starts and ends (seconds since the run's start; None: it does not), and how.

    ``state``: ``success``, ``failed``, ``skipped``, ``not_run``. ``assumed``: it was not run but taken for granted, and
    ``why``. ``summary``: what it did, of one that was run.
    """

    name: str
    kind: str
    place: str
    start_seconds: float | None
    end_seconds: float | None
    state: str
    assumed: bool
    why: str | None = None
    summary: str = ""


@dataclass(frozen=True)
class WaveForecast:
    """A wave, its times in seconds since the run's start; None where nothing of it was launched."""

    name: str
    state: str
    state_reason: str | None
    depends_on: tuple[str, ...]
    on_critical_path: bool
    servers: int
    critical: int
    launched: int
    jobs: int
    start_seconds: float | None
    end_seconds: float | None
    steps: tuple[StepForecast, ...] = ()


@dataclass(frozen=True)
class Objective:
    """``outcome``: ``met``, ``missed``, ``not_measured`` or ``no_objective``; times in seconds."""

    target_seconds: float | None
    predicted_seconds: float | None
    outcome: str


MARGIN = 0.5
"""The share of orchestration's time by which a prediction may be wrong: a busy Airflow is half as slow again."""


@dataclass(frozen=True)
class OtherWay:
    """The same run launched in waves, rehearsed too.

    ``rto_seconds``: its recovery time; None: it would not recover everything. ``saved_seconds``: what launching ahead
    saves, below zero what it costs; None: one of the two is not known.
    """

    verdict: str
    rto_seconds: float | None
    saved_seconds: float | None


@dataclass(frozen=True)
class QuotaUse:
    """The most that ran at one moment in an account and Region, all of this run, and what it may be."""

    account: str
    region: str
    jobs: int
    jobs_quota: int
    servers: int
    servers_quota: int
    servers_per_job_quota: int


@dataclass(frozen=True)
class PredictedFailure:
    """A server that was not launched, or a task that failed, and why."""

    what: str
    why: str
    next_step: str = ""


Fate = Literal["good", "objective_missed", "failed"]


@dataclass(frozen=True)
class Prediction:
    """All that a rehearsal says. ``fate`` decides the exit code: only ``good`` is 0.

    ``launch``: whether the run launched servers ahead of their waves; ``in_waves``: what it would be without, where it
    did.
    """

    plan: str
    title: str
    plan_digest: str
    mode: str
    fleet: str
    random_seed: int
    fate: Fate
    verdict: str
    verdict_reason: str
    launched_seconds: float | None
    elapsed_seconds: float
    rto: Objective
    rpo: Objective
    critical_path: tuple[str, ...]
    drs_seconds: float
    boots_seconds: float
    waited_seconds: float
    orchestration_seconds: float
    margin_seconds: float
    waves: tuple[WaveForecast, ...]
    before: tuple[StepForecast, ...]
    after: tuple[StepForecast, ...]
    quotas: tuple[QuotaUse, ...]
    api_calls: Mapping[str, int]
    failures: tuple[PredictedFailure, ...]
    warnings: tuple[str, ...]
    assumptions: tuple[str, ...] = ()
    not_predicted: tuple[str, ...] = ()
    launch: Launch = "in_waves"
    in_waves: OtherWay | None = None

    def as_json(self) -> dict[str, JsonValue]:
        """Return plain JSON; seconds since the run's start, in tenths.

        Instants are floats: a rehearsal that begins at another instant differs from this one by microseconds.
        """
        return cast("dict[str, JsonValue]", _plain({"format_version": FORMAT_VERSION, **asdict(self)}))


Answer = Mapping[str, Any]
"""A job, or a call, as the simulator's control plane gives it."""


@dataclass(frozen=True)
class RunRecord:
    """What a rehearsed run left.

    :param state: the simulator's ``/_simulator/state``
    :param calls: the simulator's ``/_simulator/calls``
    :param step_tasks: the task of every step
    :param accounts: the account and Region of each target of the plan, by the words in which preflight names it
    """

    facts: RehearsalFacts
    state: Answer
    calls: Sequence[Answer]
    steps: Sequence[StepDecision] = ()
    step_tasks: Mapping[StepKey, str] = field(default_factory=dict)
    fleet: str = ""
    random_seed: int = 0
    assumptions: Sequence[str] = ()
    accounts: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def predict(left: RunRecord) -> Prediction:
    """Put the prediction together; a run without a report has no prediction (ValueError)."""
    report, facts = left.facts.report, left.facts
    if report is None:
        failed = [f"{task}: {record.error}" for task, record in facts.tasks.items() if record.error]
        raise ValueError("the rehearsed run wrote no report" + "".join(f"\n  {line}" for line in failed))
    run, path, began = report.run, report.critical_path, facts.started_at
    rto, rpo = _objective(report.objectives.rto), _objective(report.objectives.rpo)
    launched = [server.launched_at for wave in report.waves for server in wave.servers if server.launched_at]
    return Prediction(
        plan=run.plan,
        title=run.title,
        plan_digest=run.plan_digest,
        mode=run.mode,
        fleet=left.fleet,
        random_seed=left.random_seed,
        fate=_fate(report.verdict, rto, rpo),
        verdict=report.verdict,
        verdict_reason=report.verdict_reason,
        launched_seconds=_since(began, max(launched, default=None)),
        elapsed_seconds=facts.elapsed_seconds,
        rto=rto,
        rpo=rpo,
        critical_path=path.waves,
        drs_seconds=path.jobs_seconds or 0.0,
        boots_seconds=path.boots_seconds or 0.0,
        waited_seconds=path.waited_seconds or 0.0,
        orchestration_seconds=path.overhead_seconds or 0.0,
        margin_seconds=MARGIN * (path.overhead_seconds or 0.0),
        waves=tuple(_wave(wave, report, left) for wave in report.waves),
        before=_steps(left, report, None, "before"),
        after=_steps(left, report, None, "after"),
        quotas=tuple(_quota_use(left, report)),
        api_calls=_calls(left.calls),
        failures=tuple(_failures(report, facts)),
        warnings=tuple(_warnings(report)),
        assumptions=tuple(left.assumptions),
        not_predicted=tuple(_not_predicted(facts)),
        launch=report.prediction.launch if report.prediction else "in_waves",
    )


def beside(prediction: Prediction, in_waves: Prediction) -> Prediction:
    """Add what the same run would be, launched in waves."""
    mine, other = prediction.rto.predicted_seconds, in_waves.rto.predicted_seconds
    mine = mine if prediction.verdict in GREEN else None
    other = other if in_waves.verdict in GREEN else None
    saved = other - mine if mine is not None and other is not None else None
    return replace(prediction, in_waves=OtherWay(in_waves.verdict, other, saved))


def _fate(verdict: str, *objectives: Objective) -> Fate:
    if verdict not in GREEN:
        return "failed"
    return "objective_missed" if any(objective.outcome == "missed" for objective in objectives) else "good"


def _since(began: datetime, at: datetime | None) -> float | None:
    return (at - began).total_seconds() if at else None


def _objective(result: ObjectiveResult) -> Objective:
    measured = result.measured_seconds if result.measured_seconds is not None else result.partial_seconds
    return Objective(result.target_seconds, measured, result.outcome)


def _wave(wave: WaveReport, report: RunReport, left: RunRecord) -> WaveForecast:
    servers = [server for server in wave.servers if server.status != ServerStatus.EXCLUDED]
    return WaveForecast(
        wave.name,
        wave.state,
        wave.state_reason,
        wave.depends_on,
        wave.on_critical_path,
        servers=len(servers),
        critical=sum(server.critical for server in servers),
        launched=sum(server.status == ServerStatus.LAUNCHED for server in servers),
        jobs=len(wave.jobs),
        start_seconds=_since(left.facts.started_at, wave.started_at),
        end_seconds=_since(left.facts.started_at, wave.ended_at),
        steps=_steps(left, report, wave.name),
    )


def _steps(left: RunRecord, report: RunReport, wave: str | None, place: str | None = None) -> tuple[StepForecast, ...]:
    results = _step_results(report)
    return tuple(
        _step(decision, report.run.mode, left, results)
        for decision in left.steps
        if decision.step.wave == wave and place in (None, decision.step.side)
    )


def _step(decision: StepDecision, mode: str, left: RunRecord, results: Mapping[StepKey, StepReport]) -> StepForecast:
    planned = decision.step
    key = (planned.wave, planned.side, planned.step.name)
    record, result = left.facts.tasks.get(left.step_tasks.get(key, "")), results.get(key)
    state = (record and record.state) or "not_run"
    # A failure that the plan lets pass is a skipped task.
    failed = result is not None and result.state in (StepStatus.FAILED, StepStatus.TOLERATED)
    state = "failed" if failed else "not_run" if state == "upstream_failed" else state
    ran = record is not None and record.began is not None
    return StepForecast(
        planned.step.name,
        planned.step.kind,
        planned.side,
        record.began if record and ran else None,
        record.ended if record and ran else None,
        state,
        assumed=decision.assumed is not None and decision.takes_place(mode),
        why=decision.assumed if decision.takes_place(mode) else None,
        summary="" if decision.assumed or result is None else result.summary,
    )


def _step_results(report: RunReport) -> dict[StepKey, StepReport]:
    """Return what the run's report says of its steps, by wave, side and name."""
    of_waves = [(wave.name, step) for wave in report.waves for step in wave.steps]
    return {(wave, step.side, step.name): step for wave, step in [*of_waves, *((None, step) for step in report.steps)]}


def _quota_use(left: RunRecord, report: RunReport) -> Iterable[QuotaUse]:
    known = report.preflight.quotas if report.preflight else {}
    quotas_of = {place: known[target] for target, place in left.accounts.items() if target in known}
    for account, region in dict.fromkeys(left.accounts.values()):
        quotas = _quotas(quotas_of.get((account, region)))
        jobs = left.state["accounts"].get(account, {}).get(region, {}).get("jobs", {})
        spans = [
            (parse_instant(job["creationDateTime"]), _end(job, left.state["now"]), len(job["participatingServers"]))
            for job in jobs.values()
            if job["type"] == "LAUNCH"
        ]
        # The moment when a job begins is the only one at which there can be more than before.
        running = [[size for start, end, size in spans if start <= at < end] for at, _, _ in spans]
        yield QuotaUse(
            account,
            region,
            max(map(len, running), default=0),
            quotas.jobs,
            max(map(sum, running), default=0),
            quotas.servers_in_jobs,
            quotas.servers_per_job,
        )


def _quotas(found: object) -> Quotas:
    known = found if isinstance(found, Mapping) else {}
    return Quotas(**{place.name: known[place.name] for place in fields(Quotas) if place.name in known})


def _end(job: Answer, now: str) -> datetime:
    return parse_instant(job.get("endDateTime") or now)


def _calls(calls: Iterable[Answer]) -> dict[str, int]:
    counted = Counter(f"{call['service']}:{call['operation']}" for call in calls)
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _failures(report: RunReport, facts: RehearsalFacts) -> Iterable[PredictedFailure]:
    findings = report.preflight.findings if report.preflight else ()
    refusals = [finding for finding in findings if finding.severity == "refusal"]
    for finding in refusals:
        is_server = finding.hostname and finding.hostname != finding.server_id
        server = f"{finding.hostname} ({finding.server_id})" if is_server else finding.hostname or "preflight"
        yield PredictedFailure(server, finding.what, finding.next_step)
    for failure in report.failures:
        yield PredictedFailure(f"{failure.hostname} ({failure.server_id})", failure.reason, failure.next_step)
    told = {names.PREFLIGHT_TASK, names.VERDICT_TASK} if refusals else {names.VERDICT_TASK}

    def is_told(task: str) -> bool:
        return task in told or (bool(report.failures) and names.does(task, names.WATCH))

    for error in report.errors:
        if not is_told(error.task):
            yield PredictedFailure(error.task, error.message)
    for (wave, _, name), step in _step_results(report).items():
        if step.state == StepStatus.TOLERATED or (step.state == StepStatus.FAILED and step.on_failure == "continue"):
            yield PredictedFailure(f"{wave or 'plan'}: step {name}", f"{step.summary}; the plan continues")
    known = {error.task for error in report.errors}
    for task, record in facts.tasks.items():
        if record.state == "failed" and task not in known and not is_told(task):
            yield PredictedFailure(task, record.error or "failed without an error")


def _warnings(report: RunReport) -> Iterable[str]:
    for finding in report.preflight.findings if report.preflight else ():
        if finding.severity == "warning":
            named = f"{finding.hostname}: " if finding.hostname and finding.hostname not in finding.what else ""
            yield f"{named}{finding.what}"


def _not_predicted(facts: RehearsalFacts) -> Iterable[str]:
    for name in facts.unanswered:
        yield f"a task made a call to Airflow that a rehearsal does not support: {name}"
    for name in facts.mapped:
        if not names.is_server_square(name):
            yield f"the mapped task {name} is not run"


def _plain(value: object) -> object:
    if isinstance(value, float):
        return round(value, 1)
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
