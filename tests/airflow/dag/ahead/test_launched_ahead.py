"""Plans that launch ahead, from end to end against the simulator: launched at once, started wave by wave."""

import pytest
from kit.dag_runs import SHOP, calls, instances

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

AHEAD = SHOP.replace("drill: {network: shared}", "drill: {network: shared}\nlaunch: ahead")
DB = ["s-00000000000000001", "s-00000000000000002", "s-00000000000000003"]
WEB = ["s-00000000000000011", "s-00000000000000012"]
ALL_UP = dict.fromkeys(["db1", "db2", "db3", "web1", "web2"], "launched")
STARTS = ("StartRecovery", "StartInstances")
BROKEN = {"service": "drs", "hostname": "db1", "do": "fail_at", "event": "CONVERSION_START", "error": "Broken"}


def servers_of(call):
    return sorted(server["sourceServerID"] for server in call["request"]["sourceServers"])


def order_of(simulator):
    return [c["operation"] for c in simulator.calls() if c["operation"] in STARTS]


def dispositions(simulator):
    drs = simulator.client("drs")
    return {drs.get_launch_configuration(sourceServerID=server)["launchDisposition"] for server in (*DB, *WEB)}


def test_a_drill_launches_everything_at_once_and_starts_wave_after_wave(run, simulator):
    ended = run(AHEAD)

    assert (ended.state, ended.report["verdict"]) == ("success", "passed"), ended.report["verdict_reason"]
    assert list(map(servers_of, calls(simulator, "StartRecovery"))) == [DB, WEB]
    assert sorted(order_of(simulator)) == [*["StartInstances"] * 2, *["StartRecovery"] * 2]
    assert order_of(simulator)[-1] == "StartInstances"
    assert ended.servers == ALL_UP
    assert (ended.tasks["database.launch_ahead"], ended.tasks["web.launch_ahead"]) == ("success", "success")
    assert set(instances(simulator).values()) <= {"terminated"}
    assert dispositions(simulator) == {"STARTED"}


def test_a_wave_in_two_accounts_is_started_in_both_beside_one_that_launches_in_its_turn(run, simulator):
    mail = (
        "kind: ProtectionGroup\nname: mail\nregion: eu-central-1\naws_conn_id: aws_there\n"
        "select: {tags: {Tier: mail}}\n"
    )
    text = AHEAD.replace("groups: [db]", "groups: [db, mail], ready: status_checks")
    ended = run(f"{mail}---\n{text.replace('groups: [web]', 'groups: [web], launch: in_waves')}")

    assert (ended.state, ended.report["verdict"]) == ("success", "passed"), ended.report["verdict_reason"]
    assert ended.servers == {**ALL_UP, "mail1": "launched", "mail2": "launched"}
    where = {operation: [(c["account"], c["region"]) for c in calls(simulator, operation)] for operation in STARTS}
    here, there = ("111122223333", "us-west-2"), ("444455556666", "eu-central-1")
    assert sorted(where["StartRecovery"]) == [here, here, there]
    assert sorted(where["StartInstances"]) == [here, there]
    assert ended.tasks["database.launch_ahead_2"] == "success"
    assert "web.launch_ahead" not in ended.tasks


def test_a_wave_whose_predecessor_fails_stays_prepared_and_is_cleaned_up(run, simulator):
    simulator.fault(
        {"service": "drs", "hostname": "db1", "do": "fail_at", "event": "CONVERSION_START", "error": "Broken"}
    )
    ended = run(AHEAD)

    assert ended.state == "failed"
    assert len(calls(simulator, "StartRecovery")) == 2
    assert ended.report["verdict_reason"].startswith(
        "Wave database failed: db1 not launched; wave web was not started (2 servers prepared). First cause: db1"
    )
    assert ended.servers == {
        "db1": "failed",
        "db2": "launched",
        "db3": "launched",
        "web1": "prepared",
        "web2": "prepared",
    }
    reasons = {server["hostname"]: server["reason"] for server in ended.report["waves"][1]["servers"]}
    assert reasons == dict.fromkeys(["web1", "web2"], "prepared, not started")
    assert set(instances(simulator).values()) <= {"terminated"}
    assert dispositions(simulator) == {"STARTED"}
