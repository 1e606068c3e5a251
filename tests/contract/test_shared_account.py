"""Launches that share an account's quotas, against the simulator's own: never above one, and never idle beside room."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.services.launch.launch_memory import Memory
from drs_provider.services.launch.start_jobs import JobStart, MustWait, Request
from kit.fake_drs import MemoryStore

MOST_JOBS, MOST_SERVERS = 20, 50
STEP_SECONDS = 20
FLEET = {
    "accounts": [
        {
            "id": "111122223333",
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/22"}},
                    # A tenth of AWS's own, but for the jobs.
                    "quotas": {"L-B827C881": 10, "L-05AFA8C6": MOST_SERVERS},
                    "servers": [{"count": 100, "hostname": "h{n}"}],
                }
            ],
        }
    ]
}


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):
    return start_drs_simulator(FLEET, speed=1)


class Wave:
    """A launch that is tried again whenever it may go on, as the task is after its deferral."""

    def __init__(self, hook, name, servers):
        self.hook, self.store, self.jobs = hook, MemoryStore(), []
        self.request = Request(
            dag_id="d",
            run_id=name,
            wave="w",
            servers=tuple(servers),
            is_drill=True,
            replace_live_instances=False,
            since=datetime.now(UTC) - timedelta(hours=1),
        )

    def go_on(self):
        if not self.jobs:
            memory = Memory(self.store, max_tries=0)
            start = JobStart(self.hook, memory, self.request, now=lambda: datetime.now(UTC), sleep=lambda _: None)
            outcome = start.run()
            self.jobs = [] if isinstance(outcome, MustWait) else outcome


@pytest.mark.parametrize("sizes", [[30, 30], [100]], ids=["two plans", "one plan of twice the quota"])
def test_the_account_is_used_to_the_full_and_never_beyond(hook, simulator, sizes):
    simulator.clock(speed=1)
    simulator.clock(freeze=True)
    servers = [server["sourceServerID"] for server in hook.source_servers()]
    waves = [Wave(hook, f"r{number}", servers[sum(sizes[:number]) :][:size]) for number, size in enumerate(sizes)]
    steps, used = 0, []
    jobs, running = (), ()
    while running or not all(wave.jobs for wave in waves):
        for wave in waves:
            wave.go_on()
        jobs = hook.jobs_since(waves[0].request.since)
        running = [job for job in jobs if job["status"] != "COMPLETED"]
        used.append((len(running), sum(len(job["participatingServers"]) for job in running)))
        simulator.advance(f"{STEP_SECONDS}s")
        steps += 1

    starts = [call for call in simulator.calls() if call["operation"] == "StartRecovery"]
    assert max(jobs for jobs, _ in used) <= MOST_JOBS
    assert max(taken for _, taken in used) == MOST_SERVERS
    assert {call["error"] for call in starts} == {None}
    assert sorted(s["sourceServerID"] for call in starts for s in call["request"]["sourceServers"]) == sorted(
        servers[: sum(sizes)]
    )
    # Two rounds of jobs, whatever their lengths: nobody waits while there is room.
    assert steps * STEP_SECONDS <= 1.05 * 2 * max(length(job) for job in jobs)


def length(job):
    began, ended = (datetime.fromisoformat(job[key]) for key in ("creationDateTime", "endDateTime"))
    return (ended - began).total_seconds()
