"""What needs a fleet of its own: only one simulator runs in a process at a time."""

from datetime import datetime

import pytest
from botocore.exceptions import ClientError
from simulator.small_fleet import HOME, SMALL, app, job, start


def code_of(call, **parameters) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"]


def test_quotas_refuse_the_101st_server_the_21st_job_and_the_501st_server_in_flight(start_drs_simulator):
    sim = start_drs_simulator(
        {
            "accounts": [
                {
                    "id": HOME,
                    "regions": [
                        {"name": "us-west-2", "servers": [{"count": 600, "hostname": "s{n}", "id": "s-{n:017d}"}]}
                    ],
                }
            ]
        }
    )
    sim.clock(freeze=True)
    drs = sim.client("drs")

    def refused(first, last):
        with pytest.raises(drs.exceptions.ServiceQuotaExceededException) as caught:
            start(drs, *[f"s-{number:017d}" for number in range(first, last + 1)])
        return caught.value.response["quotaCode"]

    assert refused(1, 101) == "L-B827C881"
    for first in range(1, 500, 100):
        start(drs, *[f"s-{number:017d}" for number in range(first, first + 100)])
    assert refused(501, 501) == "L-05AFA8C6"
    sim.advance("15m")
    for number in range(1, 21):
        start(drs, f"s-{number:017d}")
    assert refused(21, 21) == "L-D88FAC3A"


def test_service_quotas_knows_drs_and_the_fleets_own_values(start_drs_simulator):
    sim = start_drs_simulator(
        {"accounts": [{"id": HOME, "regions": [{"name": "us-west-2", "quotas": {"L-B827C881": 2}}]}]}
    )
    quotas = sim.client("service-quotas")
    listed = {quota["QuotaCode"]: quota["Value"] for page in quotas.get_paginator("list_service_quotas").paginate(
        ServiceCode="drs", PaginationConfig={"PageSize": 2}) for quota in page["Quotas"]}  # fmt: skip

    assert listed == {
        "L-D88FAC3A": 20, "L-B827C881": 2, "L-05AFA8C6": 500, "L-DD6D028C": 1, "L-C1D14A2B": 300, "L-E28BE5E0": 4000,
    }  # fmt: skip
    assert quotas.get_aws_default_service_quota(ServiceCode="drs", QuotaCode="L-B827C881")["Quota"]["Value"] == 100
    assert code_of(quotas.get_service_quota, ServiceCode="drs", QuotaCode="L-00000000") == "NoSuchResourceException"


def test_lengths_of_jobs_vary_by_fifteen_percent(start_drs_simulator):
    varied = start_drs_simulator({**SMALL, "jitter": 0.15}, speed=60, random_seed=7)
    varied.clock(freeze=True)
    drs = varied.client("drs")
    jobs = [start(drs, app(number)) for number in range(1, 16)]
    varied.advance("20m")
    lengths = []
    for job_id in jobs:
        found = job(drs, job_id)
        took = datetime.fromisoformat(found["endDateTime"]) - datetime.fromisoformat(found["creationDateTime"])
        lengths.append(took.total_seconds() * 60)

    assert 535 * 0.84 < min(lengths) < 500
    assert 570 < max(lengths) < 535 * 1.16


def test_a_fleet_may_show_the_progress_that_the_enum_suggests(start_drs_simulator):
    sim = start_drs_simulator({**SMALL, "shows_in_progress": True}, speed=60)
    sim.clock(freeze=True)
    drs = sim.client("drs")
    job_id = start(drs, app(1))
    sim.advance(300)

    assert job(drs, job_id)["participatingServers"][0]["launchStatus"] == "IN_PROGRESS"


def test_servers_of_one_job_convert_in_step_and_launch_apart(start_drs_simulator):
    sim = start_drs_simulator({**SMALL, "jitter": 0.15}, speed=1, random_seed=3)
    sim.clock(freeze=True)
    drs = sim.client("drs")
    job_id = start(drs, *[app(number) for number in range(1, 9)])
    sim.advance("20m")
    lines = drs.describe_job_log_items(jobID=job_id)["items"]

    def spread(event):
        times = [datetime.fromisoformat(line["logDateTime"]) for line in lines if line["event"] == event]
        return round((max(times) - min(times)).total_seconds(), 1)

    assert (spread("CONVERSION_END"), len(lines)) == (0.2, 50)
    assert 0.2 < spread("LAUNCH_END") < 15
