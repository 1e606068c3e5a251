"""What the simulator and the local server recorded of a campaign, as far as it is judged. Pure."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from drs_provider.rules.launch.tags import RUN, TRY, WAVE

from benchmarks.chaos.scenarios import Scenario
from demo.environment import INSTALLATION

Settings = tuple[Mapping[str, Any], Mapping[str, Any] | None, Sequence[Mapping[str, Any]]]
"""Launch configuration, the data of the template's default version, launch actions."""
GONE = ("terminated", "shutting-down")


@dataclass(frozen=True)
class Said:
    """What was said of a run: Airflow's state of it (None: unknown), its report, whether it waits for a person.

    ``kills``: how many processes were killed while it went on, by whichever run. ``wrongly_taken``: questions at which
    Airflow took the answer of somebody who was not asked.
    """

    state: str | None
    report: Mapping[str, Any] | None = None
    waits_for_person: bool = False
    unfinished: Mapping[str, str] = field(default_factory=dict)
    """Task → state of what had not ended when the campaign's patience did."""
    kills: int = 0
    wrongly_taken: Sequence[str] = ()

    @property
    def text(self) -> str:
        """The whole report, to look for a name in it."""
        return json.dumps(self.report)


@dataclass(frozen=True)
class Launch:
    """One launch job as the simulator recorded it: per server launch status, EC2 instance, and where it landed."""

    job_id: str
    created_at: str
    run: str
    wave: str
    attempt: str
    is_drill: bool
    ended: bool
    status: Mapping[str, str]
    instances: Mapping[str, str]
    ended_at: str | None = None
    landed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    starts: Mapping[str, Sequence["Start"]] = field(default_factory=dict)
    """By server, the starts of what it launched stopped, oldest first; empty: it waits for one."""


@dataclass(frozen=True)
class Start:
    """One start of an instance that was launched stopped; ``ran``: when it ran, None: never by that start."""

    at: datetime
    ran: datetime | None


@dataclass(frozen=True)
class Job:
    """Any job of an account, for its quotas."""

    job_id: str
    account: str
    is_launch: bool
    created_at: str
    ended_at: str | None
    servers: frozenset[str]


@dataclass(frozen=True)
class Heard:
    """What the local server was told and asked: by mark how often, how often without an answer, how often ready."""

    told: Mapping[str, int] = field(default_factory=dict)
    unanswered: Mapping[str, int] = field(default_factory=dict)
    ready: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """The simulator's state, as far as it is judged: launch jobs, oldest first; EC2's state by instance id."""

    launches: tuple[Launch, ...]
    ec2: Mapping[str, str]
    live_before: Mapping[str, str]
    """Recovered instances that lived before the campaign, by source server."""
    settings: Mapping[str, Settings] = field(default_factory=dict)
    settings_before: Mapping[str, Settings] = field(default_factory=dict)
    """By source server."""
    jobs: tuple[Job, ...] = ()
    production: frozenset[str] = frozenset()
    """Subnets that there were before the campaign."""
    networks: Mapping[str, str] = field(default_factory=dict)
    """What EC2 still has of drill networks: the run's key by id."""
    calls: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    """The calls of steps, by operation, oldest first."""
    heard: Heard = Heard()
    ended: Mapping[str, datetime] = field(default_factory=dict)
    """When a fault, and not the run, ended an EC2 instance."""
    looks: Mapping[str, Sequence[datetime]] = field(default_factory=dict)
    """By source server, when its recovery instances were asked for."""


PREPARED = "PREPARED"
"""The status of a server whose instance was launched stopped, and which nobody has started."""

NOTHING = "NOTHING"
"""The status of a server that DRS calls LAUNCHED and that has never had an instance."""

STEP_CALLS = ("SendCommand", "StartAutomationExecution", "Invoke")


