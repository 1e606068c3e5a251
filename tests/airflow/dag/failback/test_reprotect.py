"""Reprotection against the simulator: what was recovered is replicated back, each exactly once, until it is ready."""

import threading
import time
from datetime import timedelta

import pytest
from drs_provider.dag.failback import reverse
from drs_provider.dag.failback.check import CheckFailback
from drs_provider.formatting import duration
from drs_provider.hooks.failback import FailbackHook
from kit.dag_runs import calls
from kit.failback_plans import CENTRE, DB, EAST, SHOP, WEB, WEST, failback_servers

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]


def reversed_instances(simulator):
    return sorted(call["request"]["recoveryInstanceID"] for call in calls(simulator, "ReverseReplication"))


def destroyed(simulator):
    names = ("StopReplication", "TerminateRecoveryInstances", "DisconnectRecoveryInstance", "DeleteSourceServer")
    return [name for name in names if calls(simulator, name)]


def test_every_recovered_server_becomes_ready_in_its_origin(go_back, recovered, simulator):
    instances = recovered(*DB, *WEB)

    ended = go_back()

    assert ended.said("database.reverse_replication") is None
    assert ended.state == "success"
    assert (ended.report["verdict"], ended.report["verdict_reason"]) == (
        "completed",
        "All 3 servers in 2 waves can be launched in their origin.",
    )
    assert ended.servers == {"db1": "ready", "db2": "ready", "web1": "ready"}
    assert failback_servers(simulator) == dict.fromkeys(instances.values(), "CONTINUOUS")
    assert reversed_instances(simulator) == sorted(instances.values())
    assert destroyed(simulator) == []
    on_the_way = [s["on_the_way"] for wave in ended.report["waves"] for s in wave["servers"]]
    assert {seen["stage"] for seen in on_the_way} == {"ready"}
    assert all(seen["total_bytes"] == 8 * 2**30 for seen in on_the_way)


def test_what_somebody_has_reversed_in_the_console_is_adopted_and_so_is_a_second_run(go_back, recovered, simulator):
    instances = recovered(*DB, *WEB)
    drs = simulator.client("drs", region_name=WEST)
    drs.reverse_replication(recoveryInstanceID=instances[DB[0]])
    simulator.advance("10m")

    first = go_back(folder="first")
    again = go_back(folder="again")

    assert (first.state, again.state) == ("success", "success")
    assert first.report["verdict"] == again.report["verdict"] == "completed"
    assert reversed_instances(simulator) == sorted(instances.values())
    assert len(failback_servers(simulator)) == 3


def test_a_lost_answer_is_no_second_call(go_back, recovered, simulator):
    instances = recovered(*DB, *WEB)
    simulator.fault({"service": "drs", "operation": "ReverseReplication", "do": "commit_then_drop", "count": 2})

    ended = go_back()

    assert (ended.state, ended.report["verdict"]) == ("success", "completed")
    assert len(failback_servers(simulator)) == 3
    assert all(reversed_instances(simulator).count(instance) == 1 for instance in instances.values())


def test_who_does_not_get_there_is_named_with_why_after_the_others_are_ready(go_back, recovered, simulator):
    instances = recovered(*DB, *WEB)
    simulator.client("ec2", region_name=WEST).stop_instances(InstanceIds=[instances[DB[1]]])
    simulator.advance("5m")

    ended = go_back()

    why = f"{instances[DB[1]]} is STOPPED, and DRS reverses running ones: start it"
    assert (ended.state, ended.report["verdict"]) == ("failed", "failed")
    assert ended.report["verdict_reason"].startswith(
        f"2 of 3 servers can be launched in their origin; wave database: db2 not ready ({why})."
    )
    assert ended.said("database.reverse_replication") == (
        f"1 of 2 servers of wave database are ready. Not ready: db2 ({DB[1]}): {why}. Once that is corrected, clear "
        "this task or start a new run: what is reversed stays so, and is not copied again"
    )
    assert ended.servers == {"db1": "ready", "db2": "stuck", "web1": "ready"}


def test_a_server_that_is_not_critical_fails_nothing(go_back, recovered, simulator):
    instances = recovered(*DB, *WEB)
    simulator.client("ec2", region_name=WEST).stop_instances(InstanceIds=[instances[DB[1]]])
    simulator.advance("5m")

    ended = go_back(SHOP.replace("s-00000000000000002]", "{id: s-00000000000000002, critical: false}]"))

    assert (ended.state, ended.report["verdict"]) == ("success", "completed_with_exceptions")
    assert ended.servers == {"db1": "ready", "db2": "stuck", "web1": "ready"}


