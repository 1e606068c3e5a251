"""Whole runs of plans with steps against the simulator: every kind green, failing, and out of time."""

import pytest
from kit.dag_runs import calls
from kit.step_world import shop, steps_of

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]


def test_a_failed_step_fails_its_wave_and_what_depends_on_it_is_not_started(run, simulator):
    ended = run(
        shop("""\
  - name: database
    groups: [db]
    after:
      - {kind: lambda, name: promote, function: nobody}
      - {kind: wait, name: settle, for: 1s}
  - name: web
    groups: [web]
  - name: checks
    depends_on: []
    before: [{kind: lambda, name: first, function: nobody}]
    after: [{kind: wait, name: second, for: 1s}]
""")
    )

    assert ended.state == "failed"
    states = {task: state for task, state in ended.tasks.items() if state != "success"}
    assert (
        states
        == {
            "database.promote": "failed",
            "database.settle": "upstream_failed",
            "web.start_recovery": "upstream_failed",
            "web.recovery_job": "upstream_failed",
            "web.servers": "upstream_failed",
            "checks.first": "failed",
            "checks.second": "upstream_failed",
            "finish.verdict": "failed",
        }
        or states.pop("web.servers", None) is None
    )
    assert {wave["name"]: wave["state"] for wave in ended.report["waves"]} == {
        "database": "failed",
        "web": "not_started",
        "checks": "failed",
    }
    assert ended.report["verdict"] == "failed"
    assert ended.report["verdict_reason"].startswith(
        "Wave database failed: step promote failed: lambda:Invoke: Resource"
    )
    assert ended.report["cleanup"]["state"] == "completed"
    assert len(calls(simulator, "StartRecovery")) == 1


def test_a_step_before_a_wave_that_fails_leaves_the_wave_unstarted(run, simulator):
    ended = run(
        shop("""\
  - name: database
    groups: [db]
    before: [{kind: tcp, name: ready, host: 127.0.0.1, port: 1, timeout: 1s}]
    after: [{kind: wait, name: settle, for: 1s}]
""")
    )

    assert (ended.tasks["database.start_recovery"], ended.tasks["database.settle"]) == ("upstream_failed",) * 2
    assert (ended.report["verdict"], calls(simulator, "StartRecovery")) == ("failed", [])
    (wave,) = ended.report["waves"]
    assert wave["state"] == "not_started"
    assert wave["state_reason"].startswith(
        "step ready: not done within 1s: 127.0.0.1:1, 1 attempt, the last: no answer"
    )


def test_lost_answers_are_looked_for_and_nothing_is_done_twice(run, simulator, runbook):
    simulator.fault(
        {"service": "ssm", "operation": "SendCommand", "do": "commit_then_drop", "count": 1},
        {"service": "ssm", "operation": "StartAutomationExecution", "do": "commit_then_drop", "count": 1},
    )

    ended = run(
        shop("""\
  - name: database
    groups: [db]
    after:
      - {kind: ssm_command, name: start, document: AWS-RunShellScript, parameters: {commands: [hostname]}}
      - {kind: ssm_automation, name: failover, document: Shop-Failover}
""")
    )

    assert ended.report["verdict"] == "passed"
    assert len(calls(simulator, "SendCommand")) == 1
    tokens = [call["request"]["ClientToken"] for call in calls(simulator, "StartAutomationExecution")]
    assert (len(tokens), len(set(tokens))) == (2, 1)
    executions = simulator.client("ssm").describe_automation_executions()["AutomationExecutionMetadataList"]
    assert len(executions) == 1


def test_steps_of_a_wave_that_takes_no_part_do_nothing(run, simulator, chat):
    ended = run(
        shop("""\
  - name: database
    groups: [db]
    before: [{kind: webhook, name: tell, http_conn_id: chat}]
    after: [{kind: webhook, name: told, http_conn_id: chat}]
  - name: other
    before: [{kind: webhook, name: tell, http_conn_id: chat}]
  - name: web
    groups: [web]
    before: [{kind: webhook, name: tell, http_conn_id: chat, payload: {wave: "{{ wave.name }}"}}]
"""),
        waves=["web"],
    )

    assert ended.state == "success"
    assert [body for method, _, _, body in chat.heard if method == "POST"] == ['{"wave": "web"}']
    assert {wave["name"]: wave["state"] for wave in ended.report["waves"]} == {
        "database": "skipped",
        "other": "skipped",
        "web": "launched",
    }


def test_another_dag_is_run_once_and_its_end_is_the_steps(run, simulator, other_dag):
    ended = run(
        shop("""\
  - name: switch
    before:
      - {kind: dag, name: fails, dag_id: dns_switch, conf: {fails: true}, on_failure: continue, timeout: 40s}
      - {kind: dag, name: works, dag_id: dns_switch, conf: {to: "{{ run.mode }}"}, timeout: 40s}
""")
    )

    steps = steps_of(ended)
    assert {name: step["state"] for name, step in steps.items()} == {"fails": "tolerated", "works": "succeeded"}
    (failed, _), (works, conf) = other_dag
    assert steps["fails"]["summary"] == f"run {failed} of DAG dns_switch ended as failed: see its tasks in Airflow"
    assert (works.startswith("drs__shop__works__"), conf) == (True, {"to": "drill"})
    assert ended.report["verdict"] == "completed_with_exceptions"
