"""The sweeper against the simulator: what it removes, what it leaves alone, and what it says."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException, AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse
from drs_provider.cli import main as cli
from drs_provider.dag.finish.sweeper import SweepDrills
from drs_provider.rules.launch.tags import TAKER, job_tags, life_tags, run_key, taken_over
from drs_provider.rules.purpose import purpose_of
from drs_provider.rules.run.handover import Sweep
from kit.dag_runs import SHOP, calls, instances
from kit.fake_drs import MemoryStore
from kit.receivers import WebhookReceiver

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

ROOT = Path(__file__).parents[4]
DB, WEB = [f"s-{n:017d}" for n in (1, 2, 3)], [f"s-{n:017d}" for n in (11, 12)]


def launch(simulator, servers, mode="drill", *, lives=timedelta(hours=-1), tagged=True, installation="here"):
    run = f"manual__dead-{servers[0]}"
    tags = job_tags(dag_id="drs.shop", run_id=run, wave="database", chunk=0, attempt=1, installation=installation)
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
    assert {instance for instance in before if after.get(instance) == "running"} == {
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


class Ti(SimpleNamespace):
    """A task instance that answers as it is told, and keeps what is pushed."""

    def __init__(self, answer, **more):
        super().__init__(
            dag_id="drs.sweeper",
            run_id="r",
            task_id="sweep",
            map_index=-1,
            try_number=1,
            max_tries=0,
            pushed={},
            **more,
        )
        self.answer = answer

    def get_dagrun_state(self, *, dag_id, run_id):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def xcom_push(self, *, key, value):
        self.pushed[key] = value

    def xcom_pull(self, *, task_ids, key, include_prior_dates=False):
        return self.pushed.get(key)


def asked(answer, plans, ti=None):
    """Sweep once in an Airflow that answers so; return what was left, and what was terminated."""
    ti = ti or Ti(answer)
    ti.answer = answer
    task = SweepDrills(task_id="sweep", plans_folder=plans)
    task.defer = lambda **_: None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("drs_provider.dag.finish.sweeper.MOST_TIME", timedelta(0))
        with contextlib.suppress(AirflowFailException):
            task.execute({"ti": ti, "task_state_store": MemoryStore()})
    return Sweep.from_json(ti.pushed[Sweep.KEY]).targets["us-west-2 of connection aws_default"]


def answered(status, reason="not_found"):
    body = {"detail": {"reason": reason, "message": "Dag run … was not found"}}
    detail = {"status_code": status, "message": "Server returned error", "detail": body}
    return AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail=detail))


NO_ANSWERS = [
    RuntimeError("database is locked"),
    OSError("connection refused"),
    answered(503, "unavailable"),
    answered(403, "forbidden"),
    answered(404, "no such page"),
    AirflowRuntimeError(ErrorResponse(error=ErrorType.GENERIC_ERROR, detail={"error": "timeout"})),
]


@pytest.mark.parametrize("answer", NO_ANSWERS, ids=str)
def test_an_airflow_that_does_not_answer_makes_no_drill_look_abandoned(answer, plans, simulator, airflow_db):
    (plans / "shop.yaml").write_text(SHOP)
    launch(simulator, DB)
    before = instances(simulator)

    swept = asked(answer, plans)

    assert instances(simulator) == before
    assert calls(simulator, "TerminateRecoveryInstances") == []
    ((name, why),) = swept.left.items()
    assert name == f"manual__dead-{DB[0]} of drs.shop"
    assert ", and nothing of it was removed: it is unknown whether its run is over: " in why
    assert why.endswith(str(answer))


@pytest.mark.parametrize("answer", ["running", "queued", "a state of a later Airflow"])
def test_a_run_that_goes_on_keeps_its_expired_drill(answer, plans, simulator, airflow_db):
    (plans / "shop.yaml").write_text(SHOP)
    launch(simulator, DB)

    swept = asked(answer, plans)

    assert (swept.left, swept.done, len(swept.kept)) == ({}, (), 3)
    assert set(instances(simulator).values()) == {"running"}


@pytest.mark.parametrize("answer", [answered(404), "success", "failed"], ids=str)
def test_a_run_that_is_over_or_that_airflow_does_not_have_loses_it(answer, plans, simulator, airflow_db):
    (plans / "shop.yaml").write_text(SHOP)
    launch(simulator, DB)

    swept = asked(answer, plans)

    assert len(swept.done) == 3
    assert len(calls(simulator, "TerminateRecoveryInstances")) == 1


@pytest.mark.parametrize("ago", [timedelta(minutes=31), timedelta(hours=3)], ids=["lately", "long ago"])
def test_a_drill_of_another_airflow_is_left_to_that_one_and_named(ago, plans, simulator, airflow_db):
    """This Airflow says that it has no such run, and that says nothing about the run."""
    (plans / "shop.yaml").write_text(SHOP)
    launch(simulator, DB, lives=-ago, installation="dublin")

    swept = asked(answered(404), plans)

    assert calls(simulator, "TerminateRecoveryInstances") == []
    assert set(instances(simulator).values()) == {"running"}
    assert len(swept.kept) == 3
    why = "it is of another Airflow (installation dublin), whose own clean-up removes it"
    assert all(words.endswith(why) for words in swept.kept.values())
    named = {name: words.rpartition(": ")[2] for name, words in swept.left.items()}
    assert named == ({} if ago < timedelta(hours=1) else {f"manual__dead-{DB[0]} of drs.shop": why})


def test_what_no_tag_gives_to_an_airflow_needs_a_run_of_this_one_that_is_over(plans, simulator, airflow_db):
    (plans / "shop.yaml").write_text(SHOP)
    launch(simulator, DB, installation="")

    swept = asked(answered(404), plans)

    assert calls(simulator, "TerminateRecoveryInstances") == []
    assert "it may be another's; once you know that it is over, drs sweep" in next(iter(swept.left.values()))
    assert len(asked("failed", plans).done) == 3


def test_a_run_whose_name_does_not_survive_tags_is_never_taken_for_over(plans, simulator, airflow_db):
    """AWS allows no tilde in a tag, Airflow does in a run id: nobody can be asked whether such a run goes on."""
    (plans / "shop.yaml").write_text(SHOP)
    tags = job_tags(dag_id="drs.shop", run_id="ann~1", wave="database", chunk=0, attempt=1)
    tags |= life_tags(purpose_of("drill"), now=datetime.now(UTC), lifetime=timedelta(hours=-1))
    servers = [{"sourceServerID": server} for server in DB]
    simulator.client("drs").start_recovery(isDrill=True, sourceServers=servers, tags=tags)
    simulator.advance("30m")

    swept = asked(answered(404), plans)

    assert calls(simulator, "TerminateRecoveryInstances") == []
    assert "drs sweep removes what it left" in next(iter(swept.left.values()))


@pytest.mark.parametrize(
    ("answer", "taker", "removed"),
    [("failed", "second", 3), (answered(404), "second", 3), ("running", "second", 0), ("failed", "another", 0)],
    ids=["over", "not there", "going on", "a name that its tags do not prove"],
)
def test_what_a_run_left_that_went_on_with_another_is_removed_where_the_other_left_nothing(  # noqa: PLR0917 - a table
    answer, taker, removed, plans, simulator, airflow_db
):
    (plans / "shop.yaml").write_text(SHOP)
    own = job_tags(dag_id="drs.shop", run_id="second", wave="database", chunk=0, attempt=1, installation="here")
    tags = taken_over(own, run_key("drs.shop", "first", "here")) | {TAKER: run_key("drs.shop", taker, "here")}
    tags |= life_tags(purpose_of("drill"), now=datetime.now(UTC), lifetime=timedelta(hours=-1))
    servers = [{"sourceServerID": server} for server in DB]
    simulator.client("drs").start_recovery(isDrill=True, sourceServers=servers, tags=tags)
    simulator.advance("30m")

    swept = asked(answer, plans)

    assert len(swept.done) == removed
    assert len(calls(simulator, "TerminateRecoveryInstances")) == bool(removed)


@pytest.mark.parametrize(
    ("answer", "installation", "removed"),
    [("failed", "here", 0), (answered(404), "here", 0), ("running", "here", 0), ("failed", "", 3)],
    ids=["over", "not there", "going on", "of no Airflow, and over here"],
)
def test_an_airflow_that_does_not_know_its_own_id_takes_no_drill_for_its_own_that_has_one(  # noqa: PLR0917 - a table
    answer, installation, removed, plans, simulator, airflow_db, monkeypatch
):
    monkeypatch.setattr("drs_provider.dag.finish.sweeper.this_installation", lambda: "")
    (plans / "shop.yaml").write_text(SHOP)
    launch(simulator, DB, installation=installation)

    swept = asked(answer, plans)

    assert len(swept.done) == removed
    assert len(calls(simulator, "TerminateRecoveryInstances")) == bool(removed)
    if answer != "running" and not removed:
        assert (
            "it is of an Airflow with an id, and nobody knows the id of this one, so it may be another's; once you "
            "know that it is over, drs sweep removes what it left"
        ) in next(iter(swept.left.values()))


@pytest.mark.parametrize("how", ["used by an interface", "named by another group", "used by nobody"])
def test_a_security_group_that_only_carries_a_drills_tags_keeps_its_rules(how, sweep, simulator):
    ec2 = simulator.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnet = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"][0]["SubnetId"]
    group = ec2.create_security_group(GroupName="prod-web", Description="production", VpcId=vpc)["GroupId"]
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[https])
    if how == "used by an interface":
        ec2.create_network_interface(SubnetId=subnet, Groups=[group])
    if how == "named by another group":
        other = ec2.create_security_group(GroupName="prod-db", Description="production", VpcId=vpc)["GroupId"]
        rule = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
        ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[rule])
    over = launch(simulator, DB[:1])
    copied = [{"Key": key, "Value": value} for key, value in {**over, "drs-orchestrator:copy-of": "sg-1"}.items()]
    ec2.create_tags(Resources=[group], Tags=copied)
    before = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]

    code, swept = sweep()

    after = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    assert after["IpPermissions"] == before["IpPermissions"] != []
    assert after["IpPermissionsEgress"] == before["IpPermissionsEgress"] != []
    assert code == 1
    assert swept["left"] == {
        group: f"it carries a drill's tags, but {vpc}, which it is part of, is not the drill's: remove its tags if "
        "they were copied, or remove it manually"
    }
    assert len(calls(simulator, "TerminateRecoveryInstances")) == 1
    assert "running" not in instances(simulator).values()


@pytest.fixture
def webhook(monkeypatch):
    receiver = WebhookReceiver()
    chat = {"conn_type": "http", "host": f"http://127.0.0.1:{receiver.port}/hook"}
    monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps(chat))
    yield receiver
    receiver.close()


NOTIFY = "notify:\n  - {kind: webhook, http_conn_id: chat}\nwaves:\n"


def test_those_whom_the_plan_names_hear_of_what_was_removed_and_of_what_could_not_be(
    plans, simulator, airflow_db, webhook
):
    (plans / "shop.yaml").write_text(SHOP.replace("waves:\n", NOTIFY))
    launch(simulator, DB)
    ti = Ti(None)

    asked(RuntimeError("no answer"), plans, ti)
    asked(RuntimeError("no answer"), plans, ti)

    (said,) = webhook.bodies  # what is still there is not repeated every quarter of an hour
    assert (said["event"], said["plan"], said["dag_id"]) == ("clean_up", "shop", "drs.sweeper")
    assert said["headline"] == "1 left-over of drills still there"
    assert said["facts"]["Still there"].startswith(f"manual__dead-{DB[0]} of drs.shop: the drill manual__dead")
    assert said["next_step"] == "see the log of drs.sweeper: what is still there may cost money"

    asked("failed", plans, ti)

    assert webhook.bodies[1]["headline"] == "3 left-overs of drills cleaned up"
    assert len(webhook.bodies) == 2


def test_default_receivers_hear_of_it_whatever_plans_name(plans, simulator, airflow_db, webhook, monkeypatch):
    (plans / "shop.yaml").write_text(SHOP)
    monkeypatch.setenv("DRS_NOTIFY", "[{kind: webhook, http_conn_id: chat, on: [clean_up]}]")
    launch(simulator, DB[:1])

    asked("failed", plans)

    assert [said["plan"] for said in webhook.bodies] == ["all plans"]


def test_a_clean_up_without_news_tells_nobody_and_one_that_cannot_tell_cleans_up_all_the_same(
    plans, simulator, airflow_db, webhook, monkeypatch
):
    (plans / "shop.yaml").write_text(SHOP.replace("waves:\n", NOTIFY))
    asked("failed", plans)
    assert webhook.bodies == []
    monkeypatch.setenv("DRS_NOTIFY", "{")
    monkeypatch.delenv("AIRFLOW_CONN_CHAT")
    launch(simulator, DB[:1])

    assert len(asked("failed", plans).done) == 1
