"""What tasks of the way back leave: how far each server is, what was sent, and at which look a way home was proven."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from drs_provider.rules.run.handover.document import Document, Flag, Instant, OptionalInstant, Part, StoredIn


class FailbackServer(Part):
    """How far one server is on its way there and back, as ``rules.failback.progress`` says it.

    ``stage`` and ``stuck_at``: words of ``rules.failback.state.Stage``; ``share``: between 0 and 1; ``lag_seconds``:
    None where DRS does not say; ``needs``: what people have to do for it, empty where nothing.
    """

    server_id: str
    hostname: str
    stage: str
    stuck_at: str = ""
    share: float | None = None
    done_bytes: int = 0
    total_bytes: int = 0
    done_at: OptionalInstant = None
    lag_seconds: float | None = None
    recovered: str = ""
    failback_server: str = ""
    failed_back: str = ""
    leftovers: tuple[str, ...] = ()
    why: str = ""
    needs: str = ""
    notes: tuple[str, ...] = ()


class FailbackProgress(Document):
    """How far every server of a task is; there also while it waits. Shown, and decides nothing."""

    KEY: ClassVar[str] = "failback_progress"
    TITLE: ClassVar[str] = "the progress of a way back"

    at: Instant
    servers: tuple[FailbackServer, ...] = ()


class SentCall(Part):
    """That a call was about to be sent for an instance or a server, and when."""

    call: str
    target: str
    at: Instant


class SentCalls(Document):
    """What was about to be sent: DRS may not show at once that it was."""

    KEY: ClassVar[str] = "drs_sent_calls"
    TITLE: ClassVar[str] = "the memory of calls that were sent"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    calls: tuple[SentCall, ...] = ()


class HomeLook(Part):
    """The first look at which a server was protected again: by which server, and for which instance."""

    at: Instant
    stage: str
    protected_by: str = ""
    instance_id: str = ""


class HomeLooks(Document):
    """By server id the look that a second one has to confirm before anything is removed."""

    KEY: ClassVar[str] = "drs_home_looks"
    TITLE: ClassVar[str] = "the memory of servers that are protected again"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    servers: Mapping[str, HomeLook] = Field(default_factory=dict)


class RemovedThing(Part):
    """Something of the way back that was removed: its id, and the server that it belonged to."""

    thing: str
    server_id: str
    call: str
    at: Instant


class RemovalMemory(Document):
    """What a clean-up after a failback has called so far, and its terminate jobs."""

    KEY: ClassVar[str] = "drs_failback_removals"
    TITLE: ClassVar[str] = "the memory of a clean-up after a failback"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    called: tuple[RemovedThing, ...] = ()
    job_ids: tuple[str, ...] = ()


class FailbackOutcome(Document):
    """What a task of the way back returns: by server id what was done, and what was not and why.

    ``is_complete``: whether every server is where the task was to bring it.
    """

    KEY: ClassVar[str] = "return_value"
    TITLE: ClassVar[str] = "the result of a task of the way back"

    is_complete: Flag = True
    done: dict[str, str] = Field(default_factory=dict)
    left: dict[str, str] = Field(default_factory=dict)
    removed: tuple[RemovedThing, ...] = ()
    job_ids: tuple[str, ...] = ()
