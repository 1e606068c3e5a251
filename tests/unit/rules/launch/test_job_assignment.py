"""Which job holds which server of a launch, and what is left to start."""

from datetime import UTC, datetime, timedelta

from drs_provider.rules.launch.job_assignment import JobShare, divide
from drs_provider.rules.launch.jobs import own_job
from drs_provider.rules.launch.tags import job_tags
from hypothesis import given
from hypothesis import strategies as st

SERVERS = ("s-1", "s-2", "s-3")
AT_ONE = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)


def a_job(job_id, outcomes, *, attempt=1, chunk=0, status="COMPLETED"):
    return own_job(described(job_id, outcomes, attempt=attempt, chunk=chunk, status=status))


def described(job_id, outcomes, *, attempt=1, chunk=0, status="COMPLETED"):
    return {
        "jobID": job_id,
        "status": status,
        "creationDateTime": f"2026-01-01T00:{attempt:02d}:{chunk:02d}Z",
        "tags": job_tags(dag_id="d", run_id="r", wave="w", chunk=chunk, attempt=attempt),
        "participatingServers": [{"sourceServerID": s, "launchStatus": o} for s, o in outcomes.items()],
    }


def test_without_jobs_everything_is_to_be_started():
    division = divide(SERVERS, [], attempt=1)

    assert (division.shares, division.to_start, division.next_chunk) == ((), SERVERS, 0)


def test_a_job_of_this_attempt_is_adopted_whatever_became_of_it():
    jobs = [a_job("drsjob-1", {"s-1": "FAILED", "s-2": "FAILED"})]

    division = divide(SERVERS, jobs, attempt=1)

    assert division.shares == (JobShare("drsjob-1", ("s-1", "s-2"), AT_ONE),)
    assert (division.to_start, division.next_chunk) == (("s-3",), 1)


def test_the_next_attempt_starts_only_what_failed():
    jobs = [a_job("drsjob-1", {"s-1": "LAUNCHED", "s-2": "FAILED", "s-3": "LAUNCHED"})]

    division = divide(SERVERS, jobs, attempt=2)

    assert division.shares == (JobShare("drsjob-1", ("s-1", "s-3"), AT_ONE),)
    assert (division.to_start, division.next_chunk) == (("s-2",), 0)


def test_the_next_attempt_keeps_what_still_runs():
    jobs = [a_job("drsjob-1", dict.fromkeys(SERVERS, "PENDING"), status="STARTED")]

    assert divide(SERVERS, jobs, attempt=2).to_start == ()


def test_a_retry_of_the_second_attempt_adopts_its_job():
    first = a_job("drsjob-1", {"s-1": "LAUNCHED", "s-2": "FAILED"})
    second = a_job("drsjob-2", {"s-2": "FAILED"}, attempt=2)

    division = divide(("s-1", "s-2"), [second, first], attempt=2)

    assert division.shares == (
        JobShare("drsjob-1", ("s-1",), AT_ONE),
        JobShare("drsjob-2", ("s-2",), AT_ONE + timedelta(minutes=1), attempt=2),
    )
    assert division.to_start == ()


outcomes = st.dictionaries(st.sampled_from(SERVERS), st.sampled_from(["PENDING", "LAUNCHED", "FAILED"]), min_size=1)


@given(st.lists(st.tuples(outcomes, st.integers(1, 3), st.booleans()), max_size=5), st.integers(1, 4))
def test_every_server_is_held_by_one_job_or_started_and_never_both(drawn, attempt):
    jobs = [
        described(f"drsjob-{place}", found, attempt=number, chunk=place, status="COMPLETED" if ended else "STARTED")
        for place, (found, number, ended) in enumerate(drawn)
    ]

    division = divide(SERVERS, [own_job(job) for job in jobs], attempt=attempt)
    held = [server for share in division.shares for server in share.servers]

    assert sorted([*held, *division.to_start]) == list(SERVERS)
    for server in division.to_start:
        launched = [
            job for job in jobs if {"sourceServerID": server, "launchStatus": "LAUNCHED"} in job["participatingServers"]
        ]
        newest = max(
            (job for job in jobs if server in {s["sourceServerID"] for s in job["participatingServers"]}),
            key=lambda job: job["creationDateTime"],
            default=None,
        )
        assert newest is None or newest not in launched or newest["status"] != "COMPLETED"
