"""Failback drills against the simulator: what is ready is launched in its origin, checked, and nothing of it stays."""

import threading
import time
from argparse import Namespace
from datetime import UTC, datetime, timedelta

import pytest
from airflow.models.xcom import XComModel
from drs_provider.cli import sweep
from drs_provider.dag.failback.drill.launch import StartDrillBack, WatchDrillBack
from drs_provider.rules.run.handover import RunOrder
from kit.dag_runs import calls, instances, things_in
from kit.failback_plans import DB, EAST, FLEET, SHOP, WEB, WEST, failback_servers
from kit.orders import order

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

ISOLATED = SHOP
SHARED = SHOP.replace("failback: {}", "failback: {drill: {network: shared}}")
ALL = ["db1", "db2", "web1"]


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):
    """The origin has a network of its own."""
    (account,) = FLEET["accounts"]
    here, there = account["regions"]
    east = {**here, "network": {"vpc": "10.40.0.0/16", "subnets": {"prod": "10.40.0.0/22"}}}
    fleet = {**FLEET, "accounts": [{**account, "regions": [east, there]}]}
    return start_drs_simulator(fleet, speed=1800)


@pytest.fixture(autouse=True)
def _looks_over_once(monkeypatch):
    """The last look does not wait a minute for what will not go away."""
    monkeypatch.setattr("drs_provider.dag.finish.leftovers.MOST_TIME", timedelta(0))


@pytest.fixture
def ready(recovered, simulator):
    """Recover servers, and have them replicated to their origin."""

    def ready(*servers):
        found = recovered(*servers)
        drs = simulator.client("drs", region_name=WEST)
        for instance in found.values():
            drs.reverse_replication(recoveryInstanceID=instance)
        simulator.advance("3h")
        assert set(failback_servers(simulator).values()) == {"CONTINUOUS"}
        return found

    return ready


def back_ids(simulator):
    """FAILBACK servers by hostname."""
    found = simulator.client("drs", region_name=EAST).describe_source_servers(filters={})["items"]
    return {
        server["sourceProperties"]["identificationHints"]["hostname"]: server["sourceServerID"]
        for server in found
        if server["replicationDirection"] == "FAILBACK"
    }


def origin(simulator):
    """Everything in the origin that a drill could leave."""
    drs = simulator.client("drs", region_name=EAST)
    ec2 = simulator.client("ec2", region_name=EAST)
    servers = drs.describe_source_servers(filters={})["items"]
    launch = {
        server["sourceServerID"]: drs.get_launch_configuration(sourceServerID=server["sourceServerID"])
        for server in servers
    }
    templates = {
        name: [
            version["VersionNumber"]
            for version in ec2.describe_launch_template_versions(LaunchTemplateId=found["ec2LaunchTemplateID"])[
                "LaunchTemplateVersions"
            ]
        ]
        for name, found in launch.items()
    }
    for found in launch.values():
        del found["ResponseMetadata"]
    return {
        "servers": {server["sourceServerID"]: (server["replicationDirection"], server["tags"]) for server in servers},
        "states": failback_servers(simulator),
        "launch": launch,
        "templates": templates,
        "instances": [name for name, state in instances(simulator, EAST).items() if state != "terminated"],
        "records": drs.describe_recovery_instances()["items"],
        "network": things_in(ec2),
    }


def production(simulator):
    drs = simulator.client("drs", region_name=WEST)
    return {
        found["sourceServerID"]: (found["recoveryInstanceID"], found["ec2InstanceState"], found["isDrill"])
        for found in drs.describe_recovery_instances()["items"]
    }


@pytest.mark.parametrize("text", [ISOLATED, SHARED], ids=["isolated", "shared"])
def test_what_is_ready_is_launched_in_its_origin_and_nothing_of_it_stays(go_back, ready, simulator, text):
    ready(*DB, *WEB)
    before, running = origin(simulator), production(simulator)

    ended = go_back(text, mode="failback_drill")

    assert ended.said("preflight.check") is None
    assert (ended.state, ended.report["verdict"], ended.report["verdict_reason"]) == (
        "success",
        "passed",
        "All 3 servers in 2 waves were launched.",
    )
    assert ended.servers == dict.fromkeys(ALL, "launched")
    assert ended.tasks["database.reverse_replication"] == "skipped"
    started = calls(simulator, "StartRecovery")[1:]
    assert [call["request"]["isDrill"] for call in started] == [True, True]
    assert origin(simulator) == before
    assert production(simulator) == running
    assert bool(calls(simulator, "CreateVpc")) is (text is ISOLATED)


