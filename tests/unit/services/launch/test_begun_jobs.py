"""Which jobs of a wave are under way although the launch that they belong to has not come to its end."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from drs_provider.rules.run.handover import StartedJobs
from drs_provider.services.launch.start_jobs import Request, begun_jobs

BEGAN = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
REQUEST = Request(
    dag_id="drs.shop",
    run_id="manual__1",
    wave="web",
    servers=("s-1", "s-2"),
    is_drill=True,
    replace_live_instances=False,
    since=BEGAN,
)
OURS = REQUEST.own_tags(chunk=0, attempt=2)


def job(number: int, *servers: str, tags: Any = OURS, at: str = "2026-01-31T12:00:05Z") -> dict[str, Any]:
    members = [{"sourceServerID": server} for server in servers]
    return {"jobID": f"drsjob-{number}", "tags": tags, "creationDateTime": at, "participatingServers": members}


@dataclass
class Shows:
    """What DRS shows, of all jobs of the account: no cloud can be asked for a job without tags or of an age."""

    jobs: list[dict[str, Any]]
    asked: list[datetime] = field(default_factory=list)

    def jobs_since(self, since: datetime) -> list[dict[str, Any]]:
        self.asked.append(since)
        return self.jobs


def found(shown, remembered=(), since=BEGAN):
    kept = StartedJobs.from_json(list(remembered)).jobs
    jobs = begun_jobs(Shows(list(shown)), REQUEST, since=since, remembered=kept)
    return [(job.job_id, list(job.servers), job.attempt, job.adopted) for job in jobs]


@pytest.mark.parametrize(
    ("shown", "remembered", "expected"),
    [
        ([], [], []),
        ([job(1, "s-1", "s-2")], [], [("drsjob-1", ["s-1", "s-2"], 2, True)]),
        ([job(1, "s-1")], [job(1, "s-1")], [("drsjob-1", ["s-1"], 2, False)]),
        # DRS does not show a job at once: what this run remembers is as good.
        ([], [job(1, "s-1")], [("drsjob-1", ["s-1"], 2, False)]),
        ([job(2, "s-2")], [job(1, "s-1")], [("drsjob-1", ["s-1"], 2, False), ("drsjob-2", ["s-2"], 2, True)]),
        # Another account's part of the wave, another wave, another run, nobody's.
        ([job(1, "s-9")], [job(2, "s-8")], []),
        ([job(1, "s-1", "s-9")], [], [("drsjob-1", ["s-1"], 2, True)]),
        ([job(1, "s-1", tags={**OURS, "drs-orchestrator:wave": "db"})], [], []),
        ([job(1, "s-1", tags={**OURS, "drs-orchestrator:run": "0" * 32})], [], []),
        ([job(1, "s-1", tags=None), job(2, "s-1", tags={})], [], []),
        # What somebody has made of a tag is no number.
        ([job(1, "s-1", tags={**OURS, "drs-orchestrator:try": "second"})], [], [("drsjob-1", ["s-1"], 0, True)]),
        # A job of the run that this one continues was finished by that one.
        ([job(1, "s-1", at="2026-01-31T11:59:59Z")], [], []),
        ([job(1, "s-1", at="2026-01-31T12:00:00Z")], [], [("drsjob-1", ["s-1"], 2, True)]),
    ],
)
def test_jobs_of_this_wave_and_run_are_found_whoever_knows_of_them(shown, remembered, expected):
    assert found(shown, remembered) == expected


def test_without_a_start_of_the_run_every_job_since_the_request_counts():
    early = job(1, "s-1", at="2026-01-31T11:00:00Z")
    assert found([early], since=None) == [("drsjob-1", ["s-1"], 2, True)]
    account = Shows([])
    list(begun_jobs(account, REQUEST, since=None, remembered=()))
    assert account.asked == [REQUEST.since]
