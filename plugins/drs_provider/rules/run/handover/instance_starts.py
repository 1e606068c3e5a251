"""What a wave remembers of the instances that it has started, and how long they took."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from drs_provider.rules.run.handover.document import Document, Flag, Instant, Part, StoredIn


class InstanceStart(Part):
    """One start of an instance that was asked for. ``refused``: what EC2 said; empty: it has accepted."""

    at: Instant
    refused: str = ""
    is_capacity: Flag = False


class InstanceBoots(Document):
    """From a wave's first start of what was launched stopped, until none of its instances was waited for any longer."""

    KEY: ClassVar[str] = "boots"
    TITLE: ClassVar[str] = "the record of a wave's boots"

    began_at: Instant
    ended_at: Instant


class InstanceStarts(Document):
    """By instance id, the starts of what a wave's servers were launched as, stopped; oldest first.

    Only how often and since when is told by it: whether an instance is to be started says EC2. A cleared task has more
    ``max_tries``, and begins anew.
    """

    KEY: ClassVar[str] = "drs_instance_starts"
    TITLE: ClassVar[str] = "the list of started instances"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    max_tries: int | None = None
    instances: dict[str, tuple[InstanceStart, ...]] = Field(default_factory=dict)

    @property
    def began_at(self) -> datetime | None:
        """When the first start was asked for that EC2 has accepted; None: it has accepted none."""
        return min((start.at for each in self.instances.values() for start in each if not start.refused), default=None)