def test_after_it_everything_is_still_ready(go_back, ready, simulator):
    ready(*DB, *WEB)

    drilled = go_back(SHARED, folder="drill", mode="failback_drill")
    again = go_back(SHARED, folder="again")

    assert (drilled.report["verdict"], again.report["verdict"]) == ("passed", "completed")
    assert again.servers == dict.fromkeys(ALL, "ready")
    assert again.tasks["database.start_drill"] == again.tasks["finish.clean_up"] == "skipped"


def test_waves_are_launched_in_the_order_of_the_way_back(go_back, ready, simulator):
    ready(*DB, *WEB)

    ended = go_back(SHARED.replace("failback: {", "failback: {order: reversed, "), mode="failback_drill")

    back = {name: host for host, name in back_ids(simulator).items()}
    started = [
        sorted(back[server["sourceServerID"]] for server in call["request"]["sourceServers"])
        for call in calls(simulator, "StartRecovery")[1:]
    ]
    assert ended.report["verdict"] == "passed"
    assert started == [["web1"], ["db1", "db2"]]


def test_who_is_not_ready_refuses_it_and_nothing_is_started(go_back, recovered, simulator):
    found = recovered(*DB, *WEB)
    drs = simulator.client("drs", region_name=WEST)
    for server in DB:
        drs.reverse_replication(recoveryInstanceID=found[server])
    simulator.advance("3h")

    ended = go_back(SHARED, mode="failback_drill")

    assert ended.report["verdict"] == "refused"
    said = ended.said("preflight.check")
    assert "it is recovered: a failback drill launches what is ready, and production is elsewhere" in said
    assert ("web1" in said, "db1" in said) == (True, False)
    assert len(calls(simulator, "StartRecovery")) == 1
    assert ended.tasks["finish.clean_up"] == "skipped"

    rest = go_back(SHARED, folder="rest", mode="failback_drill", waves=["database"])
    assert (rest.state, rest.servers["db1"], rest.servers["db2"]) == ("success", "launched", "launched")


def test_where_nothing_was_recovered_there_is_nothing_to_drill(go_back, simulator):
    ended = go_back(SHARED, mode="failback_drill")

    assert ended.report["verdict"] == "refused"
    assert (
        "no server of the chosen waves is ready to be launched in its origin: run mode reprotect first"
        in ended.said("preflight.check")
    )


# -- launching into the original instance ----------------------------------------------------------------------------


def into(simulator, hostname="db1"):
    """Have DRS launch the FAILBACK server of a host into production's original, which is stopped."""
    protected = {"db1": DB[0], "db2": DB[1], "web1": WEB[0]}[hostname]
    found = simulator.client("drs", region_name=WEST).describe_source_servers(filters={"sourceServerIDs": [protected]})[
        "items"
    ]
    original = found[0]["sourceProperties"]["identificationHints"]["awsInstanceID"]
    ec2 = simulator.client("ec2", region_name=EAST)
    ec2.create_tags(Resources=[original], Tags=[{"Key": "AWSDRS", "Value": "AllowLaunchingIntoThisInstance"}])
    ec2.stop_instances(InstanceIds=[original])
    simulator.client("drs", region_name=EAST).update_launch_configuration(
        sourceServerID=back_ids(simulator)[hostname],
        copyTags=False,
        copyPrivateIp=False,
        launchIntoInstanceProperties={"launchIntoEC2InstanceID": original},
    )
    return original


def state_of(simulator, instance):
    found = simulator.client("ec2", region_name=EAST).describe_instances(InstanceIds=[instance])
    return found["Reservations"][0]["Instances"][0]["State"]["Name"]


UNTOUCHED = {"stopping", "stopped"}


def test_a_launch_into_the_original_is_refused(go_back, ready, simulator):
    ready(*DB, *WEB)
    original = into(simulator)

    ended = go_back(SHARED, mode="failback_drill")

    assert ended.report["verdict"] == "refused"
    said = ended.said("preflight.check")
    assert f"DRS would launch it into the existing instance {original} instead of a new one" in said
    assert "a failback drill launches new instances only" in said
    assert len(calls(simulator, "StartRecovery")) == 1
    assert state_of(simulator, original) in UNTOUCHED


def test_a_launch_into_the_original_by_the_accounts_default_is_refused(go_back, ready, simulator):
    ready(*DB, *WEB)
    simulator.client("drs", region_name=EAST).create_launch_configuration_template(launchIntoSourceInstance=True)

    ended = go_back(SHARED, mode="failback_drill")

    assert ended.report["verdict"] == "refused"
    assert "the account's launch configuration template says so, launchIntoSourceInstance" in ended.said(
        "preflight.check"
    )
    assert len(calls(simulator, "StartRecovery")) == 1


