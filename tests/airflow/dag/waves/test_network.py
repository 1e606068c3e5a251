"""The network of a drill in whole runs: made and removed, refused where it leads out, and no matter of a recovery."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.dag_processing.dagbag import DagBag
from drs_provider.dag.waves.network import ensure_still_isolated, network_of
from drs_provider.exceptions import NotIsolated, RunRefused
from drs_provider.rules.run.handover import NetworkProof, PreparedNetwork, PreparedNetworks
from kit.dag_runs import SHOP, calls, meanwhile, things_in
from kit.signatures import signed

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

ISOLATED = SHOP.replace("drill: {network: shared}", "drill: {network: isolated}")
DAG_FILE = Path(__file__).parents[4] / "dags" / "recovery_plans.py"
AWS = {"aws_conn_id": "aws_default", "region_name": "us-west-2", "verify": None, "config": None}


def things(simulator):
    return things_in(simulator.client("ec2"))


def test_a_drill_makes_its_network_before_the_first_launch_and_leaves_the_account_as_it_was(run, simulator):
    before = things(simulator)
    ended = run(ISOLATED)

    assert (ended.state, ended.report["verdict"]) == ("success", "passed")
    assert (ended.tasks["preflight.network"], ended.tasks["finish.remove_network"]) == ("success", "success")
    (network,) = ended.report["networks"]
    assert (network["kind"], network["isolated"], network["isolated_at_end"]) == ("isolated", True, True)
    assert (network["leaks"], network["changed"]) == ([], [])
    assert network["looked_at"]["route_tables"] == 1
    (made,) = calls(simulator, "CreateVpc")
    assert made["at"] < calls(simulator, "StartRecovery")[0]["at"]
    assert things(simulator) == before


def test_a_standing_network_that_leads_out_refuses_the_drill_by_every_way(run, simulator):
    ec2 = simulator.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.99.0.0/22")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ended = run(SHOP.replace("drill: {network: shared}", f"drill: {{network: {{vpc: {vpc}}}}}"))

    assert (ended.state, ended.report["verdict"]) == ("failed", "refused")
    assert ended.tasks["database.start_recovery"] == "upstream_failed"
    assert ended.said("preflight.network") == (
        f"drill network {vpc} is not isolated, 1 way out; nothing was launched:\n"
        f"  - VPC {vpc} → internet gateway {gateway}: the internet is one route away. Detach {gateway} from the VPC, "
        "or use a network without it"
    )
    (network,) = ended.report["networks"]
    assert (network["isolated"], [leak["path"] for leak in network["leaks"]]) == (
        False,
        [f"VPC {vpc} → internet gateway {gateway}"],
    )
    assert calls(simulator, "StartRecovery") == []


def test_a_recovery_has_no_drill_network_and_does_not_wait_for_one(run, simulator):
    ended = run(ISOLATED, mode="recovery", confirm="shop", reason="fire")

    assert (ended.tasks["preflight.network"], ended.tasks["finish.remove_network"]) == ("skipped", "skipped")
    assert set(ended.servers.values()) == {"launched"}
    assert (ended.report["networks"], calls(simulator, "CreateVpc")) == ([], [])


@pytest.mark.usefixtures("looks_over_once")
def test_what_cannot_be_removed_is_listed_and_the_run_is_red(run, simulator):
    simulator.fault({"service": "ec2", "operation": "DeleteVpc", "do": "access_denied"})
    ended = run(ISOLATED)

    assert ended.state == "failed"
    assert ended.tasks["finish.remove_network"] == "failed"
    assert ended.said("finish.remove_network").startswith("ec2:DeleteVpc: ")
    assert ended.report["verdict"] == "failed"
    assert ended.report["cleanup"]["state"] == "incomplete"


@pytest.mark.usefixtures("looks_over_once")
def test_the_last_look_lists_what_bears_the_tags_of_the_run_and_the_run_is_red(run, simulator):
    ec2 = simulator.client("ec2")
    made = []

    def keep_a_volume():
        (vpc,) = [vpc for vpc in ec2.describe_vpcs()["Vpcs"] if "drill shop" in str(vpc.get("Tags"))]
        tags = [tag for tag in vpc["Tags"] if tag["Key"].startswith("drs-orchestrator:")]
        kinds = [{"ResourceType": "volume", "Tags": tags}]
        made.append(ec2.create_volume(AvailabilityZone="us-west-2a", Size=1, TagSpecifications=kinds)["VolumeId"])

    thread = meanwhile(simulator, keep_a_volume)
    ended = run(ISOLATED)

    thread.join(5)
    assert (ended.state, ended.report["verdict"]) == ("failed", "failed")
    assert ended.report["verdict_reason"] == (
        "1 other thing of the drill is still there. "
        f"First cause: clean-up: {made[0]} is still there: a volume with the run's tags. "
        "Next step: clear the failed tasks of finish to clean up again; what is left costs money until it is gone."
    )
    assert ended.report["cleanup"]["left"] == {made[0]: "a volume with the run's tags"}
    assert ended.tasks["finish.remove_network"] == "success"
    assert ended.said("finish.look_over") == (
        "1 thing of the drill is still there after its clean-up, and may cost money; clear finish.clean_up with "
        f"everything downstream to clean up again, or remove them manually:\n"
        f"  - {made[0]}: a volume with the run's tags"
    )


def test_the_last_look_asks_a_few_times_however_big_the_drill_was(run, simulator):
    ended = run(ISOLATED)

    assert ended.tasks["finish.look_over"] == "success"
    last = max(call["n"] for call in calls(simulator, "DeleteVpc"))
    after = [call["operation"] for call in simulator.calls(last)]
    look = after[after.index("DescribeTags") - 4 :]
    assert len(look) <= 14, look
    assert "DescribeLaunchTemplateVersions" not in look


def test_a_plan_that_shares_production_has_no_such_tasks_and_the_report_says_so(plans, run):
    ended = run(SHOP)

    assert not [task for task in ended.tasks if "network" in task]
    assert ended.report["networks"][0]["kind"] == "shared"
    (plans / "shop.yaml").write_text(ISOLATED)
    dag = DagBag(str(DAG_FILE)).dags["drs.shop"]
    waits = {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks}
    assert waits["preflight.network"] == ["preflight.check"]
    assert waits["database.launch_settings"] == ["preflight.check", "preflight.network"]
    assert waits["database.start_recovery"] == ["database.launch_settings", "preflight.check", "preflight.network"]
    assert waits["web.start_recovery"] == ["database.recovery_job", "web.launch_settings"]
    assert waits["finish.remove_network"] == ["finish.restore_settings"]
    assert waits["finish.look_over"] == ["finish.remove_network"]
    assert waits["finish.report"] == [
        "finish.clean_up",
        "finish.look_over",
        "finish.remove_network",
        "finish.restore_settings",
    ]


def prepared(vpc="vpc-drill", at=datetime(2026, 1, 1, tzinfo=UTC), *, isolated=True):
    proof = NetworkProof(vpc_id=vpc, isolated=isolated)
    network = PreparedNetwork(production_vpc="vpc-1", vpc_id=vpc, proof=proof)
    return PreparedNetworks(kind="isolated", region="us-west-2", checked_at=at, networks=(network,))


def test_a_network_that_nobody_prepared_or_that_leads_out_is_none():
    def context(found):
        left = found and signed(found, "drs.shop", "manual__1", "preflight.network")
        return {"ti": SimpleNamespace(dag_id="drs.shop", run_id="manual__1", xcom_pull=lambda **_: left)}

    said = (
        "preflight.network has not prepared an isolated network in this run (a task that is marked as successful "
        "prepares nothing): nothing is launched. Clear preflight.network to prepare it"
    )
    for found in (None, prepared(isolated=False)):
        with pytest.raises(RunRefused) as refused:
            network_of(context(found))
        assert str(refused.value) == said
    good = prepared()
    assert network_of(context(good)) == good


def test_an_old_proof_is_made_anew_before_a_launch(simulator):
    ec2 = simulator.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    now = datetime.now(UTC)
    network = prepared(vpc, now)
    ensure_still_isolated(network, AWS, now=now + timedelta(minutes=16))
    ec2.create_carrier_gateway(VpcId=vpc)

    ensure_still_isolated(network, AWS, now=now + timedelta(minutes=14))
    with pytest.raises(NotIsolated, match="carrier gateway"):
        ensure_still_isolated(network, AWS, now=now + timedelta(minutes=16))
