"""What a DRS job and its log say about each of its servers."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from drs_provider.formatting import parse_instant, plain
from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.tags import attempt_of

ENDED_STATUS = "COMPLETED"
"""The only status in which DRS has stopped working on a job; it says nothing about success."""

LONGEST_JOB = timedelta(days=1)
"""How far back running jobs are looked for: DescribeJobs filters by date, not by status."""

LAUNCHED_STATUS = "LAUNCHED"
_ENDED_LAUNCH = frozenset({LAUNCHED_STATUS, "FAILED", "TERMINATED"})
_FAILURE_EVENTS = frozenset(
    {
        "CLEANUP_FAIL",
        "SNAPSHOT_FAIL",
        "USING_PREVIOUS_SNAPSHOT_FAILED",
        "CONVERSION_FAIL",
        "LAUNCH_FAILED",
        "SERVER_SKIPPED",
        "JOB_CANCEL",
        "UPDATE_LAUNCH_TEMPLATE_FAILED",
    }
)
_LATE_EVENTS = frozenset({"CONVERSION_START", "CONVERSION_END", "LAUNCH_START", "LAUNCH_END", "LAUNCH_FAILED"})

SILENT_FAILURE = (
    "DRS gave no reason and stopped before the conversion. The two usual causes: the role of the Airflow connection "
    "lacks an EC2 permission that a launch needs (docs/permissions.md), or the server's launch template names no "
    "subnet and the account has no default VPC"
)
UNEXPLAINED_FAILURE = "DRS gave no reason; look at the job's log in the DRS console and at CloudTrail"


@dataclass(frozen=True)
class Running:
    """DRS still works on the job. ``launch`` maps every source server to its launch status as DRS spells it."""

    job_id: str
    status: str
    launch: Mapping[str, str]

    @property
    def any_server_ended(self) -> bool:
        """Whether a server has ended already: the rest of the job follows within seconds."""
        return any(status in _ENDED_LAUNCH for status in self.launch.values())

    @property
    def every_server_ended(self) -> bool:
        """Whether every server has ended already: the job itself does within two or three seconds (drs-api, 2.1)."""
        return bool(self.launch) and all(status in _ENDED_LAUNCH for status in self.launch.values())


@dataclass(frozen=True)
class Ended:
    """DRS has stopped working on the job. A server is in ``launched`` only if DRS says LAUNCHED, else in ``failed``."""

    job_id: str
    launched: tuple[str, ...]
    failed: tuple[str, ...]
    ended_at: datetime | None


class LaunchJob(Protocol):
    """A job and the servers whose outcome it decides, as ``handover.LaunchedJob`` and ``JobShare`` are."""

    @property
    def job_id(self) -> str:
        """Its id."""
        ...

    @property
    def servers(self) -> tuple[str, ...]:
        """Ids of its servers."""
        ...

    @property
    def created_at(self) -> datetime | None:
        """When it was started, as far as DRS says so."""
        ...

    @property
    def attempt(self) -> int:
        """Number of the attempt that started it."""
        ...


@dataclass(frozen=True)
class OwnJob:
    """A job of this launch. ``failed``: servers that it has not launched; none as long as it runs.

    ``ended_at``: None: it runs, or DRS does not say when it ended.
    """

    job_id: str
    created_at: datetime | None
    tags: Mapping[str, str]
    servers: tuple[str, ...]
    failed: tuple[str, ...] = ()
    ended_at: datetime | None = None

    @property
    def attempt(self) -> int:
        """Number of the attempt that it belongs to; 0 where its tags do not say."""
        return attempt_of(self.tags)


def own_job(job: Answer) -> OwnJob:
    """Read a job as DRS describes it."""
    state = read_job(job)
    return OwnJob(
        str(job["jobID"]),
        created_at_of(job),
        job.get("tags") or {},
        servers_of(job),
        state.failed if isinstance(state, Ended) else (),
        state.ended_at if isinstance(state, Ended) else None,
    )


def created_at_of(job: Answer) -> datetime | None:
    """Return when a job was created, as DRS describes it; None: it does not say."""
    text = job.get("creationDateTime")
    return parse_instant(str(text)) if text else None


def servers_of(job: Answer) -> tuple[str, ...]:
    """Return the ids of the servers that a job holds, as DRS describes it."""
    return tuple(str(server["sourceServerID"]) for server in job.get("participatingServers", ()))


def in_order(job: LaunchJob | OwnJob) -> tuple[int, datetime]:
    """Return what jobs are sorted by, the oldest first: the attempt, then when they were created."""
    return job.attempt, job.created_at or _LONG_AGO


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Event:
    """One line of a job's log about one server, in DRS's words."""

    at: datetime
    event: str


@dataclass(frozen=True)
class ServerTimeline:
    """What the log says about one server, oldest first.

    ``error`` is DRS's raw error, ``failed_event`` the event that said so; ``target_instance`` the EC2 instance.
    """

    server_id: str
    events: tuple[Event, ...] = ()
    error: str | None = None
    failed_event: str | None = None
    target_instance: str | None = None


def read_job(job: Answer) -> Running | Ended:
    """Tell a running job from an ended one, and launched servers from failed ones.

    COMPLETED says only that DRS has stopped. Job statuses that this code does not know count as running, launch
    statuses that it does not know count as not launched: an unknown word is never a success.
    """
    launch = {
        str(server["sourceServerID"]): str(server.get("launchStatus", "PENDING"))
        for server in job.get("participatingServers", ())
    }
    if job.get("status") != ENDED_STATUS:
        return Running(job["jobID"], str(job.get("status", "PENDING")), launch)
    ended_at = job.get("endDateTime")
    return Ended(
        job["jobID"],
        launched=tuple(server for server, status in launch.items() if status == LAUNCHED_STATUS),
        failed=tuple(server for server, status in launch.items() if status != LAUNCHED_STATUS),
        ended_at=parse_instant(ended_at) if ended_at else None,
    )


def read_job_log(items: Iterable[Answer]) -> Mapping[str, ServerTimeline]:
    """Sort a job's log by server; the answer of DescribeJobLogItems may come in any order and know new events.

    Lines without a server (JOB_START, JOB_END) belong to the job and are left out.
    """
    timelines: dict[str, ServerTimeline] = {}
    for item in sorted(items, key=lambda item: parse_instant(item["logDateTime"])):
        data = item.get("eventData") or {}
        server_id = data.get("sourceServerID")
        if not server_id:
            continue
        event = str(item.get("event", "UNKNOWN"))
        before = timelines.get(server_id, ServerTimeline(server_id))
        error = plain(data.get("rawError") or "") or None
        timelines[server_id] = ServerTimeline(
            server_id,
            (*before.events, Event(parse_instant(item["logDateTime"]), event)),
            error=error or before.error,
            failed_event=event if error or event in _FAILURE_EVENTS else before.failed_event,
            target_instance=data.get("targetInstanceID") or before.target_instance,
        )
    return timelines


def failure_reason(timeline: ServerTimeline | None, participating: Answer | None = None) -> str:
    """Say why a server was not launched, as well as DRS lets us know.

    :param timeline: the server's part of the job log, None where it has none
    :param participating: the server in the job's ``participatingServers``; None: DRS does not name it in the job
    """
    if timeline and timeline.error:
        return f"{timeline.failed_event}: {timeline.error}"
    actions = [_action_failure(run) for run in _failed_actions(participating)]
    if actions:
        return "; ".join(actions)
    if timeline and timeline.failed_event:
        return f"{timeline.failed_event}: {UNEXPLAINED_FAILURE}"
    if participating is None:
        return "the job does not name this server: DRS left it out"
    if timeline and any(event.event in _LATE_EVENTS for event in timeline.events):
        return UNEXPLAINED_FAILURE
    return SILENT_FAILURE


def phase(jobs: Iterable[Running | Ended]) -> str:
    """Word the state of some jobs in one line for a log, e.g. ``2 jobs: 1 STARTED, 1 ended; servers: 3 PENDING``."""
    jobs = tuple(jobs)
    states = Counter("ended" if isinstance(job, Ended) else job.status for job in jobs)
    servers: Counter[str] = Counter()
    for job in jobs:
        if isinstance(job, Running):
            servers.update(job.launch.values())
        else:
            servers.update({"launched": len(job.launched), "not launched": len(job.failed)})
    return f"{len(jobs)} job{'s'[: len(jobs) != 1]}: {_counts(states)}; servers: {_counts(servers)}"


def holders(jobs: Iterable[Answer], servers: Iterable[str]) -> tuple[Answer, ...]:
    """Return the running jobs that hold any of these source servers; a terminate job holds its servers too."""
    wanted = set(servers)
    return tuple(job for job in jobs if job.get("status") != ENDED_STATUS and wanted & set(servers_of(job)))


def _counts(counter: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counter.items()) if count) or "none"


def _failed_actions(participating: Answer | None) -> list[Answer]:
    status = (participating or {}).get("launchActionsStatus") or {}
    return [run for run in status.get("runs", ()) if run.get("status") == "FAILED"]


def _action_failure(run: Answer) -> str:
    name = (run.get("action") or {}).get("name") or (run.get("action") or {}).get("actionCode") or "unnamed"
    # With optional=false DRS calls the launch FAILED although the instance exists and runs.
    return f"launch action {name} failed: {run.get('failureReason') or 'no reason given'} (the instance exists)"


UNSEEN_FOR = timedelta(minutes=10)
"""How long after its job's end a recovered instance that nobody describes is taken for one that is there."""


