"""What the hook asks again, and what it does not, against a simulator in bad weather."""

import logging
import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.exceptions import AccessDenied, CredentialsExpired, ServiceUnavailable, Throttled
from drs_provider.hooks.drs import DrsHook
from drs_provider.hooks.retries import RetryPolicy
from drs_provider.rules.launch.tags import job_tags
from drs_provider.services.launch.start_once import StartRequest, start_once

HELLO = ("s-0hello00000000001", "s-0hello00000000002")


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that botocore makes, which take no time here."""
    made = []
    monkeypatch.setattr(time, "sleep", made.append)
    return made


def calls(simulator, operation):
    return [call["error"] for call in simulator.calls() if call["operation"] == operation]


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "throttle", "count": 6},
        {"do": "server_error", "count": 6},
        {"do": "commit_then_drop", "count": 6},
        {"do": "garbled", "count": 6},
        {"do": "garbled", "how": "half", "count": 6},
    ],
    ids=lambda fault: f"{fault['do']} {fault.get('how', '')}".strip(),
)
@pytest.mark.parametrize("service", ["drs", "ec2"])
def test_a_read_is_repeated_until_there_is_an_answer(hook, simulator, pauses, fault, service):
    simulator.fault({"service": service, **fault})

    assert len(hook.source_servers(HELLO)) == 2
    assert hook.instance_states(["i-00000000000000001"]) == {}
    assert all(least <= pause <= least * 1.3 for least, pause in zip([1, 2, 4, 8, 8, 8], pauses, strict=True))


def test_the_services_own_advice_is_the_least_pause(hook, simulator, pauses):
    simulator.fault({"service": "drs", "do": "throttle", "count": 1, "retry_after": 20})

    hook.jobs([])
    hook.source_servers(HELLO)

    assert 20 <= pauses[0] <= 26


def test_the_log_says_what_it_waits_for(hook, simulator, monkeypatch, caplog):
    simulator.fault({"service": "drs", "do": "outage", "for": "30d"})
    monkeypatch.setattr(time, "sleep", lambda _: simulator.no_faults() if caplog.records else None)

    with caplog.at_level(logging.INFO, logger="drs_provider.hooks.retries"):
        hook.source_servers(HELLO)

    (said,) = caplog.messages
    assert re.fullmatch(
        r"Retrying in (4|5)\.\d s \(try 4\): DescribeSourceServers: ServiceUnavailable: "
        r"drs is unavailable in us-west-2",
        said,
    )


@pytest.mark.parametrize(
    ("do", "error"), [("access_denied", AccessDenied), ("expired_token", CredentialsExpired)], ids=str
)
def test_what_time_does_not_cure_is_said_at_once(hook, simulator, pauses, do, error):
    simulator.fault({"service": "drs", "do": do, "count": 1})

    with pytest.raises(error):
        hook.source_servers(HELLO)
    assert (len(calls(simulator, "DescribeSourceServers")), pauses) == (1, [])


@pytest.mark.parametrize("arguments", [{"patience": 0}, {"config": {"retries": {"total_max_attempts": 1}}}])
def test_those_who_wait_in_another_way_are_told_after_one_call(simulator, pauses, arguments):
    simulator.fault({"service": "drs", "do": "throttle", "count": 1})
    hook = DrsHook(aws_conn_id=None, region_name="us-west-2", **arguments)

    with pytest.raises(Throttled):
        hook.source_servers(HELLO)
    assert (len(calls(simulator, "DescribeSourceServers")), pauses) == (1, [])


def test_a_start_is_sent_once_in_any_weather(hook, simulator, pauses):
    simulator.fault({"service": "drs", "operation": "StartRecovery", "do": "server_error", "count": 1})

    with pytest.raises(ServiceUnavailable):
        hook.start_recovery(HELLO, is_drill=True, tags={})
    assert (len(calls(simulator, "StartRecovery")), pauses) == (1, [])


@pytest.mark.parametrize("how", ["page", "half"])
def test_a_read_that_nobody_repeats_says_that_it_was_spoilt_and_never_that_there_is_nothing(simulator, pauses, how):
    simulator.fault({"service": "drs", "operation": "DescribeJobs", "do": "garbled", "how": how, "count": 1})
    impatient = DrsHook(aws_conn_id=None, region_name="us-west-2", patience=0)

    with pytest.raises(ServiceUnavailable, match=r"^DescribeJobs: 502: Bad Gateway$"):
        impatient.jobs_since(datetime.now(UTC) - timedelta(hours=1))


@pytest.mark.parametrize("how", ["page", "half"])
def test_a_start_whose_answer_was_spoilt_is_looked_for_and_not_sent_again(hook, simulator, pauses, how):
    simulator.fault({"service": "drs", "operation": "StartRecovery", "do": "garbled", "how": how, "count": 1})
    tags = job_tags(dag_id="d", run_id="r", wave="w", chunk=0, attempt=1)
    launch = StartRequest(HELLO, is_drill=True, tags=tags, snapshot_ids={})

    job, found = start_once(hook, launch, since=datetime.now(UTC) - timedelta(hours=1), sleep=lambda _: None)

    assert (found, len(calls(simulator, "StartRecovery"))) == (True, 1)
    assert [job["jobID"] for job in hook.jobs_since(datetime.now(UTC) - timedelta(hours=1))] == [job["jobID"]]


def test_patience_ends():
    now, asked = [0.0], []
    patience = RetryPolicy(60, jitter=lambda: 1.0, clock=lambda: now[0])

    def refused():
        asked.append(now[0])
        raise ServiceUnavailable("AssumeRole", "ServiceUnavailable", "not now")

    with pytest.raises(ServiceUnavailable):
        patience.ask("sts:AssumeRole", refused, sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))

    assert asked == [0, 1, 3, 7, 15, 23, 31, 39, 47, 55]
