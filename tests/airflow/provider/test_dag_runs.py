"""Whole DAG runs against the simulator, triggers included."""

from pathlib import Path

import drs_provider.example_dags
import pytest
from airflow.dag_processing.dagbag import DagBag

# Airflow warns about itself while it runs a DAG in this process; what we do is not judged by that.
pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

EXAMPLES = Path(drs_provider.example_dags.__file__).parent
FILES = sorted(EXAMPLES.glob("example_*.py"))
HELLO = ("s-0hello00000000001", "s-0hello00000000002")


def load(name):
    bag = DagBag(str(EXAMPLES / f"{name}.py"))
    assert bag.import_errors == {}
    return bag.dags[name]


def run(name):
    dag = load(name)
    for task in dag.tasks:
        task.retries = 0  # a retry waits for minutes
    return dag.test()


def calls(simulator, operation):
    return [call for call in simulator.calls() if call["operation"] == operation]


def task(dag_run, task_id):
    return next(instance for instance in dag_run.get_task_instances() if instance.task_id == task_id)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_example_loads(file, airflow_db):
    assert set(load(file.stem).task_ids) >= ({"ask_stop", "stop"} if "stop" in file.stem else {"start"})


def test_there_is_an_example_for_every_operator_and_sensor():
    text = "".join(file.read_text() for file in FILES)

    assert {
        name
        for name in (
            "DrsStartRecoveryOperator(",
            "DrsTerminateRecoveryInstancesOperator(",
            "DrsRecoveryJobSensor(",
            "DrsSourceServersReadySensor(",
            "DrsApplyLaunchSettingsOperator(",
            "DrsRestoreLaunchSettingsOperator(",
            "DrsProtectRecoveryInstancesOperator(",
            "DrsStopSourceReplicationOperator(",
            "DrsDisconnectSourceServersOperator(",
            "DrsReverseReplicationOperator(",
            "DrsStartFailbackOperator(",
            "DrsStartFailbackLaunchOperator(",
            "DrsStopFailbackOperator(",
            "DrsStartReplicationOperator(",
            "DrsFailbackSensor(",
            "DrsCleanUpFailbackOperator(",
            "DrsStopFailbackReplicationOperator(",
            "DrsDisconnectRecoveryInstancesOperator(",
            "DrsDeleteRecoveryInstancesOperator(",
            "DrsDeleteFailbackServersOperator(",
        )
        if name not in text
    } == set()


def test_a_drill_is_started_watched_judged_and_cleaned_up(airflow_db, simulator):
    dag_run = run("example_drs_terminate_recovery_instances")

    assert dag_run.state == "success"
    start, wait, clean_up = (task(dag_run, name).xcom_pull(name) for name in ("start", "wait", "clean_up"))
    assert [sorted(job["servers"]) for job in start["jobs"]] == [list(HELLO)]
    assert (start["region"], start["aws_conn_id"]) == ("us-west-2", "aws_default")
    assert wait["verdict"] == "launched"
    assert [(server["hostname"], server["status"], server["instance_state"]) for server in wait["servers"]] == [
        ("hello1", "launched", "RUNNING"),
        ("hello2", "launched", "RUNNING"),
    ]
    assert wait["jobs"][0]["initiated_by"] == "START_DRILL"
    assert sorted(server["server_id"] for server in clean_up["terminated"]) == list(HELLO)
    assert clean_up["left"] == {}
    assert len(calls(simulator, "StartRecovery")) == 1
    assert len(calls(simulator, "TerminateRecoveryInstances")) == 1


def test_a_failed_server_fails_the_run_and_its_drill_is_cleaned_up_all_the_same(airflow_db, simulator):
    simulator.fault(
        {"service": "drs", "hostname": "hello2", "do": "fail_at", "event": "CONVERSION_START", "error": "no capacity"}
    )

    dag_run = run("example_drs_terminate_recovery_instances")

    assert dag_run.state == "failed"
    assert {instance.task_id: instance.state for instance in dag_run.get_task_instances()} == {
        "start": "success",
        "wait": "failed",
        "clean_up": "success",
    }
    servers = task(dag_run, "wait").xcom_pull("wait", key="servers")["servers"]
    assert {server["hostname"]: server["status"] for server in servers} == {"hello1": "launched", "hello2": "failed"}
    assert "no capacity" in next(server["reason"] for server in servers if server["hostname"] == "hello2")


def test_a_failed_server_that_does_not_count_ends_in_exceptions(airflow_db, simulator):
    simulator.fault({"service": "drs", "hostname": "hello2", "do": "fail_silently"})

    dag_run = run("example_drs_recovery_job")

    assert dag_run.state == "success"
    result = task(dag_run, "wait").xcom_pull("wait")
    assert result["verdict"] == "completed_with_exceptions"
    assert [server["status"] for server in result["servers"]] == ["launched", "failed"]


def test_an_answer_that_was_lost_starts_no_second_job(airflow_db, simulator):
    simulator.fault({"service": "drs", "operation": "StartRecovery", "do": "commit_then_drop", "count": 1})

    dag_run = run("example_drs_start_recovery")

    assert dag_run.state == "success"
    assert task(dag_run, "start").xcom_pull("start")["jobs"][0]["adopted"] is True
    assert len(calls(simulator, "StartRecovery")) == 1


def test_a_drill_waits_until_its_servers_are_ready(airflow_db, simulator):
    dag_run = run("example_drs_source_servers_ready")

    assert dag_run.state == "success"
    assert task(dag_run, "ready").xcom_pull("ready") == {"servers": list(HELLO), "warnings": []}


def test_the_hook_answers_and_its_triggers_wait_for_an_operator_of_ones_own(airflow_db, simulator):
    dag_run = run("example_drs_hook")

    assert dag_run.state == "success"
    assert sorted(task(dag_run, "lags").xcom_pull("lags")) == list(HELLO)
    assert sorted(task(dag_run, "ready").xcom_pull("ready")) == list(HELLO)
    assert task(dag_run, "watch").xcom_pull("watch") == "settled"


def test_a_drill_that_is_not_deferrable_needs_no_triggerer(airflow_db, simulator, monkeypatch):
    def nobody(*_):
        raise AssertionError("a task has asked for a triggerer")

    monkeypatch.setattr("airflow.sdk.definitions.dag._run_inline_trigger", nobody)
    dag = load("example_drs_terminate_recovery_instances")
    for one_task in dag.tasks:
        one_task.retries, one_task.deferrable = 0, False

    dag_run = dag.test()

    assert dag_run.state == "success"
    assert task(dag_run, "wait").xcom_pull("wait")["verdict"] == "launched"
    assert len(task(dag_run, "clean_up").xcom_pull("clean_up")["terminated"]) == 2
    assert len(calls(simulator, "StartRecovery")) == 1
