"""From what the simulator and Airflow recorded to figures. Pure."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REAL_JOB = 540.0
"""Seconds that a DRS job of two small Linux servers takes in reality (measured, drs-api 2.1)."""


@dataclass(frozen=True)
class Spread:
    """A sample of durations in seconds, summed up."""

    n: int
    median: float
    p99: float
    smallest: float
    largest: float

    def __str__(self) -> str:
        return (
            f"median {self.median:.2f} s, p99 {self.p99:.2f} s, "
            f"{self.smallest:.2f} to {self.largest:.2f} s, n = {self.n}"
        )


def spread(values: Sequence[float]) -> Spread:
    """Sum up a sample; the 99th percentile of a small one is its largest value.

    :raises ValueError: for an empty sample.
    """
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return Spread(len(ordered), statistics.median(ordered), p99, ordered[0], ordered[-1])


@dataclass(frozen=True)
class Launch:
    """One StartRecovery and its job, in epoch seconds.

    :ivar called_at: when the call reached the simulator.
    :ivar ended_at: when the job had ended.
    """

    job_id: str
    called_at: float
    ended_at: float


@dataclass(frozen=True)
class ChainRun:
    """One run of a chain: its launches in order, and when Airflow was asked for it."""

    asked_at: float
    launches: tuple[Launch, ...]

    @property
    def dead_times(self) -> list[float]:
        """Seconds from the end of each job to the call that starts the next wave's."""
        pairs = zip(self.launches, self.launches[1:], strict=False)
        return [after.called_at - before.ended_at for before, after in pairs]

    @property
    def elapsed(self) -> float:
        """Seconds from the request to the end of the last job: the critical path, as a person feels it."""
        return self.launches[-1].ended_at - self.asked_at

    @property
    def overhead(self) -> float:
        """Seconds of :attr:`elapsed` in which no job ran."""
        return self.elapsed - sum(launch.ended_at - launch.called_at for launch in self.launches)

    @property
    def real_share(self) -> float:
        """The overhead's share of the critical path if every job took as long as in reality."""
        return self.overhead / (REAL_JOB * len(self.launches) + self.overhead)


@dataclass(frozen=True)
class Crowd:
    """The jobs of runs that share an account: what they took of its quotas, and what the quotas made them take."""

    most_jobs: int
    most_servers: int
    elapsed: float
    """Seconds from the first call to the end of the last job."""
    allowed: float
    """The same for the same jobs in the same order if each had started the moment that it fitted."""

    def excess_share(self, speed: float) -> float:
        """The share by which it took longer than allowed if jobs took `speed` times as long, the rest as measured."""
        return (self.elapsed - self.allowed) / (self.allowed * speed)


@dataclass(frozen=True)
class CrowdJob:
    """A job of so many servers, in epoch seconds."""

    servers: int
    called_at: float
    ended_at: float


def crowd(jobs: Sequence[CrowdJob], most_jobs: int, most_servers: int) -> Crowd:
    """Sum up jobs that share the quotas of so many jobs and so many servers in jobs at the same moment.

    :raises ValueError: for no jobs.
    """
    if not jobs:
        raise ValueError("nothing was measured")
    in_order = sorted(jobs, key=lambda job: job.called_at)
    beside = [[other for other in jobs if other.called_at <= job.called_at < other.ended_at] for job in jobs]
    elapsed = max(job.ended_at for job in jobs) - in_order[0].called_at
    running: list[tuple[float, int]] = []
    now = 0.0
    for job in in_order:
        running = [(end, servers) for end, servers in running if end > now]
        while len(running) >= most_jobs or sum(servers for _, servers in running) + job.servers > most_servers:
            now = min(end for end, _ in running)
            running = [(end, servers) for end, servers in running if end > now]
        running.append((now + job.ended_at - job.called_at, job.servers))
        last = max(end for end, _ in running)
    allowed = max(last, *(end for end, _ in running))
    return Crowd(
        max(len(others) for others in beside),
        max(sum(job.servers for job in others) for others in beside),
        elapsed,
        allowed,
    )


@dataclass(frozen=True)
class TimedJob:
    """A job of one wave, in epoch seconds of the simulator's clock."""

    wave: int
    servers: int
    began: float
    ended: float


@dataclass(frozen=True)
class TimedStart:
    """The start of an instance that was launched stopped: when it was asked for, and when the instance ran."""

    wave: int
    asked: float
    ran: float


