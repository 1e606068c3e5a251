import pytest
from simulator.neighbours.neighbourhood import DB1, HOME, WIN1, app, launch, refusal, says


def invocation(ssm, command_id, instance_id):
    answer = ssm.get_command_invocation(CommandId=command_id, InstanceId=instance_id)
    return answer["Status"], answer["StatusDetails"], answer["ResponseCode"]


def command(ssm, command_id):
    return ssm.list_commands(CommandId=command_id)["Commands"][0]


def test_an_agent_comes_online_some_time_after_its_instance_runs(sim, ssm):
    drs = sim.client("drs")
    drs.start_recovery(sourceServers=[{"sourceServerID": DB1}])
    sim.advance("536s")  # LAUNCH_END is at 533 s
    nobody = ssm.describe_instance_information()["InstanceInformationList"]
    instance_id = drs.describe_recovery_instances()["items"][0]["ec2InstanceID"]
    early = refusal(
        ssm.send_command,
        DocumentName="AWS-RunShellScript",
        InstanceIds=[instance_id],
        Parameters={"commands": ["true"]},
    )
    sim.advance("80s")  # 60 s, give or take a quarter
    nodes = ssm.describe_instance_information()["InstanceInformationList"]

    assert nobody == []
    assert early == ("InvalidInstanceId", 400, f"Instances [[{instance_id}]] not in a valid state for account {HOME}")
    assert [(node["InstanceId"], node["PingStatus"], node["PlatformType"], node["ComputerName"]) for node in nodes] == [
        (instance_id, "Online", "Linux", "db1")
    ]


def test_a_command_goes_from_pending_over_in_progress_to_success_with_its_output(sim, ssm):
    instance_id = launch(sim, DB1)[DB1]
    command_id = says(sim, ssm, instance_id, "hostname", "echo promoted", "sleep 60", Comment="promote db1")
    at_once = refusal(ssm.get_command_invocation, CommandId=command_id, InstanceId=instance_id)
    first = command(ssm, command_id)
    sim.advance("2s")
    running, whole = invocation(ssm, command_id, instance_id), command(ssm, command_id)["Status"]
    sim.advance("80s")
    done = ssm.get_command_invocation(CommandId=command_id, InstanceId=instance_id)

    assert at_once == ("InvocationDoesNotExist", 400, "")
    assert (first["Status"], first["TargetCount"], first["Comment"]) == ("Pending", 1, "promote db1")
    assert (running, whole) == (("InProgress", "InProgress", -1), "InProgress")
    assert (done["Status"], done["ResponseCode"], done["StandardOutputContent"]) == ("Success", 0, "db1\npromoted\n")
    assert done["PluginName"] == "aws:runShellScript"
    assert done["ExecutionElapsedTime"].startswith("PT")
    assert command(ssm, command_id)["StatusDetails"] == "Success"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(["echo no >&2", "exit 3"], ("Failed", 3, "", "no\n"), id="exits"),
        pytest.param(["false", "echo on"], ("Success", 0, "on\n", ""), id="the last line counts"),
        pytest.param(["set -e", "false", "echo on"], ("Failed", 1, "", ""), id="set -e"),
        pytest.param(["# a comment", "/opt/shop/promote --now"], ("Success", 0, "", ""), id="a program"),
    ],
)
def test_a_script_ends_as_it_says(sim, ssm, lines, expected):
    instance_id = launch(sim, DB1)[DB1]
    command_id = says(sim, ssm, instance_id, *lines)
    sim.advance("10s")
    answer = ssm.get_command_invocation(CommandId=command_id, InstanceId=instance_id)

    members = ("Status", "ResponseCode", "StandardOutputContent", "StandardErrorContent")
    assert tuple(answer[member] for member in members) == expected


