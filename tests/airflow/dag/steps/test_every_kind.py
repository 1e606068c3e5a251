"""Every kind of step with every field, and every way in which each kind fails, against the simulator."""

import hashlib
import hmac
import html
import json
import re
from pathlib import Path

import pytest
from kit.dag_runs import calls
from kit.endpoints import deaf_port
from kit.people import People
from kit.step_world import PASSWORD, SIGNING, shop, steps_of

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

PLANS = Path(__file__).parents[1] / "plans"

VARYING = {
    r"\bi-[0-9a-f]{17}\b": "i-…",
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "ID",
    r"__[0-9a-f]{24}\b": "__KEY",
    r"127\.0\.0\.1:\d{2,5}": "HERE",
    r"\d+ attempts?": "N attempts",
    r"within [0-9.]+ s\b": "within N s",
    r"in \d+ ms": "in N ms",
    r"\d{4}-\d\d-\d\dT[0-9:.]+Z": "AT",
}
"""What differs from run to run in what steps say."""


def said(text):
    for pattern, word in VARYING.items():
        text = re.sub(pattern, word, text)
    return text


NOT_NOW = "this run is a drill, and the step is for a"
SAID = {
    "begin": "connection chat answered 200",
    "sure": "approved by bob",
    "settle": "1s have passed",
    "tell": "connection chat answered 200",
    "elsewhere": "not done within 1s: the SSM agent of i-0elsewhere0000001 is not online, so nothing was sent; it "
    "needs the agent, an instance profile for SSM and a way to its endpoints",
    "start": "ran on 2 instances",
    "failover": "Shop-Failover (ID): Success, 1 steps",
    "promote": "answered 89 characters",
    "go-live": "approved by ann, cyd",
    "answers": "http://HERE/health?plan=shop answered 418 in N ms, after N attempts",
    "port": "HERE connected in N ms, after N attempts",
    "switch": "run drs__shop__switch__KEY of DAG dns_switch succeeded",
    "anybody": "not approved within 1s: dora must approve; clear this task with everything downstream to ask again",
    "not-now": f"{NOT_NOW} recovery",
    "everywhere": "ran on 2 instances",
    "thaw": "answered 2 characters",
}


@pytest.mark.usefixtures("runbook")
def test_a_plan_with_every_field_of_every_kind_does_what_it_says(run, simulator, chat, other_dag):
    checks = {"checks": [{"status": "up", "of": "shop"}], "ok": True, "count": 3, "text": "shop up"}
    chat.answers["/health?plan=shop"] = (418, json.dumps(checks))
    simulator.control("POST", "lambda", {"name": "shop-promote", "behaviour": "echo"})
    text = (PLANS / "every-field-of-steps.yaml").read_text()
    answers = {
        "before_waves.sure": [("bob", "Approve")],
        "database.go-live": [("eve", "Approve"), ("ann", "Approve"), ("ann", "Approve"), ("cyd", "Approve")],
    }

    with People(answers) as people:
        ended = run(shop(text.replace("URL", chat.url).replace("PORT", str(chat.server_port))))

    steps = steps_of(ended)
    assert {name: said(step["summary"]) for name, step in steps.items()} == SAID
    states = {name: step["state"] for name, step in steps.items()}
    assert {name: state for name, state in states.items() if state != "succeeded"} == {
        "elsewhere": "tolerated",
        "anybody": "tolerated",
        "not-now": "skipped",
    }
    assert (ended.state, ended.report["verdict"]) == ("success", "completed_with_exceptions")
    assert {wave["name"]: wave["state"] for wave in ended.report["waves"]} == {
        "database": "completed_with_exceptions",
        "checks": "completed_with_exceptions",
    }
    first, second = (instance["output"].splitlines() for instance in steps["start"]["instances"])
    assert (first[0].split()[1], first[1]) == ("s-00000000000000001", "shop")
    assert first == second
    given = json.loads(steps["promote"]["output"])
    assert (given["ip"].startswith("10.20."), given["list"], given["yes"]) == (
        True,
        [1, ended.dag_run.run_id],
        True,
    )
    posts = [(json.loads(body), body, headers) for method, _, headers, body in chat.heard if method == "POST"]
    told = posts[1][0]
    assert (posts[0][0], told["wave"], told["deep"]) == (
        {"run": ended.dag_run.run_id},
        "database",
        [{"names": ["shop", "drill", 1, True]}],
    )
    for _, body, headers in posts:
        wanted = hmac.new(SIGNING.encode(), f"{headers['X-Drs-Timestamp']}.{body}".encode(), hashlib.sha256)
        assert headers["X-Drs-Signature"] == f"sha256={wanted.hexdigest()}"
        assert SIGNING not in "".join(headers.values())
    assert [conf for _, conf in other_dag] == [{"to": "drill", "plan": ["shop"]}]
    (asked,) = [(subject, body) for task, subject, body in people.asked if task == "database.go-live"]
    assert asked[0] == "go-live: continue with shop? (2 people must approve)"
    assert asked[1].split("\n\n") == [
        "**Shall shop go live in database?**",
        "Step go-live of wave database, in a drill of shop.",
        (
            "2 must approve, of: ann, bob, cyd. The question stays open, one answer after the other, until they have. "
            "Who triggered the run does not count. Without an answer within 1h the step fails."
        ),
    ]
    told = [
        *("StartRecovery", "SendCommand", "StartAutomationExecution", "Invoke"),
        *("SendCommand", "Invoke"),
    ]
    assert [call["operation"] for call in simulator.calls() if call["operation"] in set(told)] == told


