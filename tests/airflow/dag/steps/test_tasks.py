"""Tasks of steps, leg by leg: whether they may begin, how often they try, what they adopt, and whom they ask."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.providers.standard.operators import hitl
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    TaskAwaitingInput,
    TaskDeferralTimeout,
    TaskDeferred,
)
from drs_provider.dag.factory import build_dag
from drs_provider.dag.steps.approval import AskPeople
from drs_provider.dag.steps.base import RunStep, StepTask
from drs_provider.dag.steps.context import StepPlace
from drs_provider.dag.steps.tasks import task_class
from drs_provider.exceptions import StepFailed, Throttled
from drs_provider.plan.loader import read_folder
from drs_provider.plan.step_kinds import step_kind, step_kinds
from drs_provider.rules.run.approvals import Policy
from drs_provider.rules.run.handover import RunOrder, ServerResults
from drs_provider.rules.run.shape import AskedBefore
from drs_provider.steps.approval import ApprovalStep
from drs_provider.steps.lambda_function import LambdaStep
from drs_provider.steps.tcp_check import Tcp
from drs_provider.steps.work import StepOutcome
from drs_provider.triggers.one_shot import LambdaOnce, OnceEvent, OneShotTrigger
from kit.signatures import remembered, signed_xcoms, unsigned

pytestmark = pytest.mark.airflow

SERVER = {"server_id": "s-1", "hostname": "db1"}
CHECKED = {
    "plan": "shop",
    "passed": True,
    "digest": "d",
    "mode": "recovery",
    "needs_approval": False,
    "checked_at": "2026-11-22T05:00:00+00:00",
    "waves": {
        "database": {
            "selected": True,
            "targets": [{"aws_conn_id": "aws_default", "region": "us-west-2", "servers": [SERVER]}],
        }
    },
}
LAUNCHED = ServerResults.from_json(
    [{"server_id": "s-1", "hostname": "db1", "critical": True, "status": "launched", "instance_id": "i-1"}]
)


class Store(dict):
    """The task state store: survives retries and clears."""

    def set(self, key, value, *, retention=None):
        self[key] = value


class Ti:
    def __init__(self, task_id, left, try_number=1, max_tries=2):
        self.id, self.task_id, self.left = "ti-1", task_id, left
        self.dag_id, self.run_id, self.map_index = "drs.shop", "r", -1
        self.try_number, self.max_tries = try_number, max_tries

    def xcom_pull(self, task_ids, key="return_value"):
        return self.left.get((task_ids, key))

    def xcom_push(self, key, value):
        self.left[self.task_id, key] = value


class Trying(RunStep):
    """A step that does what the test says, attempt by attempt."""

    def __init__(self, *, outcomes, **kwargs):
        super().__init__(**kwargs)
        self.outcomes = list(outcomes)

    def begin(self, going):
        one = self.outcomes.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    def heard(self, going, event):
        return self.begin(going)


def place(**changes):
    return StepPlace(
        **{
            "plan": "shop",
            "title": "Shop",
            "digest": "d",
            "wave": "database",
            "side": "after",
            "watch_task_ids": {"database": "database.recovery_job"},
            "start_task_ids": ["database.start_recovery"],
            **changes,
        }
    )


def step(*outcomes, where=None, **fields):
    written = Tcp.model_validate({"kind": "tcp", "name": "look", "host": "x", "port": 1, **fields})
    return Trying(outcomes=outcomes, task_id="database.look", step=written, place=where or place())


def context(store=None, preflight=None, left=None, **ti):
    xcoms = {
        ("preflight.check", "preflight"): {**CHECKED, **(preflight or {})},
        ("database.recovery_job", "servers"): LAUNCHED,
        **(left or {}),
    }
    one = Ti("database.look", signed_xcoms(xcoms, "drs.shop", "r"), **ti)
    run = SimpleNamespace(triggering_user_name="ann", start_date=datetime(2026, 11, 22, tzinfo=UTC), run_id="r")
    return {"ti": one, "task_instance": one, "dag_run": run, "task_state_store": Store() if store is None else store}


def left_by(found):
    return unsigned(found["ti"].left["database.look", "step"])


@pytest.mark.parametrize("mode", ["check", "reprotect"])
@pytest.mark.parametrize("wave", ["database", None])
def test_a_run_that_launches_nothing_does_no_step_whoever_clears_it(mode, wave):
    """Steps of a failback stop production's writes: they are none of the reprotection before it."""
    found = {**context(preflight={"mode": mode}), "params": {"mode": mode}}
    task = step(StepOutcome("done"), where=place(wave=wave, side="before"), when="always")

    with pytest.raises(AirflowSkipException, match=r" launches nothing$"):
        task.execute(found)