def test_what_was_not_recovered_stays_as_it_is(go_back, recovered, simulator):
    instances = recovered(DB[0])

    ended = go_back()

    assert (ended.state, ended.report["verdict"]) == ("success", "completed_with_exceptions")
    assert ended.tasks["web.reverse_replication"] == "skipped"
    assert reversed_instances(simulator) == [instances[DB[0]]]
    assert [(found["hostname"], found["what"]) for found in ended.report["preflight"]["findings"]] == [
        ("db2", "it was not recovered: production runs at its origin"),
        ("web1", "it was not recovered: production runs at its origin"),
    ]


def test_where_nothing_was_recovered_there_is_nothing_to_do(go_back, simulator):
    ended = go_back()

    assert (ended.state, ended.report["verdict"]) == ("failed", "refused")
    assert ended.report["verdict_reason"].startswith("Nothing was called: preflight found 1 reason against it.")
    assert "no server of the chosen waves was recovered, so there is nothing to replicate back" in ended.said(
        "preflight.check"
    )
    assert calls(simulator, "ReverseReplication") == []


def test_a_server_that_nobody_knows_refuses_the_run_before_any_call(go_back, recovered, simulator):
    recovered(*DB)

    ended = go_back(SHOP.replace("s-00000000000000002]", "s-00000000000000009]"))

    assert ended.report["verdict"] == "refused"
    assert "DRS does not know it in this account and Region" in ended.said("preflight.check")
    assert calls(simulator, "ReverseReplication") == []


def test_waves_and_servers_can_be_left_out(go_back, recovered, simulator):
    instances = recovered(*DB, *WEB)

    ended = go_back(waves=["database"], exclude_servers=["db2"])

    assert (ended.state, ended.tasks["web.reverse_replication"]) == ("success", "skipped")
    assert reversed_instances(simulator) == [instances[DB[0]]]
    assert ended.report["verdict"] == "completed_with_exceptions"


def test_the_origin_may_be_named_and_must_be_the_servers_own(go_back, recovered, simulator):
    recovered(*DB, *WEB)

    wrong = go_back(SHOP.replace("failback: {}", "failback: {origin: {region: eu-west-1}}"), folder="wrong")
    right = go_back(SHOP.replace("failback: {}", f"failback: {{origin: {{region: {EAST}}}}}"), folder="right")

    assert (wrong.report["verdict"], right.report["verdict"]) == ("refused", "completed")
    assert "the origin is said to be eu-west-1, but DRS replicates back to where a server came from" in wrong.said(
        "preflight.check"
    )


def test_one_origin_that_cannot_be_read_keeps_nobody_of_another(go_back, recovered, simulator):
    instances = recovered(*DB, *WEB)

    ended = go_back(SHOP.replace("Tier: web}}", "Tier: web}}\norigin: {region: eu-west-1}"))

    assert (ended.state, ended.report["verdict"]) == ("failed", "failed")
    assert ended.servers == {"db1": "ready", "db2": "ready", "web1": "stuck"}
    assert reversed_instances(simulator) == sorted(instances[server] for server in DB)
    (finding,) = ended.report["preflight"]["findings"]
    assert (finding["severity"], finding["hostname"]) == ("warning", "web1")
    assert finding["what"].startswith(
        f"its origin, {EAST} of account 111122223333, could not be looked at: the origin is said to be eu-west-1"
    )


def test_a_task_that_somebody_marks_as_successful_proves_nothing(dag_of, recovered, simulator, tmp_path):
    """What decides is what the task left, and that is signed."""
    recovered(*DB, *WEB)
    dag = dag_of()
    ended = dag.test(run_conf={"mode": "reprotect"}, mark_success_pattern="database.reverse_replication")

    assert str(ended.state) == "failed"


@pytest.mark.parametrize("killed_after", [1, 2, 3])
def test_a_run_that_died_after_any_of_its_calls_is_taken_over(go_back, recovered, simulator, monkeypatch, killed_after):
    """The next run knows nothing of the first: it goes by what the cloud says, as another Airflow would."""
    instances, sent = recovered(*DB, *WEB), []

    def dies(self, instance_id):
        found = reverse(self, instance_id)
        sent.append(instance_id)
        if len(sent) == killed_after:
            raise RuntimeError("the worker is gone")
        return found

    with monkeypatch.context() as patched:
        reverse = FailbackHook.reverse_replication
        patched.setattr(FailbackHook, "reverse_replication", dies)
        died = go_back(folder="died")
    ended = go_back(folder="ended")

    assert (died.state, ended.state) == ("failed", "success")
    assert ended.report["verdict"] == "completed"
    assert reversed_instances(simulator) == sorted(instances.values())
    assert failback_servers(simulator) == dict.fromkeys(instances.values(), "CONTINUOUS")


