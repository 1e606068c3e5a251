"""What became of a wave and of the whole run: results of servers, verdicts, reports, errors."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import JsonValue, PlainSerializer

from drs_provider.rules.launch.results import ServerResult, Verdict
from drs_provider.rules.run.handover.document import Document, Instant, OptionalInstant, Part, StoredIn


def _result_json(result: ServerResult) -> dict[str, Any]:
    return result.as_json()


WrittenResult = Annotated[ServerResult, PlainSerializer(_result_json, when_used="json")]
"""A server's result, written with at most ``MOST_EVENTS`` events."""


class EndedJob(Part):
    """A job of a wave when it had ended. ``forgotten``: DRS knew it no longer: deleted or aged out."""

    job_id: str
    created_at: OptionalInstant = None
    ended_at: OptionalInstant = None
    initiated_by: str | None = None
    forgotten: bool = False


class ServerResults(Document):
    """What became of every server of a wave; there also when the wave has failed."""

    KEY: ClassVar[str] = "servers"
    TITLE: ClassVar[str] = "the results of a wave's servers"
    VERSION: ClassVar[int] = 2

    servers: tuple[WrittenResult, ...] = ()

    @property
    def by_id(self) -> dict[str, ServerResult]:
        """The results by server id."""
        return {server.server_id: server for server in self.servers}

    @property
    def failed(self) -> tuple[ServerResult, ...]:
        """The results of the servers that were not launched."""
        return tuple(server for server in self.servers if server.status != "launched")

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"servers": body}


class EndedJobs(Document):
    """The jobs of a wave when they had ended; there also when the wave has failed."""

    KEY: ClassVar[str] = "jobs"
    TITLE: ClassVar[str] = "the list of a wave's ended jobs"
    VERSION: ClassVar[int] = 2

    jobs: tuple[EndedJob, ...] = ()

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"jobs": body}


class WaveVerdict(Document):
    """How a wave's launch ended; what the task that watches it returns. A failed one leaves none."""

    KEY: ClassVar[str] = "return_value"
    TITLE: ClassVar[str] = "the verdict of a wave"

    verdict: Verdict
    jobs: tuple[EndedJob, ...] = ()
    servers: tuple[WrittenResult, ...] = ()


class WrittenReport(Document):
    """Where the run's report is, and its verdict; what the report task returns.

    ``problem``: why its files could not be written; the paths are empty then, and the task's ``KeptReport`` holds it.
    """

    KEY: ClassVar[str] = "return_value"
    TITLE: ClassVar[str] = "the record of the written report"
    VERSION: ClassVar[int] = 2
    RENAMED: ClassVar[Mapping[str, str]] = {"json": "json_path", "html": "html_path", "why": "reason"}

    json_path: str
    html_path: str
    verdict: str
    reason: str
    problem: str | None = None

    @property
    def where(self) -> str:
        """Where the report is, for people."""
        return self.html_path or f"not written ({self.problem}); XCom {KeptReport.KEY} of the report task holds it"


class KeptReport(Document):
    """The run's report itself, as ``report.json`` has it, kept in the run in case its files cannot be written.

    ``report``: None: it is too big. ``is_shortened``: what is longest was left out: job events, outputs, servers.
    """

    KEY: ClassVar[str] = "report"
    TITLE: ClassVar[str] = "the report that is kept in the run"

    verdict: str
    reason: str
    report: dict[str, JsonValue] | None = None
    is_shortened: bool = False


class FailureMessage(Document):
    """What a task said when it failed for good."""

    KEY: ClassVar[str] = "error"
    TITLE: ClassVar[str] = "the error of a failed task"
    VERSION: ClassVar[int] = 2

    message: str

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"message": body}


class TaskTimes(Document):
    """When a task began, over all its legs, and when its work was over; there also when it failed."""

    KEY: ClassVar[str] = "times"
    TITLE: ClassVar[str] = "the times of a task"

    began_at: Instant
    ended_at: Instant


class Superseded(Document):
    """Which recovery has taken a drill's servers, in words without a full stop."""

    KEY: ClassVar[str] = "superseded"
    TITLE: ClassVar[str] = "the record of a recovery that took over"
    VERSION: ClassVar[int] = 2

    message: str

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"message": body}


class NotificationRecord(Part):
    """One message to one receiver: what was told to whom, when, or why not.

    ``key`` tells the receivers of a plan apart, ``id`` the events of a run. ``target`` holds no secret and no address.
    """

    key: str = ""
    id: str = ""
    event: str
    wave: str | None = None
    kind: str
    target: str
    at: Instant
    outcome: Literal["sent", "failed"]
    tries: int
    why: str | None = None


class Notifications(Document):
    """What a task told to whom; the two alerts of the RTO leave it under ``RTO_KEYS`` of the preflight task."""

    KEY: ClassVar[str] = "told"
    TITLE: ClassVar[str] = "the record of notifications"
    VERSION: ClassVar[int] = 2
    RTO_KEYS: ClassVar[tuple[str, str]] = ("told_rto_80", "told_rto_100")

    records: tuple[NotificationRecord, ...] = ()

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"records": body}


class NotificationsSoFar(Document):
    """The same over the tries of a task; a cleared task has more ``max_tries`` and tells again."""

    KEY: ClassVar[str] = "drs_told"
    TITLE: ClassVar[str] = "the memory of notifications"
    VERSION: ClassVar[int] = 2
    PLACE: ClassVar[StoredIn] = "task_state_store"
    RENAMED: ClassVar[Mapping[str, str]] = {"told": "records"}

    max_tries: int | None
    records: tuple[NotificationRecord, ...] = ()