def test_leaving_the_server_out_is_the_way_on_and_launches_the_others_only(go_back, ready, simulator):
    ready(*DB, *WEB)
    original = into(simulator)

    ended = go_back(SHARED, mode="failback_drill", exclude_servers=["db1"])

    assert ended.report["verdict"] == "completed_with_exceptions"
    back = back_ids(simulator)
    started = {
        server["sourceServerID"]
        for call in calls(simulator, "StartRecovery")[1:]
        for server in call["request"]["sourceServers"]
    }
    assert started == {back["db2"], back["web1"]}
    assert state_of(simulator, original) in UNTOUCHED


def test_a_setting_that_is_switched_on_after_preflight_stops_the_wave(go_back, ready, simulator, monkeypatch):
    ready(*DB, *WEB)
    made = []
    execute = StartDrillBack.execute

    def switched_on(self, context):
        if self.wave == "web":
            made.append(into(simulator, "web1"))
        return execute(self, context)

    monkeypatch.setattr(StartDrillBack, "execute", switched_on)
    ended = go_back(SHARED, mode="failback_drill")

    (original,) = made
    assert ended.report["verdict"] == "failed"
    assert f"DRS would launch it into the existing instance {original}" in ended.said("web.start_drill")
    assert len(calls(simulator, "StartRecovery")) == 2
    assert state_of(simulator, original) in UNTOUCHED
    assert [name for name, state in instances(simulator, EAST).items() if state != "terminated"] == []


@pytest.mark.parametrize("marked", ["preflight.check", "preflight.*", "preflight.check|database.start_drill"])
def test_marking_preflight_as_successful_launches_nothing(dag_of, ready, simulator, marked):
    ready(*DB, *WEB)
    original = into(simulator)
    dag = dag_of(SHARED)
    for task in dag.tasks:
        task.retries = 0

    ended = dag.test(run_conf={"mode": "failback_drill"}, mark_success_pattern=marked)

    assert str(ended.state) == "failed"
    assert len(calls(simulator, "StartRecovery")) == 1
    assert state_of(simulator, original) in UNTOUCHED


def test_a_setting_that_is_switched_on_before_a_retry_stops_the_retry(go_back, ready, simulator, monkeypatch):
    ready(*DB, *WEB)
    simulator.fault({"service": "drs", "hostname": "db1", "do": "fail_silently", "count": 1})
    made = []
    look = WatchDrillBack.ensure_may_launch

    def switched_on(self, server_ids):
        made.append(into(simulator))
        look(self, server_ids)

    monkeypatch.setattr(WatchDrillBack, "ensure_may_launch", switched_on)
    ended = go_back(SHARED.replace("groups: [db]}", "groups: [db], retry_failed: 1}"), mode="failback_drill")

    (original,) = made
    assert ended.report["verdict"] == "failed"
    assert f"DRS would launch it into the existing instance {original}" in ended.said("database.drill_job")
    assert len(calls(simulator, "StartRecovery")) == 2
    assert state_of(simulator, original) in UNTOUCHED


def test_a_server_that_was_left_out_is_not_written_back_into_the_record(go_back, ready, simulator, monkeypatch):
    """Whoever may edit XComs takes the record of another run, which had it; the run's own parameters decide."""
    ready(*DB, *WEB)
    whole = go_back(SHARED, folder="whole", mode="failback_drill")
    record = next(ti for ti in whole.dag_run.get_task_instances() if ti.task_id == "preflight.check").xcom_pull(
        "preflight.check", key="preflight"
    )
    original, before = into(simulator), len(calls(simulator, "StartRecovery"))
    execute = StartDrillBack.execute

    def edited(self, context):
        ti = context["ti"]
        place = {"dag_id": ti.dag_id, "task_id": "preflight.check", "run_id": ti.run_id}
        XComModel.set(key="preflight", value=record, **place)
        return execute(self, context)

    monkeypatch.setattr(StartDrillBack, "execute", edited)
    ended = go_back(SHARED, folder="edited", mode="failback_drill", exclude_servers=["db1"])

    assert ended.state == "failed"
    assert len(calls(simulator, "StartRecovery")) == before
    assert state_of(simulator, original) in UNTOUCHED


# -- failures, people, others ----------------------------------------------------------------------------------------


