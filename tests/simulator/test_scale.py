"""4,000 servers, 20 jobs, 500 servers in flight; and the same backend inside moto's own mock."""

import time

import boto3
import drs_simulator
import pytest
from drs_simulator.generate import generate
from drs_simulator.registration import current
from moto import mock_aws
from simulator.small_fleet import DB1, SMALL, start, statuses


@pytest.fixture(scope="module")
def big(start_drs_simulator):
    return start_drs_simulator(generate(4000, 1, ["us-west-2"]), speed=60)


def test_describe_jobs_does_not_grow_with_finished_jobs(big):
    big.clock(freeze=True)
    drs = big.client("drs")
    servers = [
        one["sourceServerID"]
        for page in drs.get_paginator("describe_source_servers").paginate()
        for one in page["items"]
    ]
    assert len(servers) == 4000

    def round_of_jobs():
        jobs = [start(drs, *servers[first : first + 25]) for first in range(0, 500, 25)]
        big.advance("4m")
        took = []
        for _ in range(5):
            began = time.process_time()
            items = drs.describe_jobs(filters={"jobIDs": jobs})["items"]
            took.append(time.process_time() - began)
        assert sum(len(one["participatingServers"]) for one in items) == 500
        big.advance("40m")
        assert {one["status"] for one in drs.describe_jobs(filters={"jobIDs": jobs})["items"]} == {"COMPLETED"}
        return min(took)

    first = round_of_jobs()
    for _ in range(3):
        last = round_of_jobs()

    # Client and server share this process: the measured time is that of both.
    assert first < 0.5
    assert last < 4 * first + 0.05


def test_the_simulator_lives_inside_motos_mock():
    drs_simulator.register(SMALL, speed=60)
    keys = {"region_name": "us-west-2", "aws_access_key_id": "x", "aws_secret_access_key": "y"}
    with mock_aws():
        drs, ec2 = boto3.client("drs", **keys), boto3.client("ec2", **keys)
        job_id = start(drs, DB1)
        with pytest.raises(drs.exceptions.ConflictException):
            start(drs, DB1)
        current().world.clock.advance(1200)
        assert len(ec2.describe_instances()["Reservations"]) == 1
        assert statuses(drs, job_id) == {DB1: "LAUNCHED"}
    with mock_aws():
        assert boto3.client("drs", **keys).describe_jobs()["items"] == []
