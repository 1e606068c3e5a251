"""What a report says: the shape of ``report.json``.

Durations are seconds as plain numbers, with the unit in the field's name, so that a shell script can compare
them. ``None`` (``null`` in JSON) means *not measured*; a zero is a measured zero.
"""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from drs_provider.report.evidence import (
    BootsEvidence,
    CommitFacts,
    DrillFacts,
    EditedDocument,
    HomeStep,
    JobEvidence,
    LaunchActionRun,
    NetworkEvidence,
    PreflightEvidence,
    Quiesced,
    RunFacts,
    TaskError,
    TerminatedInstance,
    WaitEvidence,
    WayHomeFacts,
)
from drs_provider.report.older_versions import brought_up
from drs_provider.rules.commit.next_steps import AfterRecovery
from drs_provider.rules.launch.next_launch import Try
from drs_provider.rules.launch.recovery_points import Point
from drs_provider.rules.run.handover import (
    Difference,
    FailbackServer,
    GivenOrder,
    NotificationRecord,
    PlanRunOutcome,
    SettingsChange,
    StepInstance,
)
from drs_provider.rules.run.state.first_cause import FirstCause
from drs_provider.rules.run.state.vocabulary import CleanupStatus, ServerStatus, StepStatus, WaveStatus

Outcome = Literal[
    "passed", "completed", "completed_with_exceptions", "failed", "refused", "cancelled", "superseded", "checked"
]
"""A drill that went well has ``passed``, a recovery that did is ``completed``; ``superseded`` is a drill whose servers
a recovery took; a check that nothing speaks against is ``checked``; the other words are common to both."""
ObjectiveOutcome = Literal["met", "missed", "not_measured", "no_objective"]

FORMAT_VERSION = 2
"""Raised when a field of ``report.json`` is renamed or changes its meaning; new fields do not raise it.

2: states of waves, servers, steps and of the clean-up in the words of ``rules.run.state.vocabulary``.
"""


class ReportPart(BaseModel):
    """Frozen; reads files of newer versions by leaving aside what it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ObjectiveResult(ReportPart):
    """One objective of the plan against what was measured.

    ``measured_seconds`` speaks for the whole plan: it is ``None`` unless every server is there.
    ``partial_seconds`` is the worst among the servers that are there.
    ``last_launched_seconds``: of an RTO, until the last server was launched; the RTO ends when the service is there.
    """

    target_seconds: float | None
    measured_seconds: float | None
    partial_seconds: float | None
    last_launched_seconds: float | None = None
    outcome: ObjectiveOutcome
    why: str


class ObjectiveResults(ReportPart):
    """Recovery time and recovery point of the plan."""

    rto: ObjectiveResult
    rpo: ObjectiveResult


class PredictionReport(ReportPart):
    """What preflight foretold, launched as the run was, and what was measured, in seconds from the first launch.

    ``launch``: how it really was launched. ``in_waves_seconds``: foretold of the same run launched in waves.
    ``measured_seconds``: ``None`` unless every server is there.
    """

    launch: Literal["in_waves", "ahead"]
    predicted_seconds: float
    in_waves_seconds: float
    measured_seconds: float | None = None


class Counts(ReportPart):
    """How many servers ended how.

    ``failed`` counts also those of which nobody knows what became, ``not_started`` also those of skipped waves;
    ``excluded`` ones were left out on purpose. ``ready``: of a way back: those that can be launched in their origin.
    """

    waves: int
    servers: int
    launched: int
    failed: int
    not_started: int
    excluded: int
    ready: int = 0


class Phases(ReportPart):
    """Where one server's time in DRS went. ``waiting_seconds`` is what lies between the logged phases."""

    snapshot_seconds: float | None = None
    conversion_seconds: float | None = None
    launch_seconds: float | None = None
    waiting_seconds: float | None = None


class ServerReport(ReportPart):
    """One source server: what became of it, how fast, and with data of when."""

    server_id: str
    hostname: str
    group: str
    region: str
    critical: bool
    status: ServerStatus
    instance_id: str | None = None
    instance_state: str | None = None
    point_in_time: AwareDatetime | None = None
    point: Point | None = None
    job_id: str | None = None
    reason: str | None = None
    launched_at: AwareDatetime | None = None
    rto_seconds: float | None = None
    rpo_seconds: float | None = None
    phases: Phases = Phases()
    order: int = 1
    settings_changed: tuple[SettingsChange, ...] = ()
    tries: tuple[Try, ...] = ()
    protected: bool | None = None
    not_protected: str | None = None
    differences: tuple[Difference, ...] = ()
    actions: tuple[LaunchActionRun, ...] = ()
    synced: Point | None = None
    """The recovery point that was seen to hold everything that its source had written; migrations only."""
    not_synced: str = ""
    """Why its last sync is not proven: what DRS said of its failback client."""
    way_home: WayHomeFacts | None = None
    """Where a failback takes it; ``None``: another run, or a server that is not on its way."""
    source_stopped: str | None = None
    """The EC2 instance of its source, where the run saw it stopped."""
    on_the_way: FailbackServer | None = None


class StepReport(ReportPart):
    """One step: how it ended, how long it took over all its attempts, and the end of what it put out."""

    name: str
    kind: str
    task: str
    side: Literal["before", "after"]
    on_failure: Literal["fail", "continue"]
    state: StepStatus
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    duration_seconds: float | None = None
    attempts: int = 0
    summary: str = ""
    output: str = ""
    instances: tuple[StepInstance, ...] = ()
    part: PlanRunOutcome | None = None
    """The run of another plan that the step has run, with its verdict and the place of its report."""