@pytest.mark.parametrize(
    ("fault", "after", "expected"),
    [
        pytest.param({"do": "fail", "error": "disk full"}, "10s", ("Failed", "Failed", "disk full\n"), id="fail"),
        pytest.param({"do": "hang"}, "119s", ("InProgress", "InProgress", ""), id="hang"),
        pytest.param({"do": "hang"}, "121s", ("TimedOut", "ExecutionTimedOut", ""), id="hang for too long"),
        pytest.param({"do": "fail", "hostname": "app*"}, "10s", ("Success", "Success", ""), id="of somebody else"),
        pytest.param(
            {"do": "fail", "action": "AWS-RunPowerShellScript"},
            "10s",
            ("Success", "Success", ""),
            id="of another document",
        ),
    ],
)
def test_a_fault_ends_a_command(sim, ssm, fault, after, expected):
    instance_id = launch(sim, DB1)[DB1]
    sim.fault({"service": "ssm", **fault})
    command_id = ssm.send_command(
        DocumentName="AWS-RunShellScript",
        InstanceIds=[instance_id],
        Parameters={"commands": ["true"], "executionTimeout": ["120"]},
    )["Command"]["CommandId"]
    sim.advance(after)
    answer = ssm.get_command_invocation(CommandId=command_id, InstanceId=instance_id)

    assert (answer["Status"], answer["StatusDetails"], answer["StandardErrorContent"]) == expected
    assert command(ssm, command_id)["Status"] == expected[0]


def test_an_agent_that_is_missing_is_no_managed_node(sim, ssm):
    sim.fault({"do": "agent_missing", "hostname": "db1", "service": "ssm"})
    instances = launch(sim, DB1, app(1))
    nodes = ssm.describe_instance_information()["InstanceInformationList"]

    assert [node["InstanceId"] for node in nodes] == [instances[app(1)]]
    assert (
        refusal(
            ssm.send_command,
            DocumentName="AWS-RunShellScript",
            InstanceIds=[instances[DB1]],
            Parameters={"commands": ["true"]},
        )[0]
        == "InvalidInstanceId"
    )


def test_a_command_to_a_stopped_instance_is_never_delivered(sim, ssm, ec2):
    instance_id = launch(sim, DB1)[DB1]
    ssm.describe_instance_information()
    ec2.stop_instances(InstanceIds=[instance_id])
    ping = ssm.describe_instance_information()["InstanceInformationList"][0]["PingStatus"]
    command_id = says(sim, ssm, instance_id, "true", TimeoutSeconds=30)
    sim.advance("20s")
    waiting = invocation(ssm, command_id, instance_id)
    sim.advance("11s")

    assert ping == "ConnectionLost"
    assert waiting == ("Pending", "Pending", -1)
    assert invocation(ssm, command_id, instance_id) == ("TimedOut", "DeliveryTimedOut", -1)
    assert {
        k: command(ssm, command_id)[k] for k in ("Status", "StatusDetails", "ErrorCount", "DeliveryTimedOutCount")
    } == {
        "Status": "TimedOut",
        "StatusDetails": "DeliveryTimedOut",
        "ErrorCount": 0,
        "DeliveryTimedOutCount": 1,
    }


