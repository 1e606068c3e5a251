import pytest
from drs_simulator.quotas import QUOTAS
from simulator.neighbours.neighbourhood import app, refusal

JOBS, PER_JOB = "L-D88FAC3A", "L-B827C881"


@pytest.fixture
def quotas(sim):
    return sim.client("service-quotas")


def start(drs, *servers):
    return {"sourceServers": [{"sourceServerID": server} for server in servers]}


def test_quotas_are_aws_s_defaults_unless_the_fleet_file_says_otherwise(quotas):
    applied = {quota["QuotaCode"]: quota["Value"] for quota in quotas.list_service_quotas(ServiceCode="drs")["Quotas"]}
    defaults = {
        quota["QuotaCode"]: quota["Value"]
        for quota in quotas.list_aws_default_service_quotas(ServiceCode="drs")["Quotas"]
    }

    assert defaults == {code: quota.value for code, quota in QUOTAS.items()}
    assert applied == {**defaults, JOBS: 2, PER_JOB: 3}


def test_one_quota_is_asked_for(quotas):
    own = quotas.get_service_quota(ServiceCode="drs", QuotaCode=JOBS)["Quota"]
    default = quotas.get_aws_default_service_quota(ServiceCode="drs", QuotaCode=JOBS)["Quota"]

    assert (own["Value"], own["QuotaName"], own["Adjustable"]) == (2, "Concurrent jobs in progress", False)
    assert default["Value"] == 20
    assert refusal(quotas.get_service_quota, ServiceCode="drs", QuotaCode="L-00000000") == (
        "NoSuchResourceException",
        400,
        "The request failed because quota L-00000000 does not exist.",
    )


def test_quotas_are_listed_page_by_page(quotas):
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="drs", PaginationConfig={"PageSize": 4})

    assert [len(page["Quotas"]) for page in pages] == [4, len(QUOTAS) - 4]
    assert refusal(quotas.list_service_quotas, ServiceCode="drs", NextToken="nonsense")[:2] == (
        "InvalidPaginationTokenException",
        400,
    )


def test_the_guards_of_drs_use_the_same_values(sim):
    drs = sim.client("drs")
    too_big = refusal(drs.start_recovery, **start(drs, app(1), app(2), app(3), app(4)))
    drs.start_recovery(**start(drs, app(1)))
    drs.start_recovery(**start(drs, app(2)))
    too_many = refusal(drs.start_recovery, **start(drs, app(3)))

    assert too_big[:2] == ("ServiceQuotaExceededException", 402)
    assert too_many[:2] == ("ServiceQuotaExceededException", 402)