def test_a_failback_client_is_asked_for_and_waited_for(go_back, simulator):
    drs = simulator.client("drs", region_name=WEST)
    instance = _recover_from_a_data_centre(simulator, drs)
    paired = threading.Thread(target=_boot_client, args=(simulator, instance), daemon=True)
    paired.start()

    ended = go_back(CENTRE_SHOP)

    paired.join(timeout=10)
    assert (ended.state, ended.report["verdict"]) == ("success", "completed")
    finding = next(found for found in ended.report["preflight"]["findings"] if found["hostname"] == "centre1")
    assert finding["what"] == "it waits for people"
    assert f"Failback Client ISO of {WEST}, and name recovery instance {instance} to it" in finding["next_step"]
    assert calls(simulator, "ReverseReplication") == []


def test_nobody_boots_the_failback_client_and_the_run_ends_after_a_day_in_words(go_back, simulator, monkeypatch):
    instance = _recover_from_a_data_centre(simulator, simulator.client("drs", region_name=WEST))
    assert timedelta(days=1) == reverse.PEOPLE_HAVE
    monkeypatch.setattr("drs_provider.dag.failback.reverse.PEOPLE_HAVE", timedelta(0))

    ended = go_back(CENTRE_SHOP)

    said = ended.said("centre.reverse_replication")
    assert (ended.state, ended.report["verdict"]) == ("failed", "failed")
    assert f"nobody has done it within {duration(timedelta(0))}: it came from a data centre" in said
    assert f"name recovery instance {instance} to it" in said


CENTRE_SHOP = """\
kind: ProtectionGroup
name: centre
region: us-west-2
servers: [s-00000000000000031]
---
kind: RecoveryPlan
name: shop
drill: {network: shared}
failback: {}
waves:
  - {name: centre, groups: [centre]}
"""


def _recover_from_a_data_centre(simulator, drs):
    drs.start_recovery(isDrill=False, sourceServers=[{"sourceServerID": CENTRE}])
    simulator.advance("40m")
    (found,) = drs.describe_recovery_instances()["items"]
    return found["recoveryInstanceID"]


def _boot_client(simulator, instance):
    """Once preflight and the wave have looked: as people do who were asked."""
    before, deadline = len(calls(simulator, "DescribeRecoveryInstances")), time.monotonic() + 60
    while time.monotonic() < deadline and len(calls(simulator, "DescribeRecoveryInstances")) < before + 2:
        time.sleep(0.1)
    simulator.failback_client(instance)


WITH_STEPS = SHOP.replace(
    "failback: {}\nwaves:\n  - {name: database, groups: [db]}\n  - {name: web, groups: [web]}\n",
    """\
failback: {approval: {approvers: [ann]}, clean_up: {approvers: [bob]}}
before: [{kind: wait, name: freeze, for: 1s, when: failback}]
after: [{kind: wait, name: thaw, for: 1s}]
waves:
  - name: database
    groups: [db]
    before: [{kind: wait, name: stop, for: 1s, when: failback}]
  - {name: announce, after: [{kind: wait, name: say, for: 1s}]}
  - name: web
    groups: [web]
    delay_before: 1m
    pause_before: {message: "Go on?", approvers: [bob]}
    after: [{kind: wait, name: switch, for: 1s, when: failback}]
""",
)


def test_nothing_of_a_failback_begins_in_a_reprotection_of_which_everything_is_cleared(
    go_back, recovered, simulator, monkeypatch
):
    """What preflight skips once is not skipped again: each task has to know by itself that it has nothing to do."""
    monkeypatch.setattr(CheckFailback, "_idle", lambda *_: [])
    instances = recovered(*DB, *WEB)

    ended = go_back(WITH_STEPS)

    acts = {task for task, state in ended.tasks.items() if state != "skipped"}
    reversals = {"database.reverse_replication", "web.reverse_replication"}
    assert {"before_waves.freeze", "database.stop", "announce.say", "web.pause", "web.switch"} <= {*ended.tasks}
    assert acts == {"preflight.check", *reversals, "finish.report", "finish.verdict"}
    assert (ended.state, ended.report["verdict"]) == ("success", "completed")
    assert reversed_instances(simulator) == sorted(instances.values())
    assert [call for call in calls(simulator, "StartRecovery") if call["region"] == EAST] == []
