"""Every fault, as a caller over HTTP meets it."""

import time
from pathlib import Path

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from drs_simulator.faults.kinds import KINDS
from simulator.small_fleet import DB1, DB2, app, ec2_instances, events, instance_of, job, start, statuses

ROOT = Path(__file__).parent.parent


def refused(call, **parameters):
    """Code, HTTP status and headers of the refusal of a call."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer = caught.value.response
    return (
        answer["Error"]["Code"],
        answer["ResponseMetadata"]["HTTPStatusCode"],
        answer["ResponseMetadata"]["HTTPHeaders"],
    )


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        pytest.param({"do": "throttle", "retry_after": 2}, "ThrottlingException", 429, id="throttle"),
        pytest.param({"do": "server_error"}, "InternalServerException", 500, id="server_error"),
        pytest.param({"do": "server_error", "status": 503}, "InternalServerException", 503, id="server_error 503"),
        pytest.param({"do": "access_denied"}, "AccessDeniedException", 403, id="access_denied"),
        pytest.param({"do": "expired_token"}, "ExpiredTokenException", 403, id="expired_token"),
        pytest.param({"do": "outage"}, "ServiceUnavailable", 503, id="outage"),
    ],
)
def test_a_fault_of_the_api_answers_instead_of_the_service(sim, drs, fault, code, status):
    sim.fault({"service": "drs", **fault})

    seen = refused(drs.start_recovery, sourceServers=[{"sourceServerID": DB1}])
    sim.no_faults()

    assert seen[:2] == (code, status)
    assert seen[2].get("retry-after") == (str(fault["retry_after"]) if "retry_after" in fault else None)
    assert drs.describe_jobs()["items"] == []
    first = sim.calls()[0]
    assert (first["error"], first["committed"]) == (code, False)


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("ec2", "describe_instances", "RequestLimitExceeded"),
        ("sts", "get_caller_identity", "ThrottlingException"),
        ("ssm", "describe_parameters", "ThrottlingException"),
        ("lambda", "list_functions", "ThrottlingException"),
        ("sns", "list_topics", "ThrottlingException"),
        ("events", "list_rules", "ThrottlingException"),
        ("iam", "list_roles", "ThrottlingException"),
        ("s3", "list_buckets", "ThrottlingException"),
        ("cloudwatch", "list_metrics", "ThrottlingException"),
        ("logs", "describe_log_groups", "ThrottlingException"),
    ],
)
def test_faults_reach_every_service_in_its_own_protocol(sim, service, call, code):
    sim.fault({"do": "throttle", "count": 1})
    client = sim.client(service)

    assert refused(getattr(client, call))[0] == code
    getattr(client, call)()


def test_a_fault_strikes_as_often_as_its_count(sim, drs):
    sim.fault({"service": "drs", "operation": "DescribeJobs", "do": "throttle", "count": 2})

    assert refused(drs.describe_jobs)[0] == "ThrottlingException"
    drs.describe_source_servers()
    assert refused(drs.describe_jobs)[0] == "ThrottlingException"
    drs.describe_jobs()
    assert sim.control("GET", "faults")[0]["strikes"] == 2


def test_a_fault_strikes_with_its_probability_and_the_same_seed_gives_the_same_weather(sim, drs):
    def weather():
        sim.reset()
        sim.fault({"service": "drs", "do": "throttle", "probability": 0.5})
        seen = []
        for _ in range(40):
            try:
                drs.describe_jobs()
                seen.append(True)
            except ClientError:
                seen.append(False)
        return seen

    first, second = weather(), weather()

    assert first == second
    assert 8 < sum(first) < 32


@pytest.mark.parametrize(
    ("match", "is_struck"),
    [
        ({"account": "111122223333"}, True),
        ({"account": "999999999999"}, False),
        ({"region": "us-west-2"}, True),
        ({"region": "us-east-1"}, False),
        ({"operation": "Start*"}, True),
        ({"operation": ["DescribeJobs", "TerminateRecoveryInstances"]}, False),
        ({"service": "ec2"}, False),
        ({"servers": [DB1]}, True),
        ({"servers": DB2}, False),
        ({"hostname": "db*"}, True),
        ({"hostname": "web*"}, False),
        ({"tags": {"Tier": "db"}}, True),
        ({"tags": {"Tier": "app"}}, False),
        ({"tags": {"Tier": "d*", "App": "shop"}}, True),
        ({"job": "drsjob-*"}, False),
        ({"hostname": "db1", "region": "us-east-1"}, False),
    ],
)
def test_everything_that_a_fault_names_must_be_so(sim, drs, match, is_struck):
    sim.fault({"do": "server_error", **match})
    if is_struck:
        assert refused(drs.start_recovery, sourceServers=[{"sourceServerID": DB1}])[0] == "InternalServerException"
    else:
        start(drs, DB1)


def test_an_outage_begins_and_ends_by_itself(sim, drs):
    sim.fault({"service": "drs", "region": "us-west-2", "do": "outage", "for": "90s", "after": "10s"})
    drs.describe_jobs()
    sim.advance("11s")
    assert refused(drs.describe_jobs)[1] == 503
    sim.client("ec2").describe_vpcs()
    sim.client("drs", region_name="eu-central-1").initialize_service()
    sim.advance("90s")
    drs.describe_jobs()


def test_commit_then_drop_starts_the_job_and_drops_the_connection(sim, drs):
    sim.fault({"service": "drs", "operation": "StartRecovery", "do": "commit_then_drop", "count": 1})

    with pytest.raises(ConnectionClosedError):
        start(drs, DB1, tags={"key": "mine"})

    (call,) = sim.calls()
    assert (call["operation"], call["committed"], call["error"]) == ("StartRecovery", True, "ConnectionDropped")
    assert [job["tags"] for job in drs.describe_jobs()["items"]] == [{"key": "mine"}]


@pytest.mark.parametrize(("how", "begins"), [("page", "<!DOCTYPE html>"), ("half", '{"job"')])
def test_an_answer_may_be_spoilt_on_its_way_and_the_job_runs(sim, drs, how, begins):
    sim.fault({"service": "drs", "operation": "StartRecovery", "do": "garbled", "how": how, "count": 1})
    spoilt = []
    drs.meta.events.register("before-parse", lambda response_dict, **_: spoilt.append(response_dict["body"].decode()))

    assert "job" not in drs.start_recovery(sourceServers=[{"sourceServerID": DB1}])

    (call,) = sim.calls()
    assert (call["operation"], call["committed"], call["status"]) == ("StartRecovery", True, 202)
    assert spoilt[0].startswith(begins)
    assert len(drs.describe_jobs()["items"]) == 1


def test_a_default_client_meets_its_own_job_after_a_lost_answer(sim):
    sim.fault({"service": "drs", "operation": "StartRecovery", "do": "commit_then_drop", "count": 1})
    retrying = sim.client("drs", config=Config())

    assert refused(retrying.start_recovery, sourceServers=[{"sourceServerID": DB1}])[0] == "ConflictException"


def test_an_outage_may_drop_connections(sim, drs):
    sim.fault({"service": "drs", "do": "outage", "how": "drop"})
    with pytest.raises(ConnectionClosedError):
        start(drs, DB1)
    sim.no_faults()
    assert drs.describe_jobs()["items"] == []


def test_latency_keeps_the_caller_waiting(sim, drs):
    sim.fault({"service": "drs", "do": "latency", "seconds": "200ms", "count": 1})
    began = time.monotonic()
    drs.describe_jobs()

    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(("commit", "jobs"), [(False, 0), (True, 1)])
def test_a_timeout_answers_nothing(sim, commit, jobs):
    sim.fault({"service": "drs", "operation": "StartRecovery", "do": "timeout", "hold": "1s", "commit": commit})
    impatient = sim.client("drs", config=Config(read_timeout=0.3, retries={"total_max_attempts": 1}))
    with pytest.raises(ReadTimeoutError):
        start(impatient, DB1)

    assert len(sim.client("drs").describe_jobs()["items"]) == jobs


@pytest.mark.parametrize(
    ("event", "last"),
    [
        ("SNAPSHOT_START", "SNAPSHOT_FAIL"),
        ("SNAPSHOT_END", "SNAPSHOT_FAIL"),
        ("CONVERSION_START", "CONVERSION_FAIL"),
        ("CONVERSION_END", "CONVERSION_FAIL"),
        ("LAUNCH_START", "LAUNCH_FAILED"),
        ("LAUNCH_END", "LAUNCH_FAILED"),
    ],
)
def test_a_launch_fails_at_any_event_with_the_raw_error_and_leaves_no_instance(sim, drs, event, last):
    sim.fault(
        {"service": "drs", "hostname": "db1", "do": "fail_at", "event": event, "error": "InsufficientInstanceCapacity"}
    )
    job_id = start(drs, DB1, DB2)
    sim.advance("20m")
    line = next(line for line in drs.describe_job_log_items(jobID=job_id)["items"] if line["event"] == last)

    assert statuses(drs, job_id) == {DB1: "FAILED", DB2: "LAUNCHED"}
    assert line["eventData"] == {"sourceServerID": DB1, "rawError": "InsufficientInstanceCapacity"}
    assert len(drs.describe_recovery_instances()["items"]) == 1
    assert [instance["State"]["Name"] for instance in ec2_instances(sim).values()].count("running") == 1


def test_fail_at_reaches_a_job_that_runs_already(sim, drs):
    job_id = start(drs, DB1)
    sim.advance("2m")
    sim.fault({"do": "fail_at", "event": "LAUNCH_END", "error": "late"})
    sim.advance("20m")

    assert statuses(drs, job_id) == {DB1: "FAILED"}


def test_a_silent_failure_completes_within_seconds_without_a_word(sim, drs):
    sim.fault({"servers": [DB1], "do": "fail_silently"})
    job_id = start(drs, DB1)
    sim.advance("2s")

    assert statuses(drs, job_id) == {DB1: "FAILED"}
    assert events(drs, job_id) == ["JOB_START", "SNAPSHOT_START", "SNAPSHOT_END", "JOB_END"]


def test_a_stuck_server_goes_on_when_the_fault_is_taken_back(sim, drs):
    (name,) = sim.fault({"hostname": "db1", "do": "stuck", "event": "CONVERSION_END"})
    job_id = start(drs, DB1)
    sim.advance("5h")
    assert job(drs, job_id)["status"] == "STARTED"
    sim.no_faults(name)
    sim.advance("20m")

    assert statuses(drs, job_id) == {DB1: "LAUNCHED"}


def test_stuck_for_a_time_ends_by_itself(sim, drs):
    sim.fault({"do": "stuck", "for": "1h"})
    job_id = start(drs, DB1)
    sim.advance("59m")
    assert job(drs, job_id)["status"] == "STARTED"
    sim.advance("15m")

    assert statuses(drs, job_id) == {DB1: "LAUNCHED"}


def test_slow_stretches_a_launch(sim, drs):
    sim.fault({"do": "slow", "factor": 3})
    job_id = start(drs, DB1)
    sim.advance("26m")
    assert job(drs, job_id)["status"] == "STARTED"
    sim.advance("1m")
    assert job(drs, job_id)["status"] == "COMPLETED"


def test_an_instance_may_be_launched_and_stand_still(sim, drs):
    sim.fault({"do": "launched_stopped"})
    job_id = start(drs, DB1)
    sim.advance("20m")

    assert statuses(drs, job_id) == {DB1: "LAUNCHED"}
    assert instance_of(drs, DB1)["ec2InstanceState"] == "STOPPED"


@pytest.mark.parametrize("is_before", [True, False])
def test_an_instance_terminated_behind_drs_is_not_found(sim, drs, is_before):
    if is_before:
        sim.fault({"do": "terminated_behind_drs", "hostname": "db1"})
    start(drs, DB1)
    sim.advance("20m")
    if not is_before:
        sim.fault({"do": "terminated_behind_drs", "hostname": "db1"})

    assert instance_of(drs, DB1)["ec2InstanceState"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"instance_type": "m5.*"}, "FAILED"),
        ({"instance_type": "r5.large"}, "LAUNCHED"),
        ({"zone": "us-west-2a"}, "FAILED"),
        ({"zone": "us-west-2c"}, "LAUNCHED"),
    ],
)
def test_capacity_is_missing_by_type_and_zone(sim, drs, fault, status):
    sim.fault({"do": "no_capacity", **fault})
    job_id = start(drs, DB1)
    sim.advance("20m")

    assert statuses(drs, job_id) == {DB1: status}


def replication(drs, server=DB1):
    return drs.describe_source_servers(filters={"sourceServerIDs": [server]})["items"][0]["dataReplicationInfo"]


@pytest.mark.parametrize(
    ("fault", "state", "lag", "error"),
    [
        ({"do": "stall"}, "STALLED", "PT10M3S", "AGENT_NOT_SEEN"),
        ({"do": "stall", "error": "NOT_CONVERGING"}, "STALLED", "PT10M3S", "NOT_CONVERGING"),
        ({"do": "lag", "lag": "1h"}, "BACKLOG", "PT1H10M3S", None),
        ({"do": "lag", "lag": "1h", "growing": False}, "BACKLOG", "PT1H3S", None),
        ({"do": "disconnect"}, "DISCONNECTED", "PT10M3S", "AGENT_NOT_SEEN"),
        ({"do": "rescan"}, "RESCAN", "PT10M3S", None),
    ],
)
def test_replication_suffers_while_the_fault_lasts(sim, drs, fault, state, lag, error):  # noqa: PLR0917 - a table
    (name,) = sim.fault({"hostname": "db1", **fault})
    sim.advance("10m")
    seen = replication(drs)
    sim.no_faults(name)

    assert (seen["dataReplicationState"], seen["lagDuration"]) == (state, lag)
    assert seen.get("dataReplicationError", {}).get("error") == error
    assert replication(drs)["dataReplicationState"] == "CONTINUOUS"


def test_a_stalled_source_can_be_recovered_from_its_last_point(sim, drs):
    sim.fault({"hostname": "db1", "do": "stall"})
    sim.advance("30m")
    newest = drs.describe_recovery_snapshots(sourceServerID=DB1, order="DESC")["items"][0]["timestamp"]
    job_id = start(drs, DB1)
    sim.advance("30m")

    assert statuses(drs, job_id) == {DB1: "LAUNCHED"}
    assert instance_of(drs, DB1)["pointInTimeSnapshotDateTime"] == newest


def test_expired_points_are_gone_and_new_ones_come(sim, drs):
    pinned = drs.describe_recovery_snapshots(sourceServerID=DB1, order="DESC")["items"][0]["snapshotID"]
    sim.fault({"servers": [DB1], "do": "snapshot_expired"})

    assert drs.describe_recovery_snapshots(sourceServerID=DB1)["items"] == []
    assert refused(drs.start_recovery, sourceServers=[{"sourceServerID": DB1, "recoverySnapshotID": pinned}])[1] == 404
    sim.advance("11m")
    assert len(drs.describe_recovery_snapshots(sourceServerID=DB1)["items"]) == 1


def test_a_condition_with_a_count_takes_so_many_servers(sim, drs):
    sim.fault({"hostname": "app*", "do": "stall", "count": 2})
    states = [
        server["dataReplicationInfo"]["dataReplicationState"] for server in drs.describe_source_servers()["items"]
    ]

    assert states.count("STALLED") == 2


def test_a_foreign_job_holds_a_server_until_it_ends(sim, drs):
    (name,) = sim.fault({"do": "foreign_job", "hostname": "db1"})
    assert refused(drs.start_recovery, sourceServers=[{"sourceServerID": DB1}])[0] == "ConflictException"
    (foreign,) = drs.describe_jobs()["items"]
    sim.no_faults(name)
    sim.advance("5s")

    assert (
        foreign["status"],
        foreign["tags"],
        [server["sourceServerID"] for server in foreign["participatingServers"]],
    ) == (
        "STARTED",
        {},
        [DB1],
    )
    start(drs, DB1)


def test_a_native_plan_holds_a_server(sim, drs):
    sim.fault({"do": "native_plan", "hostname": "db1", "for": "5m"})
    assert refused(drs.start_recovery, sourceServers=[{"sourceServerID": DB1}])[0] == "ConflictException"
    sim.advance("6m")
    start(drs, DB1)


@pytest.mark.parametrize(
    ("fault", "quota"),
    [({"jobs": 20}, "L-D88FAC3A"), ({"in_jobs": 500}, "L-05AFA8C6"), ({"jobs": 19, "in_jobs": 500}, "L-05AFA8C6")],
)
def test_somebody_else_has_used_the_quota(sim, drs, fault, quota):
    sim.fault({"do": "quota_used", **fault})
    with pytest.raises(drs.exceptions.ServiceQuotaExceededException) as caught:
        start(drs, DB1)

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 402
    assert (caught.value.response["serviceCode"], caught.value.response["quotaCode"]) == ("drs", quota)


def test_a_new_job_and_its_instance_are_invisible_for_a_while(sim, drs):
    sim.fault({"do": "invisible_for", "seconds": "30s"})
    job_id = start(drs, DB1)
    assert drs.describe_jobs(filters={"jobIDs": [job_id]})["items"] == []
    assert refused(drs.start_recovery, sourceServers=[{"sourceServerID": DB1}])[0] == "ConflictException"
    sim.advance("31s")
    assert job(drs, job_id)["jobID"] == job_id


def test_stale_reads_show_the_past(sim, drs):
    job_id = start(drs, DB1)
    sim.advance("9m")
    sim.fault({"do": "stale_reads", "age": "1m"})
    assert job(drs, job_id)["status"] == "STARTED"
    assert "LAUNCH_END" not in events(drs, job_id)
    sim.advance("1m")
    assert job(drs, job_id)["status"] == "COMPLETED"
    assert statuses(drs, job_id) == {DB1: "LAUNCHED"}


def test_tiny_pages_lose_nothing(sim, drs):
    sim.fault({"do": "page_size", "items": 3})
    pages = list(drs.get_paginator("describe_source_servers").paginate())

    assert {len(page["items"]) for page in pages[:-1]} == {3}
    assert (
        len({server["sourceServerID"] for page in pages for server in page["items"]})
        == sum(len(page["items"]) for page in pages)
        > 40
    )


ACTION = {
    "resourceId": DB1,
    "actionCode": "AWSDisasterRecovery-VerifyHttp",
    "order": 1000,
    "optional": True,
    "active": True,
    "actionId": "12345678-1234-1234-1234-123456789012",
    "name": "http",
    "actionVersion": "$DEFAULT",
    "category": "VALIDATION",
    "parameters": {},
    "description": "",
}


@pytest.mark.parametrize(
    ("fault", "after", "reason"),
    [
        ({"do": "fail", "error": "exit 1"}, "15m", "exit 1"),
        ({"do": "hang"}, "90m", "the action timed out after 3600 seconds"),
        ({"do": "agent_missing"}, "30m", "SSM agent was not found on the launched instance"),
    ],
)
def test_launch_actions_fail_hang_and_never_find_their_agent(sim, drs, fault, after, reason):
    drs.put_launch_action(**ACTION)
    drs.update_launch_configuration(sourceServerID=DB1, postLaunchEnabled=True)
    sim.fault({"service": "drs", **fault})
    job_id = start(drs, DB1)
    sim.advance(after)
    status = job(drs, job_id)["participatingServers"][0]

    assert status["launchStatus"] == "LAUNCHED"
    assert [(run["status"], run["failureReason"]) for run in status["launchActionsStatus"]["runs"]] == [
        ("FAILED", reason)
    ]


def test_impaired_is_there_for_whoever_asks_ec2s_status(sim, drs):
    sim.fault({"do": "impaired", "hostname": "db1"})

    assert [fault["do"] for fault in sim.control("GET", "faults")] == ["impaired"]


def test_no_fault_is_without_a_test_of_its_effect():
    others = (
        ROOT / "operations" / "test_failback.py",
        ROOT / "faults" / "test_lies.py",
        ROOT / "neighbours" / "ec2" / "test_boots.py",
    )
    tested = "".join(file.read_text() for file in (Path(__file__), *others))

    assert [kind for kind in KINDS if f'"{kind}"' not in tested] == []


def test_a_fault_on_many_servers_hits_each(sim, drs):
    sim.fault({"hostname": "app*", "do": "fail_at", "event": "CONVERSION_START", "count": 2})
    job_id = start(drs, *[app(number) for number in range(1, 6)])
    sim.advance("20m")

    assert sorted(statuses(drs, job_id).values()) == ["FAILED", "FAILED", "LAUNCHED", "LAUNCHED", "LAUNCHED"]
