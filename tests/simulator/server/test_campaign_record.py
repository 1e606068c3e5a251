"""What the judge of the campaign reads is what the simulator records."""

import json

import pytest
import yaml
from botocore.exceptions import HTTPClientError
from drs_provider.rules.launch.tags import RUN, TRY, WAVE

from benchmarks.chaos.documents import fleet
from benchmarks.chaos.judge_steps import acted
from benchmarks.chaos.record import read_record
from benchmarks.chaos.scenarios import LARGE, SMALL, Scenario, Server, Step, Wave
from benchmarks.chaos.surroundings import MORE_ROOM, networks_left, prepare

SERVER = "s-00000000000000001"
STEPS = (Step("c", "ssm_command"), Step("a", "ssm_automation"), Step("f", "lambda"))
ONE = Scenario(1, "drill", (Wave("w0", (Server(SERVER, "c1-0"),), steps=STEPS),), (), ())


def start(start_drs_simulator, tmp_path):
    file = tmp_path / "fleet.yaml"
    file.write_text(yaml.safe_dump(fleet([ONE])))
    sim = start_drs_simulator(file, speed=600)
    prepare(sim.url)
    return sim, sim.state()


def record(sim, before):
    return read_record(sim.state(), before, calls=sim.calls(), networks=networks_left(sim.url))


def launch(sim):
    tags = {RUN: "r", WAVE: "w0", TRY: "1"}
    sim.client("drs").start_recovery(sourceServers=[{"sourceServerID": SERVER}], isDrill=True, tags=tags)
    sim.advance("20m")


def test_a_launch_is_read_with_its_times_and_where_it_landed(start_drs_simulator, tmp_path):
    sim, before = start(start_drs_simulator, tmp_path)
    launch(sim)
    found = record(sim, before)
    (launched,), (job,) = found.launches, found.jobs

    assert (launched.run, launched.wave, launched.attempt, launched.is_drill, launched.ended) == (
        "r",
        "w0",
        "1",
        True,
        True,
    )
    assert launched.status == {SERVER: "LAUNCHED"}
    assert launched.landed[SERVER]["subnet_id"] in found.production
    assert launched.landed[SERVER]["instance_type"]
    assert launched.created_at < launched.ended_at
    assert (job.account, job.is_launch, job.servers) == (LARGE.id, True, {SERVER})
    assert found.settings == found.settings_before


def test_a_launch_action_that_is_left_counts_as_a_changed_setting(start_drs_simulator, tmp_path):
    sim, before = start(start_drs_simulator, tmp_path)
    sim.client("drs").put_launch_action(
        resourceId=SERVER,
        actionCode="AWS-RunShellScript",
        actionId="00000000-0000-0000-0000-000000000001",
        actionVersion="$DEFAULT",
        active=True,
        category="OTHER",
        description="left",
        name="left",
        optional=True,
        order=1000,
        parameters={},
    )
    found = record(sim, before)

    assert found.settings[SERVER] != found.settings_before[SERVER]


def test_the_effects_of_steps_are_read_also_those_whose_answers_were_lost(start_drs_simulator, tmp_path):
    sim, before = start(start_drs_simulator, tmp_path)
    launch(sim)
    (instance,) = (instance["ec2InstanceID"] for instance in sim.client("drs").describe_recovery_instances()["items"])
    command, automation, function = STEPS
    assert [acted(ONE, step, record(sim, before)) for step in STEPS] == [0, 0, 0]

    sim.fault({"service": "lambda", "operation": "Invoke", "do": "commit_then_drop", "count": 1})
    with pytest.raises(HTTPClientError):
        sim.client("lambda").invoke(FunctionName=ONE.mark(function), Payload=json.dumps({}))
    for _ in range(2):
        sim.client("ssm").start_automation_execution(
            DocumentName=ONE.mark(automation), ClientToken="00000000-0000-0000-0000-000000000001"
        )
        sim.client("ssm").send_command(
            DocumentName="AWS-RunShellScript",
            InstanceIds=[instance],
            Parameters={"commands": [f"echo {ONE.mark(command)}"]},
        )
    found = record(sim, before)

    assert [acted(ONE, step, found) for step in STEPS] == [2, 1, 1]
    assert [call["status"] for call in found.calls["Invoke"]] != [200]


def test_what_is_left_of_a_drills_network_is_found_in_every_account(start_drs_simulator, tmp_path):
    sim, _ = start(start_drs_simulator, tmp_path)
    tags = [{"Key": RUN, "Value": "r"}]
    made = {}
    for account in (LARGE, SMALL):
        ec2 = sim.client("ec2", aws_access_key_id=account.id)
        ranges = [block["CidrBlock"] for vpc in ec2.describe_vpcs()["Vpcs"] for block in vpc["CidrBlockAssociationSet"]]
        assert MORE_ROOM in ranges
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": tags}])
        made[vpc["Vpc"]["VpcId"]] = "r"
    sim.fault({"service": "ec2", "do": "throttle"})

    assert networks_left(sim.url) == made
