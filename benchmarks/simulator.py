"""What the simulator costs with 4,000 source servers: 20 jobs with 500 servers in flight, again and again."""

import time
from statistics import median
from typing import Any

from drs_simulator.client import SimulatorHandle
from drs_simulator.fleet.file import parsed
from drs_simulator.fleet.generator import generate
from drs_simulator.server.standalone import RunningSimulator

SERVERS = 4000
JOBS, SERVERS_A_JOB = 20, 25
ROUNDS = 4
ASKED = 20


def measure() -> dict[str, Any]:
    """Return CPU seconds of DescribeJobs over 20 running jobs by round: with ever more finished jobs behind it.

    Client and server share this process, so a call's time is that of both, JSON and botocore included.
    """
    began = time.process_time()
    running = RunningSimulator(parsed(generate(SERVERS, 1, ["us-west-2"])), speed=60).start()
    started = time.process_time() - began
    try:
        return {"servers": SERVERS, "start_cpu_s": started, "rounds": _rounds(SimulatorHandle(running.url))}
    finally:
        running.stop()


def _rounds(simulator: SimulatorHandle) -> list[dict[str, float]]:
    simulator.clock(freeze=True)
    drs = simulator.client("drs")
    pages = drs.get_paginator("describe_source_servers").paginate()
    servers = [item["sourceServerID"] for page in pages for item in page["items"]]
    found = []
    for number in range(ROUNDS):
        chosen = servers[number * 500 : number * 500 + JOBS * SERVERS_A_JOB]
        asked = [
            [{"sourceServerID": server} for server in chosen[first : first + SERVERS_A_JOB]]
            for first in range(0, len(chosen), SERVERS_A_JOB)
        ]
        jobs = [drs.start_recovery(isDrill=True, sourceServers=servers)["job"]["jobID"] for servers in asked]
        simulator.advance("4m")
        drs.describe_jobs(filters={"jobIDs": jobs})
        took = [_timed(drs, jobs) for _ in range(ASKED)]
        simulator.advance("40m")
        drs.describe_jobs(filters={"jobIDs": jobs})
        found.append({"finished_jobs": number * JOBS, "describe_jobs_cpu_ms": median(took) * 1000})
    return found


def _timed(drs: Any, jobs: list[str]) -> float:
    began = time.process_time()
    drs.describe_jobs(filters={"jobIDs": jobs})
    return time.process_time() - began
