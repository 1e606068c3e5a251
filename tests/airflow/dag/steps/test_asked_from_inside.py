"""Checks of recovered servers: who asks in which network. And braces that reach SSM as they were meant."""

import pytest
from kit.dag_runs import calls
from kit.step_world import GROUPS, steps_of

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

CHECKED = """\
  - name: database
    groups: [db]
    after:
      - {kind: tcp, name: answers, host: "{{ server('db1').private_ip }}", port: 5432, timeout: 10m}
      - {kind: http, name: health, url: "https://{{ server('db2').private_ip }}:8443/health", from: db1, timeout: 10m}
"""


def isolated(waves):
    return f"{GROUPS}kind: RecoveryPlan\nname: shop\nwaves:\n{waves}"


def scripts(simulator):
    return [
        (call["request"]["InstanceIds"], call["request"]["Parameters"]["commands"][0])
        for call in calls(simulator, "SendCommand")
    ]


def test_in_an_isolated_drill_a_recovered_server_asks(run, simulator):
    ended = run(isolated(CHECKED))

    assert ended.report["verdict"] == "passed", ended.report["verdict_reason"]
    steps = steps_of(ended)
    (asked_by, tcp), (also_by, http) = scripts(simulator)
    address, other = tcp.split()[3], http.split()[3]
    assert (tcp, http) == (f": drs-check tcp {address} 5432", f": drs-check http {other}")
    assert asked_by == also_by
    assert steps["answers"]["summary"] == (
        f"{address}:5432, asked from db1 ({asked_by[0]}): connected, after 1 command"
    )
    assert steps["health"]["summary"] == f"{other}, asked from db1 ({asked_by[0]}): answered 200, after 1 command"


def test_a_check_that_nobody_answers_fails_with_who_asked(run, simulator):
    ended = run(
        isolated("""\
  - name: database
    groups: [db]
    after: [{kind: tcp, name: answers, host: 10.20.99.99, port: 5432, timeout: 8s}]
""")
    )

    assert ended.report["verdict"] == "failed"
    said = steps_of(ended)["answers"]["summary"]
    asked_by = scripts(simulator)[0][0][0]
    assert said.startswith("not done within 8s: 10.20.99.99:5432, asked from db")
    assert asked_by in said
    assert said.endswith("the last: no answer: no answer in time")


def test_an_answer_that_is_not_the_expected_one_is_asked_for_again_until_the_time_is_over(run, simulator):
    simulator.control(
        "POST",
        "documents",
        {"name": "AWS-RunShellScript", "takes": "20s", "output": 'drs-check 200\n{"status": "down"}'},
    )

    ended = run(
        isolated("""\
  - name: database
    groups: [db]
    after:
      - {kind: http, name: health, url: "http://{{ server('db1').private_ip }}/", expect_json: {status: up},
         timeout: 9s}
""")
    )

    said = steps_of(ended)["health"]["summary"]
    assert said.endswith('the last: answered 200, but status is "down", not "up"')
    assert len(scripts(simulator)) > 1


def test_in_productions_network_airflow_asks_unless_a_server_is_named(run, simulator, endpoint):
    ended = run(
        f"{GROUPS}kind: RecoveryPlan\nname: shop\ndrill: {{network: shared}}\nwaves:\n"
        f"""\
  - name: database
    groups: [db]
    after:
      - {{kind: tcp, name: airflow, host: 127.0.0.1, port: {endpoint.server_port}, timeout: 1m}}
      - {{kind: tcp, name: server, host: "{{{{ server('db2').private_ip }}}}", port: 22, from: db2, timeout: 10m}}
"""
    )

    assert ended.report["verdict"] == "passed", ended.report["verdict_reason"]
    assert [script.rpartition(" ")[2] for _, script in scripts(simulator)] == ["22"]
    assert steps_of(ended)["airflow"]["summary"].startswith(f"127.0.0.1:{endpoint.server_port} connected in")


def test_what_runs_is_what_was_meant(run, simulator):
    ended = run(
        f"{GROUPS}kind: RecoveryPlan\nname: shop\ndrill: {{network: shared}}\n"
        r"""description: 'Tells {"status":{"level":1}} of {{ run.id }}'
waves:
  - name: database
    groups: [db]
    after:
      - kind: ssm_command
        name: container-runs
        document: AWS-RunShellScript
        parameters:
          commands:
            - "docker ps --format '{{ '{{' }}.Names}}' | grep -q db"
            - 'curl -d "{\"event\":{\"kind\":\"{{ run.mode }}\"}}" http://localhost/hook'
            - "{{ '{{range .Items}}{{.Name}}{{end}}' }} {{ '{%' }} if x %} ${#list[@]}"
"""
    )

    assert ended.report["verdict"] == "passed", ended.report["verdict_reason"]
    (call,) = calls(simulator, "SendCommand")
    assert call["request"]["Parameters"]["commands"] == [
        "docker ps --format '{{.Names}}' | grep -q db",
        r'curl -d "{\"event\":{\"kind\":\"drill\"}}" http://localhost/hook',
        "{{range .Items}}{{.Name}}{{end}} {% if x %} ${#list[@]}",
    ]


def test_a_command_on_a_stopped_instance_says_that_it_is_stopped(run, simulator):
    drs = simulator.client("drs")
    for number in (1, 2):
        drs.update_launch_configuration(sourceServerID=f"s-{number:017d}", launchDisposition="STOPPED")

    ended = run(
        f"{GROUPS}kind: RecoveryPlan\nname: shop\ndrill: {{network: shared}}\nwaves:\n"
        """\
  - name: database
    groups: [db]
    ready: status_checks
    after:
      - {kind: ssm_command, name: patch, document: AWS-RunShellScript, parameters: {commands: ["true"]}, timeout: 3s}
"""
    )

    said = steps_of(ended)["patch"]["summary"]
    assert said.startswith("not done within 3s: db1 (i-")
    assert said.endswith(
        ") are stopped, so nothing was sent; start them in a step before this one, or let them be launched started "
        "(disposition: started)"
    )
    warned = [finding["what"] for finding in ended.report["preflight"]["findings"] if finding["rule"] == "stopped"]
    assert warned == 2 * [
        "DRS launches it stopped, and wave database waits for its status checks, which a stopped instance never passes",
        "DRS launches it stopped, and step patch of wave database runs a command on it",
    ]


def test_a_step_that_names_a_server_which_the_run_does_not_have_refuses_the_drill_before_any_launch(run, simulator):
    ended = run(
        f"{GROUPS}kind: RecoveryPlan\nname: shop\ndrill: {{network: shared}}\nwaves:\n"
        """\
  - name: database
    groups: [db]
    after: [{kind: tcp, name: answers, host: "{{ server('db9').private_ip }}", port: 1}]
"""
    )

    assert calls(simulator, "StartRecovery") == []
    assert "wave database: answers: it names server 'db9', which this run does not have" in ended.said(
        "preflight.check"
    )
