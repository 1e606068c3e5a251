"""What a hand-over costs is read from calls, jobs and starts."""

from benchmarks import plans
from benchmarks.hand_over import hops_of_jobs, hops_of_starts

ONE, TWO, THREE = ([plans.server_id(0, wave, number) for number in range(2)] for wave in range(3))


def call(operation, at, request, *, committed=True):
    return {"operation": operation, "at": at, "request": request, "committed": committed}


def recovery(at, servers, **more):
    return call("StartRecovery", at, {"sourceServers": [{"sourceServerID": server} for server in servers]}, **more)


def job(servers, ended):
    return {
        "jobID": f"drsjob-{servers[0]}",
        "type": "LAUNCH",
        "creationDateTime": "2026-01-01T05:00:00+00:00",
        "endDateTime": f"2026-01-01T05:00:{ended}+00:00",
        "timeline": {server: {"status": "LAUNCHED", "stages": []} for server in servers},
    }


def start(server, ran):
    return {"server": server, "ran": f"2026-01-01T05:00:{ran}+00:00"}


BEGAN = 1767243600.0
"""2026-01-01T05:00:00Z"""


def test_in_waves_it_is_from_the_end_of_a_job_to_the_next_call_that_was_taken():
    state = {"accounts": {"1": {"us-west-2": {"jobs": dict(enumerate([job(ONE, 10), job(TWO, 20), job(THREE, 30)]))}}}}
    calls = [
        recovery(BEGAN, ONE),
        recovery(BEGAN + 10.25, TWO, committed=False),
        recovery(BEGAN + 10.5, TWO),
        recovery(BEGAN + 21, THREE),
    ]

    assert hops_of_jobs(state, calls) == [0.5, 1.0]


def test_ahead_it_is_from_when_the_last_instance_runs_to_the_next_start():
    starts = [start(ONE[0], 10), start(ONE[1], 12), start(TWO[1], 22), start(TWO[0], 21), start(THREE[0], 40)]
    calls = [call("StartInstances", BEGAN + at, {}) for at in (1, 12.75, 22.5)]

    assert hops_of_starts(starts, calls) == [0.75, 0.5]