@pytest.mark.parametrize(
    ("request_of", "expected"),
    [
        pytest.param(
            {"DocumentName": "No-Such"},
            ("InvalidDocument", 400, "Document with name No-Such does not exist."),
            id="document",
        ),
        pytest.param(
            {"DocumentName": "Shop-Failover"},
            ("InvalidDocument", 400, "Document with name Shop-Failover does not exist."),
            id="a runbook",
        ),
        pytest.param(
            {"InstanceIds": ["i-00000000000000001"]},
            ("InvalidInstanceId", 400, f"Instances [[i-00000000000000001]] not in a valid state for account {HOME}"),
            id="instance",
        ),
        pytest.param(
            {"Parameters": {}},
            ("InvalidParameters", 400, "The document AWS-RunShellScript requires the parameters commands."),
            id="parameter missing",
        ),
        pytest.param(
            {"Parameters": {"commands": ["true"], "speed": ["9"]}},
            ("InvalidParameters", 400, "The parameters speed are not defined in the document AWS-RunShellScript."),
            id="parameter unknown",
        ),
        pytest.param(
            {"Targets": [{"Key": "tag:App", "Values": ["shop"]}]},
            ("ValidationException", 400, "Either InstanceIds or Targets must be given, and not both."),
            id="ids and targets",
        ),
        pytest.param(
            {"MaxErrors": "many"},
            (
                "ValidationException",
                400,
                r"Value 'many' at 'MaxErrors' failed to satisfy constraint: 0|[1-9]\d{0,6}|\d\d?%|100%",
            ),
            id="max errors",
        ),
    ],
)
def test_a_command_that_cannot_be_is_refused(sim, ssm, request_of, expected):
    instance_id = launch(sim, DB1)[DB1]
    request = {
        "DocumentName": "AWS-RunShellScript",
        "InstanceIds": [instance_id],
        "Parameters": {"commands": ["true"]},
        **request_of,
    }

    assert refusal(ssm.send_command, **request) == expected


def test_a_shell_script_is_refused_by_name_and_fails_by_tag_on_windows(sim, ssm):
    instance_id = launch(sim, WIN1)[WIN1]
    named = refusal(
        ssm.send_command,
        DocumentName="AWS-RunShellScript",
        InstanceIds=[instance_id],
        Parameters={"commands": ["true"]},
    )
    command_id = says(sim, ssm, "", "true", Targets=[{"Key": "tag:App", "Values": ["shop"]}])
    sim.advance("5s")

    assert named[0] == "UnsupportedPlatformType"
    assert invocation(ssm, command_id, instance_id) == ("Failed", "InvalidPlatform", -1)


def by_status(ssm, command_id):
    found = ssm.list_command_invocations(CommandId=command_id)["CommandInvocations"]
    return sorted((item["InstanceName"], item["Status"], item["StatusDetails"]) for item in found)


APPS = [{"Key": "tag:Tier", "Values": ["app"]}]


def test_targets_are_found_by_tag_among_the_managed_nodes(sim, ssm):
    launch(sim, DB1, app(1), app(2))
    command_id = says(sim, ssm, "", "hostname", Targets=APPS)
    sim.advance("10s")
    details = ssm.list_command_invocations(CommandId=command_id, Details=True)["CommandInvocations"]

    assert by_status(ssm, command_id) == [("app1", "Success", "Success"), ("app2", "Success", "Success")]
    assert sorted(detail["CommandPlugins"][0]["Output"] for detail in details) == ["app1\n", "app2\n"]


def test_a_tag_that_no_node_carries_is_a_success_of_nothing(sim, ssm):
    command_id = says(sim, ssm, "", "true", Targets=[{"Key": "tag:Tier", "Values": ["nowhere"]}])
    answer = command(ssm, command_id)

    assert (answer["Status"], answer["StatusDetails"], answer["TargetCount"]) == ("Success", "NoInstancesInTag", 0)


def test_after_more_errors_than_allowed_no_further_instance_is_tried(sim, ssm):
    launch(sim, *(app(number) for number in range(1, 5)))
    sim.fault({"do": "fail", "service": "ssm", "hostname": ["app1", "app2"]})
    command_id = says(sim, ssm, "", "true", Targets=APPS, MaxConcurrency="1", MaxErrors="1")
    sim.advance("60s")
    statuses = by_status(ssm, command_id)
    whole = command(ssm, command_id)

    assert [status for status in statuses if status[0] in {"app1", "app2"}] == [
        ("app1", "Failed", "Failed"),
        ("app2", "Failed", "Failed"),
    ]
    assert (whole["Status"], whole["ErrorCount"], whole["CompletedCount"]) == ("Failed", 2, 4)


