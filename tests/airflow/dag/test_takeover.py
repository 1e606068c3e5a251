"""A second Airflow with an empty database goes on with a run that another one began."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from drs_provider.cli import takeover
from drs_provider.cli.main import _parser
from drs_provider.hooks.drill_network import DrillNetworkHook
from drs_provider.hooks.launch_settings import LaunchSettingsHook
from drs_provider.rules.isolation.drill_placement import in_drill_network
from drs_provider.rules.launch.tags import EXPIRES, drill_tags, job_tags, run_key
from drs_provider.rules.settings.drill_memory import EXPIRES as SETTINGS_EXPIRES
from drs_provider.rules.settings.drill_memory import RUN as SETTINGS_RUN
from drs_provider.services.drill.network import NetworkPreparation, placements_of
from drs_provider.services.settings.apply import apply_all
from kit.dag_runs import SHOP, calls, instances
from kit.signatures import signed

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]


def sid(number):
    return f"s-{number:017d}"


DATABASE, WEB = [sid(1), sid(2), sid(3)], [sid(11), sid(12)]
KEY = run_key("drs.shop", "scheduled__old")
RECOVERY = {"mode": "recovery", "confirm": "shop", "reason": "the region is dark"}


@pytest.fixture
def begun(simulator):
    """Begin a wave as the first Airflow would have, with the tags of its run."""

    def begin(servers=DATABASE, *, wave="database", is_drill=True, ended=False):
        tags = job_tags(dag_id="drs.shop", run_id="scheduled__old", wave=wave, chunk=0, attempt=1)
        drs = simulator.client("drs", region_name="us-west-2")
        ids = [{"sourceServerID": server} for server in servers]
        job = drs.start_recovery(isDrill=is_drill, sourceServers=ids, tags=tags)["job"]["jobID"]
        if ended:
            simulator.advance("20m")
        return job

    return begin


def launched(simulator):
    """The servers of every StartRecovery, in order."""
    return [
        [server["sourceServerID"] for server in call["request"]["sourceServers"]] for call in calls(simulator, START)
    ]


START = "StartRecovery"


@pytest.mark.parametrize("ended", [False, True], ids=["runs", "ended"])
def test_a_drill_goes_on_with_the_wave_that_was_begun_and_cleans_up_all(run, begun, simulator, ended):
    job = begun(ended=ended)

    ended_run = run(SHOP, continue_run=KEY)

    assert (ended_run.state, ended_run.report["verdict"]) == ("success", "passed")
    assert launched(simulator) == [DATABASE, WEB]
    assert [job["job_id"] for job in ended_run.report["waves"][0]["jobs"]] == [job]
    assert set(instances(simulator).values()) <= {"terminated"}
    assert len(ended_run.report["cleanup"]["terminated"]) == 5


def test_only_the_failed_server_of_the_other_airflow_is_launched_again(run, begun, simulator):
    simulator.fault({"service": "drs", "servers": [sid(2)], "do": "fail_at", "event": "LAUNCH_START", "count": 1})
    begun(ended=True)

    ended_run = run(SHOP, continue_run=KEY)

    assert ended_run.report["verdict"] == "passed"
    assert launched(simulator) == [DATABASE, [sid(2)], WEB]


def test_a_recovery_goes_on_beside_what_lives(run, begun, simulator):
    begun(is_drill=False, ended=True)
    before = instances(simulator)

    ended_run = run(SHOP, continue_run=KEY, **RECOVERY)

    assert ended_run.report["verdict"] == "completed"
    assert launched(simulator) == [DATABASE, WEB]
    assert {name: instances(simulator)[name] for name in before} == dict.fromkeys(before, "running")


def test_without_the_key_what_lives_is_still_refused(run, begun, simulator):
    begun(is_drill=False, ended=True)

    assert run(SHOP, **RECOVERY).report["verdict"] == "refused"
    assert launched(simulator) == [DATABASE]


def test_a_run_that_a_second_airflow_continued_is_continued_by_a_third(run, begun, simulator):
    begun(ended=True)
    run(SHOP, continue_run=KEY, waves=["database"])
    tags = [job["tags"] for job in simulator.client("drs", region_name="us-west-2").describe_jobs()["items"]]

    assert {tag.get("drs-orchestrator:run") for tag in tags if tag} == {KEY}


ISOLATED = SHOP.replace("drill: {network: shared}", "drill: {network: isolated}")


@pytest.fixture
def isolated(simulator, begun):
    """Begin an isolated drill as the first Airflow would have: its network, its launch settings, its first wave."""

    def begin(*, ended=True, launches=True, half=False):
        now = datetime.now(UTC)
        aws = {"aws_conn_id": "aws_default", "region_name": "us-west-2"}
        hook = LaunchSettingsHook(**aws)
        places = placements_of(hook, DATABASE[:1] if half else [*DATABASE, *WEB])
        tags = drill_tags(dag_id="drs.shop", run_id="scheduled__old", expires=now + timedelta(minutes=5))
        networks = NetworkPreparation(DrillNetworkHook(**aws), network="isolated", tags=tags)
        prepared = networks.prepare(places, now=lambda: now)
        ec2 = simulator.client("ec2")
        if half:
            (network,) = prepared.networks
            for group in network.security_groups.values():
                ec2.delete_security_group(GroupId=group)
            return network.vpc_id
        resolved = {
            server: replace(place, vpc_id=prepared.networks[0].production_vpc) for server, place in places.items()
        }
        settings = {server: in_drill_network(resolved[server], {}, prepared.networks) for server in DATABASE}
        marks = {SETTINGS_RUN: KEY, SETTINGS_EXPIRES: tags[EXPIRES]}
        apply_all(hook, settings, is_temporary=True, marks=marks)
        if launches:
            begun(ended=ended)
        return prepared.networks[0].vpc_id

    return begin


def account(simulator):
    """What exists in EC2 that a drill could leave behind."""
    ec2 = simulator.client("ec2")
    templates = ec2.describe_launch_templates()["LaunchTemplates"]
    return {
        "vpcs": sorted(each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"]),
        "subnets": sorted(each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]),
        "groups": sorted(each["GroupId"] for each in ec2.describe_security_groups()["SecurityGroups"]),
        "interfaces": ec2.describe_network_interfaces()["NetworkInterfaces"],
        "volumes": ec2.describe_volumes()["Volumes"],
        "defaults": sorted((each["LaunchTemplateId"], each["DefaultVersionNumber"]) for each in templates),
        "tags": [server["tags"] for server in simulator.client("drs").describe_source_servers()["items"]],
    }


@pytest.mark.parametrize("ended", [False, True], ids=["runs", "ended"])
def test_an_isolated_drill_goes_on_in_its_first_network_and_leaves_nothing(run, isolated, simulator, ended):
    before = account(simulator)
    network = isolated(ended=ended)

    ended_run = run(ISOLATED, continue_run=KEY)

    assert (ended_run.state, ended_run.report["verdict"]) == ("success", "passed")
    assert launched(simulator) == [DATABASE, WEB]
    assert [each["vpc_id"] for each in ended_run.report["networks"]] == [network]
    assert len(calls(simulator, "CreateVpc")) == 1
    assert set(instances(simulator).values()) <= {"terminated"}  # EC2 forgets them after an hour
    assert account(simulator) == before


def test_a_network_that_was_made_in_part_is_completed(run, isolated, begun, simulator):
    before = account(simulator)
    network = isolated(half=True)
    simulator.fault({"service": "drs", "servers": [sid(1)], "do": "fail_at", "event": "LAUNCH_START", "count": 1})
    begun([sid(1)], ended=True)

    ended_run = run(ISOLATED, continue_run=KEY)

    assert ended_run.report["verdict"] == "passed"
    assert [each["vpc_id"] for each in ended_run.report["networks"]] == [network]
    assert (len(calls(simulator, "CreateVpc")), account(simulator)) == (1, before)


def test_the_network_of_a_run_that_may_not_be_continued_stays(run, isolated, simulator):
    network = isolated()

    refused = run(ISOLATED, continue_run=KEY, **RECOVERY)

    assert refused.report["verdict"] == "refused"
    assert network in account(simulator)["vpcs"]
    assert set(instances(simulator).values()) == {"running"}


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        (
            {"continue_run": "manual__old"},
            "continue_run 'manual__old' is no key of a run: drs takeover shop shows the keys",
        ),
        (
            {"continue_run": "0" * 32},
            f"continue_run: no job of a run with the key {'0' * 32} is in the cloud; see drs takeover shop",
        ),
        ({"continue_run": KEY, **RECOVERY}, f"continue_run: run {KEY} is a drill and cannot continue as a recovery"),
    ],
)
def test_what_cannot_be_continued_is_refused(run, begun, simulator, conf, said):
    begun(ended=True)

    refused = run(SHOP, **conf)

    assert refused.state == "failed"
    assert said in refused.said("preflight.check")
    assert len(launched(simulator)) == 1


def test_the_command_shows_what_the_cloud_says(plans, begun, simulator, airflow_db, capsys):
    simulator.fault({"service": "drs", "servers": [sid(2)], "do": "fail_at", "event": "LAUNCH_START"})
    begun(ended=True)
    simulator.clock(speed=1)
    begun([sid(11)], wave="web")
    (plans / "shop.yaml").write_text(SHOP)

    shown = takeover.run(_parser().parse_args(["takeover", "shop", "--plans", str(plans)]))
    lines = capsys.readouterr().out.splitlines()

    assert lines[0] == "shop: 1 run in the cloud"
    assert lines[1].startswith("  scheduled__old  drill, began 20")
    assert lines[2:] == [
        f"    key {KEY}",
        "    database  2 launched, 1 failed",
        "              failed: db2",
        "    web       1 running, 1 not started",
        "  continue it, once the other Airflow is down: drs takeover shop --start",
    ]
    takeover.run(_parser().parse_args(["takeover", "--all", "--plans", str(plans), "--format", "json"]))
    (found,) = json.loads(capsys.readouterr().out)["shop"]
    simulator.clock(speed=600)  # the tests of this file share it
    assert shown == 0
    assert found["waves"][1]["servers"][0]["state"] == "running"


@pytest.fixture
def payroll(simulator):
    """A drill of another plan that is kept until tomorrow."""
    tags = job_tags(dag_id="drs.payroll", run_id="manual__x", wave="w", chunk=0, attempt=1)
    tags |= {"drs-orchestrator:mode": "drill", "drs-orchestrator:expires": "2099-01-01T00:00:00Z"}
    drs = simulator.client("drs", region_name="us-west-2")
    drs.start_recovery(isDrill=True, sourceServers=[{"sourceServerID": sid(1)}, {"sourceServerID": sid(2)}], tags=tags)
    simulator.advance("20m")
    return run_key("drs.payroll", "manual__x")


def test_a_drill_of_another_plan_is_neither_continued_nor_cleaned_up(run, payroll, simulator):
    before = instances(simulator)

    refused = run(SHOP, continue_run=payroll)

    assert refused.report["verdict"] == "refused"
    assert (
        f"continue_run: run {payroll} is not of drs.shop but of drs.payroll: a run continues only a run of its own "
        "plan; drs takeover shop shows the keys"
    ) in refused.said("preflight.check")
    assert set(before.values()) == {"running"}
    assert instances(simulator) == before
    assert calls(simulator, "TerminateRecoveryInstances") == []


@pytest.fixture
def active(airflow_db):
    """Make Airflow know a run of the plan that is not over."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunType

    with create_session() as session:
        session.add(DagRun("drs.shop", "scheduled__old", run_type=DagRunType.MANUAL, state="running"))
    yield
    with create_session() as session:
        session.query(DagRun).filter(DagRun.run_id == "scheduled__old").delete()