def test_a_launch_that_fails_fails_its_wave_and_is_cleaned_up(go_back, ready, simulator):
    ready(*DB, *WEB)
    before = origin(simulator)
    simulator.fault({"service": "drs", "hostname": "db1", "do": "fail_silently"})

    ended = go_back(SHARED, mode="failback_drill")

    assert ended.report["verdict"] == "failed"
    assert ended.servers["db1"] == "failed"
    after = origin(simulator)
    assert (after["instances"], after["templates"], after["states"]) == ([], before["templates"], before["states"])


def test_a_failback_that_comes_meanwhile_takes_the_servers(go_back, ready, simulator):
    ready(*DB, *WEB)
    web = back_ids(simulator)["web1"]

    def failback():
        drs = simulator.client("drs", region_name=EAST)
        drs.start_recovery(isDrill=False, sourceServers=[{"sourceServerID": web}])

    wait = meanwhile_second(simulator, failback)
    ended = go_back(SHARED, mode="failback_drill")
    wait.join()

    assert ended.report["verdict"] == "superseded"
    left = [name for name, state in instances(simulator, EAST).items() if state != "terminated"]
    records = simulator.client("drs", region_name=EAST).describe_recovery_instances()["items"]
    assert [record["isDrill"] for record in records if record["ec2InstanceState"] != "TERMINATED"] == [False]
    assert len(left) == 1


def test_a_lost_answer_is_no_second_launch(go_back, ready, simulator):
    ready(*DB, *WEB)
    simulator.fault({"service": "drs", "operation": "StartRecovery", "do": "commit_then_drop", "count": 1})

    ended = go_back(SHARED, mode="failback_drill")

    assert (ended.state, ended.report["verdict"]) == ("success", "passed")
    drs = simulator.client("drs", region_name=EAST)
    jobs = [job for job in drs.describe_jobs()["items"] if job["type"] == "LAUNCH"]
    assert sorted(len(job["participatingServers"]) for job in jobs) == [1, 2]
    assert origin(simulator)["instances"] == []


def test_a_run_that_is_cancelled_between_two_waves_starts_nothing_more_and_cleans_up(
    go_back, ready, simulator, monkeypatch
):
    ready(*DB, *WEB)
    before = origin(simulator)
    execute = StartDrillBack.execute

    def cancelled(self, context):
        if self.wave == "web":
            order(context, RunOrder(kind="cancel", message="cancelled by ann: wrong day"))
        return execute(self, context)

    monkeypatch.setattr(StartDrillBack, "execute", cancelled)
    ended = go_back(mode="failback_drill")

    assert (ended.state, ended.report["verdict"]) == ("failed", "cancelled")
    assert len(calls(simulator, "StartRecovery")) == 2
    assert origin(simulator) == before


def test_another_drill_of_the_same_servers_is_refused_beside_it(go_back, ready, simulator):
    """Whoever has started it in the console: a launch would terminate its instance."""
    ready(*DB, *WEB)
    drs = simulator.client("drs", region_name=EAST)
    drs.start_recovery(isDrill=True, sourceServers=[{"sourceServerID": back_ids(simulator)["db1"]}])
    simulator.advance("40m")

    ended = go_back(SHARED, mode="failback_drill")

    assert ended.report["verdict"] == "refused"
    assert [record["isDrill"] for record in origin(simulator)["records"]] == [True]


def test_drs_sweep_finds_in_the_origin_what_a_drill_has_left(dag_of, ready, simulator, monkeypatch, capsys):
    ready(*DB, *WEB)
    before = origin(simulator)
    dag = dag_of()
    for task in dag.tasks:
        task.retries = 0
    for clean_up in ("clean_up", "restore_settings", "remove_network", "look_over"):
        monkeypatch.setattr(type(dag.get_task(f"finish.{clean_up}")), "execute", lambda *_: None)
    dag.test(run_conf={"mode": "failback_drill"})
    assert origin(simulator)["instances"]
    options = Namespace(plans=None, aws_conn_id=None, region=None, dry_run=False, format="text")

    code = sweep.run(
        options,
        now=lambda: datetime.now(UTC) + timedelta(days=3),
        sleep=lambda _seconds: simulator.advance("10m"),
    )

    assert code == 0, capsys.readouterr().out
    after = origin(simulator)
    assert {key: after[key] for key in ("instances", "templates", "network", "states")} == {
        key: before[key] for key in ("instances", "templates", "network", "states")
    }


def meanwhile_second(simulator, act):
    """Act once the first job of the drill has been started: one recovery was before it."""

    def wait():
        while len(calls(simulator, "StartRecovery")) < 2:
            time.sleep(0.05)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread
