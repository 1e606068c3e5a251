"""What the report task collects about one run, before anybody judges it.

Everything here is a fact as Airflow or AWS gave it. Times are aware; a fact that nobody recorded is ``None``
or left out, never zero. ``measure`` turns a ``RunEvidence`` into a ``RunReport``. What tasks hand over in the very form
of the evidence is the same class here and there.
"""

from datetime import timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from drs_provider.rules.commit.next_steps import AfterRecovery
from drs_provider.rules.isolation.facts import Leak
from drs_provider.rules.launch.next_launch import Try
from drs_provider.rules.launch.recovery_points import Point
from drs_provider.rules.purpose import ALL_PURPOSES, Purpose, PurposeName, purpose_of
from drs_provider.rules.run.handover import (
    CleanedUpInstance,
    Cost,
    Difference,
    FailbackServer,
    GivenOrder,
    KeptDrill,
    LaunchedInstance,
    NotificationRecord,
    PlanRunOutcome,
    PredictedTimes,
    PreflightFinding,
    ServerFingerprint,
    SettingsChange,
    StepInstance,
)
from drs_provider.rules.run.state.first_cause import FirstCause
from drs_provider.rules.run.state.vocabulary import CleanupStatus, CommitStatus, ServerStatus, StepStatus, WaveStatus

WaitOutcome = Literal[
    "approved",
    "rejected",
    "continued",
    "stopped",
    "committed",
    "rolled_back",
    "expired",
    "unanswered",
    "over",
]


class DrillPart(BaseModel):
    """Frozen; passes over what it does not know, for the same parts stand in evidence and in written reports."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class DrillFacts(DrillPart):
    """Everything of a run that only concerns drills. A recovery has the servers' fingerprints only."""

    superseded: str | None = None
    """Which recovery took the drill's servers while it went on, without a full stop; ``None``: none did."""
    kept: KeptDrill | None = None
    """How long the drill was kept for people after its last wave."""
    untagged: dict[str, str] = Field(default_factory=dict)
    """Instances without the tags that say whose they are, and why."""
    estimated: Cost | None = None
    measured: Cost | None = None
    hourly: dict[str, float] = Field(default_factory=dict)
    """US dollars an hour of each server, by its id, as the estimate has them."""
    fingerprints: dict[str, ServerFingerprint] = Field(default_factory=dict)
    """By source server id."""


class CommitFacts(DrillPart):
    """How the end of a recovery stood: whether it waits for a decision, is committed, or is rolled back."""

    status: CommitStatus
    words: str
    """The same as a sentence, without a full stop."""
    began_at: AwareDatetime
    """When people were asked first."""
    decided_at: AwareDatetime | None = None
    until: AwareDatetime | None = None
    """Of what waits: when it is asked again, or the plan's policy decides."""
    by: str | None = None
    comment: str | None = None
    instances: tuple[LaunchedInstance, ...] = ()
    """What was up when people were asked."""
    against: tuple[str, ...] = ()
    """What spoke against a roll back then."""
    refused: str = ""
    """Why the last roll back that somebody asked for was not made."""
    terminated: tuple[CleanedUpInstance, ...] = ()
    left: dict[str, str] = Field(default_factory=dict)
    kept: dict[str, str] = Field(default_factory=dict)
    """Volumes and interfaces that outlive their instances."""
    settings_left: dict[str, str] = Field(default_factory=dict)
    """By source server, why launch settings were not put back."""
    replication: dict[str, str] = Field(default_factory=dict)
    """By source server, DRS's word for its replication after a roll back."""
    rolled_back_at: AwareDatetime | None = None


class EvidencePart(BaseModel):
    """Frozen, and refuses what it does not know: a misspelt key must not become a missing fact."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ForeignPart(EvidencePart):
    """A part that others write for more readers than the report: what the report does not use is left aside."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ParentRun(EvidencePart):
    """The step of another plan's run that has started a run; ``approved_by``: the approvals that it inherits."""

    plan: str
    dag_id: str
    run_id: str
    task: str
    approved_by: tuple[str, ...] = ()


