"""Whole runs of plans with steps against the simulator: every kind green, failing, and out of time."""

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


def test_every_kind_that_asks_nobody_runs_green(run, simulator, chat):
    chat.answers["/health"] = (200, '{"checks": [{"status": "up"}], "ok": true}')
    simulator.client("ssm").create_document(
        Name="Shop-Failover",
        DocumentType="Automation",
        Content=json.dumps(
            {
                "schemaVersion": "0.3",
                "parameters": {"Server": {"type": "String"}},
                "mainSteps": [{"name": "nap", "action": "aws:sleep", "inputs": {"Duration": "PT30S"}}],
            }
        ),
    )
    control(simulator, {"name": "promote", "behaviour": "echo"})
    text = (
        shop(
            f"""\
  - name: database
    groups: [db]
    after:
      - {{kind: ssm_command, name: start, document: AWS-RunShellScript, parameters: {{commands: ["echo up {{{{ run.mode }}}}"]}}}}
      - {{kind: ssm_automation, name: failover, document: Shop-Failover, parameters: {{Server: "{{{{ server('db1').instance_id }}}}"}}}}
      - {{kind: lambda, name: promote, function: promote, payload: {{ip: "{{{{ server('db2').private_ip }}}}", run: "{{{{ run.id }}}}"}}}}
  - name: web
    groups: [web]
    before:
      - {{kind: ssm_command, name: drain, document: AWS-RunShellScript, parameters: {{commands: [hostname]}}, instances: [db1]}}
      - {{kind: wait, name: settle, for: 1s}}
    after:
      - {{kind: http, name: answers, url: "{chat.url}/health", expect_text: up, expect_json: {{"checks.0.status": up, ok: true}}}}
      - {{kind: tcp, name: port, host: 127.0.0.1, port: {chat.server_port}}}
"""
        )
        + """\
before:
  - {kind: webhook, name: tell, http_conn_id: chat, payload: {text: "{{ plan.name }} begins"}}
after:
  - {kind: webhook, name: told, http_conn_id: chat, payload: {text: done}, when: recovery}
"""
    )
    ended = run(text)

    assert {k: v for k, v in ended.tasks.items() if v != "success"} == {"after_waves.told": "skipped"}
    assert ended.state == "success"
    print(json.dumps(ended.report["waves"], indent=1)[:3000])


def control(simulator, function):
    import urllib.request

    request = urllib.request.Request(
        f"{simulator.url}/_simulator/lambda", json.dumps(function).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request).read()
