"""Telling people on a real Airflow: a pause, an RTO that runs out meanwhile, the end; and a receiver that is gone."""

import json
import re
import sys
import time
from pathlib import Path

import httpx
import pytest
from kit.receivers import MailReceiver, WebhookReceiver, html_of

from demo.ports import any_port
from demo.stack import FLEETS, PROJECT, Settings, Stack

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="the stack looks after its processes as Linux does"),
]

PLAN = """\
kind: ProtectionGroup
name: first
region: us-west-2
servers: [s-0hello00000000001]
---
kind: ProtectionGroup
name: second
region: us-west-2
servers: [s-0hello00000000002]
---
kind: RecoveryPlan
name: hello
rto: 10s
drill: {network: shared}
notify:
  - {kind: webhook, http_conn_id: chat, on: [started, paused, wave_completed, completed, failed, rto_at_risk]}
  - {kind: webhook, http_conn_id: gone, on: [started]}
  - {kind: email, people: {admin: admin@example.org, eve: eve@example.org}, on: [paused]}
waves:
  - {name: first, groups: [first]}
  - name: second
    groups: [second]
    pause_before: {message: Is the first one healthy?, approvers: [admin]}
"""
SECRET = "s3cret-of-the-webhook"


@pytest.fixture
def receiver():
    found = WebhookReceiver()
    yield found
    found.close()


@pytest.fixture
def mails():
    found = MailReceiver()
    yield found
    found.close()


@pytest.fixture
def stack(tmp_path, receiver, mails):
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "hello.yaml").write_text(PLAN)
    chat = {"conn_type": "http", "host": f"http://127.0.0.1:{receiver.port}/hook", "password": SECRET}
    plain = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.org"}
    smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": mails.port, "extra": plain}
    more = {
        "PYTHONPATH": str(PROJECT / "plugins"),  # this tree, also where another one is installed
        "AIRFLOW_CONN_CHAT": json.dumps(chat),
        "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(smtp),
        "AIRFLOW_CONN_GONE": json.dumps({**chat, "host": f"http://127.0.0.1:{any_port()}/hook"}),
    }
    settings = Settings(
        state=tmp_path / "state", plans=plans, fleets=FLEETS[1:], speed=600, port=any_port(), airflow=more
    )
    with Stack(settings) as found:
        _until(found, lambda: found.airflow.knows_dag("drs.hello"), "the plan is known")
        yield found


def _until(stack, is_so, what, seconds=100):
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"not so: {what}"
        stack.check(0.3)


def _state(stack, run_id, task):
    return next(one["state"] for one in stack.airflow.tasks("drs.hello", run_id) if one["task_id"] == task)


def test_a_paused_run_tells_of_its_question_and_of_its_rto_and_ends_with_a_full_report(stack, receiver, mails):
    run_id = stack.airflow.trigger("drs.hello", {"mode": "drill", "reason": "rehearsal"})

    def told():
        return [(one["event"], one["wave"]) for one in receiver.bodies]

    _until(stack, lambda: told().count(("rto_at_risk", None)) == 2, "both alerts of the RTO")
    early, due = (one for one in receiver.bodies if one["event"] == "rto_at_risk")
    assert early["headline"] == "80 % of the RTO of 10 s has passed"
    assert due["headline"] == "RTO of 10 s is missed, and the run goes on"
    assert due["run_id"] == run_id
    _until(stack, lambda: ("paused", "second") in told(), "the pause")
    (paused,) = (one for one in receiver.bodies if one["event"] == "paused")
    assert paused["question"]["text"] == "Is the first one healthy?"
    assert paused["question"]["url"].startswith(stack.airflow.address)
    assert paused["question"]["url"].endswith("/tasks/second.pause/required_actions?map_index=-1")

    _until(stack, lambda: len(mails.mails) == 2, "a mail to each person")
    pages = {addresses[0]: html_of(message) for addresses, message in mails.mails}
    assert "/drs/answers/" not in pages["eve@example.org"]  # not among those who are asked
    (link,) = re.findall(r"'(http[^']*/drs/answers/[^']*)'", pages["admin@example.org"])
    _until(stack, lambda: _state(stack, run_id, "second.pause") == "awaiting_input", "the question waits")
    with httpx.Client(timeout=30, trust_env=False) as client:
        assert "Is the first one healthy?" in client.get(link).text
        assert client.post(link, data={"choice": "Continue"}).status_code == 200
        assert client.post(link, data={"choice": "Stop"}).status_code == 410
    _until(stack, lambda: stack.airflow.run("drs.hello", run_id)["state"] in ("success", "failed"), "the end")

    assert stack.airflow.run("drs.hello", run_id)["state"] == "success"
    assert sorted(told(), key=str) == sorted(
        [
            ("started", None),
            ("wave_completed", "first"),
            ("paused", "second"),
            ("rto_at_risk", None),
            ("rto_at_risk", None),
            ("wave_completed", "second"),
            ("completed", None),
        ],
        key=str,
    )
    left = stack.airflow.result("drs.hello", run_id, "finish.report")
    text = Path(left["json"].removeprefix("file://")).read_text()
    listed = [(one["event"], one["target"], one["outcome"], one["tries"]) for one in json.loads(text)["notifications"]]
    assert ("started", "connection gone", "failed", 3) in listed
    assert len([one for one in listed if one[1:] == ("connection chat", "sent", 1)]) == 7
    waits = json.loads(text)["waits"]
    assert [(one["task"], one["outcome"], one["by"]) for one in waits] == [("second.pause", "continued", "admin")]
    written = [one for one in stack.places.state.rglob("*") if one.suffix in (".log", ".json", ".html")]
    assert len(written) > 20
    assert [one for one in written if one.is_file() and SECRET in one.read_text(errors="replace")] == []