class RunFacts(EvidencePart):
    """Who started which plan, when and why."""

    dag_id: str
    run_id: str
    mode: PurposeName
    plan: str
    title: str = ""
    description: str = ""
    owner: str = ""
    plan_digest: str = ""
    """sha256 of the plan that the run was started with."""
    plan_path: str = ""
    triggered_by: str | None = None
    run_type: str = "manual"
    part_of: ParentRun | None = None
    """The run of another plan that has started this one as a step of it; ``None``: none has."""
    queued_at: AwareDatetime | None = None
    started_at: AwareDatetime
    """Every RTO counts from here."""
    reason: str | None = None
    point_in_time: str = "latest"
    params: dict[str, JsonValue] = Field(default_factory=dict)
    airflow_url: str | None = None

    @property
    def purpose(self) -> Purpose:
        """What the run is for."""
        return purpose_of(self.mode, ALL_PURPOSES)


class Objectives(EvidencePart):
    """What the plan promises; ``None`` where it promises nothing."""

    rto: timedelta | None = None
    rpo: timedelta | None = None


class PreflightEvidence(EvidencePart):
    """What preflight found before anything was launched."""

    passed: bool
    checked_at: AwareDatetime | None = None
    findings: tuple[PreflightFinding, ...] = ()
    quotas: dict[str, JsonValue] = Field(default_factory=dict)
    skew_seconds: float | None = None
    """Between the oldest and the newest recovery point that servers were pinned to; ``None``: none was."""
    installation: str = ""
    """Id of the Airflow that the run is of; empty: it began before runs had one."""


class JobEvidence(EvidencePart):
    """One DRS job of a wave."""

    job_id: str
    region: str = ""
    aws_conn_id: str = ""
    created_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    adopted: bool = False
    """Found by its tags instead of started: an earlier try of the task had already started it."""
    attempt: int = 1
    """Rises when failed servers are launched again, by the wave itself or because a person asked for it."""
    servers: tuple[str, ...] = ()
    console_url: str | None = None


class JobEvent(ForeignPart):
    """One line of the DRS job log about one server, for example ``LAUNCH_END``."""

    at: AwareDatetime
    event: str


class LaunchActionRun(EvidencePart):
    """What became of one DRS launch action on a launched server."""

    name: str
    status: str
    """DRS's word: ``SUCCEEDED``, ``FAILED``, ``IN_PROGRESS``."""
    optional: bool = True
    reason: str | None = None


class WayHomeFacts(EvidencePart):
    """From where to where a failback takes a server.

    ``recovered``: the instance that production ran on; ``failback_server``: what replicated it; ``place``: the account
    and Region of its origin, empty for a data centre; ``already``: what ran there before the run began, in its words.
    """

    recovered: str
    failback_server: str = ""
    place: str = ""
    already: str = ""


