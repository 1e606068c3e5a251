"""People in charge of a recovery, on a real Airflow: approval, pause, "Mark success", a time that runs out."""

import json
import sys
import time

import httpx
import pytest

from demo.simulator_api import client

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="the stack looks after its processes as Linux does"),
]

SERVERS = ("s-00e2e000000000001", "s-00e2e000000000002")


class People:
    """Airflow as several users see it."""

    def __init__(self, stack):
        self.stack = stack
        passwords = json.loads(stack.places.passwords.read_text())
        self.clients = {name: self._client(name, password) for name, password in passwords.items()}
        self.answered = {}

    def _client(self, name, password):
        client = httpx.Client(base_url=self.stack.airflow.address, timeout=30, trust_env=False)
        answer = client.post("/auth/token", json={"username": name, "password": password}).raise_for_status()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return client

    def recover(self, plan, **conf):
        conf = {"mode": "recovery", "confirm": plan, "reason": "the region is dark", **conf}
        return self.stack.airflow.trigger(f"drs.{plan}", conf)

    def await_state(self, plan, run_id, task, *states):
        self.stack.until(lambda: self.states(plan, run_id).get(task) in states, lambda: self.stack.states(plan, run_id))

    def await_end(self, plan, run_id):
        return self.stack.await_end(plan, run_id, meanwhile=lambda: self.states(plan, run_id))

    def states(self, plan, run_id):
        """The states of a run's tasks; one that asks again what was answered is answered again."""
        states = self.stack.states(plan, run_id)
        for task, (who, body) in self.answered.get(run_id, {}).items():
            path = f"{self.path(plan, run_id, task)}/-1/hitlDetails"
            if states.get(task) == "awaiting_input" and not self.clients["admin"].get(path).json()["response_received"]:
                self.clients[who].patch(path, json=body)
        return states

    def path(self, plan, run_id, task):
        return f"/api/v2/dags/drs.{plan}/dagRuns/{run_id}/taskInstances/{task}"

    def answer(self, who, plan, run_id, task, option):
        # Airflow asks again when an answer comes before the scheduler has heard that the asking has ended.
        time.sleep(2)
        body = {"chosen_options": [option], "params_input": {}}
        given = self.clients[who].patch(f"{self.path(plan, run_id, task)}/-1/hitlDetails", json=body)
        if given.is_success:
            self.answered.setdefault(run_id, {})[task] = (who, body)
        return given

    def asked(self, plan, run_id, task):
        found = self.clients["admin"].get(f"{self.path(plan, run_id, task)}/-1/hitlDetails").raise_for_status().json()
        return found["subject"], found["body"], [user["id"] for user in found["assigned_users"]]

    def said(self, plan, run_id, task):
        return self.stack.airflow.result(f"drs.{plan}", run_id, task, "error")["message"]

    def page(self, plan, run_id):
        return self.stack.airflow.result(f"drs.{plan}", run_id, "finish.report")["html_path"]

    def take_production_down(self):
        """Terminate what was recovered, as people do once the source is back: no drill replaces it."""
        drs, ec2 = (client(service, self.stack.simulator.address) for service in ("drs", "ec2"))
        live = [
            item["recoveryInstanceID"] for item in drs.describe_recovery_instances()["items"] if not item["isDrill"]
        ]
        for instance in live:
            ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": False})
        if live:
            drs.terminate_recovery_instances(recoveryInstanceIDs=live)
        self.stack.until(
            lambda: (
                not [
                    item
                    for item in drs.describe_recovery_instances()["items"]
                    if not item["isDrill"] and item["ec2InstanceState"] != "TERMINATED"
                ]
            ),
            lambda: drs.describe_recovery_instances()["items"],
        )

    def launches(self):
        """How many launches of these plans' servers were asked for."""
        asked = [call["request"] for call in self.stack.simulator.calls() if call["operation"] == "StartRecovery"]
        return sum(server["sourceServerID"] in SERVERS for question in asked for server in question["sourceServers"])