@dataclass(frozen=True)
class Crowded:
    """A run that needs more than one round, against what the quotas allow and the boots of its waves."""

    elapsed: float
    """Seconds from the first job's creation until the last instance runs."""
    allowed: float
    """The same with every job begun the moment that it fitted, and every wave started the moment that it could be."""
    most_jobs: int
    most_servers: int

    @property
    def excess(self) -> float:
        """The share by which it took longer than allowed."""
        return self.elapsed / self.allowed - 1


@dataclass(frozen=True)
class LaunchedRun:
    """A recovery, by what the simulator has recorded of it: epoch seconds of its clock.

    :param asked_at: when it was asked for
    :param starts: of instances that were launched stopped
    """

    asked_at: float
    jobs: tuple[TimedJob, ...]
    starts: tuple[TimedStart, ...] = ()

    @property
    def elapsed(self) -> float:
        """Seconds until everything runs: what is launched started runs when its job ends."""
        return max([*(job.ended for job in self.jobs), *(start.ran for start in self.starts)]) - self.asked_at

    @property
    def boots(self) -> dict[int, float]:
        """By wave, the seconds from its first start until all of its instances run."""
        found: dict[int, list[TimedStart]] = {}
        for start in self.starts:
            found.setdefault(start.wave, []).append(start)
        return {wave: max(s.ran for s in mine) - min(s.asked for s in mine) for wave, mine in found.items()}

    @property
    def least(self) -> float:
        """Seconds of one job and of the boots of its waves, one after the other, each once its own job is over."""
        reached = 0.0
        for wave, boots in sorted(self.boots.items()):
            reached = max(reached, *(job.ended - job.began for job in self.jobs if job.wave == wave)) + boots
        return reached

    @property
    def rounds(self) -> int:
        """The most jobs of it that ran one after the other."""
        count, reached = 0, float("-inf")
        for job in sorted(self.jobs, key=lambda job: job.ended):
            if job.began >= reached:
                count, reached = count + 1, job.ended
        return count

    @property
    def at_real_jobs(self) -> float:
        """:attr:`elapsed`, had every job taken as long as in reality."""
        under_way, reached = 0.0, float("-inf")
        for job in sorted(self.jobs, key=lambda job: job.began):
            under_way += max(0.0, job.ended - max(job.began, reached))
            reached = max(reached, job.ended)
        return self.elapsed - under_way + self.rounds * REAL_JOB

    def crowded(self, most_jobs: int, most_servers: int) -> Crowded:
        """Hold it against what quotas of so many jobs, and of so many servers in all of them, allow."""
        in_order = sorted(self.jobs, key=lambda job: (job.began, job.wave))
        first = in_order[0].began
        summed = crowd([CrowdJob(job.servers, job.began, job.ended) for job in in_order], most_jobs, most_servers)
        launched: dict[int, float] = {}
        for number, job in enumerate(in_order, start=1):
            so_far = [CrowdJob(other.servers, other.began, other.ended) for other in in_order[:number]]
            launched[job.wave] = max(launched.get(job.wave, 0.0), crowd(so_far, most_jobs, most_servers).allowed)
        allowed = 0.0
        for wave, boots in sorted(self.boots.items()):
            allowed = max(allowed, launched[wave]) + boots
        return Crowded(self.asked_at + self.elapsed - first, allowed, summed.most_jobs, summed.most_servers)


def drs_calls(calls: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Count the DRS calls by operation, most frequent first."""
    return dict(Counter(call["operation"] for call in calls if call["service"] == "drs").most_common())


@dataclass(frozen=True)
class Sample:
    """How many tasks ran on workers at one moment."""

    at: float
    running: int


def slots_while_waiting(runs: Sequence[ChainRun], samples: Iterable[Sample], settle: float) -> list[int]:
    """Return the samples taken while every run under way did nothing but wait for DRS.

    A run waits from `settle` seconds after a call until its job's end. The end of the start task and the sensor's first
    leg lie before that; they use a worker and nobody waits for them.
    """
    found = []
    for sample in samples:
        active = [run for run in runs if run.asked_at <= sample.at <= run.launches[-1].ended_at]
        if active and all(_waits(run, sample.at, settle) for run in active):
            found.append(sample.running)
    return found


def _waits(run: ChainRun, at: float, settle: float) -> bool:
    return any(launch.called_at + settle <= at <= launch.ended_at for launch in run.launches)