@pytest.mark.usefixtures("active")
def test_a_run_that_is_active_here_is_neither_continued_nor_cleaned_up(run, begun, simulator):
    begun(ended=True)
    before = instances(simulator)

    refused = run(SHOP, continue_run=KEY)

    assert refused.report["verdict"] == "refused"
    assert f"continue_run: run {KEY} is going on in this Airflow as scheduled__old: " in refused.said("preflight.check")
    assert instances(simulator) == before


def test_a_refused_run_leaves_what_it_was_to_continue(run, begun, simulator):
    begun(is_drill=True, ended=True)
    before = instances(simulator)

    assert run(SHOP, continue_run=KEY, exclude_servers=["s-of-nobody"]).report["verdict"] == "refused"
    assert instances(simulator) == before


@pytest.mark.parametrize("forged", [False, True], ids=["edited", "edited and signed"])
def test_an_edited_preflight_cannot_name_the_run_of_another_plan(run, payroll, simulator, forged):
    """What XCom says must be signed, and is compared with what the run was started with all the same."""
    from drs_provider.dag.run_reader import preflight_result
    from drs_provider.exceptions import RunRefused
    from drs_provider.rules.run.handover import PreflightResult

    ended = run(SHOP, waves=["web"])
    (task,) = (ti for ti in ended.dag_run.get_task_instances() if ti.task_id == "preflight.check")
    left = {**task.xcom_pull("preflight.check", key=PreflightResult.KEY), "continue_run": payroll}
    if forged:
        left = signed(left, task.dag_id, task.run_id, task.task_id, key=PreflightResult.KEY)
    edited = SimpleNamespace(dag_id=task.dag_id, run_id=task.run_id, xcom_pull=lambda **_: left)

    with pytest.raises(RunRefused) as refused:
        preflight_result({"ti": edited, "params": {"mode": "drill", "continue_run": None}}, "shop")

    assert str(refused.value) == (
        f"preflight of shop says continue_run {payroll!r}, and this run was started with None: the record of preflight "
        "was changed after it was written. Nothing is done. Find out who changed it (Airflow's audit log), then clear "
        "preflight.check to check again"
        if forged
        else "the result of preflight (XCom preflight of preflight.check) cannot be read: it is not what was written: "
        "somebody has edited it, or brought it here from elsewhere. Airflow's audit log says who edited it: clear "
        "preflight.check, to write it again"
    )
