"""What a rehearsal foretells, put together from what it left: the run's own report, its tasks, the simulator."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

from drs_provider.formatting import parse_instant
from drs_provider.rehearsal.steps import StepDecision, task_of
from drs_provider.rules.launch.quotas import Quotas

FORMAT_VERSION = 1

GREEN = ("passed", "completed", "completed_with_exceptions")
"""Verdicts with which a run ends well."""


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


@dataclass(frozen=True)
class WaveByTheClock:
    """A wave's times by the clock, in seconds since the run's start."""

    name: str
    start_seconds: float | None
    end_seconds: float | None


@dataclass(frozen=True)
class ByTheClock:
    """What the same run takes against a simulator in which DRS is faster, but nothing else is; seconds.

    ``busy``: how many others were taken to want a processor of this machine; None: every task took the same time.
    ``margin_seconds``: by how much the RTO may be wrong.
    """

    speed: float
    busy: float | None
    verdict: str
    rto_seconds: float | None
    margin_seconds: float
    launched_seconds: float | None
    elapsed_seconds: float
    waves: tuple[WaveByTheClock, ...] = ()


Fate = Literal["good", "objective_missed", "failed"]


@dataclass(frozen=True)
class Prediction:
    """All that a rehearsal says. ``fate`` decides the exit code: only ``good`` is 0."""

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
    by_the_clock: ByTheClock | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON; seconds since the run's start, rounded to milliseconds."""
        return _plain({"format_version": FORMAT_VERSION, **asdict(self)})


@dataclass(frozen=True)
class RunRecord:
    """What a rehearsed run left.

    :param facts: what the driver wrote: ``started_at``, ``elapsed_seconds``, ``tasks``, ``mapped``, ``unanswered``,
        ``report``
    :param state: the simulator's ``/_simulator/state``
    :param calls: the simulator's ``/_simulator/calls``
    """

    facts: Mapping[str, Any]
    state: Mapping[str, Any]
    calls: Sequence[Mapping[str, Any]]
    steps: Sequence[StepDecision] = ()
    fleet: str = ""
    random_seed: int = 0
    assumptions: Sequence[str] = ()
    not_predicted: Sequence[str] = ()
    accounts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """The account and Region of each target of the plan, by the words in which preflight names it."""


def predict(left: RunRecord) -> Prediction:
    """Put the prediction together; a run without a report has no prediction (ValueError)."""
    report = left.facts["report"]
    if not report:
        failed = [f"{task}: {record['error']}" for task, record in left.facts["tasks"].items() if record["error"]]
        raise ValueError("the rehearsed run wrote no report" + "".join(f"\n  {line}" for line in failed))
    began = parse_instant(left.facts["started_at"])
    waves = tuple(_wave(wave, began, left) for wave in report["waves"])
    path, objectives = report["critical_path"] or {}, report["objectives"]
    rto, rpo = _objective(objectives["rto"]), _objective(objectives["rpo"])
    ready = [_since(began, s["launched_at"]) for w in report["waves"] for s in w["servers"] if s.get("launched_at")]
    return Prediction(
        plan=report["run"]["plan"],
        title=report["run"]["title"],
        plan_digest=report["run"]["plan_digest"],
        mode=report["run"]["mode"],
        fleet=left.fleet,
        random_seed=left.random_seed,
        fate=_fate(report["verdict"], rto, rpo),
        verdict=report["verdict"],
        verdict_reason=report["verdict_reason"],
        launched_seconds=max((one for one in ready if one is not None), default=None),
        elapsed_seconds=left.facts["elapsed_seconds"],
        rto=rto,
        rpo=rpo,
        critical_path=tuple(path.get("waves") or ()),
        drs_seconds=path.get("jobs_seconds") or 0.0,
        waited_seconds=path.get("waited_seconds") or 0.0,
        orchestration_seconds=path.get("overhead_seconds") or 0.0,
        margin_seconds=MARGIN * (path.get("overhead_seconds") or 0.0),
        waves=waves,
        before=_steps(left, None, "before"),
        after=_steps(left, None, "after"),
        quotas=tuple(_quota_use(left, report)),
        api_calls=_calls(left.calls),
        failures=tuple(_failures(report, left)),
        warnings=tuple(_warnings(report)),
        assumptions=tuple(left.assumptions),
        not_predicted=tuple(_not_predicted(left)),
    )


def at_speed(one: Prediction, speed: float, busy: float | None) -> ByTheClock:
    """Keep of a prediction what a simulator's speed changes."""
    waves = tuple(WaveByTheClock(wave.name, wave.start_seconds, wave.end_seconds) for wave in one.waves)
    times = (one.rto.predicted_seconds, one.margin_seconds, one.launched_seconds, one.elapsed_seconds)
    return ByTheClock(speed, busy, one.verdict, *times, waves)


def _fate(verdict: str, *objectives: Objective) -> Fate:
    if verdict not in GREEN:
        return "failed"
    return "objective_missed" if any(one.outcome == "missed" for one in objectives) else "good"


def _since(began: datetime, at: str | None) -> float | None:
    return (parse_instant(at) - began).total_seconds() if at else None


def _objective(one: Mapping[str, Any]) -> Objective:
    measured = one["measured_seconds"] if one["measured_seconds"] is not None else one["partial_seconds"]
    return Objective(one["target_seconds"], measured, one["outcome"])


def _wave(wave: Mapping[str, Any], began: datetime, left: RunRecord) -> WaveForecast:
    servers = [one for one in wave["servers"] if one["status"] != "EXCLUDED"]
    return WaveForecast(
        wave["name"],
        wave["state"],
        wave["state_reason"],
        tuple(wave["depends_on"]),
        bool(wave["on_critical_path"]),
        servers=len(servers),
        critical=sum(one["critical"] for one in servers),
        launched=sum(one["status"] == "LAUNCHED" for one in servers),
        jobs=len(wave["jobs"]),
        start_seconds=_since(began, wave["started_at"]),
        end_seconds=_since(began, wave["ended_at"]),
        steps=_steps(left, wave["name"]),
    )


