import re
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from drs_simulator.__main__ import main
from drs_simulator.client import SimulatorHandle
from drs_simulator.errors import BadInput
from drs_simulator.faults.kinds import KINDS
from drs_simulator.fleet.file import parsed
from drs_simulator.server.standalone import RunningSimulator
from simulator.neighbours.neighbourhood import DB1, FLEET, HOME, TOOLS, launch, refusal, says

CODE = Path(__file__).with_name("checks.py")
DOCUMENT = Path(__file__).parents[3] / "docs" / "simulator-neighbours.md"


def fleet_with(**more):
    return {"accounts": [{"id": HOME, "regions": [{"name": "us-west-2"}], **more}]}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        pytest.param(
            {"ssm": {"agents": 1}},
            f"{HOME}/us-west-2: ssm: agents: no such key",
            id="ssm",
        ),
        pytest.param(
            {"lambda_functions": {"a": {"behaviour": "call", "function": "checks:nothing"}}},
            "lambda: no function 'checks:nothing' (known: checks:DatabaseBusy, checks:promote, checks:unsayable)",
            id="lambda code",
        ),
        pytest.param(
            {"lambda_functions": {"a": {"behaviour": "call"}}},
            f"{HOME}/us-west-2: lambda_functions: a: behaviour call and function: module:name go together",
            id="lambda call",
        ),
        pytest.param(
            {"roles": [{"name": "a", "external": "x"}]}, f"{HOME}: role 'a': external: no such key", id="role"
        ),
    ],
)
def test_a_fleet_file_that_cannot_be_read_is_refused_when_the_simulator_starts(more, said):
    with pytest.raises(BadInput) as caught:
        RunningSimulator(parsed(fleet_with(**more)), lambda_code=[CODE])

    assert str(caught.value).startswith(said)


def test_code_that_is_not_there_ends_the_command_with_a_clear_line(tmp_path, capsys):
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(f'accounts: [{{id: "{HOME}"}}]')
    missing = tmp_path / "nothing.py"
    code = main(["--fleet", str(fleet), "--port", "0", "--lambda-code", str(missing)])

    assert code == 2
    assert capsys.readouterr().err == f"{missing}: is no Python file\n"


def test_the_neighbours_go_on_after_a_restart(tmp_path):
    state = tmp_path / "state"
    options = {"speed": 60, "state": state, "lambda_code": [CODE]}
    with RunningSimulator(parsed(FLEET), **options) as before:
        sim = SimulatorHandle(before.url)
        sim.clock(freeze=True)
        instance_id = launch(sim, DB1)[DB1]
        command_id = says(sim, sim.client("ssm"), instance_id, "echo done", "sleep 60")
        runbook = sim.client("ssm").start_automation_execution(DocumentName="Shop-Failover")["AutomationExecutionId"]
        sim.control("POST", "lambda", {"name": "late", "behaviour": "echo"})
        sim.client("ssm").put_parameter(
            Name="/shop/db", Value="db1", Type="String", Tags=[{"Key": "App", "Value": "shop"}]
        )
        given = sim.client("sts", aws_access_key_id=TOOLS).assume_role(
            RoleArn=f"arn:aws:iam::{HOME}:role/dr-operator", RoleSessionName="drill", ExternalId="secret-1"
        )["Credentials"]
        sim.advance("5s")
    with RunningSimulator(parsed(FLEET), **options) as after:
        sim = SimulatorHandle(after.url)
        ssm = sim.client("ssm")
        running = ssm.get_command_invocation(CommandId=command_id, InstanceId=instance_id)["Status"]
        sim.advance("3m")
        done = ssm.get_command_invocation(CommandId=command_id, InstanceId=instance_id)
        execution = ssm.get_automation_execution(AutomationExecutionId=runbook)["AutomationExecution"]
        parameter = ssm.get_parameter(Name="/shop/db")["Parameter"]["Value"]
        tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/shop/db")["TagList"]
        operator = boto3.client(
            "sts",
            endpoint_url=after.url,
            region_name="us-west-2",
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            config=Config(retries={"total_max_attempts": 1}),
        )
        identity = operator.get_caller_identity()["Account"]
        status = sim.client("lambda").invoke(FunctionName="late", InvocationType="DryRun")["StatusCode"]
        sim.advance(3601 * 60)
        expired = refusal(operator.get_caller_identity)[0]

    assert running == "InProgress"
    assert (done["Status"], done["StandardOutputContent"]) == ("Success", "done\n")
    assert (parameter, tags) == ("db1", [{"Key": "App", "Value": "shop"}])
    assert execution["AutomationExecutionStatus"] == "Success"
    assert (identity, status, expired) == (HOME, 204, "ExpiredToken")


def test_a_reset_forgets_what_the_neighbours_remember(sim):
    instance_id = launch(sim, DB1)[DB1]
    says(sim, sim.client("ssm"), instance_id, "true")
    sim.control("POST", "lambda", {"name": "late", "behaviour": "echo"})
    sim.reset()

    assert sim.client("ssm").list_commands()["Commands"] == []
    assert refusal(sim.client("lambda").invoke, FunctionName="late")[0] == "ResourceNotFoundException"
    assert sim.client("iam").get_role(RoleName="dr-operator")["Role"]["RoleName"] == "dr-operator"


def test_an_outage_of_a_neighbour_is_an_outage_of_the_neighbour_alone(sim):
    sim.fault({"service": "ssm", "do": "outage", "for": "90s"})

    assert refusal(sim.client("ssm").list_commands)[:2] == ("ServiceUnavailable", 503)
    assert sim.client("lambda").list_functions()["Functions"]


def answered_operations():
    with RunningSimulator(parsed(FLEET), lambda_code=[CODE]) as running:
        return {f"{service}:{operation}" for service, operation in running.simulator.overlays.answered}


def test_the_document_names_every_operation_that_is_ours_and_no_other():
    rows = [line for line in DOCUMENT.read_text().splitlines() if "| ours |" in line]
    named = {
        f"{service.strip('` ')}:{operation}"
        for row in rows
        for service in [row.split("|")[1]]
        for operation in re.findall(r"`(\w+)`", row.split("|")[2])
    }

    assert named == answered_operations()


def test_the_document_names_every_fault_that_the_neighbours_know():
    text = DOCUMENT.read_text()
    named = {kind for kind in KINDS if f'"do": "{kind}"' in text}

    assert named >= {"fail", "hang", "agent_missing", "impaired", "no_capacity", "invisible_for"}