AGAIN = "look there, then clear this task to do it again, or write 'repeatable: true' into the step"
FAILED = {
    "command-fails": "AWS-RunShellScript failed on 2 of 2 instances: db1 (i-…): Failed, exit code 7: disk is full; db2 "
    "(i-…): Failed, exit code 7: disk is full",
    "no-command": "ssm:SendCommand: InvalidDocument: Document with name Nobody-Wrote-This does not exist.",
    "no-agent": SAID["elsewhere"],
    "command-times-out-by-itself": "AWS-RunShellScript failed on 1 of 1 instances: db1 (i-…): ExecutionTimedOut",
    "command-hangs": "not done within 1s: AWS-RunShellScript still ran on db1 (i-…), db2 (i-…); a stop was requested "
    "from SSM",
    "command-without-connection": "Airflow's connections: NotFound: there is none called nobody: create it, or leave "
    "aws_conn_id out",
    "automation-fails": "Shop-Failover (ID) ended as Failed at step nap: Step nap (aws:sleep) failed: no luck",
    "automation-times-out": "not done within 1s: Shop-Failover (ID) was InProgress, at step nap; a stop was requested "
    "from SSM",
    "no-automation": "ssm:StartAutomationExecution: AutomationDefinitionNotFoundException: Automation definition "
    "Nobody-Wrote-This is not found.",
    "function-fails": "Busy: not now",
    "function-times-out-by-itself": "Unhandled: AT ID Task timed out after 3.00 seconds",
    "function-hangs": "the function may have run, and is not run again: not done within 3s: lambda:Invoke: "
    f'ReadTimeoutError: Read timeout on endpoint URL: "http://HERE/2015-03-31/functions/slow/invocations"; {AGAIN}',
    "repeatable-function-hangs": "not done within 3s: lambda:Invoke: ReadTimeoutError: Read timeout on endpoint URL: "
    '"http://HERE/2015-03-31/functions/slow/invocations"',
    "function-without-connection": "Airflow's connections: NotFound: there is none called nobody: create it, or leave "
    "aws_conn_id out",
    "no-function": "lambda:Invoke: ResourceNotFoundException: Function not found: "
    "arn:aws:lambda:us-west-2:111122223333:function:nobody",
    "http-is-another-status": "not done within 1s: http://HERE/500, N attempts, the last: answered 500, not 200",
    "http-is-another-text": "not done within 1s: http://HERE/text, N attempts, the last: answered 200 without the text "
    "'ready'",
    "http-is-other-json": "not done within 1s: http://HERE/json, N attempts, the last: answered 200, but db.0.state is "
    '"down", not "up"',
    "http-is-no-json": "not done within 1s: http://HERE/text, N attempts, the last: answered 200 with something that "
    "is no JSON",
    "http-hangs": "not done within 1s: http://HERE/hang, N attempts, the last: no answer within N s",
    "http-hangs-up": "not done within 1s: http://HERE/gone, N attempts, the last: no answer: Server disconnected "
    "without sending a response.",
    "tcp-is-refused": "not done within 1s: 127.0.0.1:1, N attempts, the last: no answer: [Errno 111] Connect call "
    "failed ('127.0.0.1', 1)",
    "tcp-hangs": "not done within 1s: HERE, N attempts, the last: no answer within N s",
    "tcp-has-no-name": "not done within 1s: no-such-host.invalid:1, N attempts, the last: no answer: [Errno ",
    "webhook-is-refused": "connection chat answered 403: not you",
    "webhook-hangs": "the webhook may have run, and is not run again: not done within 3s: no answer from the address "
    f"of connection deaf (ReadTimeout); {AGAIN}",
    "repeatable-webhook-hangs": "not done within 3s: no answer from the address of connection deaf (ReadTimeout)",
    "webhook-is-not-there": "no answer from the address of connection closed (ConnectionError)",
    "no-connection": "Airflow's connection nobody cannot be used (AirflowNotFoundException): create or correct it",
    "dag-fails": "run drs__shop__dag-fails__KEY of DAG dns_switch ended as failed: see its tasks in Airflow",
    "dag-hangs": "not done within 1s: run drs__shop__dag-hangs__KEY of DAG dns_switch is still running; "
    "it is not stopped",
    "no-dag": "Airflow has no DAG called 'nobody', or cannot read it: look at its import errors",
    "approval-is-rejected": "ann rejected it",
    "nobody-approves": "not approved within 1s: 1 of ann, bob must approve; clear this task with everything downstream "
    "to ask again",
}
OUTPUT = {
    "command-fails": "db1 (i-…): Failed\ndisk is full",
    "function-fails": '{"errorMessage": "not now"',
    "http-is-another-status": "database gone",
    "http-is-other-json": '{"db": [{"state": "down"}]}',
    "webhook-is-refused": "not you",
}
"""What stands beside the words, so that a person can understand them: where there is any, its beginning."""


