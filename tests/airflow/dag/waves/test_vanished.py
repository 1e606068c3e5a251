"""Launches of which DRS's own word is not enough: instances that are gone, jobs that are deleted, tasks that died."""

import threading
import time
from datetime import timedelta

import pytest
from drs_provider.dag.waves import start as start_module
from drs_provider.rules.launch.tags import WAVE
from kit.dag_runs import SHOP, calls, instances

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

GO = {"mode": "recovery", "confirm": "shop", "reason": "us-east-1 is dark"}
PLAN = SHOP.replace("rpo: 5m\n", "")


def database(**fields):
    more = ", ".join(f"{name}: {value}" for name, value in fields.items())
    return PLAN.replace("groups: [db]}", f"groups: [db], {more}}}")


def protected(simulator):
    ec2 = simulator.client("ec2")
    found = {}
    for name, state in instances(simulator).items():
        if state == "running":
            answer = ec2.describe_instance_attribute(InstanceId=name, Attribute="disableApiTermination")
            found[name] = answer["DisableApiTermination"]["Value"]
    return found


@pytest.mark.parametrize("conf", [{}, GO], ids=["drill", "recovery"])
@pytest.mark.parametrize("fault", ["terminated_behind_drs", "launched_stopped"])
def test_a_wave_whose_instance_is_not_there_is_launched_again_as_often_as_the_plan_says_and_ends(
    run, simulator, conf, fault
):
    simulator.fault({"hostname": "db1", "do": fault, "count": 9})

    ended = run(database(retry_failed=2, timeout="2h"), **conf)

    # A recovery never launches over an instance that lives, stopped or not.
    again = 0 if conf and fault == "launched_stopped" else 2
    assert (ended.state, ended.report["verdict"]) == ("failed", "failed")
    db1 = [call for call in calls(simulator, "StartRecovery") if len(call["request"]["sourceServers"]) != 2]
    assert len(db1) == 1 + again
    (server,) = [server for server in ended.report["waves"][0]["servers"] if server["hostname"] == "db1"]
    assert server["status"] == "failed"
    assert len(server["tries"]) == again


def test_one_that_is_there_the_second_time_is_launched(run, simulator):
    simulator.fault({"hostname": "db1", "do": "terminated_behind_drs", "count": 1})

    ended = run(database(retry_failed=1), **GO)

    assert (ended.state, ended.report["verdict"]) == ("success", "completed")
    assert set(protected(simulator).values()) == {True}


def test_jobs_that_somebody_deletes_are_judged_by_their_instances(run, simulator, monkeypatch):
    monkeypatch.setattr("drs_provider.triggers.jobs.VISIBLE_AFTER", timedelta(seconds=3))
    drs, over = simulator.client("drs"), threading.Event()

    def delete():
        while not over.is_set():
            for job in drs.describe_jobs(filters={})["items"]:
                if job["status"] == "COMPLETED":
                    drs.delete_job(jobID=job["jobID"])
            time.sleep(0.01)

    thread = threading.Thread(target=delete, daemon=True)
    thread.start()
    try:
        ended = run(PLAN, **GO)
    finally:
        over.set()
        thread.join()

    assert (ended.state, ended.report["verdict"]) == ("success", "completed")
    assert set(ended.servers.values()) == {"launched"}
    assert len(protected(simulator)) == 5
    assert set(protected(simulator).values()) == {True}


def test_a_start_that_died_after_its_call_is_found_protected_and_said(run, simulator, monkeypatch):
    def finish(self, context, launch):
        raise RuntimeError("the worker lost its database")

    monkeypatch.setattr(start_module.StartWave, "finish", finish)

    ended = run(PLAN, **GO)

    assert ended.report["verdict"] == "failed"
    assert len(calls(simulator, "StartRecovery")) == 1
    assert len(protected(simulator)) == 3
    assert set(protected(simulator).values()) == {True}
    database_wave = ended.report["waves"][0]
    assert {server["status"] for server in database_wave["servers"]} == {"launched"}
    assert all("protected from termination; no task waited for it" in s["reason"] for s in database_wave["servers"])
    assert "no server was launched" not in ended.report["verdict_reason"].lower()


def test_the_same_in_a_drill_is_cleaned_up_and_called_unknown(run, simulator, monkeypatch):
    def finish(self, context, launch):
        raise RuntimeError("the worker lost its database")

    monkeypatch.setattr(start_module.StartWave, "finish", finish)

    ended = run(PLAN)

    assert ended.report["verdict"] == "failed"
    assert "running" not in instances(simulator).values()
    assert {server["status"] for server in ended.report["waves"][0]["servers"]} == {"unknown"}
    assert "unknown whether db1, db2, db3 were launched" in ended.report["verdict_reason"]


def test_a_wave_of_more_servers_than_airflow_maps_is_launched_like_any_other(run, simulator, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "2")

    ended = run(PLAN, **GO)

    assert (ended.state, ended.report["verdict"]) == ("success", "completed")
    assert set(ended.servers.values()) == {"launched"}
    assert sum(task.startswith("database.servers") for task in ended.tasks) == 2
    assert {call["request"]["tags"][WAVE] for call in calls(simulator, "StartRecovery")} == {"database", "web"}
