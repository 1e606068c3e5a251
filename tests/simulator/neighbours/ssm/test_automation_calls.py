import re

import pytest
from drs_simulator.client import ControlPlaneError
from simulator.neighbours.neighbourhood import DB1, HOME, launch, refusal


def execution(ssm, name):
    return ssm.get_automation_execution(AutomationExecutionId=name)["AutomationExecution"]


def steps(ssm, name):
    return [(step["StepName"], step["StepStatus"]) for step in execution(ssm, name)["StepExecutions"]]


def started(ssm, **request):
    return ssm.start_automation_execution(**{"DocumentName": "Shop-Failover", **request})["AutomationExecutionId"]


def test_a_runbook_goes_step_by_step_to_success_and_its_outputs(sim, ssm):
    name = started(ssm)
    pending = execution(ssm, name)["AutomationExecutionStatus"], steps(ssm, name)
    sim.advance("61s")
    second = execution(ssm, name)
    sim.advance("60s")
    done = execution(ssm, name)

    assert pending == ("Pending", [("promote", "Pending"), ("verify", "Pending")])
    assert (second["AutomationExecutionStatus"], second["CurrentStepName"]) == ("InProgress", "verify")
    assert (done["AutomationExecutionStatus"], done["Outputs"]) == ("Success", {"promote.Endpoint": ["db.example.com"]})
    assert steps(ssm, name) == [("promote", "Success"), ("verify", "Success")]
    assert done["ExecutionEndTime"] > done["ExecutionStartTime"]


def test_a_failed_step_fails_the_runbook_and_the_next_one_never_begins(sim, ssm):
    sim.fault({"service": "ssm", "do": "fail", "action": "Shop-Failover", "error": "the replica lags", "count": 1})
    name = started(ssm)
    sim.advance("5m")
    failed = execution(ssm, name)

    assert failed["AutomationExecutionStatus"] == "Failed"
    assert failed["FailureMessage"] == "Step promote (aws:executeScript) failed: the replica lags"
    assert steps(ssm, name) == [("promote", "Failed"), ("verify", "Pending")]


def test_a_step_that_hangs_is_in_progress_until_somebody_stops_it(sim, ssm):
    sim.fault({"service": "ssm", "do": "hang", "count": 1})
    name = started(ssm)
    sim.advance("10h")
    hung = execution(ssm, name)["AutomationExecutionStatus"]
    ssm.stop_automation_execution(AutomationExecutionId=name)
    cancelling = execution(ssm, name)["AutomationExecutionStatus"]
    sim.advance("2s")

    assert (hung, cancelling) == ("InProgress", "Cancelling")
    assert execution(ssm, name)["AutomationExecutionStatus"] == "Cancelled"
    assert refusal(ssm.stop_automation_execution, AutomationExecutionId=name) == (
        "InvalidAutomationStatusUpdateException",
        400,
        f"Automation execution {name} is Cancelled and cannot be stopped.",
    )


OWN = """
schemaVersion: '0.3'
mainSteps:
  - {name: first, action: 'aws:sleep', timeoutSeconds: 60, inputs: {Duration: %s}, onFailure: %s}
  - {name: second, action: 'aws:sleep', inputs: {Duration: PT1M}}
"""


@pytest.mark.parametrize(
    ("first", "faults", "expected"),
    [
        pytest.param(("PT30S", "Abort"), [], ("Success", ["Success", "Success"]), id="in time"),
        pytest.param(("PT2M", "Abort"), [], ("TimedOut", ["TimedOut", "Pending"]), id="too long"),
        pytest.param(("PT30S", "Abort"), [{"do": "hang"}], ("TimedOut", ["TimedOut", "Pending"]), id="hangs"),
        pytest.param(
            ("PT30S", "Continue"),
            [{"do": "fail", "count": 1}],
            ("Failed", ["Failed", "Success"]),
            id="goes on after a failure",
        ),
    ],
)
def test_a_runbook_of_the_account_keeps_to_its_steps(sim, ssm, first, faults, expected):
    ssm.create_document(Name="Own", DocumentType="Automation", DocumentFormat="YAML", Content=OWN % first)
    sim.fault(*[{"service": "ssm", **fault} for fault in faults])
    name = started(ssm, DocumentName="Own")
    sim.advance("10m")

    went = [step for _, step in steps(ssm, name)]
    assert (execution(ssm, name)["AutomationExecutionStatus"], went) == expected


def test_the_runbooks_for_instances_do_what_they_say(sim, ssm, ec2):
    instance_id = launch(sim, DB1)[DB1]

    def run(document):
        name = started(ssm, DocumentName=document, Parameters={"InstanceId": [instance_id]})
        sim.advance("1m")
        state = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]["State"]["Name"]
        return execution(ssm, name)["AutomationExecutionStatus"], state

    assert [run(f"AWS-{word}EC2Instance") for word in ("Stop", "Start", "Restart", "Terminate")] == [
        ("Success", "stopped"),
        ("Success", "running"),
        ("Success", "running"),
        ("Success", "terminated"),
    ]


def test_a_runbook_for_an_instance_that_is_gone_fails(sim, ssm):
    name = started(ssm, DocumentName="AWS-StopEC2Instance", Parameters={"InstanceId": ["i-00000000000000001"]})
    sim.advance("1m")

    assert execution(ssm, name)["AutomationExecutionStatus"] == "Failed"
    assert "InvalidInstanceID.NotFound" in execution(ssm, name)["FailureMessage"]