@pytest.mark.usefixtures("runbook", "other_dag")
def test_every_way_in_which_a_kind_fails_is_said_in_words_that_help(run, simulator, chat, monkeypatch, tmp_path):
    chat.answers |= {
        "/500": (500, "database gone"),
        "/text": (200, "starting"),
        "/json": (200, '{"db": [{"state": "down"}]}'),
        "/hang": (200, None),
        "/gone": (None, ""),
        "/": (403, "not you"),
    }
    where = {"conn_type": "http", "host": "127.0.0.1", "schema": "http"}
    monkeypatch.setenv("AIRFLOW_CONN_DEAF", json.dumps({**where, "host": f"{chat.url}/hang"}))
    monkeypatch.setenv("AIRFLOW_CONN_CLOSED", json.dumps({**where, "port": 1}))
    for function in (
        {"name": "bad", "behaviour": "fail", "error": "Busy", "message": "not now"},
        {"name": "long", "behaviour": "sleep", "takes": "20s", "timeout": "3s"},
        {"name": "slow", "behaviour": "sleep", "takes": "2h", "timeout": "3h"},
    ):
        simulator.control("POST", "lambda", function)
    automation = {"service": "ssm", "operation": "StartAutomationExecution", "count": 1}
    simulator.fault({**automation, "do": "fail", "error": "no luck"}, {**automation, "do": "hang"})
    text = (PLANS / "every-kind-fails-and-hangs.yaml").read_text().replace("URL", chat.url)

    with deaf_port() as deaf, People({"services.approval-is-rejected": [("ann", "Reject")]}):
        ended = run(shop(text.replace("DEAF", str(deaf))))

    steps = steps_of(ended)
    words = {name: said(step["summary"]) for name, step in steps.items()}
    assert list(words) == list(FAILED)
    assert {name: (words[name], wanted) for name, wanted in FAILED.items() if not words[name].startswith(wanted)} == {}
    assert {step["state"] for step in steps.values()} == {"tolerated"}
    assert {name: said(steps[name]["output"])[: len(begins)] for name, begins in OUTPUT.items()} == OUTPUT
    assert {task for task, state in ended.tasks.items() if state == "failed"} == set()
    assert (ended.state, ended.report["verdict"]) == ("success", "completed_with_exceptions")
    assert ended.report["verdict_reason"].startswith("Step command-fails of wave commands failed: AWS-RunShellScript")
    assert len(calls(simulator, "CancelCommand")) == 1
    assert len(calls(simulator, "StopAutomationExecution")) == 1
    assert [call["request"]["FunctionName"] for call in calls(simulator, "Invoke")].count("slow") == 2
    (page,) = tmp_path.rglob("report.html")
    shown = html.unescape(page.read_text())
    assert [name for name, step in steps.items() if step["summary"] not in shown] == []
    assert [path for path in tmp_path.rglob("*") if path.is_file() and PASSWORD in path.read_text("latin-1")] == []
