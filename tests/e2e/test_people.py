"""People in charge of a recovery, on a real Airflow: approval, pause, "Mark success", a time that runs out."""

import json
import sys
import time
from pathlib import Path

import httpx
import pytest

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
drill: {network: shared}
recovery:
  approval: {required: 2, approvers: [admin, ann, bob], timeout: 10m}
waves:
  - {name: first, groups: [first]}
  - name: second
    groups: [second]
    delay_before: 2s
    pause_before: {message: Is the first one healthy?, approvers: [bob]}
---
kind: RecoveryPlan
name: hasty
drill: {network: shared}
recovery:
  approval: {approvers: [ann], timeout: 3s}
waves:
  - {name: first, groups: [first]}
"""

DONE = ("success", "failed")


class People:
    """Airflow as several users see it."""

    def __init__(self, stack):
        self.stack = stack
        passwords = json.loads(stack.places.passwords.read_text())
        self.clients = {name: self._client(name, password) for name, password in passwords.items()}

    def _client(self, name, password):
        client = httpx.Client(base_url=self.stack.airflow.address, timeout=30, trust_env=False)
        answer = client.post("/auth/token", json={"username": name, "password": password}).raise_for_status()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return client

    def recover(self, plan, **conf):
        conf = {"mode": "recovery", "confirm": plan, "reason": "the region is dark", **conf}
        return self.stack.airflow.trigger(f"drs.{plan}", conf)

    def states(self, plan, run_id):
        return {one["task_id"]: one["state"] for one in self.stack.airflow.tasks(f"drs.{plan}", run_id)}

    def await_state(self, plan, run_id, task, *states):
        return self._await(lambda: self.states(plan, run_id).get(task), states)

    def await_end(self, plan, run_id):
        return self._await(lambda: self.stack.airflow.run(f"drs.{plan}", run_id)["state"], DONE)

    def _await(self, look, wanted):
        until = time.monotonic() + 100
        while (seen := look()) not in wanted:
            assert time.monotonic() < until, f"still {seen}, not {wanted}"
            self.stack.check(0.3)
        return seen

    def path(self, plan, run_id, task):
        return f"/api/v2/dags/drs.{plan}/dagRuns/{run_id}/taskInstances/{task}"

    def answer(self, who, plan, run_id, task, option):
        body = {"chosen_options": [option], "params_input": {}}
        return self.clients[who].patch(f"{self.path(plan, run_id, task)}/-1/hitlDetails", json=body)

    def asked(self, plan, run_id, task):
        found = self.clients["admin"].get(f"{self.path(plan, run_id, task)}/-1/hitlDetails").raise_for_status().json()
        return found["subject"], found["body"], [user["id"] for user in found["assigned_users"]]

    def report(self, plan, run_id):
        left = self.stack.airflow.result(f"drs.{plan}", run_id, "finish.report")
        return json.loads(Path(left["json"].removeprefix("file://")).read_text())

    def said(self, plan, run_id, task):
        return self.stack.airflow.result(f"drs.{plan}", run_id, task, "error")

    def launches(self):
        drs = [call for call in self.stack.simulator.calls() if call["operation"] == "StartRecovery"]
        return len(drs)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    plans = folder / "plans"
    plans.mkdir()
    (plans / "hello.yaml").write_text(PLAN)
    users = {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,ann:admin,bob:user"}
    users["PYTHONPATH"] = str(PROJECT / "plugins")  # this tree, also where another one is installed
    users["AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL"] = "2"
    settings = Settings(
        state=folder / "state", plans=plans, fleets=FLEETS[1:], speed=600, port=any_port(), airflow=users
    )
    with Stack(settings) as stack:
        until = time.monotonic() + 60
        while not all(stack.airflow.knows_dag(f"drs.{plan}") for plan in ("hello", "hasty")):
            assert time.monotonic() < until, stack.airflow.import_errors()
            stack.check(0.5)
        yield People(stack)


def test_two_people_approve_one_answers_the_pause_and_the_report_names_them(people):
    run_id = people.recover("hello")
    people.await_state("hello", run_id, "preflight.approval", "awaiting_input")
    subject, body, assigned = people.asked("hello", run_id, "preflight.approval")

    assert subject == "Recover hello? Approval 1 of 2"
    assert "**A real recovery of hello**, asked for by admin: the region is dark" in body
    assert "| first | 1 | 0 | us-west-2 |" in body
    assert assigned == ["ann", "bob"]
    assert people.answer("admin", "hello", run_id, "preflight.approval", "Approve").status_code == 403
    assert people.answer("ann", "hello", run_id, "preflight.approval", "Approve").status_code == 200
    people.await_state("hello", run_id, "preflight.approval_2", "awaiting_input")
    assert people.launches() == 0
    assert people.answer("ann", "hello", run_id, "preflight.approval_2", "Approve").status_code == 403
    assert people.answer("bob", "hello", run_id, "preflight.approval_2", "Approve").status_code == 200
    people.await_state("hello", run_id, "second.pause", "awaiting_input")
    assert people.launches() == 1
    assert people.answer("ann", "hello", run_id, "second.pause", "Continue").status_code == 403
    assert people.answer("bob", "hello", run_id, "second.pause", "Continue").status_code == 200

    assert people.await_end("hello", run_id) == "success"
    report = people.report("hello", run_id)
    assert report["verdict"] == "completed"
    assert [(one["task"], one["outcome"], one["by"]) for one in report["waits"]] == [
        ("preflight.approval", "approved", "ann"),
        ("preflight.approval_2", "approved", "bob"),
        ("second.delay", "over", None),
        ("second.pause", "continued", "bob"),
    ]
    (gap,) = report["dead_times"]
    assert gap["waited_seconds"] > 2
    assert people.launches() == 2


def test_mark_success_is_no_approval_and_a_rejection_cancels(people):
    before = people.launches()
    run_id = people.recover("hello", replace_live_instances=True)
    people.await_state("hello", run_id, "preflight.approval", "awaiting_input")
    people.answer("ann", "hello", run_id, "preflight.approval", "Approve").raise_for_status()
    people.await_state("hello", run_id, "preflight.approval_2", "awaiting_input")
    marked = people.clients["bob"].patch(
        people.path("hello", run_id, "preflight.approval_2"), json={"new_state": "success"}
    )

    assert marked.status_code == 200
    assert people.await_end("hello", run_id) == "failed"
    assert people.said("hello", run_id, "first.start_recovery") == (
        "the recovery is not approved: preflight.approval_2: no answer is recorded (a task that is marked as "
        "successful approves nothing). Nothing was launched; clear preflight.approval_2 with everything downstream to "
        "ask again"
    )
    assert people.report("hello", run_id)["verdict"] == "failed"

    run_id = people.recover("hello", replace_live_instances=True)
    people.await_state("hello", run_id, "preflight.approval", "awaiting_input")
    people.answer("bob", "hello", run_id, "preflight.approval", "Reject").raise_for_status()

    assert people.await_end("hello", run_id) == "failed"
    report = people.report("hello", run_id)
    assert (report["verdict"], report["verdict_reason"]) == (
        "cancelled",
        "Bob rejected the recovery; waves first, second were not started.",
    )
    assert people.launches() == before


def test_an_approval_that_nobody_gives_expires_and_a_drill_asks_nobody(people):
    before = people.launches()
    run_id = people.recover("hasty", replace_live_instances=True)

    assert people.await_end("hasty", run_id) == "failed"
    report = people.report("hasty", run_id)
    assert report["verdict"] == "refused"
    assert report["verdict_reason"] == (
        "Nothing was launched: preflight ended with: nobody approved the recovery within 3s; nothing was launched. "
        "Clear this task with everything downstream to ask again"
    )
    assert people.launches() == before

    run_id = people.stack.airflow.trigger("drs.hasty", {"mode": "drill", "replace_live_instances": True})
    assert people.await_end("hasty", run_id) == "success"
    assert people.states("hasty", run_id)["preflight.approval"] == "skipped"
