"""What an account has room for."""

from datetime import UTC, datetime

import pytest
from drs_provider.rules.launch.quotas import Quotas, Room, ahead_of_drills, taken
from hypothesis import given
from hypothesis import strategies as st


def test_what_service_quotas_does_not_say_keeps_awss_default():
    answers = [{"QuotaCode": "L-D88FAC3A", "Value": 40.0}, {"QuotaCode": "L-OTHER", "Value": 1.0}]

    assert Quotas.from_answers(answers) == Quotas(jobs=40, servers_per_job=100, servers_in_jobs=500)


@pytest.mark.parametrize(
    ("room", "wanted", "size"),
    [
        pytest.param(Room(0, 0), 1000, 100, id="a full job"),
        pytest.param(Room(19, 400), 100, 100, id="the last job"),
        pytest.param(Room(20, 40), 1, 0, id="no job left"),
        pytest.param(Room(5, 440), 100, 60, id="the room that is left"),
        pytest.param(Room(5, 440), 7, 7, id="fewer than the room that is left"),
        pytest.param(Room(5, 500), 1, 0, id="no server left"),
        pytest.param(Room(5, 540), 1, 0, id="the quota was lowered"),
        pytest.param(Room(0, 0), 0, 0, id="nothing wanted"),
    ],
)
def test_a_job_is_as_large_as_quotas_and_room_allow(room, wanted, size):
    assert room.next_job(wanted, Quotas()) == size


QUOTAS = st.builds(
    Quotas, jobs=st.integers(1, 8), servers_per_job=st.integers(1, 20), servers_in_jobs=st.integers(1, 60)
)


@given(QUOTAS, st.lists(st.integers(1, 100), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_waves_that_share_an_account_never_exceed_a_quota_never_leave_room_unused_and_all_end(quotas, waves, random):
    """Each step, one waiting wave starts what fits, or a running job ends; strangers come and go between them."""
    left, running, launched = list(waves), [], 0
    while any(left) or running:
        waiting = [number for number, rest in enumerate(left) if rest]
        room = Room(len(running), sum(running))
        sizes = {number: room.next_job(left[number], quotas) for number in waiting}
        starting = [number for number, size in sizes.items() if size]
        if starting:
            number = random.choice(starting)
            left[number] -= sizes[number]
            launched += sizes[number]
            running.append(sizes[number])
        else:
            # Nobody starts only where nothing more fits: the account is used to the full.
            assert not waiting or len(running) == quotas.jobs or sum(running) == quotas.servers_in_jobs
            running.remove(random.choice(running))
        assert len(running) <= quotas.jobs
        assert sum(running) <= quotas.servers_in_jobs
        assert all(size <= quotas.servers_per_job for size in running)
    assert launched == sum(waves)


@pytest.mark.parametrize(
    ("room", "wanted", "said"),
    [
        (Room(20, 40), 1, "20 of 20 concurrent jobs are running, 1 more server waits"),
        (Room(5, 500), 51, "500 of 500 servers are in running jobs, 51 more servers wait"),
    ],
)
def test_a_shortage_is_said_in_numbers(room, wanted, said):
    assert room.shortage(wanted, Quotas()) == said


NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("job", "first"),
    [
        pytest.param({}, True, id="a recovery runs"),
        pytest.param({"initiatedBy": "START_DRILL"}, False, id="a drill runs"),
        pytest.param({"initiatedBy": "TERMINATE_RECOVERY_INSTANCES"}, False, id="a clean-up runs"),
        pytest.param({"status": "COMPLETED"}, False, id="it has ended"),
        pytest.param({"creationDateTime": "2026-01-01T09:59:59+00:00"}, False, id="it is stuck"),
    ],
)
def test_drills_give_way_to_a_recovery_that_runs(job, first):
    recovery = {"status": "STARTED", "initiatedBy": "START_RECOVERY", "creationDateTime": "2026-01-01T11:00:00+00:00"}

    assert bool(ahead_of_drills([recovery | job], now=NOW)) is first


def test_only_running_jobs_take_room():
    jobs = [
        {"jobID": "1", "status": "COMPLETED", "participatingServers": [{}, {}]},
        {"jobID": "2", "status": "STARTED", "participatingServers": [{}, {}, {}]},
        {"jobID": "3", "status": "PENDING"},
    ]

    assert taken(jobs) == Room(jobs=2, servers=3)
