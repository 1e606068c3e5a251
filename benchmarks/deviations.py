"""What was foretold against what a run then did. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SIMULATED = ("ssm_command", "ssm_automation", "lambda")
"""Kinds of steps that take the simulator's time."""


@dataclass(frozen=True)
class Deviation:
    """One figure, foretold and measured, in seconds; None where one of them has none."""

    what: str
    foretold: float | None
    measured: float | None

    @property
    def share(self) -> float | None:
        """By how much the measured figure is more than the foretold one, as a share of the measured one."""
        if self.foretold is None or not self.measured:
            return None
        return (self.measured - self.foretold) / self.measured

    def __str__(self) -> str:
        foretold = "-" if self.foretold is None else f"{self.foretold:.1f}"
        measured = "-" if self.measured is None else f"{self.measured:.1f}"
        share = "" if self.share is None else f"{self.share:+.1%}"
        return f"{self.what:<28}{foretold:>10}{measured:>10}{share:>9}"


def in_drs_time(report: Mapping[str, Any], speed: float) -> float | None:
    """Return the run's RTO if its DRS jobs had taken as long as in reality; orchestration and waits as they were.

    None for a run that has no RTO, and where the simulator ran steps between its waves: how much of a step's time is
    the simulator's, which is compressed, and how much is Airflow's, which is not, its report does not tell.
    """
    path = report["critical_path"]
    if report["objectives"]["rto"]["measured_seconds"] is None or path["jobs_seconds"] is None:
        return None
    waves = [wave for wave in report["waves"] if wave["name"] in path["waves"]]
    if any(step["kind"] in SIMULATED for wave in waves for step in wave["steps"]):
        return None
    jobs = chained(
        (datetime.fromisoformat(job["created_at"]), datetime.fromisoformat(job["ended_at"]))
        for wave in waves
        for job in wave["jobs"]
        if job["created_at"] and job["ended_at"]
    )
    return jobs * speed + path["elapsed_seconds"] - jobs


def chained(jobs: Iterable[tuple[datetime, datetime]]) -> float:
    """Return the seconds of the jobs that waited for each other, from the last to end back to the first.

    Where jobs follow each other on several tracks, as within small quotas, the time between two of them is no job's,
    although one on another track runs meanwhile: at a high speed of the simulator such times are long.
    """
    total, before = 0.0, None
    for start, end in sorted(jobs, key=lambda job: job[1], reverse=True):
        if before is None or end <= before:
            total += (end - start).total_seconds()
            before = start
    return total


def compared(
    prediction: Mapping[str, Any], report: Mapping[str, Any], speed: float, run_seconds: float
) -> Iterator[Deviation]:
    """Compare a rehearsal's JSON with the report of the run that followed on a simulator of that speed.

    :param run_seconds: from start to end of Airflow's DAG run
    """
    yield Deviation("RTO in DRS's time", prediction["rto"]["predicted_seconds"], in_drs_time(report, speed))
    clock = prediction["by_the_clock"] or {**prediction, "rto_seconds": prediction["rto"]["predicted_seconds"]}
    yield Deviation("RTO", clock["rto_seconds"], report["objectives"]["rto"]["measured_seconds"])
    began = datetime.fromisoformat(report["run"]["started_at"])
    waves = {wave["name"]: wave for wave in clock["waves"]}
    for wave in report["waves"]:
        foretold = waves[wave["name"]]
        for what, key in (("start", "started_at"), ("end", "ended_at")):
            at = wave[key] and (datetime.fromisoformat(wave[key]) - began).total_seconds()
            yield Deviation(f"wave {wave['name']}: {what}", foretold[f"{what}_seconds"], at)
    yield Deviation("whole run", clock["elapsed_seconds"], run_seconds)