@pytest.fixture(scope="module")
def people(stack):
    return People(stack)


def test_two_people_approve_one_answers_the_pause_and_the_report_names_them(people):
    before = people.launches()  # by other tests on the same stack
    run_id = people.recover("people")
    people.await_state("people", run_id, "preflight.approval", "awaiting_input")
    subject, body, assigned = people.asked("people", run_id, "preflight.approval")

    assert subject == "Recover people? Approval 1 of 2"
    assert "**A real recovery of people**, requested by admin: the region is dark" in body
    assert "| first | 1 | 0 | us-west-2 of account 111122223333 |" in body
    assert assigned == ["ann", "bob"]
    assert people.answer("admin", "people", run_id, "preflight.approval", "Approve").status_code == 403
    assert people.answer("ann", "people", run_id, "preflight.approval", "Approve").status_code == 200
    people.await_state("people", run_id, "preflight.approval_2", "awaiting_input")
    assert people.launches() == before
    assert people.answer("ann", "people", run_id, "preflight.approval_2", "Approve").status_code == 403
    assert people.answer("bob", "people", run_id, "preflight.approval_2", "Approve").status_code == 200
    people.await_state("people", run_id, "second.pause", "awaiting_input")
    assert people.launches() == before + 1
    assert people.answer("ann", "people", run_id, "second.pause", "Continue").status_code == 403
    assert people.answer("bob", "people", run_id, "second.pause", "Continue").status_code == 200

    assert people.await_end("people", run_id) == "success"
    report = people.stack.report("people", run_id)
    assert report["verdict"] == "completed"
    assert [(wait["task"], wait["outcome"], wait["by"]) for wait in report["waits"]] == [
        ("preflight.approval", "approved", "ann"),
        ("preflight.approval_2", "approved", "bob"),
        ("second.delay", "over", None),
        ("second.pause", "continued", "bob"),
    ]
    note = people.stack.airflow.run("drs.people", run_id)["note"]
    assert note == f"Verdict: completed. {report['verdict_reason']} Report: {people.page('people', run_id)}"
    (gap,) = report["dead_times"]
    assert gap["waited_seconds"] > 2
    assert people.launches() == before + 2


def test_mark_success_is_no_approval_and_a_rejection_cancels(people):
    before = people.launches()
    run_id = people.recover("people", replace_live_instances=True)
    people.await_state("people", run_id, "preflight.approval", "awaiting_input")
    people.answer("ann", "people", run_id, "preflight.approval", "Approve").raise_for_status()
    people.await_state("people", run_id, "preflight.approval_2", "awaiting_input")
    marked = people.clients["bob"].patch(
        people.path("people", run_id, "preflight.approval_2"), json={"new_state": "success"}
    )

    assert marked.status_code == 200
    assert people.await_end("people", run_id) == "failed"
    assert people.said("people", run_id, "first.start_recovery") == (
        "the recovery is not approved: preflight.approval_2: no answer is recorded (a task that is marked as "
        "successful approves nothing). Nothing was launched; clear preflight.approval_2 with everything downstream to "
        "ask again"
    )
    assert people.stack.report("people", run_id)["verdict"] == "failed"

    run_id = people.recover("people", replace_live_instances=True)
    people.await_state("people", run_id, "preflight.approval", "awaiting_input")
    people.answer("bob", "people", run_id, "preflight.approval", "Reject").raise_for_status()

    assert people.await_end("people", run_id) == "failed"
    report = people.stack.report("people", run_id)
    assert (report["verdict"], report["verdict_reason"]) == (
        "cancelled",
        "Bob rejected the recovery; waves first, second were not started.",
    )
    note = people.stack.airflow.run("drs.people", run_id)["note"]
    assert note.startswith(
        "Verdict: cancelled. Bob rejected the recovery; waves first, second were not started. Report"
    )
    assert people.launches() == before