def read_record(
    state: Mapping[str, Any],
    before: Mapping[str, Any],
    *,
    calls: Sequence[Mapping[str, Any]] = (),
    networks: Mapping[str, str] | None = None,
    heard: Heard | None = None,
) -> Record:
    """Read ``GET /_simulator/state``; ``before``: the same from before the campaign; ``calls``: its call log."""
    regions = [region for account in state["accounts"].values() for region in account.values()]
    every_job = [job for region in regions for job in _jobs(region)]
    jobs = [job for job in every_job if job["type"] == "LAUNCH"]
    deeds = [deed for region in regions for deed in region.get("behind_drs", ())]
    nothing = {
        (deed["id"], server) for deed in deeds if deed["what"] == "launched_nothing" for server in deed["servers"]
    }
    ec2 = {name: found.lower() for region in regions for name, found in region["ec2_instances"].items()}
    old = [region for account in before["accounts"].values() for region in account.values()]
    live = {
        instance["sourceServerID"]: instance["ec2InstanceID"]
        for region in old
        for instance in region["recovery_instances"].values()
        if not instance["isDrill"]
    }
    starts: dict[str, list[Start]] = defaultdict(list)
    for start in (start for region in regions for start in region.get("starts", ())):
        starts[start["id"]].append(Start(instant(start["at"]), instant(start["ran"]) if start["ran"] else None))
    launches = tuple(sorted((_launch(job, nothing, starts) for job in jobs), key=lambda launch: launch.created_at))
    by_operation: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for call in calls:
        if call["operation"] in STEP_CALLS:
            by_operation[call["operation"]].append(call)
    return Record(
        launches,
        ec2,
        live,
        _settings(regions),
        _settings(old),
        tuple(
            _job(account, job)
            for account, found in state["accounts"].items()
            for region in found.values()
            for job in _jobs(region)
        ),
        frozenset(subnet for region in old for subnet in (region.get("subnets") or {}).values()),
        networks or {},
        by_operation,
        heard or Heard(),
        {deed["id"]: instant(deed["at"]) for deed in deeds if deed["what"] == "terminated"},
        _looks(calls),
    )


def _jobs(region: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the jobs of a Region, those that somebody has deleted among them."""
    return [*region["jobs"].values(), *region.get("deleted_jobs", {}).values()]


def _looks(calls: Sequence[Mapping[str, Any]]) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = defaultdict(list)
    for call in calls:
        if call["operation"] == "DescribeRecoveryInstances" and call["status"] == _OK:
            for server in (call["request"].get("filters") or {}).get("sourceServerIDs", ()):
                found[server].append(datetime.fromtimestamp(call["at"], UTC))
    return found


_OK = 200


def _settings(regions: Sequence[Mapping[str, Any]]) -> dict[str, Settings]:
    found: dict[str, Settings] = {}
    for region in regions:
        for name, server in region.get("servers", {}).items():
            configuration = server["launchConfiguration"]
            template = region["launch_templates"].get(configuration.get("ec2LaunchTemplateID"))
            data = template["versions"][template["default_version"] - 1] if template else None
            found[name] = (configuration, data, server.get("actions") or [])
    return found


def _launch(
    job: Mapping[str, Any], nothing: Collection[tuple[str, str]], starts: Mapping[str, Sequence[Start]]
) -> Launch:
    tags = job.get("tags_given") or job.get("tags", {})
    parts = job["timeline"]
    return Launch(
        job["jobID"],
        job["creationDateTime"],
        tags.get(RUN, ""),
        tags.get(WAVE, ""),
        tags.get(TRY, ""),
        job["initiatedBy"] == "START_DRILL",
        job["status"] == "COMPLETED",
        {
            server: NOTHING if (job["jobID"], server) in nothing else _status(part, starts)
            for server, part in parts.items()
        },
        {server: part["instance"] for server, part in parts.items() if part["instance"]},
        job.get("endDateTime"),
        {server: part["landed"] for server, part in parts.items() if part.get("landed")},
        {server: starts.get(part["instance"], ()) for server, part in parts.items() if _is_stopped(part)},
    )


def _status(part: Mapping[str, Any], starts: Mapping[str, Sequence[Start]]) -> str:
    waits = part["status"] in ("LAUNCHED", "TERMINATED") and _is_stopped(part) and not starts.get(part["instance"])
    return PREPARED if waits else str(part["status"])


def _is_stopped(part: Mapping[str, Any]) -> bool:
    return bool(part["instance"]) and (part.get("landed") or {}).get("disposition") == "STOPPED"


def _job(account: str, job: Mapping[str, Any]) -> Job:
    is_launch = job["type"] == "LAUNCH"
    ended = job.get("endDateTime")
    return Job(job["jobID"], account, is_launch, job["creationDateTime"], ended, frozenset(job["timeline"]))


def run_key(scenario: Scenario) -> str:
    """Return the value of the job tag that names a run: part of what the product promises to other orchestrators."""
    return hashlib.sha256(f"{INSTALLATION}|{scenario.dag_id}|{scenario.run_id}".encode()).hexdigest()[:32]


def instant(text: str) -> datetime:
    """Read a time of the record or of a report."""
    return datetime.fromisoformat(text)