def test_the_first_error_ends_a_command_that_allows_none(sim, ssm):
    launch(sim, *(app(number) for number in range(1, 5)))
    sim.fault({"do": "fail", "service": "ssm", "count": 1})
    command_id = says(sim, ssm, "", "true", Targets=APPS, MaxConcurrency="25%")
    sim.advance("60s")
    statuses = sorted(status for _, *status in by_status(ssm, command_id))

    assert statuses == [["Cancelled", "Terminated"]] * 3 + [["Failed", "Failed"]]
    assert command(ssm, command_id)["Status"] == "Failed"


def test_errors_within_the_limit_leave_a_command_successful_but_incomplete(sim, ssm):
    launch(sim, app(1), app(2))
    sim.fault({"do": "fail", "service": "ssm", "hostname": "app1"})
    command_id = says(sim, ssm, "", "true", Targets=APPS, MaxErrors="50%")
    sim.advance("60s")
    whole = command(ssm, command_id)

    assert (whole["Status"], whole["StatusDetails"], whole["ErrorCount"]) == ("Success", "Incomplete", 1)


def test_a_command_is_cancelled_where_it_runs_and_where_it_has_not_begun(sim, ssm):
    launch(sim, app(1), app(2))
    command_id = says(sim, ssm, "", "sleep 600", Targets=APPS, MaxConcurrency="1")
    sim.advance("5s")
    ssm.cancel_command(CommandId=command_id)
    first = sorted(status for _, status, _ in by_status(ssm, command_id))
    between = command(ssm, command_id)["Status"]
    sim.advance("2s")

    assert (first, between) == (["Cancelled", "Cancelling"], "Cancelling")
    assert [status for _, status, _ in by_status(ssm, command_id)] == ["Cancelled", "Cancelled"]
    assert command(ssm, command_id)["Status"] == "Cancelled"


def test_a_command_or_an_instance_that_is_unknown_is_said_to_be(sim, ssm):
    instance_id = launch(sim, DB1)[DB1]
    unknown = "00000000-0000-4000-8000-000000000000"

    assert refusal(ssm.get_command_invocation, CommandId=unknown, InstanceId=instance_id)[0] == "InvocationDoesNotExist"
    assert refusal(ssm.cancel_command, CommandId=unknown) == (
        "InvalidCommandId",
        400,
        f"Command id {unknown} does not exist.",
    )
    assert refusal(ssm.list_commands, CommandId="x" * 36)[0] == "InvalidCommandId"
    assert ssm.list_commands(CommandId=unknown)["Commands"] == []


def test_commands_are_listed_newest_first_page_by_page_and_filtered(sim, ssm):
    instance_id = launch(sim, DB1)[DB1]
    sent = [says(sim, ssm, instance_id, f"exit {code}") for code in (0, 1, 0)]
    sim.advance("10s")
    pages = ssm.get_paginator("list_commands").paginate(PaginationConfig={"PageSize": 2})
    failed = ssm.list_commands(Filters=[{"key": "Status", "value": "Failed"}])["Commands"]

    assert [[command["CommandId"] for command in page["Commands"]] for page in pages] == [[sent[2], sent[1]], [sent[0]]]
    assert [command["CommandId"] for command in failed] == [sent[1]]
    assert refusal(ssm.list_commands, NextToken="nonsense")[0] == "InvalidNextToken"


def test_documents_of_the_fleet_file_and_of_the_account_are_run(sim, ssm):
    instance_id = launch(sim, DB1)[DB1]
    ssm.create_document(
        Name="Own-Script",
        DocumentType="Command",
        DocumentFormat="YAML",
        Content="""
schemaVersion: '2.2'
parameters: {word: {type: String, default: hello}, code: {type: String}}
mainSteps:
  - {name: say, action: 'aws:runShellScript', inputs: {runCommand: ['echo {{ word }}', 'exit {{ code }}']}}
""",
    )
    told = ssm.send_command(DocumentName="Shop-Check", InstanceIds=[instance_id])["Command"]["CommandId"]
    own = ssm.send_command(
        DocumentName="Own-Script", InstanceIds=[instance_id], Parameters={"word": ["moin"], "code": ["4"]}
    )["Command"]["CommandId"]
    sim.advance("29s")
    early = invocation(ssm, told, instance_id)
    sim.advance("2s")
    answers = [ssm.get_command_invocation(CommandId=command_id, InstanceId=instance_id) for command_id in (told, own)]

    assert early[0] == "InProgress"
    assert [(answer["Status"], answer["StandardOutputContent"], answer["ResponseCode"]) for answer in answers] == [
        ("Success", "ok db1", 0),
        ("Failed", "moin\n", 4),
    ]
    assert (
        refusal(ssm.send_command, DocumentName="Own-Script", DocumentVersion="7", InstanceIds=[instance_id])[0]
        == "InvalidDocumentVersion"
    )


