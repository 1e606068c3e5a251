"""What an account has room for."""

import pytest
from drs_provider.recovery.quotas import Quotas, Room, split, taken
from hypothesis import given
from hypothesis import strategies as st


def test_what_service_quotas_does_not_say_keeps_awss_default():
    answers = [{"QuotaCode": "L-D88FAC3A", "Value": 40.0}, {"QuotaCode": "L-OTHER", "Value": 1.0}]

    assert Quotas.from_answers(answers) == Quotas(jobs=40, servers_per_job=100, servers_in_jobs=500)


@given(st.lists(st.integers(), unique=True), st.integers(1, 50))
def test_splitting_keeps_every_server_once_and_in_order(numbers, size):
    servers = [f"s-{number}" for number in numbers]
    chunks = split(servers, Quotas(servers_per_job=size))

    assert [server for chunk in chunks for server in chunk] == servers
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert all(0 < len(chunk) <= size for chunk in chunks)


@pytest.mark.parametrize(
    ("room", "servers", "said"),
    [
        (Room(0, 0), 100, ""),
        (Room(19, 400), 100, ""),
        (Room(20, 40), 1, "20 of 20 concurrent jobs are running"),
        (Room(5, 450), 51, "450 of 500 servers are in running jobs, 51 more do not fit"),
        (Room(0, 0), 501, ""),
    ],
)
def test_a_shortage_is_said_in_numbers(room, servers, said):
    assert room.shortage(servers, Quotas()) == said


def test_only_running_jobs_take_room():
    jobs = [
        {"jobID": "1", "status": "COMPLETED", "participatingServers": [{}, {}]},
        {"jobID": "2", "status": "STARTED", "participatingServers": [{}, {}, {}]},
        {"jobID": "3", "status": "PENDING"},
    ]

    assert taken(jobs) == Room(jobs=2, servers=3)
