"""What answers to steps mean, and how much of them is kept."""

import json

import botocore.session
import pytest
from drs_provider.rules.run.handover import StepInstance
from drs_provider.rules.step_answers import (
    AUTOMATION_ENDED,
    AUTOMATION_GOOD,
    COMMAND_ENDED,
    MISSING,
    MOST_INSTANCES,
    MOST_OUTPUT,
    failures_in_words,
    instance_words,
    instances_kept,
    judge_answer,
    kept,
    mask_credentials,
    masked,
    outputs_kept,
    read_automation,
    read_function,
    read_invocation,
    value_at,
)

SSM = botocore.session.get_session().get_service_model("ssm")


def invocation(status, details="", code=0, output=""):
    plugin = {"Status": status, "ResponseCode": code, "Output": output}
    return {"Status": status, "StatusDetails": details, "CommandPlugins": [plugin]}


@pytest.mark.parametrize("status", SSM.shape_for("CommandInvocationStatus").enum)
def test_only_success_is_a_success_on_an_instance(status):
    assert read_invocation(invocation(status), "i-1", "db1").succeeded == (status == "Success")


def test_an_instance_tells_status_code_and_output():
    assert read_invocation(invocation("Failed", "ExecutionTimedOut", 137, "killed\n"), "i-1", "db1") == StepInstance(
        instance_id="i-1", hostname="db1", succeeded=False, status="ExecutionTimedOut", exit_code=137, output="killed\n"
    )
    assert instance_words(read_invocation(None, "i-1", "db1")) == "db1 (i-1): no invocation"


def test_every_command_status_is_known():
    assert set(SSM.shape_for("CommandStatus").enum) - set(COMMAND_ENDED) == {"Pending", "InProgress", "Cancelling"}


@pytest.mark.parametrize("status", SSM.shape_for("AutomationExecutionStatus").enum)
def test_every_status_of_a_runbook_is_good_bad_or_going_on(status):
    succeeded, _, _ = read_automation({"AutomationExecutionStatus": status})

    assert succeeded == (status in AUTOMATION_GOOD if status in AUTOMATION_ENDED else None)


def test_a_runbook_that_failed_says_where_and_why():
    steps = [{"StepName": "promote", "StepStatus": "Failed", "FailureMessage": "no\nluck"}]
    found = read_automation({"AutomationExecutionStatus": "Failed", "StepExecutions": steps, "Outputs": {"a": ["b"]}})

    assert found == (False, "Failed at step promote: no luck", '{"a": ["b"]}')


@pytest.mark.parametrize(
    ("payload", "error", "found"),
    [
        ('{"a": 1}', None, (True, "answered 8 characters")),
        ('{"errorType": "Busy", "errorMessage": "not now"}', "Unhandled", (False, "Busy: not now")),
        ("out of memory", "Unhandled", (False, "Unhandled: out of memory")),
        ('["odd"]', "Handled", (False, 'Handled: ["odd"]')),
    ],
)
def test_an_error_of_a_function_is_a_failure(payload, error, found):
    assert read_function(payload, error) == (*found, payload)


@pytest.mark.parametrize(
    ("status", "body", "wants", "said"),
    [
        (200, "ok", {}, None),
        (503, "ok", {}, "answered 503, not 200"),
        (200, "down", {"expect_text": "up"}, "answered 200 without the text 'up'"),
        (200, "up", {"expect_json": {"ok": True}}, "answered 200 with something that is no JSON"),
        (200, '{"ok": 1}', {"expect_json": {"ok": True}}, "answered 200, but ok is 1, not true"),
        (200, "{}", {"expect_json": {"a.0": "x"}}, 'answered 200, but a.0 is not there, not "x"'),
        (200, '{"a": ["x"]}', {"expect_json": {"a.0": "x"}}, None),
    ],
)
def test_an_answer_passes_or_says_why_not(status, body, wants, said):
    expected = {"expect_status": 200, "expect_text": None, "expect_json": {}, **wants}

    assert judge_answer(status, body, **expected) == said


@pytest.mark.parametrize("path", ["b", "a.2", "a.x", "a.0.b", "a.-1"])
def test_a_path_that_leads_nowhere_is_missing(path):
    assert value_at({"a": ["x"]}, path) is MISSING


def test_outputs_are_bounded_and_failed_instances_come_first():
    results = [
        StepInstance(instance_id=f"i-{n}", hostname=f"db{n}", succeeded=n != 150, status="Success", output="x" * 400)
        for n in range(200)
    ]

    assert instances_kept(results)[0].instance_id == "i-150"
    assert len(instances_kept(results)) == MOST_INSTANCES
    assert outputs_kept(results).startswith("db150 (i-150)")
    assert len(outputs_kept(results)) < MOST_OUTPUT + 50
    assert (
        failures_in_words(results, "Doc") == f"Doc failed on 1 of 200 instances: db150 (i-150): Success: …{'x' * 300}"
    )
    assert kept("abcdef", 2, end=True) == "[4 characters left out]\nef"


def test_secrets_are_taken_out_longest_first():
    assert masked(json.dumps({"a": "tokens", "b": "token"}), ["token", "", "tokens"]) == '{"a": "***", "b": "***"}'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("all is well, 3 tokens left", "all is well, 3 tokens left"),
        ('{"state": "up", "token": "abc"}', '{"state": "up", "token": ***}'),
        ('{"SecretAccessKey" : "wJalr/XUt", "Expiration": "soon"}', '{"SecretAccessKey" : ***, "Expiration": "soon"}'),
        ("key AKIAIOSFODNN7EXAMPLE here", "key *** here"),
        ("password=hunter2&user=x", "password=***&user=x"),
        ("DB_PASSWORD: 'a b c' end", "DB_PASSWORD: *** end"),
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer ***"),
        ("sent with Bearer abcdefgh12345", "sent with Bearer ***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig", "***"),
        ("https://drs:hunter2@db.example/x", "https://***@db.example/x"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nend", "***\nend"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE and cut", "***"),
    ],
)
def test_what_looks_like_a_credential_is_masked(text, shown):
    assert mask_credentials(text) == shown
