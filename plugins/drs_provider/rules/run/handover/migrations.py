"""What a planned migration leaves: when writes were stopped, which recovery points hold them, what was stopped."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from drs_provider.rules.launch.recovery_points import Point
from drs_provider.rules.run.handover.document import Document, Flag, Instant, Part, StoredIn


class SourceInstance(Part):
    """The EC2 instance that a source server replicates, and the Airflow connection for where it runs."""

    instance_id: str
    account: str
    region: str
    aws_conn_id: str


class ServerMark(Part):
    """What was seen of a server right after its writes had stopped: its newest recovery point, and its lag."""

    newest_id: str = ""
    lag: timedelta = timedelta(0)


class SyncBegan(Document):
    """That a wave waits for its last sync: since when, until when, and what was there at the beginning.

    A cleared task has more ``max_tries``, and waits as long again; ``at`` and ``servers`` stay, unless writes were
    stopped again since.
    """

    KEY: ClassVar[str] = "drs_sync_began"
    TITLE: ClassVar[str] = "the beginning of the last sync"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    max_tries: int | None
    at: Instant
    until: Instant
    servers: dict[str, ServerMark] = Field(default_factory=dict)


class FinalSync(Document):
    """That every server of a wave has a recovery point younger than its last write.

    ``steps`` stopped the writes; ``doubts``: why something may have been written since, in words. ``points`` are by
    server id. ``settled``: by server id what DRS said of failback clients, which have no recovery points: it proves
    nothing.
    """

    KEY: ClassVar[str] = "final_sync"
    TITLE: ClassVar[str] = "the record of the last sync"

    quiesced_at: Instant
    steps: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    points: dict[str, Point] = Field(default_factory=dict)
    settled: dict[str, str] = Field(default_factory=dict)


class StopBegan(Document):
    """That the sources of a wave are being stopped: until when that may take, and which were stopped before.

    Kept before EC2 is asked. A cleared task has more ``max_tries``, and begins anew.
    """

    KEY: ClassVar[str] = "drs_stop_began"
    TITLE: ClassVar[str] = "the beginning of the stop of sources"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    max_tries: int | None
    until: Instant
    before: tuple[str, ...] = ()


class StoppedSource(Part):
    """A source that a migration found stopped at its end. ``before``: it was so already when the run came to it."""

    instance: SourceInstance
    before: Flag = False


class StoppedSources(Document):
    """The EC2 sources of a wave that are stopped, by server id; ``not_ec2``: servers whose source is none."""

    KEY: ClassVar[str] = "stopped_sources"
    TITLE: ClassVar[str] = "the record of the stopped sources"

    servers: dict[str, StoppedSource] = Field(default_factory=dict)
    not_ec2: tuple[str, ...] = ()
