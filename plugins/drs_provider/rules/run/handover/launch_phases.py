"""What DRS does with the servers of a wave while its jobs run, for people who look at the board."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from pydantic import Field

from drs_provider.rules.run.handover.document import Document, Instant, Part


class JobPhases(Part):
    """What a job's log said at an instant: the ids of its servers by the newest event of each."""

    seen_at: Instant
    servers: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class LaunchPhases(Document):
    """The phases of a wave's jobs, by job id; written by the trigger that waits for them, and while instances boot.

    It is for people only: nothing is decided by it, and it may be old, or not there at all.
    """

    KEY: ClassVar[str] = "phases"
    TITLE: ClassVar[str] = "the phases of a wave's jobs"

    jobs: dict[str, JobPhases] = Field(default_factory=dict)

    def events(self, job_id: str) -> dict[str, str]:
        """Return the newest event of every server of a job, by server id."""
        found = self.jobs.get(job_id)
        return {server: event for event, servers in found.servers.items() for server in servers} if found else {}


def phases_of(events: Mapping[str, str], holder: Mapping[str, str], *, seen_at: datetime) -> dict[str, JobPhases]:
    """Sort what is seen of servers by their jobs.

    :param events: by server id; empty: nothing is to be said of it
    :param holder: by server id, the job that launched it
    """
    found: dict[str, dict[str, list[str]]] = {}
    for server, event in events.items():
        if event and holder.get(server):
            found.setdefault(holder[server], {}).setdefault(event, []).append(server)
    return {
        job: JobPhases(seen_at=seen_at, servers={event: tuple(names) for event, names in of.items()})
        for job, of in found.items()
    }