class WaveReport(ReportPart):
    """One wave, measured once all its servers are there.

    ``rto_seconds`` ends when its service is there: its last server launched and ready, its steps done.
    ``last_launched_seconds`` ends with its last server's launch; ``rpo_seconds`` is its worst server's.
    """

    name: str
    depends_on: tuple[str, ...]
    groups: tuple[str, ...]
    tolerate_failures: str
    state: WaveStatus
    state_reason: str | None = None
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    duration_seconds: float | None = None
    ready_at: AwareDatetime | None = None
    boots: BootsEvidence | None = None
    quiesced: Quiesced | None = None
    rto_seconds: float | None = None
    last_launched_seconds: float | None = None
    rpo_seconds: float | None = None
    on_critical_path: bool = False
    jobs: tuple[JobEvidence, ...] = ()
    servers: tuple[ServerReport, ...] = ()
    steps: tuple[StepReport, ...] = ()


class DeadTime(ReportPart):
    """Time between the end of the last job that a wave waited for (``after``) and the creation of its first job.

    Where instances were launched ahead: until the first of them was started, and from when the last one was up.
    """

    wave: str
    after: str
    seconds: float
    from_at: AwareDatetime
    to_at: AwareDatetime
    waited_seconds: float = 0.0
    """Of the time between the two, what went into pauses and delays of the plan: it is not in ``seconds``."""


class CriticalPath(ReportPart):
    """The chain of waves that decided how long the run took.

    ``overhead_share`` is the share of ``elapsed_seconds`` (run start to the end of the path's last job or boot) in
    which none of the path's DRS jobs was running, and nothing booted that was launched ahead.
    """

    waves: tuple[str, ...] = ()
    elapsed_seconds: float | None = None
    jobs_seconds: float | None = None
    boots_seconds: float | None = None
    """In which instances booted that were launched ahead, while no job ran; None: not measured."""
    overhead_seconds: float | None = None
    overhead_share: float | None = None
    waited_seconds: float | None = None
    """What went into approvals, pauses and delays while no job ran; counts as overhead no more than the jobs do."""


TimeKind = Literal[
    "preflight",
    "approvals",
    "network",
    "settings",
    "jobs",
    "boots",
    "readiness",
    "steps",
    "people",
    "delays",
    "clean_up",
    "orchestration",
]
"""What went on in a run.

``people``: pauses, approval steps, and a drill that is kept for them. ``readiness``: from the end of a job until its
servers are as ready as the plan asks for. ``boots``: of instances that were launched ahead, from the first start in
their wave until the last of them is up. ``orchestration``: Airflow's own time, and everything else.
"""


class TimeShare(ReportPart):
    """How much of a run's time went where; all of them sum to ``elapsed_seconds``."""

    kind: TimeKind
    seconds: float


class Failure(ReportPart):
    """One server that is not there although it was launched, why, and what waited for it in vain."""

    server_id: str
    hostname: str
    wave: str
    critical: bool
    status: ServerStatus
    reason: str
    next_step: str
    not_started: tuple[str, ...] = ()


class NotStarted(ReportPart):
    """One wave that was never launched."""

    wave: str
    servers: int
    because: str


class CleanupReport(ReportPart):
    """Proof of clean-up: what was terminated, what is left and why."""

    state: CleanupStatus
    terminated: tuple[TerminatedInstance, ...] = ()
    left: dict[str, str] = Field(default_factory=dict)
    reason: str | None = None
    next_step: str = ""


class TimelineEntry(ReportPart):
    """One dated sentence about the run."""

    at: AwareDatetime
    what: str
    wave: str | None = None


class RunReport(ReportPart):
    """The whole report of one run; what ``report.json`` holds."""

    format_version: int = FORMAT_VERSION
    run: RunFacts
    finished_at: AwareDatetime
    elapsed_seconds: float
    verdict: Outcome
    verdict_reason: str
    """One sentence; where it is not good, two more: the first cause with its server, and the next step."""
    first_cause: FirstCause | None = None
    """The same for programs; ``None``: nothing speaks against the run, or a person ended it."""
    objectives: ObjectiveResults
    prediction: PredictionReport | None = None
    """The recovery time that was foretold; ``None``: nothing was."""
    counts: Counts
    failures: tuple[Failure, ...] = ()
    not_started: tuple[NotStarted, ...] = ()
    errors: tuple[TaskError, ...] = ()
    waves: tuple[WaveReport, ...] = ()
    time_shares: tuple[TimeShare, ...] = ()
    critical_path: CriticalPath = CriticalPath()
    dead_times: tuple[DeadTime, ...] = ()
    waits: tuple[WaitEvidence, ...] = ()
    orders: tuple[GivenOrder, ...] = ()
    """What people ordered while the run went on, the oldest first."""
    edited: tuple[EditedDocument, ...] = ()
    """What lay in XCom or the task state store and was not written by the run's own tasks; it was not believed."""
    outside: dict[str, str] = Field(default_factory=dict)
    """What others have done to its jobs and instances while it went on, by id: the verdict names it."""
    steps: tuple[StepReport, ...] = ()
    """The plan's own, around its waves."""
    notifications: tuple[NotificationRecord, ...] = ()
    cleanup: CleanupReport
    networks: tuple[NetworkEvidence, ...] = ()
    preflight: PreflightEvidence | None = None
    drill: DrillFacts = DrillFacts()
    commit: CommitFacts | None = None
    """How the end of a recovery stood; ``None``: nobody was asked."""
    next_steps: tuple[AfterRecovery, ...] = ()
    """What comes after a recovery that is up."""
    home: tuple[HomeStep, ...] = ()
    """How a failback ended after its waves: protected again, agreed, removed, at rest."""
    timeline: tuple[TimelineEntry, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _read_older_versions(cls, written: object) -> object:
        return brought_up(written)
