"""Guards, quotas, errors, pages, tags, replication and the way back: the service beyond launching."""

import json
import threading
import urllib.error
import urllib.request

import botocore.session
import pytest
from botocore.exceptions import ClientError
from drs_simulator.operations.registry import OPERATIONS
from drs_simulator.protocol.validation import OBSERVED_VALUES, drs_model
from kit.aws_models import needs_native_plans
from simulator.small_fleet import (
    DB1,
    DB2,
    HOME,
    NEW1,
    OFF1,
    ONPREM1,
    STAGING,
    app,
    events,
    instance_of,
    job,
    start,
    statuses,
)


def code_of(call, **parameters) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"]


def launched(sim, drs, *servers, **more) -> str:
    job_id = start(drs, *servers, **more)
    sim.advance("25m")
    return job_id


def assumed(sim, account, region="us-west-2"):
    credentials = sim.client("sts").assume_role(RoleArn=f"arn:aws:iam::{account}:role/any", RoleSessionName="test")[
        "Credentials"
    ]
    return sim.client(
        "drs",
        region_name=region,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


# -- contention and quotas ------------------------------------------------------------------------------------------


def test_of_thirty_who_race_for_a_server_one_wins(sim):
    won, lost = [], []

    def race():
        try:
            won.append(start(sim.client("drs"), DB1))
        except ClientError as error:
            lost.append(error.response["Error"]["Code"])

    racers = [threading.Thread(target=race) for _ in range(30)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()

    assert (len(won), set(lost), len(lost)) == (1, {"ConflictException"}, 29)


def test_a_terminate_job_holds_its_server_too(sim, drs):
    launched(sim, drs, DB1)
    drs.terminate_recovery_instances(recoveryInstanceIDs=[instance_of(drs, DB1)["recoveryInstanceID"]])

    with pytest.raises(drs.exceptions.ConflictException) as caught:
        start(drs, DB1)
    assert caught.value.response["Error"]["Message"] == (
        "One or more of the Source Servers included in API call are currently being processed by a Job"
    )


# -- jobs and instances ---------------------------------------------------------------------------------------------


def test_terminated_instances_are_shown_for_a_while_and_then_gone(sim, drs):
    launched(sim, drs, DB1)
    instance_id = instance_of(drs, DB1)["recoveryInstanceID"]
    job_id = drs.terminate_recovery_instances(recoveryInstanceIDs=[instance_id])["job"]["jobID"]
    sim.advance("90s")
    shown = instance_of(drs, DB1)["ec2InstanceState"]
    sim.advance("5m")

    assert (job(drs, job_id)["type"], statuses(drs, job_id)) == ("TERMINATE", {DB1: "TERMINATED"})
    assert shown == "TERMINATED"
    assert drs.describe_recovery_instances()["items"] == []
    assert "recoveryInstanceId" not in drs.describe_source_servers(filters={"sourceServerIDs": [DB1]})["items"][0]


def test_jobs_are_listed_newest_first_and_by_date(sim, drs):
    first = start(drs, DB1)
    sim.advance("1m")
    second = start(drs, DB2)
    between = drs.describe_jobs(filters={"jobIDs": [second]})["items"][0]["creationDateTime"].replace("+00:00", "Z")

    assert [job["jobID"] for job in drs.describe_jobs()["items"]] == [second, first]
    assert [job["jobID"] for job in drs.describe_jobs(filters={"fromDate": between})["items"]] == [second]
    assert [job["jobID"] for job in drs.describe_jobs(filters={"toDate": "2020-01-01T00:00:00.000Z"})["items"]] == []


def test_delete_job_cancels_nothing(sim, drs):
    job_id = start(drs, DB1)
    assert code_of(drs.delete_job, jobID=job_id) == "ConflictException"
    sim.advance("20m")
    drs.delete_job(jobID=job_id)

    assert drs.describe_jobs()["items"] == []
    assert instance_of(drs, DB1)["ec2InstanceState"] == "RUNNING"


def test_paginators_walk_through_everything(sim, drs):
    for number in range(1, 6):
        start(drs, app(number))
    jobs = [
        job
        for page in drs.get_paginator("describe_jobs").paginate(PaginationConfig={"PageSize": 2})
        for job in page["items"]
    ]

    assert len({job["jobID"] for job in jobs}) == 5
    assert code_of(drs.describe_jobs, nextToken="made up") == "ValidationException"


def test_tags_are_read_and_changed_by_arn(sim, drs):
    server = f"arn:aws:drs:us-west-2:{HOME}:source-server/{DB1}"
    job_arn = drs.start_recovery(sourceServers=[{"sourceServerID": DB1}], tags={"run": "1"})["job"]["arn"]
    drs.tag_resource(resourceArn=server, tags={"Owner": "me", "Tier": "data"})
    drs.untag_resource(resourceArn=server, tagKeys=["App", "never there"])

    assert drs.list_tags_for_resource(resourceArn=server)["tags"] == {"Tier": "data", "Owner": "me"}
    assert drs.list_tags_for_resource(resourceArn=job_arn)["tags"] == {"run": "1"}
    assert code_of(drs.list_tags_for_resource, resourceArn=server + "0") == "ResourceNotFoundException"
    assert (
        code_of(drs.tag_resource, resourceArn=server, tags={str(number): "" for number in range(51)})
        == "ValidationException"
    )


# -- accounts, errors -----------------------------------------------------------------------------------------------


def test_accounts_and_regions_are_apart(sim, drs):
    there = assumed(sim, STAGING)

    assert len(there.describe_source_servers()["items"]) == 1
    assert code_of(sim.client("drs", region_name="eu-central-1").describe_jobs) == "UninitializedAccountException"
    sim.client("drs", region_name="eu-central-1").initialize_service()
    assert sim.client("drs", region_name="eu-central-1").describe_jobs()["items"] == []


def raw(sim, method, path, body, headers=None):
    scope = "AWS4-HMAC-SHA256 Credential=x/20260101/us-west-2/drs/aws4_request, SignedHeaders=host, Signature=0"
    request = urllib.request.Request(
        f"{sim.url}{path}", body, {"Authorization": scope, **(headers or {})}, method=method
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers.get("x-amzn-ErrorType"), json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("x-amzn-ErrorType"), json.load(error)


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        pytest.param("/StartRecovery", b"{", None, id="no JSON"),
        pytest.param("/StartRecovery", b"[]", None, id="no object"),
        pytest.param("/StartRecovery", b"{}", ["sourceServers"], id="missing"),
        pytest.param(
            "/StartRecovery",
            b'{"sourceServers": [{"sourceServerID": "db1"}]}',
            ["sourceServers[0].sourceServerID"] * 2,
            id="pattern",
        ),
        pytest.param(
            "/StartRecovery",
            b'{"sourceServers": [], "dryRun": true}',
            ["sourceServers", "dryRun"],
            id="empty and unknown",
        ),
        pytest.param("/StartRecovery", b'{"sourceServers": "all"}', ["sourceServers"], id="wrong type"),
        pytest.param("/DescribeJobs", b'{"maxResults": 0}', ["maxResults"], id="too small"),
        pytest.param("/DescribeJobs", b'{"maxResults": true}', ["maxResults"], id="bool for a number"),
        pytest.param(
            "/DescribeJobs",
            b'{"filters": {"fromDate": "2026-01-01T00:00:00+00:00"}}',
            ["filters.fromDate"],
            id="date without Z",
        ),
        pytest.param("/DescribeJobs", b'{"filters": {"jobIDs": ["job-1"]}}', ["filters.jobIDs[0]"] * 2, id="job id"),
        pytest.param(
            "/DescribeRecoverySnapshots",
            b'{"sourceServerID": "s-00000000000000000", "order": "UP"}',
            ["order"],
            id="enum",
        ),
        pytest.param("/NoSuchOperation", b"{}", None, id="no such operation"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(sim, path, body, fields):
    status, kind, answer = raw(sim, "POST", path, body)

    assert (status, kind) == (400, "ValidationException")
    assert [field["name"] for field in answer.get("fieldList", [])] == (fields or [])


@pytest.mark.parametrize("operation", sorted(drs_model().operation_names))
@pytest.mark.parametrize(
    "body", [b"", b"null", b'{"x": 1}', b'{"sourceServerID": {"a": [1]}, "recoveryInstanceIDs": 7}', b"\xff\xfe"]
)
def test_no_request_makes_the_simulator_fail(running, operation, body):
    http = drs_model().operation_model(operation).http
    status, _, answer = raw(running, http["method"], http["requestUri"].replace("{resourceArn}", "x"), body or None)

    assert status < 500, answer


@needs_native_plans
def test_the_simulator_knows_every_operation_of_botocores_model():
    assert set(drs_model().operation_names) - set(OPERATIONS) == set()
    assert set(OPERATIONS) - set(drs_model().operation_names) == set()


KNOWN_ENUMS = {
    "JobStatus": {"PENDING", "STARTED", "COMPLETED"},
    "LaunchStatus": {"PENDING", "IN_PROGRESS", "LAUNCHED", "FAILED", "TERMINATED"},
    "JobType": {"LAUNCH", "TERMINATE", "CREATE_CONVERTED_SNAPSHOT"},
    "InitiatedBy": {
        "START_RECOVERY",
        "START_DRILL",
        "FAILBACK",
        "DIAGNOSTIC",
        "TERMINATE_RECOVERY_INSTANCES",
        "TARGET_ACCOUNT",
        "CREATE_NETWORK_RECOVERY",
        "UPDATE_NETWORK_RECOVERY",
        "ASSOCIATE_NETWORK_RECOVERY",
    },
    "DataReplicationState": {
        "STOPPED",
        "INITIATING",
        "INITIAL_SYNC",
        "BACKLOG",
        "CREATING_SNAPSHOT",
        "CONTINUOUS",
        "PAUSED",
        "RESCAN",
        "STALLED",
        "DISCONNECTED",
    },
    "EC2InstanceState": {"PENDING", "RUNNING", "STOPPING", "STOPPED", "SHUTTING-DOWN", "TERMINATED", "NOT_FOUND"},
    "FailbackState": {
        "FAILBACK_NOT_STARTED",
        "FAILBACK_IN_PROGRESS",
        "FAILBACK_READY_FOR_LAUNCH",
        "FAILBACK_COMPLETED",
        "FAILBACK_ERROR",
        "FAILBACK_NOT_READY_FOR_LAUNCH",
        "FAILBACK_LAUNCH_STATE_NOT_AVAILABLE",
    },
    "LaunchActionRunStatus": {"IN_PROGRESS", "SUCCEEDED", "FAILED"},
    "RecoveryPlanExecutionStatus": {"CREATED", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLING", "CANCELLED"},
    "RecoveryPlanExecutionStepStatus": {
        "NOT_STARTED",
        "EXECUTING",
        "WAITING",
        "COMPLETED",
        "FAILED",
        "TIMED_OUT",
        "SKIPPED",
    },
    "LastLaunchResult": {"NOT_STARTED", "PENDING", "SUCCEEDED", "FAILED"},
    "ReplicationStatus": {"STOPPED", "IN_PROGRESS", "PROTECTED", "ERROR"},
}


def known_to_botocore(name):
    """A parameter that steps aside where the installed botocore is older than native recovery plans."""
    return pytest.param(name, marks=needs_native_plans) if name.startswith("RecoveryPlan") else name


@pytest.mark.parametrize("name", map(known_to_botocore, sorted(KNOWN_ENUMS)))
def test_a_value_that_aws_adds_to_an_enum_is_noticed(name):
    model = botocore.session.get_session().get_service_model("drs")

    assert set(model.shape_for(name).enum) == KNOWN_ENUMS[name]


@pytest.mark.parametrize("name", map(known_to_botocore, OBSERVED_VALUES))
def test_an_observed_value_that_aws_adds_to_its_model_is_no_deviation_any_more(name):
    assert not OBSERVED_VALUES[name] & set(drs_model().shape_for(name).enum)


# -- replication ----------------------------------------------------------------------------------------------------


def replication(drs, server):
    return drs.describe_source_servers(filters={"sourceServerIDs": [server]})["items"][0]["dataReplicationInfo"]


def test_a_new_server_goes_through_its_initial_sync(sim, drs):
    seen = []
    for _ in range(40):
        state = replication(drs, NEW1)["dataReplicationState"]
        seen += [state] if seen[-1:] != [state] else []
        sim.advance("29s" if state == "CREATING_SNAPSHOT" else "1m")

    assert [state for state in seen if state != "CREATING_SNAPSHOT"] == ["INITIATING", "INITIAL_SYNC", "CONTINUOUS"]
    start(drs, NEW1)


def test_recovery_points_follow_the_policy_and_age_out(sim, drs):
    def points():
        return [
            snapshot["snapshotID"]
            for snapshot in drs.describe_recovery_snapshots(sourceServerID=DB1, maxResults=1000)["items"]
        ]

    before = points()
    sim.advance("10m")
    after = points()

    assert 30 <= len(before) <= 37
    assert len(set(after) - set(before)) == 1
    assert drs.describe_recovery_snapshots(sourceServerID=DB1, order="DESC")["items"][0]["snapshotID"] == after[-1]


def test_stopping_replication_deletes_the_recovery_points_and_starting_begins_afresh(sim, drs):
    drs.stop_replication(sourceServerID=DB1)
    assert drs.describe_recovery_snapshots(sourceServerID=DB1)["items"] == []
    assert replication(drs, DB1)["dataReplicationState"] == "STOPPED"
    drs.start_replication(sourceServerID=DB1)
    assert replication(drs, DB1)["dataReplicationState"] == "INITIATING"
    assert code_of(drs.start_replication, sourceServerID=DB2) == "ConflictException"


def test_a_server_with_a_recovery_instance_cannot_be_disconnected(sim, drs):
    launched(sim, drs, DB1)
    assert code_of(drs.disconnect_source_server, sourceServerID=DB1) == "ConflictException"
    assert code_of(drs.delete_source_server, sourceServerID=OFF1) == "ConflictException"
    drs.disconnect_source_server(sourceServerID=OFF1)
    drs.delete_source_server(sourceServerID=OFF1)
    assert drs.describe_source_servers(filters={"sourceServerIDs": [OFF1]})["items"] == []


# -- the way back ---------------------------------------------------------------------------------------------------


def test_a_failover_is_reversed_failed_back_and_protected_again(sim, drs):
    job_id = start(drs, DB2)
    sim.advance("540s")
    instance = instance_of(drs, DB2)["recoveryInstanceID"]
    assert job(drs, job_id)["status"] == "COMPLETED"
    assert code_of(drs.reverse_replication, recoveryInstanceID=instance) == "ConflictException"
    sim.advance("10m")
    drs.reverse_replication(recoveryInstanceID=instance)
    origin = sim.client("drs", region_name="us-east-1")
    (back,) = origin.describe_source_servers()["items"]
    assert (back["replicationDirection"], back["sourceProperties"]["identificationHints"]["awsInstanceID"]) == (
        "FAILBACK",
        instance,
    )
    assert instance_of(drs, DB2)["failback"]["state"] == "FAILBACK_IN_PROGRESS"
    assert code_of(drs.terminate_recovery_instances, recoveryInstanceIDs=[instance]) == "ConflictException"
    sim.advance("1h")
    assert instance_of(drs, DB2)["failback"]["state"] == "FAILBACK_READY_FOR_LAUNCH"

    failback = start(origin, back["sourceServerID"])
    sim.advance("30m")
    assert statuses(origin, failback) == {back["sourceServerID"]: "LAUNCHED"}
    assert instance_of(drs, DB2)["failback"]["state"] == "FAILBACK_COMPLETED"
    primary = instance_of(origin, back["sourceServerID"])["recoveryInstanceID"]

    origin.reverse_replication(recoveryInstanceID=primary)
    assert instance_of(origin, back["sourceServerID"])["dataReplicationInfo"]["dataReplicationState"] == "STALLED"
    sim.advance("6m")
    assert replication(drs, DB2)["dataReplicationState"] == "RESCAN"
    sim.advance("1h")
    protected = replication(drs, DB2)
    assert protected["dataReplicationState"] == "CONTINUOUS"
    assert all(disk["rescannedStorageBytes"] >= disk["totalStorageBytes"] for disk in protected["replicatedDisks"])

    origin.stop_replication(sourceServerID=back["sourceServerID"])
    drs.stop_failback(recoveryInstanceID=instance)
    drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])
    origin.stop_failback(recoveryInstanceID=primary)
    origin.delete_recovery_instance(recoveryInstanceID=primary)
    origin.disconnect_source_server(sourceServerID=back["sourceServerID"])
    origin.delete_source_server(sourceServerID=back["sourceServerID"])
    assert (
        sim.client("ec2", region_name="us-east-1").describe_instances()["Reservations"][0]["Instances"][0]["State"][
            "Name"
        ]
        == "running"
    )


def test_a_server_from_a_data_centre_fails_back_by_the_failback_client_only(sim, drs):
    launched(sim, drs, ONPREM1)
    instance = instance_of(drs, ONPREM1)["recoveryInstanceID"]
    assert code_of(drs.reverse_replication, recoveryInstanceID=instance) == "ConflictException"
    assert code_of(drs.start_failback_launch, recoveryInstanceIDs=[instance]) == "ConflictException"


# -- networks and native plans --------------------------------------------------------------------------------------


def test_a_source_network_is_protected_and_recovered(sim, drs):
    network = drs.create_source_network(vpcID="vpc-0123456789abcdef0", originAccountID=HOME, originRegion="us-east-1")[
        "sourceNetworkID"
    ]
    assert (
        code_of(drs.start_source_network_recovery, sourceNetworks=[{"sourceNetworkID": network}]) == "ConflictException"
    )
    drs.start_source_network_replication(sourceNetworkID=network)
    sim.advance("5m")
    job_id = drs.start_source_network_recovery(sourceNetworks=[{"sourceNetworkID": network}], tags={"run": "1"})["job"][
        "jobID"
    ]
    sim.advance("10m")
    (shown,) = drs.describe_source_networks()["items"]

    assert [resource["launchStatus"] for resource in job(drs, job_id)["participatingResources"]] == ["LAUNCHED"]
    assert (shown["replicationStatus"], shown["lastRecovery"]["lastRecoveryResult"]) == ("PROTECTED", "SUCCESS")
    assert "DEPLOY_NETWORK_CONFIGURATION_END" in events(drs, job_id)


def arn_of(server: str) -> str:
    return f"arn:aws:drs:us-west-2:{HOME}:source-server/{server}"


def native_plan(drs, *steps) -> str:
    plan = drs.create_recovery_plan(name="native")["recoveryPlan"]["recoveryPlanArn"]
    for number, step in enumerate(steps):
        configuration = (
            {"waitStepConfiguration": {"waitDurationMinutes": step}}
            if isinstance(step, int)
            else {"serverStepConfiguration": {"servers": [{"serverArn": arn_of(server)} for server in step]}}
        )
        drs.create_recovery_plan_step(recoveryPlanArn=plan, stepName=f"step {number}", configuration=configuration)
    return plan


@needs_native_plans
def test_a_native_plan_is_a_second_actor_that_holds_its_servers(sim, drs):
    plan = native_plan(drs, [DB1], 5, [DB2])
    execution = drs.start_recovery_plan_execution(recoveryPlanArn=plan, mode="DRILL")["recoveryPlanExecution"][
        "recoveryPlanExecutionArn"
    ]

    def steps():
        return [
            step["status"]
            for step in drs.list_recovery_plan_execution_steps(recoveryPlanExecutionArn=execution)[
                "recoveryPlanExecutionSteps"
            ]
        ]

    assert code_of(drs.start_recovery, sourceServers=[{"sourceServerID": DB2}]) == "ConflictException"
    sim.advance("5m")
    assert steps() == ["EXECUTING", "NOT_STARTED", "NOT_STARTED"]
    sim.advance("5m")
    assert steps() == ["COMPLETED", "WAITING", "NOT_STARTED"]
    sim.advance("15m")
    assert (
        drs.get_recovery_plan_execution(recoveryPlanExecutionArn=execution)["recoveryPlanExecution"]["status"]
        == "COMPLETED"
    )
    assert code_of(drs.delete_source_server, sourceServerID=DB1) == "ConflictException"
    start(drs, DB2)


@needs_native_plans
def test_a_critical_server_that_fails_stops_a_native_plan_and_a_retry_goes_on(sim, drs):
    plan = native_plan(drs, [DB1, app(1)], [DB2])
    sim.fault({"hostname": "db1", "do": "fail_at", "event": "LAUNCH_START", "count": 1})
    execution = drs.start_recovery_plan_execution(recoveryPlanArn=plan, mode="RECOVERY")["recoveryPlanExecution"][
        "recoveryPlanExecutionArn"
    ]
    sim.advance("15m")
    steps = drs.list_recovery_plan_execution_steps(recoveryPlanExecutionArn=execution)["recoveryPlanExecutionSteps"]
    assert [step["status"] for step in steps] == ["FAILED", "NOT_STARTED"]
    drs.retry_recovery_plan_execution_step(recoveryPlanExecutionStepArn=steps[0]["recoveryPlanExecutionStepArn"])
    sim.advance("30m")

    assert (
        drs.get_recovery_plan_execution(recoveryPlanExecutionArn=execution)["recoveryPlanExecution"]["status"]
        == "COMPLETED"
    )
    jobs = drs.describe_jobs()["items"][::-1]
    assert [sorted(server["sourceServerID"] for server in item["participatingServers"]) for item in jobs] == [
        sorted([DB1, app(1)]),
        [DB1],
        [DB2],
    ]


@needs_native_plans
def test_cancelling_a_native_plan_never_stops_its_job(sim, drs):
    plan = native_plan(drs, [DB1], [DB2])
    execution = drs.start_recovery_plan_execution(recoveryPlanArn=plan, mode="DRILL")["recoveryPlanExecution"][
        "recoveryPlanExecutionArn"
    ]
    sim.advance("1m")
    assert (
        drs.cancel_recovery_plan_execution(recoveryPlanExecutionArn=execution)["recoveryPlanExecution"]["status"]
        == "CANCELLING"
    )
    sim.advance("20m")

    assert (
        drs.get_recovery_plan_execution(recoveryPlanExecutionArn=execution)["recoveryPlanExecution"]["status"]
        == "CANCELLED"
    )
    assert [statuses(drs, job["jobID"]) for job in drs.describe_jobs()["items"]] == [{DB1: "LAUNCHED"}]


# -- settings -------------------------------------------------------------------------------------------------------


def test_replication_settings_keep_the_three_rules(sim, drs):
    settings = drs.get_replication_configuration(sourceServerID=DB1)
    policy = settings["pitPolicy"]
    policy[2]["retentionDuration"] = 30
    drs.update_replication_configuration(sourceServerID=DB1, pitPolicy=policy)
    policy[0]["interval"] = 5

    assert drs.get_replication_configuration(sourceServerID=DB1)["pitPolicy"][2]["retentionDuration"] == 30
    assert code_of(drs.update_replication_configuration, sourceServerID=DB1, pitPolicy=policy) == "ValidationException"


def test_templates_come_and_go(sim, drs):
    made = drs.create_launch_configuration_template(launchDisposition="STOPPED", tags={"a": "b"})[
        "launchConfigurationTemplate"
    ]
    name = made["launchConfigurationTemplateID"]
    assert code_of(drs.create_launch_configuration_template) == "ServiceQuotaExceededException"
    drs.update_launch_configuration_template(launchConfigurationTemplateID=name, copyTags=False)
    assert [template["copyTags"] for template in drs.describe_launch_configuration_templates()["items"]] == [False]
    assert drs.list_tags_for_resource(resourceArn=made["arn"])["tags"] == {"a": "b"}
    drs.delete_launch_configuration_template(launchConfigurationTemplateID=name)
    assert (
        code_of(drs.delete_launch_configuration_template, launchConfigurationTemplateID=name)
        == "ResourceNotFoundException"
    )


def test_extended_servers_are_made_from_a_staging_account(sim, drs):
    there = assumed(sim, STAGING)
    (staged,) = there.describe_source_servers()["items"]
    assert [account["accountID"] for account in drs.list_staging_accounts()["accounts"]] == [STAGING]
    assert drs.list_extensible_source_servers(stagingAccountID=STAGING)["items"] == []
    made = drs.create_extended_source_server(sourceServerArn=staged["arn"])["sourceServer"]
    assert made["stagingArea"] == {
        "status": "EXTENDED",
        "stagingAccountID": STAGING,
        "stagingSourceServerArn": staged["arn"],
    }
