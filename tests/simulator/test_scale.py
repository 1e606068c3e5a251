"""4,000 servers, 20 jobs, 500 servers in flight; and the same backend inside moto's own mock."""

import boto3
import drs_simulator
import pytest
from drs_simulator.backend.registration import current
from drs_simulator.fleet.generator import generate
from moto import mock_aws
from simulator.small_fleet import DB1, SMALL, start, statuses


@pytest.fixture(scope="module")
def big(start_drs_simulator):
    return start_drs_simulator(generate(4000, 1, ["us-west-2"]), speed=60)


def test_five_hundred_servers_fly_at_once_and_again(big):
    big.clock(freeze=True)
    drs = big.client("drs")
    pages = drs.get_paginator("describe_source_servers").paginate()
    servers = [server["sourceServerID"] for page in pages for server in page["items"]]
    assert len(servers) == 4000

    for _ in range(2):
        jobs = [start(drs, *servers[first : first + 25]) for first in range(0, 500, 25)]
        big.advance("4m")
        items = drs.describe_jobs(filters={"jobIDs": jobs})["items"]
        assert sum(len(job["participatingServers"]) for job in items) == 500
        assert {job["status"] for job in items} == {"STARTED"}
        big.advance("40m")
        assert {job["status"] for job in drs.describe_jobs(filters={"jobIDs": jobs})["items"]} == {"COMPLETED"}


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