class ServerEvidence(EvidencePart):
    """What became of one source server in one wave."""

    server_id: str
    hostname: str = ""
    group: str = ""
    region: str = ""
    critical: bool = True
    status: ServerStatus = ServerStatus.NOT_STARTED
    """Only ``launched`` is success."""
    instance_id: str | None = None
    instance_state: str | None = None
    point_in_time: AwareDatetime | None = None
    """The instant whose data the recovery instance holds (``pointInTimeSnapshotDateTime``)."""
    lag: timedelta | None = None
    """Replication lag when preflight looked: how much older the data in a point in time may be than its time."""
    point: Point | None = None
    """The recovery point that its launch named; ``None``: DRS was asked for the most recent data."""
    synced: Point | None = None
    """The recovery point that was seen to hold everything that its source had written; migrations and failbacks."""
    not_synced: str = ""
    """Why its last sync is not proven: what DRS said of its failback client."""
    way_home: WayHomeFacts | None = None
    """Where a failback takes it; ``None``: another run, or a server that is not on its way."""
    source_stopped: str | None = None
    """The EC2 instance of its source, where the run saw it stopped."""
    job_id: str | None = None
    reason: str | None = None
    """Why it is not usable."""
    events: tuple[JobEvent, ...] = ()
    order: int = 1
    """Its boot order in its group."""
    settings_changed: tuple[SettingsChange, ...] = ()
    tries: tuple[Try, ...] = ()
    protected: bool | None = None
    """Whether EC2 termination protection was switched on; ``None``: nobody looked."""
    not_protected: str | None = None
    """Why it could not be switched on although it should have been."""
    lost: bool = False
    """It was launched, and its instance was no more when the run ended; ``reason`` says what is known."""
    stopped_since: bool = False
    """It was launched, and its instance is there and stopped when the run ends; ``reason`` says what is known."""
    differences: tuple[Difference, ...] = ()
    actions: tuple[LaunchActionRun, ...] = ()
    on_the_way: FailbackServer | None = None
    """How far it was on its way back when somebody last looked; ``None``: the run is none, or nobody has looked."""


class StepEvidence(EvidencePart):
    """What became of one step; ``summary`` and ``output`` are bounded where they are recorded."""

    name: str
    kind: str
    task: str
    side: Literal["before", "after"]
    on_failure: Literal["fail", "continue"] = "fail"
    state: StepStatus
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    attempts: int = 0
    summary: str = ""
    output: str = ""
    instances: tuple[StepInstance, ...] = ()
    part: PlanRunOutcome | None = None
    """The run of another plan that the step has run."""


class Quiesced(EvidencePart):
    """When the writes of a wave's sources had stopped, by which steps, and why that may not be so."""

    at: AwareDatetime
    steps: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


class BootsEvidence(EvidencePart):
    """When a wave has started instances that were launched stopped, and when the last of them was up, or given up."""

    began_at: AwareDatetime
    ended_at: AwareDatetime


class WaveEvidence(EvidencePart):
    """One wave of the plan and everything that it launched."""

    name: str
    depends_on: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    tolerate_failures: str = "0"
    timeout: str = ""
    state: WaveStatus = WaveStatus.NOT_STARTED
    state_reason: str | None = None
    ready_at: AwareDatetime | None = None
    """When its launch was over: every server as ready as the plan asks for, or given up."""
    boots: BootsEvidence | None = None
    """When its instances booted that were launched ahead of its turn; None: it has started none."""
    lost: tuple[str, ...] = ()
    """What of it is lost with accounts and Regions that do not answer, in words."""
    quiesced: Quiesced | None = None
    """When its writes had stopped; migrations only."""
    passed_over: str | None = None
    """Who let the run go on past it after it had failed, and why, without a full stop."""
    jobs: tuple[JobEvidence, ...] = ()
    servers: tuple[ServerEvidence, ...] = ()
    steps: tuple[StepEvidence, ...] = ()


class TerminatedInstance(CleanedUpInstance):
    """One drill instance that clean-up saw terminated."""

    hostname: str | None = None
    region: str | None = None


class CleanupEvidence(EvidencePart):
    """What clean-up terminated and what it could not; ``left`` maps instance id to why."""

    state: CleanupStatus = CleanupStatus.NOT_RUN
    terminated: tuple[TerminatedInstance, ...] = ()
    left: dict[str, str] = Field(default_factory=dict)
    reason: str | None = None


class NetworkEvidence(EvidencePart):
    """A network that a drill was launched into, and what was looked at to say that it is isolated."""

    kind: Literal["isolated", "standing", "shared"]
    """Made for the run, named in the plan, or production's own."""
    region: str = ""
    production_vpc: str | None = None
    vpc_id: str | None = None
    checked_at: AwareDatetime | None = None
    isolated: bool | None = None
    """What the proof before the first launch said; ``None``: nobody looked."""
    leaks: tuple[Leak, ...] = ()
    looked_at: dict[str, int] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    isolated_at_end: bool | None = None
    """What the proof before the removal said; ``None``: nobody looked."""
    changed: tuple[str, ...] = ()
    """What was different then, in words."""