def _steps(left: RunRecord, wave: str | None, place: str | None = None) -> tuple[StepForecast, ...]:
    found = []
    tasks, waves = left.facts["tasks"], [one["name"] for one in left.facts["report"]["waves"]]
    mode, results = left.facts["report"]["run"]["mode"], _step_results(left.facts["report"])
    for one in left.steps:
        planned = one.step
        if planned.wave != wave or (place and planned.place != place):
            continue
        record = tasks.get(task_of(planned, tasks, waves) or "", {})
        result = results.get((planned.wave, planned.place, planned.step.name), {})
        state = record.get("state") or "not_run"
        # A failure that the plan lets pass is a skipped task.
        state = "failed" if result.get("state") == "failed" else "not_run" if state == "upstream_failed" else state
        ran = record.get("began") is not None
        found.append(
            StepForecast(
                planned.step.name,
                planned.step.kind,
                planned.place,
                record["began"] if ran else None,
                record.get("ended") if ran else None,
                state,
                assumed=one.assumed is not None and planned.takes_place(mode),
                why=one.assumed if planned.takes_place(mode) else None,
                summary="" if one.assumed else str(result.get("summary") or ""),
            )
        )
    return tuple(found)


def _step_results(report: Mapping[str, Any]) -> dict[tuple[str | None, str, str], Mapping[str, Any]]:
    """Return what the run's report says of its steps, by wave, side and name."""
    of_waves = [(wave["name"], step) for wave in report["waves"] for step in wave.get("steps") or ()]
    return {
        (wave, str(step["side"]), step["name"]): step
        for wave, step in [*of_waves, *((None, step) for step in report.get("steps") or ())]
    }


def _quota_use(left: RunRecord, report: Mapping[str, Any]) -> Iterable[QuotaUse]:
    known = (report["preflight"] or {}).get("quotas") or {}
    quotas_of = {place: known[target] for target, place in left.accounts.items() if target in known}
    for account, region in dict.fromkeys(left.accounts.values()):
        quotas = _quotas(quotas_of.get((account, region), {}))
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


def _quotas(found: Mapping[str, Any]) -> Quotas:
    names = {one.name for one in fields(Quotas)}
    return Quotas(**{name: value for name, value in found.items() if name in names})


def _end(job: Mapping[str, Any], now: str) -> datetime:
    return parse_instant(job.get("endDateTime") or now)


def _calls(calls: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    counted = Counter(f"{call['service']}:{call['operation']}" for call in calls)
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _failures(report: Mapping[str, Any], left: RunRecord) -> Iterable[PredictedFailure]:
    refused = [
        one for one in (report["preflight"] or {}).get("findings", ()) if str(one["severity"]) in {"refusal", "error"}
    ]
    for one in refused:
        server = f"{one['hostname']} ({one['server_id']})" if one.get("hostname") else "preflight"
        yield PredictedFailure(server, one["what"], one.get("next_step") or "")
    for one in report["failures"]:
        yield PredictedFailure(
            f"{one['hostname']} ({one['server_id']})", one["reason"] or "", one.get("next_step") or ""
        )
    told = {"preflight.check", "finish.verdict"} if refused else {"finish.verdict"}
    servers_failed = bool(report["failures"])
    for one in report["errors"]:
        is_about_servers = servers_failed and one["task"].endswith(".recovery_job")
        if one["task"] not in told and not is_about_servers:
            yield PredictedFailure(one["task"], one["message"])
    for (wave, _, name), step in _step_results(report).items():
        if step["state"] == "failed" and step["on_failure"] == "continue":
            yield PredictedFailure(f"{wave or 'plan'}: step {name}", f"{step['summary']}; the plan goes on")
    known = {one["task"] for one in report["errors"]} | told
    for task, record in left.facts["tasks"].items():
        is_about_servers = servers_failed and task.endswith(".recovery_job")
        if record["state"] == "failed" and task not in known and not is_about_servers:
            yield PredictedFailure(task, record["error"] or "failed without an error")


def _warnings(report: Mapping[str, Any]) -> Iterable[str]:
    for one in (report["preflight"] or {}).get("findings", ()):
        if str(one["severity"]) == "warning":
            server = f"{one['hostname']}: " if one.get("hostname") and one["hostname"] not in one["what"] else ""
            yield f"{server}{one['what']}"


def _not_predicted(left: RunRecord) -> Iterable[str]:
    yield from left.not_predicted
    for name in left.facts["unanswered"]:
        yield f"a task asked Airflow for something that a rehearsal has no answer to: {name}"
    for name in left.facts["mapped"]:
        if not name.split(".")[-1].startswith("servers"):
            yield f"the mapped task {name} is not run"


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def machine_of(facts: Mapping[str, Any], *, busy: float | None) -> dict[str, Any]:
    """Return ``{"others", "pace", "works"}`` as ``dag.rehearsing`` takes it.

    :param facts: what a rehearsal left: ``machine`` (``others``, ``share``, ``pace``), ``tasks`` with their ``works``
    :param busy: how many others want a processor, where somebody has said so
    """
    measured = facts["machine"]
    return {
        "others": round(measured["others"] if busy is None else busy, 2),
        "pace": measured["pace"],
        # What was measured by the clock, as time of a processor: the rest was waiting for one.
        "works": {
            task: [seconds * measured["share"] for seconds in record["works"]]
            for task, record in facts["tasks"].items()
            if record["works"]
        },
    }