def test_a_command_that_stays_unseen_is_found_later(sim, ssm):
    instance_id = launch(sim, DB1)[DB1]
    sim.fault({"service": "ssm", "do": "invisible_for", "seconds": 60, "count": 1})
    command_id = says(sim, ssm, instance_id, "true")
    sim.advance("59s")
    hidden = refusal(ssm.get_command_invocation, CommandId=command_id, InstanceId=instance_id)[0]
    sim.advance("2s")

    assert hidden == "InvocationDoesNotExist"
    assert invocation(ssm, command_id, instance_id)[0] == "Success"


def test_managed_nodes_are_filtered(sim, ssm):
    instances = launch(sim, DB1, WIN1, app(1))
    by_platform = ssm.describe_instance_information(Filters=[{"Key": "PlatformTypes", "Values": ["Windows"]}])
    by_tag = ssm.describe_instance_information(Filters=[{"Key": "tag:Tier", "Values": ["app"]}])
    by_id = ssm.describe_instance_information(
        InstanceInformationFilterList=[{"key": "InstanceIds", "valueSet": [instances[DB1]]}]
    )

    assert [
        [node["ComputerName"] for node in answer["InstanceInformationList"]] for answer in (by_platform, by_tag, by_id)
    ] == [
        ["win1"],
        ["app1"],
        ["db1"],
    ]
    assert (
        refusal(ssm.describe_instance_information, Filters=[{"Key": "Colour", "Values": ["red"]}])[0]
        == "InvalidFilterKey"
    )


def test_output_is_put_into_the_bucket_that_the_command_names(sim, ssm):
    s3 = sim.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="drill-output")
    instance_id = launch(sim, DB1)[DB1]
    command_id = says(
        sim, ssm, instance_id, "echo done", "exit 2", OutputS3BucketName="drill-output", OutputS3KeyPrefix="2026"
    )
    lost = says(sim, ssm, instance_id, "echo done", OutputS3BucketName="nowhere")
    sim.advance("10s")
    key = f"2026/{command_id}/{instance_id}/awsrunShellScript/0.awsrunShellScript/stdout"
    url = ssm.get_command_invocation(CommandId=command_id, InstanceId=instance_id)["StandardOutputUrl"]

    assert s3.get_object(Bucket="drill-output", Key=key)["Body"].read() == b"done\n"
    assert url == f"https://s3.us-west-2.amazonaws.com/drill-output/{key}"
    assert invocation(ssm, lost, instance_id)[0] == "Success"


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"CloudWatchOutputConfig": {"CloudWatchOutputEnabled": True}}, id="logs"),
        pytest.param({"AlarmConfiguration": {"Alarms": [{"Name": "errors"}]}}, id="alarms"),
        pytest.param({"NotificationConfig": {"NotificationArn": f"arn:aws:sns:us-west-2:{HOME}:x"}}, id="notification"),
    ],
)
def test_what_is_not_simulated_of_a_command_is_refused_by_name(sim, ssm, more):
    (member,) = more

    assert refusal(
        ssm.send_command, DocumentName="AWS-RunShellScript", InstanceIds=["i-00000000000000001"], **more
    ) == (
        "NotImplementedBySimulator",
        501,
        f"the simulator does not run commands with {member}",
    )