def unseen_recoveries(
    jobs: Iterable[Answer],
    described: Iterable[Answer],
    servers: Sequence[str],
    *,
    now: datetime,
) -> dict[str, str]:
    """Return those of the servers that a job has just recovered without their instance being described; with the job.

    Only the newest job of a server counts: one that launched or terminated it later decides anew. What is no drill by
    DRS's own word counts as a recovery.

    :param jobs: jobs of the account and Region
    :param described: items of DescribeRecoveryInstances for these servers
    """
    shown = {(instance.get("jobID"), instance.get("sourceServerID")) for instance in described}
    newest: dict[str, Answer] = {}
    for job in sorted(jobs, key=lambda job: str(job.get("creationDateTime", ""))):
        newest.update(dict.fromkeys(servers_of(job), job))
    return {
        server: str(newest[server]["jobID"])
        for server in servers
        if server in newest
        and _has_just_recovered(newest[server], server, now)
        and (newest[server]["jobID"], server) not in shown
    }


def _has_just_recovered(job: Answer, server: str, now: datetime) -> bool:
    state = read_job(job)
    if job.get("type") != "LAUNCH" or job.get("initiatedBy") == "START_DRILL" or not isinstance(state, Ended):
        return False
    return server in state.launched and state.ended_at is not None and now - state.ended_at < UNSEEN_FOR
