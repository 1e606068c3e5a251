"""Whole runs of plans with steps against the simulator: every kind green, failing, and out of time."""

import hashlib
import hmac
import http.server
import json
import threading

import pytest
from kit.dag_runs import calls

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

GROUPS = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001, s-00000000000000002]
---
kind: ProtectionGroup
name: web
region: us-west-2
servers: [s-00000000000000011]
---
"""
PASSWORD = "correct-horse-battery-staple"


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Answers what the test wants, and remembers what it was told."""

    def do_GET(self):
        self._answer()

    def do_POST(self):
        self._answer()

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.heard.append((self.command, self.path, dict(self.headers), body))
        status, text = self.server.answers.get(self.path, (404, "nothing here"))
        if status is None:
            return  # hangs up without an answer
        if text == "echo":
            text = json.dumps(dict(self.headers))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoint():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.heard, server.answers = [], {}
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def chat(endpoint, monkeypatch):
    """The Airflow connection of the webhook: user, password, and a secret to sign with."""
    connection = {
        "conn_type": "http",
        "host": "127.0.0.1",
        "schema": "http",
        "port": endpoint.server_port,
        "login": "drs",
        "password": PASSWORD,
        "extra": {"secret": "sign-with-this"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps(connection))
    endpoint.answers["/"] = (200, "echo")
    return endpoint


def shop(waves, before="", after=""):
    return f"{GROUPS}kind: RecoveryPlan\nname: shop\ndrill: {{network: shared}}\nwaves:\n{waves}{before}{after}"


NAP = {
    "schemaVersion": "0.3",
    "parameters": {"Server": {"type": "String", "default": "none"}},
    "mainSteps": [{"name": "nap", "action": "aws:sleep", "inputs": {"Duration": "PT30S"}}],
}


@pytest.fixture
def runbook(simulator):
    """An automation document that sleeps for half a minute."""
    simulator.client("ssm").create_document(
        Name="Shop-Failover", DocumentType="Automation", Content=json.dumps(NAP), DocumentFormat="JSON"
    )


def steps_of(ended):
    found = {step["name"]: step for step in ended.report["steps"]}
    return found | {step["name"]: step for wave in ended.report["waves"] for step in wave["steps"]}


ALL_KINDS = """\
  - name: database
    groups: [db]
    after:
      - {kind: ssm_command, name: start, document: AWS-RunShellScript, parameters: {commands: ["echo up for {{ run.mode }}"]}}
      - {kind: ssm_automation, name: failover, document: Shop-Failover, parameters: {Server: "{{ server('db1').instance_id }}"}}
      - {kind: lambda, name: promote, function: promote, payload: {ip: "{{ server('db2').private_ip }}", run: "{{ run.id }}"}}
  - name: web
    groups: [web]
    before:
      - {kind: ssm_command, name: drain, document: AWS-RunShellScript, parameters: {commands: [hostname]}, instances: [db1]}
      - {kind: wait, name: settle, for: 1s}
    after:
      - {kind: http, name: answers, url: "URL/health", expect_text: up, expect_json: {"checks.0.status": up, ok: true}}
      - {kind: tcp, name: port, host: 127.0.0.1, port: PORT}
  - name: tidy
    depends_on: []
    before:
      - {kind: webhook, name: tidied, http_conn_id: chat, payload: {wave: "{{ wave.name }}"}}
before:
  - {kind: webhook, name: tell, http_conn_id: chat, payload: {text: "{{ plan.title }} begins"}}
after:
  - {kind: webhook, name: told, http_conn_id: chat, payload: {text: done}, when: recovery}
  - {kind: http, name: last-look, url: "URL/health"}
"""


def test_every_kind_that_asks_nobody_runs_green_in_the_order_of_the_plan(run, simulator, chat, runbook, tmp_path):
    chat.answers["/health"] = (200, '{"checks": [{"status": "up"}], "ok": true}')
    simulator.control("POST", "lambda", {"name": "promote", "behaviour": "echo"})

    ended = run(shop(ALL_KINDS.replace("URL", chat.url).replace("PORT", str(chat.server_port))))

    assert {task: state for task, state in ended.tasks.items() if state != "success"} == {"after_waves.told": "skipped"}
    assert ended.report["verdict"] == "passed"
    assert {wave["name"]: wave["state"] for wave in ended.report["waves"]} == {
        "database": "launched",
        "web": "launched",
        "tidy": "done",
    }
    steps = steps_of(ended)
    assert {name: step["state"] for name, step in steps.items()} == dict.fromkeys(steps, "succeeded") | {
        "told": "skipped"
    }
    assert steps["start"]["summary"] == "ran on 2 instances"
    assert [one["output"] for one in steps["start"]["instances"]] == ["up for drill\n"] * 2
    assert [one["hostname"] for one in steps["drain"]["instances"]] == ["db1"]
    assert steps["failover"]["summary"].endswith("Success, 1 steps")
    said = json.loads(steps["promote"]["output"])
    assert (said["ip"].startswith("10.20."), said["run"]) == (True, ended.dag_run.run_id)
    assert steps["told"]["summary"] == "this run is a drill, and the step is for a recovery"
    assert steps["answers"]["summary"].startswith(f"{chat.url}/health answered 200 in ")
    posts = [(body, headers) for method, _, headers, body in chat.heard if method == "POST"]
    assert sorted(body for body, _ in posts) == ['{"text": "shop begins"}', '{"wave": "tidy"}']
    for body, headers in posts:
        wanted = hmac.new(b"sign-with-this", f"{headers['X-Drs-Timestamp']}.{body}".encode(), hashlib.sha256)
        assert headers["X-Drs-Signature"] == f"sha256={wanted.hexdigest()}"
        assert "sign-with-this" not in "".join(headers.values())
    assert len(calls(simulator, "SendCommand")) == 2
    told = ["steps", "StartRecovery", "SendCommand", "StartAutomationExecution", "Invoke", "StartRecovery"]
    order = [call["operation"] for call in simulator.calls() if call["operation"] in told]
    assert order == [
        "StartRecovery",
        "SendCommand",
        "StartAutomationExecution",
        "Invoke",
        "SendCommand",
        "StartRecovery",
    ]
    nothing_secret_in(tmp_path, ended)


def nothing_secret_in(tmp_path, ended):
    """Search what the run left in files, in XCom and in its log for what the connection keeps secret."""
    kept = "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())
    for ti in ended.dag_run.get_task_instances():
        kept += json.dumps([ti.xcom_pull(ti.task_id, key=key) for key in ("step", "error", "return_value", "begun")])
    assert (PASSWORD in kept, "sign-with-this" in kept) == (False, False)


TROUBLE = """\
  - name: database
    groups: [db]
    after:
      - {kind: ssm_command, name: exits, document: AWS-RunShellScript, parameters: {commands: ["echo <b>{{ plan.name }}</b>", "echo table is locked >&2", "exit 3"]}, instances: [db2], ON}
      - {kind: ssm_command, name: no-agent, document: AWS-RunShellScript, parameters: {commands: [hostname]}, instances: [db1], timeout: 2s, ON}
      - {kind: ssm_command, name: hangs, document: AWS-RunShellScript, parameters: {commands: ["sleep 86400"]}, instances: [db2], timeout: 2s, ON}
      - {kind: ssm_command, name: unknown, document: AWS-RunShellScript, parameters: {commands: [hostname]}, instances: [dbl], ON}
      - {kind: ssm_command, name: no-document, document: Nobody-Wrote-This, instances: [db2], ON}
      - {kind: ssm_automation, name: breaks, document: Shop-Failover, ON}
      - {kind: ssm_automation, name: sticks, document: Shop-Failover, timeout: 2s, ON}
      - {kind: lambda, name: bad, function: bad, ON}
      - {kind: lambda, name: slow, function: slow, timeout: 2s, ON}
      - {kind: lambda, name: nobody, function: nobody, ON}
      - {kind: http, name: says-500, url: "URL/500", timeout: 1s, ON}
      - {kind: http, name: says-no, url: "URL/json", expect_json: {ok: true}, timeout: 1s, ON}
      - {kind: tcp, name: closed, host: 127.0.0.1, port: 1, timeout: 1s, ON}
      - {kind: webhook, name: refused, http_conn_id: chat, payload: {to: refused}, ON}
      - {kind: webhook, name: no-connection, http_conn_id: nobody, ON}
      - {kind: dag, name: no-dag, dag_id: nobody, ON}
  - name: web
    groups: [web]
""".replace("ON", "on_failure: continue")


def test_what_each_failure_says_and_that_the_plan_goes_on_where_it_says_so(run, simulator, chat, runbook, tmp_path):
    chat.answers |= {
        "/500": (500, "<script>alert(1)</script>"),
        "/json": (200, '{"ok": 1}'),
        "/": (403, f"no, {PASSWORD} {{{{ 7 * 7 }}}} %s"),
    }
    simulator.control("POST", "lambda", {"name": "bad", "behaviour": "fail", "error": "Busy", "message": "not now"})
    simulator.control("POST", "lambda", {"name": "slow", "behaviour": "sleep", "takes": "2h", "timeout": "3h"})
    simulator.fault(
        {"hostname": "db1", "do": "agent_missing"},
        {
            "service": "ssm",
            "operation": "StartAutomationExecution",
            "do": "fail",
            "error": "no <i>luck</i>",
            "count": 1,
        },
        {"service": "ssm", "operation": "StartAutomationExecution", "do": "hang", "count": 1},
    )

    ended = run(shop(TROUBLE.replace("URL", chat.url)))

    steps = steps_of(ended)
    said = {name: step["summary"] for name, step in steps.items()}
    assert {step["state"] for step in steps.values()} == {"failed"}, said
    ids = {one["hostname"]: one["instance_id"] for wave in ended.report["waves"] for one in wave["servers"]}
    begins = {
        "exits": f"AWS-RunShellScript failed on 1 of 1 instances: db2 ({ids['db2']}): Failed, exit code 3: table is locked",
        "no-agent": f"not done within 2s: the SSM agent of db1 ({ids['db1']}) is not online, so nothing was sent; it "
        "needs the agent, an instance profile for SSM and a way to its endpoints",
        "hangs": f"not done within 2s: AWS-RunShellScript still ran on db2 ({ids['db2']}); SSM was asked to stop it",
        "unknown": "server('dbl'): this run has no server of that hostname (did you mean 'db2'?)",
        "no-document": "ssm:SendCommand: InvalidDocument: Document with name Nobody-Wrote-This does not exist.",
        "breaks": "Shop-Failover (",
        "sticks": "not done within 2s: Shop-Failover (",
        "bad": "Busy: not now",
        "slow": "the function may have run, and is not run again: lambda:Invoke: ReadTimeoutError: ",
        "nobody": "lambda:Invoke: ResourceNotFoundException: Function not found",
        "says-500": f"not done within 1s: {chat.url}/500, 1 attempt, the last: answered 500, not 200",
        "says-no": f"not done within 1s: {chat.url}/json, 1 attempt, the last: answered 200, but ok is 1, not true",
        "closed": "not done within 1s: 127.0.0.1:1, 1 attempt, the last: no answer: ",
        "refused": "connection chat answered 403: no, *** {{ 7 * 7 }} %s",
        "no-connection": "Airflow's connection nobody cannot be used (",
        "no-dag": "Airflow has no DAG called 'nobody', or cannot read it: look at its import errors",
    }
    wrong = {name: (said[name], words) for name, words in begins.items() if not said[name].startswith(words)}
    assert (wrong, set(said)) == ({}, set(begins))
    assert ended.state == "success"
    assert ended.report["verdict"] == "completed_with_exceptions"
    assert "Step exits of wave database failed: AWS-RunShellScript failed on 1" in ended.report["verdict_reason"]
    assert ended.tasks["database.exits"] == "skipped"
    assert ended.tasks["web.recovery_job"] == "success"
    assert len(calls(simulator, "CancelCommand")) == 1
    assert len(calls(simulator, "StopAutomationExecution")) == 1
    assert [call["request"]["FunctionName"] for call in calls(simulator, "Invoke")].count("slow") == 1
    (page,) = tmp_path.rglob("report.html")
    html = page.read_text()
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)" in html
    nothing_secret_in(tmp_path, ended)


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
    assert ended.report["cleanup"]["state"] == "done"
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