def test_an_approval_that_nobody_gives_expires_and_a_drill_asks_nobody(people):
    before = people.launches()
    run_id = people.recover("hasty", replace_live_instances=True)

    assert people.await_end("hasty", run_id) == "failed"
    report = people.stack.report("hasty", run_id)
    assert report["verdict"] == "refused"
    assert report["verdict_reason"] == (
        "Nothing was launched: preflight ended with: no approval of the recovery within 3s; nothing was launched. "
        "Clear this task with everything downstream to ask again"
    )
    assert people.launches() == before

    people.take_production_down()
    run_id = people.stack.airflow.trigger("drs.hasty", {"mode": "drill"})
    assert people.await_end("hasty", run_id) == "success"
    assert people.stack.states("hasty", run_id)["preflight.approval"] == "skipped"


# -- plans that are steps of a plan -----------------------------------------------------------------------------------

WHOLE, PARTS = "data-centre", ("tier-one", "tier-two")
OF_THE_PARTS = {"s-00e2e000000000006", "s-00e2e000000000007"}


def runs_of(stack, plan):
    answer = stack.airflow.get(f"/dags/drs.{plan}/dagRuns")
    return {run["dag_run_id"]: run for run in answer["dag_runs"]}


def started_of(stack):
    """Give what was launched of these servers: server and whether as a drill."""
    asked = [call["request"] for call in stack.simulator.calls() if call["operation"] == "StartRecovery"]
    return sorted(
        (server["sourceServerID"], question["isDrill"])
        for question in asked
        for server in question["sourceServers"]
        if server["sourceServerID"] in OF_THE_PARTS
    )


def test_a_drill_and_a_recovery_of_the_whole_take_their_parts_with_them(people):
    stack = people.stack
    drill = stack.airflow.trigger(f"drs.{WHOLE}", {"mode": "drill"})

    assert people.await_end(WHOLE, drill) == "success", stack.states(WHOLE, drill)
    assert started_of(stack) == [(server, True) for server in sorted(OF_THE_PARTS)]
    parts = [step["part"] for wave in stack.report(WHOLE, drill)["waves"] for step in wave["steps"]]
    assert [(part["plan"], part["verdict"]) for part in parts] == [(plan, "passed") for plan in PARTS]
    for plan, part in zip(PARTS, parts, strict=True):
        ((run_id, run),) = runs_of(stack, plan).items()
        assert (run_id, run["state"], run["conf"]["mode"]) == (part["run_id"], "success", "drill")

    recovery = people.recover(WHOLE)
    people.await_state(WHOLE, recovery, "preflight.approval", "awaiting_input")
    assert people.answer("ann", WHOLE, recovery, "preflight.approval", "Approve").status_code == 200
    assert people.await_end(WHOLE, recovery) == "success", stack.states(WHOLE, recovery)
    assert started_of(stack) == sorted((server, is_drill) for server in OF_THE_PARTS for is_drill in (True, False))
    whole = stack.report(WHOLE, recovery)
    parts = [step["part"] for wave in whole["waves"] for step in wave["steps"]]
    assert [(part["plan"], part["verdict"]) for part in parts] == [(plan, "completed") for plan in PARTS]
    one = stack.states("tier-one", parts[0]["run_id"])
    assert (one["preflight.check"], one["preflight.approval"]) == ("success", "skipped")
    people.take_production_down()


def test_a_run_that_only_says_whose_part_it_is_recovers_nothing(people):
    stack = people.stack
    before = started_of(stack)
    given = next(
        (run["conf"] for run in runs_of(stack, "tier-two").values() if run["conf"]["mode"] == "recovery"), None
    )
    forged = given or {"mode": "recovery", "reason": "x", "started_by": {"plan": "tier-two"}}

    run_id = stack.airflow.trigger("drs.tier-two", forged)

    assert people.await_end("tier-two", run_id) == "failed"
    assert "this run says that a step of another plan has started it, and cannot prove it" in people.said(
        "tier-two", run_id, "preflight.check"
    )
    assert started_of(stack) == before
