"""What the cloud alone says of a plan's runs: from job tags, jobs and recovery instances, without any database."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from drs_provider.formatting import parse_instant
from drs_provider.rules.launch.jobs import UNSEEN_FOR, Running, read_job
from drs_provider.rules.launch.tags import INSTALLATION, PLAN, RUN, RUN_ID, WAVE, attempt_of
from drs_provider.rules.purpose import DRILL, RECOVERY, Purpose, PurposeName
from drs_provider.rules.servers import Answer, is_live

LOOK_BACK: Final = timedelta(days=14)
"""How far back jobs of a run that is to be continued are looked for; DRS's own memory of jobs is not documented."""

State = Literal["launched", "prepared", "running", "failed", "gone", "not_started"]
STATES: tuple[State, ...] = ("launched", "prepared", "running", "failed", "gone", "not_started")


@dataclass(frozen=True)
class FoundServer:
    """One server of a wave. ``gone``: it was launched, and its instance is no more. ``prepared``: that is stopped."""

    server_id: str
    hostname: str
    state: State
    job_id: str | None = None


@dataclass(frozen=True)
class FoundWave:
    """One wave of the plan, and the state of each of its servers."""

    name: str
    servers: tuple[FoundServer, ...]

    @property
    def counts(self) -> Mapping[State, int]:
        """Number of servers by state, those with none left out."""
        counted = Counter(server.state for server in self.servers)
        return {state: counted[state] for state in STATES if counted[state]}


@dataclass(frozen=True)
class FoundRun:
    """A run of a plan as its jobs tell it. ``key`` names it in every tag; ``run_id`` is what Airflow called it.

    ``installation``: id of the Airflow that works on it, as its newest job says; empty: its jobs do not say.
    """

    key: str
    run_id: str
    mode: PurposeName
    began: datetime
    waves: tuple[FoundWave, ...]
    installation: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is there any more: a drill that was cleaned up."""
        states = {server.state for wave in self.waves for server in wave.servers}
        return not states & {"launched", "prepared", "running"}

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to launch, and nothing to clean up: a recovery that has launched every server."""
        states = {server.state for wave in self.waves for server in wave.servers}
        return self.mode == RECOVERY.name and states == {"launched"}

    def as_json(self) -> dict[str, object]:
        """Plain JSON: run, mode, and the servers of every wave."""
        return {
            "key": self.key,
            "run_id": self.run_id,
            "installation": self.installation,
            "mode": self.mode,
            "began": self.began.isoformat(),
            "is_over": self.is_over,
            "is_finished": self.is_finished,
            "waves": [
                {"name": wave.name, "servers": [{**vars(server)} for server in wave.servers]} for wave in self.waves
            ],
        }


def jobs_of(jobs: Iterable[Answer], key: str) -> tuple[Answer, ...]:
    """Return the launch jobs that bear a run's key."""
    return tuple(job for job in jobs if (job.get("tags") or {}).get(RUN) == key and job.get("type") == "LAUNCH")


def purpose_of_job(job: Answer) -> Purpose:
    """Return what a launch job is for; what is no drill by DRS's own word is a recovery."""
    return DRILL if job.get("initiatedBy") == "START_DRILL" else RECOVERY


def find_runs(
    dag_id: str,
    waves: Mapping[str, Sequence[tuple[str, str]]],
    jobs: Sequence[Answer],
    instances: Iterable[Answer],
    *,
    now: datetime,
) -> tuple[FoundRun, ...]:
    """Return the runs of a plan that have launched anything, the newest first.

    :param dag_id: the plan's DAG, which every job of its runs names in a tag
    :param waves: (server id, hostname) by wave, as the plan's groups resolve now
    :param jobs: jobs of all the plan's accounts and Regions
    :param instances: items of DescribeRecoveryInstances of the same
    """
    alive = {(str(i.get("jobID")), str(i.get("sourceServerID"))): _life(i) for i in instances}
    keys = {tags[RUN]: None for job in jobs if (tags := job.get("tags") or {}).get(PLAN) == dag_id and RUN in tags}
    found = []
    for key in keys:
        ours = sorted(jobs_of(jobs, key), key=lambda job: parse_instant(job["creationDateTime"]))
        if ours:
            found_waves = tuple(_wave(name, servers, ours, alive, now) for name, servers in waves.items())
            run_id = str(ours[0]["tags"].get(RUN_ID, "unknown"))
            began, installation = (
                parse_instant(ours[0]["creationDateTime"]),
                str(ours[-1]["tags"].get(INSTALLATION, "")),
            )
            found.append(FoundRun(key, run_id, purpose_of_job(ours[0]).name, began, found_waves, installation))
    return tuple(sorted(found, key=lambda run: run.began, reverse=True))


def _wave(
    name: str,
    servers: Sequence[tuple[str, str]],
    ours: Sequence[Answer],
    alive: Mapping[tuple[str, str], State],
    now: datetime,
) -> FoundWave:
    newest: dict[str, Answer] = {}
    for job in sorted(ours, key=lambda job: attempt_of(job.get("tags"))):  # stable: by creation within a try
        if job["tags"].get(WAVE) == name:
            newest.update({server["sourceServerID"]: job for server in job.get("participatingServers", ())})
    return FoundWave(name, tuple(_server(*server, newest.get(server[0]), alive, now) for server in servers))


def _server(
    server_id: str,
    hostname: str,
    job: Answer | None,
    alive: Mapping[tuple[str, str], State],
    now: datetime,
) -> FoundServer:
    if job is None:
        return FoundServer(server_id, hostname, "not_started")
    job_id, read = str(job["jobID"]), read_job(job)
    if isinstance(read, Running):
        return FoundServer(server_id, hostname, "running", job_id)
    if server_id not in read.launched:
        return FoundServer(server_id, hostname, "gone" if _was_terminated(job, server_id) else "failed", job_id)
    is_fresh = read.ended_at is not None and now - read.ended_at < UNSEEN_FOR
    unseen: State = "launched" if is_fresh else "gone"  # one just launched may not be described yet
    return FoundServer(server_id, hostname, alive.get((job_id, server_id), unseen), job_id)


def _life(instance: Answer) -> State:
    if not is_live(instance):
        return "gone"
    return "prepared" if instance.get("ec2InstanceState") == "STOPPED" else "launched"


def _was_terminated(job: Answer, server_id: str) -> bool:
    statuses = {server["sourceServerID"]: server.get("launchStatus") for server in job.get("participatingServers", ())}
    return statuses.get(server_id) == "TERMINATED"