def test_every_kind_has_a_task():
    found = {kind.task_name: task_class(kind) for kind in step_kinds()}

    assert {name: task.__name__ for name, task in found.items()} == {name: name for name in found}
    assert all(issubclass(task, StepTask) and tuple(task.template_fields) == () for task in found.values())


PLAN = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001]
---
kind: RecoveryPlan
name: shop
drill: {network: shared}
waves:
  - name: database
    groups: [db]
    delay_before: 1m
    pause_before: {message: "Now?", approvers: [bob]}
    before: [{kind: wait, name: one, for: 1s}, {kind: approval, name: two, message: "Sure?", approvers: [bob]}]
    after: [{kind: wait, name: three, for: 1s}, {kind: wait, name: four, for: 1s}]
  - name: tidy
    before: [{kind: wait, name: one, for: 1s}]
    after: [{kind: wait, name: two, for: 1s}]
  - name: apart
    depends_on: []
    after: [{kind: wait, name: one, for: 1s}]
before: [{kind: wait, name: first, for: 1s}, {kind: wait, name: second, for: 1s}]
after: [{kind: wait, name: last, for: 1s}]
"""


def test_steps_stand_in_the_chain_and_what_depends_on_a_wave_waits_for_its_last_one(tmp_path):
    (tmp_path / "shop.yaml").write_text(PLAN)

    dag = build_dag(read_folder(tmp_path).plans["shop"], tmp_path)

    above = {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks if "servers" not in task.task_id}
    cleaned = above.pop("finish.clean_up")
    assert {task: names for task, names in above.items() if not task.startswith("finish.")} == {
        "preflight.check": [],
        "before_waves.first": ["preflight.check"],
        "before_waves.second": ["before_waves.first"],
        "database.delay": ["before_waves.second"],
        "database.pause": ["database.delay"],
        "database.one": ["database.pause"],
        "database.two": ["database.one"],
        "database.start_recovery": ["database.two"],
        "database.recovery_job": ["database.start_recovery"],
        "database.tag_instances": ["database.recovery_job"],
        "database.three": ["database.recovery_job"],
        "database.four": ["database.three"],
        "tidy.one": ["database.four"],
        "tidy.two": ["tidy.one"],
        "apart.one": ["before_waves.second"],
        "after_waves.last": ["apart.one", "database.four", "tidy.two"],
    }
    assert set(cleaned) == set(above) - {"preflight.check", "finish.look_over", "finish.report", "finish.verdict"}
    steps = [dag.get_task(name) for name in above if isinstance(dag.get_task(name), StepTask)]
    assert {task.trigger_rule for task in steps} == {"none_failed"}
    start = dag.get_task("database.start_recovery")
    assert [task.task_id for task in start.asked_before] == ["database.two"]
    assert [task.task_id for task in dag.get_task("tidy.one").place.asked_before] == ["database.two"]


def ordered(order):
    """What the task state store of the step holds once a person has ordered something."""
    return {RunOrder.KEY: remembered(order, Ti("database.look", {}))}


SKIPPED = RunOrder(kind="skip", message="wave database skipped")
POLICY = Policy(1, ("bob",), timedelta(minutes=5), always=True, four_eyes=True)
NO_ANSWER = "no answer is recorded (a task that is marked as successful approves nothing)"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"preflight": {"passed": False}}, "preflight of shop has not passed in this run"),
        ({"preflight": {"digest": "e"}}, "plan shop was edited during this run"),
        ({"store": ordered(RunOrder(kind="cancel", message="cancelled by ann"))}, "cancelled by ann"),
        (
            {"preflight": {"needs_approval": True}, "where": {"policy": POLICY, "approval_task_ids": ["p.a"]}},
            f"the recovery is not approved: p.a: {NO_ANSWER}",
        ),
        ({"left": {("database.recovery_job", "servers"): None}}, "wave database has not launched anything"),
        (
            {"where": {"asked_before": (AskedBefore("database.ask"),)}},
            "database.ask has left no answer (a task that is marked as successful approves nothing)",
        ),
    ],
)
def test_nothing_is_done_that_must_not_be_also_where_the_plan_would_go_on(given, said):
    task = step(StepOutcome("done"), where=place(**given.pop("where", {})), on_failure="continue")
    store = Store(given.pop("store", {}))

    with pytest.raises(AirflowFailException, match="^" + said.replace("(", r"\(").replace(")", r"\)")):
        task.execute(context(store, **given))

    assert len(task.outcomes) == 1


@pytest.mark.parametrize(
    ("given", "fields", "said"),
    [
        ({}, {"when": "drill"}, "this run is a recovery, and the step is for a drill"),
        ({"store": ordered(RunOrder(kind="skip", message="wave database skipped"))}, {}, "wave database skipped"),
        (
            {"preflight": {"waves": {"database": {"selected": False, "targets": []}}}},
            {},
            "wave database was not chosen for this run",
        ),
        (
            {"preflight": {"waves": {"database": {"selected": True, "targets": []}}}},
            {},
            "wave database has no server left to launch",
        ),
        ({"left": {("database.start_recovery", "drs_order"): SKIPPED}}, {}, "wave database skipped"),
    ],
)
def test_a_step_that_has_nothing_to_do_is_skipped_and_says_why(given, fields, said):
    task = step(StepOutcome("done"), **fields)
    found = context(Store(given.pop("store", {})), **given)

    with pytest.raises(AirflowSkipException, match=said):
        task.execute(found)

    assert (left_by(found)["state"], left_by(found)["summary"]) == ("skipped", said)


def test_a_failure_is_tried_again_as_often_as_the_plan_says_and_then_fails_for_good():
    task, store = step(StepFailed("no"), StepFailed("no"), StepFailed("never"), retries=1), Store()

    with pytest.raises(AirflowException, match=r"^step look: no \(attempt 1 of 2; retrying\)$") as again:
        task.execute(context(store, max_tries=3))
    assert not isinstance(again.value, AirflowFailException)
    found = context(store, try_number=2, max_tries=3)
    with pytest.raises(AirflowFailException, match=r"^step look: no$"):
        task.execute(found)

    assert (left_by(found)["state"], left_by(found)["attempts"]) == ("failed", 2)


def test_where_the_plan_goes_on_a_failed_step_is_skipped_and_its_result_says_failed():
    task, found = step(StepFailed("no", output="log"), on_failure="continue"), context()

    with pytest.raises(AirflowSkipException, match=r"^step look: no; the plan continues$"):
        task.execute(found)

    assert (left_by(found)["state"], left_by(found)["output"]) == ("failed", "log")


def test_what_nobody_foresaw_is_left_to_airflow_and_in_the_end_fails_as_the_plan_says():
    task, store = step(ValueError("odd"), Throttled("x", "Y", "z"), ValueError("odd"), on_failure="continue"), Store()
    with pytest.raises(ValueError, match="odd"):
        task.execute(context(store))
    with pytest.raises(Throttled):
        task.execute(context(store, try_number=2))
    with pytest.raises(AirflowSkipException, match=r"^step look: ValueError: odd; the plan continues$"):
        task.execute(context(store, try_number=3))


def test_a_step_that_ended_before_airflow_heard_of_it_is_not_done_again_but_a_cleared_one_is():
    task, store = step(StepOutcome("first"), StepOutcome("second")), Store()

    assert task.execute(context(store)) == "first"
    assert task.execute(context(store, try_number=2)) == "first"
    assert task.execute(context(store, try_number=3, max_tries=5)) == "second"
    assert store["drs_step"]["attempt"] == 2


def test_a_wait_that_airflow_itself_ends_is_a_time_out_in_the_plans_words():
    task, found = step(timeout="5m"), context()
    with pytest.raises(AirflowFailException, match=r"^step look: not done within 5m: no answer was received$"):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, found)
    assert issubclass(TaskDeferralTimeout, AirflowException)


class Marked:
    """The marks of a trigger, kept where the next triggerer finds them."""

    def __init__(self):
        self.left = False

    def is_there(self):
        return self.left

    def leave(self):
        self.left = True


class Counting(OneShotTrigger):
    acted = 0

    def serialize(self):
        return "", {}

    def act(self, seconds):
        self.acted += 1
        return OnceEvent(outcome="answered", succeeded=True, summary="done", output="")


@pytest.mark.parametrize(("repeatable", "outcome", "acted"), [(False, "unknown", 1), (True, "answered", 2)])
def test_a_trigger_that_another_triggerer_takes_over_acts_again_only_where_it_may(repeatable, outcome, acted):
    deadline = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    whose = {"dag_id": "d", "run_id": "r", "task_id": "t", "attempt": 1}
    trigger, marks = Counting(whose=whose, deadline=deadline, repeatable=repeatable), Marked()

    async def twice():
        now = lambda: datetime.now(UTC)  # noqa: E731
        return [(await trigger.go(marks, now=now))["outcome"] for _ in range(2)]

    assert asyncio.run(twice()) == ["answered", outcome]
    assert trigger.acted == acted


def test_a_worker_that_dies_while_a_function_runs_does_not_invoke_it_again():
    written = LambdaStep.model_validate({"kind": "lambda", "name": "look", "function": "f"})
    task, store = task_class(step_kind("lambda"))(task_id="database.look", step=written, place=place()), Store()

    with pytest.raises(TaskDeferred) as waits:
        task.execute(context(store))
    assert isinstance(waits.value.trigger, LambdaOnce)
    with pytest.raises(AirflowFailException) as failed:
        task.execute(context(store, try_number=2))

    assert str(failed.value) == (
        "step look: the function may have run, and is not run again: the worker that waited for it has died; look "
        "there, then clear this task to do it again, or write 'repeatable: true' into the step"
    )


@pytest.fixture
def asked(monkeypatch):
    requests = []
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **request: requests.append(request))
    return requests


def approval(**fields):
    written = {"kind": "approval", "name": "look", "message": "Up, {{ plan.title }}? <b>", "approvers": ["bob", "cyd"]}
    return AskPeople(
        task_id="database.look", step=ApprovalStep.model_validate({**written, **fields}), place=place(side="before")
    )


def answered(option, who, form=None):
    at = datetime(2026, 11, 22, 5, 9, tzinfo=UTC)
    user = {"id": "7", "name": who}
    event = {"chosen_options": [option], "params_input": form or {}, "responded_at": at, "responded_by_user": user}
    return {"event": event}


def test_an_approval_needs_as_many_different_people_as_it_says(asked):
    task, found = approval(required=2), context()

    with pytest.raises(TaskAwaitingInput):
        task.execute(found)
    for who in ("bob", "eve", "bob"):  # counts, is not asked, has answered already
        with pytest.raises(TaskAwaitingInput):
            task.resume_execution("execute_complete", answered("Approve", who), found)
    said = task.resume_execution("execute_complete", answered("Approve", "cyd", {"comment": " counted "}), found)

    assert said == "approved by bob, cyd (counted)"
    assert {question["subject"] for question in asked} == {"look: continue with shop? (2 people must approve)"}
    assert len({question["body"] for question in asked}) == 1  # Airflow would not show another one
    board = found["ti"].left["database.look", "asked"]
    assert (board["agreed"], board["people"]) == (["bob", "cyd"], [])
    assert asked[0]["body"].startswith("**Up, Shop? &lt;b&gt;**\n\nStep look of wave database, in a recovery of shop.")
    assert left_by(found)["state"] == "succeeded"


def test_who_triggered_the_run_does_not_count_where_four_eyes_are_asked_for(asked):
    task, found = approval(approvers=["ann", "bob"], four_eyes=True), context()
    with pytest.raises(TaskAwaitingInput):
        task.execute(found)
    with pytest.raises(TaskAwaitingInput):
        task.resume_execution("execute_complete", answered("Approve", "ann"), found)

    assert task.resume_execution("execute_complete", answered("Approve", "bob"), found) == "approved by bob"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (answered("Reject", "bob"), "step look: bob rejected it"),
        (answered("Reject", "bob", {"comment": "rows\x1b[31m lack"}), "step look: bob rejected it: rows\\x1b[31m lack"),
        (answered("Reject", "bob", {"comment": 7, "other": "x"}), "step look: bob rejected it"),
        (
            {"event": {"error": "The response timeout has passed", "error_type": "timeout"}},
            (
                "step look: not approved within 10m: 1 of bob, cyd must approve; clear this task with everything "
                "downstream to ask again"
            ),
        ),
    ],
)
@pytest.mark.parametrize("goes_on", [False, True])
def test_a_no_and_a_silence_end_as_the_plan_says(asked, event, said, goes_on):
    task, found = approval(on_failure="continue" if goes_on else "fail"), context()
    with pytest.raises(TaskAwaitingInput):
        task.execute(found)

    with pytest.raises(AirflowSkipException if goes_on else AirflowFailException) as ended:
        task.resume_execution("execute_complete", event, found)

    assert str(ended.value) == said + ("; the plan continues" if goes_on else "")
    assert left_by(found)["state"] == "failed"


def test_an_approval_that_is_not_for_this_run_asks_nobody(asked):
    with pytest.raises(AirflowSkipException):
        approval(when="drill").execute(context())

    assert asked == []
