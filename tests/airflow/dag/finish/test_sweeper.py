"""The sweeper against the simulator: what it removes, what it leaves alone, and what it says."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from drs_provider.cli import main as cli
from drs_provider.rules.launch.tags import job_tags, life_tags
from drs_provider.rules.purpose import purpose_of
from kit.dag_runs import SHOP, calls, instances

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

ROOT = Path(__file__).parents[4]
DB, WEB = [f"s-{n:017d}" for n in (1, 2, 3)], [f"s-{n:017d}" for n in (11, 12)]


def launch(simulator, servers, mode="drill", *, lives=timedelta(hours=-1), tagged=True):
    tags = job_tags(dag_id="drs.shop", run_id=f"manual__dead-{servers[0]}", wave="database", chunk=0, attempt=1)
    tags |= life_tags(purpose_of(mode), now=datetime.now(UTC), lifetime=lives)
    simulator.client("drs").start_recovery(
        isDrill=mode == "drill",
        sourceServers=[{"sourceServerID": server} for server in servers],
        tags=tags if tagged else {},
    )
    simulator.advance("30m")
    return tags


@pytest.fixture
def sweep(plans, simulator, capsys):
    """Run ``drs sweep`` over the plan's account; its terminate jobs take a second."""
    (plans / "shop.yaml").write_text(SHOP)

    def sweep(*more):
        code = cli.main(["sweep", "--format", "json", "--plans", str(plans), *more])
        return code, json.loads(capsys.readouterr().out)["us-west-2 of connection aws_default"]

    return sweep


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("drs_provider.cli.sweep.LOOK_AGAIN_SECONDS", 0.5)
    monkeypatch.setattr("drs_provider.dag.finish.sweeper.LOOK_AGAIN_AFTER", timedelta(seconds=1))


def test_an_expired_drill_of_a_dead_airflow_is_removed_and_nothing_else_is_touched(sweep, simulator):
    launch(simulator, DB)
    launch(simulator, WEB[:1], "recovery")
    launch(simulator, WEB[1:], tagged=False)
    before = instances(simulator)

    code, swept = sweep()

    assert (code, swept["left"], swept["waiting"]) == (0, {}, {})
    assert len(swept["done"]) == 3
    assert (
        swept["done"][0].split(": ")[1].startswith("the drill manual__dead-s-00000000000000001 of drs.shop expired at")
    )
    after = instances(simulator)
    assert [step for step in after.values() if step != "terminated"] == ["running"] * 2
    assert {instance for instance in before if after[instance] == "running"} == {
        instance["recoveryInstanceID"]
        for instance in simulator.client("drs").describe_recovery_instances()["items"]
        if instance["sourceServerID"] in WEB
    }
    ec2 = simulator.client("ec2")
    assert len(ec2.describe_volumes()["Volumes"]) == len(ec2.describe_network_interfaces()["NetworkInterfaces"]) == 2


def test_a_drill_that_may_go_on_is_kept(sweep, simulator):
    launch(simulator, DB, lives=timedelta(hours=5))

    code, swept = sweep()

    assert (code, swept["done"], len(swept["kept"])) == (0, [], 3)
    assert calls(simulator, "TerminateRecoveryInstances") == []


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(sweep, simulator):
    launch(simulator, DB[:1])

    code, swept = sweep("--dry-run")

    assert code == 1
    assert [why.startswith("dry run: terminate i-") for why in swept["left"].values()] == [True]
    assert set(instances(simulator).values()) == {"running"}


def test_networks_and_volumes_of_an_expired_run_go_and_those_of_others_stay(sweep, simulator):
    ec2 = simulator.client("ec2")
    over = launch(simulator, DB[:1])
    wanted = {**over, "drs-orchestrator:run": "another", "drs-orchestrator:expires": "2099-01-01T00:00:00Z"}
    made = {}
    for name, tags in (("over", over), ("wanted", wanted), ("foreign", {})):
        vpc = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.99.1.0/24")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
        ec2.authorize_security_group_ingress(
            GroupId=group,
            IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}],
        )
        volume = ec2.create_volume(AvailabilityZone="us-west-2a", Size=1)["VolumeId"]
        made[name] = {vpc, subnet, group, volume}
        if tags:
            ec2.create_tags(
                Resources=sorted(made[name]), Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
            )

    code, swept = sweep()

    assert (code, swept["left"]) == (0, {})
    there = {vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]}
    there |= {subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]}
    there |= {group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"]}
    there |= {volume["VolumeId"] for volume in ec2.describe_volumes()["Volumes"]}
    assert made["over"] & there == set()
    assert made["wanted"] | made["foreign"] <= there


def test_launch_settings_of_a_dead_drill_are_put_back(sweep, simulator, run):
    drs, ec2 = simulator.client("drs"), simulator.client("ec2")
    template = drs.get_launch_configuration(sourceServerID=DB[0])["ec2LaunchTemplateID"]
    arn = drs.describe_source_servers(filters={"sourceServerIDs": DB[:1]})["items"][0]["arn"]
    ec2.create_launch_template_version(
        LaunchTemplateId=template,
        SourceVersion="1",
        LaunchTemplateData={"InstanceType": "t3.small"},
        VersionDescription="drs-orchestrator: drill on version 1: 0123456789abcdef",
    )
    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="2")
    marks = {
        "drs-orchestrator:before-drill": "version=1/2",
        "drs-orchestrator:before-drill-run": "dead",
        "drs-orchestrator:before-drill-expires": "2026-01-01T00:00:00Z",
    }
    drs.tag_resource(resourceArn=arn, tags=marks)

    code, swept = sweep()

    assert (code, len(swept["done"]), swept["left"]) == (0, 1, {})
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"]
    assert [(version["VersionNumber"], version["DefaultVersion"]) for version in versions] == [(1, True)]
    tags = drs.describe_source_servers(filters={"sourceServerIDs": DB[:1]})["items"][0]["tags"]
    assert not any(key.startswith("drs-orchestrator") for key in tags)


def test_what_cannot_be_removed_is_said_and_the_exit_code_is_not_zero(sweep, simulator):
    launch(simulator, DB[:1])
    simulator.fault({"service": "drs", "operation": "TerminateRecoveryInstances", "do": "access_denied"})

    code, swept = sweep()

    assert code == 1
    assert "AccessDenied" in next(iter(swept["left"].values()))


def test_the_dag_does_the_same_and_says_so(plans, airflow_db, simulator):
    (plans / "shop.yaml").write_text(SHOP)
    launch(simulator, DB)
    dag = DagBag(str(ROOT / "dags" / "recovery_plans.py")).dags["drs.sweeper"]
    dag.tasks[0].retries = 0

    ended = dag.test()

    assert str(ended.state) == "success"
    assert "running" not in instances(simulator).values()
    assert len(calls(simulator, "TerminateRecoveryInstances")) == 1