@pytest.mark.parametrize(
    ("request_of", "expected"),
    [
        pytest.param(
            {"DocumentName": "No-Such"},
            ("AutomationDefinitionNotFoundException", 400, "Automation definition No-Such is not found."),
            id="document",
        ),
        pytest.param(
            {"DocumentName": "AWS-RunShellScript"},
            ("AutomationDefinitionNotFoundException", 400, "Automation definition AWS-RunShellScript is not found."),
            id="a command",
        ),
        pytest.param(
            {"DocumentName": "AWS-StopEC2Instance"},
            (
                "InvalidAutomationExecutionParametersException",
                400,
                "The document AWS-StopEC2Instance requires the parameters InstanceId.",
            ),
            id="parameter",
        ),
        pytest.param(
            {"Targets": [{"Key": "tag:App", "Values": ["shop"]}], "TargetParameterName": "InstanceId"},
            ("NotImplementedBySimulator", 501, "the simulator does not run automations with Targets"),
            id="not simulated",
        ),
    ],
)
def test_a_runbook_that_cannot_be_is_refused(sim, ssm, request_of, expected):
    assert refusal(ssm.start_automation_execution, **{"DocumentName": "Shop-Failover", **request_of}) == expected


def test_the_same_client_token_starts_a_runbook_once(sim, ssm):
    token = "00000000-0000-4000-8000-000000000001"
    first, second = started(ssm, ClientToken=token), started(ssm, ClientToken=token)

    assert first == second
    assert (
        refusal(ssm.start_automation_execution, DocumentName="Shop-Failover", ClientToken=token, Mode="Interactive")[0]
        == "IdempotentParameterMismatch"
    )


def test_executions_are_described_newest_first_and_filtered(sim, ssm):
    old, new = started(ssm), started(ssm)
    ssm.stop_automation_execution(AutomationExecutionId=old, Type="Complete")
    listed = ssm.describe_automation_executions()["AutomationExecutionMetadataList"]
    over = ssm.describe_automation_executions(Filters=[{"Key": "ExecutionStatus", "Values": ["Success"]}])

    assert [execution["AutomationExecutionId"] for execution in listed] == [new, old]
    assert [execution["AutomationExecutionId"] for execution in over["AutomationExecutionMetadataList"]] == [old]
    assert (
        refusal(ssm.get_automation_execution, AutomationExecutionId="0" * 36)[0]
        == "AutomationExecutionNotFoundException"
    )
    assert (
        refusal(ssm.describe_automation_executions, Filters=[{"Key": "TagKey", "Values": ["x"]}])[0]
        == "InvalidFilterKey"
    )


def test_an_ops_item_is_kept_and_a_twin_is_refused(sim, ssm):
    request = {
        "Title": "Drill failed",
        "Source": "drs",
        "Description": "wave db",
        "Severity": "2",
        "OperationalData": {"/aws/dedup": {"Value": '{"dedupString":"run-1"}', "Type": "SearchableString"}},
    }
    name = ssm.create_ops_item(**request)["OpsItemId"]
    item = ssm.get_ops_item(OpsItemId=name)["OpsItem"]

    assert (item["Title"], item["Status"], item["Severity"]) == ("Drill failed", "Open", "2")
    assert refusal(ssm.create_ops_item, **request) == (
        "OpsItemAlreadyExistsException",
        400,
        f"A similar OpsItem already exists. OpsItem ID: {name}",
    )
    assert refusal(ssm.get_ops_item, OpsItemId="oi-000000000000")[0] == "OpsItemNotFoundException"


def test_a_listed_runbook_has_the_members_that_the_service_gave(sim, ssm):
    name = started(ssm)
    sim.advance("5m")
    listed = ssm.describe_automation_executions(Filters=[{"Key": "ExecutionId", "Values": [name]}])
    (item,) = listed["AutomationExecutionMetadataList"]

    assert set(item) >= {
        "AutomationExecutionId",
        "AutomationExecutionStatus",
        "AutomationType",
        "DocumentName",
        "DocumentVersion",
        "ExecutedBy",
        "ExecutionEndTime",
        "ExecutionStartTime",
        "LogFile",
        "Mode",
        "Outputs",
        "ResolvedTargets",
        "Targets",
    }
    assert item["ResolvedTargets"] == {"ParameterValues": [], "Truncated": False}


def test_documents_are_listed_and_added_while_it_runs(sim, ssm):
    found = sim.control("GET", "documents")
    assert found["aws"]["AWS-RunShellScript"] == "Command"
    assert {function["name"] for function in found["own"]} >= {"Shop-Check", "Shop-Failover"}

    more = {"name": "Shop-Late", "type": "Automation", "takes": "20s", "account": HOME}
    assert sim.control("POST", "documents", more) == {"places": [{"account": HOME, "region": "us-west-2"}]}
    name = started(ssm, DocumentName="Shop-Late")
    sim.advance("21s")
    assert steps(ssm, name) == [("run", "Success")]

    sim.reset()
    assert (
        refusal(ssm.start_automation_execution, DocumentName="Shop-Late")[0] == "AutomationDefinitionNotFoundException"
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "documents", {"takes": "20s"}, 'documents: write {"name": "Shop-Check", "type": "Command"'),
        ("POST", "documents", {"name": "A", "tekes": "20s"}, "documents: tekes: "),
        ("POST", "documents", {"name": "A", "region": "mars-1"}, "no account and Region such as None/mars-1"),
        ("DELETE", "documents/A", None, "documents: GET lists, POST"),
    ],
)
def test_a_document_that_cannot_be_added_is_said(sim, method, path, body, said):
    with pytest.raises(ControlPlaneError, match=re.escape(said)):
        sim.control(method, path, body)