class ActivityEvidence(EvidencePart):
    """When a task of the run worked that is neither a job nor a step."""

    kind: Literal["preflight", "network", "settings", "clean_up"]
    task: str
    began_at: AwareDatetime
    ended_at: AwareDatetime


class TaskError(EvidencePart):
    """One failed task of the run and what it said."""

    task: str
    message: str


class EditedDocument(EvidencePart):
    """What lay where a task of the run leaves something and was not written by it: nothing of it was believed."""

    where: str
    """Its key and its task, in words."""
    problem: str


class WaitEvidence(EvidencePart):
    """Time that the run spent waiting because the plan says so: for a person's answer, or for a delay to pass."""

    kind: Literal["approval", "pause", "delay", "commit"]
    task: str
    wave: str | None = None
    """The wave that waited; ``None``: the whole run."""
    began_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    by: str | None = None
    """Who answered."""
    comment: str | None = None
    """What they said beside it."""
    outcome: WaitOutcome


class HomeStep(EvidencePart):
    """One task at the end of a failback: protected again, agreed, removed, at rest, or its failbacks ended by a cancel.

    ``done`` and ``left``: by server id what it says of each; ``removed``: by server id what it has removed, in words;
    ``error``: its last words where it has failed.
    """

    task: str
    does: Literal["protect_again", "agree", "remove_recovered", "at_rest", "stop_failback"]
    state: Literal["done", "failed", "skipped", "unproven", "not_reached"]
    done: dict[str, str] = Field(default_factory=dict)
    left: dict[str, str] = Field(default_factory=dict)
    removed: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    error: str | None = None


class RunEvidence(EvidencePart):
    """All that is known about a run when its report is written."""

    run: RunFacts
    objectives: Objectives = Objectives()
    predicted: PredictedTimes | None = None
    """What preflight foretold; ``None``: nothing."""
    launched_ahead: bool = False
    """Whether any server was launched before its wave's turn."""
    preflight: PreflightEvidence | None = None
    waves: tuple[WaveEvidence, ...] = ()
    cleanup: CleanupEvidence = CleanupEvidence()
    networks: tuple[NetworkEvidence, ...] = ()
    errors: tuple[TaskError, ...] = ()
    waits: tuple[WaitEvidence, ...] = ()
    activities: tuple[ActivityEvidence, ...] = ()
    steps: tuple[StepEvidence, ...] = ()
    """The plan's own, around its waves."""
    notifications: tuple[NotificationRecord, ...] = ()
    drill: DrillFacts = DrillFacts()
    commit: CommitFacts | None = None
    """How the end of a recovery stood; ``None``: nobody was asked."""
    next_steps: tuple[AfterRecovery, ...] = ()
    """What comes after a recovery that is up."""
    home: tuple[HomeStep, ...] = ()
    """How a failback ended after its waves."""
    orders: tuple[GivenOrder, ...] = ()
    """What people ordered while it went on, the oldest first."""
    edited: tuple[EditedDocument, ...] = ()
    """What somebody wrote into the run past its tasks, by its place."""
    outside: dict[str, str] = Field(default_factory=dict)
    """What others have done to its jobs and instances while it went on, by id."""
    left_stopped: dict[str, str] = Field(default_factory=dict)
    """By server id, why DRS still leaves stopped what is launched of it, as the run had set it."""
    cancelled: str | None = None
    """Who ended the run before its end and how, without a full stop; ``None``: nobody did."""
    first_cause: FirstCause | None = None
    """What made it fail, or lowers its verdict, as the run's state has it."""
    finished_at: AwareDatetime
